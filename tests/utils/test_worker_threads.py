"""Worker threads: the order of their parts, answers and errors, and each thread's own clock."""

import threading
from types import SimpleNamespace

import pytest
import torch
from sklearn import config_context, get_config

from skcnn._utils import worker_threads
from skcnn._utils.worker_threads import (
    WorkerThread,
    WorkerThreadEnded,
    current_worker_thread,
    own_seconds,
)


def parts(log, name, n=3):
    """Return work that notes its parts and pauses after each."""

    def work():
        for i in range(n):
            log.append(f"{name}{i}")
            current_worker_thread().pause()
        return name

    return work


def advance(thread, times=1):
    for _ in range(times):
        thread.advance()
    return thread


def test_worker_threads_take_turns():
    log = []
    threads = [WorkerThread(parts(log, name)) for name in "ab"]
    for _ in range(4):
        for thread in threads:
            thread.advance()
    assert log == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert [thread.result for thread in threads] == ["a", "b"]
    assert all(thread.over for thread in threads)


def test_thread_does_nothing_before_it_is_advanced():
    log = []
    thread = WorkerThread(parts(log, "a"))
    thread.end()
    assert log == []
    assert thread.over


def test_thread_that_is_over_stays_over():
    thread = advance(WorkerThread(lambda: 3), times=3)
    assert thread.over
    assert thread.result == 3
    thread.end()


def test_error_is_kept():
    def work():
        raise KeyError("lost")

    thread = advance(WorkerThread(work))
    assert isinstance(thread.error, KeyError)
    assert thread.result is None


def test_ask_returns_the_answer():
    thread = advance(WorkerThread(lambda: 2 * current_worker_thread().ask("how many?")))
    assert thread.request == "how many?"
    thread.answer = 4
    assert advance(thread).result == 8
    assert thread.request is None


def test_ask_raises_an_answer_that_is_an_error():
    thread = advance(WorkerThread(lambda: current_worker_thread().ask("how many?")))
    thread.answer = ValueError("none")
    assert isinstance(advance(thread).error, ValueError)
    assert str(thread.error) == "none"


def test_end_ends_the_work_at_its_pause():
    left = []

    def work():
        try:
            current_worker_thread().ask("how many?")
        finally:
            left.append(True)

    before = threading.active_count()
    thread = advance(WorkerThread(work))
    assert threading.active_count() == before + 1
    thread.end()
    assert isinstance(thread.error, WorkerThreadEnded)
    assert left == [True]
    assert threading.active_count() == before


def test_work_sees_that_it_is_to_end():
    def work():
        current_worker_thread().pause()
        return current_worker_thread().ending

    thread = advance(WorkerThread(work))
    thread.end()
    assert thread.result is True


def test_current_worker_thread_is_the_running_one():
    assert current_worker_thread() is None
    thread = advance(WorkerThread(current_worker_thread))
    assert thread.result is thread


def test_settings_of_scikit_learn_are_those_outside():
    with config_context(assume_finite=True):
        thread = WorkerThread(get_config)
    assert advance(thread).result["assume_finite"] is True


def test_gradients_are_computed():
    assert advance(WorkerThread(torch.is_grad_enabled)).result


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""
    moved = SimpleNamespace(now=100.0)
    monkeypatch.setattr(worker_threads, "time", SimpleNamespace(perf_counter=lambda: moved.now))
    return moved


def test_own_seconds_stand_still_while_others_run(clock):
    def work():
        first = own_seconds()
        clock.now += 2.0
        current_worker_thread().pause()
        clock.now += 0.5
        return own_seconds() - first

    thread = advance(WorkerThread(work))
    clock.now += 60.0
    assert advance(thread).result == 2.5


@pytest.mark.usefixtures("clock")
def test_own_seconds_count_a_share_of_what_others_did():
    def work():
        first = own_seconds()
        current_worker_thread().ask("help")
        return own_seconds() - first

    thread = advance(WorkerThread(work))
    thread.seconds_away -= 3.0
    assert advance(thread).result == 3.0


def test_own_seconds_outside_of_worker_threads_are_the_clock(clock):
    assert own_seconds() == clock.now
