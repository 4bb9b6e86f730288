"""Signals in lists, columns and arrays of objects."""

import numpy as np
import pandas as pd
import pytest
import torch

from skcnn._data.series.items import signal_arrays, signal_items
from skcnn.exceptions import InputShapeError

SHORT, LONG = np.arange(3.0), np.arange(5.0)


def column(*signals):
    made = np.empty(len(signals), object)
    made[:] = signals
    return made


@pytest.mark.parametrize(
    "X",
    [
        [SHORT, LONG],
        (SHORT, LONG),
        column(SHORT, LONG),
        pd.Series([SHORT, LONG]),
        [torch.from_numpy(SHORT), LONG],
        [[0, 1, 2], LONG.tolist()],
    ],
)
def test_items_are_found_in_any_container(X):
    arrays = signal_arrays(signal_items(X), "last")
    assert [array.tolist() for array in arrays] == [SHORT.tolist(), LONG.tolist()]


@pytest.mark.parametrize("X", [np.ones((2, 3)), [[1, 2], [3, 4]], [1, 2], ["a"], pd.DataFrame([1])])
def test_other_data_have_no_items(X):
    assert signal_items(X) is None


def test_channels_come_last():
    arrays = signal_arrays([np.ones((2, 5)), np.ones((2, 7))], "first")
    assert [array.shape for array in arrays] == [(5, 2), (7, 2)]


@pytest.mark.parametrize(
    ("items", "error", "message"),
    [
        ([SHORT, np.ones((3, 2))], InputShapeError, "signals with 1 and 2 axes"),
        ([np.ones((3, 2)), np.ones((3, 4))], InputShapeError, r"channels \[2, 4\]"),
        ([SHORT, np.ones(0)], InputShapeError, r"Row 1 is an array of shape \(0,\)"),
        ([SHORT, np.array(["a"])], InputShapeError, "Row 1 is an array of shape .* dtype <U1"),
        ([SHORT, [[1], [1, 2]]], InputShapeError, "Row 1 of X is no signal"),
        ([SHORT, np.array([1, np.nan])], ValueError, "NaN or infinity, the first in row 1"),
    ],
)
def test_what_is_no_signal_is_named(items, error, message):
    with pytest.raises(error, match=message):
        signal_arrays(items, "last")
