"""Hashes of rows and of values."""

import numpy as np
import pytest

from skcnn._data.hashing import row_hashes, value_hashes
from skcnn._data.images import MOST_CHUNK_ROWS


def rng():
    return np.random.default_rng(0)


DISTINCT = {
    "random bytes": lambda n: rng().integers(0, 256, (n, 64), np.uint8),
    "odd width": lambda n: rng().integers(0, 256, (n, 13), np.uint8),
    "counted": lambda n: np.arange(n, dtype=np.int64)[:, None],
    "counted, float32": lambda n: np.arange(n, dtype=np.float32)[:, None],
    "counted in the last of many": lambda n: np.pad(np.arange(n)[:, None], ((0, 0), (9, 0))),
    "random floats": lambda n: rng().random((n, 7)).astype(np.float32),
    "digits": lambda n: rng().integers(0, 17, (n, 64)).astype(np.float32),
    "one bright pixel": lambda n: np.eye(256, dtype=np.uint8) * 255,
    "two bright pixels": lambda n: np.eye(142, dtype=np.uint8)[
        np.array(np.triu_indices(142, 1)).T[: min(n, 10_011)]
    ].sum(1, dtype=np.uint8),
    "opposite signs": lambda n: np.stack([np.arange(n), -np.arange(n)], 1).astype(np.float64),
}


@pytest.mark.parametrize("make", list(DISTINCT.values()), ids=list(DISTINCT))
def test_distinct_rows_have_distinct_hashes(make):
    rows = make(20_000)
    hashes = row_hashes(rows)
    assert hashes.shape == (len(rows),)
    assert hashes.dtype == np.uint64
    assert len(np.unique(hashes)) == len(np.unique(rows, axis=0))


@pytest.mark.parametrize("width", [1, 2, 3, 7, 8, 9, 15, 16, 17, 63, 784])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_equal_rows_have_equal_hashes_wherever_they_are(width, dtype):
    rows = rng().integers(0, 256, (50, width)).astype(dtype)
    order = rng().permutation(np.repeat(np.arange(50), 3))
    np.testing.assert_array_equal(row_hashes(rows[order]), row_hashes(rows)[order])


def test_hashes_do_not_depend_on_the_chunk():
    rows = rng().integers(0, 256, (2 * MOST_CHUNK_ROWS + 5, 3), np.uint8)
    hashes = row_hashes(rows)
    for start in (0, 1, MOST_CHUNK_ROWS - 1, MOST_CHUNK_ROWS, 2 * MOST_CHUNK_ROWS + 4):
        np.testing.assert_array_equal(row_hashes(rows[start:]), hashes[start:])


@pytest.mark.parametrize("width", [2, 8, 17])
def test_hashes_depend_on_the_order_of_values(width):
    rows = np.zeros((1, width), np.uint64)
    rows[0, :2] = 1, 2
    assert row_hashes(rows) != row_hashes(np.ascontiguousarray(rows[:, ::-1]))
    swapped = rows.copy()
    swapped[0, :2] = 2, 1
    assert row_hashes(rows) != row_hashes(swapped)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64", ">f4"])
@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 3, 2)])
def test_equal_values_of_any_dtype_and_memory_order_have_equal_hashes(dtype, shape):
    values = rng().integers(0, 100, (20, *shape)).astype(float)
    expected = row_hashes(values.reshape(20, -1))
    np.testing.assert_array_equal(value_hashes(values.astype(dtype)), expected)
    np.testing.assert_array_equal(value_hashes(np.asfortranarray(values)), expected)


def test_minus_zero_has_the_hash_of_zero():
    zeros = np.array([[0.0, 1.0], [-0.0, 1.0]])
    assert len(np.unique(value_hashes(zeros))) == 1
    assert len(np.unique(row_hashes(zeros))) == 1
    assert len(np.unique(row_hashes(zeros.astype(np.float32)))) == 1


def test_value_hashes_in_parts_are_those_of_all_values():
    values = np.random.default_rng(0).integers(0, 256, (3 * MOST_CHUNK_ROWS + 5, 3))
    expected = row_hashes(values.astype(np.float64))
    for dtype in (np.uint8, np.int64, np.float32):
        np.testing.assert_array_equal(value_hashes(values.astype(dtype)), expected)


@pytest.mark.parametrize("shape", [(7, 1), (1, 5), (3, 4, 5, 3)])
def test_bytes_have_the_value_hashes_of_equal_floats(shape):
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(value_hashes(values), value_hashes(values.astype(float)))
