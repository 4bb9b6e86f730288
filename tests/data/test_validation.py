"""The input gate: every form of X, value by value, and every message it can give."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.preprocessing import MinMaxScaler

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._data.images import MOST_CHUNK_ROWS, Images, InputLayout, ValueRange
from skcnn._data.validation import check_images, check_training_images
from skcnn.exceptions import InputLayoutWarning, InputScaleWarning, InputShapeError

N = 6


class Gate(BaseEstimator):
    """An estimator that is nothing but the gate."""

    def __init__(self, input_shape=None, channels="last"):
        self.input_shape = input_shape
        self.channels = channels

    def fit(self, X):
        self.images_ = check_training_images(self, X, self.input_shape, self.channels)
        return self

    def read(self, X, **how):
        return check_images(self, X, **how)


@dataclass(frozen=True)
class Form:
    """A row of the table of accepted forms."""

    X: tuple[int, ...]  # without the samples' axis
    shape: tuple[int, ...]  # input_shape_
    network: tuple[int, ...]  # (n_channels, *spatial)
    input_shape: tuple[int, ...] | None = None
    channels: str = "last"


FORMS = {
    "flat": Form((12,), (12, 1), (1, 12)),
    "flat of length one": Form((1,), (1, 1), (1, 1)),
    "flat, first": Form((12,), (1, 12), (1, 12), channels="first"),
    "flat as grey": Form((30,), (6, 5, 1), (1, 6, 5), (6, 5)),
    "flat as grey, first": Form((30,), (1, 6, 5), (1, 6, 5), (6, 5), "first"),
    "flat as signal": Form((30,), (30, 1), (1, 30), (30,)),
    "flat as signal, first": Form((30,), (1, 30), (1, 30), (30,), "first"),
    "flat as grey with its axis": Form((30,), (6, 5, 1), (1, 6, 5), (6, 5, 1)),
    "flat as colour": Form((90,), (6, 5, 3), (3, 6, 5), (6, 5, 3)),
    "flat as colour, first": Form((90,), (3, 6, 5), (3, 6, 5), (3, 6, 5), "first"),
    "flat as volumes": Form((48,), (4, 3, 2, 2), (2, 4, 3, 2), (4, 3, 2, 2)),
    "flat as volumes, first": Form((48,), (2, 4, 3, 2), (2, 4, 3, 2), (2, 4, 3, 2), "first"),
    "grey": Form((6, 5), (6, 5, 1), (1, 6, 5)),
    "grey, first": Form((6, 5), (1, 6, 5), (1, 6, 5), channels="first"),
    "grey with input_shape": Form((6, 5), (6, 5, 1), (1, 6, 5), (6, 5, 1)),
    "grey with input_shape, first": Form((6, 5), (1, 6, 5), (1, 6, 5), (1, 6, 5), "first"),
    "one channel": Form((6, 5, 1), (6, 5, 1), (1, 6, 5)),
    "two channels": Form((6, 5, 2), (6, 5, 2), (2, 6, 5)),
    "three channels": Form((6, 5, 3), (6, 5, 3), (3, 6, 5)),
    "four channels": Form((6, 5, 4), (6, 5, 4), (4, 6, 5)),
    "five channels": Form((6, 5, 5), (6, 5, 5), (5, 6, 5)),
    "colour with input_shape": Form((6, 5, 3), (6, 5, 3), (3, 6, 5), (6, 5, 3)),
    "one channel, first": Form((1, 6, 5), (1, 6, 5), (1, 6, 5), channels="first"),
    "three channels, first": Form((3, 6, 5), (3, 6, 5), (3, 6, 5), channels="first"),
    "five channels, first": Form((5, 6, 7), (5, 6, 7), (5, 6, 7), channels="first"),
    "signals": Form((20, 3), (20, 3), (3, 20), (20, 3)),
    "signals, first": Form((3, 20), (3, 20), (3, 20), (3, 20), "first"),
    "signals of one channel": Form((20, 1), (20, 1), (1, 20), (20,)),
    "volumes": Form((5, 6, 7, 2), (5, 6, 7, 2), (2, 5, 6, 7)),
    "volumes of one channel": Form((5, 6, 7, 1), (5, 6, 7, 1), (1, 5, 6, 7)),
    "volumes, first": Form((2, 5, 6, 7), (2, 5, 6, 7), (2, 5, 6, 7), channels="first"),
    "volumes without channels": Form((5, 6, 7), (5, 6, 7, 1), (1, 5, 6, 7), (5, 6, 7, 1)),
}
FEW = ("flat", "flat as colour", "flat as grey, first", "grey", "three channels, first", "signals")


def by_name(forms):
    return pytest.mark.parametrize("form", list(forms.values()), ids=list(forms))


def fractions(*shape, n=N):
    return np.random.default_rng(0).random((n, *shape))


def as_network(X, form):
    """Return X as (n_samples, n_channels, *spatial), by NumPy alone."""
    X = np.asarray(X).reshape(len(X), *form.shape)
    return np.moveaxis(X, -1, 1) if form.channels == "last" else X


def as_images(rows):
    return Images(torch.from_numpy(rows), InputLayout((rows.shape[1], 1), "last"))


def tiny(cls=ConvNetClassifier, **params):
    small = {"filters": (2,), "hidden_units": (4,), "max_epochs": 1, "random_state": 0}
    return cls(**small | params)


# Forms


@by_name(FORMS)
def test_gate_reads_every_form(form):
    X = fractions(*form.X)
    gate = Gate(form.input_shape, form.channels).fit(X)
    assert gate.input_shape_ == form.shape
    assert gate.n_features_in_ == np.prod(form.shape)
    assert gate.images_.layout.network_shape == form.network
    assert gate.images_.layout.n_channels == form.network[0]
    assert gate.images_.layout.spatial == form.network[1:]
    assert len(gate.images_) == N


@by_name(FORMS)
def test_batches_equal_the_numpy_transposition(form):
    X = fractions(*form.X).astype(np.float32)
    images = Gate(form.input_shape, form.channels).fit(X).images_
    expected = as_network(X, form)
    index = torch.tensor([4, 0, 0, 5])
    assert images.take(index).shape == (4, *form.network)
    np.testing.assert_array_equal(images.take(index).numpy(), expected[index])
    np.testing.assert_array_equal(images.as_batch(images.rows[1:4]).numpy(), expected[1:4])


@by_name(FORMS)
def test_predict_gate_reads_what_was_fitted_and_flat_rows(form):
    X = fractions(*form.X).astype(np.float32)
    gate = Gate(form.input_shape, form.channels).fit(X)
    for same in (X, X.reshape(N, -1), X.reshape(N, *form.shape)):
        np.testing.assert_array_equal(gate.read(same).rows.numpy(), X.reshape(N, -1))


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
@by_name({name: FORMS[name] for name in FEW})
def test_estimators_take_the_form(form, cls):
    X = fractions(*form.X)
    y = np.arange(N) % 2
    model = tiny(cls, input_shape=form.input_shape, channels=form.channels).fit(X, y)
    assert model.input_shape_ == form.shape
    assert model.predict(X).shape == (N,)
    np.testing.assert_array_equal(model.predict(X.reshape(N, -1)), model.predict(X))


def test_layouts_of_the_same_images_train_the_same_network():
    X, y = fractions(6, 5, 3), np.arange(N) % 2
    last = tiny().fit(X, y)
    flat = tiny(input_shape=(6, 5, 3)).fit(X.reshape(N, -1), y)
    np.testing.assert_array_equal(last.predict_proba(X), flat.predict_proba(X))


# Containers

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
def test_gate_reads_every_container(contain, shape):
    X = fractions(*shape)
    gate = Gate().fit(contain(X))
    expected = X.reshape(N, -1).astype(np.float32)
    assert gate.images_.rows.dtype == torch.float32
    np.testing.assert_array_equal(gate.images_.rows.numpy(), expected)
    np.testing.assert_array_equal(gate.read(contain(X)).rows.numpy(), expected)


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
def test_gate_reads_tensors_of_every_dtype(dtype, requires_grad):
    X = (torch.arange(N * 12).reshape(N, 4, 3) % 7).to(dtype)
    X = (X / 8 if dtype.is_floating_point else X).requires_grad_(requires_grad)
    images = Gate().fit(X).images_
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
    assert not hasattr(Gate().fit(pd.DataFrame(fractions(12))), "feature_names_in_")


def test_fit_on_an_array_forgets_column_names():
    X = pd.DataFrame(fractions(12)).rename(columns="p{}".format)
    gate = Gate().fit(X)
    assert not hasattr(gate.fit(fractions(3, 4)), "feature_names_in_")


@pytest.mark.parametrize("shape", [(12,), (4, 3), (4, 3, 2)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_memory_map_is_not_copied(tmp_path, dtype, shape):
    X = (fractions(*shape) * (255 if dtype == "uint8" else 1)).astype(dtype)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    gate = Gate().fit(mapped)
    for images in (gate.images_, gate.read(mapped)):
        assert np.shares_memory(images.rows.numpy(), mapped)
        np.testing.assert_array_equal(images.rows.numpy(), X.reshape(N, -1))


@pytest.mark.parametrize("shape", [(12,), (4, 3), (4, 3, 2)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_plain_array_is_not_copied(dtype, shape):
    X = (fractions(*shape) * (255 if dtype == "uint8" else 1)).astype(dtype)
    assert np.shares_memory(Gate().fit(X).images_.rows.numpy(), X)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_read_only_array_is_read_and_left_alone(dtype):
    X = (fractions(6, 5) * 255).astype(dtype)
    before = X.copy()
    X.flags.writeable = False
    y = np.arange(N) % 2
    model = tiny().fit(X, y)
    model.predict(X)
    np.testing.assert_array_equal(X, before)
    assert not X.flags.writeable


def test_estimator_trains_on_a_memory_map_like_on_memory(tmp_path):
    X, y = (fractions(6, 5) * 255).astype(np.uint8), np.arange(N) % 2
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    expected = tiny().fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(tiny().fit(mapped, y).predict_proba(mapped), expected)


# Data types

DTYPES = [
    "uint8", "int8", "uint16", "int16", "int32", "int64", "uint64",
    "float16", "float32", "float64", "longdouble", "bool",
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_whole_numbers_that_fit_a_byte_become_bytes_at_fit(dtype):
    X = (np.arange(N * 12).reshape(N, 4, 3) % 100).astype(dtype)
    images = Gate().fit(X).images_
    assert images.rows.dtype == torch.uint8
    np.testing.assert_array_equal(images.rows.numpy(), X.reshape(N, -1).astype(np.uint8))


@pytest.mark.parametrize(
    ("X", "dtype"),
    [
        ([[0, 255]], torch.uint8),
        ([[0, 256]], torch.float32),
        ([[-1, 255]], torch.float32),
        ([[0.0, 255.0]], torch.uint8),
        ([[-0.0, 255.0]], torch.uint8),
        ([[0.0, 255.5]], torch.float32),
        ([[0.5, 1.0]], torch.float32),
        ([[-1.0, 255.0]], torch.float32),
        ([[0.0, 256.0]], torch.float32),
        ([[2**24, 0]], torch.float32),
        ([[False, True]], torch.uint8),
    ],
)
def test_rows_are_bytes_where_all_values_are(X, dtype):
    rows = Gate().fit(np.array(X)).images_.rows
    assert rows.dtype == dtype
    np.testing.assert_array_equal(rows.numpy(), X)


def test_one_fraction_far_down_keeps_floats():
    X = np.zeros((5000, 2))  # more than one chunk
    X[-1, -1] = 0.5
    assert Gate().fit(X).images_.rows.dtype == torch.float32


@pytest.mark.parametrize(
    ("dtype", "compact", "expected"),
    [
        ("uint8", False, torch.uint8),
        ("bool", False, torch.uint8),
        ("int64", False, torch.float32),
        ("float64", False, torch.float32),
        ("int64", True, torch.uint8),
        ("float64", True, torch.uint8),
    ],
)
def test_predict_gate_dtype(dtype, compact, expected):
    X = (np.arange(N * 12).reshape(N, 12) % 2).astype(dtype)
    rows = Gate().fit(X).read(X, compact=compact).rows
    assert rows.dtype == expected
    np.testing.assert_array_equal(rows.numpy(), X)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float32", "float64"])
def test_estimator_gives_the_same_bits_for_any_dtype(dtype):
    X, y = (fractions(6, 5) * 255).astype(np.uint8), np.arange(N) % 2
    expected = tiny().fit(X, y).predict_proba(X)
    other = X.astype(dtype)
    np.testing.assert_array_equal(tiny().fit(other, y).predict_proba(other), expected)


# Errors

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
        ({"input_shape": (4, 4)}, np.zeros((2, 4, 4, 1)), r"do not fit input_shape"),
        ({"input_shape": (7,)}, np.zeros((2, 6)), r"do not fit input_shape=\(7,\)"),
        ({"input_shape": (3, 4, 4)}, np.zeros((2, 4, 4)), r"of Gate with channels='last'"),
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
def test_fit_gate_names_a_wrong_shape(params, X, match):
    with pytest.raises(InputShapeError, match=match):
        Gate(**params).fit(X)


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
def test_fit_gate_rejects_what_is_no_number(X, error, match):
    with pytest.raises(error, match=match):
        Gate().fit(X)


def test_predict_gate_rejects_values_too_large():
    gate = Gate().fit(fractions(4))
    with pytest.raises(ValueError, match="too large"):
        gate.read(np.full((1, 4), 1e39))


def test_gate_asks_for_enough_samples():
    gate = Gate()
    with pytest.raises(ValueError, match="minimum of 3"):
        check_training_images(gate, fractions(4, n=2), None, "last", min_samples=3)
    with pytest.raises(ValueError, match="minimum of 3"):
        check_training_images(gate, fractions(4, 4, n=2), None, "last", min_samples=3)


WRONG_AT_PREDICT = [
    # fitted on, channels, got, match
    ((6, 5), "last", (5, 6), r"samples of shape \(5, 6\), but Gate was fitted on .*\(6, 5, 1\)"),
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
def test_predict_gate_names_a_wrong_shape(fitted, channels, got, match):
    gate = Gate(channels=channels).fit(fractions(*fitted))
    with pytest.raises(InputShapeError, match=match):
        gate.read(fractions(*got))


def test_predict_gate_names_swapped_signals():
    gate = Gate(input_shape=(20, 3)).fit(fractions(20, 3))
    with pytest.raises(InputShapeError, match=r"numpy\.moveaxis"):
        gate.read(fractions(3, 20))


def test_predict_gate_counts_features_of_flat_rows():
    gate = Gate().fit(fractions(4, 3))
    with pytest.raises(ValueError, match="X has 11 features, but Gate is expecting 12 features"):
        gate.read(fractions(11))


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


# Warnings of another layout


@pytest.mark.parametrize(
    ("shape", "params", "match"),
    [
        ((3, 8, 6), {}, r"channels='last' have 6 channels and a side of 3.*channels='first'"),
        ((1, 8, 6), {}, r"have 6 channels and a side of 1"),
        ((4, 8, 8), {}, r"have 8 channels and a side of 4"),
        ((8, 6, 3), {"channels": "first"}, r"have 8 channels and a side of 3.*channels='last'"),
        ((144,), {"input_shape": (3, 6, 8)}, r"have 8 channels and a side of 3"),
        ((3, 5, 6, 7), {}, r"have 7 channels and a side of 3"),
        ((8, 6), {"input_shape": (8, 6)}, r"signals of length 8 with 6 channels.*\(8, 6, 1\)"),
        ((28, 28), {"input_shape": (28, 28)}, r"input_shape=\(28, 28\) with three-dimensional X"),
        ((8, 6), {"input_shape": (8, 6), "channels": "first"}, r"signals of length 6 with 8"),
    ],
)
def test_fit_gate_warns_of_swapped_axes(shape, params, match):
    with pytest.warns(InputLayoutWarning, match=match):
        Gate(**params).fit(fractions(*shape))


@pytest.mark.parametrize(
    ("shape", "params"),
    [
        ((8, 6, 3), {}),
        ((4, 4, 4), {}),
        ((3, 3, 1), {}),
        ((2, 3, 4), {}),
        ((8, 6, 31), {}),  # many channels, no side that could be the channels
        ((31, 8, 6), {"channels": "first"}),
        ((3, 8), {}),  # a grey image of three rows
        ((20, 3), {"input_shape": (20, 3)}),
        ((3, 20), {"input_shape": (3, 20), "channels": "first"}),
        ((64,), {"input_shape": (8, 8)}),
    ],
)
def test_fit_gate_is_quiet_about_plain_layouts(shape, params):
    Gate(**params).fit(fractions(*shape))  # warnings are errors


def test_estimator_warns_of_swapped_channels_at_the_callers_line():
    with pytest.warns(InputLayoutWarning, match="are the channels first") as caught:
        tiny().fit(fractions(3, 8, 8), np.arange(N) % 2)
    assert caught[0].filename == __file__


# Warnings of another scale


@pytest.mark.parametrize(
    ("at_fit", "at_predict"),
    [
        ([0, 255], [0.0, 0.5, 1.0]),
        ([0, 255], [0.1, 0.2, 0.3]),
        ([0.0, 200.5], [0.0, 0.25, 1.0]),
        ([0, 16], [0.0, 0.5, 1.0]),
        ([0.0, 0.5, 1.0], [0, 255]),
        ([0.25, 0.5], [0.0, 16.5]),
        ([0, 1], [0, 255]),
    ],
)
def test_another_scale_warns(at_fit, at_predict):
    def images(values):
        values = np.array([values])
        return as_images(values.astype(np.uint8 if values.dtype.kind == "i" else np.float32))

    with pytest.warns(InputScaleWarning, match=r"but at fit it lay in .*by 255"):
        ValueRange.of(images(at_fit)).warn_if_rescaled(images(at_predict))


@pytest.mark.parametrize(
    ("at_fit", "at_predict"),
    [
        (np.uint8([[0, 255]]), np.uint8([[0, 255]])),
        (np.uint8([[0, 255]]), np.uint8([[0, 1]])),  # a dark image
        (np.uint8([[0, 255]]), np.float32([[0, 1]])),  # the same of another dtype
        (np.uint8([[0, 255]]), np.float32([[0, 0]])),
        (np.uint8([[0, 255]]), np.float32([[-0.5, 0.5]])),
        (np.uint8([[0, 9]]), np.float32([[0, 0.5]])),
        (np.float32([[0, 1]]), np.float32([[-0.1, 1.3]])),  # past a MinMaxScaler's range
        (np.float32([[0, 1]]), np.float32([[0, 8.5]])),
        (np.float32([[-3, 3]]), np.float32([[0, 0.5]])),
        (np.float32([[-3, 3]]), np.float32([[0, 12.5]])),
        (np.float32([[0, 0.5]]), np.float32([[0, 0.25]])),
    ],
)
def test_the_same_scale_is_quiet(at_fit, at_predict):
    ValueRange.of(as_images(at_fit)).warn_if_rescaled(as_images(at_predict))


def test_range_is_of_samples_with_weight_in_every_part():
    rows = np.arange(3 * MOST_CHUNK_ROWS, dtype=np.float32)[:, None]
    weights = np.ones(len(rows))
    weights[[0, -1]] = 0
    weights[MOST_CHUNK_ROWS : 2 * MOST_CHUNK_ROWS] = 0
    assert ValueRange.of(as_images(rows), weights) == ValueRange(1, len(rows) - 2)


def test_estimator_warns_of_another_scale_both_ways_at_the_callers_line():
    X, y = (fractions(6, 5) * 255).astype(np.uint8), np.arange(N) % 2
    with pytest.warns(InputScaleWarning, match=r"in \[0, 1\].*multiply or divide") as caught:
        tiny().fit(X, y).predict(X / X.max())
    assert caught[0].filename == __file__
    with pytest.warns(InputScaleWarning, match=r"at fit it lay in \[0, 1\]"):
        tiny().fit(X / X.max(), y).predict_proba(X)


def test_estimator_is_quiet_about_dark_integers_and_scaled_data():
    X, y = load_digits(return_X_y=True)
    X, y = X[:40], y[:40]
    bytes_model = tiny(input_shape=(8, 8)).fit(X.astype(np.uint8), y)
    for dark in (X.astype(np.uint8) // 16, (X // 16).astype(np.int64), X // 16, X * 0):
        bytes_model.predict(dark)
    scaler = MinMaxScaler().fit(X[:20])
    scaled = tiny(input_shape=(8, 8)).fit(scaler.transform(X[:20]), y[:20])
    assert scaler.transform(X).max() > 1
    scaled.predict(scaler.transform(X))


# Layout


@pytest.mark.parametrize(
    ("shape", "channels", "accepted", "rejected"),
    [
        ((6, 5, 1), "last", [(6, 5, 1), (6, 5), (30,)], [(5, 6), (1, 6, 5), (30, 1), ()]),
        ((6, 5, 3), "last", [(6, 5, 3), (90,)], [(6, 5), (3, 6, 5), (30,)]),
        ((1, 6, 5), "first", [(1, 6, 5), (6, 5), (30,)], [(6, 5, 1)]),
        ((3, 6, 5), "first", [(3, 6, 5), (90,)], [(6, 5, 3), (6, 5)]),
        ((7, 1), "last", [(7, 1), (7,)], [(1, 7)]),
    ],
)
def test_layout_accepts_only_unambiguous_shapes(shape, channels, accepted, rejected):
    layout = InputLayout(shape, channels)
    assert all(layout.accepts(s) for s in accepted)
    assert not any(layout.accepts(s) for s in rejected)
    assert layout.n_values == np.prod(shape)


def test_images_move_to_a_device_with_their_layout():
    images = Gate().fit(fractions(4, 3)).images_
    moved = images.to(torch.device("cpu"))
    assert moved.layout == images.layout
    assert torch.equal(moved.rows, images.rows)


def test_gate_lets_no_foreign_warning_through():
    X = fractions(4, 3).astype(np.float32)
    X.flags.writeable = False
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Gate().fit(X).read(X)
    assert caught == []


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.int16])
def test_small_arrays_at_predict_mean_what_they_mean_to_check_array(monkeypatch, dtype):
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
