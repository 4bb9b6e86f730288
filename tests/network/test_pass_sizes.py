"""Sizes of passes: which round alike, how samples are divided, threads of each pass."""

import pytest
import torch
from torch import nn

from skcnn._network import pass_sizes
from skcnn._network.pass_sizes import MOST_BYTES, MOST_ROWS, OneSize, SizesThatRoundAlike
from skcnn.layers import Conv, GlobalPool
from skcnn.layers._steps import PREDICTION_STEPS, PredictionStep
from tests.helpers.predicted import CASES, FLAT, drawn, each_case, fitted_small_net


def sizes_of(layers, shape, **params):
    net = drawn(layers, shape)
    return SizesThatRoundAlike(net, shape, list(net.modules()), **params)


def test_the_largest_activation_of_a_pass_has_most_bytes():
    layers, shape = [Conv(16), GlobalPool()], (3, 64, 64)  # 2**18 bytes a sample
    assert sizes_of(layers, shape).chunk == 2**4
    assert sizes_of(layers, shape, most_bytes=2**23).chunk == 2**5


@each_case
def test_every_size_rounds_alike(shape, layers):
    """A size that differs is not used, which is correct but slow."""
    assert sizes_of(layers, shape).rows_for(1) == 1


@pytest.mark.parametrize(("n", "expected"), [(1, (1, 2)), (4, (1, 2)), (200, (2, 1))])
def test_a_few_large_passes_use_all_threads(n, expected, monkeypatch):
    sizes = sizes_of([Conv(256), GlobalPool()], (16, 32, 32))
    assert sizes.macs >= 32_000_000
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(sizes, "rounds_alike", lambda rows, threads=1: True)
    assert sizes.workers_and_threads(sizes.passes(n, False), False) == expected
    monkeypatch.setattr(sizes, "rounds_alike", lambda rows, threads=1: threads == 1)
    if expected == (1, 2):
        assert sizes.workers_and_threads(sizes.passes(n, False), False) == (1, 1)


def test_a_size_that_rounds_differently_is_not_used(monkeypatch):
    shape, layers = CASES["hidden"]
    sizes = sizes_of(layers, shape)
    monkeypatch.setattr(sizes, "rounds_alike", lambda rows: rows >= 8)
    assert [sizes.rows_for(n) for n in (1, 5, 8, 9)] == [8, 8, 8, 16]


@pytest.mark.parametrize("has_views", [False, True])
@pytest.mark.parametrize("n", [1, 31, 32, 33, 600])
def test_passes_cover_all_samples(n, has_views):
    shape, layers = CASES["hidden"]
    for sizes in (OneSize(32), sizes_of(layers, shape)):
        passes = sizes.passes(n, has_views)
        rows = [passes.rows_at(start) for start in passes.starts]
        assert len(rows) == len(passes) == -(-n // passes.chunk)
        assert sum(rows[:-1]) < n <= sum(rows)
        if has_views:
            assert {*rows} == {passes.chunk}
            assert passes.chunk >= 32


@pytest.mark.parametrize("rounds_by", ["number", "place"])
def test_different_rounding_is_found(monkeypatch, rounds_by):
    shape, layers = CASES["hidden"]
    net = drawn(layers, shape)
    assert pass_sizes._same_bits(net, shape, 16, 2)

    def make(dense, step_of):
        def step(x):
            extra = len(x) if rounds_by == "number" else torch.arange(len(x))[:, None]
            return nn.functional.linear(x, dense.weight, dense.bias) * (1 + extra / 2**24)

        return step

    monkeypatch.setitem(PREDICTION_STEPS, nn.Linear, PredictionStep(make, None))
    assert not pass_sizes._same_bits(net, shape, 16, 2)


def test_chunks_are_small_for_large_activations():
    chunks = {side: sizes_of([Conv(32), FLAT], (1, side, side)).chunk for side in (2, 28, 224)}
    for side, chunk in chunks.items():
        assert chunk == 1 or chunk * 32 * side**2 * 4 <= MOST_BYTES
    assert chunks == {2: MOST_ROWS, 28: 32, 224: 1}


def test_cached_results_are_bounded(monkeypatch):
    monkeypatch.setattr(pass_sizes, "MOST_CACHED", 2)
    monkeypatch.setattr(pass_sizes, "_round_alike", {})
    model, X = fitted_small_net()
    for n in (1, 2, 4, 8, 16):
        model.predict(X[:n])
        assert len(pass_sizes._round_alike) <= 2
