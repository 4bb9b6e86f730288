"""Adaptive pools against NumPy and torch."""

from math import ceil

import numpy as np
import pytest
import torch
from torch import nn

from skcnn.layers import AdaptivePool
from tests.helpers.layer_modules import TOLERANCE, apply, build

CASES = [
    (3, (2, 7)),
    (3, (2, 9)),
    (2, (2, 5, 7)),
    ((3, 1), (2, 5, 7)),
    ((7, 7), (2, 14, 13)),
    (3, (2, 2, 8)),
    (2, (1, 3, 4, 5)),
]


def naive(x, sizes, reduce):
    """Return windows from floor(i n / k) to ceil((i + 1) n / k), one axis after the other."""
    for axis, k in enumerate(sizes, 2):
        n = x.shape[axis]
        k = min(k, n)
        windows = [x.take(range(i * n // k, ceil((i + 1) * n / k)), axis=axis) for i in range(k)]
        x = np.stack([reduce(window, axis=axis) for window in windows], axis=axis)
    return x


@pytest.mark.parametrize(("kind", "reduce"), [("average", np.mean), ("max", np.max)])
@pytest.mark.parametrize(("size", "shape"), CASES)
def test_adaptive_pool_equals_the_naive_loop(size, shape, kind, reduce):
    n_axes = len(shape) - 1
    x = np.random.default_rng(1).normal(size=(3, *shape)) - 2
    spec = AdaptivePool(size, kind=kind)
    expected = naive(x, (size,) * n_axes if isinstance(size, int) else size, reduce)
    assert spec.output_shape(shape) == expected.shape[1:]
    np.testing.assert_allclose(apply(build([spec], shape), x), expected, **TOLERANCE)


@pytest.mark.parametrize("side", [7, 8, 13, 14])
def test_adaptive_pool_is_torchs_for_maps_that_are_large_enough(side):
    x = torch.rand(2, 3, side, side, dtype=torch.float64)
    ours = build([AdaptivePool(7)], (3, side, side))
    torch.testing.assert_close(ours(x), nn.AdaptiveAvgPool2d(7)(x))


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 6), (3, 6, 2, 1)])
def test_maps_that_are_small_enough_are_kept(shape):
    spec = AdaptivePool(6)
    assert spec.output_shape(shape) == shape
    assert isinstance(spec.build(shape, is_signal=False), nn.Identity)
