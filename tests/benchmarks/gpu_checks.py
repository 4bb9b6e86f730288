"""Everything that must be shown on a GPU, in less than eight minutes, as one JSON file.

    python tests/benchmarks/gpu_checks.py [--cifar cifar10.tar.gz] [--out gpu-checks.json]
        [--python PYTHON] [--minutes 8] [--skip tests checks speed]

It runs `make test-gpu`, scikit-learn's checks of both estimators, checks of equal bits, and
`make bench ARGS="--section gpu"`, each in a process of its own. What has no time left is written
as left out. Nothing is installed or downloaded. Without a GPU it says so and ends.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEST_MINUTES, SPEED_MINUTES = 4, 3


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cifar", metavar="FILE")
    parser.add_argument("--out", default="gpu-checks.json", metavar="FILE")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--skip", nargs="*", choices=["tests", "checks", "speed"], default=[])
    parser.add_argument("--device", default="cuda", help=argparse.SUPPRESS)  # "cpu" for a trial
    return parser.parse_args()


def run(command, seconds, environment=None):
    """Return exit status, seconds and the end of the output of a command."""
    start = time.perf_counter()
    try:
        done = subprocess.run(
            command, cwd=ROOT, timeout=max(seconds, 1), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env={**os.environ, "PYTHONPATH": ".", **(environment or {})},
        )  # fmt: skip
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as error:
        out = error.stdout or b""
        status, output = "out of time", out.decode() if isinstance(out, bytes) else out
    return {
        "command": " ".join(map(str, command)), "status": status,
        "seconds": round(time.perf_counter() - start, 1), "output": output[-6000:],
    }  # fmt: skip


# Checks of equal bits, in a process of their own: a name and what it finds.


def same_bits(model, X, y):
    """Return whether two fits predict the same."""
    import numpy as np

    first, second = (model.fit(X, y).predict_proba(X) for _ in range(2))
    return bool(np.array_equal(first, second))


def checks(device):
    """Yield a name and whether it holds, or an error, for each check."""
    import pickle

    import numpy as np
    import torch
    from sklearn.utils.estimator_checks import check_estimator

    from skcnn import ConvNetClassifier, ConvNetRegressor
    from skcnn.layers import AdaptivePool, Conv, Dense, Pool, Resize

    rng = np.random.default_rng(0)
    pads = [Conv(8, padding_mode=mode) for mode in ("zeros", "mirror", "edge", "wrap")]
    pools = [Pool(2), Pool(3, stride=1, padding="same"), Pool(2, kind="average"),
             Pool(3, stride=2, kind="average"), AdaptivePool(3), AdaptivePool(3, kind="max")]  # fmt: skip
    for shape, n_axes in (((200, 3), 1), ((24, 24, 3), 2), ((12, 12, 12, 2), 3)):
        X, y = rng.normal(size=(256, *shape)).astype(np.float32), np.arange(256) % 4
        middles = [*pads, *pools] + ([Resize(17)] if n_axes == 2 else [])
        for middle in middles:
            layers = (Conv(8), middle, Conv(8, activation="relu"), Dense(16))
            model = ConvNetClassifier(
                architecture=layers, n_spatial_dims=n_axes, max_epochs=3, random_state=0,
                device=device,
            )  # fmt: skip
            yield f"same bits, {n_axes}-D, {middle!r}", same_bits(model, X, y)
    model = ConvNetClassifier(max_epochs=3, random_state=0, device=device).fit(X, y)
    expected = model.predict_proba(X)
    again = pickle.loads(pickle.dumps(model))
    yield (
        "unpickled: same device and bits",
        bool(
            again.net_.device == model.net_.device
            and np.array_equal(again.predict_proba(X), expected)
        ),
    )
    few = np.concatenate([model.predict_proba(X[:5]), model.predict_proba(X[5:])])
    yield "a sample's bits do not depend on its company", bool(np.array_equal(few, expected))
    if device == "cuda":
        yield "flags are as before", not torch.are_deterministic_algorithms_enabled()
    yield "captured steps", captured(device)
    for cls in (ConvNetClassifier, ConvNetRegressor):
        results = check_estimator(cls(device=device, max_epochs=30), on_fail=None)
        failed = [each["check_name"] for each in results if each["status"] == "failed"]
        yield f"check_estimator, {cls.__name__}", {"of": len(results), "failed": failed}


def captured(device):
    """Return whether captured steps give eager ones to rounding, for each optimizer."""
    import numpy as np

    from skcnn import ConvNetClassifier
    from skcnn._training.cuda import switch

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(520, 12, 12)).astype(np.float32), np.arange(520) % 4
    found = {}
    for optimizer in ("adamw", "adam", "sgd", "muon", "rmsprop", "adagrad"):
        losses = []
        for is_on in (False, True):
            with switch.captured_steps(is_on):
                model = ConvNetClassifier(
                    optimizer=optimizer, max_epochs=3, batch_size=64, random_state=0,
                    device=device, precision="float32", conv_dropout=0.0, dropout=0.0,
                ).fit(X, y)  # fmt: skip
            losses.append(model.history_["train_loss"].to_numpy())
        found[optimizer] = {
            "difference": float(np.abs(losses[0] - losses[1]).max()),
            "steps": switch.last_counts(),
        }
    return found


def run_checks(device):
    """Print each check as a line of JSON."""
    import warnings

    warnings.simplefilter("ignore")
    found = checks(device)
    while True:
        try:
            name, result = next(found)
        except StopIteration:
            return
        except Exception as error:
            name, result = "error", f"{type(error).__name__}: {error}"
        print(json.dumps({"name": name, "result": result}), flush=True)


def main():
    if sys.argv[1:2] == ["checks"]:
        run_checks(sys.argv[2])
        return
    options = parse()
    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        print("no GPU")
        return
    end = time.perf_counter() + 60 * options.minutes
    name = torch.cuda.get_device_name() if options.device == "cuda" else "a trial on the CPU"
    results = {"device": name, "torch": torch.__version__, "started": time.ctime()}

    def keep(part, result):
        results[part] = result
        Path(options.out).write_text(json.dumps(results, indent=1) + "\n")
        print(f"{part}: {result.get('status')} after {result.get('seconds')} s", flush=True)

    def left():
        return end - time.perf_counter()

    python = options.python
    with tempfile.TemporaryDirectory() as folder:
        if "checks" not in options.skip:  # first, as it says most in the least time
            done = run([python, __file__, "checks", options.device], min(left(), 120))
            lines = [line for line in done["output"].splitlines() if line.startswith("{")]
            keep("checks", done | {"results": [json.loads(line) for line in lines]})
        if "speed" not in options.skip:
            command = [python, "tests/benchmarks/speed.py", "--section", "gpu", "--out", folder]
            command += ["--cifar", os.path.abspath(options.cifar)] if options.cifar else []
            command += [] if options.device == "cuda" else ["--quick"]
            done = run(command, min(left(), 60 * SPEED_MINUTES))
            written = Path(folder) / "speed.json"
            tables = json.loads(written.read_text())["tables"] if written.exists() else []
            keep("speed", done | {"tables": tables})
        if "tests" not in options.skip:
            kind = "cuda" if options.device == "cuda" else "pretended"
            command = ["make", "test-gpu", f"PYTHON={python}", f"DEVICE={kind}"]
            keep("tests", run(command, min(left(), 60 * TEST_MINUTES)))


if __name__ == "__main__":
    main()
