"""RowSource: where rows of values come from that are not all in memory."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class RowFacts:
    """What is known of each row without reading it again.

    Attributes
    ----------
    hashes : ndarray of shape (n_rows,), dtype uint64
        `row_hashes` of the rows.
    value_hashes : ndarray of shape (n_rows,), dtype uint64
        `value_hashes` of the rows.
    low, high : ndarray of shape (n_rows,)
        The smallest and the largest value.
    moments : ndarray of shape (n_rows, 2, n_channels), dtype int64, or None
        The sum and the sum of squares of each channel; None for values that are no bytes.
    """

    hashes: np.ndarray
    value_hashes: np.ndarray
    low: np.ndarray
    high: np.ndarray
    moments: np.ndarray | None


class RowSource(Protocol):
    """Rows that are read when they are needed.

    Attributes
    ----------
    shape : (int, int)
        Number of rows and of values in a row.
    dtype : dtype
        Type of the values: uint8 or float32 behind `Images`.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of values in a row."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return the rows from `start` to `stop`, a copy."""

    def take(self, index: np.ndarray) -> np.ndarray:
        """Return the rows at `index`, a copy."""

    def expect(self, index: np.ndarray) -> None:
        """Begin to read the rows at `index`, which are taken next."""

    def facts(self) -> RowFacts | None:
        """Return what is known of each row, None if all must be read for it."""

    def groups(self) -> np.ndarray | None:
        """Return the group of each row if rows of one must not be split, else None."""
