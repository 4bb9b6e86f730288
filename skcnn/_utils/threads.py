"""On how many threads torch computes."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Multiply-accumulates of a batch (forward) below which one thread is used: a second gains
# little on free cores, loses much on busy ones, and changes the bits with `n_jobs`.
ONE_THREAD_MACS = 32_000_000
_IMPORTED_IN = os.getpid()  # a spawned process imports this module itself, a forked one does not

# torch has a number for each thread. A thread that computes for the first time takes the
# process's, which is the last that any thread has set.
_lock = threading.Lock()
# thread and number of each block that has set a number, and what tells the blocks apart
_blocks: list[tuple[int, int, object]] = []
_of_process = 1  # the process's number when the first of these blocks began
_thread = threading.local()  # .has_own: whether its number is not one that a block has set


def is_forked() -> bool:
    """Return whether this process was forked, so that torch's pool of threads is missing."""
    return os.getpid() != _IMPORTED_IN


@contextmanager
def torch_threads(n_threads: int | None, macs_per_batch: int) -> Iterator[None]:
    """Compute with `n_threads`, and restore the former number afterwards.

    None takes one thread for small networks and torch's current number for others. A forked
    process always gets one: torch's pool of threads does not survive a fork, and work for a
    second thread would hang.
    """
    now = torch.get_num_threads()
    before = _number_outside(now)
    if is_forked():
        wanted = 1
    elif n_threads is not None:
        wanted = n_threads
    else:
        wanted = 1 if macs_per_batch < ONE_THREAD_MACS else before
    if wanted == now == before:
        yield
        return
    block = threading.get_ident(), wanted, object()
    try:
        _enter(block, before)
        yield
    finally:
        _leave(block, before)


def _number_outside(now: int) -> int:
    """Return this thread's number of threads outside of the blocks of other threads."""
    with _lock:
        if _blocks and not hasattr(_thread, "has_own") and now in {n for _, n, _ in _blocks}:
            now = _of_process
    _thread.has_own = True
    return now


def _enter(block: tuple[int, int, object], before: int) -> None:
    global _of_process
    with _lock:
        if not _blocks:
            _of_process = before
        _blocks.append(block)
        torch.set_num_threads(block[1])


def _leave(block: tuple[int, int, object], before: int) -> None:
    """Undo `_enter`, also if Ctrl-C came in the middle of it."""
    with _lock:
        if block in _blocks:
            _blocks.remove(block)
        torch.set_num_threads(before)
        if not _blocks and before != _of_process:  # set by a thread that then ends
            setter = threading.Thread(target=torch.set_num_threads, args=(_of_process,))
            setter.start()
            setter.join()


def _forget_other_threads() -> None:
    """Keep the blocks of the only thread that a forked process has."""
    global _lock
    _lock = threading.Lock()
    _blocks[:] = [block for block in _blocks if block[0] == threading.get_ident()]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)
