"""Tests of the scores of two models on the same splits.

Splits share most of their training samples, so that their scores are correlated: the
variance of their mean is larger than that of independent scores.
"""

from dataclasses import dataclass
from math import isnan, nan, sqrt

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
# Smaller differences, relative to the scores, are rounding errors.
ROUNDING = 1e-12


@dataclass(frozen=True)
class PairedTest:
    """The test of the differences of two models' scores on the same splits.

    Attributes
    ----------
    difference, low, high : float
        Mean difference and its 95 % confidence interval.
    p_value : float
        Two-sided p value of the hypothesis of no difference.
    p_better, p_equivalent, p_worse : float
        Posterior probabilities, which sum to one.
    constant : bool
        Whether all differences are the same number, so that their variance is unknown:
        everything but the mean is NaN.
    """

    difference: float = nan
    low: float = nan
    high: float = nan
    p_value: float = nan
    p_better: float = nan
    p_equivalent: float = nan
    p_worse: float = nan
    constant: bool = False


def paired_differences(scores: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Return ``scores - baseline`` without rounding errors.

    Differences that are zero but for rounding are zero; differences that are the same number
    but for rounding are that number.
    """
    with np.errstate(invalid="ignore"):  # NaN of two infinite scores
        differences = scores - baseline
    size = np.maximum(np.abs(scores), np.abs(baseline))
    if not np.isfinite(size).all():
        return differences
    differences = np.where(np.abs(differences) <= ROUNDING * size, 0.0, differences)
    if np.ptp(differences) <= ROUNDING * size.max():
        return np.full_like(differences, differences.mean())
    return differences


def corrected_error(values: np.ndarray, test_share: float) -> float:
    """Return the standard error of the mean of scores of splits; NaN if it is unknown.

    Parameters
    ----------
    values : ndarray of shape (n_splits,)
        Scores, or differences of scores.
    test_share : float
        Test samples of a split over its training samples.

    References
    ----------
    C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine Learning 52,
    2003, 239-281.
    """
    if len(values) < 2 or not np.isfinite(values).all():
        return nan
    deviation = float(np.std(values, ddof=1))
    if deviation <= ROUNDING * float(np.max(np.abs(values))):
        return 0.0
    return deviation * sqrt(1 / len(values) + test_share)


def corrected_interval(values: np.ndarray, test_share: float) -> tuple[float, float, float]:
    """Return the mean of scores of splits and its corrected 95 % interval.

    The interval is NaN if the variance is unknown: for one score, or for equal scores.
    """
    if not np.isfinite(values).all():
        return nan, nan, nan
    mean, error = float(np.mean(values)), corrected_error(values, test_share)
    if isnan(error) or error == 0:
        return mean, nan, nan
    reach = error * float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1))
    return mean, mean - reach, mean + reach


def paired_test(differences: np.ndarray, test_share: float, rope: float) -> PairedTest:
    """Return the corrected t-test and the correlated Bayesian t-test of differences.

    Parameters
    ----------
    differences : ndarray of shape (n_splits,)
        Score of one model minus that of another on the same splits. If any is NaN or
        infinite, the result is NaN.
    test_share : float
        Test samples of a split over its training samples.
    rope : float
        Differences of at most this size are equivalent.

    References
    ----------
    Nadeau and Bengio, as for `corrected_error`. G. Corani, A. Benavoli, "A Bayesian
    approach for comparing cross-validated algorithms on multiple data sets", Machine
    Learning 100, 2015, 285-304: the posterior of the mean difference is Student's t
    distribution with the same mean, error and degrees of freedom.
    """
    mean, low, high = corrected_interval(differences, test_share)
    error = corrected_error(differences, test_share)
    if isnan(mean) or isnan(error):
        return PairedTest(mean)
    if error == 0:
        return PairedTest(mean, constant=True)
    posterior = stats.t(len(differences) - 1, mean, error)
    better, worse = float(posterior.sf(rope)), float(posterior.cdf(-rope))
    p_value = 2 * float(stats.t.sf(abs(mean) / error, len(differences) - 1))
    return PairedTest(mean, low, high, p_value, better, max(1 - better - worse, 0.0), worse)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return p values adjusted for their number by Holm's procedure; NaN stays NaN.

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
    Journal of Statistics 6, 1979, 65-70.
    """
    adjusted = np.full(len(p_values), nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1.0)
    return adjusted
