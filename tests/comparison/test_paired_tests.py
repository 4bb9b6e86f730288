"""Tests of paired scores and of ranks, against baycomp, scipy, tables and brute force."""

from itertools import permutations
from math import inf, nan, sqrt

import baycomp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from skcnn.comparison._paired_tests import (
    corrected_error,
    corrected_interval,
    holm,
    mean_ranks_of,
    paired_differences,
    paired_test,
    rank_figures,
)

SHARE = 0.25  # of 5 folds


def probabilities(test):
    return test.p_better, test.p_equivalent, test.p_worse


def scores_of(seed, n=50, difference=0.01, spread=0.03):
    rng = np.random.default_rng(seed)
    own = rng.normal(0.9, 0.02, n)
    return own, own + difference + rng.normal(0, spread, n)


# The t-test and its Bayesian twin


@pytest.mark.parametrize("rope", [0.0, 0.01, 0.1])
@pytest.mark.parametrize(("runs", "folds"), [(1, 5), (10, 5), (3, 10), (1, 2)])
def test_probabilities_are_those_of_baycomp(runs, folds, rope):
    own, other = scores_of(runs, runs * folds)
    test = paired_test(other - own, 1 / (folds - 1), rope)
    told = baycomp.CorrelatedTTest.probs(own, other, rope, runs=runs)  # of own, [rope,] of other
    assert_allclose((test.p_worse, test.p_better), (told[0], told[-1]), atol=1e-12)
    assert sum(probabilities(test)) == pytest.approx(1, abs=1e-12)


def test_without_a_shared_sample_it_is_the_paired_t_test():
    own, other = scores_of(0)
    test, told = paired_test(other - own, 0.0, 0.01), stats.ttest_rel(other, own)
    interval = told.confidence_interval(0.95)
    assert_allclose(
        (test.difference, test.p_value, test.low, test.high),
        ((other - own).mean(), told.pvalue, *interval),
    )


def test_correction_by_hand():
    # five folds; the mean 0.03, the deviation sqrt(0.001 / 4), four degrees of freedom
    differences = np.array([0.01, 0.02, 0.03, 0.04, 0.05])
    error = sqrt(0.001 / 4 * (1 / 5 + 1 / 4))
    test = paired_test(differences, SHARE, 0.0)
    assert corrected_error(differences, SHARE) == pytest.approx(error)
    assert test.high - test.difference == pytest.approx(2.7764451 * error)
    assert test.p_value == pytest.approx(2 * stats.t.sf(0.03 / error, 4))
    assert test.p_better == pytest.approx(1 - test.p_value / 2)  # without a region they agree


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30), st.floats(0, 1), st.floats(0, 0.5))
def test_probabilities_sum_to_one_and_turn_with_the_models(values, share, rope):
    one, other = (
        paired_test(np.array(values), share, rope),
        paired_test(-np.array(values), share, rope),
    )
    assume(not one.constant)
    assert all(0 <= value <= 1 for value in probabilities(one))
    assert sum(probabilities(one)) == pytest.approx(1, abs=1e-9)
    assert_allclose(probabilities(one), probabilities(other)[::-1], atol=1e-9)
    assert_allclose((one.low, one.high), (-other.high, -other.low), atol=1e-12)


def test_interval_and_p_value_agree_at_the_edge():
    differences = np.array([0.01, 0.02, -0.01, 0.03, 0.0])
    _, low, _ = corrected_interval(differences, SHARE)
    assert paired_test(differences - low, SHARE, 0.0).p_value == pytest.approx(0.05)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_units_do_not_matter(scale):
    own, other = scores_of(1)
    plain, scaled = (
        paired_test(paired_differences(s * other, s * own), SHARE, 0.01 * s) for s in (1, scale)
    )
    assert_allclose(probabilities(plain), probabilities(scaled))
    assert scaled.p_value == pytest.approx(plain.p_value)


@pytest.mark.parametrize("rope", [0.0, 0.01])
def test_equal_scores_tell_nothing_of_the_variance(rope):
    own, _ = scores_of(2)
    test = paired_test(paired_differences(own, own), SHARE, rope)
    assert test.constant
    assert test.difference == 0
    assert_array_equal((test.low, test.high, test.p_value, *probabilities(test)), np.nan)


def test_rounding_is_no_difference():
    own = np.array([0.1 + 0.2, 0.7, 1e9 / 3])
    noise = own * (1 + 4e-16 * np.array([1, -1, 1]))
    assert (own != noise).any()
    assert_array_equal(paired_differences(noise, own), 0)


@pytest.mark.parametrize(("n_right", "n"), [(1, 100_000), (-20, 1000), (-5, 100), (30, 100)])
def test_one_number_on_all_splits_is_constant_whatever_its_rounding(n_right, n):
    right = np.array([0.31, 0.42, 0.5, 0.55, 0.63]) * n
    differences = paired_differences((right + n_right) / n, right / n)
    assert np.ptp((right + n_right) / n - right / n) > 0  # the case is one of rounding
    test, difference = paired_test(differences, SHARE, 0.01), n_right / n
    assert test.constant
    assert test.difference == pytest.approx(difference)
    assert_array_equal((test.low, test.high, test.p_value, *probabilities(test)), np.nan)


def test_a_difference_on_a_single_split_is_none_of_rounding():
    differences = paired_differences(np.array([0.5, 0.5, 0.5 + 1e-9]), np.full(3, 0.5))
    assert_allclose(differences, [0, 0, 1e-9], rtol=1e-6)
    assert 0.3 < paired_test(differences, SHARE, 0.0).p_value < 0.9


@pytest.mark.parametrize("lost", [nan, inf, -inf])
def test_a_score_that_is_no_number_leaves_nothing(lost):
    own, other = scores_of(4, 5)
    other[2] = lost
    for scores, baseline in [(other, own), (own, other), (other, other)]:
        test = paired_test(paired_differences(scores, baseline), SHARE, 0.01)
        assert np.isnan([test.difference, test.low, test.p_value, *probabilities(test)]).all()
    assert np.isnan(corrected_interval(other, SHARE)).all()


def test_one_split_has_a_mean_only():
    assert_array_equal(corrected_interval(np.array([0.9]), SHARE), [0.9, nan, nan])
    test = paired_test(np.array([0.1]), SHARE, 0.01)
    assert test.difference == 0.1
    assert np.isnan([test.p_value, test.low, *probabilities(test)]).all()


# Error rates


def fold_scores(rng, n_samples=60, n_features=12, n_seen=5, shift=0.6):
    """Return accuracies of three nearest-mean models on 10 times 5 folds, (50, 3).

    The first two see as many features as each other, the third sees all.
    """
    y = rng.integers(0, 2, n_samples)
    X = rng.normal(size=(n_samples, n_features)) + shift * y[:, None]
    fold = np.stack([rng.permutation(n_samples) % 5 for _ in range(10)])
    test = (fold[:, None] == np.arange(5)[:, None]).reshape(50, n_samples)
    means = [((~test & (y == c)) @ X) / (~test & (y == c)).sum(1)[:, None] for c in (0, 1)]
    direction, middle = means[1] - means[0], (means[0] + means[1]) / 2
    columns = []
    for seen in (slice(0, n_seen), slice(n_seen, 2 * n_seen), slice(None)):
        offset = (direction[:, seen] * middle[:, seen]).sum(1)[:, None]
        right = (direction[:, seen] @ X[:, seen].T > offset) == y
        columns.append((right & test).sum(1) / test.sum(1))
    return np.stack(columns, axis=1)


LEVEL = 0.05


def test_error_rate_of_ten_times_five_folds():
    n_studies = 300
    rng = np.random.default_rng(0)
    equal, plain, covered = [], [], []
    for _ in range(n_studies):
        first, second, _ = fold_scores(rng).T
        test = paired_test(paired_differences(second, first), SHARE, 0.0)
        equal.append(test.p_value < LEVEL)
        covered.append(test.low <= 0 <= test.high)
        plain.append(stats.ttest_rel(second, first).pvalue < LEVEL)
    # three standard deviations of a rate of 0.05 in 300 studies are 0.038
    assert np.mean(equal) < 0.088
    assert np.sum(equal) + np.sum(covered) == n_studies
    assert np.mean(plain) > 0.4


def test_power_on_a_difference_of_a_tenth():
    rng = np.random.default_rng(0)
    studies = [fold_scores(rng, n_samples=200).T for _ in range(60)]
    tests = [paired_test(all_seen - first, SHARE, 0.01) for first, _, all_seen in studies]
    assert np.mean([test.difference for test in tests]) == pytest.approx(0.1, abs=0.02)
    assert np.mean([test.p_value < LEVEL for test in tests]) > 0.6
    assert np.mean([test.p_better for test in tests]) > 0.9


# Holm


def holm_by_steps(p_values):
    """Return for each p the smallest level at which the step-down procedure rejects it."""
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    for place, i in enumerate(order):
        levels = [(len(order) - k) * p_values[order[k]] for k in range(place + 1)]
        adjusted[i] = min(1.0, max(levels))
    return adjusted


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_by_brute_force(values):
    assert_allclose(holm(np.array(values)), holm_by_steps(np.array(values)))


def test_holm_of_a_known_example():
    # in R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


def test_holm_leaves_out_what_is_missing():
    adjusted = holm(np.array([nan, 0.01, nan, 0.04]))
    assert_array_equal(adjusted, [nan, 0.02, nan, 0.04])
    assert_array_equal(holm(np.array([nan, nan])), [nan, nan])
    assert len(holm(np.array([]))) == 0


# Ranks

# quantiles at 0.05 of the studentized range over sqrt(2): Demsar (2006), table 5(a)
DEMSAR = {2: 1.960, 3: 2.343, 4: 2.569, 5: 2.728, 6: 2.850, 7: 2.949, 8: 3.031, 9: 3.102, 10: 3.164}


@pytest.mark.parametrize("n_models", [n for n in DEMSAR if n > 2])
def test_critical_difference_by_demsars_table(n_models):
    scores = np.random.default_rng(0).normal(size=(14, n_models))
    difference = DEMSAR[n_models] * sqrt(n_models * (n_models + 1) / (6 * 14))
    assert rank_figures(scores).critical_difference == pytest.approx(difference, rel=4e-4)


def test_two_models_are_one_pair_with_one_test():
    figures = rank_figures(np.random.default_rng(0).normal(size=(9, 2)))
    assert_array_equal(figures.pairs, [[1, figures.p_value], [figures.p_value, 1]])
    assert np.isnan(figures.critical_difference)


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
    figures = rank_figures(C45)
    assert_allclose(figures.mean_ranks, [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    assert figures.critical_difference == pytest.approx(1.25, abs=5e-3)
    assert figures.name == "Friedman"
    # the paper's 9.28 is not corrected for ties, as scipy's is
    assert (figures.statistic, figures.p_value) == stats.friedmanchisquare(*C45.T)
    # at 5 % the first and the last do not differ: 3.143 - 1.964 < 1.25
    assert 0.05 < figures.pairs[0, 3] < 0.1


def test_pairs_are_nemenyis_at_the_critical_difference():
    figures = rank_figures(C45)
    assert_allclose(np.diag(figures.pairs), 1, atol=1e-9)
    assert_array_equal(figures.pairs, figures.pairs.T)
    by_distance = abs(figures.mean_ranks[:, None] - figures.mean_ranks)
    by_hand = stats.studentized_range.sf(by_distance * sqrt(2) / sqrt(20 / 84), 4, inf)
    assert_allclose(figures.pairs, by_hand)


def test_friedman_by_brute_force():
    # all ways to order 3 models on 3 data sets: the statistic's mean is its freedom
    orders = [np.array(order, float) for order in permutations(range(3))]
    statistics = [
        rank_figures(np.stack([a, b, orders[0]])).statistic for a in orders for b in orders
    ]
    assert np.mean(statistics) == pytest.approx(2)


def test_two_models_get_the_signed_rank_test():
    figures = rank_figures(C45[:8, :2])
    told = stats.wilcoxon(C45[:8, 0], C45[:8, 1], zero_method="zsplit")
    assert figures.name == "Wilcoxon signed-rank"
    assert figures.p_value == pytest.approx(told.pvalue)
    assert figures.smallest_p == 2 / 2**8


@pytest.mark.parametrize("n_datasets", range(2, 9))
def test_smallest_p_is_that_of_one_order_on_all_data_sets(n_datasets):
    for n_models in (2, 3, 5):
        scores = np.arange(n_models) * (1 + np.arange(n_datasets)[:, None] / 10)
        figures = rank_figures(scores)
        assert figures.p_value == pytest.approx(figures.smallest_p)


@pytest.mark.parametrize("n_models", [2, 3])
def test_all_tied(n_models):
    figures = rank_figures(np.full((5, n_models), 0.3))
    assert (figures.p_value, figures.statistic) == (1, 0)
    assert_array_equal(figures.mean_ranks, (n_models + 1) / 2)
    assert_allclose(figures.pairs, 1)


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
    figures = rank_figures(scores)
    assert np.isnan([figures.statistic, figures.p_value, figures.critical_difference]).all()
    assert np.isnan(figures.mean_ranks).all()
    assert np.isnan(figures.pairs).all()
