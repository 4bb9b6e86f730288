"""Scores of predictions, against values computed by hand."""

import numpy as np
import pytest

from skcnn._report.evaluation import Evaluation, joined, wilson_interval

CLASSES = np.array(["a", "b", "c"])


@pytest.fixture
def evaluation():
    prob = np.array([[0.7, 0.2, 0.1], [0.6, 0.4, 0.0], [0.1, 0.9, 0.0], [0.5, 0.3, 0.2]])
    return Evaluation(np.array([3, 5, 8, 9]), np.array(["a", "b", "b", "c"]), prob, CLASSES)


def test_scores(evaluation):
    assert evaluation.predicted.tolist() == ["a", "a", "b", "a"]
    assert (evaluation.n_right, evaluation.accuracy) == (2, 0.5)
    table = evaluation.class_table()
    np.testing.assert_allclose(table["precision"], [1 / 3, 1, np.nan])
    np.testing.assert_allclose(table["recall"], [1, 0.5, 0])
    assert table["images"].tolist() == [1, 2, 1]
    assert evaluation.confusion().tolist() == [[1, 0, 0], [1, 1, 0], [1, 0, 0]]


def test_class_without_samples_has_no_recall():
    only_a = Evaluation(np.arange(1), np.array(["a"]), np.array([[1.0, 0, 0]]), CLASSES)
    np.testing.assert_array_equal(only_a.class_table()["recall"], [1, np.nan, np.nan])


def test_losses_are_sorted(evaluation):
    losses = evaluation.losses()
    assert losses.index.tolist() == [9, 5, 3, 8]
    np.testing.assert_allclose(losses["loss"], -np.log([0.2, 0.4, 0.7, 0.9]))
    np.testing.assert_allclose(losses["probability"], [0.5, 0.6, 0.7, 0.9])
    assert losses["true"].tolist() == ["c", "b", "a", "b"]


def test_probability_of_zero_has_the_largest_loss():
    prob = np.array([[1.0, 0, 0], [0.0, 1, 0]])
    evaluation = Evaluation(np.arange(2), np.array(["a", "a"]), prob, CLASSES)
    assert evaluation.losses()["loss"].tolist() == [np.inf, 0]


@pytest.mark.parametrize(("n_right", "n"), [(0, 5), (3, 7), (15, 16), (9, 9)])
def test_interval_is_wilsons(n_right, n):
    z, p = 1.959963984540054, n_right / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    expected = max(centre - reach, 0), min(centre + reach, 1)
    np.testing.assert_allclose(wilson_interval(n_right, n), expected, atol=1e-12)


def test_interval_of_an_evaluation(evaluation):
    assert evaluation.interval() == wilson_interval(2, 4)


def test_folds_are_joined_in_the_order_of_the_data(evaluation):
    parts = [
        Evaluation(
            evaluation.rows[some], evaluation.truth[some], evaluation.probabilities[some], CLASSES
        )
        for some in ([1, 3], [2, 0])
    ]
    whole = joined(parts)
    for name in ("rows", "truth", "probabilities"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(evaluation, name))
