"""Signals in a list, a column or an array of objects, as arrays with a channel axis."""

from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from skcnn._data.containers import without_tensors
from skcnn.exceptions import InputShapeError


def signal_items(X: Any) -> list[Any] | None:
    """Return the signals of a list, tuple, Series or array of objects, None for all else.

    Nested lists of numbers that make one array are such an array: flat rows.
    """
    if isinstance(X, pd.Series):
        X = X.to_numpy()
    is_column = isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype == object
    if not is_column and not isinstance(X, list | tuple):
        return None
    if not any(_is_signal(item) for item in X):
        return None
    if all(isinstance(item, list | tuple) for item in X):
        lengths = {len(item) for item in X}
        if len(lengths) == 1 and 0 not in lengths:
            return None
    return [without_tensors(item, "X") for item in X]


def _is_signal(item: Any) -> bool:
    if isinstance(item, list | tuple):
        return True
    return isinstance(item, np.ndarray | Tensor | pd.Series) and len(item.shape) > 0


def signal_arrays(items: list[Any], channels: str, masks: bool = False) -> list[np.ndarray]:
    """Return arrays of shape (length,) or (length, n_channels), the same number of axes in all.

    Raises
    ------
    InputShapeError
        If samples are no signals, or differ in their axes or channels.
    ValueError
        If values are infinite, or missing without `masks`.
    """
    arrays = [_as_signal(item, row, channels, masks) for row, item in enumerate(items)]
    n_axes = sorted({array.ndim for array in arrays})
    n_channels = sorted({array.shape[1] for array in arrays if array.ndim == 2})
    if len(n_axes) > 1 or len(n_channels) > 1:
        raise InputShapeError(
            "All signals of X must have the same number of channels, or no channel axis. Got "
            f"signals with {' and '.join(map(str, n_axes))} axes and the numbers of channels "
            f"{n_channels}, with channels={channels!r}."
        )
    return arrays


def _as_signal(item: Any, row: int, channels: str, masks: bool) -> np.ndarray:
    """Return an array of shape (length,) or (length, n_channels)."""
    try:
        array = np.asarray(item)
    except ValueError as error:  # a list of unequal lists
        raise InputShapeError(f"Row {row} of X is no signal. NumPy says: {error}") from error
    if array.ndim not in (1, 2) or array.dtype.kind not in "buif" or min(array.shape) < 1:
        axes = "length, n_channels" if channels == "last" else "n_channels, length"
        raise InputShapeError(
            f"X must have signals of shape (length,) or ({axes}), with channels={channels!r}. Row "
            f"{row} is an array of shape {array.shape} and dtype {array.dtype}."
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        if not masks:
            raise ValueError(f"Input X contains NaN or infinity, the first in row {row}.")
        if np.isinf(array).any():
            raise ValueError(f"Input X contains infinity, the first in row {row}.")
    return array.T if array.ndim == 2 and channels == "first" else array
