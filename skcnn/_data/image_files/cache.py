"""Decoded images that are kept, in memory or in a folder, so that they are decoded once."""

import itertools
import os
import warnings
import weakref
from pathlib import Path
from typing import Any, Protocol

import numpy as np

AUTO_BYTES = 2**28  # all images together, that "auto" keeps in memory
MEMORY_BYTES = 2**30  # the default bound in memory


class RowCache(Protocol):
    """Rows of decoded values by the number of their file. All methods work in several threads."""

    def holds(self, numbers: np.ndarray) -> bool:
        """Return whether all of these rows are kept."""

    def get(self, numbers: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Copy what is kept to contiguous `rows`, and return the places of the others."""

    def put(self, numbers: np.ndarray, rows: np.ndarray) -> None:
        """Keep rows, if there is room."""

    def expect(self, numbers: np.ndarray) -> None:
        """Take notice that these rows are read next."""


class MemoryCache:
    """Rows in this process's memory.

    Parameters
    ----------
    n_files, n_values : int
        Number of rows and of values in each.
    dtype : dtype
        Type of the values.
    most_bytes : int
        Rows beyond are not kept.
    """

    def __init__(self, n_files: int, n_values: int, dtype: np.dtype[Any], most_bytes: int) -> None:
        n_rows = min(n_files, most_bytes // (n_values * dtype.itemsize))
        self._rows = np.empty((n_rows, n_values), dtype)  # takes memory where it is written to
        self._places = np.full(n_files, -1, np.int32)
        self._next = itertools.count()  # a place is taken in one step, in any thread

    def holds(self, numbers: np.ndarray) -> bool:
        """Return whether all of these rows are kept."""
        return bool((self._places[numbers] >= 0).all())

    def get(self, numbers: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Copy what is kept to `rows`, and return the places of the others."""
        places = self._places[numbers]
        if (places >= 0).all():
            np.take(self._rows, places, axis=0, out=rows, mode="clip")  # "raise" copies twice
            return np.empty(0, np.int64)
        found = np.flatnonzero(places >= 0)
        rows[found] = self._rows[places[found]]
        return np.flatnonzero(places < 0)

    def put(self, numbers: np.ndarray, rows: np.ndarray) -> None:
        """Keep rows, if there is room."""
        if len(self._rows) == 0:
            return
        for number, row in zip(numbers.tolist(), rows, strict=True):
            place = next(self._next)
            if place >= len(self._rows):
                break
            self._rows[place] = row
            self._places[number] = place  # at last, for other threads

    def expect(self, numbers: np.ndarray) -> None:
        """Do nothing: they are there."""


class FolderCache:
    """Rows in a file, shared by all processes that have the same files and settings.

    A row is written before the byte that says so. A process that is killed leaves rows that are
    not there, and two that write the same row write the same bytes. Rows are read from the file
    and not through a mapping, whose pages would count as the process's memory.

    Parameters
    ----------
    folder : str
        Where the files lie.
    key : str
        Names the files and their settings.
    n_files, n_values : int
        Number of rows and of values in each.
    dtype : dtype
        Type of the values.
    most_bytes : int or None
        Rows beyond are not kept.
    """

    def __init__(
        self,
        folder: str,
        key: str,
        n_files: int,
        n_values: int,
        dtype: np.dtype[Any],
        most_bytes: int | None,
    ) -> None:
        self._row_bytes = n_values * dtype.itemsize
        self._n_rows = (
            n_files if most_bytes is None else min(n_files, most_bytes // self._row_bytes)
        )
        path = Path(folder) / f"skcnn-{key}"
        self._fd = os.open(path.with_suffix(".rows"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        weakref.finalize(self, os.close, self._fd)
        marks = os.open(path.with_suffix(".marks"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _allocate(marks, n_files)  # a mapping of a file with holes may end the process
        finally:
            os.close(marks)
        self._marks = np.memmap(path.with_suffix(".marks"), np.uint8, "r+", shape=(n_files,))
        self._is_full = False

    def holds(self, numbers: np.ndarray) -> bool:
        """Return whether all of these rows are kept."""
        return bool(self._marks[numbers].all())

    def get(self, numbers: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Copy what is kept to `rows`, and return the places of the others."""
        found = self._marks[numbers] != 0
        places = np.flatnonzero(found).tolist()
        offsets = (numbers[found] * self._row_bytes).tolist()
        buffer, n = rows.reshape(-1).view(np.uint8).data, self._row_bytes
        for place, offset in zip(places, offsets, strict=True):
            if os.preadv(self._fd, (buffer[place * n : place * n + n],), offset) != n:
                found[place] = False  # the file was cut off
        return np.flatnonzero(~found)

    def put(self, numbers: np.ndarray, rows: np.ndarray) -> None:
        """Keep rows, if there is room."""
        for number, row in zip(numbers.tolist(), rows, strict=True):
            if number < self._n_rows and not self._is_full:
                if self._write(row.view(np.uint8).data, number * self._row_bytes):
                    self._marks[number] = 1
                else:
                    self._is_full = True

    def expect(self, numbers: np.ndarray) -> None:
        """Ask the system to fetch these rows from the disk."""
        if hasattr(os, "posix_fadvise"):
            for offset in (numbers * self._row_bytes).tolist():
                os.posix_fadvise(self._fd, offset, self._row_bytes, os.POSIX_FADV_WILLNEED)

    def _write(self, row: memoryview, offset: int) -> bool:
        """Write a row, and return whether there was room."""
        try:
            if os.pwrite(self._fd, row, offset) == self._row_bytes:
                return True
            reason = "a row was not written whole"
        except OSError as error:
            reason = str(error.strerror)
        warnings.warn(
            f"Decoded images are no longer kept in the cache's folder: {reason}. The others are "
            "decoded each time.",
            UserWarning,
            stacklevel=2,
        )
        return False


def _allocate(fd: int, n_bytes: int) -> None:
    """Make a file at least that long, without changing what is in it."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, n_bytes)
    elif os.fstat(fd).st_size < n_bytes:
        os.ftruncate(fd, n_bytes)
