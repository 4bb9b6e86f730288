"""Docstrings against signatures and constraints; names and links in the pages."""

import ast
import inspect
import re
import runpy
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpydoc.docscrape as docscrape
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.utils._param_validation import StrOptions

import skcnn
from skcnn import layers
from skcnn.augmentation._base import Augmentation
from tests.helpers.public import BY_NAME, FUNCTIONS, MODULES, PUBLIC, PUBLIC_CLASSES

ROOT = Path(skcnn.__file__).parents[1]
PAGES = sorted(
    [
        *ROOT.glob("docs/*.md"),
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    ]
)
LAYERS = [getattr(layers, name) for name in layers.__all__]
CLASSES = [cls for cls in PUBLIC_CLASSES if not issubclass(cls, Exception)]
ESTIMATORS = [cls for cls in CLASSES if issubclass(cls, BaseEstimator)]
AUGMENTATIONS = [cls for cls in ESTIMATORS if issubclass(cls, Augmentation)]
FEW = {"filters": 2, "hidden_units": (), "max_epochs": 1}
# What an estimator is made with where its defaults do not do.
ARGUMENTS = {
    skcnn.ConvNetClassifier: FEW,
    skcnn.ConvNetRegressor: FEW,
    skcnn.ConvNetFeatures: {"architecture": [layers.Conv(2)], "pretrained": False},
    skcnn.augmentation.Augmented: {
        "estimator": GaussianNB(),
        "augmentation": skcnn.augmentation.RandomFlip(),
    },
    skcnn.augmentation.RandomChoice: {"augmentations": [skcnn.augmentation.RandomFlip()]},
    skcnn.preprocessing.ResampleSignals: {"length": 3},
    skcnn.preprocessing.Spectrogram: {"sample_rate": 8000},
    skcnn.recordings.WindowedClassifier: {"estimator": GaussianNB(), "length": 2},
    skcnn.recordings.WindowedRegressor: {"estimator": Ridge(), "length": 2},
    skcnn.model_selection.ConvNetSearchCV: {
        "estimator": skcnn.ConvNetClassifier(**FEW),
        "n_trials": 1,
        "cv": 2,
    },
}
# What an estimator is fitted on where a table of numbers does not do.
SAMPLES = {
    skcnn.preprocessing.LoadImages: pd.DataFrame({"image": [np.zeros((2, 2), np.uint8)] * 4}),
}
# Parameters whose constraints are scikit-learn's own entries, which tell less.
SKLEARNS_OWN = ("random_state", "scoring", "cv")
# Parameters that are in no table of constraints: code of their own checks them.
CHECKED_BY_CODE = [
    (skcnn.augmentation.RandomTranslation, "axis"),
    (skcnn.augmentation.RandomShear, "axis"),
    (skcnn.augmentation.RandomFlip, "axis"),
    (skcnn.augmentation.RandomChoice, "augmentations"),
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
    p for p in METHODS if not p.values[0].__module__.startswith("skcnn.layers.")
]


def signature_parameters(function):
    parameters = inspect.signature(function).parameters
    return {name: p for name, p in parameters.items() if name not in ("self", "cls")}


def documented_parameters(doc):
    """Return {name: type text}; several names may share an entry."""
    return {
        name.strip(" *"): entry.type
        for entry in doc["Parameters"]
        for name in entry.name.split(",")
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
            told = np.nan if default == "np.nan" else ast.literal_eval(default)
            assert told == parameter.default or told is parameter.default, name


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
    numbers = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 1.0]})
    X = SAMPLES.get(cls, numbers)
    model = cls(**ARGUMENTS.get(cls, {})).fit(X, [0, 1, 0, 1])
    fitted = {name for name in dir(model) if name.endswith("_") and not name.startswith("_")}
    documented = {entry.name for entry in docscrape.ClassDoc(cls)["Attributes"]}
    assert (
        documented - {"channel_names_", "sampling_rate_"} == fitted
    )  # which only epochs of MNE have


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_is_documented(function):
    doc = docscrape.FunctionDoc(function)
    check_parameters(doc, function)
    assert doc["Summary"][-1].endswith(".")
    assert all(entry.type and entry.desc for entry in (*doc["Parameters"], *doc["Returns"]))
    assert doc["Returns"]
    assert any(">>>" in line for line in doc["Examples"])


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
    if inspect.signature(method).return_annotation is NoReturn:
        assert not returns
        return
    assert len(returns) == 1
    assert returns[0].type
    assert returns[0].desc


def constraints_of(cls, name):
    """Return what a table of constraints has for a parameter, None where it leaves it out."""
    constraints = cls._parameter_constraints.get(name)
    return None if constraints == "no_validation" else constraints


def accepted_options(cls, name):
    """Return the strings that a constraint table accepts, None where any will do."""
    constraints = constraints_of(cls, name)
    if constraints is None or str in constraints:
        return None
    return {o for c in constraints if isinstance(c, StrOptions) for o in c.options}


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_documented_options_are_the_accepted_ones(cls):
    for name, text in documented_parameters(docscrape.ClassDoc(cls)).items():
        accepted = accepted_options(cls, name)
        if name not in SKLEARNS_OWN and accepted is not None:
            assert documented_options(text) == accepted, name


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_none_is_documented_where_it_is_accepted(cls):
    for name, text in documented_parameters(docscrape.ClassDoc(cls)).items():
        constraints = constraints_of(cls, name)
        if name not in SKLEARNS_OWN and constraints is not None:
            assert ("None" in split_default(text)[0]) == (None in constraints), name


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_every_parameter_is_in_one_table_of_legal_values(cls):
    by_code = [name for owner, name in CHECKED_BY_CODE if owner is cls]
    tabled = [*cls._parameter_constraints, *getattr(cls, "_ranges", {}), *by_code]
    parameters = set(signature_parameters(cls))
    assert sorted(name for name in tabled if name in parameters) == sorted(parameters)
    # a table of the class's own has nothing else; a common one may
    own = {*vars(cls).get("_parameter_constraints", ()), *vars(cls).get("_ranges", ()), *by_code}
    assert own <= parameters


# What one number means, by the neutral value of a range and whether it lies in the middle.
MEANING_OF_A_NUMBER = {
    (0.0, True): "a number `r` means -r to r",
    (1.0, True): "a number `r` means 1 - r to 1 + r",
    (0.0, False): "a number `r` means 0 to r",
    (None, False): "a number means exactly that",
}
RANGES = [
    pytest.param(cls, name, id=f"{cls.__name__}-{name}")
    for cls in AUGMENTATIONS
    for name in cls._ranges
]


@pytest.mark.parametrize(("cls", "name"), RANGES)
def test_documented_range_is_the_accepted_one(cls, name):
    entry = next(e for e in docscrape.ClassDoc(cls)["Parameters"] if e.name == name)
    allowed = cls._ranges[name]
    kind = split_default(entry.type)[0]
    assert kind == ("float, (low, high) or None" if allowed.optional else "float or (low, high)")
    meaning = MEANING_OF_A_NUMBER.get((allowed.neutral, allowed.around), "")
    description = " ".join(entry.desc)
    assert meaning in re.sub(r"\s+", " ", description)


@pytest.mark.parametrize("cls", [cls for cls, name in CHECKED_BY_CODE if name == "axis"])
def test_documented_axes_are_the_accepted_ones(cls):
    kind = split_default(documented_parameters(docscrape.ClassDoc(cls))["axis"])[0]
    named = sorted(documented_options(kind))
    assert named == ["horizontal", "vertical"]
    images = np.zeros((1, 3, 4))
    for axis in (*named, tuple(named), *((None,) if "None" in kind else ())):
        cls(axis=axis).draw(images)
    with pytest.raises(ValueError, match="'axis' parameter"):
        cls(axis="no-such-axis").draw(images)
    if "None" not in kind:
        with pytest.raises(ValueError, match="'axis' parameter"):
            cls(axis=None).draw(images)


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


PAGE_IDS = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_pages_import_public_names_only(page):
    for module, names in re.findall(r"from (skcnn[\w.]*) import ([\w, ]+)", read(page)):
        unknown = {name.strip() for name in names.split(",")} - {*MODULES[module].__all__}
        assert not unknown, module


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_pages_mention_existing_public_names_only(page):
    for dotted in re.findall(r"\bskcnn((?:\.[A-Za-z]\w*)+)", read(page)):
        thing = skcnn
        for name in dotted.strip(".").split("."):
            assert name in getattr(thing, "__all__", dir(thing)), f"skcnn{dotted}"
            thing = getattr(thing, name)


def by_address(address):
    package, _, name = address.rpartition(".")
    return getattr(MODULES[package], name)


def test_the_index_lists_every_public_name():
    listed = set(re.findall(r"`(skcnn(?:\.\w+)+)`", read(ROOT / "docs" / "index.md")))
    assert {*MODULES} - {"skcnn"} <= listed
    assert {by_address(name) for name in listed - {*MODULES}} == {*PUBLIC.values()}


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


def table_of_augmentations():
    """Return {class: (cell of parameters, cell of what it takes)} of the page's table."""
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", read(ROOT / "docs/augmentation.md"), re.M)
    return {BY_NAME[name]: cells for name, *cells in rows if name in BY_NAME}


def test_the_table_of_augmentations_has_all_of_them():
    assert set(table_of_augmentations()) == set(AUGMENTATIONS)


@pytest.mark.parametrize("cls", AUGMENTATIONS)
def test_the_table_of_augmentations_has_the_defaults(cls):
    parameters = signature_parameters(cls)
    cell, _ = table_of_augmentations()[cls]
    told = {n: ast.literal_eval(v) for n, v in re.findall(r"`(\w+)=([^`]+)`", cell)}
    told |= dict.fromkeys(re.findall(r"`(\w+)`", cell), inspect.Parameter.empty)
    assert told == {name: parameters[name].default for name in told}
    shared = {"padding_mode", "fill_value", "input_shape", "n_spatial_dims", "channels"}
    shared.add("random_state")
    if parameters["p"].default == 1:
        shared.add("p")
    assert set(parameters) - set(told) <= shared


@pytest.mark.parametrize(
    "cls", [c for c in AUGMENTATIONS if c is not skcnn.augmentation.RandomChoice]
)
def test_the_table_of_augmentations_tells_what_they_take(cls):
    augmentation = cls(**ARGUMENTS.get(cls, {}))
    _, cell = table_of_augmentations()[cls]
    samples = {"signals": (2, 5), "images": (2, 4, 5, 3), "volumes": (2, 3, 4, 5, 1)}
    for kind, shape in samples.items():
        if kind in cell:
            augmentation.draw(np.zeros(shape))
        else:
            with pytest.raises(ValueError, match="needs images"):
                augmentation.draw(np.zeros(shape))


EXAMPLES = sorted(ROOT.glob("examples/*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_scripts_import_public_names_only(path):
    for node in ast.walk(ast.parse(read(path))):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("skcnn"):
            assert {a.name for a in node.names} <= {*MODULES[node.module].__all__}


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_scripts_run(path, capsys):
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out
