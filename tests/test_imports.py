"""Who may import whom, and what `import skcnn` must not bring along."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import skcnn

PACKAGE = Path(skcnn.__file__).parent
ARCHITECTURE = PACKAGE.parent / "docs" / "architecture.md"

# A module imports only from modules before its own.
ORDER = [
    "_errors",
    "exceptions",
    "_shapes",
    "_fields",
    "_layers",
    "_window_layers",
    "_blocks",
    "layers",
    "_mapped_rows",
    "_images",
    "_validation",
    "_targets",
    "_modules",
    "_pair_pooling",
    "_network",
    "_joint_network",
    "_automatic",
    "_architectures",
    "_search_space",
    "_summary",
    "_device",
    "_memory",
    "_draws",
    "_image_ops",
    "_augmenter",
    "_batches",
    "_whitening",
    "_losses",
    "_eager_optimizers",
    "_optimization",
    "_progress",
    "_monitor",
    "_strands",
    "_inference_steps",
    "_inference",
    "_engine",
    "_joint_training",
    "_parameters",
    "_kernels",
    "_kernel_filter",
    "_lazy",
    "_augmentation",
    "_affine",
    "_geometric",
    "_intensity",
    "_mixing",
    "_policies",
    "_views",
    "_builder",
    "_base",
    "_recipes",
    "_classifier",
    "_regressor",
    "_augmented",
    "_pipelines",
    "_search_callbacks",
    "_folds",
    "_lockstep",
    "_evaluation",
    "_network_size",
    "_param_space",
    "_study_storage",
    "_samplers",
    "_search_results",
    "_study",
    "_trials",
    "_search_plan",
    "_search_workers",
    "_search",
    "_paired_tests",
    "_comparison_runs",
    "_comparison_report",
    "_model_comparison",
    "_comparison",
    "_dataset_comparison",
    "_inspection",
    "_saliency",
    "_rate_range",
    "_robustness",
    "_datasets",
    "_displays",
    "_pictures",
    "_inspection_display",
    "_saliency_display",
    "_augmentation_display",
    "_top_losses_display",
    "_architecture_display",
    "_learning_rate_display",
    "_robustness_display",
    "_search_display",
    "_comparison_display",
    "__init__",
    "__main__",
]
# Imported in one room only, inside a function.
ROOMS = {"matplotlib": "_displays", "rich": "_progress", "tqdm": "_progress"}
# The wing of the studies: it imports Optuna, others import it inside functions.
OPTUNA_WING = [
    "_search_plan",
    "_param_space",
    "_study_storage",
    "_samplers",
    "_study",
    "_trials",
    "_search_workers",
]
NEVER_AT_IMPORT = ["matplotlib", "optuna", "torchvision", "timm"]


def parse(module):
    return ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))


def imports_of(tree):
    """Return (dotted name, imported names) of all import statements, also nested ones."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            found.append((node.module, tuple(alias.name for alias in node.names)))
    return found


def own_imports(module):
    """Return the package's modules that `module` imports."""
    found = set()
    for name, names in imports_of(parse(module)):
        root, _, rest = name.partition(".")
        if root == "skcnn":
            inside = {rest} if rest else {n if n in ORDER else "__init__" for n in names}
            found |= inside or {"__init__"}
    return found


def top_level_packages(tree):
    return {name.partition(".")[0] for name, _ in imports_of(tree)}


def test_every_file_has_its_place():
    assert sorted(ORDER) == sorted(path.stem for path in PACKAGE.glob("*.py"))
    assert not list(PACKAGE.glob("*/*.py")), "the package is flat"


@pytest.mark.parametrize("module", ORDER)
def test_imports_point_upward(module):
    above = set(ORDER[: ORDER.index(module)])
    assert own_imports(module) <= above


def test_the_documented_order_is_the_enforced_one():
    text = ARCHITECTURE.read_text(encoding="utf-8")
    section = text.split("## Files, in dependency order")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE) == ORDER


@pytest.mark.parametrize("library", ROOMS)
def test_optional_libraries_are_imported_in_one_room(library):
    rooms = [module for module in ORDER if library in top_level_packages(parse(module))]
    assert rooms == [ROOMS[library]]


def outside_functions(node):
    """Yield all nodes that run when the module is imported."""
    for child in ast.iter_child_nodes(node):
        for_types_only = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if not inside and not for_types_only:
            yield child
            yield from outside_functions(child)


@pytest.mark.parametrize("module", ORDER)
def test_optional_libraries_are_imported_inside_functions(module):
    statements = [
        node
        for node in outside_functions(parse(module))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    allowed = {"optuna"} if module in OPTUNA_WING else set()
    tree = ast.Module(body=statements, type_ignores=[])
    assert top_level_packages(tree) & {*ROOMS, *NEVER_AT_IMPORT} <= allowed


def modules_after(code):
    """Return the names of the modules that a fresh interpreter has after `code`."""
    run = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", run], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_importing_the_package_brings_no_optional_library():
    after = modules_after("import skcnn")
    assert "skcnn._classifier" in after
    assert not after & set(NEVER_AT_IMPORT)
    assert "skcnn.__main__" not in after


def test_rich_and_tqdm_come_from_dependencies_only():
    """scikit-learn's callbacks import rich where it is installed, skorch's tqdm."""
    dependencies = "import sklearn.callback, skorch.callbacks"
    new = modules_after("import skcnn") - modules_after(dependencies)
    assert not new & {"rich", "tqdm", "rich.progress", "tqdm.auto"}
