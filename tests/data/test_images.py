"""Rows of bytes or float32: which values become which, without copies where possible."""

import warnings

import numpy as np
import pytest
import torch

from tests.helpers.samples import Reader, fractions
from tests.helpers.small_nets import tiny

N = 6


@pytest.mark.parametrize("shape", [(12,), (4, 3), (4, 3, 2)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_memory_map_is_not_copied(tmp_path, dtype, shape):
    X = (fractions(*shape) * (255 if dtype == "uint8" else 1)).astype(dtype)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    reader = Reader().fit(mapped)
    for images in (reader.images_, reader.read(mapped)):
        assert np.shares_memory(images.rows.numpy(), mapped)
        np.testing.assert_array_equal(images.rows.numpy(), X.reshape(N, -1))


@pytest.mark.parametrize("shape", [(12,), (4, 3), (4, 3, 2)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_plain_array_is_not_copied(dtype, shape):
    X = (fractions(*shape) * (255 if dtype == "uint8" else 1)).astype(dtype)
    assert np.shares_memory(Reader().fit(X).images_.rows.numpy(), X)


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


DTYPES = [
    "uint8", "int8", "uint16", "int16", "int32", "int64", "uint64",
    "float16", "float32", "float64", "longdouble", "bool",
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_whole_numbers_that_fit_a_byte_become_bytes_at_fit(dtype):
    X = (np.arange(N * 12).reshape(N, 4, 3) % 100).astype(dtype)
    images = Reader().fit(X).images_
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
    rows = Reader().fit(np.array(X)).images_.rows
    assert rows.dtype == dtype
    np.testing.assert_array_equal(rows.numpy(), X)


def test_one_fraction_far_down_keeps_floats():
    X = np.zeros((5000, 2))  # more than one chunk
    X[-1, -1] = 0.5
    assert Reader().fit(X).images_.rows.dtype == torch.float32


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
def test_dtype_at_predict(dtype, compact, expected):
    X = (np.arange(N * 12).reshape(N, 12) % 2).astype(dtype)
    rows = Reader().fit(X).read(X, compact=compact).rows
    assert rows.dtype == expected
    np.testing.assert_array_equal(rows.numpy(), X)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float32", "float64"])
def test_estimator_gives_the_same_bits_for_any_dtype(dtype):
    X, y = (fractions(6, 5) * 255).astype(np.uint8), np.arange(N) % 2
    expected = tiny().fit(X, y).predict_proba(X)
    other = X.astype(dtype)
    np.testing.assert_array_equal(tiny().fit(other, y).predict_proba(other), expected)


def test_predict_rejects_values_too_large():
    reader = Reader().fit(fractions(4))
    with pytest.raises(ValueError, match="too large"):
        reader.read(np.full((1, 4), 1e39))


def test_images_move_to_a_device_with_their_layout():
    images = Reader().fit(fractions(4, 3)).images_
    moved = images.to(torch.device("cpu"))
    assert moved.layout == images.layout
    assert torch.equal(moved.rows, images.rows)


def test_read_only_arrays_give_no_warning():
    X = fractions(4, 3).astype(np.float32)
    X.flags.writeable = False
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Reader().fit(X).read(X)
    assert caught == []
