"""Lack of memory: which errors report it, and passes in halves."""

import pytest
import torch

from skcnn._utils.out_of_memory import Halving, free_cached_memory, is_out_of_memory
from skcnn.exceptions import OutOfMemoryError, OutOfMemoryWarning
from tests.helpers.little_memory import ERRORS, limited

CPU = torch.device("cpu")


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_lack_of_memory_is_recognised(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shapes"), ValueError("DefaultCPUAllocator")])
def test_other_errors_are_not_lack_of_memory(error):
    assert not is_out_of_memory(error)


def test_the_cpu_allocator_still_reports_in_these_words():
    with pytest.raises(RuntimeError) as report:
        torch.empty(2**62, dtype=torch.uint8)
    assert is_out_of_memory(report.value)


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_an_accelerators_cached_memory_is_freed(kind, monkeypatch):
    called = []
    monkeypatch.setattr(getattr(torch, kind), "empty_cache", lambda: called.append(kind))
    free_cached_memory(torch.device(kind))
    assert called == [kind]


def halve(n, rows, most, error=ERRORS["CUDA"]):
    """Return the passes that were tried, those that were done, and the Halving."""
    tried, halving = [], Halving(CPU, "the sums")

    def compute(start, n, n_rows):
        tried.append(n_rows)
        limited(len, most, error=error)(range(n_rows))
        return start, n, n_rows

    return tried, halving.run(compute, 100, n, rows), halving


@pytest.mark.parametrize(
    ("n", "rows", "most", "expected"),
    [
        (8, 8, 8, [(100, 8, 8)]),
        (8, 8, 7, [(100, 4, 4), (104, 4, 4)]),
        (8, 8, 2, [(100, 2, 2), (102, 2, 2), (104, 2, 2), (106, 2, 2)]),
        (5, 8, 2, [(100, 2, 2), (102, 2, 2), (104, 1, 2)]),  # no pass of padding alone
        (2, 8, 4, [(100, 2, 4)]),
        (5, 5, 3, [(100, 3, 3), (103, 2, 3)]),
    ],
)
def test_a_pass_is_halved_until_it_fits(n, rows, most, expected):
    tried, done, halving = halve(n, rows, most)
    assert done == expected
    assert tried[0] == rows
    assert halving.fewest == (None if most >= rows else min(pass_[2] for pass_ in done))


def test_the_warning_names_device_and_size():
    _, _, halving = halve(8, 8, 2)
    with pytest.warns(
        OutOfMemoryWarning, match=r"of 'cpu' .* for the sums .* down to 2 .*rounding"
    ):
        halving.warn()
    _, _, halving = halve(8, 8, 8)
    halving.warn()  # warnings are errors in tests


def test_too_little_memory_for_one_sample_is_named():
    with pytest.raises(OutOfMemoryError, match="'cpu' is too small for the sums of one sample"):
        halve(8, 8, 0)


def test_other_errors_pass():
    error = RuntimeError("shapes")
    with pytest.raises(RuntimeError, match="shapes"):
        halve(8, 8, 2, error)
