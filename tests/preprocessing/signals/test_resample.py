"""ResampleSignals against scipy, lines, tones and aliases."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.signal import resample_poly

from skcnn._utils.compat import InvalidParameterError
from skcnn.preprocessing import ResampleSignals
from skcnn.preprocessing._signals.resample import ratio_of


def oracle(x, up, down):
    """Return scipy's result for one signal, about the line through its ends."""
    line = np.linspace(x[0], x[-1], len(x))
    result = resample_poly(x - line, up, down)
    return result + x[0] + np.arange(len(result)) * down / up * (line[1] - line[0])


@pytest.mark.parametrize(("up", "down"), [(1, 2), (3, 2), (160, 441), (7, 1)])
def test_rates_give_the_values_of_scipy(up, down):
    X = np.random.default_rng(0).normal(size=(3, 200, 2))
    result = ResampleSignals(rate=up * 50, original_rate=down * 50).fit_transform(X)
    for signal, found in zip(X, result, strict=True):
        for channel in (0, 1):
            expected = oracle(signal[:, channel], up, down)
            np.testing.assert_allclose(found[:, channel], expected, atol=1e-12)


@pytest.mark.parametrize("length", [1, 2, 33, 50, 117])
def test_every_signal_gets_the_length(length):
    items = [np.random.default_rng(n).normal(size=n) for n in (50, 33, 2)]
    result = ResampleSignals(length).fit_transform(items)
    assert result.shape == (3, length)
    for item, found in zip(items, result, strict=True):
        np.testing.assert_allclose(found, oracle(item, length, len(item)), atol=1e-12)


def test_one_value_is_repeated():
    assert ResampleSignals(4).fit_transform([[3.0]]).tolist() == [[3] * 4]


@pytest.mark.parametrize("slope", [0.0, 2.0])
@pytest.mark.parametrize("offset", [0.1, 1e8, 1e300])
def test_constants_and_lines_are_kept(slope, offset):
    X = offset * (1 + slope * np.arange(60.0))[None]
    result = ResampleSignals(90).fit_transform(X)
    np.testing.assert_allclose(
        result[0], offset * (1 + slope * np.arange(90) * 60 / 90), rtol=1e-13
    )


def test_an_offset_is_added_to_the_results_only():
    X = np.random.default_rng(0).integers(-500, 500, size=(2, 64)) / 64
    plain, far = (ResampleSignals(48).fit_transform(X + offset) for offset in (0, 1e8))
    np.testing.assert_allclose(far - 1e8, plain, atol=1e-6)


def test_what_is_above_half_of_the_new_rate_is_gone():
    time = np.arange(2000) / 1000
    tone = np.sin(2 * np.pi * 350 * time)[None]  # would be an alias of 50 Hz
    result = ResampleSignals(rate=400, original_rate=1000).fit_transform(tone)
    assert np.abs(result[0, 20:-20]).max() < 0.01
    assert np.abs(tone[0, ::2]).max() > 0.9
    slow = np.sin(2 * np.pi * 30 * time)[None]
    result = ResampleSignals(rate=400, original_rate=1000).fit_transform(slow)
    expected = np.sin(2 * np.pi * 30 * np.arange(800) / 400)
    np.testing.assert_allclose(result[0, 20:-20], expected[20:-20], atol=2e-3)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("uint8", "float32"), ("float32", "float32"), ("int64", "float64"), ("float64", "float64")],
)
def test_dtypes(dtype, expected):
    X = np.arange(20, dtype=dtype)[None]
    assert ResampleSignals(10).fit_transform(X).dtype == expected
    assert ResampleSignals(20).fit_transform(X).dtype == expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_beyond_the_dtype_raise(dtype):
    steps = np.array([0, 1, 1, 0, 1, 1, 0, 0], dtype)
    huge = np.finfo(dtype).max * steps  # the filter overshoots
    message = f"ResampleSignals for 1 of 2 samples, the first at index 1, are .* {dtype}"
    with pytest.raises(ValueError, match=message):
        ResampleSignals(16).fit_transform(np.stack([steps, huge]))
    with pytest.raises(ValueError, match=message):
        ResampleSignals(16).fit_transform([steps[:5], huge])
    expected = ResampleSignals(16).fit_transform(steps[None]) * (huge[1] / 2)
    result = ResampleSignals(16).fit_transform(huge[None] / 2)
    np.testing.assert_allclose(result, expected, atol=1e-6 * huge[1])


def test_rates_of_any_kind_make_a_ratio():
    assert ratio_of(16_000, 44_100) == Fraction(160, 441)
    assert ratio_of(0.1, 0.3) == Fraction(1, 3)
    assert ratio_of(125.5, 251.0) == Fraction(1, 2)
    assert ratio_of(100_000, 1) == 100_000
    for rates in [(44_100, 44_099.123), (44_099.123, 44_100), (np.pi * 1000, 1)]:
        assert float(ratio_of(*rates)) == pytest.approx(rates[0] / rates[1], rel=1e-5)
    for rates in [(1, 10**6), (10**6, 1)]:
        with pytest.raises(InvalidParameterError, match="within 100,000 times of 'original_rate'"):
            ratio_of(*rates)


def test_names_follow_the_new_length():
    X = np.zeros((2, 10))
    for model, n in ((ResampleSignals(4), 4), (ResampleSignals(rate=3, original_rate=7), 5)):
        model.fit(X)
        names = model.get_feature_names_out().tolist()
        assert names == [f"time_{i}" for i in range(n)]
        assert model.transform(X).shape == (2, n)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (ResampleSignals(), "either 'length', or both 'rate' and 'original_rate'"),
        (ResampleSignals(rate=2), "Got length=None, rate=2, original_rate=None"),
        (ResampleSignals(original_rate=2), "either 'length'"),
        (ResampleSignals(5, rate=2, original_rate=4), "Got length=5, rate=2"),
        (ResampleSignals(5, original_rate=4), "either 'length'"),
        (ResampleSignals(0), "'length' parameter of ResampleSignals"),
        (ResampleSignals(rate=0, original_rate=1), "'rate' parameter of ResampleSignals"),
        (ResampleSignals(rate=1, original_rate=np.inf), "'original_rate' parameter"),
    ],
)
def test_bad_parameters_raise(model, message):
    with pytest.raises(InvalidParameterError, match=message):
        model.fit(np.zeros((1, 4)))
