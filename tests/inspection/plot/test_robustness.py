"""RobustnessDisplay: maps, and curves of several estimators in one picture."""

import numpy as np
import pytest
from matplotlib import pyplot
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from skcnn._plotting.axes import grey
from skcnn._plotting.palette import GREY
from skcnn.inspection import RobustnessDisplay
from skcnn.inspection._robustness import robustness_scores
from tests.helpers.figures import legend_of

X, y = load_digits(return_X_y=True)


def make_map(scores, **params):
    n = len(scores)
    values = np.arange(n) - n // 2
    return RobustnessDisplay(
        kind="translation", values=values, scores=np.array(scores), baseline=0.75, **params
    )


def curve(scores, ax=None, baseline=0.9, **params):
    values = np.linspace(-30, 30, len(scores))
    display = RobustnessDisplay(
        kind="rotation", values=values, scores=np.array(scores), baseline=baseline, **params
    )
    return display.plot(ax=ax)


SCORES = [[0.1, 0.2, 0.3], [0.4, 0.75, 0.6], [0.7, 0.5, 0.9]]


def test_a_map_has_a_cell_for_each_shift():
    display = make_map(SCORES, score_name="accuracy", name="SVC").plot()
    (image,) = display.ax_.get_images()
    assert_array_equal(image.get_array(), SCORES)
    assert image.get_clim() == (0, 1)
    ticks = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert ticks == ["-1", "0", "1"]
    assert display.ax_.get_xlabel() == "shift to the right (pixels)"
    assert display.ax_.get_ylabel() == "shift down (pixels)"
    assert display.ax_.get_title() == "SVC, unchanged: 0.750"
    top, bottom = display.ax_.get_ylim()[::-1]
    assert top < bottom  # the first row, of the smallest shift down, is on top
    numbers = {text.get_position(): text.get_text() for text in display.ax_.texts}
    assert numbers[2, 0] == "0.30"
    assert len(numbers) == 9


def test_the_scale_of_a_map_marks_the_unchanged_score():
    display = make_map(SCORES, score_name="accuracy").plot()
    assert display.ax_.get_title() == "unchanged: 0.750"
    (bar,) = display.ax_.child_axes
    assert bar.get_ylabel() == "accuracy"
    assert [line.get_ydata()[0] for line in bar.get_lines()] == [0.75]


@pytest.mark.parametrize("layout", [None, "constrained"])
@pytest.mark.parametrize("size", [(6.4, 4.8), (11, 4)], ids=str)
def test_the_scale_of_a_small_map_is_beside_it(layout, size):
    figure, grid = pyplot.subplots(2, 2, layout=layout, figsize=size)
    name = "a convolutional network of 3 blocks that was trained with augmentation"
    displays = [make_map(SCORES, name=name).plot(ax=ax) for ax in grid.flat]
    figure.canvas.draw()
    titles = [display.ax_.title.get_window_extent() for display in displays]
    assert titles[0].x1 < titles[1].x0
    for display, title in zip(displays, titles, strict=True):
        words = display.ax_.get_title()
        assert words.replace("\n", " ") == f"{name}, unchanged: 0.750"
        drawn = display.ax_.get_window_extent()
        (bar,) = (child.get_window_extent() for child in display.ax_.child_axes)
        assert (bar.y0, bar.y1) == pytest.approx((drawn.y0, drawn.y1))
        assert 0 < bar.x0 - drawn.x1 < 0.1 * drawn.width
        assert title.y0 >= bar.y1


def test_a_map_of_other_scores_has_their_scale():
    display = make_map([[-3.0, -2.0, -2.0]] * 3).plot()
    assert display.ax_.get_images()[0].get_clim() == (-3, -2)


@pytest.mark.parametrize(("n_rows", "n_fits"), [(1, 11), (2, 5)])
def test_maps_have_numbers_where_they_fit(n_rows, n_fits):
    for n, drawn in ((n_fits, True), (n_fits + 1, False)):
        figure, grid = pyplot.subplots(n_rows, n_rows, squeeze=False, layout="constrained")
        display = make_map(np.full((n, n), 0.5)).plot(ax=grid[0, 0])
        assert len(display.ax_.texts) == drawn * n * n
        figure.canvas.draw()
        widths = [text.get_window_extent().width for text in display.ax_.texts]
        assert max(widths, default=0) < display.ax_.get_window_extent().width / n


def test_numbers_of_a_map_contrast_with_their_cell():
    texts = make_map([[0.1, 0.9], [0.2, 0.8]]).plot().ax_.texts
    assert [text.get_color() for text in texts] == ["white", "black", "white", "black"]


def test_a_curve_and_its_baseline():
    display = curve([0.5, 0.9, 0.4], name="SVC", score_name="accuracy")
    line, dotted = display.ax_.get_lines()
    assert_array_equal(line.get_xdata(), [-30, 0, 30])
    assert_array_equal(line.get_ydata(), [0.5, 0.9, 0.4])
    assert_array_equal(dotted.get_ydata(), [0.9, 0.9])
    assert dotted.get_linestyle() == ":"
    assert dotted.get_color() == grey(GREY)
    assert legend_of(display) == ["SVC", "unchanged samples"]
    assert display.ax_.get_xlabel() == "rotation (degrees, counter-clockwise)"
    assert display.ax_.get_ylabel() == "accuracy"


def test_several_curves_differ():
    first = curve([0.5, 0.9, 0.4], name="one")
    second = curve([0.6, 0.8, 0.7], ax=first.ax_, baseline=0.8, name="two")
    assert second.ax_ is first.ax_
    one, dotted, two, also_dotted = first.ax_.get_lines()
    assert one.get_color() != two.get_color()
    assert one.get_marker() != two.get_marker()
    assert dotted.get_color() == also_dotted.get_color() == grey(GREY)
    assert legend_of(second) == ["one", "unchanged samples", "two"]


def test_a_curve_without_a_name_is_not_in_the_legend():
    assert legend_of(curve([0.5, 0.9, 0.4])) == ["unchanged samples"]


def test_the_legend_is_outside():
    display = curve([0.5, 0.9, 0.4], name="a network")
    for name in ("another network", "a support vector machine", "a forest"):
        curve([0.5, 0.8, 0.3], ax=display.ax_, name=name)
    display.figure_.canvas.draw()
    legend = display.ax_.get_legend().get_window_extent()
    assert legend.y0 >= display.ax_.get_window_extent().y1
    assert legend.x0 >= 0
    assert legend.x1 <= display.figure_.bbox.x1


@pytest.mark.parametrize("kind", ["translation", "rotation", "zoom"])
def test_from_estimator_draws_the_scores(kind):
    model = LogisticRegression(C=0.01, max_iter=1000).fit(X[:200], y[:200])
    params = {"kind": kind, "values": [1, 2], "input_shape": (8, 8), "scoring": "accuracy"}
    found = robustness_scores(model, X[200:300], y[200:300], **params)
    ax = pyplot.subplots()[1]
    display = RobustnessDisplay.from_estimator(
        model, X[200:300], y[200:300], **params, name="it", ax=ax
    )
    assert display.ax_ is ax
    assert_array_equal(display.values, found.values)
    assert_array_equal(display.scores, found.scores)
    assert display.baseline == found.baseline
    assert (display.kind, display.score_name, display.name) == (kind, "accuracy", "it")
