"""Signals of unequal length one after another in memory, and their rows."""

from functools import cached_property
from typing import Any

import numpy as np

from skcnn._data.hashing import row_hashes, value_hashes
from skcnn._data.row_source import RowFacts

LENGTH_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that all lengths give other hashes


class SeriesRows:
    """A `RowSource` whose rows are padded when they are read.

    Parameters
    ----------
    steps : ndarray of shape (n_steps, n_channels), dtype float32
        The values of all signals, one signal after another.
    lengths : ndarray of shape (n_signals,), dtype int64
        The length of each signal.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, steps: np.ndarray, lengths: np.ndarray) -> None:
        self.steps = steps
        self.lengths = lengths
        self.starts = np.cumsum(lengths) - lengths
        self.longest = int(lengths.max())

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of values in a row: a length and the padded values."""
        return len(self.lengths), 1 + self.longest * self.steps.shape[1]

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return the rows from `start` to `stop`, a copy."""
        return self.take(np.arange(start, stop))

    def take(self, index: np.ndarray) -> np.ndarray:
        """Return the rows at `index`, a copy."""
        rows = np.zeros((len(index), self.shape[1]), np.float32)
        rows[:, 0] = self.lengths[index]
        for row, number in zip(rows, index.tolist(), strict=True):
            values = self.signal(number).ravel()
            row[1 : 1 + len(values)] = values
        return rows

    def signal(self, number: int) -> np.ndarray:
        """Return the signal in row `number`, of shape (length, n_channels)."""
        start = self.starts[number]
        return self.steps[start : start + self.lengths[number]]

    def steps_of(self, index: np.ndarray) -> np.ndarray:
        """Return the places in `steps` of the signals at `index`, one signal after another."""
        lengths = self.lengths[index]
        begins = np.repeat(self.starts[index] - (np.cumsum(lengths) - lengths), lengths)
        return begins + np.arange(lengths.sum())

    def expect(self, index: np.ndarray) -> None:
        """Do nothing: all values are in memory."""

    def groups(self) -> None:
        """Return None: signals have no groups."""

    def facts(self) -> RowFacts:
        """Return hashes and limits of each row; the hashes do not depend on the padding."""
        return self._facts

    @cached_property
    def _facts(self) -> RowFacts:
        low = np.fmin.reduceat(np.fmin.reduce(self.steps, axis=1), self.starts)
        high = np.fmax.reduceat(np.fmax.reduce(self.steps, axis=1), self.starts)
        return RowFacts(self._hashes(row_hashes), self._hashes(value_hashes), low, high, None)

    def _hashes(self, hash_rows: Any) -> np.ndarray:
        """Return the hashes of all rows, computed for the signals of one length at a time."""
        hashes = np.empty(len(self.lengths), np.uint64)
        for length in np.unique(self.lengths):
            which = np.flatnonzero(self.lengths == length)
            same = self.steps[self.steps_of(which)].reshape(len(which), -1)
            hashes[which] = hash_rows(same)
        return hashes + LENGTH_FACTOR * self.lengths.astype(np.uint64)
