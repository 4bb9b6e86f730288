"""A clock that a test sets, in the place of the one that measures trainings."""

from skcnn._training.engine import ConvNetEngine
from skcnn._utils import worker_threads


class Clock:
    """Stands still but for what a test adds; a microsecond passes with each reading."""

    def __init__(self):
        self.now = 1000.0

    def perf_counter(self):
        self.now += 1e-6
        return self.now


def set_clock(monkeypatch, *seconds):
    """Let each epoch take the next number of seconds, and all later ones the last number.

    The numbers begin anew with each new network. Returns the clock.
    """
    clock = Clock()
    train = ConvNetEngine.run_single_epoch

    def timed(self, *args, **kwargs):
        clock.now += seconds[min(len(self.history), len(seconds)) - 1]
        train(self, *args, **kwargs)

    monkeypatch.setattr(worker_threads, "time", clock)
    monkeypatch.setattr(ConvNetEngine, "run_single_epoch", timed)
    return clock
