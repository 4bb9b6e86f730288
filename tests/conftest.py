"""Settings that must be in place before scikit-learn and scipy are imported; shared fixtures."""

import os
import signal
import sys
import threading
from collections import Counter

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # or one of scikit-learn's checks is skipped
os.environ.setdefault("MPLBACKEND", "Agg")

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    and threading.current_thread() is threading.main_thread()
):  # as in processes that a shell starts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest

from tests.helpers import device, postgres

if not device.NAME:  # tests compare bits of the CPU
    os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_configure(config):
    wrong = device.check()
    if wrong is not None:
        pytest.exit(wrong, 1)


def pytest_collection_modifyitems(config, items):
    left_out = {"cuda": ("cpu",), "pretended": ("cpu", "real_device")}.get(device.NAME, ())
    parts = [], []
    for item in items:
        parts[any(map(item.get_closest_marker, left_out))].append(item)
    items[:], deselected = parts
    if deselected:
        config.hook.pytest_deselected(items=deselected)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    with device.context():  # its fixtures use the device, too
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    before = device.n_allocations()
    try:
        return (yield)
    finally:
        if device.n_allocations() > before:
            item.user_properties.append(("device", device.NAME))


def pytest_terminal_summary(terminalreporter):
    if not device.NAME:
        return
    of_kind = [r for kind in ("passed", "failed") for r in terminalreporter.getreports(kind)]
    calls = [r for r in of_kind if r.when == "call"]
    there = Counter(
        r.nodeid.partition("::")[0]
        for r in calls
        if ("device", device.NAME) in map(tuple, r.user_properties)
    )
    terminalreporter.section(f"tests that computed on the device {device.NAME!r}")
    for file, n in sorted(there.items()):
        terminalreporter.write_line(f"{n:5} {file}")
    terminalreporter.write_line(f"{there.total():5} of {len(calls)} tests")


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
