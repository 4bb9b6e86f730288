"""Tests of paired scores, against baycomp, scipy and brute force."""

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
    paired_differences,
    paired_test,
)

SHARE = 0.25  # of 5 folds


def probabilities(test):
    return test.p_better, test.p_equivalent, test.p_worse


def scores_of(seed, n=50, difference=0.01, spread=0.03):
    rng = np.random.default_rng(seed)
    own = rng.normal(0.9, 0.02, n)
    return own, own + difference + rng.normal(0, spread, n)


# The t-test and its Bayesian counterpart


@pytest.mark.parametrize("rope", [0.0, 0.01, 0.1])
@pytest.mark.parametrize(("runs", "folds"), [(1, 5), (10, 5), (3, 10), (1, 2)])
def test_probabilities_are_those_of_baycomp(runs, folds, rope):
    own, other = scores_of(runs, runs * folds)
    test = paired_test(other - own, 1 / (folds - 1), rope)
    # of own, [rope,] of other
    expected = baycomp.CorrelatedTTest.probs(own, other, rope, runs=runs)
    assert_allclose((test.p_worse, test.p_better), (expected[0], expected[-1]), atol=1e-12)
    assert sum(probabilities(test)) == pytest.approx(1, abs=1e-12)


def test_without_a_shared_sample_it_is_the_paired_t_test():
    own, other = scores_of(0)
    test, expected = paired_test(other - own, 0.0, 0.01), stats.ttest_rel(other, own)
    interval = expected.confidence_interval(0.95)
    assert_allclose(
        (test.difference, test.p_value, test.low, test.high),
        ((other - own).mean(), expected.pvalue, *interval),
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
def test_probabilities_sum_to_one_and_are_exchanged_with_the_models(values, share, rope):
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
def test_equal_scores_leave_the_variance_unknown(rope):
    own, _ = scores_of(2)
    test = paired_test(paired_differences(own, own), SHARE, rope)
    assert test.constant
    assert test.difference == 0
    assert_array_equal((test.low, test.high, test.p_value, *probabilities(test)), np.nan)


def test_rounding_errors_are_not_differences():
    own = np.array([0.1 + 0.2, 0.7, 1e9 / 3])
    noise = own * (1 + 4e-16 * np.array([1, -1, 1]))
    assert (own != noise).any()
    assert_array_equal(paired_differences(noise, own), 0)


@pytest.mark.parametrize(("n_right", "n"), [(1, 100_000), (-20, 1000), (-5, 100), (30, 100)])
def test_one_number_on_all_splits_is_constant_whatever_its_rounding(n_right, n):
    right = np.array([0.31, 0.42, 0.5, 0.55, 0.63]) * n
    differences = paired_differences((right + n_right) / n, right / n)
    assert np.ptp((right + n_right) / n - right / n) > 0  # different by rounding only
    test, difference = paired_test(differences, SHARE, 0.01), n_right / n
    assert test.constant
    assert test.difference == pytest.approx(difference)
    assert_array_equal((test.low, test.high, test.p_value, *probabilities(test)), np.nan)


def test_a_difference_on_a_single_split_is_not_a_rounding_error():
    differences = paired_differences(np.array([0.5, 0.5, 0.5 + 1e-9]), np.full(3, 0.5))
    assert_allclose(differences, [0, 0, 1e-9], rtol=1e-6)
    assert 0.3 < paired_test(differences, SHARE, 0.0).p_value < 0.9


@pytest.mark.parametrize("lost", [nan, inf, -inf])
def test_an_infinite_or_missing_score_leaves_no_test(lost):
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


def test_holm_leaves_out_missing_values():
    adjusted = holm(np.array([nan, 0.01, nan, 0.04]))
    assert_array_equal(adjusted, [nan, 0.02, nan, 0.04])
    assert_array_equal(holm(np.array([nan, nan])), [nan, nan])
    assert len(holm(np.array([]))) == 0
