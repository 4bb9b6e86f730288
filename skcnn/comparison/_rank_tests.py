"""Tests of the ranks of models on several data sets."""

from dataclasses import dataclass
from math import inf, nan, sqrt

import numpy as np
import pandas as pd
from scipy import stats

from skcnn.comparison._paired_tests import CONFIDENCE, paired_differences


@dataclass(frozen=True, eq=False)
class RankTest:
    """A test of models' ranks on several data sets.

    Parameters
    ----------
    name : {"Friedman", "Wilcoxon signed-rank"}
        Name of the test. The second is for two models.
    statistic, p_value : float
        Statistic and p value of the hypothesis that the models are equally good.
    mean_ranks : Series
        Mean ranks, indexed by model; 1 is the best.
    pairs : DataFrame
        p values of the pairs of models, adjusted for their number (Nemenyi's test); for
        two models `p_value` itself.
    critical_difference : float
        Models whose mean ranks are farther apart differ at the 5 % level (Nemenyi); NaN
        for two models.

    Examples
    --------
    >>> import warnings
    >>> from sklearn.datasets import load_iris, load_wine
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skcnn.comparison import compare_datasets
    >>> datasets = {"iris": load_iris(return_X_y=True), "wine": load_wine(return_X_y=True)}
    >>> models = {"Bayes": GaussianNB(), "prior": DummyClassifier()}
    >>> comparison = compare_datasets(datasets, models)
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # two data sets are too few
    ...     test = comparison.rank_test()
    >>> test.mean_ranks.to_dict(), test.p_value
    ({'Bayes': 1.0, 'prior': 2.0}, 0.5)
    """

    name: str
    statistic: float
    p_value: float
    mean_ranks: pd.Series
    pairs: pd.DataFrame
    critical_difference: float


def rank_test(scores: pd.DataFrame) -> RankTest:
    """Return the Friedman and Nemenyi tests of scores, for two models Wilcoxon's.

    Parameters
    ----------
    scores : DataFrame of shape (n_datasets, n_models)
        Larger is better. If any is NaN, the test is NaN.

    References
    ----------
    J. Demsar, "Statistical comparisons of classifiers over multiple data sets", Journal
    of Machine Learning Research 7, 2006, 1-30.
    """
    values = scores.to_numpy(float)
    n_datasets, n_models = values.shape
    ranks = _ranks(values)
    mean_ranks = ranks.mean(axis=0)
    critical_difference = nan
    if np.isnan(mean_ranks).any():
        statistic, p_value = nan, nan
        pairs = np.full((n_models, n_models), nan)
    elif n_models == 2:
        statistic, p_value = _signed_ranks(values)
        pairs = np.array([[1.0, p_value], [p_value, 1.0]])
    else:
        statistic, p_value = _friedman(ranks)
        error = sqrt(n_models * (n_models + 1) / (6 * n_datasets))
        distances = np.abs(mean_ranks[:, None] - mean_ranks) / error
        pairs = stats.studentized_range.sf(distances * sqrt(2), n_models, inf)
        quantile = float(stats.studentized_range.ppf(CONFIDENCE, n_models, inf))
        critical_difference = quantile / sqrt(2) * error
    models = list(scores.columns)
    return RankTest(
        "Wilcoxon signed-rank" if n_models == 2 else "Friedman",
        statistic,
        p_value,
        pd.Series(mean_ranks, models, name="mean_rank").rename_axis("model"),
        pd.DataFrame(pairs, models, models),
        critical_difference,
    )


def smallest_p_value(n_datasets: int, n_models: int) -> float:
    """Return the p value of `rank_test` if the models have the same order on all data sets."""
    if n_models == 2:
        return 2.0 ** (1 - n_datasets)
    return float(stats.chi2.sf(n_datasets * (n_models - 1), n_models - 1))


def mean_ranks_of(scores: np.ndarray) -> np.ndarray:
    """Return the models' mean ranks, 1 the best; all are NaN if any score is.

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
    """Return values rounded to twelve significant digits."""
    digits = [float(f"{value:.11e}") for value in values.ravel()]
    return np.array(digits).reshape(values.shape)


def _signed_ranks(scores: np.ndarray) -> tuple[float, float]:
    differences = paired_differences(scores[:, 0], scores[:, 1])
    if not differences.any():
        return 0.0, 1.0
    test = stats.wilcoxon(_rounded(differences), zero_method="zsplit")
    return float(test.statistic), float(test.pvalue)


def _friedman(ranks: np.ndarray) -> tuple[float, float]:
    if (ranks == ranks[:, :1]).all():  # the statistic of ties only is 0 / 0
        return 0.0, 1.0
    test = stats.friedmanchisquare(*ranks.T)
    return float(test.statistic), float(test.pvalue)
