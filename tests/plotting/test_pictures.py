"""Grids of pictures in one Axes: places of cells, and pictures of every kind of sample."""

import sys

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import pyplot
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from skcnn._data.images import Images
from skcnn._data.layouts import InputLayout
from skcnn._plotting.pictures import (
    PictureGrid,
    channels_first,
    draw_sample,
    drawn_samples,
    size_text,
    value_limits,
)
from skcnn.exceptions import MissingDependencyError

RNG = np.random.default_rng(0)
SHAPES = {
    "grey": (1, 8, 8),
    "colour": (3, 6, 12),
    "two channels": (2, 12, 6),
    "volume": (1, 5, 8, 8),
    "colour volume": (3, 5, 8, 8),
    "signal": (1, 40),
    "signals": (3, 40),
    "line": (1, 1, 200),
    "column": (1, 200, 1),
}


def drawn(sample, limits=(0.0, 1.0), **style):
    _, ax = pyplot.subplots()
    draw_sample(ax, sample, (0, 0), 1.0, limits, **style)
    return ax


# Cells


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("gaps", [(0.06, 0.06), (0.1, 0.5)], ids=str)
def test_cells_do_not_overlap_and_lie_inside(shape, gaps):
    grid = PictureGrid(3, 4, shape, gaps=gaps)
    low, high = grid.ax.get_xlim()
    bottom, top = grid.ax.get_ylim()
    assert bottom > top  # y points down
    corners = np.array([[grid.corner(i, j) for j in range(4)] for i in range(3)])
    assert_allclose(np.diff(corners[..., 0], axis=1), 1 + gaps[0])
    assert_allclose(np.diff(corners[..., 1], axis=0), grid.height + gaps[1])
    assert low < 0 < corners[..., 0].max() + 1 <= high
    assert top < 0 < corners[..., 1].max() + grid.height <= bottom


@pytest.mark.parametrize(
    ("shape", "height"),
    [((1, 8, 8), 1), ((3, 6, 12), 0.5), ((1, 12, 6), 2), ((1, 5, 8, 4), 2), ((2, 99), 0.6),
     ((1, 1, 200), 0.25), ((1, 200, 1), 4)],
    ids=str,
)  # fmt: skip
def test_cells_have_the_aspect_of_samples_within_bounds(shape, height):
    grid = PictureGrid(1, 1, shape)
    assert grid.height == height
    assert grid.ax.get_aspect() == 1


def test_a_new_figure_grows_with_the_grid_and_a_given_one_does_not():
    small, large = (PictureGrid(n, n, (1, 8, 8)).ax.figure.get_size_inches() for n in (2, 4))
    assert_allclose(large - [0, 0.4], 2 * (small - [0, 0.4]))
    _, ax = pyplot.subplots(figsize=(3, 2))
    grid = PictureGrid(9, 9, (1, 8, 8), ax)
    assert grid.ax is ax
    assert_allclose(ax.figure.get_size_inches(), [3, 2])


def test_labels_lie_at_the_middle_of_rows_and_columns():
    grid = PictureGrid(2, 3, (1, 8, 16), gaps=(0.1, 0.2))
    grid.set_labels(["a", "b"], ["x", "y", "z"])
    assert_allclose(grid.ax.get_xticks(), [0.5, 1.6, 2.7])
    assert_allclose(grid.ax.get_yticks(), [0.25, 0.95])
    assert [t.get_text() for t in grid.ax.get_yticklabels()] == ["a", "b"]
    grid.set_labels(["only"])
    assert len(grid.ax.get_xticks()) == 0
    assert len(grid.ax.get_yticks()) == 1


def test_titles_lie_above_their_cell_and_below_the_one_above():
    grid = PictureGrid(2, 2, (1, 8, 8), gaps=(0.1, 0.4))
    for row in range(2):
        grid.draw(row, 1, np.zeros((1, 8, 8)), (0, 1))
        grid.title(row, 1, "title", color="red")
    grid.ax.figure.canvas.draw()
    for text, (row, column) in zip(grid.ax.texts, [(0, 1), (1, 1)], strict=True):
        box = text.get_window_extent().transformed(grid.ax.transData.inverted())
        left, top = grid.corner(row, column)
        assert top - 0.4 <= box.ymin <= top  # y points down, so that ymin is the lower edge
        assert top - 0.4 <= box.ymax <= top
        assert left <= box.xmin <= box.xmax <= left + 1
        assert text.get_color() == "red"


def test_samples_are_drawn_in_their_cells():
    grid = PictureGrid(2, 2, (1, 4, 8))
    grid.draw(1, 1, np.eye(4, 8)[None], (0, 1))
    (image,) = grid.ax.images
    left, top = grid.corner(1, 1)
    assert_allclose(image.get_extent(), (left, left + 1, top + 0.5, top))
    assert grid.ax.get_xlim() == pytest.approx((-0.06, 2.12))  # not moved by the image


def test_without_matplotlib(monkeypatch):
    _, ax = pyplot.subplots()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    assert PictureGrid(1, 1, (1, 8, 8), ax).ax is ax
    with pytest.raises(MissingDependencyError):
        PictureGrid(1, 1, (1, 8, 8))


# Samples


def test_grey_images_are_between_black_and_white():
    sample = RNG.uniform(-3, 5, (1, 6, 7))
    (image,) = drawn(sample, (-3.0, 5.0)).images
    assert_allclose(image.get_array(), (sample[0] + 3) / 8)
    assert image.get_clim() == (0, 1)
    assert image.get_cmap().name == "gray"


def test_values_beyond_the_limits_are_cut():
    (image,) = drawn(np.array([[[-1.0, 0.5, 2.0]]])).images
    assert_array_equal(image.get_array(), [[0, 0.5, 1]])


def test_three_channels_are_colours():
    sample = RNG.uniform(size=(3, 6, 7))
    (image,) = drawn(sample).images
    assert_allclose(image.get_array(), sample.transpose(1, 2, 0))


@pytest.mark.parametrize("n_channels", [1, 2, 4])
def test_of_other_numbers_of_channels_the_first_is_shown(n_channels):
    sample = RNG.uniform(size=(n_channels, 6, 7))
    (image,) = drawn(sample).images
    assert_allclose(image.get_array(), sample[0])


@pytest.mark.parametrize("n_channels", [1, 3])
def test_of_volumes_the_middle_slice_is_shown(n_channels):
    sample = RNG.uniform(size=(n_channels, 5, 6, 7))
    (image,) = drawn(sample).images
    middle = sample[:, 2]
    assert_allclose(image.get_array(), middle[0] if n_channels == 1 else np.moveaxis(middle, 0, -1))


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.float32, np.int64])
def test_whole_numbers_have_no_overflow(dtype):
    sample = np.array([[[0, 1], [1, 0]]], dtype)
    (image,) = drawn(sample, value_limits(sample)).images
    assert_array_equal(image.get_array(), [[0, 1], [1, 0]])


@pytest.mark.parametrize("n_channels", [1, 3])
def test_signals_are_curves_in_a_box(n_channels):
    sample = RNG.uniform(size=(n_channels, 20))
    box, *curves = drawn(sample, (0.0, 1.0)).get_lines()
    assert_array_equal(np.ptp(box.get_xydata(), axis=0), [1, 1])
    assert len(curves) == n_channels
    for curve, values in zip(curves, sample, strict=True):
        x, y = curve.get_xydata().T
        assert_allclose(x, (np.arange(20) + 0.5) / 20)
        assert_allclose(y, 0.95 - 0.9 * values)  # up is less
    assert len({to_hex(curve.get_color()) for curve in curves}) == n_channels
    assert not drawn(sample).images


def test_styles_are_handed_on():
    (image,) = drawn(np.zeros((1, 4, 4)), cmap="magma", alpha=0.5).images
    assert (image.get_cmap().name, image.get_alpha()) == ("magma", 0.5)
    curve = drawn(np.zeros((1, 9)), color="black", lw=3).get_lines()[1]
    assert (curve.get_color(), curve.get_linewidth()) == ("black", 3)


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 4, 4), (2, 9)], ids=str)
def test_constant_samples_are_drawn(shape):
    sample = np.full(shape, 7.0)
    ax = drawn(sample, value_limits(sample))
    ax.figure.canvas.draw()
    assert len(ax.images) + len(ax.get_lines()) >= 1


# Values


def test_limits_are_those_of_all_samples():
    samples = np.array([[1, 250], [3, 4]], np.uint8)
    assert value_limits(samples) == (1.0, 250.0)
    assert all(type(limit) is float for limit in value_limits(samples))


@pytest.mark.parametrize(
    ("spatial", "text"), [((100,), "length 100"), ((28, 14), "28x14"), ((4, 5, 6), "4x5x6")]
)
def test_size_text(spatial, text):
    assert size_text(spatial) == text


@pytest.mark.parametrize("channels", ["first", "last"])
@pytest.mark.parametrize("spatial", [(5,), (4, 5), (3, 4, 5)], ids=str)
def test_samples_of_any_layout_have_channels_first(channels, spatial):
    expected = RNG.uniform(size=(6, 2, *spatial))
    given = expected if channels == "first" else np.moveaxis(expected, 1, -1)
    layout = InputLayout(given.shape[1:], channels)
    for values in (given, given.reshape(6, -1)):
        assert_array_equal(channels_first(values, layout), expected)


# Samples of a Pipeline, original or transformed


def images_of(values, shape=(2, 3, 1)):
    return Images(torch.tensor(values).reshape(len(values), -1).float(), InputLayout(shape, "last"))


GIVEN = images_of(np.zeros((4, 2, 3)))
ORIGINALS = {
    "flat": np.arange(24).reshape(4, 6),
    "images": np.arange(24).reshape(4, 2, 3),
    "lists": np.arange(24).reshape(4, 2, 3).tolist(),
    "a frame": pd.DataFrame(np.arange(24).reshape(4, 6)),
    "a tensor": torch.arange(24.0, requires_grad=True).reshape(4, 6, 1)[..., 0],
}


@pytest.mark.parametrize("kind", ORIGINALS)
def test_originals_that_fit_are_drawn(kind):
    expected = np.arange(24).reshape(4, 1, 2, 3)
    assert_array_equal(drawn_samples(ORIGINALS[kind], GIVEN), expected)


OTHERS = {
    "another shape": np.ones((4, 7)),
    "words": np.full((4, 6), "a"),
    "missing values": np.full((4, 6), np.nan),
    "sparse": csr_array(np.ones((4, 6))),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_transformed_samples_are_drawn_if_the_originals_do_not_fit(kind):
    assert_array_equal(drawn_samples(OTHERS[kind], GIVEN), np.zeros((4, 1, 2, 3)))
