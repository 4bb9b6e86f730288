"""Resizing arrays of images by interpolation with antialiasing, as Pillow does it.

Each axis is a product with a sparse matrix, so that it works for any dtype and many images at
once. Bytes have the very values that Pillow computes.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

FIXED_BITS = 22  # of Pillow's weights for bytes
MOST_VALUES = 2**22  # in a part of the images, since intermediate values are float64
CUBIC = -0.5  # Pillow's cubic


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(x), 0)


def _cubic(x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    inner = ((CUBIC + 2) * x - (CUBIC + 3)) * x**2 + 1
    outer = (((x - 5) * x + 8) * x - 4) * CUBIC
    return np.where(x < 1, inner, np.where(x < 2, outer, 0))


# Functions of the distance from the middle of a new pixel, and where they end.
FILTERS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "bilinear": (_triangle, 1.0),
    "bicubic": (_cubic, 2.0),
}
INTERPOLATIONS = ("nearest", *FILTERS)


class Axis(NamedTuple):
    """How an axis is resized: the part that is read, the new length, and zeros around it."""

    n: int
    start: float
    stop: float
    n_inner: int
    n_before: int
    n_after: int


def axes_of(shape: tuple[int, int], size: tuple[int, int], how: str) -> tuple[Axis, Axis]:
    """Return how height and width are resized.

    Parameters
    ----------
    shape, size : (int, int)
        Old and new height and width.
    how : {"crop", "pad", "stretch"}
        Scale until the image covers the size, and cut off what is outside in equal parts; scale
        until it lies inside, and add zeros; or scale each side by its own factor.
    """
    ratios = [new / old for new, old in zip(size, shape, strict=True)]
    axes = []
    for old, new in zip(shape, size, strict=True):
        start, stop, inner = 0.0, float(old), new
        if how == "crop":
            length = min(new / max(ratios), old)
            start = (old - length) / 2
            # single precision, as the box that Pillow is given
            start, stop = float(np.float32(start)), float(np.float32(start + length))
        elif how == "pad":
            inner = min(max(round(old * min(ratios)), 1), new)
        before = (new - inner) // 2
        axes.append(Axis(old, start, stop, inner, before, new - inner - before))
    return axes[0], axes[1]


@lru_cache(maxsize=64)
def _weights(axis: Axis, interpolation: str, fixed: bool) -> csr_array:
    """Return the matrix that maps the old values of an axis to the new ones.

    With `fixed`, the weights are whole multiples of ``2**-22``, times ``2**22``.
    """
    scale = (axis.stop - axis.start) / axis.n_inner
    centers = axis.start + (np.arange(axis.n_inner) + 0.5) * scale
    function, support = FILTERS[interpolation]
    stretch = max(scale, 1.0)  # a smaller image averages: antialiasing
    first = np.maximum((centers - support * stretch + 0.5).astype(np.intp), 0)
    last = np.minimum((centers + support * stretch + 0.5).astype(np.intp), axis.n)
    counts = last - first
    rows = np.repeat(np.arange(axis.n_inner), counts)
    columns = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts - first, counts)
    weights = function((columns - centers[rows] + 0.5) / stretch)
    weights /= np.bincount(rows, weights)[rows]
    if fixed:
        weights = np.trunc(weights * 2**FIXED_BITS + np.copysign(0.5, weights))
    return csr_array((weights, (rows, columns)), (axis.n_inner, axis.n))


@lru_cache(maxsize=64)
def _nearest(axis: Axis) -> np.ndarray:
    """Return the old pixel of each new one."""
    scale = (axis.stop - axis.start) / axis.n_inner
    steps = np.full(axis.n_inner, scale)
    steps[0] = axis.start + 0.5 * scale
    # summed one by one, as Pillow does: it decides which side of a tie is taken
    return np.clip(np.cumsum(steps).astype(np.intp), 0, axis.n - 1)


def resized_images(
    images: np.ndarray, size: tuple[int, int], how: str, interpolation: str
) -> np.ndarray:
    """Return images of another height and width.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width, n_channels)
        Bytes, integers or floats.
    size : (int, int)
        The new height and width.
    how : {"crop", "pad", "stretch"}
        What is done about another shape, as in `axes_of`.
    interpolation : {"nearest", "bilinear", "bicubic"}
        How values between pixels are computed.

    Returns
    -------
    ndarray of shape (n_images, *size, n_channels)
        Of the same dtype. Integers are rounded and clipped to the range of their dtype.
    """
    n, *shape, n_channels = images.shape
    down, across = axes_of((shape[0], shape[1]), size, how)
    result = np.zeros((n, *size, n_channels), images.dtype)
    inner = result[
        :,
        down.n_before : down.n_before + down.n_inner,
        across.n_before : across.n_before + across.n_inner,
    ]
    step = max(MOST_VALUES // max(images[:1].size, inner[:1].size, 1), 1)
    for start in range(0, n, step):
        part = images[start : start + step]
        part = _along(part, 2, across, interpolation)  # the width first, as Pillow does
        inner[start : start + step] = _in_range(_along(part, 1, down, interpolation), images.dtype)
    return result


def _along(images: np.ndarray, axis: int, how: Axis, interpolation: str) -> np.ndarray:
    """Return images with one axis resized, in the dtype of the images if that is an integer."""
    if (how.start, how.stop, how.n_inner) == (0, how.n, how.n):
        return images
    if interpolation == "nearest":  # no sums: codes beyond 2**53 are no float64
        return np.take(images, _nearest(how), axis)
    fixed = images.dtype == np.uint8
    first = np.moveaxis(images, axis, 0)
    columns = first.reshape(len(first), -1).astype(np.float64)
    values = _weights(how, interpolation, fixed) @ columns
    values = values.reshape(how.n_inner, *first.shape[1:])
    return np.moveaxis(_rounded(values, images.dtype, fixed), 0, axis)


def _rounded(values: np.ndarray, dtype: np.dtype[Any], fixed: bool) -> np.ndarray:
    """Return whole numbers for an integer dtype, and floats as they are."""
    if fixed:
        values = np.floor((values + 2 ** (FIXED_BITS - 1)) / 2**FIXED_BITS)
        return values.clip(0, 255).astype(np.uint8)  # between the axes too
    return np.trunc(values + np.copysign(0.5, values)) if dtype.kind in "iu" else values


def _in_range(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    if dtype.kind not in "iu" or values.dtype == dtype:
        return values
    limits = np.iinfo(dtype)
    if dtype.itemsize < 8:
        return values.clip(limits.min, limits.max)
    # the largest integer of 64 bits is no float64, and the next one overflows
    top = float(limits.max)
    inside = values.clip(limits.min, np.nextafter(top, 0)).astype(dtype)
    inside[values >= top] = limits.max
    return inside
