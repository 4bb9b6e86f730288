"""Epochs of MNE-Python: signals whose channels come first, read without a dependency on it."""

from collections.abc import Sequence
from math import isclose
from typing import Any

import numpy as np

from skcnn.exceptions import InputShapeError

N_AXES = 3  # epochs, channels, times
KNOWN = ("channel_names_", "sampling_rate_")  # what a fit keeps of epochs
RATE_TOLERANCE = 1e-3  # relative


def epochs_array(estimator: Any, X: Any, channels: str, reset: bool) -> np.ndarray | None:
    """Return the signals of ``mne.Epochs``, None for all else.

    Parameters
    ----------
    estimator : estimator
        Gets ``channel_names_`` and ``sampling_rate_`` with `reset`, if the epochs have them.
    X : object
        Epochs, or a list of them, which scikit-learn makes of their rows.
    channels : {"last", "first"}
        Where the channels of the result are. MNE's own place, the first, is known.
    reset : bool
        Whether the estimator is being fitted. Otherwise names and rate must be those of the fit.

    Returns
    -------
    ndarray of shape (n_epochs, n_times, n_channels) or (n_epochs, n_channels, n_times), or None

    Raises
    ------
    InputShapeError
        If it is another object of MNE, such as a recording, whose data have other axes, or if
        the channels of a list's epochs, or those of the fit, have other names, another order or
        another sampling rate.
    """
    for name in KNOWN if reset else ():
        vars(estimator).pop(name, None)  # of an earlier fit
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
    rates = [rate for rate in map(_sampling_rate, parts) if rate is not None]
    _check_rates(rates)
    if rates and reset:
        estimator.sampling_rate_ = rates[0]
    elif rates:
        _check_rate(estimator, rates[0])
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


def _sampling_rate(epochs: Any) -> float | None:
    """Return the samples a second, None if the epochs do not say it."""
    if isinstance(epochs, EpochsArray):
        return epochs.sampling_rate
    info = getattr(epochs, "info", None)
    return None if info is None else float(info["sfreq"])


def _check_rates(rates: Sequence[float]) -> None:
    """Check that all epochs have the same sampling rate."""
    for other in rates[1:]:
        if not isclose(other, rates[0], rel_tol=RATE_TOLERANCE):
            raise InputShapeError(
                "X is a list of epochs that must have one sampling rate. Got "
                f"{rates[0]:g} and {other:g} hertz: resample them, as resample of MNE does."
            )


def _check_rate(estimator: Any, rate: float) -> None:
    """Check that epochs have the sampling rate of the fit, if it was known."""
    known = getattr(estimator, "sampling_rate_", None)
    if known is not None and not isclose(rate, known, rel_tol=RATE_TOLERANCE):
        raise InputShapeError(
            f"X must have the sampling rate that {type(estimator).__name__} was fitted with, "
            f"{known:g} hertz. Got {rate:g}: resample it, as "
            "X.copy().resample(model.sampling_rate_) of MNE does."
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
    sampling_rate : float or None, default=None
        Samples a second.
    """

    def __init__(
        self,
        signals: np.ndarray,
        channels: str,
        ch_names: list[str] | None = None,
        sampling_rate: float | None = None,
    ) -> None:
        self.signals = signals
        self.channels = channels
        self.ch_names = ch_names
        self.sampling_rate = sampling_rate
        self.shape = signals.shape
        self.dtype = signals.dtype

    def get_data(self) -> np.ndarray:
        """Return (n_epochs, n_channels, n_times), as ``mne.Epochs`` do."""
        return self.signals if self.channels == "first" else np.moveaxis(self.signals, -1, 1)

    def __len__(self) -> int:
        return len(self.signals)

    def __getitem__(self, rows: Any) -> "EpochsArray":
        return type(self)(self.signals[rows], self.channels, self.ch_names, self.sampling_rate)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        # NumPy 1 has no copy=None
        return (np.array if copy else np.asarray)(self.signals, dtype)


def _is_epochs(X: Any) -> bool:
    if isinstance(X, EpochsArray):
        return True
    bases = (base.__module__.partition(".")[0] for base in type(X).__mro__)
    return hasattr(X, "get_data") and "mne" in bases
