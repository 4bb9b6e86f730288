"""The tables of docs/search.md against the code."""

import re
from pathlib import Path

import optuna
import pytest
import scipy.stats
from optuna.distributions import CategoricalDistribution, IntDistribution
from sklearn.utils._param_validation import StrOptions

import skcnn
from skcnn.model_selection import ConvNetSearchCV
from skcnn.model_selection._network_size import COSTS
from skcnn.model_selection._plan import BOUNDS
from skcnn.model_selection._plot import KINDS
from skcnn.model_selection._results import format_results
from skcnn.model_selection._spaces.dict_space import DictSpace
from skcnn.model_selection._spaces.latents import LATENTS
from skcnn.model_selection._spaces.signal_networks import SIGNAL_LATENTS

PAGE = Path(skcnn.__file__).parents[1] / "docs" / "search.md"


def section(title):
    text = PAGE.read_text(encoding="utf-8")
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title):
    """Return the cells of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("| ")]
    return [re.split(r" \| ", line.strip("| ")) for line in lines[1:]]


def text_of(latent):
    if isinstance(latent, CategoricalDistribution):
        texts = [f'"{o}"' if isinstance(o, str) else repr(o) for o in latent.choices]
        return ", ".join(texts)
    return (
        f"{latent.low:g} to {latent.high:g}"
        + (", whole" if isinstance(latent, IntDistribution) else "")
        + (", logarithmic" if latent.log else "")
    )


@pytest.mark.parametrize(
    ("title", "latents"),
    [
        ('What "auto" searches', LATENTS),
        ('What "auto" searches for signals', SIGNAL_LATENTS),
    ],
)
def test_the_table_of_latents_is_the_code(title, latents):
    documented = {name.strip("`"): drawn for name, drawn, _ in rows(title)}
    assert documented == {name: text_of(latent) for name, latent in latents.items()}


ENTRIES = [text for row in rows("Spaces of your own") for text in re.findall(r"`([^`]+)`", row[0])]


@pytest.mark.parametrize("text", ENTRIES)
def test_entries_of_a_dict_are_accepted(text):
    space = DictSpace({"x": eval(text, {"scipy": scipy, "optuna": optuna})})
    assert list(space.distributions) == ["x"]


def test_the_table_of_pruners_has_all_of_them():
    options = ConvNetSearchCV._parameter_constraints["pruner"]
    (named,) = (option.options for option in options if isinstance(option, StrOptions))
    documented = {name for row in rows("Pruning") for name in re.findall(r'"(\w+)"', row[0])}
    assert documented == named


def test_the_table_of_bounds_has_all_of_them():
    assert [row[0].strip("`") for row in rows("Bounds")] == list(BOUNDS)


def test_all_costs_are_named():
    text = section("Several objectives")
    assert {*COSTS} <= {*re.findall(r'"(\w+)"', text)}


def test_the_table_of_columns_has_what_grid_search_has_not():
    ours = {*format_results([], 2, 0.0, False)}
    documented = {row[0].strip("`") for row in rows("Reading the results")}
    grid = {name for name in ours if name.startswith(("mean_", "std_", "rank_", "split"))}
    assert documented == ours - grid - {"params"}


def test_the_table_of_plots_has_all_kinds():
    assert [row[0].strip('"') for row in rows("Plots")] == list(KINDS)
