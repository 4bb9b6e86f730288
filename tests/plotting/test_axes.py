"""The palette, logarithmic scales, legends above the axes, PNG files, and missing matplotlib."""

import io
import sys

import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgb
from numpy.testing import assert_allclose
from PIL import Image

from skcnn._plotting.axes import (
    alarm,
    contrast,
    figure_png,
    grey,
    legend_above,
    needs_log_scale,
    new_axes,
    set_log_ticks,
    standard_style,
)
from skcnn._plotting.palette import ALARMS, BLUE, GREEN, ORANGE, PURPLE, RED, SKY
from skcnn.exceptions import MissingDependencyError


def test_colours_of_the_palette_differ():
    assert len({*ALARMS, BLUE, GREEN, ORANGE, PURPLE, RED, SKY}) == 6 + len(ALARMS)


@pytest.mark.parametrize(
    ("low", "high", "needed"),
    [(1.0, 10.0, False), (1.0, 10.1, True), (0.0, 5.0, False), (-1.0, 50.0, False)],
)
def test_values_of_more_than_one_power_of_ten_need_a_log_scale(low, high, needed):
    assert needs_log_scale(low, high) is needed


@pytest.mark.parametrize(
    ("axis", "limits", "labels"),
    [
        ("x", (0.9, 30), ["1", "2", "5", "10", "20"]),
        ("y", (0.002, 3), ["0.01", "0.1", "1"]),
        ("x", (1, 2e6), ["1", "10", "100", "1,000", "10,000", "100,000", "1,000,000"]),
    ],
)
def test_log_ticks_are_plain_numbers(axis, limits, labels):
    ax = pyplot.subplots()[1]
    ax.set(**{f"{axis}scale": "log", f"{axis}lim": limits})
    set_log_ticks(ax, axis)
    assert [label.get_text() for label in getattr(ax, f"get_{axis}ticklabels")()] == labels


def test_a_legend_above_the_axes_keeps_its_style():
    ax = pyplot.subplots(layout="constrained")[1]
    ax.plot([1, 2], label="a line")
    legend = legend_above(ax, 3, fontsize="small")
    ax.figure.canvas.draw()
    assert ax.get_legend() is legend
    assert not legend.get_frame_on()
    assert legend.get_texts()[0].get_fontsize() < 10
    assert legend.get_window_extent().y0 >= ax.get_window_extent().y1


def test_legend_of_narrow_axes_has_two_columns():
    axes = pyplot.subplots(2, 2, figsize=(10, 8), layout="constrained")[1]
    wide = pyplot.subplots()[1]
    for ax, n_columns in ((axes[0, 0], 2), (wide, 3)):
        lines = [ax.plot([0, 1], label=name)[0] for name in ("first", "second", "third")]
        assert legend_above(ax, 3, handles=lines)._ncols == n_columns


def test_missing_matplotlib_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "skcnn\[plots\]"'):
        new_axes()
    assert issubclass(MissingDependencyError, ImportError)


def test_greys_lie_between_the_text_and_the_background_of_the_style():
    assert grey(0.35) == (0.35, 0.35, 0.35)
    with pyplot.style.context("dark_background"):
        assert_allclose(grey(0.35), [0.65] * 3)
    with pyplot.rc_context({"axes.facecolor": "none", "figure.facecolor": "0.5"}):
        assert_allclose(grey(1.0), [0.5] * 3, atol=0.01)
    with pyplot.rc_context({"axes.facecolor": "none", "figure.facecolor": "none"}):
        assert grey(1.0) == (1.0, 1.0, 1.0)


def test_contrast_is_that_of_the_web_guidelines():
    white, black = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
    assert contrast(white, black) == contrast(black, white) == 21
    assert contrast(white, white) == 1
    # values that WebAIM's checker gives
    assert_allclose(contrast(to_rgb("#777777"), white), 4.48, atol=0.005)
    assert_allclose(contrast(to_rgb("#FF0000"), white), 4.00, atol=0.005)
    assert_allclose(contrast(to_rgb("#0000FF"), black), 2.44, atol=0.005)


STYLES = ["default", "dark_background", "ggplot", "seaborn-v0_8-darkgrid", "Solarize_Light2"]


@pytest.mark.parametrize("style", STYLES)
def test_alarms_can_be_read_in_every_style(style):
    with pyplot.style.context(style):
        for part in ("axes", "figure"):
            background = to_rgb(pyplot.rcParams[f"{part}.facecolor"])
            assert contrast(to_rgb(alarm()), background) >= 4.5


@pytest.mark.parametrize("background", ["white", "black", "0.3", "0.75", "none"])
def test_alarms_can_be_read_on_every_background(background):
    with pyplot.rc_context(dict.fromkeys(("axes.facecolor", "figure.facecolor"), background)):
        seen = to_rgb("white" if background == "none" else background)
        assert contrast(to_rgb(alarm()), seen) >= 4.5
    assert alarm() == ALARMS[0]


def test_alarms_on_a_middle_grey_have_the_highest_contrast():
    with pyplot.rc_context({"axes.facecolor": "0.47", "figure.facecolor": "0.47"}):
        grey_ = to_rgb("0.47")
        assert contrast(to_rgb(alarm()), grey_) == max(contrast(to_rgb(a), grey_) for a in ALARMS)


def test_figure_becomes_a_png_file_and_is_closed():
    ax = pyplot.subplots(figsize=(4, 2))[1]
    ax.set_title("\N{CJK UNIFIED IDEOGRAPH-732B}")  # a letter that the font does not have
    image = Image.open(io.BytesIO(figure_png(ax.figure)))
    assert image.format == "PNG"
    assert 450 < image.width < 650
    assert not pyplot.get_fignums()


def test_standard_style_sets_the_users_style_aside():
    before = pyplot.rcParams["axes.facecolor"]
    with pyplot.style.context("dark_background"):
        with standard_style():
            assert pyplot.rcParams["axes.facecolor"] == "white"
        assert pyplot.rcParams["axes.facecolor"] == "black"
    assert pyplot.rcParams["axes.facecolor"] == before


def test_standard_style_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"skcnn\[plots\]"), standard_style():
        pass
