"""Epochs of MNE-Python: signals whose channels come first, read without a dependency on it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skcnn.exceptions import InputShapeError

N_AXES = 3  # epochs, channels, times


def epochs_array(X: Any, channels: str) -> np.ndarray | None:
    """Return the signals of ``mne.Epochs``, None for all else.

    Parameters
    ----------
    X : object
        Epochs, or a list of them, which scikit-learn makes of their rows.
    channels : {"last", "first"}
        Where the channels of the result are. MNE's own place, the first, is known.

    Returns
    -------
    ndarray of shape (n_epochs, n_times, n_channels) or (n_epochs, n_channels, n_times), or None

    Raises
    ------
    InputShapeError
        If it is another object of MNE, such as a recording, whose data have other axes, or if
        the channels of a list's epochs have other names or another order.
    """
    if not are_epochs(X):
        return None
    parts = X if isinstance(X, list) else [X]
    arrays = [np.asarray(part.get_data()) for part in parts]
    for part, array in zip(parts, arrays, strict=True):
        if array.ndim != N_AXES:
            raise InputShapeError(
                f"X must be samples. Got {type(part).__name__} of MNE, whose get_data() has the "
                f"shape {array.shape}. Of MNE's objects only epochs have samples, of shape "
                "(n_epochs, n_channels, n_times). Cut a recording into epochs, as "
                "mne.make_fixed_length_epochs does, or pass an array."
            )
    _check_order([part.ch_names for part in parts if hasattr(part, "ch_names")])
    signals = np.concatenate(arrays)
    return signals if channels == "first" else np.moveaxis(signals, 1, -1)


def _check_order(names: Sequence[Sequence[str]]) -> None:
    """Check that all epochs have the same channels in the same order."""
    for others in names[1:]:
        if list(others) != list(names[0]):
            raise InputShapeError(
                "X is a list of epochs whose channels must have the same names in the same order. "
                f"Got ch_names {list(names[0])!r} and {list(others)!r}: reorder them, as "
                "reorder_channels of MNE does."
            )


def are_epochs(X: Any) -> bool:
    """Return whether `X` is an object of MNE that has data, as epochs, or a list of them."""
    parts = X if isinstance(X, list) else [X]
    return bool(parts) and all(map(_is_epochs, parts))


class EpochsArray:
    """Signals of epochs that were read, which are still known to be epochs.

    Parameters
    ----------
    signals : ndarray of shape (n_epochs, n_times, n_channels) or (n_epochs, n_channels, n_times)
        The signals.
    channels : {"last", "first"}
        Where their channels are.
    """

    def __init__(self, signals: np.ndarray, channels: str) -> None:
        self.signals = signals
        self.channels = channels
        self.shape = signals.shape
        self.dtype = signals.dtype

    def get_data(self) -> np.ndarray:
        """Return (n_epochs, n_channels, n_times), as ``mne.Epochs`` do."""
        return self.signals if self.channels == "first" else np.moveaxis(self.signals, -1, 1)

    def __len__(self) -> int:
        return len(self.signals)

    def __getitem__(self, rows: Any) -> "EpochsArray":
        return type(self)(self.signals[rows], self.channels)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        # NumPy 1 has no copy=None
        return (np.array if copy else np.asarray)(self.signals, dtype)


def _is_epochs(X: Any) -> bool:
    if isinstance(X, EpochsArray):
        return True
    bases = (base.__module__.partition(".")[0] for base in type(X).__mro__)
    return hasattr(X, "get_data") and "mne" in bases
