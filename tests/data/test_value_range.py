"""Warnings about values on another scale than at fit."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.preprocessing import MinMaxScaler

from skcnn._data.images import MOST_CHUNK_ROWS
from skcnn._data.value_range import ValueRange
from skcnn.exceptions import InputScaleWarning
from tests.helpers.samples import as_images, fractions
from tests.helpers.small_nets import tiny


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


@pytest.mark.parametrize("words", [[[5, 65535]], [[0, 3000]]])
@pytest.mark.parametrize("high", [255, 16])
def test_bytes_and_16_bits_warn(words, high):
    pair = as_images(np.array([[0, high]], np.uint8)), as_images(np.float32(words))
    for at_fit, at_predict in (pair, pair[::-1]):
        with pytest.warns(InputScaleWarning, match=r"16-bit integers\. .* divide X by 257"):
            ValueRange.of(at_fit).warn_if_rescaled(at_predict)


@pytest.mark.parametrize(
    ("at_fit", "at_predict"),
    [
        (np.float32([[0, 65535]]), np.float32([[0, 200]])),  # dark
        (np.uint8([[0, 255]]), np.float32([[0, 2000]])),
        (np.float32([[-1, 65535]]), np.uint8([[0, 200]])),
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
    X, y = (fractions(6, 5) * 255).astype(np.uint8), np.arange(6) % 2
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
