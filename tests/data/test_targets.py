"""Validation of y: labels, indicator matrices and numbers."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.exceptions import DataConversionWarning

from skcnn import ConvNetRegressor
from skcnn._data.images import MOST_CHUNK_ROWS
from skcnn._data.targets import (
    ClassTargets,
    check_labels,
    check_numbers,
    naming_y_val,
    warn_if_other_scale,
)
from skcnn.augmentation import MixUp
from skcnn.exceptions import InputScaleWarning
from tests.helpers.small_nets import tiny

INDICATORS = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 0]])


NO_Y = "requires y to be passed, but the target y is None"


def images(n):
    return np.random.default_rng(0).random((n, 4, 4))


LABELS = {
    "list of strings": (["a", "b", "a"], ["a", "b", "a"]),
    "list of ints": ([3, 1, 3], [3, 1, 3]),
    "bools": ([True, False, True], [True, False, True]),
    "strings": (np.array(["a", "bcd", "a"]), ["a", "bcd", "a"]),
    "objects": (np.array(["a", "bcd", "a"], dtype=object), ["a", "bcd", "a"]),
    "int8": (np.array([-5, 7, 7], np.int8), [-5, 7, 7]),
    "large ints": (np.array([2**60, -5, 7]), [2**60, -5, 7]),
    "whole floats": (np.array([1.0, 2.0, 1.0]), [1.0, 2.0, 1.0]),
    "Series": (pd.Series([2, 9, 2], index=[7, 8, 9]), [2, 9, 2]),
    "Series of strings": (pd.Series(["a", "b", "a"]), ["a", "b", "a"]),
    "Series of string dtype": (pd.Series(["a", "b", "a"], dtype="string"), ["a", "b", "a"]),
    "Series of Int64": (pd.Series([1, 2, 1], dtype="Int64"), [1, 2, 1]),
    "Categorical": (pd.Categorical(["x", "y", "x"]), ["x", "y", "x"]),
    "categorical Series": (pd.Series(["x", "y", "x"], dtype="category"), ["x", "y", "x"]),
    "categorical ints": (pd.Series(pd.Categorical([3, 1, 3])), [3, 1, 3]),
    "tensor": (torch.tensor([1, 0, 1]), [1, 0, 1]),
    "tensor of bools": (torch.tensor([True, False, True]), [True, False, True]),
    "tensor of float64": (
        torch.tensor([2.0**40, 2.0**40 + 1], dtype=torch.float64)[[0, 1, 0]],
        [2.0**40, 2.0**40 + 1, 2.0**40],
    ),
    "tensor of floats": (torch.tensor([1.0, 0.0, 1.0], requires_grad=True), [1.0, 0.0, 1.0]),
}


@pytest.mark.parametrize(("y", "expected"), list(LABELS.values()), ids=list(LABELS))
def test_labels_of_every_kind_become_one_axis(y, expected):
    labels, multilabel = check_labels(y, 3)
    assert labels.tolist() == expected
    assert not multilabel


@pytest.mark.parametrize(("y", "expected"), list(LABELS.values()), ids=list(LABELS))
def test_classifier_predicts_labels_of_the_kind_given(y, expected):
    X = np.array([np.zeros((4, 4)), np.ones((4, 4)), np.zeros((4, 4))])
    model = tiny().fit(X, y)
    assert model.classes_.tolist() == sorted(set(expected))
    assert set(model.predict(X).tolist()) <= set(expected)
    assert model.classes_.dtype == check_labels(y, 3)[0].dtype


@pytest.mark.parametrize(
    "y",
    [
        [[1], [0], [1]],
        np.array([["a"], ["b"], ["a"]]),
        pd.DataFrame({"label": [1, 0, 1]}),
        torch.tensor([[1], [0], [1]]),
    ],
    ids=["list", "strings", "DataFrame", "tensor"],
)
def test_column_of_labels_warns_and_is_flattened(y):
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        labels, multilabel = check_labels(y, 3)
    assert labels.shape == (3,)
    assert not multilabel


@pytest.mark.parametrize(
    "y",
    [
        INDICATORS,
        INDICATORS.tolist(),
        INDICATORS.astype(bool),
        INDICATORS.astype(np.float32),
        pd.DataFrame(INDICATORS),
        torch.from_numpy(INDICATORS),
        sparse.csr_array(INDICATORS),
        sparse.csc_matrix(INDICATORS),
        sparse.coo_array(INDICATORS),
    ],
    ids=["int", "list", "bool", "float", "DataFrame", "tensor", "csr", "csc", "coo"],
)
def test_indicators_of_every_kind_become_a_dense_matrix(y):
    labels, multilabel = check_labels(y, 3)
    assert multilabel
    assert isinstance(labels, np.ndarray)
    np.testing.assert_array_equal(labels, INDICATORS)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_classifier_predicts_indicators(convert):
    y = np.tile(INDICATORS, (4, 1))
    model = tiny().fit(images(12), convert(y))
    assert model.classes_.tolist() == [0, 1, 2]
    predicted = model.predict(images(12))
    assert predicted.shape == y.shape
    assert set(np.unique(predicted)) <= {0, 1}


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (None, NO_Y),
        ([0.5, 1.5, 2.0], "Unknown label type: continuous"),
        ([[0.5, 1.0], [1.0, 2.0], [0.0, 0.0]], "Unknown label type: continuous-multioutput"),
        ([[1, 2], [2, 1], [0, 1]], "multiclass-multioutput.*one column of labels or be a multi"),
        (np.array([["a", "b"]] * 3), "multiclass-multioutput"),
        ([0.0, np.nan, 1.0], "contains NaN"),
        ([0.0, np.inf, 1.0], "contains infinity|Unknown label type"),
        (pd.Series([1, None, 2], dtype="Int64"), "contains NaN|missing"),
        (pd.Series([1, None, 2], dtype="Float64"), "contains NaN|missing"),
        (pd.Series([True, None, False], dtype="boolean"), "contains NaN|missing"),
        ([None, 1, 2], "contains NaN|missing"),
        (np.array([0, 1, "a"], dtype=object), "Unknown label type: unknown"),
        (np.zeros((3, 2, 2)), "Unknown label type: unknown"),
        (np.zeros((3, 0)), "Unknown label type: unknown"),
        ("abc", "Expected array-like"),
        ([0, 1], r"inconsistent numbers of samples: \[3, 2\]"),
        ([0, 1, 0, 1], r"inconsistent numbers of samples: \[3, 4\]"),
        (INDICATORS[:2], r"inconsistent numbers of samples: \[3, 2\]"),
        (sparse.csr_array(INDICATORS[:2]), r"inconsistent numbers of samples: \[3, 2\]"),
    ],
)
def test_unusable_labels_are_named(y, match):
    with pytest.raises(ValueError, match=match):
        check_labels(y, 3)


@pytest.mark.parametrize(
    "y",
    [
        np.array(["a", "b", None], dtype=object),
        np.array(["a", "b", np.nan], dtype=object),
        pd.Series(["a", "b", pd.NA], dtype="string"),
        pd.Categorical(["a", "b", None]),
    ],
    ids=["None", "NaN", "string", "Categorical"],
)
def test_missing_string_labels_are_named(y):
    with pytest.raises(ValueError, match=r"missing|NaN"):
        check_labels(y, 3)


@pytest.mark.parametrize(
    ("classes", "y", "codes"),
    [
        (["a", "b", "c"], ["c", "a", "a"], [2, 0, 0]),
        ([-5, 3, 900], [900, -5, 3], [2, 0, 1]),
        ([1, 5, 9], [5.0, 9.0, 1.0], [1, 2, 0]),
        ([False, True], [True, False], [1, 0]),
        ([0, 1], [True, False], [1, 0]),
        (np.array(["a", "b"], object), ["b", "a"], [1, 0]),
        (["a", "b"], np.array(["b", "a"], object), [1, 0]),
        ([0.0, 2.0], [2, 0], [1, 0]),
    ],
)
def test_codes_are_positions_among_the_classes(classes, y, codes):
    encoded = ClassTargets(np.asarray(classes), multilabel=False).encode(np.asarray(y))
    assert encoded.dtype == np.int64
    assert encoded.tolist() == codes


def test_codes_lead_back_to_the_labels():
    y = np.random.default_rng(0).choice(["x", "yy", "zzz"], 50)
    targets = ClassTargets(np.unique(y), multilabel=False)
    np.testing.assert_array_equal(targets.classes[targets.encode(y)], y)


def test_samples_without_weight_may_have_unseen_labels():
    targets = ClassTargets(np.array([1, 5]), multilabel=False)
    codes = targets.encode(np.array([5, 9, 0, 1]), np.array([1.0, 0.0, 0.0, 2.0]))
    assert codes[[0, 3]].tolist() == [1, 0]
    assert set(codes) <= {0, 1}
    with pytest.raises(ValueError, match=r"unseen labels: \[9\]"):
        targets.encode(np.array([5, 9, 0, 1]), np.array([1.0, 0.5, 0.0, 2.0]))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float64])
def test_indicators_become_bytes(dtype):
    given = INDICATORS.astype(dtype)
    encoded = ClassTargets(np.arange(3), multilabel=True).encode(given)
    assert encoded.dtype == np.uint8
    assert np.shares_memory(encoded, given) == (dtype == np.uint8)
    np.testing.assert_array_equal(encoded, INDICATORS)


def test_indicators_are_checked_in_parts():
    y = np.tile(INDICATORS, (3000, 1)).astype(np.uint8)
    assert len(y) > 2 * MOST_CHUNK_ROWS
    assert check_labels(y, len(y))[1]
    with pytest.raises(ValueError, match=r"must hold zeros and ones only\. Got \[0 3\]"):
        check_labels(3 * y, len(y))


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_fit_does_not_depend_on_the_dtype_of_indicators(loss):
    """Also with mixed targets, and the same images with different labels."""
    X, y = np.tile(images(12), (2, 1, 1)), np.tile(INDICATORS, (8, 1))
    y[12:18] = 1 - y[12:18]
    params = {"loss": loss, "early_stopping": True, "augmentation": [MixUp()]}
    expected = tiny(**params).fit(X, y).predict_proba(X)
    for dtype in (bool, np.uint8, np.float32):
        got = tiny(**params).fit(X, y.astype(dtype)).predict_proba(X)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("classes", "y", "match"),
    [
        ([1, 5, 9], [5, 6, 10, 0, 6], r"unseen labels: \[ 0  6 10\]\. Known are \[1 5 9\]"),
        (["a", "b"], ["abc", "b"], r"unseen labels: \['abc'\]"),
        (["a", "b"], ["b", "zz"], r"unseen labels: \['zz'\]"),
        (["a", "b"], [0, 1], r"unseen labels: \[0 1\]"),
        ([0, 1], ["a", "b"], r"unseen labels: \['a' 'b'\]"),
        ([1.5, 2.5], [2, 1], r"unseen labels: \[1 2\]"),
    ],
)
def test_unseen_labels_are_named(classes, y, match):
    with pytest.raises(ValueError, match=match):
        ClassTargets(np.asarray(classes), multilabel=False).encode(np.asarray(y))


def test_classifier_names_unseen_labels_of_later_data():
    X, y = images(6), np.array(["a", "b"] * 3)
    with pytest.raises(ValueError, match=r"unseen labels: \['c'\]"):
        tiny().fit(X, y, X_val=X, y_val=["a", "b", "c"] * 2)
    model = tiny().partial_fit(X, y, classes=["a", "b"])
    with pytest.raises(ValueError, match=r"unseen labels: \['c'\]"):
        model.partial_fit(X, ["a", "b", "c"] * 2)


NUMBERS = {
    "list": ([1, 2, 3], [1.0, 2.0, 3.0]),
    "float16": (np.array([0.5, 1.5, 2.5], np.float16), [0.5, 1.5, 2.5]),
    "bools": ([True, False, True], [1.0, 0.0, 1.0]),
    "numbers as strings": (["1", "2", "3"], [1.0, 2.0, 3.0]),
    "objects": (np.array([1, 2.5, 3], object), [1.0, 2.5, 3.0]),
    "Series": (pd.Series([1.5, 2, 3], index=[5, 6, 7]), [1.5, 2.0, 3.0]),
    "Series of Int64": (pd.Series([1, 2, 3], dtype="Int64"), [1.0, 2.0, 3.0]),
    "DataFrame": (pd.DataFrame([[1, 2], [3, 4], [5, 6]]), [[1, 2], [3, 4], [5, 6]]),
    "two outputs": ([[1, 2], [3, 4], [5, 6]], [[1, 2], [3, 4], [5, 6]]),
    "tensor": (torch.tensor([1.0, 2.0, 3.0], requires_grad=True), [1.0, 2.0, 3.0]),
    "tensor of bfloat16": (torch.tensor([1.0, 2.0, 3.0], dtype=torch.bfloat16), [1.0, 2.0, 3.0]),
    "tensor of float64": (
        torch.tensor([0.1, 1e9 + 0.1, 3], dtype=torch.float64),
        [0.1, 1e9 + 0.1, 3],
    ),
}


@pytest.mark.parametrize(("y", "expected"), list(NUMBERS.values()), ids=list(NUMBERS))
def test_numbers_of_every_kind_become_float64(y, expected):
    numbers = check_numbers(y, 3)
    assert numbers.dtype == np.float64
    assert numbers.tolist() == expected


def test_column_of_numbers_warns_and_is_flattened():
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        assert check_numbers([[1], [2], [3]], 3).shape == (3,)


@pytest.mark.parametrize(
    ("y", "error", "match"),
    [
        (None, ValueError, NO_Y),
        ([1.0, np.nan, 2.0], ValueError, "Input y contains NaN"),
        ([1.0, np.inf, 2.0], ValueError, "Input y contains infinity"),
        (["a", "b", "c"], ValueError, "could not convert string to float"),
        (np.zeros((3, 1, 1)), ValueError, "dim 3, while dim <= 2 is required"),
        (np.zeros((3, 0)), ValueError, "0 feature"),
        (np.zeros(3, complex), ValueError, "Complex data not supported"),
        (sparse.csr_array(np.eye(3)), TypeError, "Sparse data was passed for y"),
        ([1, 2], ValueError, r"inconsistent numbers of samples: \[3, 2\]"),
        ([[1, 2]] * 4, ValueError, r"inconsistent numbers of samples: \[3, 4\]"),
    ],
)
def test_unusable_numbers_are_named(y, error, match):
    with pytest.raises(error, match=match):
        check_numbers(y, 3)


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e9])
def test_regressor_predicts_in_the_units_of_y(scale):
    X = images(8)
    y = scale * (100 + X.mean((1, 2)))
    predicted = tiny(ConvNetRegressor).fit(X, y).predict(X)
    assert predicted.shape == (8,)
    assert np.all(np.abs(predicted - y.mean()) < 10 * scale)


@pytest.mark.parametrize("outputs", [2, 5])
def test_regressor_predicts_several_outputs(outputs):
    y = np.arange(8 * outputs).reshape(8, outputs) * [*range(1, outputs + 1)]
    assert tiny(ConvNetRegressor).fit(images(8), y).predict(images(8)).shape == y.shape


def test_regressor_names_targets_of_another_shape():
    model = tiny(ConvNetRegressor).partial_fit(images(4), np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"y has shape \(4, 3\).*shape \('n_samples', 2\)"):
        model.partial_fit(images(4), np.zeros((4, 3)))


@pytest.mark.parametrize("y", [[1e200, 0, 3], [[1.0, 0], [2, 1e-200], [3, 1e-200]], [-1e-200] * 3])
def test_numbers_whose_squares_are_no_floats_are_named(y):
    with pytest.raises(ValueError, match=r"y has numbers of up to 1e.200, and float64 cannot hold"):
        check_numbers(y, 3)


@pytest.mark.parametrize("scale", [1e130, 1e-130])
def test_large_and_small_numbers_are_learned(scale):
    y = np.array([0.0, 1, 2, 1, 0, 2])
    expected = tiny(ConvNetRegressor).fit(images(6), y).predict(images(6))
    got = tiny(ConvNetRegressor).fit(images(6), scale * y).predict(images(6))
    np.testing.assert_allclose(got, scale * expected, rtol=1e-4)


NUMBERS = np.random.default_rng(0).normal(loc=50.0, scale=10.0, size=400)


@pytest.mark.parametrize(
    "transform",
    [np.log, np.log1p, np.sqrt, lambda y: (y - 50) / 10, lambda y: y / 100, lambda y: -y],
    ids=["log", "log1p", "sqrt", "standard", "percent", "negative"],
)
@pytest.mark.parametrize("n", [3, 100])
def test_validation_targets_on_another_scale_are_named(transform, n):
    with pytest.warns(InputScaleWarning, match=r"y_val lies in \[.*\], but y in \[.*Transformed"):
        warn_if_other_scale(transform(NUMBERS[:300]), NUMBERS[300:][:n])


def test_validation_targets_of_another_width_are_named():
    centred = NUMBERS - 50
    for y, y_val in ((centred / 10, centred), (centred, centred / 10)):
        with pytest.warns(InputScaleWarning, match="different scales"):
            warn_if_other_scale(y, y_val)


def test_one_column_of_validation_targets_on_another_scale_is_named():
    y = np.c_[NUMBERS, NUMBERS]
    with pytest.warns(InputScaleWarning, match=r"but y in \[0\."):
        warn_if_other_scale(y * [1, 0.01], y)


@pytest.mark.parametrize(
    ("y", "y_val"),
    [
        (NUMBERS[:300], NUMBERS[300:]),
        (NUMBERS[:300], NUMBERS[300:301]),
        (NUMBERS[:300], 1.3 * NUMBERS[300:]),
        (np.exp(NUMBERS[:300] / 5), np.exp(NUMBERS[300:] / 5)),
        (np.zeros(30), np.zeros(30)),
        (np.r_[np.zeros(50), NUMBERS], np.zeros(30)),
    ],
    ids=["same", "one", "drift", "heavy tails", "constant", "zeros"],
)
def test_validation_targets_of_the_same_scale_pass(y, y_val):
    warn_if_other_scale(y, y_val)


@pytest.mark.parametrize(
    ("check", "y", "error", "message"),
    [
        (check_labels, [0.5, 1.5], ValueError, "^y_val cannot be used: Unknown label type"),
        (check_numbers, sparse.csr_array([[1.0]]), TypeError, "^y_val cannot be used: Sparse data"),
    ],
)
def test_errors_of_validation_targets_name_them(check, y, error, message):
    with pytest.raises(error, match=message), naming_y_val():
        check(y, 1)
