"""Sample weights and class weights."""

import numpy as np
import pandas as pd
import pytest
import torch

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._data.targets import ClassTargets
from skcnn._data.weights import check_weights, class_weight_per_code
from tests.helpers.small_nets import tiny


def images(n):
    return np.random.default_rng(0).random((n, 4, 4))


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (2.0, [2.0, 2.0, 2.0]),
        ([1, 0, 3], [1.0, 0.0, 3.0]),
        ([True, False, True], [1.0, 0.0, 1.0]),
        (np.array([1, 2, 3], np.float32), [1.0, 2.0, 3.0]),
        (pd.Series([1, 2, 3], index=[5, 6, 7]), [1.0, 2.0, 3.0]),
        (torch.tensor([1.0, 2.0, 3.0], requires_grad=True), [1.0, 2.0, 3.0]),
        (torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64), [0.1, 0.2, 0.3]),
        (torch.tensor([1.0, 2.0, 3.0], dtype=torch.bfloat16), [1.0, 2.0, 3.0]),
    ],
)
def test_weights_of_every_kind_become_float64(weights, expected):
    checked = check_weights(weights, 3)
    assert checked.dtype == np.float64
    assert checked.tolist() == expected


def test_no_weights_stay_none():
    assert check_weights(None, 3) is None


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        ([1, -1, 1], "Negative values.*sample_weight"),
        (-1.0, "Negative values.*sample_weight"),
        ([0, 0, 0], "at least one non-zero"),
        (0.0, "at least one non-zero"),
        ([[1], [2], [3]], "must be 1D array or scalar, got 2D"),
        ([[1, 2, 3]], "must be 1D array or scalar, got 2D"),
        ([1, 2], r"sample_weight.shape == \(2,\), expected \(3,\)"),
        ([1, np.nan, 1], "sample_weight contains NaN"),
        ([1, np.inf, 1], "sample_weight contains infinity"),
        (["a", "b", "c"], "could not convert string to float"),
    ],
)
def test_unusable_weights_are_named(weights, match):
    with pytest.raises(ValueError, match=match):
        check_weights(weights, 3)


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_estimators_name_unusable_weights(cls):
    with pytest.raises(ValueError, match="Negative values"):
        tiny(cls).fit(images(4), [0, 1, 0, 1], sample_weight=[1, 1, 1, -1])


TARGETS = ClassTargets(np.array(["a", "b", "c"]), multilabel=False)


CODES = np.array([0, 0, 0, 1, 2, 2])


@pytest.mark.parametrize(
    ("class_weight", "weights", "expected"),
    [
        ("balanced", None, [6 / 9, 6 / 3, 6 / 6]),
        ("balanced", [1.0, 1, 1, 3, 1, 1], [8 / 9, 8 / 9, 8 / 6]),
        ({"a": 2.0}, None, [2, 1, 1]),
        ({"a": 2, "b": 3, "c": 0}, None, [2, 3, 0]),
        ({"a": 2, "b": 3, "c": 4, "z": 9}, None, [2, 3, 4]),  # a class that a fold lacks
        ({"a": 2, "b": 3, "c": 4}, [1.0, 1, 1, 3, 1, 1], [2, 3, 4]),
        ({"a": 0}, None, [0, 1, 1]),
        ({}, None, [1, 1, 1]),
    ],
)
def test_class_weights_per_code(class_weight, weights, expected):
    weights = None if weights is None else np.array(weights)
    factors = class_weight_per_code(class_weight, TARGETS, CODES, weights)
    np.testing.assert_allclose(factors, expected)


def test_no_class_weights_stay_none():
    assert class_weight_per_code(None, TARGETS, CODES, None) is None


@pytest.mark.parametrize("labels", [[1, 5, 9], [True, False], ["x", "y"]])
def test_class_weights_are_found_by_label(labels):
    classes = np.unique(labels)
    targets = ClassTargets(classes, multilabel=False)
    given = {label: 10.0 + i for i, label in enumerate(classes)}  # keys are NumPy scalars
    factors = class_weight_per_code(given, targets, np.arange(len(classes)), None)
    np.testing.assert_array_equal(factors, 10.0 + np.arange(len(classes)))


@pytest.mark.parametrize(
    ("class_weight", "targets", "match"),
    [
        ({0: 1}, TARGETS, r"weights for \[0\], which are not.*Give labels of the same type"),
        ({"z": -1.0}, TARGETS, "class_weight"),
        ({"a": -1.0}, TARGETS, "class_weight"),
        ({"a": np.nan}, TARGETS, "class_weight"),
        ({"a": np.inf}, TARGETS, "class_weight"),
        ({"a": 0, "b": 0, "c": 0}, TARGETS, "class_weight"),
        ("balanced", ClassTargets(np.arange(3), True), r"must be None for multilabel.*'balanced'"),
        ({0: 1}, ClassTargets(np.arange(3), True), r"must be None for multilabel.*sample_weight"),
    ],
)
def test_unusable_class_weights_are_named(class_weight, targets, match):
    with pytest.raises(ValueError, match=match):
        class_weight_per_code(class_weight, targets, CODES, None)


def test_class_weight_of_an_unknown_label_warns_if_a_class_has_none():
    match = r"weights for \['z'\], .* classes \['a' 'b' 'c'\]. The classes \['b', 'c'\] have"
    with pytest.warns(UserWarning, match=match):
        factors = class_weight_per_code({"a": 2, "z": 9}, TARGETS, CODES, None)
    np.testing.assert_array_equal(factors, [2, 1, 1])


def test_class_weight_of_a_class_that_a_fold_lacks_trains_like_without():
    X, y = images(6), np.array(["a", "b"] * 3)
    weights = {"a": 3.0, "b": 1.0}
    model, other = tiny(class_weight=weights), tiny(class_weight={**weights, "c": 5.0})
    np.testing.assert_array_equal(
        model.fit(X, y).predict_proba(X), other.fit(X, y).predict_proba(X)
    )


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        ([1, 1, 1, -1], "Negative values in data passed to `sample_weight_val`"),
        ([1, 1], r"sample_weight_val.shape == \(2,\), expected \(4,\)"),
        (np.zeros(4), "sample_weight_val must"),
        (np.ones((4, 1)), "sample_weight_val must be 1D"),
    ],
)
def test_unusable_weights_have_the_name_of_their_argument(weights, match):
    with pytest.raises(ValueError, match=match):
        check_weights(weights, 4, "sample_weight_val")


def test_balanced_class_weights_name_themselves_where_a_class_is_missing():
    model = tiny(class_weight="balanced")
    with pytest.raises(ValueError, match="class_weight"):
        model.partial_fit(images(4), ["a", "b", "a", "b"], classes=["a", "b", "c"])


def test_class_weight_trains_like_sample_weight():
    X, y = images(6), np.array(["a", "b"] * 3)
    by_class = tiny(class_weight={"a": 3.0}).fit(X, y)
    by_sample = tiny().fit(X, y, sample_weight=np.where(y == "a", 3.0, 1.0))
    np.testing.assert_array_equal(by_class.predict_proba(X), by_sample.predict_proba(X))


def test_classifier_names_multilabel_class_weights():
    with pytest.raises(ValueError, match="must be None for multilabel"):
        tiny(class_weight="balanced").fit(images(3), np.eye(3, dtype=int))


@pytest.mark.parametrize("exponent", [-1022, -400, 31, 400, 1020])
@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_very_large_and_small_weights_train_like_their_ratios(cls, exponent):
    X, y = np.random.default_rng(0).random((8, 6)), np.arange(8) % 2
    ratios = np.array([1.0, 2, 3, 1, 5, 2, 1, 1])
    expected = tiny(cls).fit(X, y, sample_weight=ratios).predict(X)
    got = tiny(cls).fit(X, y, sample_weight=np.ldexp(ratios, exponent)).predict(X)
    np.testing.assert_array_equal(got, expected)


def test_very_large_class_weights_count_by_their_ratio():
    codes, targets = np.array([0, 1, 1]), ClassTargets(np.array([0, 1]), multilabel=False)
    factors = class_weight_per_code({0: 2.0**1000, 1: 2.0**999}, targets, codes, None)
    assert (factors[0] / factors[1], np.isfinite(factors).all()) == (2, True)


def test_weights_with_a_ratio_beyond_float64_are_named():
    with pytest.raises(
        ValueError, match=r"sample_weight argument has weights from 1e-308 to 1e.308"
    ):
        check_weights([1e308, 1e-308], 2)
    targets = ClassTargets(np.array([0, 1]), multilabel=False)
    with pytest.raises(ValueError, match="'class_weight' parameter has weights from 1e-308"):
        class_weight_per_code({0: 1e308, 1: 1e-308}, targets, np.array([0, 1]), None)
