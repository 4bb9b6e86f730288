"""padding_mode="wrap": what leaves on one side comes in on the other."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from skcnn import ConvNetClassifier
from skcnn.augmentation import (
    RandomCrop,
    RandomElastic,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
)
from skcnn.augmentation._image_ops import spread_control_points, warp
from tests.helpers.augmentations import DTYPES
from tests.helpers.geometry import in_rows_and_columns as in_rows
from tests.helpers.geometry import moved_by_scipy, normal_values, one_channel, turned

WRAP = {"padding_mode": "wrap"}
SPATIAL = [(12,), (7, 9), (4, 5, 6)]


def moved(steps, X):
    for step in steps:
        X = step.fit_transform(X)
    return X.to_numpy()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spatial", SPATIAL, ids=str)
def test_a_crop_is_a_roll(spatial, dtype):
    X = (100 * normal_values(30, *spatial)).astype(dtype)
    crop = RandomCrop(3, input_shape=one_channel(spatial), random_state=0, **WRAP)
    pixels = crop.draw(X)["pixels"]
    assert np.abs(pixels).max() == 3
    axes = tuple(range(len(spatial)))
    expected = [np.roll(x, p, axes) for x, p in zip(X, pixels, strict=True)]
    np.testing.assert_array_equal(crop.fit_transform(X).to_numpy(), expected)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("pixels", [-11, -5, -1, 0, 2, 7, 12])
@pytest.mark.parametrize("spatial", SPATIAL, ids=str)
def test_a_translation_by_whole_pixels_is_a_roll(spatial, pixels, dtype):
    side = spatial[-1]
    if abs(pixels) > side:
        pixels %= side
    X = (100 + 30 * normal_values(3, *spatial)).astype(dtype)
    shift = RandomTranslation(
        (pixels / side,) * 2, axis=-1, input_shape=one_channel(spatial), **WRAP
    )
    got = shift.fit_transform(X).to_numpy()
    expected = np.roll(X, pixels, axis=-1)
    if dtype == "uint8":
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_allclose(got, expected, atol=1e-3 if dtype == "float32" else 1e-10)


@settings(max_examples=40, deadline=None)
@given(
    spatial=st.sampled_from([*SPATIAL, (2,), (1, 5), (2, 3), (1, 1)]),
    fraction=st.floats(-1, 1),
    seed=st.integers(0, 100),
)
def test_fractional_shifts_against_scipy(spatial, fraction, seed):
    X = normal_values(2, *spatial, seed=seed)
    shift = RandomTranslation((fraction,) * 2, input_shape=one_channel(spatial), **WRAP)
    got = shift.fit_transform(X).to_numpy()
    pixels = [0.0 if side == 1 else fraction * side for side in spatial]
    expected = ndimage.shift(X, (0, *pixels), order=1, mode="grid-wrap")
    np.testing.assert_allclose(got, expected, atol=1e-9)


@pytest.mark.parametrize("degrees", [30, 90, -135, 180])
@pytest.mark.parametrize("zoom", [0.2, 1.0, 1.7])
def test_composed_motions_against_scipy(degrees, zoom):
    X = normal_values(2, 7, 9, 2)
    shift = np.array([2.3, -4.1])
    axes = [RandomTranslation((s / n,) * 2, axis=a, **WRAP)
            for s, n, a in zip(shift, (7, 9), (-2, -1), strict=True)]  # fmt: skip
    steps = [RandomZoom((zoom, zoom), **WRAP), RandomRotation((degrees, degrees), **WRAP), *axes]
    linear = in_rows(turned(degrees)) * zoom
    expected = moved_by_scipy(X, linear, shift, padding_mode="wrap")
    np.testing.assert_allclose(moved(steps, X), expected, atol=1e-9)


def test_shifts_and_flips_are_joined_exactly():
    X = np.random.default_rng(0).integers(0, 255, (20, 7, 9), dtype=np.uint8)
    there, back = (RandomTranslation((f, f), axis=-1, **WRAP) for f in (4 / 9, 7 / 9))
    np.testing.assert_array_equal(moved([there, back], X), np.roll(X, 11, axis=-1))
    flip = RandomFlip(p=1.0)
    np.testing.assert_array_equal(moved([there, flip], X), np.roll(X, 4, axis=-1)[:, :, ::-1])
    np.testing.assert_array_equal(moved([flip, there], X), np.roll(X[:, :, ::-1], 4, axis=-1))


def test_an_elastic_wrap_against_scipy():
    X = normal_values(3, 9, 8)
    elastic = RandomElastic((0.3, 0.3), **WRAP)
    params = elastic.draw(X, random_state=0)
    points = torch.from_numpy(elastic._motion(params, (9, 8)).points)
    shifts = spread_control_points(points, (9, 8)).numpy()
    tiles = np.tile(X, (1, 5, 5))  # whose middle is far from any border
    for image, shift, tile in zip(elastic.apply(X, params), shifts, tiles, strict=True):
        where = np.indices((9, 8)) + shift + np.array([18, 16]).reshape(2, 1, 1)
        assert ((where >= 0) & (where <= np.array([44, 39]).reshape(2, 1, 1))).all()
        expected = ndimage.map_coordinates(tile, where, order=1)
        np.testing.assert_allclose(image, expected, atol=1e-9)


@pytest.mark.parametrize("nearest", [False, True])
def test_a_long_signal_wraps_exactly(nearest):
    signal = torch.arange(5000.0)[None, None]
    matrices = np.eye(2)[None].copy()
    matrices[0, 0, 1] = -777
    rolled = warp(signal, matrices, "wrap", nearest=nearest)
    np.testing.assert_allclose(rolled, signal.roll(777, 2), atol=1e-2)
    if nearest:
        assert torch.equal(rolled, signal.roll(777, 2))


def test_a_wrapped_sample_is_the_same_in_any_batch():
    images = torch.from_numpy(normal_values(30, 2, 8, 9)).float()
    matrices = np.tile(np.eye(3), (30, 1, 1))
    matrices[:, :2] += normal_values(30, 2, 3)
    together = warp(images, matrices, "wrap")
    for rows in ([7], [3, 29, 0]):
        assert torch.equal(warp(images[rows], matrices[rows], "wrap"), together[rows])


def test_networks_train_with_wrapped_flat_rows():
    X = np.random.default_rng(0).random((20, 72))
    flat = ConvNetClassifier(
        input_shape=(8, 9),
        filters=(2,),
        hidden_units=(),
        max_epochs=2,
        augmentation=[RandomTranslation(0.3, **WRAP)],
        random_state=0,
    )
    y = np.arange(20) % 2
    expected = flat.fit(X, y).predict_proba(X)
    images = flat.set_params(input_shape=None).fit(X.reshape(20, 8, 9), y)
    np.testing.assert_array_equal(images.predict_proba(X.reshape(20, 8, 9)), expected)
