"""Hashes of rows by their content."""

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
    factors = np.random.SeedSequence(20_240_817).generate_state(n_words, np.uint64) | np.uint64(1)
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
        mixed = words >> np.uint64(29)
        mixed ^= words
        mixed *= factors
        mixed ^= mixed >> np.uint64(32)
        hashes[start : start + step] = mixed.sum(axis=1, dtype=np.uint64)
    return hashes


def value_hashes(array: np.ndarray) -> np.ndarray:
    """Return `row_hashes` of the samples' values, the same for equal numbers of any dtype.

    Values are converted to float64 for some samples at a time.
    """
    flat = array.reshape(len(array), -1)
    step = chunk_rows(max(flat.shape[1], 1))
    hashes = np.empty(len(flat), np.uint64)
    for start in range(0, len(flat), step):
        part = flat[start : start + step]
        hashes[start : start + step] = row_hashes(np.ascontiguousarray(part, np.float64))
    return hashes


def image_hashes(images: Images) -> np.ndarray:
    """Return `row_hashes` of all rows of `images`."""
    return np.concatenate([row_hashes(part.numpy()) for part in images.parts()])
