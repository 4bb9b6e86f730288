"""Fixtures of several test modules: a clock, and counted fits."""

import pytest

from tests.helpers.clock import stop_time
from tests.helpers.searches import CountedFits


@pytest.fixture
def clock(monkeypatch):
    return stop_time(monkeypatch)


@pytest.fixture
def counted():
    """The class CountedFits, which does not interrupt outside of the test."""
    CountedFits.n_fits, CountedFits.interrupt_at = 0, None
    yield CountedFits
    CountedFits.interrupt_at = None
