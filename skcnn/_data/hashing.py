"""Hashes of rows by their content."""

from collections.abc import Callable
from functools import lru_cache
from math import ceil

import numpy as np

from skcnn._data.images import Images, cached_rows, chunk_rows


def row_hashes(rows: np.ndarray) -> np.ndarray:
    """Return a 64-bit hash of the bytes of each row.

    The hash is a sum of the row's 64-bit words times fixed odd random numbers, modulo
    2**64, with the words' halves mixed first.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_values)
        C-contiguous, any dtype. Zeros of both signs have the same hash.

    Returns
    -------
    ndarray of shape (n_rows,), dtype uint64
    """
    raw = rows.view(np.uint8).reshape(len(rows), -1)
    n_words = ceil(raw.shape[1] / 8)
    factors = _factors(n_words)
    hashes = np.empty(len(rows), np.uint64)
    signed_zeros = rows.dtype.kind == "f"
    step = cached_rows(raw.shape[1])
    for start in range(0, len(rows), step):
        part = raw[start : start + step]
        if signed_zeros:
            part = (rows[start : start + step] + 0).view(np.uint8).reshape(len(part), -1)
        if part.shape[1] % 8:
            part = np.pad(part, ((0, 0), (0, n_words * 8 - part.shape[1])))
        words = np.ascontiguousarray(part).view(np.uint64)
        hashes[start : start + step] = _hashes_of_mixed(_mixed(words), factors)
    return hashes


def _mixed(words: np.ndarray) -> np.ndarray:
    return words ^ (words >> np.uint64(29))


def _hashes_of_mixed(mixed: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Return the hashes of rows of mixed words, which are overwritten."""
    mixed *= factors
    mixed ^= mixed >> np.uint64(32)
    hashes: np.ndarray = mixed.sum(axis=1, dtype=np.uint64)
    return hashes


@lru_cache(maxsize=8)
def _factors(n_words: int) -> np.ndarray:
    """Return fixed odd random numbers."""
    drawn = np.random.SeedSequence(20_240_817).generate_state(n_words, np.uint64)
    return drawn | np.uint64(1)


def value_hashes(array: np.ndarray) -> np.ndarray:
    """Return `row_hashes` of the samples' values, the same for equal numbers of any dtype.

    Values are converted to float64 for some samples at a time, and bytes not at all.
    """
    flat = array.reshape(len(array), -1)
    if array.dtype == np.uint8:
        return _value_hashes_of_bytes(flat)
    step = chunk_rows(max(flat.shape[1], 1))
    hashes = np.empty(len(flat), np.uint64)
    for start in range(0, len(flat), step):
        part = flat[start : start + step]
        hashes[start : start + step] = row_hashes(np.ascontiguousarray(part, np.float64))
    return hashes


def _value_hashes_of_bytes(rows: np.ndarray) -> np.ndarray:
    """Return `row_hashes` of the bytes as float64, without making any."""
    words = _mixed(np.arange(256, dtype=np.float64).view(np.uint64))
    factors = _factors(rows.shape[1])
    step = cached_rows(8 * rows.shape[1])
    parts = (rows[start : start + step] for start in range(0, len(rows), step))
    return np.concatenate([_hashes_of_mixed(words[part], factors) for part in parts])


def image_hashes(images: Images) -> np.ndarray:
    """Return `row_hashes` of all rows of `images`."""
    facts = images.facts()
    if facts is not None:
        return facts.hashes
    return hashes_of_parts(images, row_hashes)


def hashes_of_parts(images: Images, hash_rows: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the hashes of all rows, in which all missing values are alike."""
    parts = (part.numpy() for part in images.parts())
    if images.layout.masks and images.dtype.is_floating_point:
        parts = (np.where(np.isnan(part), np.float32(np.nan), part) for part in parts)
    return np.concatenate([hash_rows(part) for part in parts])
