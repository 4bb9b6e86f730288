"""The offset of each channel, subtracted in float64 where float32 would lose the signal."""

from typing import Any

import numpy as np

from skcnn._data.images import row_parts
from skcnn._data.layouts import InputLayout
from skcnn._data.mapped_rows import MappedRows
from skcnn._utils.validation import warn_caller
from skcnn.exceptions import InputScaleWarning

FEWEST_STEPS = 2**10  # a range of fewer steps of float32 counts as lost
SMALLEST_RANGE = 1e-35  # float32 has full precision down to 1.2e-38


def channel_offset(
    array: np.ndarray, layout: InputLayout, weights: np.ndarray | None = None
) -> np.ndarray | None:
    """Return what must be subtracted from each channel before it becomes float32.

    Parameters
    ----------
    array : ndarray of shape (n_samples, ...)
        Samples of any real dtype.
    layout : InputLayout
        How a sample is an image.
    weights : ndarray of shape (n_samples,) or None, default=None
        Samples of weight zero are left out.

    Returns
    -------
    ndarray of shape (n_channels,), dtype float64, or None
        The middle of the range of a channel if float32 has few steps within it, and zero for
        other channels. None if it is zero for all.

    Raises
    ------
    ValueError
        If float32, or float64 for whole numbers, cannot tell the values apart.
    """
    if np.can_cast(array.dtype, np.float32):
        return None
    low, high = _limits(array.reshape(len(array), -1), layout, weights)
    return None if low is None or high is None else offset_within(low, high, layout)


def offset_within(low: np.ndarray, high: np.ndarray, layout: InputLayout) -> np.ndarray | None:
    """Return `channel_offset` for the smallest and the largest value of each channel."""
    whole = low.dtype.kind in "iu"
    # differences of long integers may not fit into their type
    ranges = (high.astype(object) - low.astype(object)).astype(np.float64)
    if layout.masks:  # a channel may have no values at all
        low, high, ranges = (np.nan_to_num(each) for each in (low, high, ranges))
    low, high = low.astype(np.float64), high.astype(np.float64)
    check_range(float(low.min()), float(high.max()))
    largest = np.maximum(np.abs(low), np.abs(high))
    limits = np.finfo(np.float32)
    steps = np.spacing(np.clip(largest, limits.tiny, limits.max / 2).astype(np.float32))
    lost = (ranges > 0) & (ranges < FEWEST_STEPS * steps.astype(np.float64))
    fine = ranges >= FEWEST_STEPS * np.spacing(largest)  # else it is the rounding of float64
    if whole and (lost & ~fine & (largest > 2**53)).any():
        raise ValueError(
            f"X has whole numbers of up to {largest.max():g} that differ by "
            f"{ranges[lost & ~fine].min():g} only: float64 cannot tell them apart. Subtract "
            "their minimum before."
        )
    lost &= fine | whole
    return np.where(lost, low / 2 + high / 2, 0.0) if lost.any() else None


def usable_offset(offset: np.ndarray | None, is_usable: bool) -> np.ndarray | None:
    """Return the offset, or warn that it is needed and return None where none may be used."""
    if offset is None or is_usable:
        return offset
    warn_caller(
        f"float32 has few steps between the values of X, which are near {offset.max():g}: "
        "subtract that number from X, or set standardize=True.",
        InputScaleWarning,
    )
    return None


def check_range(low: float, high: float) -> None:
    """Raise ValueError if there are no values, or float32 cannot hold their difference."""
    if not low <= high:
        raise ValueError("Input X contains NaN only: there are no values to learn from.")
    if 0 < high - low < SMALLEST_RANGE:
        raise ValueError(
            f"The values of X lie in [{low:g}, {high:g}]: their differences are too small for "
            "dtype('float32'). Multiply X by a large number."
        )


def _limits(
    flat: np.ndarray, layout: InputLayout, weights: np.ndarray | None
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the smallest and the largest value of each channel, None without samples."""
    low = high = None
    seen = 0
    for part in row_parts(flat, MappedRows.of(flat)):
        rows, start, seen = part, seen, seen + len(part)
        if weights is not None:
            rows = part[weights[start:seen] > 0]
        if len(rows):
            least, most = lowest(rows, layout, 0), highest(rows, layout, 0)
            low = least if low is None else np.fmin(low, least)
            high = most if high is None else np.fmax(high, most)
    if low is None or high is None:
        return None, None
    axes = layout.spatial_axes
    low, high = low.reshape(layout.shape), high.reshape(layout.shape)
    return lowest(low, layout, axes), highest(high, layout, axes)


def lowest(values: np.ndarray, layout: InputLayout, axes: Any = None) -> np.ndarray:
    """Return the smallest values along axes, of those that are not missing."""
    return np.fmin.reduce(values, axes) if layout.masks else values.min(axes)


def highest(values: np.ndarray, layout: InputLayout, axes: Any = None) -> np.ndarray:
    """Return the largest values along axes, of those that are not missing."""
    return np.fmax.reduce(values, axes) if layout.masks else values.max(axes)
