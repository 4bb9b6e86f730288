"""Tables and pictures of docs/inspection.md against the code."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics

import skcnn
from skcnn import ConvNetClassifier
from skcnn.inspection import SaliencyDisplay, feature_maps, filters, saliency
from skcnn.inspection._robustness import DEFAULT_DEGREES, DEFAULT_FACTORS, LIMITS
from skcnn.inspection._saliency import METHODS
from tests.helpers.public import BY_NAME

PAGE = Path(skcnn.__file__).parents[1] / "docs" / "inspection.md"
TEXT = PAGE.read_text(encoding="utf-8")
PNG = b"\x89PNG\r\n\x1a\n"
LARGEST_PICTURE = 60_000  # bytes; every clone of the repository has them all


def section(title):
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def tables(title):
    """Return the tables of a section, each as rows of cells with its head."""
    found = re.findall(r"(?:^\|.*\n)+", section(title), flags=re.MULTILINE)
    rows = [[line.strip("| ").split(" | ") for line in table.splitlines()] for table in found]
    return [[head, *body] for head, _, *body in rows]


def test_the_list_of_sections_has_all_in_order():
    listed = re.findall(r"^- \[(.+)\]\(#", TEXT, flags=re.MULTILINE)
    assert listed == re.findall(r"^## (.+)$", TEXT, flags=re.MULTILINE)


def test_every_public_display_and_function_of_inspection_answers_a_question():
    named = set(re.findall(r"`(\w+)`", section("Displays by question")))
    public = {name for name in BY_NAME if name.endswith("Display")}
    assert public | {"filters", "feature_maps", "saliency"} <= named
    assert all(name in BY_NAME or hasattr(sklearn.metrics, name) for name in named - {"summary"})


def test_every_display_of_the_page_has_an_example():
    (questions,) = tables("Displays by question")
    named = set(re.findall(r"`(\w+Display)`", "".join(row[1] for row in questions)))
    assert named == set(re.findall(r"(\w+Display)\.from_estimator\(", TEXT))


def test_the_tables_of_methods_have_all_of_them():
    (methods,) = tables("Saliency")
    assert [row[0].strip('"') for row in methods[1:]] == list(METHODS)
    correlations, (shares, _) = tables("Limits of saliency")
    assert [row[0].strip('"') for row in correlations[1:]] == list(METHODS)
    assert [cell.strip('"') for cell in shares] == list(METHODS)


def test_the_number_of_steps_is_the_default():
    (methods,) = tables("Saliency")
    default = inspect.signature(saliency).parameters["n_steps"].default
    assert f"`n_steps` gradients, {default}" in methods[1 + METHODS.index("integrated_gradients")]


def test_the_display_takes_the_options_of_saliency_that_the_page_names():
    (named,) = re.findall(r"The display\ntakes (.+) as `saliency` does", section("Saliency"))
    options = re.findall(r"`(\w+)`", named)
    display = inspect.signature(SaliencyDisplay.from_estimator).parameters
    function = inspect.signature(saliency).parameters
    assert options == list(function)[list(function).index("target") :]
    assert [display[name] for name in options] == [function[name] for name in options]


@pytest.mark.parametrize("method", METHODS)
def test_the_table_says_which_methods_have_a_sign(method):
    (methods,) = tables("Saliency")
    has_sign = "with sign" in methods[1 + METHODS.index(method)][1]
    X = np.random.default_rng(0).normal(size=(20, 6, 6))
    net = ConvNetClassifier(filters=2, max_epochs=1, random_state=0).fit(X, np.arange(20) % 2)
    assert bool((saliency(net, X, method=method) < 0).any()) == has_sign


SAMPLES = {"signals": (20, 7, 2), "images": (20, 5, 6, 2), "volumes": (20, 4, 5, 6, 2)}


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_table_of_shapes_has_the_returned_shapes(kind):
    X = np.random.default_rng(0).normal(size=SAMPLES[kind])
    net = ConvNetClassifier(
        n_spatial_dims=X.ndim - 2, filters=3, kernel_size=1, padding="valid", max_epochs=1
    ).fit(X, np.arange(20) % 2)
    sides = {"depth": 4, "height": 5, "width": 6, "length": 7, "n_samples": 20, "n_channels": 2}
    of_kernel = sides | dict.fromkeys(("depth", "height", "width"), 1) | {"n_filters": 3}
    meaning = [of_kernel, sides | {"n_maps": 3}, sides]
    (shapes,) = tables("Input")
    (row,) = [row for row in shapes if row[0] == kind]
    documented = [
        tuple(names[name] for name in re.findall(r"\w+", cell))
        for cell, names in zip(row[1:], meaning, strict=True)
    ]
    assert documented == [filters(net).shape, feature_maps(net, X).shape, saliency(net, X).shape]


def test_the_table_of_changes_has_all_kinds_and_their_default_values():
    kinds, _ = tables("Robustness")
    assert [row[0].strip('"') for row in kinds[1:]] == list(LIMITS)
    values = {row[0].strip('"'): row[2] for row in kinds[1:]}
    assert f"{DEFAULT_DEGREES[0]} to {DEFAULT_DEGREES[-1]} degrees" in values["rotation"]
    assert f"from {DEFAULT_FACTORS[0]} to {DEFAULT_FACTORS[-1]}" in values["zoom"]


PICTURES = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", TEXT)


@pytest.mark.parametrize(("text", "path"), PICTURES, ids=[path for _, path in PICTURES])
def test_pictures_are_small_and_described(text, path):
    picture = (PAGE.parent / path).read_bytes()
    assert picture.startswith(PNG)
    assert len(picture) < LARGEST_PICTURE
    assert len(text.split()) > 5


def test_every_picture_is_used():
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGE.parent.glob("*.md"))
    pictures = [path.name for path in (PAGE.parent / "images").iterdir()]
    assert all(f"](images/{name})" in pages for name in pictures)
