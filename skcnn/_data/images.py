"""Samples past the input gate: rows of bytes or float32 and how a row is an image.

Checks nothing; the gate is in ``_validation``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor

from skcnn._data.mapped_rows import MappedRows
from skcnn._utils.validation import warn_caller
from skcnn.exceptions import InputScaleWarning

MOST_CHUNK_ROWS, MOST_CHUNK_VALUES = 4096, 2**23


@dataclass(frozen=True)
class InputLayout:
    """How a row of values is an image, a signal or a volume.

    Attributes
    ----------
    shape : tuple of int
        One sample with its channel axis: ``(*spatial, n_channels)`` for
        ``channels="last"``, ``(n_channels, *spatial)`` for ``"first"``.
    channels : {"last", "first"}
        Where the channel axis is.
    """

    shape: tuple[int, ...]
    channels: str

    @property
    def spatial(self) -> tuple[int, ...]:
        """The spatial axes' lengths."""
        return self.shape[:-1] if self.channels == "last" else self.shape[1:]

    @property
    def n_channels(self) -> int:
        """The number of channels."""
        return self.shape[-1] if self.channels == "last" else self.shape[0]

    @property
    def network_shape(self) -> tuple[int, ...]:
        """One sample as the network sees it, ``(n_channels, *spatial)``."""
        return (self.n_channels, *self.spatial)

    @property
    def n_values(self) -> int:
        """The number of values of one sample."""
        return prod(self.shape)

    def accepts(self, sample_shape: tuple[int, ...]) -> bool:
        """Return whether samples of this shape can be read without doubt."""
        squeezed = self.spatial if self.n_channels == 1 else self.shape
        return sample_shape in (self.shape, squeezed, (self.n_values,))


@dataclass(frozen=True)
class Images:
    """Samples past the gate.

    Attributes
    ----------
    rows : Tensor of shape (n_samples, n_values)
        uint8 or float32, in the memory order in which `X` came.
    layout : InputLayout
        How a row is an image.
    mapped : MappedRows or None, default=None
        The same rows where they lie in a large file. The methods read that.
    """

    rows: Tensor
    layout: InputLayout
    mapped: MappedRows | None = None

    def __len__(self) -> int:
        return self.rows.shape[0]

    def part(self, start: int, stop: int) -> Tensor:
        """Return the rows from `start` to `stop`."""
        if self.mapped is None:
            return self.rows[start:stop]
        return torch.from_numpy(self.mapped.read(start, min(stop, len(self))))

    def parts(self) -> Iterator[Tensor]:
        """Yield all rows, some at a time."""
        step = chunk_rows(self.layout.n_values)
        for start in range(0, len(self), step):
            yield self.part(start, start + step)

    def rows_at(self, index: Tensor) -> Tensor:
        """Return the rows at `index`."""
        if self.mapped is None:
            if index.device.type == "cpu":  # on one core: sharing costs more than it saves
                return torch.from_numpy(self.rows.numpy()[index.numpy()])
            return self.rows.index_select(0, index)
        return torch.from_numpy(self.mapped.take(index.numpy()))

    def expect(self, index: Tensor) -> None:
        """Have the rows at `index`, which are wanted soon, fetched from the disk."""
        if self.mapped is not None:
            self.mapped.expect(index.numpy())

    def as_batch(self, rows: Tensor) -> Tensor:
        """View selected `rows` as (n_samples, n_channels, *spatial)."""
        batch = rows.view(-1, *self.layout.shape)
        return batch.movedim(-1, 1) if self.layout.channels == "last" else batch

    def take(self, index: Tensor) -> Tensor:
        """Return the samples at `index` as (n_samples, n_channels, *spatial)."""
        return self.as_batch(self.rows_at(index))

    def to(self, device: torch.device) -> "Images":
        """Return the samples on `device`."""
        if self.mapped is None:
            return Images(self.rows.to(device), self.layout)
        if device == self.rows.device:
            return self
        rows = torch.empty_like(self.rows, device=device)
        for there, part in zip(rows.split(chunk_rows(rows.shape[1])), self.parts(), strict=True):
            there.copy_(part)
        return Images(rows, self.layout)


@dataclass(frozen=True)
class ValueRange:
    """The smallest and largest value seen at fit, to recognise another scale later."""

    low: float
    high: float

    @classmethod
    def of(cls, images: Images, weights: np.ndarray | None = None) -> "ValueRange":
        """Return the range of all values, but for those of samples without weight."""
        low, high, seen = np.inf, -np.inf, 0
        for part in images.parts():
            rows = part.numpy()
            if weights is not None:
                rows, seen = rows[weights[seen : seen + len(rows)] > 0], seen + len(rows)
            if len(rows):
                low, high = min(low, float(rows.min())), max(high, float(rows.max()))
        return cls(low, high)

    @property
    def span(self) -> float:
        """The width of the range, 1 where all values are the same."""
        return self.high - self.low or 1.0

    def warn_if_rescaled(self, images: Images) -> None:
        """Warn where bytes at fit meet fractions of one at predict, or the reverse."""
        may_shrink = self.high > 10 and images.rows.is_floating_point()
        may_grow = self.high <= 1
        if self.low < 0 or not (may_shrink or may_grow):
            return
        seen = ValueRange.of(images)
        fractions = may_shrink and seen.low >= 0 and 0 < seen.high <= 1
        shrunk = fractions and any(bool((rows % 1 != 0).any()) for rows in images.parts())
        grown = may_grow and seen.low >= 0 and seen.high > 10
        if shrunk or grown:
            warn_caller(
                f"X lies in [{seen.low:g}, {seen.high:g}], but at fit it lay in "
                f"[{self.low:g}, {self.high:g}]: bytes in one and fractions of one in the "
                "other? Predictions on another scale than the training data are wrong; "
                "multiply or divide X by 255.",
                InputScaleWarning,
            )


def padded_rows(rows: Tensor, n_rows: int) -> Tensor:
    """Return `rows` and zeros after them, `n_rows` in all."""
    missing = n_rows - len(rows)
    return rows if missing == 0 else torch.cat([rows, rows.new_zeros((missing, rows.shape[1]))])


def chunk_rows(n_values: int) -> int:
    """Return how many rows of `n_values` are worked on at a time: 64 MiB of float64."""
    return min(max(MOST_CHUNK_VALUES // n_values, 1), MOST_CHUNK_ROWS)
