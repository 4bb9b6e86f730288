"""Whether freed memory stays with the process while a network trains.

By default glibc takes large blocks from the system and returns them when they are freed. A
training step frees and allocates the same feature maps, and each of their pages is faulted
in again, which takes as long as the training itself.
"""

import ctypes
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

from skcnn._utils.interrupts import deferred_interrupts, uninterrupted

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # of malloc.h
LARGEST_INT = 2**31 - 1
# glibc's defaults: the number of blocks that may be mapped, and the size above which they
# are mapped once large blocks have been freed.
MOST_MAPPED, LARGEST_BLOCK = 65536, 2**25
# Free bytes that the process may keep, because folds and searches fit many times.
MOST_KEPT = 2**27
# Thresholds that the user sets by these are left alone.
ENVIRONMENT_VARIABLES = (
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_MMAP_MAX_",
    "GLIBC_TUNABLES",
)
# Sizes that tell settings apart: glibc maps the first, and by default not the last once it
# has mapped and freed the second.
PROBES = (LARGEST_BLOCK + 2**20, LARGEST_BLOCK - 2**16, 2**24)
_LOCK = threading.Lock()
_n_inside = 0
_changed = False
_much = False


@contextmanager
def kept_memory(much: bool) -> Iterator[None]:
    """Keep freed memory inside the block, and return it to the system afterwards.

    Blocks may be nested and run in several threads: memory is returned when the last one
    ends. Does nothing if the C library is not glibc, or the environment or the program that
    Python runs in sets its thresholds.

    Parameters
    ----------
    much : bool
        Whether to return all free memory if it is more than 128 MiB. Otherwise only the
        free end of the heap beyond 64 MiB is returned.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    is_inside = False
    try:
        with deferred_interrupts():
            _enter(libc, much)
            is_inside = True
        yield
    finally:
        if is_inside:
            uninterrupted(partial(_leave, libc))


def _enter(libc: Any, much: bool) -> None:
    global _n_inside, _much, _changed
    with _LOCK:
        _n_inside += 1
        _much = _much or much
        if _n_inside == 1 and _has_default_thresholds(libc):
            _changed = True
            libc.mallopt(M_MMAP_MAX, 0)
            libc.mallopt(M_TRIM_THRESHOLD, LARGEST_INT)


def _leave(libc: Any) -> None:
    global _n_inside, _much, _changed
    with _LOCK:
        _n_inside = max(_n_inside - 1, 0)
        if _n_inside == 0:
            if _changed:
                _restore(libc)
                if _much and _free_bytes(libc) > MOST_KEPT:
                    libc.malloc_trim(0)
            _changed, _much = False, False


def _has_default_thresholds(libc: Any) -> bool:
    """Return whether nobody has set thresholds but glibc and earlier blocks.

    glibc has no function that returns them, so it is seen which blocks it maps. A threshold
    that was set, of whatever kind, also ends that glibc adapts them to the blocks freed.
    """
    largest, _, smallest = (_is_mapped(libc, size) for size in PROBES)
    return largest and not smallest


def _is_mapped(libc: Any, size: int) -> bool:
    """Return whether glibc maps a block of `size` bytes, which is freed at once.

    A mapped block ends with a page, and one of the heap within the header of the next block.
    The numbers of ``mallinfo`` would tell, too, but it visits every free block of the heap,
    which takes longer than a small fit in a process that has allocated much.
    """
    block = libc.malloc(size)
    if not block:
        return False
    end = block + libc.malloc_usable_size(block)
    libc.free(block)
    return bool(end % mmap.PAGESIZE == 0)


def _restore(libc: Any) -> None:
    """Set glibc's defaults; that it stops adapting them cannot be undone."""
    libc.mallopt(M_MMAP_MAX, MOST_MAPPED)
    libc.mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
    libc.mallopt(M_TRIM_THRESHOLD, 2 * LARGEST_BLOCK)


USAGE_FIELDS = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)


class _Usage(ctypes.Structure):
    """``struct mallinfo2`` of malloc.h."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in USAGE_FIELDS)


def _free_bytes(libc: Any) -> int:
    """Return how much of the heap is free; a very large number before glibc 2.33."""
    return int(libc.mallinfo2().fordblks) if hasattr(libc, "mallinfo2") else LARGEST_INT


def _reset_after_fork() -> None:
    """Forget the open blocks in a forked process: they belong to the parent."""
    global _LOCK, _n_inside, _much, _changed
    _LOCK, changed = threading.Lock(), _changed
    _n_inside, _much, _changed = 0, False, False
    libc = _glibc() if changed else None
    if libc is not None:
        _restore(libc)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)


@cache
def _glibc() -> Any:
    """Return the C library if it is glibc and the user sets no thresholds, else None."""
    if any(name in os.environ for name in ENVIRONMENT_VARIABLES):
        return None
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018  (in glibc only)
    except (AttributeError, OSError, TypeError):
        return None
    libc.mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
    libc.malloc_trim.argtypes = (ctypes.c_size_t,)
    libc.malloc.argtypes, libc.malloc.restype = (ctypes.c_size_t,), ctypes.c_void_p
    libc.free.argtypes, libc.free.restype = (ctypes.c_void_p,), None
    libc.malloc_usable_size.argtypes = (ctypes.c_void_p,)
    libc.malloc_usable_size.restype = ctypes.c_size_t
    if hasattr(libc, "mallinfo2"):
        libc.mallinfo2.restype = _Usage
    return libc
