"""Means and standard deviations of channels, against NumPy."""

import numpy as np
import pytest
import torch

from skcnn._data.channel_statistics import channel_statistics
from skcnn._data.images import MOST_CHUNK_ROWS
from skcnn._data.samples import SampleSet
from tests.helpers.samples import as_images, as_samples


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize(
    ("shape", "channels"),
    [((5, 4, 3), "last"), ((3, 5, 4), "first"), ((20, 1), "last"), ((2, 3, 2, 2), "last")],
)
def test_channel_statistics_equal_numpys(shape, channels, dtype, weighted):
    X = (rng().random((40, *shape)) ** 2 * 255).astype(dtype)
    X[..., 0] //= 2
    index = rng().permutation(40)[:30]
    weights = rng().random(30) * 2 if weighted else None
    samples = SampleSet(as_images(X.reshape(40, -1), shape, channels), index, np.zeros(30), weights)
    mean, std = channel_statistics(samples, standardize=True)
    by_channel = np.moveaxis(X[index], -1 if channels == "last" else 1, 0).astype(np.float64)
    by_channel = by_channel.reshape(len(by_channel), 30, -1)
    each = np.ones(30) if weights is None else weights
    each = np.broadcast_to(each[:, None], by_channel.shape[1:])
    for c, values in enumerate(by_channel):
        expected = np.average(values, weights=each)
        spread = np.sqrt(np.average((values - expected) ** 2, weights=each))
        np.testing.assert_allclose([mean[c], std[c]], [expected, spread], rtol=1e-6)
    assert mean.dtype == std.dtype == torch.float32


@pytest.mark.parametrize("value", [0, 1, 255, 0.1, 1e-6, 1e6, -3.3, 1e30])
@pytest.mark.parametrize("n", [1, 7, 5000])
def test_constant_channel_keeps_its_scale(value, n):
    rows = np.full((n, 12), value, np.float32)
    rows[:, 1::2] = np.arange(n * 6).reshape(n, 6)
    samples = SampleSet(as_images(rows, (6, 2)), np.arange(n), np.zeros(n), None)
    mean, std = channel_statistics(samples, standardize=True)
    assert std[0] == 1
    assert std[1] > 1
    np.testing.assert_allclose(mean[0], np.float32(value), rtol=1e-6)


def test_small_but_real_variation_is_a_scale():
    rows = np.array([[1000.0, 1000.5], [1001.0, 1000.5]], np.float32)
    samples = SampleSet(as_images(rows), np.arange(2), np.zeros(2), None)
    _, std = channel_statistics(samples, standardize=True)
    np.testing.assert_allclose(std, [rows.std()], rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e25, 1e37])
def test_statistics_of_any_magnitude_are_finite(scale):
    rows = (rng().random((20, 4)) * scale).astype(np.float32)
    samples = SampleSet(as_images(rows), np.arange(20), np.zeros(20), None)
    mean, std = channel_statistics(samples, standardize=True)
    rows = rows.astype(np.float64)
    np.testing.assert_allclose([mean[0], std[0]], [rows.mean(), rows.std()], rtol=1e-5)


def test_large_mean_does_not_swamp_a_small_variance():
    rows = (1e5 + rng().random((500, 8))).astype(np.float32)
    samples = SampleSet(as_images(rows), np.arange(500), np.zeros(500), None)
    _, std = channel_statistics(samples, standardize=True)
    np.testing.assert_allclose(std, [rows.astype(np.float64).std()], rtol=1e-3)


def test_statistics_count_weights_like_repetitions():
    rows = rng().random((6, 4)).astype(np.float32)
    counts = np.array([1, 0, 3, 2, 1, 1])
    weighted = SampleSet(as_images(rows), np.arange(6), np.zeros(6), counts.astype(float))
    repeated = SampleSet(as_images(rows), np.repeat(np.arange(6), counts), np.zeros(8), None)
    for a, b in zip(
        channel_statistics(weighted, True), channel_statistics(repeated, True), strict=True
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("weighted", [False, True])
def test_statistics_of_more_than_a_chunk(dtype, weighted):
    rows = (rng().random((MOST_CHUNK_ROWS + 100, 60)) * 255).astype(dtype)
    weights = np.arange(len(rows)) % 5.0 if weighted else None
    images = as_images(rows, (20, 3))
    order = rng().permutation(len(rows))[:4000]
    samples = SampleSet(images, order, order % 2, None if weights is None else weights[order])
    mean, std = channel_statistics(samples, True)
    values = rows[order].reshape(-1, 3).astype(np.float64)
    each = None if weights is None else np.repeat(weights[order], 20)
    expected = np.average(values, axis=0, weights=each)
    np.testing.assert_allclose(mean, expected, rtol=1e-6)
    spread = np.average((values - expected) ** 2, axis=0, weights=each) ** 0.5
    np.testing.assert_allclose(std, spread, rtol=1e-6)


def test_statistics_of_bytes_are_exact_in_any_order():
    rows = rng().integers(0, 256, (3000, 48), np.uint8)
    rows[:, :16] = 255  # the largest sums of squares
    samples = as_samples(np.zeros(3000), rows=rows)
    expected = rows.astype(object).sum() / rows.size  # whole numbers of any size
    mean, _ = channel_statistics(samples, True)
    assert mean.item() == np.float32(expected)
    shuffled = samples.select(rng().permutation(3000))
    for got, same in zip(
        channel_statistics(shuffled, True), channel_statistics(samples, True), strict=True
    ):
        assert got.equal(same)


def test_without_standardize_statistics_are_neutral():
    samples = as_samples(np.zeros(3))
    mean, std = channel_statistics(samples, standardize=False)
    assert (mean.tolist(), std.tolist()) == ([0.0], [1.0])
