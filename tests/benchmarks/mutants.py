"""Mutation testing: how many small changes of the checks, shapes, weights and model files are found.

    python tests/benchmarks/mutants.py [--n 60] [--skip 0] [--seed 0] [--only PART] [--list]

Draws mutants of the files in FILES at random and runs the tests that belong to each file. A mutant
is one change of the syntax tree: another comparison, `and` for `or`, a condition negated, never
or always true, a number one larger or smaller, a flag negated, another operator, None returned or a
call left out. It is killed if a test fails and survives else; that it takes more than MOST_SECONDS is
counted by itself. The changed code is only in the memory of a forked process; no file is written.
The tests must pass without a change, which is checked first.
"""

import argparse
import ast
import importlib.machinery
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST_SECONDS = 300
PERSISTENCE = [
    f"tests/persistence/test_{name}.py"
    for name in (
        *("crafted_files", "values", "convnets", "after_the_fit", "sklearn_types", "features"),
        "choice",
    )
]
WINDOWS = ("convolution", "pooling", "layers")
# The files, by what they are for, each with its tests.
FILES = {
    "the check of X and y": {
        "_data/validation.py": ["tests/data/test_validation.py", "tests/convnet/test_bad_input.py"],
        "_data/layouts.py": ["tests/data/test_layouts.py", "tests/convnet/test_spatial_dims.py"],
        "_data/containers.py": ["tests/data", "tests/convnet/test_bad_input.py"],
    },
    "shapes": {
        "layers/_shapes.py": [f"tests/layers/test_{name}.py" for name in ("shapes", *WINDOWS)],
        "layers/_padding.py": [f"tests/layers/test_{name}.py" for name in ("shapes", *WINDOWS)],
        "layers/_pooling.py": [f"tests/layers/test_{name}.py" for name in WINDOWS],
        "layers/_convolution.py": [f"tests/layers/test_{name}.py" for name in WINDOWS],
    },
    "weights": {
        "_data/weights.py": ["tests/data/test_weights.py", "tests/convnet/test_fitted_state.py"],
        "_files/weights.py": ["tests/files/test_weights.py"],
    },
    "model files": {
        "_files/container.py": ["tests/files", *PERSISTENCE[:1]],
        "_files/manifest.py": ["tests/files", *PERSISTENCE[:1]],
        "_files/atomic.py": ["tests/files", "tests/persistence/test_interrupted_saves.py"],
        **{
            f"persistence/_{name}.py": PERSISTENCE
            for name in (
                *("values", "checks", "estimators", "network_state", "convnets", "own_types"),
                *("save_load", "features", "choice", "registry"),
            )
        },
    },
}
COMPARISONS = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
    ast.GtE: ast.Gt, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
}  # fmt: skip
CHANGED, NOT_CHANGED = 1, 0  # exit statuses of the tests
KILLED, SURVIVED, TOO_LONG = "killed", "SURVIVED", "TOO LONG"


def changes(node):
    """Yield what may be changed of a node, and the function that changes it in place."""
    if isinstance(node, ast.Compare):
        for i, operator in enumerate(node.ops):
            if type(operator) in COMPARISONS:
                other = COMPARISONS[type(operator)]
                yield f"comparison is {other.__name__}", _setter("ops", i, other())
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield f"boolean is {type(other).__name__}", _setter("op", None, other)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "without not", _setter("op", None, ast.UAdd())
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        other = OPERATORS[type(node.op)]
        yield f"operator is {other.__name__}", _setter("op", None, other())
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        for step in (-1, 1):
            yield f"number {step:+}", _setter("value", None, node.value + step)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield "flag negated", _setter("value", None, not node.value)
    elif isinstance(node, ast.Return) and node.value is not None:
        yield "returns None", _setter("value", None, ast.Constant(None))
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "call left out", _setter("value", None, ast.Constant(None))
    elif isinstance(node, ast.If):
        yield "never true", _setter("test", None, ast.Constant(False))
        yield "always true", _setter("test", None, ast.Constant(True))


def _setter(field, index, value):
    def change(node):
        if index is None:
            setattr(node, field, value)
        else:
            getattr(node, field)[index] = value

    return change


def left_out(nodes):
    """Return the nodes of annotations and of messages of errors, which tests need not check."""
    found = set()
    for node in nodes:
        parts = [getattr(node, field, None) for field in ("annotation", "returns")]
        if isinstance(node, ast.Raise):
            parts.append(node.exc)
        for part in filter(None, parts):
            found |= {id(inner) for inner in ast.walk(part)}
    return found


def mutants_of(path):
    """Return all mutants of a file, as (number of the node, line, what is changed, function)."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    skipped = left_out(nodes)
    return [
        (i, getattr(node, "lineno", 0), what, change)
        for i, node in enumerate(nodes)
        if id(node) not in skipped
        for what, change in changes(node)
    ]


def run_tests(tests, path, code):
    """Run tests, in this process, with the code in the place of a file; return the exit status."""
    import pytest

    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    get_code = importlib.machinery.SourceFileLoader.get_code

    def changed(self, fullname):
        return code if fullname == name else get_code(self, fullname)

    importlib.machinery.SourceFileLoader.get_code = changed
    quiet = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow"]
    return CHANGED if pytest.main([*quiet, *tests]) else NOT_CHANGED


def result_of(tests, path, code, log):
    """Return what the tests say of a change, in a forked process."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            os._exit(run_tests(tests, path, code))
        finally:
            os._exit(CHANGED)
    end = time.monotonic() + MOST_SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return SURVIVED if os.waitstatus_to_exitcode(status) == NOT_CHANGED else KILLED
        time.sleep(0.1)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return TOO_LONG


def check_unchanged(tests, log):
    """Stop if tests fail without a change, since they would kill every mutant."""
    path = ROOT / "skcnn" / "__init__.py"
    code = compile(path.read_text(encoding="utf-8"), str(path), "exec")
    if result_of(tests, path, code, log) != SURVIVED:
        sys.exit(f"These tests fail without a change: {' '.join(tests)}\n{Path(log).read_text()}")


def prepare():
    """Import what all tests need, so that the forked processes do not."""
    import optuna  # noqa: F401
    import pandas  # noqa: F401
    import pytest  # noqa: F401
    import scipy.stats  # noqa: F401
    import sklearn.ensemble
    import sklearn.pipeline  # noqa: F401
    import skorch  # noqa: F401
    import torch

    torch.set_num_threads(1)
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=60, help="number of mutants")
    parser.add_argument("--skip", type=int, default=0, help="leave out so many, tested before")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=FILES, help="a part of the files")
    parser.add_argument("--list", action="store_true", help="count the mutants only")
    args = parser.parse_args()
    parts = [args.only] if args.only else list(FILES)
    found = [
        (part, ROOT / "skcnn" / name, tests, mutant)
        for part in parts
        for name, tests in FILES[part].items()
        for mutant in mutants_of(ROOT / "skcnn" / name)
    ]
    print(f"{len(found)} mutants in all:", dict(Counter(part for part, *_ in found)), flush=True)
    if args.list:
        return
    prepare()
    results = Counter()
    drawn = random.Random(args.seed).sample(found, min(args.n, len(found)))[args.skip :]
    with tempfile.NamedTemporaryFile() as log:
        checked = []
        for part, path, tests, (i, line, what, change) in drawn:
            if tests not in checked:
                check_unchanged(tests, log.name)
                checked.append(tests)
            tree = ast.parse(path.read_text(encoding="utf-8"))
            change(list(ast.walk(tree))[i])
            code = compile(ast.fix_missing_locations(tree), str(path), "exec")
            result = result_of(tests, path, code, log.name)
            results[part, result] += 1
            if result != KILLED:
                text = path.read_text(encoding="utf-8").splitlines()[line - 1].strip()
                print(f"{result} {path.relative_to(ROOT)}:{line} {what}: {text}", flush=True)
            print(f"{results.total()} done", file=sys.stderr, flush=True)
    for part in parts:
        counts = {each: results[part, each] for each in (KILLED, SURVIVED, TOO_LONG)}
        print(f"{part}: {counts}")
    total = sum(results[part, KILLED] for part in parts)
    print(f"in all: {total} of {len(drawn)} killed, {total / len(drawn):.0%}")


if __name__ == "__main__":
    main()
