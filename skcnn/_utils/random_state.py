"""Seeds, and torch's random state inside a block."""

import os
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone

_DEFAULT_GENERATORS = threading.RLock()


def _new_lock() -> None:
    global _DEFAULT_GENERATORS
    _DEFAULT_GENERATORS = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


@contextmanager
def private_random_state(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's default generators inside the block only.

    The generators belong to the process, so that blocks of several threads take turns.
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

    An integer is the seed itself, a RandomState draws one, and None takes one from the
    operating system: NumPy's global state is neither read nor changed.
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


def distinct_seeds(seed: int, n: int) -> list[int]:
    """Return `n` seeds of 31 bits, which NumPy's RandomState takes, too."""
    return [int(word >> 1) for word in np.random.SeedSequence([seed, 1]).generate_state(n)]


def seeded_clone(estimator: BaseEstimator, seeds: Callable[[int], Sequence[int]]) -> Any:
    """Return a clone with a seed for every `random_state` that is None, at any depth.

    Parameters
    ----------
    estimator : estimator
        What is cloned.
    seeds : callable
        Takes the number of unset random states; returns a seed for each, in the order of
        their names.
    """
    copy: Any = clone(estimator)
    unset = sorted(
        name
        for name, value in copy.get_params(deep=True).items()
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    )
    if unset:
        copy.set_params(**dict(zip(unset, seeds(len(unset)), strict=True)))
    return copy
