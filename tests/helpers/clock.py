"""A clock that stands still until a test moves it."""

import importlib
import time

TIMED = ["_plan", "_running.runner", "_running.watch"]  # modules that read the time


class Clock:
    """Stands for the module time."""

    perf_counter = staticmethod(time.perf_counter)

    def __init__(self):
        self.now = 1e9

    def time(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


CLOCK = Clock()


def stop_time(monkeypatch):
    """Let searches read CLOCK instead of the time."""
    for name in TIMED:
        module = importlib.import_module(f"skcnn.model_selection.{name}")
        monkeypatch.setattr(module, "time", CLOCK)
    return CLOCK
