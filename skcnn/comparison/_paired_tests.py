"""Tests of scores on common folds, and of ranks on several datasets.

Arrays in, numbers out; knows no estimator. A fold's test set is small against the
training samples that it shares with the other folds, so that scores of folds are
correlated: the variance of their mean is larger than that of independent ones.
"""

from dataclasses import dataclass
from math import inf, isnan, nan, sqrt

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
# Differences below this share of the scores themselves are rounding.
ROUNDING = 1e-12


@dataclass(frozen=True)
class PairedTest:
    """What the differences of two models on the same folds say.

    Attributes
    ----------
    difference, low, high : float
        Mean, and the interval that holds the true one in 95 of 100 studies.
    p_value : float
        Two-sided, of no difference.
    p_better, p_equivalent, p_worse : float
        Posterior probabilities, which sum to one.
    constant : bool
        Whether all differences are the same number, so that nothing is known of their
        variance: everything but the mean is NaN.
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
    """Return ``scores - baseline`` without rounding: zero, or one number, where it is that."""
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
    """Return the standard error of the mean of values of folds.

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
    """Return the mean of scores of folds and its corrected 95 % interval.

    The interval is NaN where nothing is known of the variance: for one score, or scores
    that are all the same.
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
        Score of one model less that of another on the same splits. Any that is NaN or
        infinite makes everything NaN.
    test_share : float
        Test samples of a split over its training samples.
    rope : float
        Differences of at most this size are equivalent.

    References
    ----------
    Nadeau and Bengio, as for `corrected_error`. G. Corani, A. Benavoli, "A Bayesian
    approach for comparing cross-validated algorithms on multiple data sets", Machine
    Learning 100, 2015, 285-304: the posterior of the mean difference is Student's t with
    the same mean, error and degrees of freedom.
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
    """Return p values adjusted for their number by Holm's steps down; NaN stays NaN.

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


@dataclass(frozen=True)
class RankFigures:
    """A test of models' ranks on several datasets.

    Attributes
    ----------
    name : {"Friedman", "Wilcoxon signed-rank"}
        The second for two models.
    statistic, p_value : float
        Of no difference between the models.
    smallest_p : float
        The p value of a model order that is the same on all datasets.
    mean_ranks : ndarray of shape (n_models,)
        1 is the best.
    pairs : ndarray of shape (n_models, n_models)
        p values of the pairs, of several adjusted for their number (Nemenyi's test).
    critical_difference : float
        Mean ranks that are farther apart differ at the 5 % level; NaN for two models.
    """

    name: str
    statistic: float
    p_value: float
    smallest_p: float
    mean_ranks: np.ndarray
    pairs: np.ndarray
    critical_difference: float


def mean_ranks_of(scores: np.ndarray) -> np.ndarray:
    """Return the models' mean ranks, 1 the best; all NaN where any score is.

    Parameters
    ----------
    scores : ndarray of shape (n_datasets, n_models)
        Larger is better.
    """
    return _ranks(scores).mean(axis=0)


def _ranks(scores: np.ndarray) -> np.ndarray:
    """Return ranks in rows; scores that differ by rounding only are tied."""
    if np.isnan(scores).any():
        return np.full(scores.shape, nan)
    return stats.rankdata(-_rounded(scores), axis=1)


def _rounded(values: np.ndarray) -> np.ndarray:
    """Return values to twelve digits, whatever their size."""
    digits = [float(f"{value:.11e}") for value in values.ravel()]
    return np.array(digits).reshape(values.shape)


def rank_figures(scores: np.ndarray) -> RankFigures:
    """Return the Friedman and Nemenyi tests of scores, for two models Wilcoxon's.

    Parameters
    ----------
    scores : ndarray of shape (n_datasets, n_models)
        Larger is better. Any NaN makes the tests NaN.

    References
    ----------
    J. Demsar, "Statistical comparisons of classifiers over multiple data sets", Journal
    of Machine Learning Research 7, 2006, 1-30.
    """
    n_datasets, n_models = scores.shape
    name = "Wilcoxon signed-rank" if n_models == 2 else "Friedman"
    ranks = _ranks(scores)
    mean_ranks = ranks.mean(axis=0)
    if np.isnan(mean_ranks).any():
        nothing = np.full((n_models, n_models), nan)
        return RankFigures(name, nan, nan, nan, mean_ranks, nothing, nan)
    if n_models == 2:
        statistic, p_value, smallest_p = _signed_ranks(scores)
        pairs = np.array([[1.0, p_value], [p_value, 1.0]])
        return RankFigures(name, statistic, p_value, smallest_p, mean_ranks, pairs, nan)
    statistic, p_value = _friedman(ranks)
    smallest_p = float(stats.chi2.sf(n_datasets * (n_models - 1), n_models - 1))
    error = sqrt(n_models * (n_models + 1) / (6 * n_datasets))
    distances = np.abs(mean_ranks[:, None] - mean_ranks) / error
    pairs = stats.studentized_range.sf(distances * sqrt(2), n_models, inf)
    quantile = float(stats.studentized_range.ppf(CONFIDENCE, n_models, inf))
    return RankFigures(
        name, statistic, p_value, smallest_p, mean_ranks, pairs, quantile / sqrt(2) * error
    )


def _signed_ranks(scores: np.ndarray) -> tuple[float, float, float]:
    differences = paired_differences(scores[:, 0], scores[:, 1])
    smallest_p = min(2.0 ** (1 - len(scores)), 1.0)
    if not differences.any():
        return 0.0, 1.0, smallest_p
    test = stats.wilcoxon(_rounded(differences), zero_method="zsplit")
    return float(test.statistic), float(test.pvalue), smallest_p


def _friedman(ranks: np.ndarray) -> tuple[float, float]:
    if (ranks == ranks[:, :1]).all():  # all tied, where the statistic is 0 / 0
        return 0.0, 1.0
    test = stats.friedmanchisquare(*ranks.T)
    return float(test.statistic), float(test.pvalue)
