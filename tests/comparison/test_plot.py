"""ModelComparisonDisplay: the drawn values, and legible names and numbers."""

import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from numpy.testing import assert_allclose

from skcnn.comparison import ModelComparison, ModelComparisonDisplay
from skcnn.comparison._plot import KINDS, MOST_LETTERS
from skcnn.exceptions import MissingDependencyError

COSTS = [kind for kind in KINDS if kind != "differences"]
NAN = np.nan
DOUBTED = pytest.mark.filterwarnings("ignore::skcnn.exceptions.ComparisonWarning")


def draws(*means, n_splits=10):
    """Return scores by model; the names are numbered."""
    rng = np.random.default_rng(len(means))
    return {f"model {i}": mean + rng.normal(0, 0.02, n_splits) for i, mean in enumerate(means)}


def comparison_of(scores, costs=(), **options):
    """Return a comparison; `costs` are (fit, predict, parameters) by model."""
    costs = dict(zip(scores, costs, strict=False))
    rows = []
    for i, (name, values) in enumerate(scores.items()):
        fit, predict, size = costs.get(name, (1.0 + i, 0.1 + i, 100 + i))
        rows += [
            {
                "model": name,
                "split": split,
                "metric": "accuracy",
                "score": score,
                "fit_seconds": fit,
                "predict_seconds": predict,
                "n_parameters": size,
                "n_train": 80,
                "n_test": 20,
            }
            for split, score in enumerate(values)
        ]
    return ModelComparison(pd.DataFrame(rows), **options)


def draw(comparison, kind="differences", **options):
    display = ModelComparisonDisplay.from_comparison(comparison, kind=kind, **options)
    display.figure_.canvas.draw()
    return display


def means_of(display):
    """Return the large points, (n_models, 2)."""
    (bars,) = display.ax_.containers
    return np.column_stack(bars.lines[0].get_data(orig=False))


def intervals_of(display):
    """Return the ends of the intervals, (n_models, 2, 2)."""
    (bars,) = display.ax_.containers
    return np.array(bars.lines[2][0].get_segments())


def labels_of(display):
    return [text for text in display.ax_.texts if not text.get_text().startswith("Without")]


def note_of(display):
    return "".join(t.get_text() for t in display.ax_.texts if t.get_text().startswith("Without"))


def all_texts(display):
    ax = display.ax_
    legend = ax.get_legend()
    texts = [ax.xaxis.label, ax.yaxis.label, *ax.texts, *(legend.get_texts() if legend else [])]
    for axis in (ax.xaxis, ax.yaxis):
        low, high = sorted(axis.get_view_interval())
        texts += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [text for text in texts if text.get_text()]


def boxes_of(texts):
    return np.array([text.get_window_extent().extents for text in texts])


def assert_readable(display, *, overlaps=0):
    """Check that texts lie within the figure, with at most `overlaps` overlapping pairs."""
    display.figure_.canvas.draw()
    boxes = boxes_of(all_texts(display))
    left, bottom, right, top = display.figure_.bbox.extents
    assert (boxes[:, :2] >= (left - 1, bottom - 1)).all()
    assert (boxes[:, 2:] <= (right + 1, top + 1)).all()
    found = 0
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
            found += width > 1 and height > 1
    assert found <= overlaps


# Differences


@pytest.mark.parametrize("baseline", [None, "model 2"])
def test_differences_are_those_of_the_table(baseline):
    comparison = comparison_of(draws(0.9, 0.92, 0.85, 0.91), baseline=baseline)
    display = draw(comparison)
    table = comparison.table.loc["accuracy"].drop(index=comparison.baseline)
    assert_allclose(means_of(display), np.column_stack([table["difference"], range(3)]))
    ends = np.sort(intervals_of(display)[..., 0])
    assert_allclose(ends, table[["difference_low", "difference_high"]])
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == list(table.index)
    assert display.ax_.get_xlabel() == f"difference of accuracy to '{comparison.baseline}'"
    low, high = display.ax_.get_ylim()
    assert low > high  # the first model at the top


def test_each_split_is_a_point_in_its_row():
    scores = draws(0.9, 0.92)
    display = draw(comparison_of(scores))
    (dots,) = [c for c in display.ax_.collections if len(c.get_offsets()) == 10]
    assert_allclose(dots.get_offsets()[:, 0], scores["model 1"] - scores["model 0"])
    assert abs(dots.get_offsets()[:, 1]).max() < 0.3


@pytest.mark.parametrize("rope", [0.01, 0.05, 0])
def test_the_band_is_the_region_of_equivalence(rope):
    display = draw(comparison_of(draws(0.9, 0.92, 0.91), rope=rope))
    bands = [(patch.get_x(), patch.get_width()) for patch in display.ax_.patches]
    assert_allclose(bands, [(-rope, 2 * rope)] if rope else np.empty((0,)))
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["mean, 95 % interval", "splits", f"equivalent (±{rope:g})"][: 2 + bool(rope)]
    assert_readable(display)


def test_failed_models_are_named_below():
    scores = draws(0.9, 0.92, 0.93, 0.8)
    scores["model 2"][3] = NAN
    display = draw(comparison_of(scores))
    assert len(means_of(display)) == 2
    assert note_of(display) == "Without figures: model 2"
    assert_readable(display)


@DOUBTED
def test_a_failed_baseline_leaves_nothing_to_draw():
    scores = draws(0.9, 0.92, 0.93)
    scores["model 0"][3] = NAN
    comparison = comparison_of(scores)
    with pytest.raises(ValueError, match="no model has a difference to 'model 0'"):
        draw(comparison)
    assert len(means_of(draw(comparison, "fit_seconds"))) == 2


@DOUBTED
def test_a_single_split_has_no_interval():
    display = draw(comparison_of(draws(0.9, 0.92, n_splits=1)))
    assert_allclose(np.ptp(intervals_of(display), axis=1), 0)
    assert_readable(display)


# Costs


@pytest.mark.parametrize("kind", COSTS)
def test_costs_are_those_of_the_table(kind):
    costs = [(1.0, 0.2, 50), (20.0, 0.3, 5000), (3.0, 4.0, 700)]
    comparison = comparison_of(draws(0.9, 0.95, 0.8), costs)
    display = draw(comparison, kind)
    table = comparison.table.loc["accuracy"]
    assert_allclose(means_of(display), table[[kind, "mean"]])
    assert_allclose(np.sort(intervals_of(display)[..., 1]), table[["ci_low", "ci_high"]])
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_xlabel() == KINDS[kind]
    assert {text.get_text() for text in labels_of(display)} == {"model 0", "model 1", "model 2"}
    assert_readable(display)


@pytest.mark.parametrize(
    ("costs", "scale"),
    [((3, 3, 3), "linear"), ((0, 0, 0), "linear"), ((0, 5, 90), "linear"), ((1, 2, 90), "log"),
     ((1, 2, 9), "linear"), ((1e-4, 1e-3, 1e5), "log"), ((90_000, 2_000_000, 10_000_000), "log")],
    ids=str,
)  # fmt: skip
def test_costs_of_any_size_can_be_read(costs, scale):
    comparison = comparison_of(draws(0.9, 0.95, 0.8), [(cost, 1, 1) for cost in costs])
    display = draw(comparison, "fit_seconds")
    assert display.ax_.get_xscale() == scale
    assert len([label for label in display.ax_.get_xticklabels() if label.get_text()]) >= 2
    assert_readable(display)
    low, high = display.ax_.get_xlim()
    assert low < min(costs) <= max(costs) < high


@pytest.mark.parametrize("kind", KINDS)
def test_subfigures_are_drawn_in(kind):
    comparison = comparison_of(draws(0.9, 0.95, 0.8), [(1, 1, 5)] * 3)
    whole = pyplot.figure(layout="constrained", figsize=(9, 4))
    inner = whole.subfigures(1, 2)[1].subfigures(2, 1)[0]
    display = ModelComparisonDisplay.from_comparison(comparison, kind=kind, ax=inner.subplots())
    whole.canvas.draw()
    assert display.figure_ is inner
    boxes = boxes_of(labels_of(display))
    assert len(boxes) == (0 if kind == "differences" else 3)
    assert not any(a[1] < b[3] and b[1] < a[3] for a, b in zip(boxes[1:], boxes, strict=False))


def test_models_without_a_cost_are_named_below():
    comparison = comparison_of(draws(0.9, 0.95, 0.8), [(1, 1, NAN), (1, 1, 5), (1, 1, NAN)])
    display = draw(comparison, "n_parameters")
    assert_allclose(means_of(display)[:, 0], 5)
    assert note_of(display) == "Without figures: model 0, model 2"
    assert_readable(display)
    nothing = comparison_of(draws(0.9, 0.95), [(1, 1, NAN)] * 2)
    with pytest.raises(ValueError, match="no model has a mean score and parameters"):
        draw(nothing, "n_parameters")


# Names and numbers


LONG = "a convolutional network with an unpleasant number of letters, variant"


@pytest.mark.parametrize("kind", ["differences", "fit_seconds"])
def test_long_names_lose_their_middle(kind):
    names = [f"{LONG} {i}" for i in range(4)]
    scores = dict(zip(names, draws(0.9, 0.95, 0.8, 0.85).values(), strict=True))
    display = draw(comparison_of(scores), kind)
    shown = {
        t.get_text()
        for t in all_texts(display)
        if "…" in t.get_text() and "variant" in t.get_text()
    }
    shown = {text for text in shown if not text.startswith("difference")}
    assert len(shown) == (3 if kind == "differences" else 4)  # distinct by their ends
    assert max(map(len, shown)) <= MOST_LETTERS
    assert_readable(display, overlaps=1)


def test_names_beside_points_do_not_shrink_the_axes():
    scores = list(draws(0.9, 0.9, 0.9).values())
    places = []
    for length in (1, MOST_LETTERS):
        named = {letter * length: values for letter, values in zip("abc", scores, strict=True)}
        ax = pyplot.subplots(layout="constrained", figsize=(3, 2))[1]
        draw(comparison_of(named, [(5, 1, 1)] * 3), "fit_seconds", ax=ax)
        places.append(ax.get_position().bounds)
    assert_allclose(*places)


@pytest.mark.parametrize("kind", ["differences", "fit_seconds"])
def test_names_are_not_formulas(kind):
    names = ["$x_{$", "a$b$", r"\frac{1}{2}", "<b>|&"]
    scores = dict(zip(names, draws(0.9, 0.95, 0.8, 0.85).values(), strict=True))
    display = draw(comparison_of(scores), kind)
    assert {"a$b$", r"\frac{1}{2}"} <= {text.get_text() for text in all_texts(display)}
    failed = {**scores, "a$b$": np.full(10, NAN)}
    assert note_of(draw(comparison_of(failed), kind)) == "Without figures: a$b$"


def test_many_names_in_a_note_are_wrapped():
    scores = {name: values * NAN for name, values in draws(*[0.9] * 20).items()}
    scores |= {"good": draws(0.9)["model 0"], "base": draws(0.8)["model 0"] ** 2}
    display = draw(comparison_of(scores, baseline="base"))
    assert note_of(display).count("\n") >= 2
    assert_readable(display)


@pytest.mark.parametrize("kind", KINDS)
def test_many_models_can_be_read(kind):
    rng = np.random.default_rng(3)
    scores = draws(*rng.uniform(0.6, 0.95, 12))
    costs = np.column_stack([rng.lognormal(1, 1.5, (12, 2)), rng.integers(1e3, 1e6, 12)])
    display = draw(comparison_of(scores, costs), kind)
    assert len(means_of(display)) == (11 if kind == "differences" else 12)
    assert_readable(display)


@pytest.mark.parametrize("factor", [1e-12, 1e12])
@pytest.mark.parametrize("kind", ["differences", "fit_seconds"])
def test_scores_of_any_size(kind, factor):
    scores = {name: -factor * values for name, values in draws(0.9, 0.95, 0.8).items()}
    display = draw(comparison_of(scores, rope=0.01 * factor), kind)
    assert np.ptp(means_of(display)[:, 0 if kind == "differences" else 1]) > 0.04 * factor
    assert_readable(display)


@DOUBTED
def test_equal_models_are_at_zero():
    scores = draws(0.9)["model 0"]
    display = draw(comparison_of({"a": scores, "b": scores, "c": scores}))
    assert_allclose(means_of(display)[:, 0], 0)
    low, high = display.ax_.get_xlim()
    assert low < 0 < high


# Options


@pytest.mark.parametrize("kind", KINDS)
def test_given_axes_are_drawn_in(kind):
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 4))
    display = draw(comparison_of(draws(0.9, 0.95)), kind, ax=right)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert not left.has_data()
    assert len(pyplot.get_fignums()) == 1


def test_metrics_and_another_kind_of_the_same_display():
    first = comparison_of(draws(0.9, 0.95)).fold_scores
    second = first.assign(metric="f1", score=1 - first["score"])
    comparison = ModelComparison(pd.concat([first, second]), rope={"accuracy": 0.01, "f1": 0.03})
    display = draw(comparison, metric="f1")
    assert means_of(display)[0, 0] == comparison.table.loc[("f1", "model 1"), "difference"]
    assert display.ax_.get_xlabel().startswith("difference of f1")
    assert display.ax_.patches[0].get_width() == pytest.approx(0.06)
    assert draw(comparison).ax_.get_xlabel().startswith("difference of accuracy")
    old = display.ax_
    assert display.plot(kind="fit_seconds") is display
    assert display.ax_ is not old
    assert display.ax_.get_ylabel() == "mean f1, 95 % interval"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"kind": "difference"},
            r"'kind' .* one of \['differences', .* Did you mean 'differences'",
        ),
        ({"kind": None}, "The 'kind' parameter must be one of"),
        ({"metric": "acuracy"}, r"'metric' .* one of \['accuracy'\].* Did you mean 'accuracy'"),
    ],
    ids=["kind", "None", "metric"],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        draw(comparison_of(draws(0.9, 0.95)), **options)
    assert pyplot.get_fignums() == []


def test_an_object_of_another_type_raises():
    with pytest.raises(TypeError, match=r"must be a ModelComparison, .* Got DataFrame"):
        draw(comparison_of(draws(0.9, 0.95)).table)


def test_without_matplotlib(monkeypatch):
    comparison = comparison_of(draws(0.9, 0.95))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    with pytest.raises(MissingDependencyError, match="matplotlib"):
        ModelComparisonDisplay.from_comparison(comparison)
