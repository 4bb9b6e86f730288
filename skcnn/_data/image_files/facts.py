"""What is kept of each file after it was decoded once: hashes, limits and sums."""

import numpy as np

from skcnn._data.channel_statistics import byte_moments
from skcnn._data.hashing import row_hashes, value_hashes
from skcnn._data.layouts import InputLayout
from skcnn._data.row_source import RowFacts


class FileFacts:
    """Facts of files, with gaps. About 70 bytes a file.

    Parameters
    ----------
    n_files : int
        Number of files.
    sample_shape : tuple of int
        Height, width and number of channels.
    dtype : dtype
        uint8, or uint16 for images that become float32.
    """

    def __init__(self, n_files: int, sample_shape: tuple[int, int, int], dtype: np.dtype) -> None:
        self._layout = InputLayout(sample_shape, "last")
        self._known = np.zeros(n_files, bool)
        self._hashes = np.zeros(n_files, np.uint64)
        self._value_hashes = np.zeros(n_files, np.uint64)
        self._low = np.zeros(n_files, dtype)
        self._high = np.zeros(n_files, dtype)
        self._moments: np.ndarray | None = None
        if dtype == np.uint8:
            self._moments = np.zeros((n_files, 2, sample_shape[2]), np.int64)

    def known(self, numbers: np.ndarray) -> np.ndarray:
        """Return whether something is known of each file."""
        return self._known[numbers]

    def learn(self, numbers: np.ndarray, rows: np.ndarray) -> None:
        """Keep the facts of decoded files. May be called in several threads."""
        self._low[numbers], self._high[numbers] = rows.min(1), rows.max(1)
        if self._moments is None:
            rows = rows.astype(np.float32)
        else:
            self._moments[numbers] = byte_moments(rows, self._layout)
        self._hashes[numbers] = row_hashes(rows)
        self._value_hashes[numbers] = value_hashes(rows)
        self._known[numbers] = True  # at last, for other threads

    def of(self, numbers: np.ndarray) -> RowFacts:
        """Return the facts of files, all of which are known."""
        return RowFacts(
            self._hashes[numbers],
            self._value_hashes[numbers],
            self._low[numbers],
            self._high[numbers],
            None if self._moments is None else self._moments[numbers],
        )
