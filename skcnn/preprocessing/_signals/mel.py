"""Mel scales and filters, as librosa and the HTK book define them."""

import numpy as np

# Slaney's scale is linear up to 1,000 Hz, and logarithmic above.
HERTZ_PER_MEL = 200 / 3
BREAK_HERTZ = 1000.0
BREAK_MEL = BREAK_HERTZ / HERTZ_PER_MEL
LOG_STEP = np.log(6.4) / 27


def hertz_to_mel(hertz: np.ndarray, scale: str) -> np.ndarray:
    """Return mels of frequencies on the scale "slaney" or "htk"."""
    hertz = np.asarray(hertz, float)
    if scale == "htk":
        return 2595 * np.log10(1 + hertz / 700)
    above = BREAK_MEL + np.log(np.maximum(hertz, BREAK_HERTZ) / BREAK_HERTZ) / LOG_STEP
    return np.where(hertz < BREAK_HERTZ, hertz / HERTZ_PER_MEL, above)


def mel_to_hertz(mels: np.ndarray, scale: str) -> np.ndarray:
    """Return the frequencies of mels on the scale "slaney" or "htk"."""
    mels = np.asarray(mels, float)
    if scale == "htk":
        return 700 * (10 ** (mels / 2595) - 1)
    above = BREAK_HERTZ * np.exp(LOG_STEP * (np.maximum(mels, BREAK_MEL) - BREAK_MEL))
    return np.where(mels < BREAK_MEL, mels * HERTZ_PER_MEL, above)


def mel_filters(
    frequencies: np.ndarray, n_bands: int, low: float, high: float, scale: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return triangular filters, equally spaced in mels and of equal area in hertz.

    Parameters
    ----------
    frequencies : ndarray of shape (n_frequencies,)
        Those of a spectrum, in hertz.
    n_bands : int
        Number of filters.
    low, high : float
        Where the first filter begins and the last ends, in hertz.
    scale : {"slaney", "htk"}
        The scale.

    Returns
    -------
    filters : ndarray of shape (n_bands, n_frequencies)
        Weights of the frequencies.
    centres : ndarray of shape (n_bands,)
        The frequencies of the peaks, in hertz.
    """
    ends = hertz_to_mel(np.array([low, high]), scale)
    edges = mel_to_hertz(np.linspace(ends[0], ends[1], n_bands + 2), scale)
    widths = np.diff(edges)
    distances = frequencies - edges[:, None]  # (n_bands + 2, n_frequencies)
    rising = distances[:-2] / widths[:-1, None]
    falling = -distances[2:] / widths[1:, None]
    triangles = np.maximum(np.minimum(rising, falling), 0)
    return triangles * (2 / (edges[2:] - edges[:-2]))[:, None], edges[1:-1]
