"""Epochs of MNE-Python: signals whose channels come first, read without a dependency on it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skcnn.exceptions import InputShapeError

N_AXES = 3  # epochs, channels, times


def epochs_array(estimator: Any, X: Any, channels: str, reset: bool) -> np.ndarray | None:
    """Return the signals of ``mne.Epochs``, None for all else.

    Parameters
    ----------
    estimator : estimator
        Gets ``channel_names_`` with `reset` if the epochs have names of channels.
    X : object
        Epochs, or a list of them, which scikit-learn makes of their rows.
    channels : {"last", "first"}
        Where the channels of the result are. MNE's own place, the first, is known.
    reset : bool
        Whether the estimator is being fitted. Otherwise the names must be those of the fit.

    Returns
    -------
    ndarray of shape (n_epochs, n_times, n_channels) or (n_epochs, n_channels, n_times), or None

    Raises
    ------
    InputShapeError
        If it is another object of MNE, such as a recording, whose data have other axes, or if
        the channels of a list's epochs, or those of the fit, have other names or another order.
    """
    if reset:
        vars(estimator).pop("channel_names_", None)  # of an earlier fit
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
    names = [list(part.ch_names) for part in parts if getattr(part, "ch_names", None) is not None]
    _check_order(names)
    if names and reset:
        estimator.channel_names_ = np.array(names[0], dtype=object)
    elif names:
        _check_names(estimator, names[0])
    signals = np.concatenate(arrays)
    return signals if channels == "first" else np.moveaxis(signals, 1, -1)


def _check_order(names: Sequence[list[str]]) -> None:
    """Check that all epochs have the same channels in the same order."""
    for others in names[1:]:
        if others != names[0]:
            raise InputShapeError(
                "X is a list of epochs whose channels must have the same names in the same order. "
                f"Got ch_names {names[0]!r} and {others!r}: reorder them, as "
                "reorder_channels of MNE does."
            )


def _check_names(estimator: Any, names: list[str]) -> None:
    """Check that channels have the names and the order of the fit, if it had names.

    Another number of channels is left to the check of the shape.
    """
    known = getattr(estimator, "channel_names_", None)
    if known is not None and len(known) == len(names) and list(known) != names:
        raise InputShapeError(
            f"The channels of X must have the names and the order that {type(estimator).__name__} "
            f"was fitted with, {list(known)!r}. Got ch_names {names!r}: reorder them, as "
            "X.copy().reorder_channels(list(model.channel_names_)) of MNE does."
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
    ch_names : list of str or None, default=None
        The names of the channels.
    """

    def __init__(
        self, signals: np.ndarray, channels: str, ch_names: list[str] | None = None
    ) -> None:
        self.signals = signals
        self.channels = channels
        self.ch_names = ch_names
        self.shape = signals.shape
        self.dtype = signals.dtype

    def get_data(self) -> np.ndarray:
        """Return (n_epochs, n_channels, n_times), as ``mne.Epochs`` do."""
        return self.signals if self.channels == "first" else np.moveaxis(self.signals, -1, 1)

    def __len__(self) -> int:
        return len(self.signals)

    def __getitem__(self, rows: Any) -> "EpochsArray":
        return type(self)(self.signals[rows], self.channels, self.ch_names)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        # NumPy 1 has no copy=None
        return (np.array if copy else np.asarray)(self.signals, dtype)


def _is_epochs(X: Any) -> bool:
    if isinstance(X, EpochsArray):
        return True
    bases = (base.__module__.partition(".")[0] for base in type(X).__mro__)
    return hasattr(X, "get_data") and "mne" in bases
