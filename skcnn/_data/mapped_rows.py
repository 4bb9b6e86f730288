"""Rows of a memory-mapped array, read from its file and not through its mapping.

The pages of a mapping stay in the process's memory once they are read, and the system reads
neighbouring pages with them. Reads from the file add nothing to the process's memory and are
faster than page faults.
"""

import mmap
import os
import weakref
from contextlib import suppress
from typing import Any

import numpy as np

# Smaller files are read through their mappings: they fit into memory.
SMALLEST_BYTES = 2**28
MAPPINGS = "/proc/self/maps"  # Linux; elsewhere arrays are read through their mappings


class MappedRows:
    """The rows of an array that lies in a file.

    Make one with :meth:`of`.

    Parameters
    ----------
    fd : int
        Descriptor of the file, closed with this object.
    offset : int
        Where the first row begins, in bytes.
    n_rows, n_values : int
        Number of rows and of values in a row.
    dtype : dtype
        Type of the values.
    """

    def __init__(
        self, fd: int, offset: int, n_rows: int, n_values: int, dtype: np.dtype[Any]
    ) -> None:
        self._fd = fd
        self._offset = offset
        self._row_bytes = n_values * dtype.itemsize
        self.shape = n_rows, n_values
        self.dtype = dtype
        weakref.finalize(self, os.close, fd)

    @classmethod
    def of(cls, array: np.ndarray) -> "MappedRows | None":
        """Return the rows of an array that is mapped to a large file, else None.

        Private mappings (``mmap_mode="c"``) give None, because their changes are not in the
        file; so do all arrays on systems without ``/proc``.

        Parameters
        ----------
        array : ndarray of shape (n_rows, ...)
            Any array.
        """
        if array.nbytes < SMALLEST_BYTES or not array.flags.c_contiguous or not _is_mapped(array):
            return None
        place = _place_in_file(array.__array_interface__["data"][0], array.nbytes)
        return None if place is None else cls(*place, len(array), array[0].size, array.dtype)

    def __reduce__(self) -> Any:
        # once this object closes the descriptor, its number may be given to another file
        raise TypeError("MappedRows cannot be copied or pickled.")

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return the rows from `start` to `stop`, a copy."""
        rows = np.empty((stop - start, self._row_bytes), np.uint8)
        self._fill(rows.data.cast("B"), self._offset + start * self._row_bytes)
        return rows.view(self.dtype)

    def take(self, index: np.ndarray) -> np.ndarray:
        """Return the rows at `index`, a copy."""
        rows = np.empty((len(index), self._row_bytes), np.uint8)
        for row, offset in zip(rows, self._offsets(index), strict=True):
            if os.preadv(self._fd, (row.data,), offset) != self._row_bytes:
                self._fill(row.data, offset)
        return rows.view(self.dtype)

    def expect(self, index: np.ndarray) -> None:
        """Ask the system to fetch the rows at `index`, which are read next, from the disk."""
        with suppress(OSError):  # it is only a hint
            for offset in self._offsets(index):
                os.posix_fadvise(self._fd, offset, self._row_bytes, os.POSIX_FADV_WILLNEED)

    def facts(self) -> None:
        """Return None: nothing is known of the rows."""

    def groups(self) -> None:
        """Return None: rows have no groups."""

    def _offsets(self, index: np.ndarray) -> list[int]:
        offsets: list[int] = (index * self._row_bytes + self._offset).tolist()
        return offsets

    def _fill(self, buffer: memoryview, offset: int) -> None:
        """Fill all of `buffer`; one call of preadv reads 2 GiB at most."""
        while len(buffer):
            n = os.preadv(self._fd, (buffer,), offset)
            if n == 0:
                raise OSError("The file behind the memory-mapped X has become shorter.")
            buffer, offset = buffer[n:], offset + n


def _is_mapped(array: Any) -> bool:
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap.mmap)


def _place_in_file(address: int, n_bytes: int) -> tuple[int, int] | None:
    """Return a descriptor and an offset if the bytes at `address` are in a file."""
    try:
        with open(MAPPINGS, encoding="utf-8", errors="surrogateescape", newline="\n") as mappings:
            lines = (line.rstrip("\n").split(maxsplit=5) for line in mappings)
            fields = next(fields for fields in lines if _holds(fields, address))
        start, stop = (int(end, 16) for end in fields[0].split("-"))
        if fields[1][3] != "s" or address + n_bytes > stop:
            return None
        fd = os.open(fields[5], os.O_RDONLY | os.O_CLOEXEC)  # "... (deleted)" is not found
    except (OSError, StopIteration, ValueError, IndexError):
        return None
    offset = address - start + int(fields[2], 16)
    status = os.fstat(fd)
    if status.st_ino != int(fields[4]) or status.st_size < offset + n_bytes:
        os.close(fd)
        return None
    return fd, offset


def _holds(fields: list[str], address: int) -> bool:
    """Return whether a line of ``/proc/self/maps`` is of the mapping at `address`."""
    start, stop = fields[0].split("-")
    return int(start, 16) <= address < int(stop, 16)
