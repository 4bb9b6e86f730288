"""Docstrings against signatures and constraints; names and links in the pages."""

import ast
import inspect
import re
import runpy
from pathlib import Path

import numpydoc.docscrape as docscrape
import pytest
from sklearn.utils._param_validation import StrOptions

import skcnn
from skcnn import layers

ROOT = Path(skcnn.__file__).parents[1]
PAGES = sorted(
    [
        *ROOT.glob("docs/*.md"),
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    ]
)
ESTIMATORS = [skcnn.ConvNetClassifier, skcnn.ConvNetRegressor]
LAYERS = [getattr(layers, name) for name in layers.__all__]
CLASSES = [
    *(thing for name in skcnn.__all__ if inspect.isclass(thing := getattr(skcnn, name))),
    *LAYERS,
]


def public_methods(cls):
    """Return the public methods that the package itself defines, inherited ones too."""
    return [
        method
        for name, method in inspect.getmembers(cls, inspect.isroutine)
        if not name.startswith("_") and (method.__module__ or "").startswith("skcnn")
    ]


METHODS = [
    pytest.param(method, id=method.__qualname__)
    for method in dict.fromkeys(m for cls in CLASSES for m in public_methods(cls))
]
# The shape methods of layers share their meaning, told once by LayerSpec.
METHODS_WITH_SECTIONS = [
    p for p in METHODS if p.values[0].__module__ not in ("skcnn._layers", "skcnn._blocks")
]


def signature_parameters(function):
    parameters = inspect.signature(function).parameters
    return {name: p for name, p in parameters.items() if name not in ("self", "cls")}


def documented_parameters(doc):
    """Return {name: type text}; several names may share an entry."""
    return {
        name.strip(" *"): entry.type for entry in doc["Parameters"] for name in entry.name.split(",")
    }


def split_default(text):
    """Return the type and the default of an entry, None where no default is told."""
    kind, found, default = text.partition("default=")
    return kind.rstrip(", "), default if found else None


def documented_options(text):
    return set(re.findall(r'"([^"]*)"', split_default(text)[0]))


def check_parameters(doc, function):
    """Compare names, order and defaults of a docstring with a signature."""
    documented = documented_parameters(doc)
    expected = signature_parameters(function)
    assert list(documented) == list(expected)
    for name, parameter in expected.items():
        default = split_default(documented[name])[1]
        if parameter.default is inspect.Parameter.empty:  # as for *args and **kwargs
            assert default is None, f"{name} has no default"
        else:
            assert default is not None, f"the default of {name} is not documented"
            assert ast.literal_eval(default) == parameter.default, name


@pytest.mark.parametrize("cls", CLASSES)
def test_class_documents_its_parameters_in_order_with_their_defaults(cls):
    check_parameters(docscrape.ClassDoc(cls), cls)


@pytest.mark.parametrize("cls", CLASSES)
def test_class_has_summary_and_description_of_every_parameter(cls):
    doc = docscrape.ClassDoc(cls)
    assert doc["Summary"]
    assert doc["Summary"][-1].endswith(".")
    assert all(entry.type and entry.desc for entry in doc["Parameters"])


@pytest.mark.parametrize("cls", [c for c in CLASSES if c is not layers.LayerSpec])
def test_class_has_examples(cls):
    # LayerSpec is the layers' base and is never made itself
    assert any(">>>" in line for line in docscrape.ClassDoc(cls)["Examples"])


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_no_placeholder_of_the_shared_text_is_left(cls):
    assert "<" not in re.sub(r">>>.*|np\.[\w.]+\(.*", "", cls.__doc__)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_fitted_attributes_are_documented(cls):
    X = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 1.0]]
    model = cls(filters=2, hidden_units=(), max_epochs=1).fit(X, [0, 1, 0, 1])
    fitted = {name for name in vars(model) if name.endswith("_") and not name.startswith("_")}
    documented = {entry.name for entry in docscrape.ClassDoc(cls)["Attributes"]}
    assert documented - {"feature_names_in_"} == fitted


@pytest.mark.parametrize("method", METHODS)
def test_method_has_a_summary(method):
    summary = docscrape.FunctionDoc(method)["Summary"]
    assert summary, "no docstring"
    assert summary[-1].endswith(".")


@pytest.mark.parametrize("method", METHODS_WITH_SECTIONS)
def test_method_documents_its_parameters(method):
    check_parameters(docscrape.FunctionDoc(method), method)


@pytest.mark.parametrize("method", METHODS_WITH_SECTIONS)
def test_method_documents_what_it_returns(method):
    returns = docscrape.FunctionDoc(method)["Returns"]
    assert len(returns) == 1
    assert returns[0].type
    assert returns[0].desc


def accepted_options(cls, name):
    """Return the strings that a constraint table accepts, None where any will do."""
    constraints = cls._parameter_constraints[name]
    if constraints == "no_validation" or str in constraints:
        return None
    return {o for c in constraints if isinstance(c, StrOptions) for o in c.options}


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_documented_options_are_the_accepted_ones(cls):
    for name, text in documented_parameters(docscrape.ClassDoc(cls)).items():
        accepted = accepted_options(cls, name)
        if accepted is not None:
            assert documented_options(text) == accepted, name


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_none_is_documented_where_it_is_accepted(cls):
    for name, text in documented_parameters(docscrape.ClassDoc(cls)).items():
        # random_state is scikit-learn's own entry: int, RandomState or None
        checked_elsewhere = cls._parameter_constraints[name] == "no_validation"
        if name != "random_state" and not checked_elsewhere:
            accepted = None in cls._parameter_constraints[name]
            assert ("None" in split_default(text)[0]) == accepted, name


def test_every_constraint_belongs_to_a_parameter():
    for cls in ESTIMATORS:
        unused = set(cls._parameter_constraints) ^ set(signature_parameters(cls))
        assert not unused


LAYER_OPTIONS = [
    pytest.param(cls, name, documented_options(text), id=f"{cls.__name__}-{name}")
    for cls in LAYERS
    for name, text in documented_parameters(docscrape.ClassDoc(cls)).items()
    if "{" in text
]


def make_layer(cls, **parameters):
    required = {
        name: 2
        for name, p in signature_parameters(cls).items()
        if p.default is inspect.Parameter.empty
    }
    return cls(**{**required, **parameters})


@pytest.mark.parametrize(("cls", "name", "options"), LAYER_OPTIONS)
def test_documented_options_of_a_layer_are_the_accepted_ones(cls, name, options):
    for option in options:
        assert getattr(make_layer(cls, **{name: option}), name) == option
    with pytest.raises(ValueError, match="must be one of") as caught:
        make_layer(cls, **{name: "no-such-option"})
    named = str(caught.value).partition("must be one of")[2].partition("Got")[0]
    assert set(re.findall(r"'(\w+)'", named)) == options


def read(page):
    return page.read_text(encoding="utf-8")


def public_module(name):
    return {"skcnn": skcnn, "skcnn.layers": layers}.get(name)


PAGE_IDS = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_pages_import_public_names_only(page):
    for module, names in re.findall(r"from (skcnn[\w.]*) import ([\w, ]+)", read(page)):
        assert public_module(module) is not None, module
        unknown = {name.strip() for name in names.split(",")} - {*public_module(module).__all__}
        assert not unknown, module


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_pages_mention_existing_public_names_only(page):
    for dotted in re.findall(r"\bskcnn((?:\.[A-Za-z]\w*)+)", read(page)):
        thing = skcnn
        for name in dotted.strip(".").split("."):
            assert name in getattr(thing, "__all__", dir(thing)), f"skcnn{dotted}"
            thing = getattr(thing, name)


def test_the_index_lists_every_public_name():
    text = read(ROOT / "docs" / "index.md")
    assert set(skcnn.__all__) <= set(re.findall(r"`skcnn\.(\w+)`", text))
    line = next(line for line in text.splitlines() if "`skcnn.layers`" in line)
    assert {*layers.__all__} - {"LayerSpec"} <= set(re.findall(r"`(\w+)`", line))


def anchors(text):
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", read(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(read(there)), target


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_examples_end_with_a_blank_line_before_the_fence(page):
    """Or doctest takes the fence for expected output."""
    blocks = re.findall(r"```pycon\n(.*?)```", read(page), flags=re.DOTALL)
    assert all(block.endswith("\n\n") for block in blocks)


EXAMPLES = sorted(ROOT.glob("examples/*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_scripts_import_public_names_only(path):
    for node in ast.walk(ast.parse(read(path))):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("skcnn"):
            assert {a.name for a in node.names} <= {*public_module(node.module).__all__}


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_scripts_run(path, capsys):
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out
