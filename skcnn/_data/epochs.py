"""Epochs of MNE-Python: signals whose channels come first, read without a dependency on it."""

from typing import Any

import numpy as np


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
    """
    parts = X if isinstance(X, list) else [X]
    if not parts or not all(map(_is_epochs, parts)):
        return None
    signals = np.concatenate([np.asarray(part.get_data()) for part in parts])
    return signals if channels == "first" else np.moveaxis(signals, 1, -1)


def _is_epochs(X: Any) -> bool:
    bases = (base.__module__.partition(".")[0] for base in type(X).__mro__)
    return hasattr(X, "get_data") and "mne" in bases
