"""FeatureMapsDisplay: a sample and its maps, their order, scale and labels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import ConvNetClassifier
from skcnn.inspection import FeatureMapsDisplay, FiltersDisplay, feature_maps
from skcnn.layers import Conv, Flatten, Pool
from tests.helpers.figures import assert_nothing_is_cut, words_of
from tests.helpers.inspected import LABELS, fitted


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
    X, net = fitted((16, 2), n_spatial_dims=1, max_epochs=1)
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
