"""The container of a model: a safetensors file with a manifest and a SHA-256 over all.

The file is eight bytes with the length of the header, the header in JSON, and the values of the
tensors one after another. The header begins with the SHA-256 of the whole file, in which the 64
digits of the SHA-256 itself count as zeros.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from skcnn._files.atomic import replaced
from skcnn._files.manifest import MOST_BYTES, parse_json, to_json
from skcnn.exceptions import ModelFileError

LARGEST_FILE = 2**34
MOST_AXES = 32
PREFIX = 8  # bytes, the length of the header
START = b'{"__metadata__":{"sha256":"'
DIGITS = 64
MANIFEST = "skcnn"  # its key in the metadata
ZEROS = b"0" * DIGITS
DTYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "F16": "float16",
    "U32": "uint32",
    "I32": "int32",
    "F32": "float32",
    "U64": "uint64",
    "I64": "int64",
    "F64": "float64",
}
# The first bytes of archives, and of the compressed pickles that joblib writes.
COMPRESSED = (b"PK", b"\x1f\x8b", b"BZ", b"\xfd7", b"]\x00", b"x\x01", b"x^", b"x\x9c", b"x\xda")
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def write_container(
    path: str | os.PathLike[str],
    manifest: Any,
    tensors: Mapping[str, np.ndarray],
    new_name: str | None = None,
) -> None:
    """Write a manifest and tensors to a file, which is replaced as a whole.

    Parameters
    ----------
    path : str or path-like
        The file.
    manifest : object
        Values that JSON has.
    tensors : mapping of str to ndarray
        Of a dtype in `DTYPES`.
    new_name : str or None, default=None
        As for `replaced`.

    Raises
    ------
    ModelFileError
        If the header or the file would be larger than those that can be read.
    OSError
        If the file cannot be written. The old one is then left as it was.
    """
    # the widest types first, so that all are aligned
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    header: dict[str, Any] = {
        "__metadata__": {"sha256": ZEROS.decode(), MANIFEST: to_json(manifest).decode()}
    }
    offset = 0
    for name, array in ordered:
        header[name] = {
            "dtype": NAMES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    text = to_json(header)
    text += b" " * (-len(text) % PREFIX)
    if offset > LARGEST_FILE - len(text) - PREFIX:
        raise ModelFileError(f"a model of {offset} bytes is larger than a file may be")
    start = len(text).to_bytes(PREFIX, "little") + text
    digest = hashlib.sha256(start)
    with replaced(Path(path), new_name) as new, open(new, "wb") as file:
        for _, array in ordered:
            digest.update(_bytes_of(array))
        place = PREFIX + len(START)
        file.write(start[:place] + digest.hexdigest().encode() + start[place + DIGITS :])
        for _, array in ordered:
            file.write(_bytes_of(array))


def _bytes_of(array: np.ndarray) -> memoryview:
    ordered = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
    return ordered.reshape(-1).view(np.uint8).data


def read_container(path: str | os.PathLike[str]) -> tuple[Any, dict[str, np.ndarray]]:
    """Return the manifest and the tensors of a file.

    The file is opened once. No memory is taken for what the header claims before it is compared
    with the size of the file.

    Raises
    ------
    ModelFileError
        If it is no regular file, or not one that `write_container` wrote, byte for byte.
    OSError
        If it cannot be opened or read.
    """
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(PREFIX + len(START) + DIGITS) or b""
        _check_kind(start)
        length = int.from_bytes(start[:PREFIX], "little")
        if not len(start) - PREFIX <= length <= min(MOST_BYTES, size - PREFIX):
            raise ModelFileError(
                f"its header claims {length} bytes, in a file of {size} bytes and at most "
                f"{MOST_BYTES}"
            )
        if size > LARGEST_FILE:
            raise ModelFileError(f"it has {size} bytes, more than {LARGEST_FILE}")
        rest = bytearray(length - len(start) + PREFIX)
        _fill(memoryview(rest), file)
        expected = start[-DIGITS:]
        digest = hashlib.sha256(start[:-DIGITS] + ZEROS + rest)
        header = parse_json(start[PREFIX:] + rest)
        entries = _check_entries(header, size - PREFIX - length)
        tensors = _read_tensors(file, entries, digest)
        if digest.hexdigest().encode() != expected:
            raise ModelFileError("its checksum does not agree: the file was changed or damaged")
    manifest = header["__metadata__"].get(MANIFEST)
    if header["__metadata__"].keys() != {"sha256", MANIFEST} or not isinstance(manifest, str):
        raise ModelFileError("its header has no manifest")
    return parse_json(manifest.encode("utf-8", "surrogatepass")), tensors


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[FileIO]:
    """Open a regular file; opening a pipe would wait for a writer without O_NONBLOCK."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)
    if stat.S_ISDIR(os.fstat(handle).st_mode):
        os.close(handle)
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    with FileIO(handle) as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ModelFileError("it is a device or a pipe, and not a file")
        yield file


def _check_kind(start: bytes) -> None:
    """Check that a file begins as those of `write_container` do."""
    if start[PREFIX : PREFIX + len(START)] == START and len(start[PREFIX:]) == len(START) + DIGITS:
        return
    if start[:1] == b"\x80" or start[:2] in COMPRESSED:
        raise ModelFileError(
            "it seems to be a pickle, a joblib file or an archive, as earlier versions of skcnn "
            "train wrote. Such files can run code and are not opened. Load it with the version and "
            "the library that wrote it, if you trust it, and save the model with skcnn.save"
        )
    raise ModelFileError("it is no file that skcnn.save wrote")


def _check_entries(header: Any, n_bytes: int) -> list[tuple[str, np.dtype, tuple[int, ...]]]:
    """Return name, dtype and shape of each tensor, whose values fill `n_bytes` without gaps."""
    entries, end = [], 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise ModelFileError(f"its header has a damaged entry for the tensor {name[:80]!r}")
        shape, offsets, kind = entry["shape"], entry["data_offsets"], entry["dtype"]
        legal = isinstance(kind, str) and kind in DTYPES
        legal = legal and isinstance(shape, list) and len(shape) <= MOST_AXES
        legal = legal and all(type(side) is int and side >= 0 for side in shape)
        if not legal or prod(max(side, 1) for side in shape) > LARGEST_FILE:
            raise ModelFileError(f"its tensor {name[:80]!r} has a damaged dtype or shape")
        dtype = np.dtype(DTYPES[kind])
        size = dtype.itemsize * prod(shape)
        if offsets != [end, end + size] or any(type(place) is not int for place in offsets):
            raise ModelFileError(f"its tensor {name[:80]!r} is not where its shape says")
        end += size
        entries.append((name, dtype, tuple(shape)))
    if end != n_bytes:
        raise ModelFileError(f"its tensors have {end} bytes, but {n_bytes} bytes are there")
    return entries


def _read_tensors(
    file: FileIO, entries: list[tuple[str, np.dtype, tuple[int, ...]]], digest: Any
) -> dict[str, np.ndarray]:
    tensors = {}
    for name, dtype, shape in entries:
        array = np.empty(shape, dtype.newbyteorder("<"))
        view = memoryview(array.reshape(-1).view(np.uint8).data)
        _fill(view, file)
        digest.update(view)
        if dtype.kind == "b" and array.size and array.view(np.uint8).max() > 1:
            raise ModelFileError(f"its tensor {name[:80]!r} has values that are no booleans")
        tensors[name] = array.astype(dtype, copy=False)
    return tensors


def _fill(view: memoryview, file: FileIO) -> None:
    done = 0
    while done < len(view):
        n = file.readinto(view[done:])
        if not n:
            raise ModelFileError("it became shorter while it was read")
        done += n
