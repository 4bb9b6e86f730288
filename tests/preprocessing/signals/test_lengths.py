"""PadSignals and CropSignals."""

import numpy as np
import pytest

from skcnn._utils.compat import InvalidParameterError
from skcnn.exceptions import InputShapeError
from skcnn.preprocessing import CropSignals, PadSignals

SERIES = [np.array([1.0, 2.0, 3.0]), np.array([5.0, 6.0])]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [[1, 2, 3], [5, 6, 0]]),
        ({"length": 5}, [[1, 2, 3, 0, 0], [5, 6, 0, 0, 0]]),
        ({"length": 5, "where": "start"}, [[0, 0, 1, 2, 3], [0, 0, 0, 5, 6]]),
        ({"length": 5, "where": "both"}, [[0, 1, 2, 3, 0], [0, 5, 6, 0, 0]]),
        ({"length": 5, "padding_mode": "edge"}, [[1, 2, 3, 3, 3], [5, 6, 6, 6, 6]]),
        ({"length": 5, "padding_mode": "mirror"}, [[1, 2, 3, 2, 1], [5, 6, 5, 6, 5]]),
        ({"length": 5, "padding_mode": "wrap"}, [[1, 2, 3, 1, 2], [5, 6, 5, 6, 5]]),
        (
            {"length": 4, "padding_mode": "constant", "fill_value": -2.5},
            [[1, 2, 3, -2.5], [5, 6, -2.5, -2.5]],
        ),
        ({"length": 2, "longer": "start"}, [[1, 2], [5, 6]]),
        ({"length": 2, "longer": "end"}, [[2, 3], [5, 6]]),
        ({"length": 1, "longer": "middle"}, [[2], [5]]),
    ],
)
def test_values_are_added(settings, expected):
    np.testing.assert_array_equal(PadSignals(**settings).fit_transform(SERIES), expected)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [[1, 2], [5, 6]]),
        ({"length": 1}, [[1], [5]]),
        ({"length": 1, "where": "middle"}, [[2], [5]]),
        ({"length": 1, "where": "end"}, [[3], [6]]),
    ],
)
def test_signals_are_cut(settings, expected):
    np.testing.assert_array_equal(CropSignals(**settings).fit_transform(SERIES), expected)


def test_shorter_signals_may_be_kept():
    result = CropSignals(3, shorter="keep").fit_transform([*SERIES, np.arange(9.0)])
    assert [row.tolist() for row in result] == [[1, 2, 3], [5, 6], [0, 1, 2]]
    assert CropSignals(9, shorter="keep").fit(np.zeros((1, 4))).get_feature_names_out().size == 4


def test_the_lengths_of_fit_are_learned():
    pad, crop = PadSignals().fit(SERIES), CropSignals().fit(SERIES)
    assert (pad.length_, crop.length_) == (3, 2)
    with pytest.raises(InputShapeError, match=r"Row 1 .* 4, more than the longest signal at fit"):
        pad.transform([np.zeros(2), np.zeros(4)])
    with pytest.raises(InputShapeError, match=r"Row 2 .* 1, less than the shortest signal at fit"):
        crop.transform([np.zeros(2), np.zeros(3), np.zeros(1)])


def test_other_lengths_raise():
    with pytest.raises(InputShapeError, match=r"Row 0 .* of 3, more than length=2.*longer='start'"):
        PadSignals(2).fit(SERIES)
    with pytest.raises(InputShapeError, match=r"Row 1 .* of 2, less than length=3.*PadSignals"):
        CropSignals(3).fit(SERIES)
    with pytest.raises(InputShapeError, match=r"Row 0 of X has a length of 4, more than length=3"):
        PadSignals(3).fit(np.zeros((2, 4, 1)))


def test_the_constant_has_the_dtype_of_the_signals():
    fill = PadSignals(3, padding_mode="constant", fill_value=7)
    result = fill.fit_transform(np.zeros((1, 2), np.uint8))
    assert result.dtype == np.uint8
    assert result.tolist() == [[0, 0, 7]]
    for value, dtype in [(0.5, np.int64), (300, np.uint8), (-1, np.uint8), (1, bool)]:
        model = fill.set_params(fill_value=value)
        with pytest.raises(InvalidParameterError, match=f"'fill_value' .* Got {value} instead"):
            model.fit_transform(np.zeros((1, 2), dtype))


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("float16", 1e6), ("float32", -1e300), ("float64", 10**400), ("int64", 10**400)],
)
def test_a_constant_beyond_the_dtype_raises(dtype, value):
    model = PadSignals(4, padding_mode="constant", fill_value=value)
    with pytest.raises(InvalidParameterError, match=rf"'fill_value' .* of X, {dtype}. Got"):
        model.fit_transform(np.ones((1, 2), dtype))
    most = model.set_params(fill_value=65504.0).fit_transform(np.ones((1, 2), dtype))
    assert most.tolist() == [[1, 1, 65504, 65504]]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (PadSignals(0), "The 'length' parameter of PadSignals"),
        (PadSignals(2.5), "The 'length' parameter of PadSignals"),
        (PadSignals(where="ends"), "'where' parameter of PadSignals.*Did you mean 'end'"),
        (PadSignals(padding_mode="zero"), "Did you mean 'zeros'"),
        (PadSignals(fill_value=1.0), "'fill_value' .* needs padding_mode='constant'"),
        (PadSignals(padding_mode="constant", fill_value=np.nan), "'fill_value' parameter"),
        (PadSignals(longer="cut"), "'longer' parameter of PadSignals"),
        (CropSignals(-1), "The 'length' parameter of CropSignals"),
        (CropSignals(where="both"), "'where' parameter of CropSignals"),
        (CropSignals(shorter="pad"), "'shorter' parameter of CropSignals"),
    ],
)
def test_bad_parameters_raise(model, message):
    with pytest.raises(InvalidParameterError, match=message):
        model.fit(SERIES)
