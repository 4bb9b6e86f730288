"""Recordings of one length or several, as arrays of shape (length_i[, n_channels])."""

from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skcnn._data.containers import as_array
from skcnn._data.epochs import epochs_array
from skcnn._data.layouts import warn_of_doubtful_axes
from skcnn._data.series.items import signal_arrays, signal_items
from skcnn._data.signal_windows import SignalWindows
from skcnn.exceptions import InputShapeError


def read_recordings(estimator: Any, X: Any, reset: bool) -> list[np.ndarray]:
    """Return the recordings of `X`, of one dtype, without copies where possible.

    Parameters
    ----------
    estimator : estimator
        With the parameter `channels`. Flat rows are validated against it, and with `reset` their
        length and names are recorded on it. If it was fitted on recordings of other forms, flat
        rows may have any length.
    X : array-like
        A list, Series or array of objects of recordings, or an array of recordings of one length,
        (n_recordings, length) or three axes.
    reset : bool
        Whether the estimator is being fitted.

    Raises
    ------
    InputShapeError
        If samples are no recordings, or differ in their channels.
    ValueError
        If there are none, or values are missing or infinite.
    """
    channels = estimator.channels
    epochs = epochs_array(estimator, X, channels, reset)
    items = signal_items(X if epochs is None else epochs)
    if items is None and not (isinstance(X, list | tuple) and len(X) == 0):
        items = list(_checked_array(estimator, X if epochs is None else epochs, reset))
    if not items:
        raise ValueError("X has no recordings: at least one is needed.")
    recordings = signal_arrays(items, channels)
    if recordings[0].ndim == 2:
        warn_of_doubtful_axes(_as_given(recordings[0].shape, channels), channels, 1)
    dtype = np.result_type(*{each.dtype for each in recordings})
    return [each.astype(dtype, copy=False) for each in recordings]


def _checked_array(estimator: Any, X: Any, reset: bool) -> np.ndarray:
    """Return an array of recordings of one length."""
    plain = as_array(X)
    if getattr(plain, "ndim", 2) == 1 and plain.dtype.kind in "buif":
        raise InputShapeError(
            f"X is an array of shape {plain.shape}: for one recording pass a list of it, [X]. "
            "Reshape your data either using X.reshape(1, -1) if it has a single recording."
        )
    is_flat = getattr(plain, "ndim", 2) <= 2
    if is_flat and (reset or hasattr(estimator, "n_features_in_")):
        array: np.ndarray = validate_data(estimator, plain, reset=reset, skip_check_array=False)
    else:
        array = check_array(plain, allow_nd=True, estimator=estimator, input_name="X")
    if array.ndim > 3:
        raise InputShapeError(
            "X must be a list of recordings, or an array of shape (n_recordings, length) or with "
            f"an axis of channels. Got an array of shape {array.shape}."
        )
    return array


def _as_given(shape: tuple[int, ...], channels: str) -> tuple[int, ...]:
    return shape if channels == "last" else shape[::-1]


def cut_windows(recordings: list[np.ndarray], length: int, step: int) -> SignalWindows:
    """Return the windows of all recordings.

    Raises
    ------
    InputShapeError
        If a recording is shorter than a window.
    """
    short = [row for row, each in enumerate(recordings) if len(each) < length]
    if short:
        first = short[0]
        raise InputShapeError(
            f"{len(short)} of {len(recordings)} recordings are shorter than a window of "
            f"length={length} time steps, the first in row {first} with {len(recordings[first])}: "
            "give a smaller length, leave these recordings out, or lengthen them with "
            "skcnn.preprocessing.PadSignals."
        )
    return SignalWindows.cut(recordings, length, step)
