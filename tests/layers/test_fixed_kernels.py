"""Filters of rises, falls and peaks: kernels by hand, correlation by NumPy, never trained."""

import numpy as np
import pytest
import torch

from skcnn import ConvNetClassifier
from skcnn.exceptions import ArchitectureError
from skcnn.layers import GlobalPool, TrendFilters
from skcnn.layers._fixed.kernels import PatternConv2d
from tests.helpers.layer_modules import TOLERANCE, apply


def test_kernels_are_those_of_the_paper():
    rise_2, rise_8, fall_2, fall_8, peak_8 = TrendFilters((2, 8)).kernels()
    assert rise_2.tolist() == [-1, 1]
    assert fall_2.tolist() == [1, -1]
    assert rise_8.tolist() == [-1, 1] * 4
    assert fall_8.tolist() == [1, -1] * 4
    bump = np.array([0.25, 1, 1, 0.25])
    assert peak_8.tolist() == [*-bump, *2 * bump, *-bump]
    assert len(TrendFilters().kernels()) == 17
    assert max(map(len, TrendFilters().kernels())) == 96


@pytest.mark.parametrize("length", [5, 40])
def test_outputs_are_correlations_of_the_sum_of_channels(length):
    spec = TrendFilters((2, 4, 8), activation=None)
    x = np.random.default_rng(0).normal(size=(3, 2, length))
    # the helper's build() draws weights, which these must not be
    module = spec.build((2, length), is_signal=True).double()
    expected = []
    for kernel in spec.kernels():
        before = (len(kernel) - 1) // 2
        padded = np.pad(x.sum(1), ((0, 0), (before, len(kernel) - 1 - before)))
        expected.append([np.correlate(row, kernel, "valid") for row in padded])
    expected = np.moveaxis(np.array(expected), 0, 1)
    np.testing.assert_allclose(apply(module, x), expected, **TOLERANCE)


def test_kernels_are_not_drawn_and_not_trained():
    X = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)
    layers = [TrendFilters((4,)), GlobalPool()]
    model = ConvNetClassifier(architecture=layers, max_epochs=2, random_state=0)
    model.fit(X, np.arange(20) % 2)
    as_built = TrendFilters((4,)).build((1, 30), is_signal=True)
    (trained, expected) = (
        next(part for part in module.modules() if isinstance(part, PatternConv2d)).weight
        for module in (model.net_.module_, as_built)
    )
    assert torch.equal(trained, expected)
    assert model.n_parameters_ == 2 * (3 + 1) == model.summary()["parameters"].sum()


@pytest.mark.parametrize("sizes", [(), 4, "4", (3,), (2, 0), (2.5,), [None]])
def test_illegal_sizes_raise(sizes):
    message = r"^The 'sizes' of TrendFilters must be a tuple of even integers >= 2\. Got"
    with pytest.raises(ArchitectureError, match=message):
        TrendFilters(sizes)


@pytest.mark.parametrize("shape", [(4,), (1, 5, 5)])
def test_only_signals_are_taken(shape):
    with pytest.raises(
        ArchitectureError, match=r"^TrendFilters\(.*\) needs an input \(n_channels, l"
    ):
        TrendFilters().output_shape(shape)
