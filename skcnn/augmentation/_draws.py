"""Random numbers that depend on a row's key and nothing else.

Counters are hashed instead of advancing a generator, so that a row's numbers are the same in
any batch, order and process and on any device.
"""

from functools import lru_cache
from math import prod

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from skcnn._utils.device import copied_to

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_N_QUANTILES = 2**16
_CHUNK_VALUES = 2**16  # fits in the second-level cache
# 32-bit multipliers as signed numbers, which torch multiplies.
_MIX_32 = (0x7FEB352D, 0x846CA68B - 2**32)


def _scramble(words: np.ndarray) -> np.ndarray:
    """Return splitmix64's finalising hash of uint64 words."""
    words = words + _GOLDEN
    words = (words ^ (words >> _SHIFTS[0])) * _MIX[0]
    words = (words ^ (words >> _SHIFTS[1])) * _MIX[1]
    return words ^ (words >> _SHIFTS[2])


def row_keys(seed: int, rows: np.ndarray, *purpose: int) -> np.ndarray:
    """Return a key for each row, different for every seed and purpose.

    Parameters
    ----------
    seed : int
        Non-negative.
    rows : ndarray of shape (n_rows,)
        Numbers of the rows, any integers.
    *purpose : int
        Epoch, step and so on; keys differ if any of them does.

    Returns
    -------
    ndarray of shape (n_rows,), dtype uint64
    """
    # SeedSequence pads short entropy with zeros, so the length and a closing 1 are included
    entropy = [len(purpose), seed >> 32, seed & 0xFFFFFFFF, *purpose, 1]
    salt = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
    return _scramble(_scramble(rows.astype(np.uint64)) ^ salt)


def subkeys(keys: np.ndarray, purpose: int) -> np.ndarray:
    """Return other keys for the same rows."""
    return _scramble(keys ^ _salt(purpose))


@lru_cache(maxsize=1024)
def _salt(purpose: int) -> np.ndarray:
    return _scramble(np.array([purpose + 1], np.uint64))


def uniforms(keys: np.ndarray, n: int) -> np.ndarray:
    """Return `n` numbers in [0, 1) for each key, (n_rows, n) float64."""
    counters = np.arange(n, dtype=np.uint64) * _GOLDEN
    words = _scramble(keys[:, None] ^ counters) >> np.uint64(11)
    return words.astype(np.float64) * 2.0**-53


def normals(keys: np.ndarray, n: int) -> np.ndarray:
    """Return `n` standard normal numbers for each key, (n_rows, n) float64."""
    return ndtri(np.maximum(uniforms(keys, n), 2.0**-54))


def permutation(keys: np.ndarray) -> np.ndarray:
    """Return a random order of the rows that depends on all keys."""
    return np.argsort(keys, kind="stable")


def noise_field(keys: np.ndarray, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Return standard normal noise for each key, (n_rows, *shape) float32.

    Hashed counters select from a table of 65,536 quantiles, which gives the same bits on
    every device.

    Parameters
    ----------
    keys : ndarray of shape (n_rows,), dtype uint64
        Keys of the rows.
    shape : tuple of int
        Shape of one row's noise.
    device : torch.device
        Device of the result.
    """
    n_values = prod(shape)
    counters = _hash_32(torch.arange((n_values + 1) // 2, dtype=torch.int32, device=device))
    seeds = copied_to(torch.from_numpy(keys.astype(np.uint32).view(np.int32)), device)
    table = _normal_quantiles(device)
    noise = torch.empty(len(keys), n_values, device=device)
    step = max(_CHUNK_VALUES // n_values, 1) if device.type == "cpu" else len(keys)
    for start in range(0, len(keys), step):
        words = _hash_32(counters ^ seeds[start : start + step, None])
        halves = words.view(torch.int16)[:, :n_values].to(torch.int32).add_(_N_QUANTILES // 2)
        part = noise[start : start + step]
        torch.index_select(table, 0, halves.reshape(-1), out=part.view(-1))
    return noise.view(len(keys), *shape)


def _hash_32(words: Tensor) -> Tensor:
    """Return a hash of int32 words; the argument is overwritten."""
    for shift, factor in ((16, _MIX_32[0]), (15, _MIX_32[1])):
        high = (words >> shift).bitwise_and_((1 << (32 - shift)) - 1)
        words.bitwise_xor_(high).mul_(factor)
    return words.bitwise_xor_((words >> 16).bitwise_and_(0xFFFF))


@lru_cache(maxsize=8)
def _normal_quantiles(device: torch.device) -> Tensor:
    quantiles = ndtri((np.arange(_N_QUANTILES) + 0.5) / _N_QUANTILES)
    quantiles /= np.sqrt(np.mean(quantiles**2))
    return copied_to(torch.from_numpy(quantiles).float(), device)
