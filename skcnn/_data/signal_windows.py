"""SignalWindows: windows of recordings, as an array that copies what is read from it."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from skcnn._data.images import Images, holds_bytes
from skcnn._data.layouts import InputLayout
from skcnn._data.offsets import offset_within
from skcnn._data.row_source import RowSource
from skcnn._utils.validation import is_integer


class SignalWindows:
    """Windows of recordings.

    Windows are cut out of the recordings when they are read, so that overlapping ones take no
    memory. ``np.asarray`` copies all.

    Parameters
    ----------
    recordings : sequence of ndarray of shape (length_i,) or (length_i, n_channels)
        Finite numbers of one dtype, all with the same number of axes and channels.
    length : int
        Number of time steps of a window.
    recording : ndarray of shape (n_windows,)
        The number of each window's recording.
    start : ndarray of shape (n_windows,)
        The first time step of each window in its recording.
    """

    def __init__(
        self,
        recordings: Sequence[np.ndarray],
        length: int,
        recording: np.ndarray,
        start: np.ndarray,
    ) -> None:
        self.recordings = recordings
        self.length = length
        self.recording = recording
        self.start = start

    @classmethod
    def cut(cls, recordings: Sequence[np.ndarray], length: int, step: int) -> "SignalWindows":
        """Return all windows that begin at multiples of `step` and lie within a recording."""
        counts = np.array([max(len(each) - length + step, 0) // step for each in recordings])
        recording = np.repeat(np.arange(len(recordings)), counts)
        firsts = np.repeat(np.cumsum(counts) - counts, counts)
        start = (np.arange(len(recording)) - firsts) * step
        return cls(recordings, length, recording, start)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of windows, length and, unless there is no such axis, number of channels."""
        return (len(self), self.length, *self.recordings[0].shape[1:])

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.recordings[0].dtype

    def __len__(self) -> int:
        return len(self.recording)

    def __getitem__(self, key: Any) -> Any:
        if is_integer(key):
            return self._select(np.array([range(len(self))[key]]))[0]
        chosen = np.arange(len(self))[key]
        return SignalWindows(
            self.recordings, self.length, self.recording[chosen], self.start[chosen]
        )

    def __iter__(self) -> Iterator[np.ndarray]:
        for number in range(len(self)):
            yield self[number]

    def _select(self, numbers: Any) -> np.ndarray:
        """Return a copy of the windows at `numbers`."""
        windows = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        places = zip(self.recording[numbers].tolist(), self.start[numbers].tolist(), strict=True)
        for window, (recording, start) in zip(windows, places, strict=True):
            window[...] = self.recordings[recording][start : start + self.length]
        return windows

    def to_numpy(self) -> np.ndarray:
        """Return a copy of all windows."""
        return self._select(np.arange(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("Windows are cut when they are read: copy=False fails.")
        values = self.to_numpy()
        return values if dtype is None else values.astype(dtype, copy=False)

    def __getstate__(self) -> dict[str, Any]:
        used, recording = np.unique(self.recording, return_inverse=True)
        kept = [self.recordings[number] for number in used.tolist()]
        return {**vars(self), "recordings": kept, "recording": recording}

    def value_range(self) -> tuple[float, float]:
        """Return the smallest and the largest value of the windows."""
        spans = [*self._spans()]
        return min(float(each.min()) for each in spans), max(float(each.max()) for each in spans)

    def _spans(self, weights: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Yield the parts of the recordings that lie in windows whose weight is not zero."""
        used = np.arange(len(self)) if weights is None else np.flatnonzero(weights)
        used = used[np.lexsort((self.start[used], self.recording[used]))]
        recording, start = self.recording[used], self.start[used]
        breaks = (np.diff(recording) != 0) | (np.diff(start) > self.length)
        firsts = np.flatnonzero(np.append(len(used) > 0, breaks))
        lasts = np.append(firsts[1:], len(used)) - 1
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=False):
            yield self.recordings[recording[first]][start[first] : start[last] + self.length]

    def images(
        self,
        layout: InputLayout,
        offset: np.ndarray | None,
        compact: bool,
        weights: np.ndarray | None = None,
    ) -> Images:
        """Return the windows as samples that are cut when they are read.

        With ``compact=True``, whole numbers from 0 to 255 become bytes, as in arrays. Windows of
        weight zero do not count.

        Raises
        ------
        ValueError
            If a number is too large for float32.
        """
        row = None if offset is None else layout.row_of(offset)
        are_bytes = row is None and (
            self.dtype in (np.uint8, np.bool_)
            or (compact and all(holds_bytes(each) for each in self._spans(weights)))
        )
        if not np.can_cast(self.dtype, np.float32):
            most = float(np.finfo(np.float32).max)
            low, high = self.value_range()
            if max(-low, high) > most:
                raise ValueError("Input X contains values too large for dtype('float32').")
        return Images(None, layout, WindowRows(self, row, np.uint8 if are_bytes else np.float32))

    def offset(self, layout: InputLayout, weights: np.ndarray | None) -> np.ndarray | None:
        """Return what must be subtracted from each channel before it becomes float32.

        Windows of weight zero, and time steps in no window, do not count.
        """
        if np.can_cast(self.dtype, np.float32):
            return None
        flat = [each.reshape(len(each), -1) for each in self._spans(weights)]
        if not flat:
            return None
        low = np.min([each.min(axis=0) for each in flat], axis=0)
        high = np.max([each.max(axis=0) for each in flat], axis=0)
        return offset_within(low, high, layout)


class WindowRows(RowSource):
    """Windows as rows of bytes or float32.

    Parameters
    ----------
    windows : SignalWindows
        The windows.
    offset : ndarray of shape (n_values,) or None
        What is subtracted in float64.
    dtype : type
        uint8 or float32.
    """

    def __init__(self, windows: SignalWindows, offset: np.ndarray | None, dtype: Any) -> None:
        self._windows = windows
        self._offset = offset
        self._dtype = np.dtype(dtype)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of values in a row."""
        return len(self._windows), int(np.prod(self._windows.shape[1:]))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self._dtype

    def take(self, index: np.ndarray) -> np.ndarray:
        """Return the rows at `index`, a copy."""
        rows = self._windows._select(index).reshape(len(index), -1)
        if self._offset is not None:
            rows = rows - self._offset
        with np.errstate(invalid="ignore"):  # in rows of weight zero
            return rows.astype(self.dtype, copy=False)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return the rows from `start` to `stop`, a copy."""
        return self.take(np.arange(start, stop))

    def expect(self, index: np.ndarray) -> None:
        """Do nothing: the recordings are in memory."""

    def facts(self) -> None:
        """Return None: nothing is known of the rows."""

    def groups(self) -> np.ndarray:
        """Return the number of the recording of each row."""
        return self._windows.recording
