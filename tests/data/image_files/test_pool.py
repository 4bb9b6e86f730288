import os
import signal
import threading
import time

import numpy as np
import pytest

from skcnn._data.image_files import pool
from skcnn._data.image_files.pool import ReadingThreads, n_threads
from tests.helpers.forks import exit_code_of_child, forks


def squares(numbers, part):
    assert len(numbers) == part.stop - part.start
    return (numbers**2).tolist()


def alive():
    return [each for each in threading.enumerate() if each.name.startswith("skcnn-files")]


@pytest.mark.parametrize("n", [0, 1, 7, 100, 5000])
def test_results_are_in_order(n):
    with ReadingThreads() as threads:
        found = threads.run(squares, np.arange(n))
    assert [each for part in found for each in part] == [i**2 for i in range(n)]
    assert not alive()


def test_a_part_has_at_most_16_files_and_threads_get_several():
    with ReadingThreads() as threads:
        sizes = threads.run(lambda numbers, _: len(numbers), np.arange(5000))
        assert max(sizes) == 16
        sizes = threads.run(lambda numbers, _: len(numbers), np.arange(8 * n_threads()))
        assert max(sizes) == 2


def test_the_first_error_reaches_the_caller_and_the_rest_is_left_out():
    begun = []

    def fail(numbers, part):
        begun.append(part.start)
        time.sleep(0.01)
        if part.start == 0:
            raise ValueError("part 0")

    with ReadingThreads() as threads, pytest.raises(ValueError, match="part 0"):
        threads.run(fail, np.arange(16 * 100))
    assert len(begun) < 50


def test_threads_end_with_their_object():
    threads = ReadingThreads()
    threads.run(squares, np.arange(10))
    assert alive()
    del threads
    deadline = time.monotonic() + 10
    while alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive()


def test_an_interrupt_ends_the_work():
    main = threading.main_thread()
    begun = []

    def slow(numbers, part):
        begun.append(part.start)
        if len(begun) == 3:
            signal.pthread_kill(main.ident, signal.SIGINT)
        time.sleep(0.02)

    start = time.monotonic()
    with ReadingThreads() as threads, pytest.raises(KeyboardInterrupt):
        threads.run(slow, np.arange(16 * 1000))
    assert time.monotonic() - start < 5
    assert not alive()


@forks
def test_a_forked_process_has_threads_of_its_own():
    threads = ReadingThreads()
    threads.run(squares, np.arange(10))

    def work():
        right = threads.run(squares, np.arange(3))[0] == [0]
        threads.close()
        return right

    assert exit_code_of_child(work) == 0
    threads.close()


def test_one_thread_for_each_core_eight_at_most(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(3), raising=False)
    assert n_threads() == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(30), raising=False)
    assert n_threads() == pool.MOST_THREADS == 8
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert n_threads() == 1
