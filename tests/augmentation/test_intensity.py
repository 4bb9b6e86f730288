"""Brightness, contrast, noise and erased boxes; draws of all that changes values."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy import stats

from skcnn.augmentation import (
    RandomBlur,
    RandomBrightness,
    RandomContrast,
    RandomErasing,
    RandomNoise,
    RandomStroke,
)
from skcnn.augmentation._batch_augmenter import BatchAugmenter, Step
from skcnn.augmentation._draws import row_keys
from tests.helpers.geometry import ANY_IMAGES, normal_values
from tests.helpers.values import EACH_SHAPE, as_column, channels_of, drawn

N = 4000


@EACH_SHAPE
def test_brightness_is_a_product(shape, reading):
    X = normal_values(5, *shape)
    got, params = drawn(RandomBrightness(0.5, random_state=0, **reading), X)
    np.testing.assert_allclose(got, X * as_column(params["factor"], X), rtol=1e-12)


def test_gain_is_in_decibels():
    X = normal_values(5, 12)
    got, params = drawn(RandomBrightness(gain_db=(-12, 6), random_state=0), X)
    decibels = 20 * np.log10(params["factor"])
    assert -12 <= decibels.min() < decibels.max() <= 6
    np.testing.assert_allclose(got, X * params["factor"][:, None], rtol=1e-12)
    doubled = RandomBrightness(gain_db=(20 * np.log10(2),) * 2).fit_transform(X).to_numpy()
    np.testing.assert_allclose(doubled, 2 * X, rtol=1e-12)


@EACH_SHAPE
def test_contrast_is_a_product_about_the_mean_of_the_sample(shape, reading):
    X = normal_values(5, *shape)
    got, params = drawn(RandomContrast((0.3, 3.0), random_state=0, **reading), X)
    means = X.mean(axis=tuple(range(1, X.ndim)), keepdims=True)
    expected = means + (X - means) * as_column(params["factor"], X)
    np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("augmentation", "expected"),
    [
        (RandomBrightness((0, 0)), np.zeros((1, 4))),
        (RandomContrast((0, 0)), np.full((1, 4), 2.5)),
    ],
    ids=str,
)
def test_a_factor_of_zero_leaves_nothing_over(augmentation, expected):
    got = augmentation.fit_transform(np.array([[1.0, 2, 3, 4]])).to_numpy()
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("augmentation", "values", "expected"),
    [
        (RandomBrightness((1.5, 1.5)), np.array([[0, 101, 200]], np.uint8), [[0, 152, 255]]),
        (RandomBrightness((2, 2)), np.array([[-100, 3, 90]], np.int8), [[-128, 6, 127]]),
        (RandomBrightness((0.4, 0.4)), np.array([[1, 2, 3]], np.int64), [[0, 1, 1]]),
        (RandomBrightness((4, 4)), np.array([[2**62, 1]], np.int64), [[2**63 - 1, 4]]),
        (RandomBrightness((4, 4)), np.array([[-(2**62), 1]], np.int64), [[-(2**63), 4]]),
        (RandomBrightness((4, 4)), np.array([[2**63, 1]], np.uint64), [[2**64 - 1, 4]]),
        (RandomBrightness((4, 4)), np.array([[2**31, 1]], np.uint32), [[2**32 - 1, 4]]),
        (RandomContrast((3, 3)), np.array([[0, 100, 200]], np.uint8), [[0, 100, 255]]),
        (RandomContrast((0, 0)), np.array([[0, 100, 201]], np.uint8), [[100, 100, 100]]),
    ],
    ids=str,
)
def test_whole_numbers_are_rounded_and_kept_within_their_type(augmentation, values, expected):
    got = augmentation.fit_transform(values).to_numpy()
    assert got.dtype == values.dtype
    # the largest double below a 64-bit limit differs from it by a fraction of 2**-53
    np.testing.assert_allclose(got.astype(float), np.array(expected, float), rtol=1e-15)


def test_a_factor_of_one_changes_no_bit():
    X = (normal_values(4, 7, 5) * 1e3).astype(np.float32)
    for augmentation in (RandomBrightness(0), RandomContrast(0), RandomBrightness(gain_db=0)):
        got = augmentation.fit_transform(X).to_numpy()
        np.testing.assert_array_equal(got.view(np.uint32), X.view(np.uint32))


def test_noise_is_white_and_normal_with_the_drawn_width():
    X = np.zeros((50, 40, 30))
    X[0, 0, 0] = 10.0  # the range of values
    got, params = drawn(RandomNoise((0.05, 0.2), random_state=0), X)
    noise = got - X
    scales = params["std"] * 10
    assert 0.5 <= scales.min() < scales.max() <= 2
    unit = noise / scales[:, None, None]
    n = unit.size
    assert abs(unit.mean()) < 4 / n**0.5
    assert abs(unit.std() - 1) < 4 / (2 * n) ** 0.5
    assert abs(stats.kurtosis(unit.ravel())) < 4 * (24 / n) ** 0.5
    assert stats.kstest(unit.ravel(), "norm").pvalue > 1e-4
    for axis in range(3):
        here, there = (
            np.take(unit, range(1, unit.shape[axis]), axis),
            np.take(unit, range(unit.shape[axis] - 1), axis),
        )
        assert abs(np.corrcoef(here.ravel(), there.ravel())[0, 1]) < 4 / here.size**0.5


@pytest.mark.parametrize("scale", [1.0, 255.0, 1e-3])
def test_noise_is_a_fraction_of_the_range_of_all_values(scale):
    X = np.zeros((3, 100, 100))
    X[1, 0, 0], X[2, 0, 0] = -0.25 * scale, 0.75 * scale
    noise = RandomNoise((0.1, 0.1), random_state=0).fit_transform(X).to_numpy() - X
    np.testing.assert_allclose(noise.std(axis=(1, 2)), 0.1 * scale, rtol=0.03)


def test_noise_of_slices_keeps_the_range_of_the_whole():
    X = np.zeros((3, 50))
    X[2] = 8.0
    noisy = RandomNoise(0.1, random_state=0).fit_transform(X)
    np.testing.assert_array_equal(noisy[:2].to_numpy(), noisy.to_numpy()[:2])


@pytest.mark.parametrize("snr_db", [-10.0, 0.0, 20.0])
@EACH_SHAPE
def test_the_ratio_of_signal_to_noise_is_that_of_each_sample(shape, reading, snr_db):
    X = normal_values(40, *shape) * 10.0 ** np.arange(40).reshape(-1, *[1] * len(shape)) / 1e20
    noise = RandomNoise(snr_db=snr_db, random_state=0, **reading).fit_transform(X).to_numpy() - X
    axes = tuple(range(1, X.ndim))
    power = np.mean(X**2, axis=axes, keepdims=True)
    unit = noise / np.sqrt(power / 10 ** (snr_db / 10))
    assert abs(unit.std() - 1) < 4 / (2 * unit.size) ** 0.5


def test_silence_stays_silent():
    X = np.zeros((3, 20))
    np.testing.assert_array_equal(RandomNoise(snr_db=0).fit_transform(X).to_numpy(), X)


def test_ranges_of_the_ratio_are_uniform():
    params = RandomNoise(snr_db=(5, 25), random_state=0).draw(np.zeros((N, 4)))
    assert stats.kstest((params["snr_db"] - 5) / 20, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("strength", [0.5, 2.0])
def test_strength_scales_the_amplitude_of_noise_also_in_decibels(strength):
    X = normal_values(3, 1, 50).astype(np.float32)
    rows = np.arange(3)
    for noise in (RandomNoise(0.1), RandomNoise(snr_db=10)):
        images = torch.from_numpy(X)
        plain, strong = (
            BatchAugmenter([Step(noise, 0)], (50,), 2.0, 0, s).images(images, rows).numpy() - X
            for s in (1.0, strength)
        )
        np.testing.assert_allclose(strong, strength * plain, atol=1e-5)


def test_noise_differs_between_channels_and_samples_and_epochs():
    X = np.zeros((4, 6, 7, 3))
    X[0, 0, 0, 0] = 1
    noise = RandomNoise((1, 1), random_state=0).fit_transform(X).to_numpy() - X
    flat = np.moveaxis(noise, -1, 1).reshape(12, -1)
    correlations = np.corrcoef(flat)[np.triu_indices(12, 1)]
    assert np.abs(correlations).max() < 0.65


@EACH_SHAPE
def test_erased_are_the_drawn_boxes_in_all_channels(shape, reading):
    X = 1 + np.abs(normal_values(30, *shape))
    got, params = drawn(RandomErasing(0.6, p=0.7, random_state=1, **reading), X)
    for i, (sample, result) in enumerate(zip(X, got, strict=True)):
        box = tuple(map(slice, params["low"][i], params["high"][i]))
        for channel, erased in zip(
            channels_of(sample, reading), channels_of(result, reading), strict=True
        ):
            expected = channel.copy()
            if params["applied"][i]:
                expected[box] = 0
            np.testing.assert_array_equal(erased, expected)


@pytest.mark.parametrize(
    ("fill_value", "expected"), [(0.0, 0), (7.5, 7.5), (-1, -1), ("mean", None)]
)
def test_boxes_are_filled_with_the_value(fill_value, expected):
    X = normal_values(20, 8, 9, 2)
    got, params = drawn(RandomErasing((0.3, 0.3), fill_value=fill_value, p=1.0, random_state=0), X)
    for sample, result, low, high in zip(X, got, params["low"], params["high"], strict=True):
        box = tuple(map(slice, low, high))
        value = sample.mean() if expected is None else expected
        np.testing.assert_allclose(result[box], value, rtol=1e-12)


@pytest.mark.parametrize("area", [0.02, 0.1, 0.25, 0.5])
@pytest.mark.parametrize("shape", [(400,), (60, 90), (24, 25, 26, 1)], ids=str)
def test_the_erased_share_is_the_area(shape, area):
    X = np.zeros((200, *shape))
    params = RandomErasing((area, area), p=1.0, random_state=0).draw(X)
    sizes = params["high"] - params["low"]
    shares = np.prod(sizes / np.array(shape[: sizes.shape[1]]), axis=1)
    np.testing.assert_allclose(shares.mean(), area, rtol=0.1)
    np.testing.assert_allclose(shares, area, rtol=0.5)


@pytest.mark.parametrize("area", [0.8, 1.0])
def test_large_areas_are_erased_too(area):
    got = RandomErasing((area, area), p=1.0, random_state=0).fit_transform(np.ones((50, 40, 40)))
    np.testing.assert_allclose(1 - got.to_numpy().mean(axis=(1, 2)), area, atol=0.05)


def test_the_aspect_is_the_height_over_the_width_relative_to_the_picture():
    params = RandomErasing((0.1, 0.1), aspect=(0.25, 4), p=1.0, random_state=0).draw(
        np.zeros((N, 300, 600))
    )
    height, width = (params["high"] - params["low"]).T
    logarithms = np.log((height / 300) / (width / 600)) / np.log(4)
    assert stats.kstest((logarithms + 1) / 2, "uniform").statistic < 0.03
    tall = RandomErasing((0.1, 0.1), aspect=(3, 3), p=1.0).draw(np.zeros((1, 300, 300)))
    height, width = (tall["high"] - tall["low"])[0]
    assert height == pytest.approx(3 * width, rel=0.05)


def test_boxes_lie_anywhere_with_equal_probability():
    params = RandomErasing((0.25, 0.25), aspect=(1, 1), p=1.0, random_state=0).draw(
        np.zeros((N, 8, 12))
    )
    np.testing.assert_array_equal(np.unique(params["high"] - params["low"], axis=0), [[4, 6]])
    for axis, places in enumerate([5, 7]):
        counts = np.bincount(params["low"][:, axis], minlength=places)
        assert len(counts) == places
        assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize(
    ("augmentation", "name", "low", "high"),
    [
        (RandomBrightness(0.4), "factor", 0.6, 1.4),
        (RandomBrightness((0.5, 3)), "factor", 0.5, 3.0),
        (RandomContrast(0.3), "factor", 0.7, 1.3),
        (RandomNoise(0.2), "std", 0.0, 0.2),
        (RandomNoise((0.1, 0.2)), "std", 0.1, 0.2),
        (RandomBlur(2.0), "sigma", 0.0, 2.0),
        (RandomBlur((1, 2)), "sigma", 1.0, 2.0),
        (RandomStroke(1.5), "pixels", -1.5, 1.5),
        (RandomStroke((0, 2)), "pixels", 0.0, 2.0),
    ],
    ids=str,
)
def test_draws_are_uniform_in_their_range(augmentation, name, low, high):
    values = augmentation.set_params(random_state=0).draw(np.zeros((N, 3, 4)))[name]
    assert low <= values.min() <= values.max() <= high
    assert stats.kstest((values - low) / (high - low), "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 4 / N**0.5


@pytest.mark.parametrize("strength", [0.25, 1.0, 2.0])
@pytest.mark.parametrize(
    ("augmentation", "name", "scaled"),
    [
        (RandomBrightness((0.5, 2)), "factor", lambda v, s: v**s),
        (RandomBrightness(gain_db=(3, 6)), "factor", lambda v, s: v**s),
        (RandomContrast(0.5), "factor", lambda v, s: v**s),
        (RandomNoise((0.1, 0.3)), "std", lambda v, s: v * s),
        (RandomNoise(snr_db=(5, 15)), "snr_db", lambda v, s: v - 20 * np.log10(s)),
        (RandomBlur(1.5), "sigma", lambda v, s: v * s),
        (RandomBlur(1.5), "radius", lambda v, s: np.ceil(4.5 * s)),
        (RandomStroke((1, 2)), "pixels", lambda v, s: v * s),
    ],
    ids=lambda value: str(value).split(" at 0x")[0],
)
def test_strength_scales_the_draws(augmentation, name, scaled, strength):
    keys = row_keys(0, np.arange(50), 0, 0)
    plain = augmentation._draw_all(keys, (6, 8), 1.0)
    strong = augmentation._draw_all(keys, (6, 8), strength)
    np.testing.assert_array_equal(strong["applied"], plain["applied"])
    np.testing.assert_allclose(strong[name], scaled(plain[name], strength), rtol=1e-9)


def test_strength_scales_the_erased_area():
    keys = row_keys(0, np.arange(300), 0, 0)
    shares = []
    for strength in (0.25, 1.0, 10.0):
        params = RandomErasing((0.4, 0.4), aspect=(1, 1), p=1.0)._draw_all(
            keys, (100, 100), strength
        )
        shares.append(np.prod(params["high"] - params["low"], axis=1).mean() / 1e4)
    np.testing.assert_allclose(shares, [0.1, 0.4, 1.0], rtol=0.05)


ZERO = [
    RandomBrightness(0),
    RandomBrightness(gain_db=0),
    RandomContrast(0),
    RandomNoise(0),
    RandomBlur(0),
    RandomErasing(0, p=1.0),
    RandomErasing(p=0.0),
    RandomStroke(0),
]


@settings(max_examples=15, deadline=None)
@given(X=ANY_IMAGES)
@pytest.mark.parametrize("augmentation", ZERO, ids=repr)
def test_zero_strength_is_the_identity(augmentation, X):
    np.testing.assert_array_equal(augmentation.fit_transform(X).to_numpy(), X)
