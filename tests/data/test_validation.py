"""Validation of X: containers, and every message about a wrong shape or wrong values."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array

from skcnn import ConvNetClassifier
from skcnn._data.validation import check_training_images
from skcnn.exceptions import InputShapeError
from tests.helpers.samples import Reader, fractions
from tests.helpers.small_nets import tiny

N = 6


CONTAINERS = {
    "list of lists": (lambda X: X.tolist(), (12,)),
    "lists, three deep": (lambda X: X.tolist(), (4, 3)),
    "lists, four deep": (lambda X: X.tolist(), (4, 3, 2)),
    "lists, five deep": (lambda X: X.tolist(), (4, 3, 2, 2)),
    "tuples of lists": (lambda X: tuple(X.tolist()), (4, 3)),
    "list of arrays": (list, (4, 3)),
    "list of rows": (list, (12,)),
    "list of tensors": (lambda X: [torch.from_numpy(x) for x in X], (4, 3)),
    "tensor": (torch.from_numpy, (4, 3)),
    "flat tensor": (torch.from_numpy, (12,)),
    "strided tensor": (lambda X: torch.from_numpy(X.swapaxes(1, 2).copy()).mT, (4, 3)),
    "Fortran order": (np.asfortranarray, (4, 3, 2)),
    "flat Fortran order": (np.asfortranarray, (12,)),
    "reversed": (lambda X: X[:, ::-1].copy()[:, ::-1], (4, 3)),
    "every second": (lambda X: np.repeat(X, 2, axis=0)[::2], (4, 3)),
    "DataFrame": (pd.DataFrame, (12,)),
    "objects": (lambda X: X.astype(object), (12,)),
    "images of objects": (lambda X: X.astype(object), (4, 3)),
    "byte-swapped": (lambda X: X.astype(X.dtype.newbyteorder()), (4, 3)),
}


@pytest.mark.parametrize(("contain", "shape"), list(CONTAINERS.values()), ids=list(CONTAINERS))
def test_every_container_is_read(contain, shape):
    X = fractions(*shape)
    reader = Reader().fit(contain(X))
    expected = X.reshape(N, -1).astype(np.float32)
    assert reader.images_.rows.dtype == torch.float32
    np.testing.assert_array_equal(reader.images_.rows.numpy(), expected)
    np.testing.assert_array_equal(reader.read(contain(X)).rows.numpy(), expected)


@pytest.mark.parametrize(
    ("dtype", "requires_grad"),
    [
        (torch.uint8, False),
        (torch.int32, False),
        (torch.bool, False),
        (torch.float16, False),
        (torch.bfloat16, False),
        (torch.float32, True),
        (torch.float64, False),
        (torch.float64, True),
    ],
    ids=str,
)
def test_tensors_of_every_dtype_are_read(dtype, requires_grad):
    X = (torch.arange(N * 12).reshape(N, 4, 3) % 7).to(dtype)
    X = (X / 8 if dtype.is_floating_point else X).requires_grad_(requires_grad)
    images = Reader().fit(X).images_
    assert images.rows.dtype == (torch.float32 if dtype.is_floating_point else torch.uint8)
    assert not images.rows.requires_grad
    assert torch.equal(images.rows.double(), X.detach().double().reshape(N, -1))


def test_dataframe_column_names_are_recorded_and_checked():
    names = [f"pixel{i}" for i in range(12)]
    X = pd.DataFrame(fractions(12), columns=names)
    model = tiny(input_shape=(4, 3)).fit(X, np.arange(N) % 2)
    assert model.feature_names_in_.tolist() == names
    assert model.predict(X).shape == (N,)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(X[names[::-1]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X.to_numpy())
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X.to_numpy().reshape(N, 4, 3))


def test_dataframe_with_numbered_columns_records_no_names():
    assert not hasattr(Reader().fit(pd.DataFrame(fractions(12))), "feature_names_in_")


def test_fit_on_an_array_forgets_column_names():
    X = pd.DataFrame(fractions(12)).rename(columns="p{}".format)
    reader = Reader().fit(X)
    assert not hasattr(reader.fit(fractions(3, 4)), "feature_names_in_")


NEEDLESS_AXES = np.zeros((2, 3, 3, 3, 3, 3))


@pytest.mark.parametrize(
    ("params", "X", "match"),
    [
        ({}, NEEDLESS_AXES, r"X has 6 axes .*accepts 2 to 5"),
        ({}, NEEDLESS_AXES.tolist(), r"X has 6 axes .*accepts 2 to 5"),
        ({}, np.zeros((2, 0, 3)), r"empty axis \(shape=\(2, 0, 3\)\)"),
        ({}, np.zeros((2, 3, 3, 0)), r"empty axis \(shape=\(2, 3, 3, 0\)\)"),
        ({"input_shape": (5, 5)}, np.zeros((2, 24)), r"shape \(24,\) \(24 values\).*\(25 values\)"),
        ({"input_shape": (5, 4)}, np.zeros((2, 4, 5)), r"do not fit input_shape=\(5, 4\)"),
        ({"input_shape": (4, 4, 3)}, np.zeros((2, 3, 4, 4)), r"do not fit input_shape"),
        ({"input_shape": (4, 4, 3)}, np.zeros((2, 4, 4)), r"do not fit input_shape"),
        ({"input_shape": (4, 4)}, np.zeros((2, 4, 4, 2)), r"do not fit input_shape"),
        ({"input_shape": (7,)}, np.zeros((2, 6)), r"do not fit input_shape=\(7,\)"),
        ({"input_shape": (3, 4, 4)}, np.zeros((2, 4, 4)), r"of Reader with channels='last'"),
        ({"input_shape": ()}, np.zeros((2, 4)), r"'input_shape' parameter must be a tuple of 1"),
        ({"input_shape": (1,) * 5}, np.zeros((2, 1)), r"'input_shape' parameter.*Got \(1, 1, 1"),
        ({"input_shape": (4, 0)}, np.zeros((2, 4)), r"integers >= 1.*Got \(4, 0\)"),
        ({"input_shape": (-2, -2)}, np.zeros((2, 4)), r"integers >= 1.*Got \(-2, -2\)"),
        ({"input_shape": (2.0, 2.0)}, np.zeros((2, 4)), r"integers >= 1.*Got \(2.0, 2.0\)"),
        ({"input_shape": (True, 4)}, np.zeros((2, 4)), r"integers >= 1.*Got \(True, 4\)"),
        ({"input_shape": ("2", 2)}, np.zeros((2, 4)), r"integers >= 1.*Got \('2', 2\)"),
        ({"input_shape": "22"}, np.zeros((2, 4)), r"'input_shape' parameter.*Got '22'"),
        ({"input_shape": 4}, np.zeros((2, 4)), r"'input_shape' parameter.*Got 4"),
    ],
)
def test_fit_names_a_wrong_shape(params, X, match):
    with pytest.raises(InputShapeError, match=match):
        Reader(**params).fit(X)


@pytest.mark.parametrize(
    ("X", "error", "match"),
    [
        (np.array([[1e39, 0.5]]), ValueError, r"values too large for dtype\('float32'\)"),
        (np.full((1, 2, 2), -1e300), ValueError, r"values too large for dtype\('float32'\)"),
        (np.array([[np.nan, 1.0]]), ValueError, "contains NaN"),
        (np.full((1, 2, 2), np.inf), ValueError, "contains infinity"),
        (np.zeros(4), ValueError, "Expected 2D array, got 1D"),
        (np.zeros((0, 4)), ValueError, "0 sample"),
        (np.zeros((0, 4, 4)), ValueError, "0 sample"),
        (np.zeros((4, 0)), ValueError, "0 feature"),
        ([[[1, 2], [3]]], ValueError, "inhomogeneous"),
        (np.zeros((1, 2), complex), ValueError, "Complex data not supported"),
        (np.zeros((1, 2, 2), complex), ValueError, "Complex data not supported"),
        (csr_array(np.eye(3)), TypeError, "Sparse data was passed"),
        ([["a", "b"]], ValueError, "could not convert|dtype='numeric'"),
    ],
)
def test_fit_rejects_values_that_are_no_numbers(X, error, match):
    with pytest.raises(error, match=match):
        Reader().fit(X)


def test_too_few_samples_are_an_error():
    reader = Reader()
    with pytest.raises(ValueError, match="minimum of 3"):
        check_training_images(reader, fractions(4, n=2), min_samples=3)
    with pytest.raises(ValueError, match="minimum of 3"):
        check_training_images(reader, fractions(4, 4, n=2), min_samples=3)


WRONG_AT_PREDICT = [
    # fitted on, channels, got, match
    ((6, 5), "last", (5, 6), r"samples of shape \(5, 6\), but Reader was fitted on .*\(6, 5, 1\)"),
    ((6, 5), "last", (6, 5, 3), r"fitted on samples of shape \(6, 5, 1\)"),
    ((6, 5, 3), "last", (6, 5), r"samples of shape \(6, 5\)"),
    ((6, 5, 3), "last", (6, 4, 3), r"samples of shape \(6, 4, 3\).*\(channels last\)\.$"),
    ((6, 5, 3), "last", (3, 6, 5), r"numpy\.moveaxis"),
    ((6, 5, 1), "last", (1, 6, 5), r"numpy\.moveaxis"),
    ((3, 6, 5), "first", (6, 5, 3), r"\(channels first\).*numpy\.moveaxis"),
    ((5, 6, 7, 2), "last", (2, 5, 6, 7), r"numpy\.moveaxis"),
    ((6, 5, 3), "last", (6, 5, 3, 1), r"samples of shape \(6, 5, 3, 1\)"),
    ((6, 5, 3), "last", (90, 1), r"samples of shape \(90, 1\)"),
    ((12,), "last", (3, 4), r"samples of shape \(3, 4\)"),
]


@pytest.mark.parametrize(("fitted", "channels", "got", "match"), WRONG_AT_PREDICT)
def test_predict_names_a_wrong_shape(fitted, channels, got, match):
    reader = Reader(channels=channels).fit(fractions(*fitted))
    with pytest.raises(InputShapeError, match=match):
        reader.read(fractions(*got))


def test_predict_names_swapped_signals():
    reader = Reader(n_spatial_dims=1).fit(fractions(20, 3))
    with pytest.raises(InputShapeError, match=r"numpy\.moveaxis"):
        reader.read(fractions(3, 20))


def test_predict_counts_features_of_flat_rows():
    reader = Reader().fit(fractions(4, 3))
    with pytest.raises(ValueError, match="X has 11 features, but Reader is expecting 12 features"):
        reader.read(fractions(11))


def test_estimator_names_a_wrong_shape_at_predict():
    model = tiny().fit(fractions(6, 5, 3), np.arange(N) % 2)
    with pytest.raises(InputShapeError, match=r"ConvNetClassifier was fitted.*numpy\.moveaxis"):
        model.predict(fractions(3, 6, 5))
    with pytest.raises(InputShapeError, match=r"ConvNetClassifier was fitted"):
        model.predict_proba(fractions(6, 6, 3))


def test_estimator_names_a_wrong_shape_at_partial_fit():
    model = tiny().partial_fit(fractions(6, 5), np.arange(N) % 2, classes=[0, 1])
    with pytest.raises(InputShapeError, match=r"was fitted on samples of shape \(6, 5, 1\)"):
        model.partial_fit(fractions(5, 6), np.arange(N) % 2)


@pytest.mark.parametrize("input_shape", [(5, 5), (0, 30), (30.0,), ()])
def test_estimator_names_a_wrong_input_shape(input_shape):
    with pytest.raises(InputShapeError, match="input_shape"):
        tiny(input_shape=input_shape).fit(fractions(30), np.arange(N) % 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.int16])
def test_small_arrays_are_read_as_check_array_reads_them(monkeypatch, dtype):
    X = (np.arange(10 * 6 * 6) % 200).reshape(10, 6, 6).astype(dtype)
    model = ConvNetClassifier(filters=4, max_epochs=1, random_state=0).fit(X, np.arange(10) % 2)
    quick = model.decision_function(X)
    monkeypatch.setattr("skcnn._data.validation._is_plainly_fine", lambda X: False)
    np.testing.assert_array_equal(model.decision_function(X), quick)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_small_array_at_predict_must_be_finite(value):
    X = np.random.default_rng(0).normal(size=(10, 6, 6)).astype(np.float32)
    model = ConvNetClassifier(filters=4, max_epochs=1, random_state=0).fit(X, np.arange(10) % 2)
    X[3, 2, 1] = value
    with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
        model.predict(X)
