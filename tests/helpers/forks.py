"""Work in forked processes, and the marks of its tests."""

import os
import time

import pytest

FORK_TIMEOUT = 20  # seconds, far more than a child needs
_WARNING = "ignore:.*multi-threaded.*fork:DeprecationWarning"


def forks(test):
    """Mark a test that forks: skipped where the system cannot, and without Python's warning."""
    skip = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
    return skip(pytest.mark.filterwarnings(_WARNING)(test))


def exit_code_of_child(work, timeout=FORK_TIMEOUT):
    """Run `work` in a forked child; return its exit code, None after `timeout` seconds."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return None
