"""Losses of probabilities and of numbers, and predictions that are neither."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose

from skcnn.exceptions import InputShapeError
from skcnn.inspection import TopLossesDisplay

PICTURES = np.arange(4 * 12, dtype=float).reshape(4, 3, 4)


def test_truth_with_a_probability_of_zero_comes_first():
    prob = [[0.0, 1.0], [0.4, 0.6], [1e-300, 1.0], [0.2, 0.8]]
    display = TopLossesDisplay.from_predictions(PICTURES, [0, 0, 0, 0], y_prob=prob, classes=[0, 1])
    assert list(display.losses.index) == [0, 2, 3, 1]
    assert display.losses["loss"].iloc[0] == np.inf


def test_columns_of_unsorted_classes_are_found():
    prob = [[0.7, 0.1, 0.2]] * 4
    display = TopLossesDisplay.from_predictions(
        PICTURES, ["b", "c", "a", "b"], y_prob=prob, classes=["c", "a", "b"]
    )
    table = display.losses.sort_index()
    assert_allclose(np.exp(-table["loss"]), [0.2, 0.7, 0.1, 0.2])
    assert set(table["predicted"]) == {"c"}


def test_probabilities_of_the_second_class_alone():
    display = TopLossesDisplay.from_predictions(PICTURES, [0, 1, 1, 0], y_prob=[0.1, 0.7, 0.2, 0.9])
    assert_allclose(np.exp(-display.losses.sort_index()["loss"]), [0.9, 0.7, 0.2, 0.1])


def test_losses_of_many_labels_are_finite():
    truth = np.zeros((4, 1200), int)
    prob = np.linspace(0.4, 0.7, 4)[:, None] * np.ones(1200)  # 0.6 ** 1200 is below the smallest
    display = TopLossesDisplay.from_predictions(PICTURES, truth, y_prob=prob)
    assert list(display.losses.index) == [3, 2, 1, 0]
    assert_allclose(display.losses["loss"], -1200 * np.log([0.3, 0.4, 0.5, 0.6]))


def test_multilabel_columns_keep_their_names():
    truth = np.array([[1, 0], [1, 0], [1, 1], [1, 0]])
    display = TopLossesDisplay.from_predictions(
        PICTURES, truth, y_prob=truth * 0.8 + 0.1, classes=["wet", "cold"]
    )
    assert display.losses.sort_index()["true"][0] == ("wet",)
    assert display.losses.sort_index()["predicted"][2] == ("wet", "cold")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"y_true": [0, 1, 2, 0]}, r"previously unseen labels: \[2\]. Known are \[0 1\]"),
        ({"classes": [0, 1, 2]}, "a column for each of the 3 classes"),
        ({"y_prob": [[2.0, -1.0]] * 4}, "between 0 and 1.*from -1 to 2"),
        ({"y_prob": [[0.9, 0.3]] * 4}, "must sum to one.*from 1.2 to 1.2"),
        ({"y_prob": [[0.5, 0.5]] * 3}, "inconsistent numbers of samples"),
        ({"y_true": [0.1, 0.2, 0.3, 0.4]}, "Unknown label type: continuous"),
        ({"y_pred": [1, 2, 3, 4]}, "y_prob for a classifier, or y_pred for a regressor"),
        ({"y_prob": None}, "y_prob for a classifier, or y_pred for a regressor"),
        ({"n_samples": 0}, "n_samples == 0, must be >= 1"),
        ({"y_prob": None, "y_pred": [[1.0, 2.0]] * 4}, "one number a sample"),
        ({"input_shape": (5, 5)}, "input_shape=.5, 5. .25 values. of TopLossesDisplay"),
    ],
    ids=lambda value: None,
)
def test_bad_predictions_are_named(params, message):
    given = {"y_true": [0, 1, 1, 0], "y_prob": [[0.5, 0.5]] * 4, "classes": [0, 1], **params}
    with pytest.raises((ValueError, InputShapeError), match=message):
        TopLossesDisplay.from_predictions(PICTURES, **given)


PREDICTED_CLASSES = {
    "strings": (["b", "a", "b", "b"], ["a", "a", "b", "a"], "Got strings"),
    "true strings": (["b", "a", "b", "b"], [0.1, 0.2, 0.7, 0.4], "Got strings"),
    "a Series of strings": ([0, 1, 1, 0], pd.Series(list("abab")), "Got strings"),
    "a categorical": ([0, 1, 1, 0], pd.Categorical(list("abab")), "Got strings"),
    "integers": ([0, 1, 1, 0], np.array([0, 1, 1, 1]), "a regressor's predictions are floats"),
    "nullable integers": ([0, 1, 1, 0], pd.Series([0, 1, 1, 1], dtype="Int64"), "are floats"),
    "a tensor": (torch.tensor([0, 1, 1, 0]), torch.tensor([0, 1, 1, 1]), "are floats"),
    "booleans": ([False, True, True, True], np.array([0, 1, 1, 1], bool), r"astype\(float\)"),
}


@pytest.mark.parametrize("kind", PREDICTED_CLASSES)
def test_predicted_classes_are_no_numbers(kind):
    y_true, y_pred, got = PREDICTED_CLASSES[kind]
    with pytest.raises(ValueError, match=f"y_pred is for numbers, pass y_prob for classes.*{got}"):
        TopLossesDisplay.from_predictions(PICTURES, y_true, y_pred=y_pred)


@pytest.mark.parametrize(
    ("y_true", "y_pred"),
    [([3, 1, 2, 3], [3.0, 1.0, 4.0, 3.0]), ([3.0, 1.0, 2.0, 3.0], [3, 1, 4, 3])],
    ids=["whole truth", "whole predictions"],
)
def test_whole_numbers_on_one_side_are_numbers(y_true, y_pred):
    display = TopLossesDisplay.from_predictions(PICTURES, y_true, y_pred=y_pred)
    assert display.losses["loss"].tolist() == [2, 0, 0, 0]
