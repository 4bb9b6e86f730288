"""Validated samples as rows of bytes or float32, in memory or read when they are needed."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skcnn._data.layouts import InputLayout
from skcnn._data.mapped_rows import MappedRows
from skcnn._data.row_source import RowFacts, RowSource

MOST_CHUNK_ROWS, MOST_CHUNK_VALUES = 4096, 2**23
CACHED_BYTES = 2**17


@dataclass(frozen=True)
class Images:
    """Validated samples.

    Attributes
    ----------
    held : Tensor of shape (n_samples, n_values) or None
        The rows in memory: uint8 or float32, in the order of the axes of `X`. None if there is
        only a source.
    layout : InputLayout
        How a row is an image.
    source : RowSource or None, default=None
        Where the methods read the rows, if not in memory.
    """

    held: Tensor | None
    layout: InputLayout
    source: RowSource | None = None

    def __len__(self) -> int:
        return self._shape[0]

    @property
    def _shape(self) -> tuple[int, int]:
        """Number of samples and of values in each."""
        if self.held is None:
            assert self.source is not None
            return self.source.shape
        return self.held.shape[0], self.held.shape[1]

    @property
    def rows(self) -> Tensor:
        """All rows in memory, which are read if they are not there."""
        return self.part(0, len(self)) if self.held is None else self.held

    @property
    def dtype(self) -> torch.dtype:
        """The type of the rows, uint8 or float32."""
        if self.held is not None:
            return self.held.dtype
        assert self.source is not None
        return torch.uint8 if self.source.dtype == np.uint8 else torch.float32

    @property
    def device(self) -> torch.device:
        """Where the rows are; those of a source are read into the computer's memory."""
        return torch.device("cpu") if self.held is None else self.held.device

    @property
    def n_bytes(self) -> int:
        """The number of bytes of all rows."""
        n_rows, n_values = self._shape
        return n_rows * n_values * self.dtype.itemsize

    def facts(self) -> RowFacts | None:
        """Return what is known of each row without reading it again, None for nothing."""
        return None if self.source is None else self.source.facts()

    def groups(self) -> np.ndarray | None:
        """Return the group of each row, as the recording of a window, None without groups."""
        return None if self.source is None else self.source.groups()

    def part(self, start: int, stop: int) -> Tensor:
        """Return the rows from `start` to `stop`."""
        if self.source is not None:
            return torch.from_numpy(self.source.read(start, min(stop, len(self))))
        assert self.held is not None
        return self.held[start:stop]

    def parts(self) -> Iterator[Tensor]:
        """Yield all rows in parts."""
        step = chunk_rows(self.layout.n_values)
        for start in range(0, len(self), step):
            yield self.part(start, start + step)

    def rows_at(self, index: Tensor) -> Tensor:
        """Return the rows at `index`."""
        if self.source is not None:
            return torch.from_numpy(self.source.take(index.numpy()))
        assert self.held is not None
        if index.device.type == "cpu":  # on one core, which is faster here
            return torch.from_numpy(self.held.numpy()[index.numpy()])
        return self.held.index_select(0, index)

    def expect(self, index: Tensor) -> None:
        """Start to fetch the rows at `index`, which are asked for next."""
        if self.source is not None:
            self.source.expect(index.numpy())

    def as_batch(self, rows: Tensor) -> Tensor:
        """View selected `rows` as (n_samples, n_channels, *spatial)."""
        return self.layout.batch_of(rows)

    def take(self, index: Tensor) -> Tensor:
        """Return the samples at `index` as (n_samples, n_channels, *spatial)."""
        return self.as_batch(self.rows_at(index))

    def to(self, device: torch.device) -> "Images":
        """Return the samples on `device`."""
        if self.source is None:
            assert self.held is not None
            return Images(self.held.to(device), self.layout)
        if device == self.device:
            return self
        rows = torch.empty(self._shape, dtype=self.dtype, device=device)
        chunks = rows.split(chunk_rows(rows.shape[1]))
        for chunk, part in zip(chunks, self.parts(), strict=True):
            chunk.copy_(part)
        return Images(rows, self.layout)


def as_images(
    array: np.ndarray,
    layout: InputLayout,
    compact: bool,
    offset: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Images:
    """Return `array` as rows of uint8 or float32, without a copy where possible.

    With ``compact=True``, whole numbers from 0 to 255 become bytes, so that the trained
    network does not depend on their dtype. Rows of weight zero do not count for it, and may
    change. An `offset` of each channel is subtracted in float64, and the rows are float32.
    """
    flat = array.reshape(len(array), -1)
    mapped = MappedRows.of(flat)
    if offset is not None:
        flat, mapped = _converted(flat, mapped, np.float32, layout.row_of(offset)), None
    elif flat.dtype == np.bool_ or (
        compact and flat.dtype != np.uint8 and holds_bytes(flat, mapped, weights)
    ):
        flat, mapped = _converted(flat, mapped, np.uint8), None
    elif flat.dtype not in (np.uint8, np.float32):
        flat, mapped = _converted(flat, mapped, np.float32), None
    flat = np.ascontiguousarray(flat)
    if flat.flags.writeable:
        return Images(torch.from_numpy(flat), layout, mapped)
    with warnings.catch_warnings():
        # rows are never written to, so that a read-only array needs no copy
        warnings.filterwarnings("ignore", message=".*not writable", category=UserWarning)
        return Images(torch.from_numpy(flat), layout, mapped)


def holds_bytes(
    flat: np.ndarray, mapped: MappedRows | None = None, weights: np.ndarray | None = None
) -> bool:
    """Return whether all values of rows whose weight is not zero are whole, from 0 to 255."""
    seen = 0
    for part in row_parts(flat, mapped):
        start, seen = seen, seen + len(part)
        if weights is not None:
            part = part[weights[start:seen] > 0]
            if len(part) == 0:
                continue
        if part.min() < 0 or part.max() > 255:
            return False
        if part.dtype.kind == "f" and not np.array_equal(part, np.trunc(part)):
            return False
    return True


def _converted(
    flat: np.ndarray, mapped: MappedRows | None, dtype: Any, offset: np.ndarray | None = None
) -> np.ndarray:
    """Return the rows as `dtype`, less `offset`.

    Raises
    ------
    ValueError
        If a number is too large for it.
    """
    rows = np.empty(flat.shape, dtype)
    start = 0
    for part in row_parts(flat, mapped):
        narrow = rows[start : start + len(part)]
        with np.errstate(over="ignore", invalid="ignore"):
            narrow[...] = part if offset is None else part - offset
        if part.dtype.kind == "f" and np.isinf(narrow).any():
            raise ValueError("Input X contains values too large for dtype('float32').")
        start += len(part)
    return rows


def row_parts(flat: np.ndarray, mapped: MappedRows | None) -> Iterator[np.ndarray]:
    """Yield all rows in parts, from the file if they are `mapped`."""
    step = chunk_rows(flat[:1].size)
    for start in range(0, len(flat), step):
        stop = min(start + step, len(flat))
        yield flat[start:stop] if mapped is None else mapped.read(start, stop)


def padded_rows(rows: Tensor, n_rows: int) -> Tensor:
    """Return `rows` followed by rows of zeros, `n_rows` in all."""
    missing = n_rows - len(rows)
    return rows if missing == 0 else torch.cat([rows, rows.new_zeros((missing, rows.shape[1]))])


def chunk_rows(n_values: int) -> int:
    """Return how many rows of `n_values` are processed at a time, at most 64 MiB of float64."""
    return min(max(MOST_CHUNK_VALUES // n_values, 1), MOST_CHUNK_ROWS)


def cached_rows(n_values: int) -> int:
    """Return how many rows stay in the processor's cache between two steps of arithmetic."""
    return max(CACHED_BYTES // n_values, 1)
