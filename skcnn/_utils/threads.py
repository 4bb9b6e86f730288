"""On how many threads torch computes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Multiply-accumulates of a batch (forward) below which one thread is used: a second gains
# little on free cores, loses much on busy ones, and changes the bits with `n_jobs`.
ONE_THREAD_MACS = 32_000_000
_IMPORTED_IN = os.getpid()  # a spawned process imports this module itself, a forked one does not


@contextmanager
def torch_threads(n_threads: int | None, macs_per_batch: int) -> Iterator[None]:
    """Compute with `n_threads`, and restore the former number afterwards.

    None takes one thread for small networks and torch's current number for others. A forked
    process always gets one: torch's pool of threads does not survive a fork, and work for a
    second thread would hang.
    """
    before = torch.get_num_threads()
    if os.getpid() != _IMPORTED_IN:
        wanted = 1
    elif n_threads is not None:
        wanted = n_threads
    else:
        wanted = 1 if macs_per_batch < ONE_THREAD_MACS else before
    if wanted == before:
        yield
        return
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def safe_after_fork() -> Iterator[None]:
    """Compute with one thread in a forked process, where torch's pool of threads hangs."""
    with torch_threads(torch.get_num_threads(), 0):
        yield
