"""Scores with intervals and tables of a model card, against scikit-learn's and closed forms."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    balanced_accuracy_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    precision_score,
    r2_score,
    recall_score,
    root_mean_squared_error,
)

from skcnn.persistence._model_card.scores import (
    calibration_error,
    class_table,
    classifier_metrics,
    multilabel_metrics,
    regressor_metrics,
    reliability_table,
    score_table,
)

RNG = np.random.default_rng(0)
CLASSES = np.array(["a", "b", "c", "d"])  # d never occurs
Y = CLASSES[RNG.integers(0, 3, 50)]
PROBABILITIES = RNG.dirichlet(np.ones(4), 50)
PREDICTED = CLASSES[PROBABILITIES.argmax(1)]


def test_metrics_of_labels_are_those_of_scikit_learn():
    rows = RNG.integers(0, 50, 30)
    metrics = classifier_metrics(Y, PREDICTED, PROBABILITIES, CLASSES)
    got = {name: metric(rows) for name, metric in metrics.items()}
    y, predicted = Y[rows], PREDICTED[rows]
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        balanced = balanced_accuracy_score(y, predicted)
    assert got == pytest.approx(
        {
            "balanced accuracy": balanced,
            "macro F1": f1_score(y, predicted, average="macro"),
            "log loss": log_loss(y, PROBABILITIES[rows], labels=CLASSES),
        }
    )


def test_a_classifier_without_probabilities_has_no_log_loss():
    assert "log loss" not in classifier_metrics(Y, PREDICTED, None, CLASSES)


def test_metrics_of_numbers_are_those_of_scikit_learn():
    y, predicted = RNG.normal(size=(20, 2)), RNG.normal(size=(20, 2))
    got = {name: metric(np.arange(20)) for name, metric in regressor_metrics(y, predicted).items()}
    expected = (r2_score, mean_absolute_error, root_mean_squared_error)
    assert list(got.values()) == pytest.approx([metric(y, predicted) for metric in expected])


@pytest.mark.parametrize("error", [0.0, 1.0])
def test_r2_of_constant_targets_is_that_of_scikit_learn(error):
    y, predicted = np.ones(5), np.full(5, 1 + error)
    assert regressor_metrics(y, predicted)["R²"](np.arange(5)) == r2_score(y, predicted)


def test_metrics_of_several_labels():
    y, predicted = np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]])
    metrics = multilabel_metrics(y, predicted)
    assert metrics["accuracy of single labels"](np.arange(2)) == 0.75
    assert metrics["macro F1"](np.arange(2)) == pytest.approx((2 / 3 + 1) / 2)


def test_accuracy_has_the_interval_of_wilson():
    right = np.repeat([True, False], [9, 1])
    row = score_table({}, right, 10, 0).loc["accuracy"]
    z, p, n = 1.959963984540054, 0.9, 10  # the published formula
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert [row["value"], row["low"], row["high"]] == pytest.approx(
        [p, middle - half, middle + half]
    )
    assert row["interval"] == "Wilson"


def test_the_bootstrap_finds_the_standard_error_of_a_mean():
    values = RNG.normal(size=400)
    table = score_table({"mean": lambda rows: float(values[rows].mean())}, None, 400, 0)
    row = table.loc["mean"]
    error = values.std() / np.sqrt(400)
    assert row["value"] == values.mean()
    assert row["low"] == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert row["high"] == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)
    assert row["interval"] == "bootstrap"


def test_the_table_of_classes_has_precision_and_recall():
    table = class_table(Y, PREDICTED, CLASSES)
    kept = ["a", "b", "c"]
    how = {"labels": kept, "average": None}
    np.testing.assert_allclose(table.loc[kept, "precision"], precision_score(Y, PREDICTED, **how))
    np.testing.assert_allclose(table.loc[kept, "recall"], recall_score(Y, PREDICTED, **how))
    assert table["samples"].tolist() == [*(int((c == Y).sum()) for c in kept), 0]
    assert (table.loc[kept, "recall_low"] < table.loc[kept, "recall"]).all()
    assert table.loc["d", ["recall", "recall_low", "recall_high"]].isna().all()


def test_a_reliability_table_bins_by_fifteenths():
    confidence = np.array([0.0, 0.05, 0.5, 0.95, 1.0])
    table = reliability_table(confidence, np.array([False, True, True, True, False]))
    expected = pd.DataFrame(
        {
            "low": [0, 7 / 15, 14 / 15],
            "high": [1 / 15, 8 / 15, 1],
            "samples": [2, 1, 2],
            "confidence": [0.025, 0.5, 0.975],
            "accuracy": [0.5, 1, 0.5],
        }
    )
    pd.testing.assert_frame_equal(table, expected, check_dtype=False)
    assert calibration_error(table) == pytest.approx((2 * 0.475 + 0.5 + 2 * 0.475) / 5)
