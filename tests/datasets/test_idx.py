import gzip
import struct

import numpy as np
import pytest

from skcnn.datasets import load_idx
from skcnn.exceptions import ImageFileError

CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}


def encoded(array):
    header = bytes([0, 0, CODES[array.dtype.name], array.ndim])
    sides = struct.pack(f">{array.ndim}I", *array.shape)
    return header + sides + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", [(5,), (3, 4, 2), (0, 4)])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_arrays_come_back(tmp_path, dtype, shape, compress):
    array = np.random.default_rng(0).normal(0, 50, shape).astype(dtype)
    path = tmp_path / "a.idx"
    path.write_bytes(compress(encoded(array)))
    found = load_idx(path)
    assert found.dtype == dtype
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, array)


def test_arrays_can_be_written_to(tmp_path):
    (tmp_path / "a").write_bytes(encoded(np.arange(3, dtype=np.uint8)))
    load_idx(str(tmp_path / "a"))[0] = 5


GOOD = encoded(np.arange(12, dtype=np.uint8).reshape(3, 4))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is no IDX file: it begins with b''"),
        (b"\x89PNG\r\n", r"is no IDX file: it begins with b'\\x89PNG'"),
        (b"\0\0\x07\x01" + GOOD[4:], "is no IDX file"),
        (b"\0\0\x08\0", "is no IDX file"),
        (GOOD[:7], "is truncated: it ends inside of its header"),
        (
            GOOD[:-1],
            r"shape \(3, 4\) and the dtype uint8, which are 12 bytes, but it has 11: it is",
        ),
        (GOOD + b"x", "which are 12 bytes, but it has more than 12"),
        (GOOD[:4] + b"\xff" * 8 + GOOD[12:], "but it has 12: it is truncated"),
        (gzip.compress(GOOD, mtime=0)[:-9], "is damaged"),
        (gzip.compress(GOOD, mtime=0)[:10] + b"\xff" * 30, "is damaged: Error -3"),
        (gzip.compress(GOOD[:-1], mtime=0), "but it has 11: it is truncated"),
    ],
)
def test_damaged_files(tmp_path, content, message):
    path = tmp_path / "a.gz"
    path.write_bytes(content)
    with pytest.raises(ImageFileError, match=message):
        load_idx(path)


def test_paths_that_are_no_files(tmp_path):
    with pytest.raises(ImageFileError, match="cannot be read: No such file or directory"):
        load_idx(tmp_path / "none")
    with pytest.raises(TypeError, match="'path' parameter must be a path"):
        load_idx(None)
