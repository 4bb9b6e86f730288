"""Resizing arrays: Pillow's pixels, a dense computation, all dtypes."""

import numpy as np
import pytest
from PIL import Image

from skcnn._data.image_files.decoding import resized
from skcnn.preprocessing import _resampling
from skcnn.preprocessing._resampling import axes_of, resized_images
from tests.helpers.pictures import noise

PILLOWS = {"nearest": 0, "bilinear": 2, "bicubic": 3}
# Shapes for which all versions of Pillow resize the width first.
SHAPES = [((9, 7), (9, 4)), ((9, 7), (20, 11)), ((16, 16), (8, 8)), ((5, 40), (11, 3))]
SHAPES += [((28, 28), (64, 64)), ((1, 1), (3, 2)), ((3, 50), (3, 1))]


def pillows(array, size, interpolation):
    image = Image.fromarray(array)
    return np.asarray(image.resize(size[::-1], PILLOWS[interpolation]))


@pytest.mark.parametrize("interpolation", PILLOWS)
@pytest.mark.parametrize(("shape", "size"), SHAPES)
def test_bytes_have_pillows_values(shape, size, interpolation):
    image = noise(*shape)
    found = resized_images(image[None], size, "stretch", interpolation)[0]
    np.testing.assert_array_equal(found, pillows(image, size, interpolation))
    assert found.dtype == np.uint8


def test_bytes_differ_from_pillows_by_rounding_at_most_for_any_shapes():
    rng = np.random.default_rng(0)
    for seed in range(50):
        *shape, height, width = rng.integers(1, 50, 4).tolist()
        image = noise(*shape, seed=seed)
        found = resized_images(image[None], (height, width), "stretch", "bilinear")[0]
        expected = pillows(image, (height, width), "bilinear")
        assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("how", ["crop", "pad"])
@pytest.mark.parametrize(
    ("shape", "size"), [((20, 12), (8, 8)), ((7, 31), (9, 9)), ((4, 5), (6, 3))]
)
def test_crop_and_pad_are_those_of_image_files(shape, size, how):
    image = noise(*shape)
    found = resized_images(image[None], size, how, "bilinear")[0].astype(int)
    assert np.abs(found - np.asarray(resized(Image.fromarray(image), size, how))).max() <= 1


@pytest.mark.parametrize("interpolation", PILLOWS)
def test_floats_have_pillows_values_beyond_its_precision(interpolation):
    image = np.random.default_rng(0).normal(size=(9, 14))
    found = resized_images(image[None, :, :, None], (5, 23), "stretch", interpolation)[0, :, :, 0]
    expected = pillows(image.astype(np.float32), (5, 23), interpolation)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    shifted = resized_images(1e9 + image[None, :, :, None], (5, 23), "stretch", interpolation)
    np.testing.assert_allclose(shifted[0, :, :, 0] - 1e9, found, atol=1e-5)


def test_enlarging_a_ramp_interpolates_linearly():
    ramp = np.array([0.0, 4.0]).reshape(1, 1, 2, 1)
    found = resized_images(ramp, (1, 4), "stretch", "bilinear").ravel()
    np.testing.assert_allclose(found, [0, 1, 3, 4])  # the ends have no neighbour
    halved = resized_images(np.arange(4.0).reshape(1, 1, 4, 1), (1, 2), "stretch", "bilinear")
    # weights 1/4, 3/4, 3/4, 1/4 of the pixels that a triangle of width 4 covers
    np.testing.assert_allclose(halved.ravel(), [(0.75 * 0 + 0.75 * 1 + 0.25 * 2) / 1.75, 16 / 7])


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "int64"])
def test_integers_are_rounded_and_clipped(dtype):
    limits = np.iinfo(dtype)
    top = min(limits.max, 30_000)
    image = np.array([[0, 0, top, top]], dtype).reshape(1, 1, 4, 1)
    found = resized_images(image, (1, 8), "stretch", "bicubic")
    assert found.dtype == dtype
    exact = resized_images(image.astype(float), (1, 8), "stretch", "bicubic")
    assert exact.max() > top  # the cubic goes beyond the values
    low = max(limits.min, -(2**62))
    np.testing.assert_array_equal(found, np.rint(exact).clip(low, limits.max).astype(dtype))


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_the_largest_integers_of_64_bits_do_not_overflow(dtype, interpolation):
    limits = np.iinfo(dtype)
    image = np.full((1, 4, 4, 1), limits.max, dtype)
    found = resized_images(image, (3, 8), "stretch", interpolation)
    assert found.dtype == dtype
    assert found.min() >= limits.max - 2**12  # some units of float64's precision there
    image[:, 1:3] = limits.min
    low = resized_images(image, (8, 4), "stretch", interpolation)
    assert (low.min(), low.max()) == (limits.min, limits.max)


def test_nearest_keeps_codes_that_are_no_float64():
    codes = 2**60 + np.arange(12).reshape(1, 3, 4, 1)
    found = resized_images(codes, (6, 2), "stretch", "nearest")
    np.testing.assert_array_equal(found, codes[:, [0, 0, 1, 1, 2, 2]][:, :, [1, 3]])


def test_sixteen_bits_have_pillows_values():
    image = np.random.default_rng(0).integers(0, 2**16, (12, 9)).astype(np.uint16)
    found = resized_images(image[None, :, :, None], (12, 4), "stretch", "bilinear")[0, :, :, 0]
    np.testing.assert_array_equal(found, pillows(image.astype(np.int32), (12, 4), "bilinear"))


def test_channels_and_images_are_resized_one_by_one(monkeypatch):
    images = np.stack([noise(6, 9, 5, seed=seed) for seed in range(7)])
    whole = resized_images(images, (4, 4), "crop", "bilinear")
    monkeypatch.setattr(_resampling, "MOST_VALUES", 1)  # an image at a time
    np.testing.assert_array_equal(resized_images(images, (4, 4), "crop", "bilinear"), whole)
    alone = resized_images(images[3:4, :, :, 2:3], (4, 4), "crop", "bilinear")
    np.testing.assert_array_equal(alone[0, :, :, 0], whole[3, :, :, 2])


def test_the_same_size_changes_nothing():
    images = np.random.default_rng(0).normal(size=(2, 5, 4, 3)).astype(np.float32)
    for how in ("crop", "pad", "stretch"):
        found = resized_images(images, (5, 4), how, "bicubic")
        np.testing.assert_array_equal(found, images)
        assert not np.shares_memory(found, images)


def test_axes_of_crop_and_pad():
    down, across = axes_of((10, 20), (5, 5), "crop")
    assert (down.start, down.stop, across.start, across.stop) == (0, 10, 5, 15)
    down, across = axes_of((10, 20), (6, 6), "pad")
    assert (across.n_inner, down.n_inner, down.n_before, down.n_after) == (6, 3, 1, 2)
    down, across = axes_of((1, 400), (4, 4), "pad")
    assert down.n_inner == 1  # not none
