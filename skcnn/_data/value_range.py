"""The range of values at fit, and the warning about another scale at predict."""

from dataclasses import dataclass

import numpy as np
import torch

from skcnn._data.images import Images
from skcnn._data.offsets import highest, lowest
from skcnn._utils.validation import warn_caller
from skcnn.exceptions import InputScaleWarning

MOST_BYTE = 255
CLEARLY_MORE_THAN_BYTES = 10 * MOST_BYTE


@dataclass(frozen=True)
class ValueRange:
    """The smallest and the largest value at fit."""

    low: float
    high: float

    @classmethod
    def of(cls, images: Images, weights: np.ndarray | None = None) -> "ValueRange":
        """Return the range of all values, without the samples of weight zero."""
        facts = images.facts()
        if facts is not None:
            counted = slice(None) if weights is None else weights > 0
            low, high = np.fmin.reduce(facts.low[counted]), np.fmax.reduce(facts.high[counted])
            return cls(float(low), float(high))
        low, high, seen = np.inf, -np.inf, 0
        for part in images.parts():
            rows = part.numpy()
            if weights is not None:
                rows, seen = rows[weights[seen : seen + len(rows)] > 0], seen + len(rows)
            if len(rows):
                low = np.fmin(low, lowest(rows, images.layout))
                high = np.fmax(high, highest(rows, images.layout))
        return cls(float(low), float(high))

    @property
    def span(self) -> float:
        """The width of the range, 1 where all values are the same."""
        return self.high - self.low or 1.0

    def warn_if_rescaled(self, images: Images) -> None:
        """Warn if values are bytes at fit and fractions of one at predict, or the reverse.

        And if one are bytes and the other 16-bit integers.
        """
        are_bytes = images.dtype == torch.uint8
        may_shrink = self.high > 10 and images.dtype.is_floating_point
        may_grow = self.high <= 1
        may_be_bytes = self.high > CLEARLY_MORE_THAN_BYTES and are_bytes
        may_be_words = 10 < self.high <= MOST_BYTE and not are_bytes
        if self.low < 0 or not (may_shrink or may_grow or may_be_bytes or may_be_words):
            return
        seen = ValueRange.of(images)
        fractions = may_shrink and seen.low >= 0 and 0 < seen.high <= 1
        shrunk = fractions and any(bool((rows % 1 > 0).any()) for rows in images.parts())
        grown = may_grow and seen.low >= 0 and seen.high > 10
        if shrunk or grown:
            self._warn(seen, "bytes and the other bytes divided by 255", 255)
        elif may_be_bytes or (may_be_words and seen.high > CLEARLY_MORE_THAN_BYTES):
            self._warn(seen, "bytes and the other 16-bit integers", 257)

    def _warn(self, seen: "ValueRange", what: str, factor: int) -> None:
        warn_caller(
            f"X lies in [{seen.low:g}, {seen.high:g}], but at fit it lay in "
            f"[{self.low:g}, {self.high:g}]. One seems to be {what}. Predictions need the scale "
            f"of the training data: multiply or divide X by {factor}.",
            InputScaleWarning,
        )
