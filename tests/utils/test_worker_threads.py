"""Work in turns: the order of the parts, answers and errors, each strand's own clock."""

import threading
from types import SimpleNamespace

import pytest
import torch
from sklearn import config_context, get_config

from skcnn._utils import worker_threads as _strands
from skcnn._utils.worker_threads import Strand, StrandEnded, current_strand, own_seconds


def parts(log, name, n=3):
    """Return work that notes its parts and pauses after each."""

    def work():
        for i in range(n):
            log.append(f"{name}{i}")
            current_strand().pause()
        return name

    return work


def advance(strand, times=1):
    for _ in range(times):
        strand.advance()
    return strand


def test_strands_take_turns():
    log = []
    strands = [Strand(parts(log, name)) for name in "ab"]
    for _ in range(4):
        for strand in strands:
            strand.advance()
    assert log == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert [strand.result for strand in strands] == ["a", "b"]
    assert all(strand.over for strand in strands)


def test_strand_does_nothing_before_it_is_advanced():
    log = []
    strand = Strand(parts(log, "a"))
    strand.end()
    assert log == []
    assert strand.over


def test_strand_that_is_over_stays_over():
    strand = advance(Strand(lambda: 3), times=3)
    assert strand.over
    assert strand.result == 3
    strand.end()


def test_error_is_kept():
    def work():
        raise KeyError("lost")

    strand = advance(Strand(work))
    assert isinstance(strand.error, KeyError)
    assert strand.result is None


def test_ask_returns_the_answer():
    strand = advance(Strand(lambda: 2 * current_strand().ask("how many?")))
    assert strand.request == "how many?"
    strand.answer = 4
    assert advance(strand).result == 8
    assert strand.request is None


def test_ask_raises_an_answer_that_is_an_error():
    strand = advance(Strand(lambda: current_strand().ask("how many?")))
    strand.answer = ValueError("none")
    assert advance(strand).error is strand.answer or str(strand.error) == "none"


def test_end_lets_the_work_leave():
    left = []

    def work():
        try:
            current_strand().ask("how many?")
        finally:
            left.append(True)

    before = threading.active_count()
    strand = advance(Strand(work))
    assert threading.active_count() == before + 1
    strand.end()
    assert isinstance(strand.error, StrandEnded)
    assert left == [True]
    assert threading.active_count() == before


def test_work_sees_that_it_is_to_end():
    def work():
        current_strand().pause()
        return current_strand().ending

    strand = advance(Strand(work))
    strand.end()
    assert strand.result is True


def test_current_strand_is_that_of_the_thread():
    assert current_strand() is None
    strand = advance(Strand(current_strand))
    assert strand.result is strand


def test_settings_of_scikit_learn_are_those_outside():
    with config_context(assume_finite=True):
        strand = Strand(get_config)
    assert advance(strand).result["assume_finite"] is True


def test_gradients_are_computed():
    assert advance(Strand(torch.is_grad_enabled)).result


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""
    moved = SimpleNamespace(now=100.0)
    monkeypatch.setattr(_strands, "time", SimpleNamespace(perf_counter=lambda: moved.now))
    return moved


def test_own_seconds_stand_still_while_others_run(clock):
    def work():
        first = own_seconds()
        clock.now += 2.0
        current_strand().pause()
        clock.now += 0.5
        return own_seconds() - first

    strand = advance(Strand(work))
    clock.now += 60.0
    assert advance(strand).result == 2.5


@pytest.mark.usefixtures("clock")
def test_own_seconds_count_a_share_of_what_others_did():
    def work():
        first = own_seconds()
        current_strand().ask("help")
        return own_seconds() - first

    strand = advance(Strand(work))
    strand.seconds_away -= 3.0
    assert advance(strand).result == 3.0


def test_own_seconds_outside_of_strands_are_the_clock(clock):
    assert own_seconds() == clock.now
