"""Rows of decoded values for `Images`, read in the background."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from skcnn._data.image_files.decoded import DecodedFiles, Failure
from skcnn._data.image_files.image_files import ImageFiles
from skcnn._data.image_files.pool import ReadingThreads, Work
from skcnn._data.images import Images
from skcnn._data.layouts import InputLayout
from skcnn._data.row_source import RowFacts, RowSource

MOST_EXPECTED = 3  # parts that are decoded before they are asked for


def file_images(
    files: ImageFiles, layout: InputLayout, compact: bool, offset: np.ndarray | None
) -> Images:
    """Return images in files as `as_images` returns them of an array, but not decoded.

    With ``compact=True`` files of 16 bits with values up to 255 become bytes, as arrays do. To
    know it, they are decoded once.
    """
    decoded, numbers = files._files, files._numbers
    dtype = np.dtype(np.uint8 if files.dtype == np.uint8 else np.float32)
    row = None if offset is None else layout.row_of(offset)
    if row is not None:
        dtype = np.dtype(np.float32)
    elif files.dtype != np.uint8 and compact:
        with ReadingThreads() as threads:
            if decoded.facts_of(numbers, threads).high.max() <= 255:
                dtype = np.dtype(np.uint8)
    return Images(None, layout, FileRows(decoded, numbers, dtype, row))


class _Reading:
    """Rows on their way: the memory they are decoded into, and the work that does it."""

    def __init__(self, files: DecodedFiles, rows: np.ndarray, work: Work[list[Failure]]) -> None:
        self._files = files
        self._rows = rows
        self._work = work

    def rows(self) -> np.ndarray:
        """Wait for the rows."""
        self._files.check(failure for part in self._work.results() for failure in part)
        return self._rows

    def cancel(self) -> None:
        """Leave out what is not begun."""
        self._work.cancel()


class FileRows(RowSource):
    """Images in files as rows.

    Parameters
    ----------
    files : DecodedFiles
        The files.
    numbers : ndarray of shape (n_rows,)
        The number of each row's file.
    dtype : dtype
        uint8 or float32.
    offset : ndarray of shape (n_values,) or None
        What is subtracted in float64.
    """

    def __init__(
        self,
        files: DecodedFiles,
        numbers: np.ndarray,
        dtype: np.dtype[Any],
        offset: np.ndarray | None = None,
    ) -> None:
        self._files = files
        self._numbers = numbers
        self._dtype = dtype
        self._offset = offset
        self._threads = ReadingThreads()
        self._expected: dict[bytes, _Reading] = {}
        self._process = os.getpid()

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of values in a row."""
        return len(self._numbers), self._files.n_values

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self._dtype

    def take(self, index: np.ndarray) -> np.ndarray:
        """Return the rows at `index`.

        Raises
        ------
        ImageFileError
            If files cannot be read; it names them.
        """
        with self._threads_end_by_errors():
            return self._converted(self._reading(index).rows())

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return the rows from `start` to `stop`, and begin to read as many after them."""
        with self._threads_end_by_errors():
            reading = self._reading(np.arange(start, stop))
            after = np.arange(stop, min(2 * stop - start, len(self._numbers)))
            if len(after):
                self.expect(after)
            return self._converted(reading.rows())

    def expect(self, index: np.ndarray) -> None:
        """Begin to read the rows at `index`."""
        key = index.tobytes()
        if key in self._expected or self._files.expects_cached(self._numbers[index]):
            return
        while len(self._expected) >= MOST_EXPECTED:  # of a reader that stopped early
            self._expected.pop(next(iter(self._expected))).cancel()
        self._expected[key] = self._begin(index)

    def facts(self) -> RowFacts | None:
        """Return what is known of each row, after decoding those that were not read before."""
        hashed = np.uint8 if self._files.decoder.dtype == np.uint8 else np.float32
        if self._offset is not None or self._dtype != hashed:
            return None
        with self._threads_end_by_errors():
            return self._files.facts_of(self._numbers, self._threads)

    def groups(self) -> None:
        """Return None: files have no groups."""

    @contextmanager
    def _threads_end_by_errors(self) -> Iterator[None]:
        """End the threads if there is an error, whose traceback may keep this object."""
        try:
            yield
        except BaseException:
            self._expected.clear()
            self._threads.close()
            raise

    def _reading(self, index: np.ndarray) -> _Reading:
        if self._process != os.getpid():  # what a forked process expects is never read
            self._expected.clear()
            self._process = os.getpid()
        return self._expected.pop(index.tobytes(), None) or self._begin(index)

    def _begin(self, index: np.ndarray) -> _Reading:
        files, numbers = self._files, self._numbers[index]
        rows = files.cached(numbers)
        if rows is not None:
            return _Reading(files, rows, Work([]))
        rows = files.new_rows(len(index))
        work = self._threads.start(lambda some, part: files.fill(some, rows[part]), numbers)
        return _Reading(files, rows, work)

    def _converted(self, rows: np.ndarray) -> np.ndarray:
        if self._offset is not None:
            return (rows - self._offset).astype(np.float32)
        return rows if rows.dtype == self._dtype else rows.astype(self._dtype)
