"""How many epochs a time limit plans, by the seconds of those that are done."""

import re
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skcnn._utils import time_limit as module
from skcnn._utils.time_limit import TimeLimit
from skcnn.exceptions import ModelFileError


class Training:
    """Epochs of given seconds, after some seconds of preparation, under a time limit."""

    def __init__(self, clock, seconds, n_epochs, preparation=0):
        self.clock = clock
        self.part = 0
        self.cuts = []
        self.limit = TimeLimit(
            seconds, clock.now, n_epochs, lambda *cut: self.cuts.append(cut), lambda: self.part
        )
        clock.now += preparation
        self.limit.begin()

    def run(self, durations, part=0):
        """Do epochs until it is over; return the plans after each, and when each began."""
        plans, began = [], []
        self.part = part
        for duration in durations:
            began.append(self.clock.now)
            self.clock.now += duration
            over = self.limit.epoch_done()
            plans.append(self.limit.n_planned)
            if over:
                break
        return plans, began


class Clock:
    now = 0

    def read(self):
        return self.now


@pytest.fixture
def training(monkeypatch):
    """What makes a training, on one clock for all of a test."""
    clock = Clock()
    monkeypatch.setattr(module, "own_seconds", clock.read)
    return partial(Training, clock)


@pytest.mark.parametrize(
    ("seconds", "n_epochs", "durations", "plans"),
    [
        (100, 4, [1] * 9, [4, 4, 4, 4]),
        (4, 4, [1] * 9, [4, 4, 4, 4]),
        (3.95, 4, [1] * 9, [4, 4, 4, 4]),  # by less than a tenth of an epoch too short
        (3.5, 4, [1] * 9, [4, 3, 3]),
        (10, 60, [1] * 60, [60, 60, 60, *[9] * 6]),  # half an epoch is left free
        (10, 60, [1, 1, *[1.05] * 60], [60, 60, 60, *[9] * 6]),
        (40, 60, [10] + [1] * 60, [60, 60, 60, *[30] * 27]),  # the first epoch is slow
        (20, 60, [10] + [1] * 60, [60, *[10] * 9]),  # and takes half of the time
        (20, 60, [10.5] + [0.1] * 60, [60] * 60),
        (20, 10, [1, 1, 1, 5, 5, 5], [10, 10, 10, 10, 6, 6]),  # all become slow
        (10, 60, [1, 1, 0.1, 0.1, 0.1, 0.1] + [0.1] * 60, [60] * 60),  # the second was slow
        (10, 60, [1] * 5 + [0.1] * 60, [60, 60, 60, *[9] * 6]),  # never lengthened
        (2.3, 10, [1, 1], [10, 2]),
        (1.95, 10, [1, 1], [10, 2]),
        (1.8, 10, [1, 1], [1]),
        (0.5, 10, [1, 1], [1]),
        (5, 10, [1, 1, 9], [10, 10, 3]),
        (5, 10, [0] * 20, [10] * 10),
        (5, 1, [9], [1]),
    ],
)
def test_plans(training, seconds, n_epochs, durations, plans):
    assert training(seconds, n_epochs).run(durations)[0] == plans


def test_what_comes_before_the_first_epoch_counts_but_not_for_the_pace(training):
    assert training(10, 60, preparation=5).run([1] * 60)[0] == [60, 4, 4, 4]


def test_each_part_has_a_pace_of_its_own(training):
    watched = training(100, 20)
    assert watched.run([1] * 4, part=1)[0] == [20] * 4
    assert watched.run([21, 16, 16, 16, 16], part=2)[0] == [20, 20, 9, 9, 9]
    assert watched.cuts == [(7, 9)]
    watched = training(100, 20)
    watched.run([1] * 4, part=1)
    assert watched.run([40, 40], part=2)[0] == [20, 6]


def test_the_plan_is_told_when_it_changes(training):
    watched = training(5, 10)
    watched.run([1, 1, 1, 9])
    assert watched.cuts == [(3, 4)]
    watched = training(6, 10)
    watched.run([1, 1, 1, 9])
    assert watched.cuts == [(3, 5), (4, 4)]


@settings(deadline=None)
@given(
    st.floats(0.01, 50),
    st.integers(1, 12),
    st.lists(st.floats(0.01, 10), min_size=12, max_size=12),
)
def test_any_training_ends_in_time_but_for_its_last_epoch(seconds, n_epochs, durations):
    clock = Clock()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "own_seconds", clock.read)
        plans, began = Training(clock, seconds, n_epochs).run(durations)
        start = began[0]
        assert Training(clock, 1e9, n_epochs).run(durations)[0] == [n_epochs] * n_epochs
    assert plans == sorted(plans, reverse=True)
    assert len(plans) == plans[-1]
    assert all(each - start < seconds for each in began[1:])


@pytest.mark.parametrize(
    ("seconds", "n_epochs", "durations", "found"),
    [
        (1.5, 10, [1], "max_seconds=1.5 was too short.*after 1 of 10 planned epochs, 1 seconds"),
        (6, 10, [1, 1, 1, 9], "max_seconds=6 .*after 4 of 5 planned epochs, 12 seconds"),
        (5, 1, [9], "max_seconds=5 was too short.*after 1 of 1 planned epochs, 9 seconds"),
    ],
)
def test_a_time_that_is_too_short_is_named(training, seconds, n_epochs, durations, found):
    watched = training(seconds, n_epochs)
    watched.run(durations)
    assert re.search(found, watched.limit.shortfall())


@pytest.mark.parametrize(
    ("seconds", "n_epochs", "durations"),
    [(10, 60, [1] * 60), (10, 2, [1, 1]), (10, 2, [1, 12]), (5, 1, [4]), (9, 60, [2])],
)
def test_a_training_that_comes_to_its_end_has_no_shortfall(training, seconds, n_epochs, durations):
    watched = training(seconds, n_epochs)
    watched.run(durations)
    assert watched.limit.shortfall() == ""


def test_another_process_goes_on_with_the_plan_and_the_time_that_is_left(training):
    first = training(10, 60)
    first.run([1, 1, 1, 1])
    state = first.limit.state()
    assert state == {"seconds": 4, "cuts": [(4, 9)]}
    first.clock.now += 500  # between both
    second = training(10, 60, preparation=2)
    second.limit.resume(state, 4)
    assert second.cuts == [(4, 9)]
    assert second.run([1] * 60)[0] == [9, 7, 7]


def test_a_training_that_was_cut_off_is_so_after_a_resumption(training):
    first = training(1.5, 10)
    first.run([1])
    second = training(1.5, 10)
    second.limit.resume(first.limit.state(), 1)
    assert second.cuts == [(1, 1)]
    assert "after 1 of 10 planned epochs" in second.limit.shortfall()


@pytest.mark.parametrize(
    "state",
    [
        None,
        {"seconds": 3.0},
        {"seconds": -1.0, "cuts": []},
        {"seconds": float("inf"), "cuts": []},
        {"seconds": "3", "cuts": []},
        {"seconds": 3.0, "cuts": ()},
        {"seconds": 3.0, "cuts": [[2, 9]]},
        {"seconds": 3.0, "cuts": [(2, 9, 1)]},
        {"seconds": 3.0, "cuts": [(2, 9.0)]},
        {"seconds": 3.0, "cuts": [(2, 10)]},  # not shorter
        {"seconds": 3.0, "cuts": [(2, 9), (3, 9)]},
        {"seconds": 3.0, "cuts": [(3, 9), (2, 8)]},  # not in order
        {"seconds": 3.0, "cuts": [(0, 9)]},
        {"seconds": 3.0, "cuts": [(4, 9)]},  # after what is done
        {"seconds": 3.0, "cuts": [(2, 2)]},  # over before it
    ],
)
def test_a_damaged_state_is_an_error(training, state):
    watched = training(10, 10)
    with pytest.raises(ModelFileError, match="its time limit is not that of this training"):
        watched.limit.resume(state, 3)
    assert watched.cuts == []
