"""Signals in any container, of one length or several, as arrays with a channel axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skcnn._data.containers import as_array
from skcnn._data.epochs import epochs_array
from skcnn._data.layouts import InputLayout, warn_of_doubtful_axes
from skcnn._data.series.items import signal_arrays, signal_items
from skcnn._data.validation import check_sample_array, read_samples


@dataclass(frozen=True)
class Signals:
    """Signals of one length or of several.

    Attributes
    ----------
    parts : list of ndarray of shape (n_signals, length, n_channels)
        All signals, in order and of one dtype; those of a part have one length.
    form : {"flat", "plain", "channels"}
        Whether `X` is an array of flat rows, or has signals without or with a channel axis.
    """

    parts: list[np.ndarray]
    form: str

    @property
    def n_channels(self) -> int:
        """The number of channels."""
        return int(self.parts[0].shape[2])

    @property
    def lengths(self) -> list[int]:
        """The length of each part."""
        return [part.shape[1] for part in self.parts]

    def row_where(self, wrong: Sequence[bool]) -> int:
        """Return the row of `X` in which the first part begins for which `wrong` is true."""
        first = [*wrong].index(True)
        return sum(len(part) for part in self.parts[:first])

    def as_given(self, parts: list[np.ndarray], channels: str) -> np.ndarray:
        """Return signals like `parts` in the form of these: one array, or one of objects."""
        if self.form == "plain":
            given = [part[..., 0] for part in parts]
        elif channels == "first":
            given = [np.moveaxis(part, -1, 1) for part in parts]
        else:
            given = parts
        if self.form == "flat":
            given = [part.reshape(len(part), -1) for part in given]
        if len({part.shape[1:] for part in given}) == 1:
            return np.ascontiguousarray(np.concatenate(given))
        rows = [np.ascontiguousarray(row) for part in given for row in part]
        column = np.empty(len(rows), dtype=object)
        column[:] = rows
        return column


def read_signals(estimator: Any, X: Any, reset: bool) -> Signals:
    """Return the signals of `X`.

    Parameters
    ----------
    estimator : estimator
        With the parameters `input_shape`, for flat rows, and `channels`, and the attribute
        `n_spatial_dims`, 1. Flat rows are validated against it, and with `reset` their shape
        and names are recorded on it. If it was fitted on signals of other forms, flat rows may
        have any length.
    X : array-like
        An array of signals or flat rows, or a list or array of objects of signals.
    reset : bool
        Whether the estimator is being fitted.

    Raises
    ------
    InputShapeError
        If samples are no signals.
    ValueError
        If values are missing or infinite.
    """
    epochs = epochs_array(estimator, X, estimator.channels, reset)
    X = X if epochs is None else epochs
    items = signal_items(X)
    if items is not None:
        return _of_items(items, estimator.channels)
    plain = X if hasattr(X, "ndim") and hasattr(X, "shape") else as_array(X)
    n_axes = getattr(plain, "ndim", 2)
    if n_axes <= 2 and (reset or hasattr(estimator, "n_features_in_")):
        array, layout = check_sample_array(estimator, X, reset=reset)
    else:
        shape = estimator.input_shape if n_axes <= 2 else None
        owner = type(estimator).__name__
        array, layout = read_samples(plain, shape, 1, estimator.channels, owner)
    return Signals([_with_channels_last(array, layout)], "flat" if n_axes <= 2 else "channels")


def _with_channels_last(array: np.ndarray, layout: InputLayout) -> np.ndarray:
    signals = array.reshape(len(array), *layout.shape)
    return signals if layout.channels == "last" else np.moveaxis(signals, 1, -1)


def _of_items(items: list[Any], channels: str) -> Signals:
    arrays = signal_arrays(items, channels)
    form = "plain" if arrays[0].ndim == 1 else "channels"
    if form == "channels":
        length, n = arrays[0].shape
        warn_of_doubtful_axes((length, n) if channels == "last" else (n, length), channels, 1)
    dtype = np.result_type(*{array.dtype for array in arrays})
    signals = [
        (array[:, None] if form == "plain" else array).astype(dtype, copy=False) for array in arrays
    ]
    if len({len(signal) for signal in signals}) == 1:
        return Signals([np.stack(signals)], form)
    return Signals([signal[None] for signal in signals], form)
