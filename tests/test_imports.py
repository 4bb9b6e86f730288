"""The order of the packages, no cycles, sizes; what `import skcnn` must not bring along."""

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import skcnn

PACKAGE = Path(skcnn.__file__).parent
ARCHITECTURE = PACKAGE.parent / "docs" / "architecture.md"

# A package imports only from packages before its own.
ORDER = [
    "exceptions",
    "_utils",
    "_files",
    "layers",
    "_architectures",
    "_data",
    "_network",
    "augmentation",
    "_training",
    "_convnet",
    "_plotting",
    "preprocessing",
    "datasets",
    "recordings",
    "model_selection",
    "comparison",
    "inspection",
    "_report",
    "persistence",
    "__init__",
    "_command_line",
    "__main__",
]
# Imported in one module only, inside a function.
IMPORTED_ONCE = {
    "PIL": "skcnn._data.image_files.pillow",
    "matplotlib": "skcnn._plotting.axes",
    "rich": "skcnn._utils.progress",
    "soundfile": "skcnn.datasets._sound_files",
    "timm": "skcnn._architectures.packages",
    "torchvision": "skcnn._architectures.packages",
    "tqdm": "skcnn._utils.progress",
}
# The modules that import Optuna; others import these inside functions.
WITH_OPTUNA = [
    "skcnn.model_selection._spaces.",
    "skcnn.model_selection._pruners",
    "skcnn.model_selection._samplers",
    "skcnn.model_selection._running.",
]
NEVER_AT_IMPORT = [
    "PIL",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "optuna",
    "skl2onnx",
    "soundfile",
    "timm",
    "torchvision",
]
MOST_MODULES, MOST_LINES = 20, 500


def name_of(path):
    parts = ["skcnn", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def package_of(module):
    return [*module.split("."), "__init__"][1]


@cache
def parse(module):
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


def is_for_types(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def statements(node, inside_functions):
    """Yield all nodes that run, those inside of functions only where asked for."""
    for child in ast.iter_child_nodes(node):
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if not is_for_types(child) and (inside_functions or not is_function):
            yield child
            yield from statements(child, inside_functions)


@cache
def imports_of(module, inside_functions=True):
    """Return the dotted names that a module imports, as precisely as the files tell."""
    found = set()
    for node in statements(parse(module), inside_functions):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in FILES else node.module for name in inside}
    return found


def top_level(names):
    return {name.partition(".")[0] for name in names}


def test_every_package_has_its_place():
    assert {package_of(module) for module in FILES} == {*ORDER}


def test_imports_follow_the_order_of_packages():
    wrong = {}
    for module in FILES:
        allowed = {*ORDER[: ORDER.index(package_of(module)) + 1]}
        imported = {package_of(name) for name in imports_of(module) if name in FILES}
        wrong[module] = imported - allowed
    assert {module: names for module, names in wrong.items() if names} == {}


def test_no_module_imports_itself_by_way_of_others():
    graph = {module: imports_of(module) & {*FILES} for module in FILES}
    assert [*TopologicalSorter(graph).static_order()]  # raises CycleError


def test_a_package_does_not_import_its_own_public_names():
    inside = {
        module: name_of(path.parent)
        for module, path in FILES.items()
        if path.parent != PACKAGE and path.name != "__init__.py"
    }
    assert [module for module, own in inside.items() if own in imports_of(module)] == []


def test_the_documented_order_is_the_enforced_one():
    text = ARCHITECTURE.read_text(encoding="utf-8")
    section = text.split("## Packages, in the order of imports")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE) == ORDER


def test_no_folder_is_crowded_and_no_module_is_long():
    folders = [path.parent for path in FILES.values()]
    assert {name_of(f): n for f in {*folders} if (n := folders.count(f)) > MOST_MODULES} == {}
    lengths = {m: len(path.read_text(encoding="utf-8").splitlines()) for m, path in FILES.items()}
    assert {module: n for module, n in lengths.items() if n > MOST_LINES} == {}


@pytest.mark.parametrize("library", IMPORTED_ONCE)
def test_optional_libraries_are_imported_in_one_module(library):
    importing = [module for module in FILES if library in top_level(imports_of(module))]
    assert importing == [IMPORTED_ONCE[library]]


def test_optional_libraries_are_imported_inside_functions():
    wrong = {}
    for module in FILES:
        at_import = top_level(imports_of(module, inside_functions=False))
        allowed = {"optuna"} if module.startswith((*WITH_OPTUNA,)) else set()
        wrong[module] = at_import & {*IMPORTED_ONCE, *NEVER_AT_IMPORT} - allowed
    assert {module: names for module, names in wrong.items() if names} == {}


def modules_after(code):
    """Return the names of the modules that a fresh interpreter has after `code`."""
    run = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", run], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_importing_the_package_brings_no_optional_library():
    after = modules_after("import skcnn")
    assert "skcnn._convnet.classifier" in after
    assert not after & set(NEVER_AT_IMPORT)
    assert "skcnn.__main__" not in after


def test_rich_and_tqdm_come_from_dependencies_only():
    """scikit-learn's callbacks import rich where it is installed, skorch's tqdm."""
    dependencies = "import sklearn.callback, skorch.callbacks"
    new = modules_after("import skcnn") - modules_after(dependencies)
    assert not new & {"rich", "tqdm", "rich.progress", "tqdm.auto"}
