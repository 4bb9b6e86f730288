"""Where and how tensors are computed: device, precision, threads, random state.

Holds no data and no network.
"""

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator

_DEFAULT_GENERATORS = threading.RLock()


def _new_lock() -> None:
    global _DEFAULT_GENERATORS
    _DEFAULT_GENERATORS = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


@contextmanager
def private_random_state(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's default generators inside the block only.

    Blocks of several threads wait for each other: the generators are the process's.
    """
    devices = [device] if device.type == "cuda" else []
    with _DEFAULT_GENERATORS, torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if devices:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def draw_seed(random_state: Any) -> int:
    """Return an integer seed for one fit.

    An integer is itself, a RandomState is drawn from, None asks the operating system:
    numpy's global state is neither read nor moved.
    """
    if random_state is None:
        return secrets.randbits(63)
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    return int(random_state)


def derive_seeds(seed: int, n_epochs_before: int, n: int) -> list[int]:
    """Return `n` independent seeds for a training that begins after some epochs."""
    words = np.random.SeedSequence([seed, n_epochs_before]).generate_state(n, np.uint64)
    return [int(w >> np.uint64(1)) for w in words]


def unset_random_states(estimator: BaseEstimator) -> list[str]:
    """Return the names of every `random_state` that is None, however deep it is."""
    return sorted(
        name
        for name, value in estimator.get_params(deep=True).items()
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    )


def set_random_states(estimator: BaseEstimator, seed: int) -> Any:
    """Give every `random_state` of an estimator that is None a seed of its own."""
    names = unset_random_states(estimator)
    words = np.random.SeedSequence([seed, 1]).generate_state(len(names) or 1)
    seeds = {name: int(word >> 1) for name, word in zip(names, words, strict=False)}
    return estimator.set_params(**seeds) if seeds else estimator
