import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skcnn.preprocessing import StandardizeSignals


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "uint8"])
def test_each_series_has_mean_0_and_variance_1(dtype):
    X = (50 + 20 * np.random.default_rng(0).normal(size=(4, 30, 3))).astype(dtype)
    result = StandardizeSignals().fit_transform(X)
    assert result.dtype == ("float32" if dtype in ("float32", "uint8") else "float64")
    values = X.astype(float)
    expected = (values - values.mean(1, keepdims=True)) / values.std(1, keepdims=True)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)
    both = StandardizeSignals(per_channel=False).fit_transform(X)
    centred = values - values.mean((1, 2), keepdims=True)
    expected = centred / values.std((1, 2), keepdims=True)
    np.testing.assert_allclose(both, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e8 / 3, 1e308, 5e-324, 1e-320])
@pytest.mark.parametrize("per_channel", [True, False])
def test_constant_series_become_zeros(value, per_channel):
    model = StandardizeSignals(per_channel=per_channel)
    for shape in ((1, 7), (2, 7, 3), (1, 1)):
        assert not model.fit_transform(np.full(shape, value)).any()


def test_a_constant_channel_becomes_zeros_beside_others():
    X = np.stack([np.full(4, 0.1), [0.0, 1, 0, 1]], axis=-1)[None]
    result = StandardizeSignals().fit_transform(X)
    np.testing.assert_array_equal(result[0].T, [[0] * 4, [-1, 1, -1, 1]])


@pytest.mark.parametrize("offset", [1e8, -1e8, 1e12])
def test_a_large_offset_costs_no_digits(offset):
    X = np.random.default_rng(0).integers(-500, 500, size=(3, 1000)) / 64  # exact with the offset
    expected = StandardizeSignals().fit_transform(X)
    np.testing.assert_allclose(StandardizeSignals().fit_transform(X + offset), expected, rtol=1e-9)


@settings(max_examples=50, deadline=None)
@given(arrays(float, (2, 6), elements=st.floats(allow_nan=False, allow_infinity=False)))
def test_any_finite_values_give_finite_ones_of_variance_1_or_0(X):
    result = StandardizeSignals().fit_transform(X)
    assert np.isfinite(result).all()
    constant = X.max(1) == X.min(1)
    np.testing.assert_allclose(np.square(result).mean(1), ~constant, atol=1e-9)
    np.testing.assert_allclose(result.mean(1), 0, atol=1e-9)
