"""Blur and strokes against scipy, and their draws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from skcnn.augmentation import RandomBlur, RandomStroke
from tests.helpers.geometry import normal_values
from tests.helpers.values import EACH_SHAPE, channels_of, drawn


@EACH_SHAPE
def test_blur_against_scipy(shape, reading):
    X = normal_values(6, *shape)
    got, params = drawn(RandomBlur(1.4, random_state=0, **reading), X)
    assert (params["radius"] == 5).all()  # three standard deviations of the widest, upwards
    for sample, sigma, result in zip(X, params["sigma"], got, strict=True):
        for channel, smooth in zip(
            channels_of(sample, reading), channels_of(result, reading), strict=True
        ):
            for axis in range(channel.ndim):
                channel = ndimage.gaussian_filter1d(
                    channel, sigma, axis=axis, mode="nearest", radius=5
                )
            np.testing.assert_allclose(smooth, channel, atol=1e-12)


def test_blur_keeps_a_constant_and_the_sum_inside():
    X = np.zeros((1, 31, 31))
    X[0, 15, 15] = 1
    np.testing.assert_allclose(RandomBlur((2, 2)).fit_transform(X).to_numpy().sum(), 1)
    np.testing.assert_allclose(RandomBlur((2, 2)).fit_transform(1 + 0 * X).to_numpy(), 1)


@EACH_SHAPE
@pytest.mark.parametrize("pixels", [-3, -2, -1, 1, 2, 3])
def test_strokes_by_whole_pixels_against_scipy(pixels, shape, reading):
    X = np.random.default_rng(0).integers(0, 256, (2, *shape))
    got = RandomStroke((pixels, pixels), **reading).fit_transform(X).to_numpy()
    change = ndimage.grey_dilation if pixels > 0 else ndimage.grey_erosion
    for sample, result in zip(X, got, strict=True):
        for channel, grown in zip(
            channels_of(sample, reading), channels_of(result, reading), strict=True
        ):
            for k in range(abs(pixels)):
                reach = channel.ndim if k % 2 else 1
                footprint = ndimage.generate_binary_structure(channel.ndim, reach)
                channel = change(channel, footprint=footprint, mode="nearest")
            np.testing.assert_array_equal(grown, channel)


def test_a_stroke_on_a_dark_ground_gets_thicker_and_thinner():
    X = np.zeros((1, 9, 11), np.uint8)
    X[0, :, 4:7] = 200
    widths = [
        (RandomStroke((r, r)).fit_transform(X).to_numpy() > 100).sum(axis=2).max()
        for r in (-2, -1, -0.4, 0, 0.4, 1, 2, 4)
    ]
    assert widths == [0, 1, 3, 3, 3, 5, 7, 11]


def test_half_a_pixel_is_half_way():
    X = normal_values(2, 6, 7)
    ends = [RandomStroke((r, r)).fit_transform(X).to_numpy() for r in (1.0, 1.5, 2.0)]
    np.testing.assert_allclose(ends[1], (ends[0] + ends[2]) / 2, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    X=arrays(np.float64, (2, 5, 6), elements=st.floats(-10, 10, width=16)),
    pixels=st.floats(-3, 3),
)
def test_erosion_is_the_dilation_of_the_negative(X, pixels):
    grown = RandomStroke((pixels, pixels)).fit_transform(X).to_numpy()
    shrunk = RandomStroke((-pixels, -pixels)).fit_transform(-X).to_numpy()
    np.testing.assert_allclose(grown, -shrunk, atol=1e-12)
    assert ((grown >= X - 1e-12) if pixels >= 0 else (grown <= X + 1e-12)).all()
