"""FiltersDisplay and FeatureMapsDisplay: what is drawn, with which scale and which words."""

import sys

import numpy as np
import pytest
from matplotlib import pyplot
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import ConvNetClassifier
from skcnn.exceptions import MissingDependencyError
from skcnn.inspection import FeatureMapsDisplay, FiltersDisplay, feature_maps, filters
from skcnn.layers import Conv, Flatten, Pool
from tests.helpers.figures import assert_nothing_is_cut, words_of
from tests.helpers.inspected import LABELS, fitted

# Filters


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
    _, net = fitted((16, 2), input_shape=(16, 2), kernel_size=5, filters=6)
    display = FiltersDisplay.from_estimator(net, n_filters=4)
    curves = [line for line in display.ax_.lines if len(line.get_xdata()) == 5]
    curves = [line for line in curves if line.get_color() != "0.8"]  # the boxes
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


# Feature maps


def test_rows_are_the_sample_and_its_layers():
    X, net = fitted((8, 6), filters=(3, (10, 4)))
    display = FeatureMapsDisplay.from_estimator(net, X, sample=5)
    layers = ["activation_1", "activation_2", "activation_3"]
    assert list(display.maps) == layers
    assert_array_equal(display.sample[0], X[5].astype(np.float32))
    for name in layers:
        expected = np.moveaxis(feature_maps(net, X[5:6], layer=name)[0], -1, 0)
        assert_array_equal(display.maps[name], expected)
    assert words_of(display) == [
        "sample\n8x6",
        "activation_1\n8x6, 3 of 3",
        "activation_2\n4x3, 8 of 10",
        "activation_3\n4x3, 4 of 4",
    ]
    assert len(display.ax_.images) == 1 + 3 + 8 + 4
    assert_nothing_is_cut(display)


def test_maps_that_vary_most_come_first_on_the_scale_of_their_layer():
    maps = (
        np.random.default_rng(0).normal(size=(5, 4, 4)) * np.array([1, 5, 0, 3, 2])[:, None, None]
    )
    maps[2] = 100.0  # strong, but the same everywhere
    display = FeatureMapsDisplay(sample=np.zeros((1, 4, 4)), maps={"conv_1": maps}).plot(n_maps=3)
    order = [1, 3, 4]
    assert [text.get_text() for text in display.ax_.texts] == ["1", "3", "4"]
    low, high = maps[order].min(), maps[order].max()
    for image, number in zip(display.ax_.images[1:], order, strict=True):
        assert_allclose(image.get_array(), (maps[number] - low) / (high - low))


def test_layers_are_chosen_by_name_and_number():
    X, net = fitted((8, 6))
    display = FeatureMapsDisplay.from_estimator(net, X, layers=["pool_1", 0], n_maps=2)
    assert list(display.maps) == ["pool_1", "conv_1"]
    assert list(FeatureMapsDisplay.from_estimator(net, X, layers="conv_2").maps) == ["conv_2"]
    for number in (3, np.int64(3)):
        assert list(FeatureMapsDisplay.from_estimator(net, X, layers=number).maps) == ["pool_1"]
    both = FeatureMapsDisplay.from_estimator(net, X, layers=np.array([3, 0]))
    assert list(both.maps) == ["pool_1", "conv_1"]
    with pytest.raises(ValueError, match=r"'layers' .* 2 spatial axes. Got 'dense_1', .* \(5,\)"):
        FeatureMapsDisplay.from_estimator(net, X, layers=["conv_1", "dense_1"])
    with pytest.raises(ValueError, match=r"The 'layer' parameter must be one of .* Got 'conv_9'"):
        FeatureMapsDisplay.from_estimator(net, X, layers="conv_9")
    with pytest.raises(ValueError, match=r"The 'layer' parameter must be one of .* Got 1\.5"):
        FeatureMapsDisplay.from_estimator(net, X, layers=1.5)
    with pytest.raises(ValueError, match=r"The 'layers' parameter must have one .* Got \[\] inst"):
        FeatureMapsDisplay.from_estimator(net, X, layers=[])


def test_of_many_layers_six_are_chosen_from_first_to_last():
    specs = [Conv(2, activation="relu") for _ in range(11)]
    X, net = fitted((6, 6), architecture=[*specs, Pool(2), Flatten()], max_epochs=1)
    names = list(FeatureMapsDisplay.from_estimator(net, X).maps)
    assert names == [f"conv_{i}" for i in (1, 3, 5, 7, 9, 11)]


def test_samples_are_counted_from_the_end_too():
    X, net = fitted((8, 6), max_epochs=1)
    display = FeatureMapsDisplay.from_estimator(net, X, sample=-1)
    assert_array_equal(display.sample[0], X[-1].astype(np.float32))
    for wrong in (40, -41):
        with pytest.raises(ValueError, match=f"sample == {wrong}, must be"):
            FeatureMapsDisplay.from_estimator(net, X, sample=wrong)
    with pytest.raises(TypeError, match="sample must be an instance of"):
        FeatureMapsDisplay.from_estimator(net, X, sample=1.5)


KINDS = {
    "colour": ((8, 6, 3), {}),
    "channels first": ((2, 8, 6), {"input_shape": (2, 8, 6), "channels": "first"}),
    "volume": ((4, 8, 6), {"input_shape": (4, 8, 6, 1)}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_images_and_volumes_are_pictures(kind):
    shape, params = KINDS[kind]
    X, net = fitted(shape, max_epochs=1, **params)
    display = FeatureMapsDisplay.from_estimator(net, X)
    assert display.maps["activation_1"].shape[-2:] == (8, 6)
    shown = [image.get_array().shape[:2] for image in display.ax_.images]
    assert shown[:2] == [(8, 6), (8, 6)]
    assert len(shown) == 1 + 3 + 4
    assert_nothing_is_cut(display)


def test_maps_of_signals_are_curves():
    X, net = fitted((16, 2), input_shape=(16, 2), max_epochs=1)
    display = FeatureMapsDisplay.from_estimator(net, X, layers=["activation_1"])
    curves = [line for line in display.ax_.lines if len(line.get_xdata()) == 16]
    assert len(curves) == 2 + 3
    assert not display.ax_.images
    assert words_of(display) == ["sample\nlength 16", "activation_1\nlength 16, 3 of 3"]


def test_a_pipelines_sample_is_what_reaches_the_network():
    X = np.random.default_rng(0).normal(5, 3, size=(40, 64))
    net = ConvNetClassifier(input_shape=(8, 8), filters=3, max_epochs=1, random_state=0)
    pipeline = make_pipeline(StandardScaler(), net).fit(X, LABELS)
    display = FeatureMapsDisplay.from_estimator(pipeline, X, sample=3)
    scaled = pipeline[:1].transform(X)[3].reshape(1, 8, 8)
    assert_allclose(display.sample, scaled, rtol=1e-6)
    assert len(FiltersDisplay.from_estimator(pipeline).kernels) == 3


# Both

DRAWN = {
    "FiltersDisplay": lambda net, X, **kw: FiltersDisplay.from_estimator(net, **kw),
    "FeatureMapsDisplay": FeatureMapsDisplay.from_estimator,
}


@pytest.mark.parametrize("name", DRAWN)
def test_given_axes_are_drawn_in(name):
    X, net = fitted((8, 6), max_epochs=1)
    figure, ax = pyplot.subplots()
    display = DRAWN[name](net, X, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    n_images = len(ax.images)
    assert display.plot() is display
    assert display.ax_ is not ax
    assert len(display.ax_.images) == n_images


@pytest.mark.parametrize("name", DRAWN)
def test_other_estimators_and_unfitted_ones_are_refused(name):
    X = np.ones((4, 8, 8))
    with pytest.raises(NotFittedError):
        DRAWN[name](ConvNetClassifier(), X)
    with pytest.raises(TypeError, match=r"must be a fitted ConvNetClassifier .* Got LogisticReg"):
        DRAWN[name](LogisticRegression(), X)


@pytest.mark.parametrize("name", DRAWN)
def test_missing_matplotlib_is_named(name, monkeypatch):
    X, net = fitted((8, 6), max_epochs=1)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "skcnn\[plots\]"'):
        DRAWN[name](net, X)
