"""Settings that must be in place before scikit-learn and scipy are imported; shared fixtures."""

import os
import signal
import sys
import threading

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # or one of scikit-learn's checks is skipped
os.environ.setdefault("MPLBACKEND", "Agg")

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    and threading.current_thread() is threading.main_thread()
):  # as in processes that a shell starts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest

from tests.helpers import postgres


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def children():
    """Start children by ``children(function, *args)``; they are gone after the test."""
    from tests.helpers.processes import Child

    started = []

    def start(function, *args):
        started.append(Child(function, *args))
        return started[-1]

    yield start
    for child in started:
        child.close()


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL server."""
    binaries = postgres.find_binaries()
    if binaries is None:
        pytest.skip(postgres.MISSING)
    with postgres.running_server(binaries) as running:
        yield running


@pytest.fixture(scope="module")
def digits():
    """90 digits in three classes."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return X[:90], y[:90] % 3
