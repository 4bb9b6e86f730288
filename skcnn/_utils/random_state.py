"""Seeds, and torch's random state inside a block."""

import copy
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone

GRIDS = ("param_grid", "param_distributions")  # of scikit-learn's searches, which seed no values
Unset = tuple[str, Callable[[int], Any]]  # the name of a random state, and what sets it

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


def named_seed(seed: int, name: str) -> int:
    """Return a seed of 31 bits for the random state of this name."""
    words = np.random.SeedSequence([seed, 4, *name.encode()]).generate_state(1)
    return int(words[0] >> 1)


def seeded_clone(estimator: BaseEstimator, seeds: Callable[[int], Sequence[int]]) -> Any:
    """Return a clone with a seed for every random state that is None, at any depth.

    Parameters
    ----------
    estimator : estimator
        What is cloned. Its splitters that shuffle, and the estimators in the grids of its
        searches, are seeded too.
    seeds : callable
        Takes the number of unset random states; returns a seed for each, in the order of
        their names.
    """
    copied: Any = clone(estimator)
    unset = _unset_random_states(copied)
    if unset:
        for (_, set_seed), seed in zip(unset, seeds(len(unset)), strict=True):
            set_seed(seed)
    return copied


def set_candidate(estimator: Any, params: Mapping[str, Any], seed: int | None) -> Any:
    """Return a clone with parameters of a search.

    Parameters
    ----------
    estimator : estimator
        What is cloned.
    params : mapping
        Names and values, which are cloned too.
    seed : int or None
        If it is not None, random states of None in the values get seeds that follow from it
        and from their names.
    """
    candidate: Any = clone(estimator)
    if params:
        candidate.set_params(**clone(dict(params), safe=False))
    if params and seed is not None:
        for name, set_seed in _unset_random_states(candidate):
            set_seed(named_seed(seed, name))
    return candidate


def seeded_splitter(splitter: Any, seed: int) -> Any:
    """Return a splitter, a copy with a seed if it shuffles without one."""
    if not _shuffles_without_seed(splitter):
        return splitter
    copied = copy.copy(splitter)
    copied.random_state = seed
    return copied


def _shuffles_without_seed(value: Any) -> bool:
    return (
        hasattr(value, "get_n_splits")
        and not isinstance(value, type)
        and getattr(value, "random_state", 0) is None
        and getattr(value, "shuffle", True)
    )


def _unset_random_states(estimator: Any) -> list[Unset]:
    """Return the parameters of an estimator that are random states of None, then others."""
    params = estimator.get_params(deep=True)
    own = [
        (name, partial(_set_param, estimator, name))
        for name, value in sorted(params.items())
        if value is None and name.rpartition("__")[2] == "random_state"
    ]
    others = [
        unset
        for name, value in sorted(params.items())
        if name.rpartition("__")[2] in GRIDS or _shuffles_without_seed(value)
        for unset in _unset_in(value, name)
    ]
    return own + others


def _set_param(estimator: Any, name: str, seed: int) -> None:
    estimator.set_params(**{name: seed})


def _unset_in(value: Any, name: str) -> list[Unset]:
    """Return the random states of None in a splitter, or in the values of a grid."""
    if isinstance(value, Mapping):
        parts = [(str(key), part) for key, part in value.items()]
    elif isinstance(value, list | tuple):
        parts = [(str(number), part) for number, part in enumerate(value)]
    elif hasattr(value, "get_params") and not isinstance(value, type):
        return [(f"{name}/{inner}", set_seed) for inner, set_seed in _unset_random_states(value)]
    else:
        unset = _shuffles_without_seed(value)
        return [(name, partial(setattr, value, "random_state"))] if unset else []
    return [unset for key, part in parts for unset in _unset_in(part, f"{name}/{key}")]
