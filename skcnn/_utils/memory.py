"""Whether freed memory stays with the process while a network trains.

glibc takes large blocks fresh from the system and gives them back when they are freed. A
training step frees and takes the same feature maps again, and each of their pages is
faulted in anew: 6,400 page faults in a step of a 28x28 network, which then trains 5,400
images a second where 11,400 are possible. Knows no tensor.
"""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # of malloc.h
LARGEST_INT = 2**31 - 1
# glibc's own: the number of blocks that may be mapped, and the size above which they are
# that it comes to by itself where large blocks are freed.
MOST_MAPPED, LARGEST_BLOCK = 65536, 2**25
# Free bytes that the process may keep for its next fit, as folds and searches have many:
# faulting 100 MiB in anew takes 30 ms.
MOST_KEPT = 2**27
# Whoever has set these knows what is wanted.
USERS_OWN = (
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_MMAP_MAX_",
    "GLIBC_TUNABLES",
)
_LOCK = threading.Lock()
_n_inside = 0
_much = False


@contextmanager
def kept_memory(much: bool) -> Iterator[None]:
    """Keep freed memory inside the block, and give it back afterwards if it is much.

    Blocks may be nested and run in several threads: the last one to end gives back. Does
    nothing where the C library is not glibc, or the environment sets its thresholds.

    Parameters
    ----------
    much : bool
        Whether to look for memory to give back, all of it if it is more than 128 MiB. Else
        what lies at the heap's end beyond 64 MiB is given back.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    _enter(libc, much)
    try:
        yield
    finally:
        _leave(libc)


def _enter(libc: Any, much: bool) -> None:
    global _n_inside, _much
    with _LOCK:
        _n_inside += 1
        _much = _much or much
        if _n_inside == 1:
            libc.mallopt(M_MMAP_MAX, 0)
            libc.mallopt(M_TRIM_THRESHOLD, LARGEST_INT)


def _leave(libc: Any) -> None:
    global _n_inside, _much
    with _LOCK:
        _n_inside = max(_n_inside - 1, 0)
        if _n_inside == 0:
            _restore(libc)
            if _much and _free_bytes(libc) > MOST_KEPT:
                libc.malloc_trim(0)
            _much = False


def _restore(libc: Any) -> None:
    """Set what glibc comes to by itself; that it stops adapting cannot be undone."""
    libc.mallopt(M_MMAP_MAX, MOST_MAPPED)
    libc.mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
    libc.mallopt(M_TRIM_THRESHOLD, 2 * LARGEST_BLOCK)


class _Usage(ctypes.Structure):
    """``struct mallinfo2`` of malloc.h."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def _free_bytes(libc: Any) -> int:
    """Return how much of the heap is free; a very large number where glibc is before 2.33."""
    if not hasattr(libc, "mallinfo2"):
        return LARGEST_INT
    libc.mallinfo2.restype = _Usage
    return int(libc.mallinfo2().fordblks)


def _begin_anew() -> None:
    """In a forked process: the blocks that were open are the parent's."""
    global _LOCK, _n_inside, _much
    _LOCK, inside = threading.Lock(), _n_inside
    _n_inside, _much = 0, False
    libc = _glibc() if inside else None
    if libc is not None:
        _restore(libc)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


@cache
def _glibc() -> Any:
    """Return the C library if it is glibc and its thresholds are not the user's, else None."""
    if any(name in os.environ for name in USERS_OWN):
        return None
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018  (there in glibc only)
    except (AttributeError, OSError, TypeError):
        return None
    libc.mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
    libc.malloc_trim.argtypes = (ctypes.c_size_t,)
    return libc
