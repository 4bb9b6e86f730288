"""Threads that read files while the caller waits or works.

Pillow releases the interpreter's lock while it decodes. Numbers of files are handed over in
parts, since a part costs as much as decoding a small file.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import numpy as np

MOST_THREADS = 8
PARTS_PER_THREAD = 4  # files differ in size: a thread that is done early takes another part
MOST_IN_A_PART = 16  # photos, which take a second: an interrupt waits for it

T = TypeVar("T")


def n_threads() -> int:
    """Return how many threads read files: one for each core that this process may use."""
    try:
        n_cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        n_cores = os.cpu_count() or 1
    return min(n_cores, MOST_THREADS)


class Work(Generic[T]):
    """Parts of work in the threads.

    Parameters
    ----------
    futures : sequence of Future
        The parts, in order.
    """

    def __init__(self, futures: Sequence["Future[T]"]) -> None:
        self._futures = futures

    def results(self) -> list[T]:
        """Wait for all parts and return their results.

        Raises
        ------
        BaseException
            The first error of a part, or an interrupt of the caller. The parts that are not
            begun are then left out.
        """
        try:
            return [future.result() for future in self._futures]
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Leave out the parts that are not begun."""
        for future in self._futures:
            future.cancel()


class ReadingThreads:
    """Threads that end with this object, made again in a forked process."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0

    def start(self, function: Callable[[np.ndarray, slice], T], numbers: np.ndarray) -> Work[T]:
        """Begin to call ``function(numbers[part], part)`` for all parts of `numbers`."""
        if self._pool is None or self._process != os.getpid():  # threads do not survive a fork
            self._pool = ThreadPoolExecutor(n_threads(), "skcnn-files")
            self._process = os.getpid()
        pool = self._pool
        parts = _parts(len(numbers))
        return Work([pool.submit(function, numbers[part], part) for part in parts])

    def run(self, function: Callable[[np.ndarray, slice], T], numbers: np.ndarray) -> list[T]:
        """Return the results of ``function(numbers[part], part)`` for all parts, in order."""
        return self.start(function, numbers).results()

    def __enter__(self) -> "ReadingThreads":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """End the threads; work that is not begun is left out."""
        if self._pool is not None and self._process == os.getpid():
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = None


def _parts(n: int) -> list[slice]:
    step = max(min(n // (PARTS_PER_THREAD * n_threads()), MOST_IN_A_PART), 1)
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]
