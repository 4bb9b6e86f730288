"""Perceptual hashes of images, and thumbnails by which near-duplicates are confirmed."""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from skcnn._data.image_files.image_files import ImageFiles
from skcnn._data.images import cached_rows
from skcnn.preprocessing._resampling import resized_images

HASHED_SIDE = 32  # of the grey image whose cosine transform is hashed
N_FREQUENCIES = 8  # along each side
THUMBNAIL_SIDE = 16
# Grey is the weighted sum of ITU-R BT.601, as in Pillow.
GREY_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
PLAIN = 0.02  # of the range of values; a picture that spans less has no structure
MOST_VALUES = 2**24  # decoded at a time
# Values beyond these are brought to the range from 0 to 1 before they become float32.
SMALLEST, LARGEST, LEAST_SHARE = 1e-30, 1e30, 1e-3


class Pictures(NamedTuple):
    """What is kept of each image.

    Attributes
    ----------
    hashes : ndarray of shape (n_samples,), dtype uint64
        Perceptual hashes.
    thumbnails : ndarray of shape (n_samples, n_values), dtype uint8
        Small images, each spread over the range 0 to 255.
    is_plain : ndarray of shape (n_samples,), dtype bool
        Whether an image has one value, or nearly.
    """

    hashes: np.ndarray
    thumbnails: np.ndarray
    is_plain: np.ndarray


def pictures_of(X: Any, coloured: bool) -> Pictures:
    """Return the hashes and thumbnails of images.

    Parameters
    ----------
    X : ImageFiles or ndarray of shape (n_samples, height, width[, n_channels])
        Finite numbers. They are read in parts.
    coloured : bool
        Whether the thumbnails have the channels of `X`, not only their grey.
    """
    low, high = _limits(X)
    parts = []
    for part in _parts(X):
        least_span = PLAIN * (high - low)
        if not _fit_float32(low, high):
            part, least_span = (part.astype(np.float64) - low) / ((high - low) or 1.0), PLAIN
        parts.append(_pictures(part, coloured, least_span))
    return Pictures(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _limits(X: Any) -> tuple[float, float]:
    """Return the range in which an image is plain or not: that of bytes, or of all values."""
    if X.dtype == np.uint8:
        return 0.0, 255.0
    values = X.value_range() if isinstance(X, ImageFiles) else (X.min(), X.max())
    return float(values[0]), float(values[1])


def _fit_float32(low: float, high: float) -> bool:
    """Return whether the differences of values in a range are kept as float32."""
    largest = max(abs(low), abs(high))
    return largest < LARGEST and high - low > max(SMALLEST, largest * LEAST_SHARE)


def _parts(X: Any) -> Iterator[np.ndarray]:
    step = max(MOST_VALUES // int(np.prod(X.shape[1:])), 1)
    for start in range(0, len(X), step):
        part = X[start : start + step]
        part = part.to_numpy() if isinstance(part, ImageFiles) else np.asarray(part)
        rows = cached_rows(4 * int(np.prod(part.shape[1:])))
        for first in range(0, len(part), rows):
            yield part[first : first + rows].reshape(len(part[first : first + rows]), *_axes(X))


def _axes(X: Any) -> tuple[int, int, int]:
    height, width, *channels = X.shape[1:]
    return height, width, (channels or [1])[0]


def _pictures(images: np.ndarray, coloured: bool, least_span: float) -> Pictures:
    size = (HASHED_SIDE, HASHED_SIDE)
    small = resized_images(images.astype(np.float32), size, "stretch", "bilinear")
    grey = _grey(small)
    side, scale = THUMBNAIL_SIDE, HASHED_SIDE // THUMBNAIL_SIDE
    kept = small if coloured else grey[..., None]
    thumbnails = kept.reshape(len(kept), side, scale, side, scale, -1).mean((2, 4))
    flat = thumbnails.reshape(len(kept), -1)
    low = flat.min(1, keepdims=True)
    span = flat.max(1, keepdims=True) - low
    spread = np.rint((flat - low) * (255 / np.where(span > 0, span, 1))).astype(np.uint8)
    return Pictures(_perceptual_hashes(grey), spread, span[:, 0] <= least_span)


def _grey(images: np.ndarray) -> np.ndarray:
    """Return images of shape (n_images, height, width); other channels than three are averaged."""
    n_channels = images.shape[3]
    if n_channels in (3, 4):  # the fourth is alpha
        return images[..., :3] @ GREY_WEIGHTS
    return images.mean(3)


@cache
def _cosines() -> np.ndarray:
    """Return the first rows of the orthonormal discrete cosine transform."""
    places = (2 * np.arange(HASHED_SIDE) + 1) * np.pi / (2 * HASHED_SIDE)
    rows = np.cos(np.arange(N_FREQUENCIES)[:, None] * places) * np.sqrt(2 / HASHED_SIDE)
    rows[0] /= np.sqrt(2)
    return rows.astype(np.float32)


def _perceptual_hashes(grey: np.ndarray) -> np.ndarray:
    """Return 64 bits of each image: which low frequencies are above their median.

    The mean brightness, the frequency zero, is left out: its bit is 0.
    """
    transformed = (_cosines() @ grey @ _cosines().T).reshape(len(grey), -1)
    transformed = np.take(transformed, _interleaved(), axis=1)
    others = transformed[:, 1:]
    bits = np.zeros(transformed.shape, bool)
    bits[:, 1:] = others > np.median(others, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]


@cache
def _interleaved() -> np.ndarray:
    """Return an order of the frequencies in which each quarter of the hash has all kinds."""
    return np.arange(N_FREQUENCIES**2).reshape(-1, 4).T.ravel()


def correlations(thumbnails: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the correlation of the values of pairs of thumbnails.

    Parameters
    ----------
    thumbnails : ndarray of shape (n_samples, n_values), dtype uint8
        None of one value.
    first, second : ndarray of shape (n_pairs,)
        Rows of `thumbnails`.
    """
    result = np.empty(len(first), np.float32)
    step = cached_rows(4 * thumbnails.shape[1])
    for start in range(0, len(first), step):
        pair = [
            thumbnails[rows[start : start + step]].astype(np.float32) for rows in (first, second)
        ]
        a, b = (values - values.mean(1, keepdims=True) for values in pair)
        sizes = np.sqrt(np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b))
        result[start : start + step] = np.einsum("ij,ij->i", a, b) / sizes
    return result
