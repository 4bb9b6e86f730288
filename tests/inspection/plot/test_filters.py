"""FiltersDisplay: kernels as pictures and curves, with their scale and title."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skcnn._plotting.axes import grey
from skcnn.inspection import FiltersDisplay, filters
from tests.helpers.figures import assert_nothing_is_cut, words_of
from tests.helpers.inspected import fitted


def test_kernels_of_one_channel_are_pictures_around_zero():
    _, net = fitted((8, 8), filters=20)
    display = FiltersDisplay.from_estimator(net)
    kernels = filters(net)[..., 0]
    most = np.abs(kernels[:16]).max()
    assert len(display.ax_.images) == 16
    for image, kernel in zip(display.ax_.images, kernels, strict=False):
        assert image.get_cmap().name == "RdBu_r"
        assert image.get_clim() == (0, 1)
        assert_allclose(image.get_array(), (kernel + most) / (2 * most), atol=1e-6)
    assert display.kernels.shape == (20, 1, 3, 3)
    first, second = display.ax_.get_title().split("\n")
    assert first == "conv_1: 16 of 20 filters of 3x3"
    assert second == f"from {-most:.2g} (blue) to {most:.2g} (red)"
    assert_nothing_is_cut(display)


def test_kernels_on_colours_are_coloured_with_grey_for_zero():
    _, net = fitted((8, 8, 3), filters=(5, 3, 4))
    display = FiltersDisplay.from_estimator(net, n_channels=1)
    kernels = filters(net)
    most = np.abs(kernels).max()
    assert len(display.ax_.images) == 5
    for image, kernel in zip(display.ax_.images, kernels, strict=True):
        assert_allclose(image.get_array(), 0.5 + kernel / (2 * most), atol=1e-6)
    assert "channels" not in display.ax_.get_title()
    deeper = FiltersDisplay.from_estimator(net, layer="conv_3")
    assert len(deeper.ax_.images) == 4 * 3, "three channels that are no colours"
    assert words_of(deeper) == ["channel 0", "channel 1", "channel 2"]


def test_kernels_of_many_channels_are_columns_of_channels():
    _, net = fitted((8, 8, 2), filters=(7, 5))
    display = FiltersDisplay.from_estimator(net, layer=-1, n_filters=3, n_channels=4)
    kernels = filters(net, layer="conv_2")[:3, ..., :4]
    most = np.abs(kernels).max()
    found = [image.get_array() for image in display.ax_.images]
    expected = [kernels[i, ..., j] for i in range(3) for j in range(4)]
    assert_allclose(found, 0.5 + np.array(expected) / (2 * most), atol=1e-6)
    lefts = [image.get_extent()[0] for image in display.ax_.images]
    assert lefts[:4] == lefts[:1] * 4
    assert words_of(display) == [f"channel {i}" for i in range(4)]
    assert display.ax_.get_title().startswith("conv_2: 3 of 5 filters of 3x3\n4 of 7 channels, ")
    assert_nothing_is_cut(display)


def test_kernels_on_signals_are_curves_around_a_line_at_zero():
    _, net = fitted((16, 2), n_spatial_dims=1, kernel_size=5, filters=6)
    display = FiltersDisplay.from_estimator(net, n_filters=4)
    curves = [line for line in display.ax_.lines if len(line.get_xdata()) == 5]
    curves = [line for line in curves if line.get_color() != grey(0.8)]  # the boxes
    zeros = [line for line in display.ax_.lines if line.get_linestyle() == ":"]
    assert len(curves) == 4 * 2
    assert len(zeros) == 4
    kernels = filters(net)[:4]
    most, height = np.abs(kernels).max(), 0.6
    for i, line in enumerate(curves):
        kernel = kernels[i // 2, :, i % 2]
        zero = zeros[i // 2].get_ydata()[0]
        assert_allclose(line.get_ydata(), zero - 0.9 * height * kernel / (2 * most), atol=1e-6)
    assert "filters of length 5\n2 of 2 channels" in display.ax_.get_title()


@pytest.mark.parametrize("shape", [(4, 6, 5), (4, 6, 5, 3)], ids=["one", "three"])
def test_kernels_on_volumes_are_their_middle_slices(shape):
    params = {"input_shape": (*shape, 1)} if len(shape) == 3 else {}
    _, net = fitted(shape, kernel_size=(3, 3, 3), filters=2, **params)
    display = FiltersDisplay.from_estimator(net)
    kernels = filters(net)[:, 1]
    most = np.abs(filters(net)).max()
    middle = 0.5 + kernels / (2 * most)
    shown = np.array([image.get_array() for image in display.ax_.images])
    assert_allclose(shown, middle if len(shape) == 4 else middle[..., 0], atol=1e-6)


def test_kernels_without_weight_are_drawn():
    display = FiltersDisplay(kernels=np.zeros((3, 1, 3, 3)), layer="nothing").plot()
    assert all((image.get_array() == 0.5).all() for image in display.ax_.images)


@pytest.mark.parametrize("n_filters", [1, 2, 3, 30])
@pytest.mark.parametrize("n_channels", [1, 9])
def test_any_number_of_filters_fits_the_figure(n_filters, n_channels):
    kernels = np.random.default_rng(0).normal(size=(30, n_channels, 3, 3))
    display = FiltersDisplay(kernels=kernels, layer="residual_10.body.conv_1")
    assert_nothing_is_cut(display.plot(n_filters=n_filters))


@pytest.mark.parametrize("name", ["n_filters", "n_channels"])
def test_numbers_of_filters_and_channels_are_checked(name):
    _, net = fitted((8, 8), max_epochs=1)
    with pytest.raises(ValueError, match=f"{name} == 0, must be >= 1"):
        FiltersDisplay.from_estimator(net, **{name: 0})
