"""Freed memory stays with the process while a network trains, and is returned afterwards."""

import mmap
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from skorch.callbacks import Callback

from skcnn import ConvNetClassifier
from skcnn._utils import memory as _memory
from skcnn._utils.memory import kept_memory
from tests.helpers.forks import exit_code_of_child, forks

GLIBC = _memory._glibc.__wrapped__() is not None
only_glibc = pytest.mark.skipif(not GLIBC, reason="the C library is not glibc")


class Library:
    """A C library before glibc 2.33 that records its calls."""

    def __init__(self):
        self.calls = []

    def mallopt(self, name, value):
        self.calls.append((name, value))

    def malloc_trim(self, pad):
        self.calls.append("trim")


@pytest.fixture
def library(monkeypatch):
    library = Library()
    monkeypatch.setattr(_memory, "_glibc", lambda: library)
    monkeypatch.setattr(_memory, "_has_default_thresholds", lambda libc: True)
    return library


ENTERING = [(-4, 0), (-1, 2**31 - 1)]
LEAVING = [(-4, 65536), (-3, 2**25), (-1, 2**26), "trim"]


def test_thresholds_are_raised_inside_and_memory_is_returned(library):
    with kept_memory(much=True):
        assert library.calls == ENTERING
    assert library.calls == ENTERING + LEAVING


def test_memory_is_returned_after_an_error(library):
    with pytest.raises(KeyError), kept_memory(much=True):
        raise KeyError
    assert library.calls == ENTERING + LEAVING


def test_only_the_last_of_several_blocks_returns_memory(library):
    inside, done = threading.Event(), threading.Event()

    def other():
        with kept_memory(much=True):
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=other)
    with kept_memory(much=True):
        thread.start()
        assert inside.wait(10)
        with kept_memory(much=True):
            pass
    assert library.calls == ENTERING
    done.set()
    thread.join(10)
    assert library.calls == ENTERING + LEAVING


def test_without_much_nothing_is_trimmed(library):
    with kept_memory(much=False):
        pass
    assert library.calls == ENTERING + LEAVING[:-1]
    with kept_memory(much=False), kept_memory(much=True):
        pass
    assert library.calls[-1] == "trim"


@pytest.mark.parametrize(("free", "returned"), [(2**27, False), (2**27 + 1, True)])
def test_little_free_memory_is_kept(library, free, returned):
    usage = _memory._Usage(fordblks=free)
    library.mallinfo2 = lambda: usage
    with kept_memory(much=True):
        pass
    assert (library.calls[-1] == "trim") is returned


@pytest.mark.parametrize("name", _memory.ENVIRONMENT_VARIABLES)
def test_thresholds_of_the_environment_are_left_alone(monkeypatch, name):
    monkeypatch.setenv(name, "1000")
    assert _memory._glibc.__wrapped__() is None


@only_glibc
@pytest.mark.parametrize(
    ("own", "is_left_alone"),
    [
        ("", False),
        pytest.param("libc.mallopt(M_MMAP_MAX, 0)", True, marks=pytest.mark.slow),
        ("libc.mallopt(M_MMAP_THRESHOLD, 2**16)", True),
        pytest.param("libc.mallopt(M_MMAP_THRESHOLD, 2**30)", True, marks=pytest.mark.slow),
        pytest.param("libc.mallopt(M_TRIM_THRESHOLD, 2**20)", True, marks=pytest.mark.slow),
    ],
)
def test_thresholds_of_the_program_are_left_alone(own, is_left_alone):
    code = f"""
        from skcnn._utils import memory
        from skcnn._utils.memory import M_MMAP_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD

        def mapped():
            return [memory._is_mapped(libc, 2**i) for i in (12, 17, 20, 23, 26)]

        libc = memory._glibc()
        {own or "pass"}
        before = mapped()
        calls, mallopt = [], libc.mallopt
        libc.mallopt = lambda *args: calls.append(args) or mallopt(*args)
        for _ in range(2):
            with memory.kept_memory(much=True):
                print(bool(calls))
                calls.clear()
            print(bool(calls))
            calls.clear()
        print({own!r} == "" or mapped() == before)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120
    )
    assert run.stdout.split() == [str(not is_left_alone)] * 4 + ["True"], run.stdout + run.stderr


@pytest.mark.parametrize("end", [0, 8, 4080])
def test_a_block_is_mapped_if_it_ends_with_a_page(library, end):
    usable = {3: 7 * mmap.PAGESIZE + end - 16, 5: 0}
    library.malloc = {3: 16, 5: None}.get  # there is no memory for the second
    library.malloc_usable_size = lambda block: usable[3]
    library.free = lambda block: library.calls.append(("free", block))
    assert _memory._is_mapped(library, 3) is (end == 0)
    assert not _memory._is_mapped(library, 5)
    assert library.calls == [("free", 16)]


@only_glibc
def test_free_blocks_of_the_heap_are_not_visited(monkeypatch):
    libc = _memory._glibc()
    monkeypatch.setattr(libc, "mallinfo2", None)  # it would take a time that grows with them
    with kept_memory(much=False):
        pass


@pytest.mark.parametrize("error", [OSError, TypeError])
def test_other_systems_are_left_alone(monkeypatch, error):
    def refuse(name):
        raise error

    monkeypatch.setattr(_memory.ctypes, "CDLL", refuse)
    assert _memory._glibc.__wrapped__() is None


@only_glibc
def test_large_blocks_are_not_faulted_in_again_and_leave_nothing_behind():
    code = """
        import resource, sys
        import torch
        from skcnn._utils.memory import kept_memory

        def resident():
            return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

        def faults(n):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            for _ in range(n):
                torch.zeros(2**26)  # 256 MiB, freed at once
            return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

        torch.set_num_threads(1)
        faults(1)
        before, plain = resident(), faults(4)
        with kept_memory(much=True):
            faults(1)
            kept = faults(4)
            inside = resident()
        print(plain > 3 * kept, inside - before > 2**27, resident() - before < 2**25)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120
    )
    assert run.stdout.split() == ["True"] * 3, run.stdout + run.stderr


def test_a_fit_leaves_no_block_open():
    X, y = np.random.default_rng(0).normal(size=(20, 6, 6)), np.arange(20) % 2
    inside = []

    class Look(Callback):
        def on_epoch_end(self, net, **kwargs):
            inside.append(_memory._n_inside)
            if len(inside) > 1:
                raise RuntimeError("stop")

    model = ConvNetClassifier(filters=4, max_epochs=1, callbacks=[Look()], random_state=0)
    model.fit(X, y)
    with pytest.raises(RuntimeError, match="stop"):
        model.fit(X, y)
    assert inside == [int(GLIBC)] * 2
    assert _memory._n_inside == 0


@forks
def test_a_forked_process_begins_outside(library):
    def is_outside():
        return _memory._n_inside == 0 and library.calls == ENTERING + LEAVING[:-1]

    with kept_memory(much=True):
        assert exit_code_of_child(is_outside) == 0
