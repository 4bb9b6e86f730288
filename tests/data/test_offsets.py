"""The offset of each channel, where float32 would lose the signal."""

import pickle

import numpy as np
import pytest
import torch

from skcnn import ConvNetClassifier
from skcnn._data.layouts import InputLayout
from skcnn._data.offsets import channel_offset
from skcnn.exceptions import InputScaleWarning
from skcnn.inspection import saliency
from tests.helpers.samples import Reader
from tests.helpers.small_nets import tiny

EIGHTHS = np.random.default_rng(0).integers(-40, 40, (12, 6)) / 8
Y = np.arange(12) % 2
SIGNAL = InputLayout((6, 1), "last")


@pytest.mark.parametrize(
    ("X", "offset"),
    [
        (np.array([[1e8, 1e8 + 2]]), 1e8 + 1),
        (np.array([[2**40, 2**40 + 2]]), 2**40 + 1),
        (np.array([[-(2**40), 2 - 2**40]]), 1 - 2**40),
        (np.array([[2**31 + 2, 2**31]], np.uint32), 2**31 + 1),
        (np.array([[1e39, 1.5e39 - 0.5e39 + 1e30]]), 1e39 + 5e29),
        (np.array([[2**63, 2**63 + 2**60]], np.uint64), None),
        (np.array([[0.0, 1e8]]), None),
        (np.array([[1e4, 1e4 + 2]]), None),
        (np.array([[1e8, 1e8]]), None),  # a constant
        (np.array([[0.1, np.nextafter(0.1, 1)]]), None),  # the rounding of float64
        (np.array([[1e8, 1e8 + 8]], np.float32), None),
        (np.array([[0, 255]], np.uint8), None),
        (np.array([[2**24 - 1, 2**24]]), 2**24 - 0.5),
    ],
)
def test_offset_is_the_middle_where_float32_has_few_steps(X, offset):
    got = channel_offset(X, InputLayout((2, 1), "last"))
    assert got is None if offset is None else got == pytest.approx([offset], rel=1e-15)


@pytest.mark.parametrize("channels", ["last", "first"])
def test_each_channel_has_its_own_offset(channels):
    X = np.stack([EIGHTHS, EIGHTHS + 1e9, EIGHTHS], axis=-1)
    layout = InputLayout((6, 3), "last")
    if channels == "first":
        X, layout = X.swapaxes(1, 2), InputLayout((3, 6), "first")
    middle = (EIGHTHS.min() + EIGHTHS.max()) / 2
    assert channel_offset(X, layout).tolist() == [0, 1e9 + middle, 0]


def test_samples_of_weight_zero_do_not_count():
    X = np.vstack([EIGHTHS + 1e9, np.zeros((1, 6))])
    assert channel_offset(X, SIGNAL) is None
    weights = np.r_[np.ones(12), 0]
    assert channel_offset(X, SIGNAL, weights) == channel_offset(X[:12], SIGNAL)
    assert channel_offset(X, SIGNAL, np.zeros(13)) is None


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (np.array([[2**60, 2**60 + 50]]), "differ by 50 only: float64 cannot tell them apart"),
        (np.array([[1e-50, 3e-50]]), r"lie in \[1e-50, 3e-50\].*too small for dtype\('float32'\)"),
    ],
)
def test_values_that_no_offset_helps_are_named(X, match):
    with pytest.raises(ValueError, match=match):
        Reader().fit(X)


def test_float32_values_that_are_too_small_are_named():
    X = (EIGHTHS * 1e-37).astype(np.float32)
    with pytest.raises(ValueError, match=r"too small for dtype\('float32'\)"):
        tiny().fit(X, Y)


@pytest.mark.parametrize("kind", ["float64", "int64", "longdouble"])
def test_rows_are_the_exact_differences(kind):
    X = (8 * EIGHTHS).astype(kind) + np.dtype(kind).type(2**40)
    reader = Reader().fit(X)
    expected = (X.astype(np.float64) - reader.offset_[0]).astype(np.float32)
    assert len(np.unique(expected)) == len(np.unique(EIGHTHS))
    np.testing.assert_array_equal(reader.images_.rows.numpy(), expected)
    np.testing.assert_array_equal(reader.read(X).rows.numpy(), expected)
    np.testing.assert_array_equal(reader.read(X.tolist(), compact=True).rows.numpy(), expected)


def test_other_samples_at_predict_are_read_with_the_offset_of_fit():
    reader = Reader().fit(EIGHTHS + 1e9)
    low = EIGHTHS.astype(np.float32)
    expected = (low - reader.offset_[0]).astype(np.float32)
    for X in (low, low.astype(np.float64)):
        np.testing.assert_array_equal(reader.read(X).rows.numpy(), expected)
    bytes_ = np.full((1, 6), 7, np.uint8)
    assert reader.read(bytes_).rows.dtype == torch.float32


@pytest.mark.parametrize("offset", [1e8, 1e12, -1e10])
def test_an_offset_changes_no_prediction(offset):
    # the middle of the range is an eighth, so that all differences are exact
    X = np.where(EIGHTHS.min() == EIGHTHS, -5.0, EIGHTHS)
    X[0, 0] = 5.0
    plain = tiny(max_epochs=3).fit(X, Y)
    model = tiny(max_epochs=3).fit(X + offset, Y)
    assert plain.offset_ is None
    assert model.offset_.tolist() == [offset]
    np.testing.assert_array_equal(model.predict_proba(X + offset), plain.predict_proba(X))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X + offset), plain.predict_proba(X))
    expected = saliency(plain, X, method="integrated_gradients", baseline=0.5)
    got = saliency(model, X + offset, method="integrated_gradients", baseline=0.5 + offset)
    np.testing.assert_array_equal(got, expected)


def test_partial_fit_keeps_the_first_offset():
    X = np.where(EIGHTHS.min() == EIGHTHS, -5.0, EIGHTHS)
    X[0, 0] = 5.0
    plain = tiny().partial_fit(X, Y, classes=[0, 1]).partial_fit(X + 1, Y)
    model = tiny().partial_fit(X + 1e9, Y, classes=[0, 1]).partial_fit(X + 1 + 1e9, Y)
    assert model.offset_.tolist() == [1e9]
    np.testing.assert_array_equal(model.predict_proba(X + 1e9), plain.predict_proba(X))


def test_a_mapped_file_gives_the_same_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("skcnn._data.mapped_rows.SMALLEST_BYTES", 0)
    np.save(tmp_path / "X.npy", EIGHTHS + 1e9)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    reader = Reader().fit(mapped)
    assert reader.offset_ == Reader().fit(EIGHTHS + 1e9).offset_
    np.testing.assert_array_equal(reader.images_.rows, Reader().fit(EIGHTHS + 1e9).images_.rows)


def test_a_signal_on_an_offset_is_learned():
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    X = rng.normal(size=(40, 12)) + 3 * y[:, None] + 1.7e9
    model = ConvNetClassifier(filters=(4,), max_epochs=8, random_state=0).fit(X, y)
    assert model.score(X, y) == 1


def test_without_standardisation_nothing_is_subtracted_with_a_warning():
    with pytest.warns(InputScaleWarning, match="near 1e.09.*standardize=True"):
        model = tiny(standardize=False).fit(EIGHTHS + 1e9, Y)
    assert model.offset_ is None
