"""Tests of ranks, against scipy, published tables and brute force."""

from itertools import permutations
from math import inf, nan, sqrt

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from skcnn.comparison._rank_tests import mean_ranks_of, rank_test, smallest_p_value


def rank_test_of(scores):
    return rank_test(pd.DataFrame(scores))


# quantiles at 0.05 of the studentized range over sqrt(2): Demsar (2006), table 5(a)
DEMSAR = {2: 1.960, 3: 2.343, 4: 2.569, 5: 2.728, 6: 2.850, 7: 2.949, 8: 3.031, 9: 3.102, 10: 3.164}


@pytest.mark.parametrize("n_models", [n for n in DEMSAR if n > 2])
def test_critical_difference_by_demsars_table(n_models):
    scores = np.random.default_rng(0).normal(size=(14, n_models))
    difference = DEMSAR[n_models] * sqrt(n_models * (n_models + 1) / (6 * 14))
    assert rank_test_of(scores).critical_difference == pytest.approx(difference, rel=4e-4)


def test_two_models_are_one_pair_with_one_test():
    test = rank_test_of(np.random.default_rng(0).normal(size=(9, 2)))
    assert_array_equal(test.pairs, [[1, test.p_value], [test.p_value, 1]])
    assert np.isnan(test.critical_difference)


# accuracies of four variants of C4.5 on 14 data sets: Demsar (2006), table 6
C45 = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)


def test_ranks_of_demsars_example():
    test = rank_test_of(C45)
    assert_allclose(test.mean_ranks, [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    assert test.critical_difference == pytest.approx(1.25, abs=5e-3)
    assert test.name == "Friedman"
    # the paper's 9.28 is not corrected for ties, as scipy's is
    assert (test.statistic, test.p_value) == stats.friedmanchisquare(*C45.T)
    # at 5 % the first and the last do not differ: 3.143 - 1.964 < 1.25
    assert 0.05 < test.pairs.loc[0, 3] < 0.1


def test_pairs_are_nemenyis_at_the_critical_difference():
    test = rank_test_of(C45)
    assert_allclose(np.diag(test.pairs), 1, atol=1e-9)
    assert_array_equal(test.pairs, test.pairs.T)
    ranks = test.mean_ranks.to_numpy()
    by_distance = abs(ranks[:, None] - ranks)
    by_hand = stats.studentized_range.sf(by_distance * sqrt(2) / sqrt(20 / 84), 4, inf)
    assert_allclose(test.pairs, by_hand)


def test_friedman_by_brute_force():
    # all ways to order 3 models on 3 data sets: the statistic's mean is its freedom
    orders = [np.array(order, float) for order in permutations(range(3))]
    statistics = [
        rank_test_of(np.stack([a, b, orders[0]])).statistic for a in orders for b in orders
    ]
    assert np.mean(statistics) == pytest.approx(2)


def test_two_models_get_the_signed_rank_test():
    test = rank_test_of(C45[:8, :2])
    expected = stats.wilcoxon(C45[:8, 0], C45[:8, 1], zero_method="zsplit")
    assert test.name == "Wilcoxon signed-rank"
    assert test.p_value == pytest.approx(expected.pvalue)
    assert smallest_p_value(8, 2) == 2 / 2**8


@pytest.mark.parametrize("n_datasets", range(2, 9))
def test_smallest_p_is_that_of_one_order_on_all_data_sets(n_datasets):
    for n_models in (2, 3, 5):
        scores = np.arange(n_models) * (1 + np.arange(n_datasets)[:, None] / 10)
        test = rank_test_of(scores)
        assert test.p_value == pytest.approx(smallest_p_value(n_datasets, n_models))


@pytest.mark.parametrize("n_models", [2, 3])
def test_all_tied(n_models):
    test = rank_test_of(np.full((5, n_models), 0.3))
    assert (test.p_value, test.statistic) == (1, 0)
    assert_array_equal(test.mean_ranks, (n_models + 1) / 2)
    assert_allclose(test.pairs, 1)


@pytest.mark.parametrize("scale", [1e-14, 1.0, 1e12])
def test_ranks_do_not_depend_on_the_unit_and_rounding_is_a_tie(scale):
    row = np.array([0.3, 0.1 + 0.2, 0.4]) * scale
    assert_array_equal(mean_ranks_of(np.stack([row, row])), [2.5, 2.5, 1])


def test_a_diverged_model_does_not_tie_the_others():
    assert_array_equal(mean_ranks_of(np.array([[0.1, 0.2, -1e20]])), [2, 1, 3])


@pytest.mark.parametrize("n_models", [2, 3])
def test_a_missing_score_leaves_no_ranks(n_models):
    scores = C45[:, :n_models].copy()
    scores[3, 1] = nan
    test = rank_test_of(scores)
    assert np.isnan([test.statistic, test.p_value, test.critical_difference]).all()
    assert np.isnan(test.mean_ranks).all()
    assert np.isnan(test.pairs).all(axis=None)
