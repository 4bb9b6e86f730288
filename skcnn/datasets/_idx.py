"""load_idx: arrays from files in MNIST's own format."""

import gzip
import os
import zlib
from math import prod
from typing import Any, BinaryIO

import numpy as np

from skcnn.exceptions import ImageFileError

PART_BYTES = 2**22
GZIP_MAGIC = b"\x1f\x8b"
DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def load_idx(path: Any) -> np.ndarray:
    """Return the array in an IDX file, the format of MNIST and its relatives.

    Parameters
    ----------
    path : str or path-like
        A file such as ``train-images-idx3-ubyte.gz``, compressed or not.

    Returns
    -------
    ndarray
        The array: of shape (n_samples, height, width) for images and (n_samples,) for labels,
        uint8 in both files of MNIST.

    Raises
    ------
    ImageFileError
        If the file cannot be read, is no IDX file, or has more or fewer values than its header
        says.

    References
    ----------
    .. [1] Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits",
       https://yann.lecun.com/exdb/mnist/

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skcnn.datasets import load_idx
    >>> path = Path(tempfile.mkdtemp()) / "labels-idx1-ubyte"
    >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    >>> load_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    if not isinstance(path, str | bytes | os.PathLike):
        raise TypeError(f"The 'path' parameter must be a path: str or pathlib.Path. Got {path!r}.")
    name = os.fsdecode(path)
    try:
        with open(name, "rb") as file:
            is_compressed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            file.seek(0)
            if not is_compressed:
                return _read(file, name)
            with gzip.GzipFile(fileobj=file) as content:
                return _read(content, name)  # type: ignore[arg-type]  # reads like a file
    except (EOFError, zlib.error) as error:
        raise ImageFileError(f"{name!r} is damaged: {error}") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ImageFileError(f"{name!r} cannot be read: {reason}.") from error


def _read(file: BinaryIO, name: str) -> np.ndarray:
    """Return the array of an open IDX file."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES or magic[3] == 0:
        raise ImageFileError(
            f"{name!r} is no IDX file: it begins with {magic!r}, not with two zeros, the type of "
            "the values and the number of axes."
        )
    sides = file.read(4 * magic[3])
    if len(sides) < 4 * magic[3]:
        raise ImageFileError(f"{name!r} is truncated: it ends inside of its header.")
    shape = tuple(np.frombuffer(sides, ">u4").tolist())
    dtype = np.dtype(DTYPES[magic[2]])
    n_bytes = prod(shape) * dtype.itemsize
    values = _read_at_most(file, n_bytes + 1)
    if len(values) != n_bytes:
        got = str(len(values)) if len(values) < n_bytes else f"more than {n_bytes}"
        truncated = ": it is truncated" if len(values) < n_bytes else ""
        raise ImageFileError(
            f"{name!r} has the shape {shape} and the dtype {dtype.name}, which are {n_bytes} "
            f"bytes, but it has {got}{truncated}."
        )
    return np.frombuffer(values, dtype).astype(dtype.newbyteorder("=")).reshape(shape)


def _read_at_most(file: BinaryIO, n_bytes: int) -> bytes:
    """Return the next bytes, in parts: a damaged header may promise more than memory holds."""
    parts, left = [], n_bytes
    while left and (part := file.read(min(left, PART_BYTES))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
