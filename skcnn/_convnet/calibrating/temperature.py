"""Temperature scaling: the number that logits are divided by, found on held-back samples."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, softmax

COLDEST, HOTTEST = 0.05, 20.0
# Of the prior. Few samples say little: if all of them are right, any confidence seems too small.
# Chosen on drawn logits: with less, ten to fifty samples make right probabilities worse.
PSEUDO_SAMPLES = 5.0


def best_temperature(
    logits: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Return the temperature for which the log loss of held-back samples is smallest.

    With b the reciprocal of the temperature, ``5 (b - log(b))`` is added to the sum of the losses:
    a gamma distribution of b as the prior, with its mode at one. All is convex in b, so that the
    derivative has one root.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_outputs), float64
        Outputs of the network for samples that it was not trained on.
    targets : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The codes of their classes, or indicators of their labels.
    weights : ndarray of shape (n_samples,) or None, default=None
        Their weights, which are scaled to a mean of one. None weighs all alike.

    Returns
    -------
    float
        From 0.05 to 20; one without samples.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks",
    arXiv:1706.04599.
    """
    kept = np.isfinite(logits).all(axis=1)  # others have no probabilities
    if weights is not None:
        kept &= weights > 0
    if not kept.any():
        return 1.0
    logits, targets = logits[kept], targets[kept]
    shares = np.ones(len(logits)) if weights is None else weights[kept] / weights[kept].mean()
    slope = _slope_of_labels if targets.ndim > 1 else _slope_of_classes

    def derivative(log_b: float) -> float:
        b = np.exp(log_b)
        return float(shares @ slope(logits, targets, b) + PSEUDO_SAMPLES * (1 - 1 / b))

    low, high = -np.log(HOTTEST), -np.log(COLDEST)
    if derivative(low) >= 0:
        return HOTTEST
    if derivative(high) <= 0:
        return COLDEST
    return float(np.exp(-brentq(derivative, low, high, xtol=1e-10)))


def _slope_of_classes(logits: np.ndarray, codes: np.ndarray, b: float) -> np.ndarray:
    """Return the derivative of each sample's log loss for the logits times b."""
    above = logits - np.take_along_axis(logits, codes[:, None], axis=1)  # of the true class
    return (softmax(b * above, axis=1) * above).sum(axis=1)


def _slope_of_labels(logits: np.ndarray, indicators: np.ndarray, b: float) -> np.ndarray:
    """Return the derivative of the sum of the log losses of each sample's labels."""
    return ((expit(b * logits) - indicators) * logits).sum(axis=1)
