"""Containers of numbers: every one gives the numbers in it, or an error that names the trouble."""

from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._data.containers import as_array, without_tensors
from skcnn._data.targets import check_labels, check_numbers
from skcnn._data.weights import check_weights
from skcnn.augmentation import Augmented, RandomFlip, RandomTranslation
from skcnn.exceptions import InputShapeError
from skcnn.inspection import AugmentationDisplay, RobustnessDisplay
from skcnn.preprocessing import KernelFilter
from tests.helpers.samples import Reader, fractions
from tests.helpers.small_nets import tiny

EIGHTHS = (np.arange(6 * 12).reshape(6, 4, 3) % 7 + 1) / 8  # exact in bfloat16


class OnlyArray:
    """An object that NumPy reads and that has no length."""

    def __init__(self, values):
        self._values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._values, dtype)


def nested(X, kind):
    """Return nested lists of numbers of another kind."""
    return kind(X) if np.ndim(X) == 0 else [nested(x, kind) for x in X]


def column_of_arrays(X):
    column = np.empty(len(X), object)
    column[:] = list(X)
    return column


def mixed_frame(X):
    frame = pd.DataFrame(X)
    frame[1] = frame[1].astype(object)
    return frame


def bfloat16(x):
    return torch.tensor(x, dtype=torch.bfloat16)


def learned(x):
    return torch.tensor(x, requires_grad=True)


def objects(values):
    values = list(values)
    column = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        column[i] = value
    return column


CONTAINERS = {
    "rows of objects": (lambda X: [x.astype(object) for x in X], (12,)),
    "images of objects": (lambda X: [x.astype(object) for x in X], (4, 3)),
    "Decimal rows": (lambda X: nested(X, lambda x: Decimal(float(x))), (12,)),
    "Decimal images": (lambda X: nested(X, lambda x: Decimal(float(x))), (4, 3)),
    "Fraction rows": (lambda X: nested(X, Fraction), (12,)),
    "rows of a DataFrame": (lambda X: [row for _, row in mixed_frame(X).iterrows()], (12,)),
    "objects with __array__": (lambda X: [OnlyArray(x) for x in X], (4, 3)),
    "one object with __array__": (OnlyArray, (4, 3)),
    "Series of arrays": (lambda X: pd.Series(list(X)), (4, 3)),
    "Series of lists": (lambda X: pd.Series([x.tolist() for x in X]), (12,)),
    "objects that are arrays": (column_of_arrays, (4, 3, 1)),
    "tensors of bfloat16": (lambda X: [bfloat16(x) for x in X], (4, 3)),
    "tensors with gradients": (lambda X: [learned(x) for x in X], (4, 3)),
    "tensors in tuples": (
        lambda X: tuple((bfloat16(x[0]), *map(bfloat16, x[1:])) for x in X),
        (4, 3),
    ),
    "tensors of one number": (lambda X: nested(X, learned), (12,)),
    "column of tensors": (lambda X: pd.Series(objects(learned(x) for x in X)), (4, 3)),
    "masks without effect": (lambda X: [np.ma.masked_array(x, x < 0) for x in X], (4, 3)),
}


@pytest.mark.parametrize(("contain", "shape"), list(CONTAINERS.values()), ids=list(CONTAINERS))
def test_the_numbers_of_every_container_are_read(contain, shape):
    X = EIGHTHS.reshape(6, *shape)
    reader = Reader().fit(contain(X))
    np.testing.assert_array_equal(reader.images_.rows.numpy(), X.reshape(6, -1).astype(np.float32))
    np.testing.assert_array_equal(reader.read(contain(X)).rows, reader.images_.rows)


@pytest.mark.parametrize(
    ("mode", "shape"), [("L", (4, 3)), ("RGB", (4, 3, 3)), ("RGBA", (4, 3, 4))]
)
def test_pictures_are_read_as_bytes(mode, shape):
    X = np.random.default_rng(0).integers(0, 255, (6, *shape), dtype=np.uint8)
    reader = Reader().fit([Image.fromarray(x, mode) for x in X])
    assert reader.input_shape_ == (shape if len(shape) > 2 else (*shape, 1))
    np.testing.assert_array_equal(reader.images_.rows.numpy(), X.reshape(6, -1))


def picture(mode):
    return Image.fromarray(np.zeros((4, 3), np.uint8)).convert(mode)


DATES = np.zeros((6, 4, 3), "datetime64[s]")
PATHS = r"such as 'a\.png', but numbers are needed\. For image files pass .*ImageFiles\(paths\)"
STAMPS = r"X has values of type Timestamp, but numbers are needed\. Subtract a date and divide"
UNREADABLE = [
    ([picture("P")] * 6, ValueError, "images of mode 'P'.*convert"),
    ([picture("RGBA"), picture("CMYK")] * 3, ValueError, "images of mode 'CMYK', 'RGBA'"),
    ([picture("L"), picture("RGB")] * 3, ValueError, "images of mode 'L', 'RGB'"),
    ([[None, 1.0]] * 6, ValueError, "contains NaN"),
    ([[[None, 1.0]]] * 6, ValueError, "contains NaN"),
    (DATES, ValueError, r"X has values of dtype datetime64\[s\], but numbers are needed"),
    (DATES[:, 0], ValueError, r"dtype datetime64\[s\]"),
    (DATES - DATES, ValueError, r"dtype timedelta64\[s\]"),
    (list(DATES), ValueError, r"dtype datetime64\[s\]"),
    (
        pd.DataFrame({"a": range(6), "b": pd.Timestamp("2020-01-01")}),
        ValueError,
        "dtype datetime64",
    ),
    ([[pd.Timestamp("2020-01-01")]] * 6, ValueError, STAMPS),
    ([[1.0, pd.Timestamp("2020-01-01", tz="UTC")]] * 6, ValueError, STAMPS),
    (pd.Series(pd.date_range("2020-01-01", periods=6, tz="UTC")), ValueError, STAMPS),
    (pd.DataFrame({"a": [pd.Timestamp("2020-01-01")] * 6}, dtype=object), ValueError, STAMPS),
    (pd.DataFrame({"a": [1.0] * 6, "b": ["text"] * 6}), ValueError, "could not convert string"),
    (["a.png"] * 6, ValueError, PATHS),
    ([Path("a.png")] * 6, ValueError, PATHS),
    (np.array(["a.png"] * 6), ValueError, PATHS),
    (pd.Series(["a.png"] * 6), ValueError, PATHS),
    ([b"\x89PNG" * 100] * 6, ValueError, r"such as .{60,80}, but numbers.*ImageFiles"),
    (np.full((6, 4, 3), pd.Timestamp("2020-01-01")), ValueError, STAMPS),
    ([[date(2020, 1, 1)]] * 6, ValueError, "X has values of type date, but numbers"),
    ([[pd.Timedelta(1, "s")]] * 6, ValueError, "X has values of type Timedelta, but"),
    (pd.Series(pd.period_range("2020-01-01", periods=6)), ValueError, "of type Period, but"),
    (np.ma.masked_less(EIGHTHS, 0.2), ValueError, "contains masked values.*numpy.ma.filled"),
    ([np.ma.masked_less(x, 0.2) for x in EIGHTHS], ValueError, "contains masked values"),
    (
        [np.ones((4, 3)), np.ones((4, 5))] * 3,
        InputShapeError,
        r"several shapes.*\(4, 3\) and \(4, 5\)",
    ),
    (
        [torch.ones(4), torch.ones(5, 2)] * 3,
        InputShapeError,
        r"several shapes.*\(4,\) and \(5, 2\)",
    ),
    (pd.Series([np.ones((4, 2, 1)), np.ones((5, 2, 1))] * 3), InputShapeError, "several shapes"),
]


@pytest.mark.parametrize(("X", "error", "match"), UNREADABLE)
def test_what_is_no_number_is_named(X, error, match):
    with pytest.raises(error, match=match):
        Reader().fit(X)


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (DATES, "dtype datetime64"),
        ([[[pd.Timestamp("2020-01-01")] * 3] * 4] * 6, STAMPS),
        (np.ma.masked_less(EIGHTHS, 0.2), "contains masked values"),
        ([[[None] * 3] * 4] * 6, "contains NaN"),
    ],
)
def test_what_is_no_number_is_named_at_predict(X, match):
    with pytest.raises(ValueError, match=match):
        Reader().fit(EIGHTHS).read(X)


def test_arrays_of_numbers_are_not_copied():
    X = fractions(4, 3)
    assert as_array(X) is X
    rows = X.reshape(6, -1).tolist()
    assert without_tensors(rows, "X") is rows


@pytest.mark.parametrize(
    "contain",
    [
        CONTAINERS["tensors with gradients"][0],
        CONTAINERS["Decimal images"][0],
        lambda X: pd.Series(list(X)),
    ],
    ids=["tensors", "Decimal", "Series"],
)
def test_every_estimator_reads_containers_like_arrays(contain):
    X, y = np.repeat(EIGHTHS, 2, axis=1), np.arange(6) % 2
    given = contain(X)
    model = tiny().fit(X, y)
    np.testing.assert_array_equal(tiny().fit(given, y).predict_proba(given), model.predict_proba(X))
    part = tiny().partial_fit(given, y, classes=[0, 1]).partial_fit(given, y)
    expected = tiny().partial_fit(X, y, classes=[0, 1]).partial_fit(X, y)
    np.testing.assert_array_equal(part.predict_proba(given), expected.predict_proba(X))
    np.testing.assert_array_equal(
        KernelFilter().fit_transform(given), KernelFilter().fit_transform(X)
    )
    assert len(RandomFlip().fit(given).transform(given)) == 6
    drawn = RandomFlip(p=1.0, random_state=0).fit_transform(given).to_numpy()
    np.testing.assert_array_equal(
        drawn, RandomFlip(p=1.0, random_state=0).fit_transform(X).to_numpy()
    )


def test_augmented_gives_every_method_of_its_estimator_an_array():
    y = np.arange(6) % 2
    rows = EIGHTHS.reshape(6, -1)
    model = Augmented(LogisticRegression(), [RandomTranslation(0.1)], n_copies=1, random_state=0)
    expected = model.fit(rows, y).predict_proba(rows)
    given = [learned(x) for x in rows]
    np.testing.assert_array_equal(model.fit(given, y).predict_proba(given), expected)
    assert model.score(given, y) == model.score(rows, y)


def test_displays_read_containers():
    y = np.arange(6) % 2
    given = nested(EIGHTHS, lambda x: Decimal(float(x)))
    model = tiny().fit(EIGHTHS, y)
    AugmentationDisplay.from_estimator(RandomFlip(), given)
    display = RobustnessDisplay.from_estimator(model, [learned(x) for x in EIGHTHS], y)
    expected = RobustnessDisplay.from_estimator(model, EIGHTHS, y)
    np.testing.assert_array_equal(display.scores, expected.scores)


def test_targets_and_weights_come_in_the_same_containers():
    numbers = [0.5, 1.5, -2.0]
    for y in (nested(numbers, Decimal), nested(numbers, bfloat16), nested(numbers, learned)):
        assert check_numbers(y, 3).tolist() == numbers
    assert check_labels([torch.tensor(1), torch.tensor(0)], 2)[0].tolist() == [1, 0]
    assert check_weights(nested([1.0, 2.0], bfloat16), 2).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (np.zeros(6, "datetime64[D]"), r"y has values of dtype datetime64\[D\]"),
        (np.zeros(6, "timedelta64[D]"), r"y has values of dtype timedelta64\[D\]"),
        (pd.Series(pd.date_range("2020-01-01", periods=6)), "y has values of dtype datetime64"),
        ([pd.Timestamp("2020-01-01")] * 6, "y has values of type Timestamp"),
        (np.ma.masked_less(np.arange(6.0), 2), "Input y contains masked values"),
        ([None, 1.0, 2.0, 3.0, 4.0, 5.0], "contains NaN"),
    ],
)
def test_targets_that_are_no_numbers_are_named(y, match):
    with pytest.raises(ValueError, match=match):
        tiny(ConvNetRegressor).fit(EIGHTHS, y)


def test_dates_are_labels():
    y = np.array(["2020-01-01", "2020-01-02"] * 3, "datetime64[D]")
    assert (
        ConvNetClassifier(filters=4, max_epochs=1).fit(EIGHTHS, y).predict(EIGHTHS).dtype == y.dtype
    )


def test_masked_weights_are_named():
    with pytest.raises(ValueError, match="Input sample_weight contains masked values"):
        check_weights(np.ma.masked_less([1.0, 2.0], 2), 2)


def test_kernels_come_as_tensors():
    X = fractions(4, 3)
    expected = KernelFilter([[1, -1]]).fit_transform(X)
    np.testing.assert_array_equal(KernelFilter(learned([[1.0, -1.0]])).fit_transform(X), expected)
