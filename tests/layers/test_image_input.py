"""Layers in front of a pretrained base, against NumPy and Pillow."""

import numpy as np
import pytest
import torch
from PIL import Image

from skcnn.layers import Rescale, Resize, ToRGB
from tests.helpers.layer_modules import TOLERANCE, apply, build

SIZES = [
    ((8, 8), (20, 20)),
    ((9, 7), (5, 3)),
    ((32, 20), (7, 45)),
    ((5, 5), (1, 1)),
    ((1, 1), (4, 3)),
]


def interpolated(values, n_new):
    """Return `n_new` values along the last axis, weighed by a triangle about each centre."""
    n = values.shape[-1]
    step = n / n_new
    width = max(step, 1.0)
    centres = (np.arange(n_new) + 0.5) * step
    places = np.arange(n) + 0.5
    weights = np.maximum(1 - np.abs(places - centres[:, None]) / width, 0)
    return values @ (weights / weights.sum(1, keepdims=True)).T


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_resize_equals_weighted_sums(old, new):
    x = np.random.default_rng(0).normal(size=(3, 2, *old))
    expected = interpolated(interpolated(x, new[1]).swapaxes(2, 3), new[0]).swapaxes(2, 3)
    np.testing.assert_allclose(apply(build([Resize(new)], (2, *old)), x), expected, **TOLERANCE)


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_resize_equals_pillow(old, new):
    x = np.random.default_rng(0).random(old, dtype=np.float32)
    picture = Image.fromarray(x).resize(new[::-1], Image.Resampling.BILINEAR)
    ours = Resize(new).build((1, *old), is_signal=False)(torch.from_numpy(x)[None, None])[0, 0]
    np.testing.assert_allclose(ours, np.asarray(picture), atol=1e-5)


def test_images_of_the_right_size_and_colours_are_kept():
    for spec in (Resize((6, 5)), ToRGB()):
        assert isinstance(spec.build((3, 6, 5), is_signal=False), torch.nn.Identity)


def test_grey_is_repeated():
    x = np.random.default_rng(0).normal(size=(2, 1, 4, 5))
    np.testing.assert_array_equal(apply(build([ToRGB()], (1, 4, 5)), x), np.repeat(x, 3, 1))


def test_transparent_images_are_shown_on_white():
    x = np.random.default_rng(0).random((2, 4, 3, 5))
    alpha = x[:, 3:]
    expected = x[:, :3] * alpha + 1.0 * (1 - alpha)
    np.testing.assert_allclose(apply(build([ToRGB()], (4, 3, 5)), x), expected, **TOLERANCE)
    x[:, 3] = 0
    np.testing.assert_array_equal(apply(build([ToRGB()], (4, 3, 5)), x), np.ones((2, 3, 3, 5)))


@pytest.mark.parametrize("shape", [(2, 4, 5), (2, 7), (2, 3, 2, 4)])
def test_rescale_subtracts_and_divides(shape):
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    mean, std = np.array([0.5, -1.0]), np.array([0.25, 3.0])
    axes = (-1, *(1,) * (len(shape) - 1))
    expected = (x - mean.reshape(axes)) / std.reshape(axes)
    module = Rescale(tuple(mean), tuple(std)).build(shape, is_signal=False)
    np.testing.assert_allclose(module(torch.from_numpy(x)), expected, atol=1e-5)
    assert [*module.parameters()] == []


def test_modules_show_their_sizes():
    assert "(4, 3)" in repr(Resize((4, 3)).build((1, 8, 8), is_signal=False))
