"""Predictions: batch-independent to the bit, in several threads, whatever the caller's modes."""

import contextlib
import gc
import pickle
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from skcnn import ConvNetClassifier
from skcnn._data.images import Images
from skcnn._network import prediction
from skcnn._network.prediction import Predictor
from skcnn.exceptions import OutOfMemoryError, OutOfMemoryWarning
from skcnn.layers import Conv, Pool
from tests.helpers.little_memory import ERRORS, limit_predictions
from tests.helpers.predicted import CASES, CPU, FLAT, drawn, each_case, fitted_small_net, samples


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@each_case
def test_outputs_are_batch_independent(shape, layers, threads):
    predictor = Predictor(drawn(layers, shape), shape, CPU)
    assert predictor.has_steps
    n = predictor.sizes.chunk + 5
    images = samples(n, shape)
    expected = predictor.outputs(images)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(2))
    few = torch.tensor([n - 1, 0, 3])
    parts = [order, few, order[:7], *(torch.arange(i, i + 1) for i in range(0, n, 1 + n // 9))]
    parts += [torch.arange(k) for k in (2, 4, 16, predictor.sizes.chunk)]
    for part in parts:
        got = predictor.outputs(Images(images.rows[part], images.layout))
        assert torch.equal(got, expected[part])


def test_threads_do_not_change_the_bits():
    shape, layers = CASES["conv, pool, dense"]
    predictor = Predictor(drawn(layers, shape), shape, CPU)
    images = samples(6 * predictor.sizes.chunk + 1, shape)
    before = torch.get_num_threads()
    results = []
    try:
        for n in (1, 2, 3):
            torch.set_num_threads(n)
            results.append(predictor.outputs(images))
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_predictions_in_several_threads_are_independent():
    shape, layers = CASES["hidden"]
    predictor = Predictor(drawn(layers, shape), shape, CPU)
    sets = [samples(40, shape, seed) for seed in range(8)]
    expected = [predictor.outputs(each) for each in sets]
    fresh = Predictor(predictor.module, shape, CPU)
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(fresh.outputs, sets))
    assert all(map(torch.equal, got, expected))


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_after_an_error_no_other_pass_begins(workers, error, monkeypatch):
    predictor = Predictor(drawn([FLAT], (1, 4, 4)), (1, 4, 4), CPU)
    predictor.sizes.chunk = 2
    monkeypatch.setattr(predictor.sizes, "workers_and_threads", lambda *_: (workers, 1))
    begun, run = [], predictor._run

    def failing(*given):
        start = given[-1]
        begun.append(start)
        if start >= 10:
            raise error(f"at {start}")
        return run(*given)

    monkeypatch.setattr(predictor, "_run", failing)
    with pytest.raises(error, match="at 1"):
        predictor.outputs(samples(20_000, (1, 4, 4)))
    assert len(begun) <= 10 // 2 + 2 * workers


def test_no_more_workers_than_passes(monkeypatch):
    predictor = Predictor(drawn([FLAT], (1, 4, 4)), (1, 4, 4), CPU)
    images = samples(3 * predictor.sizes.chunk + 1, (1, 4, 4))
    begun, executor = [], prediction.ThreadPoolExecutor
    monkeypatch.setattr(prediction, "ThreadPoolExecutor", lambda n: begun.append(n) or executor(n))
    for n_workers, n_threads in ((64, 2), (3, 2), (2, 1), (1, 0)):
        begun.clear()
        monkeypatch.setattr(predictor.sizes, "workers_and_threads", lambda *_, n=n_workers: (n, 1))
        predictor.outputs(images)
        assert begun == [n_threads] * (n_threads > 0)


def test_a_thread_that_cannot_start_ends_the_others(monkeypatch):
    predictor = Predictor(drawn([FLAT], (1, 4, 4)), (1, 4, 4), CPU)
    predictor.sizes.chunk = 2
    monkeypatch.setattr(predictor.sizes, "workers_and_threads", lambda *_: (3, 1))
    start, run, begun, threads = threading.Thread.start, predictor._run, [], []

    def start_one(thread):
        threads.append(thread)
        if len(threads) > 1:
            raise RuntimeError("can't start new thread")
        start(thread)

    def watched(*args):
        begun.append(1)
        time.sleep(0.001)
        return run(*args)

    monkeypatch.setattr(predictor, "_run", watched)
    monkeypatch.setattr(threading.Thread, "start", start_one)
    with pytest.raises(RuntimeError, match="can't start"):
        predictor.outputs(samples(10_000, (1, 4, 4)))
    assert len(begun) < 1000


def test_an_error_does_not_keep_the_samples(monkeypatch):
    predictor = Predictor(drawn([FLAT], (1, 4, 4)), (1, 4, 4), CPU)
    monkeypatch.setattr(predictor.sizes, "workers_and_threads", lambda *_: (2, 1))
    main = threading.get_ident()

    def failing(*given, run=predictor._run):
        if threading.get_ident() != main:
            raise ValueError("in a worker")
        time.sleep(0.001)  # or this thread takes all passes
        return run(*given)

    monkeypatch.setattr(predictor, "_run", failing)
    images = samples(500 * predictor.sizes.chunk, (1, 4, 4))
    rows = weakref.ref(images)
    gc.disable()
    try:
        with contextlib.suppress(ValueError):
            predictor.outputs(images)
            pytest.fail("the worker took no pass")
        del images
        assert rows() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("n", [5, 600])
def test_outputs_are_not_tensors_that_a_users_module_keeps(n):
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.arange(4.0))
            self.buffer = torch.zeros(1024, 4)

        def forward(self, x):
            return (
                self.buffer[: len(x)].copy_(x[:, :1, 0]) if self.keeps else self.w.expand(len(x), 4)
            )

    for keeps in (False, True):
        module = Constant()
        module.keeps = keeps
        predictor = Predictor(module, (2, 4), CPU)
        images = samples(n, (2, 4))
        outputs = predictor.outputs(images)
        assert not outputs.requires_grad
        first = outputs.numpy().copy()
        predictor.outputs(samples(n, (2, 4), seed=1))
        np.testing.assert_array_equal(outputs.numpy(), first)


def test_all_workers_take_passes_and_leave_the_callers_modes(monkeypatch):
    shape = (1, 28, 28)
    predictor = Predictor(drawn([Conv(32), Pool(), FLAT], shape), shape, CPU)
    images = samples(40 * predictor.sizes.chunk, shape)
    expected = predictor.outputs(images)
    monkeypatch.setattr(predictor.sizes, "workers_and_threads", lambda *_: (3, 1))
    seen, run = set(), predictor._run

    def watched(*args):
        seen.add((threading.get_ident(), torch.is_inference_mode_enabled()))
        return run(*args)

    monkeypatch.setattr(predictor, "_run", watched)
    assert torch.equal(predictor.outputs(images), expected)
    assert 2 <= len(seen) <= 3
    assert all(mode for _, mode in seen)
    assert not torch.is_inference_mode_enabled()


def test_the_validation_score_is_the_score_of_the_predictions():
    X = np.random.default_rng(0).random((80, 6, 6))
    y = (X.mean((1, 2)) > 0.5).astype(int)
    model = ConvNetClassifier(filters=(4,), max_epochs=3, random_state=0)
    model.fit(X[:50], y[:50], X_val=X[50:], y_val=y[50:])
    assert model.history_["valid_score"].iloc[-1] == model.score(X[50:], y[50:])


def test_the_callers_autocast_does_not_reach_predictions():
    model, X = fitted_small_net()
    plain = model.decision_function(X)
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_array_equal(model.decision_function(X), plain)
        np.testing.assert_array_equal(model.decision_function(X[:1]), plain[:1])


def test_the_default_dtype_does_not_reach_predictions():
    model, X = fitted_small_net()
    plain = model.decision_function(X)
    for how in (model, pickle.loads(pickle.dumps(model))):  # with and without a predictor
        torch.set_default_dtype(torch.bfloat16)
        try:
            np.testing.assert_array_equal(how.decision_function(X), plain)
        finally:
            torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("threads", [1, 2], indirect=True)
@pytest.mark.parametrize("n", [1, 7, 1000])
def test_outputs_are_finished_pass_by_pass(n, threads):
    shape = (1, 8, 8)
    predictor = Predictor(drawn([Conv(3), FLAT], shape), shape, CPU)
    sizes = []

    def finish(outputs):
        sizes.append(len(outputs))
        return outputs.argmax(1)

    got = predictor.outputs(samples(n, shape), finish=finish)
    assert torch.equal(got, predictor.outputs(samples(n, shape)).argmax(1))
    assert sum(sizes) == n
    assert max(sizes) <= predictor.sizes.chunk


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_with_too_little_memory_passes_are_halved(error, workers, monkeypatch):
    shape, layers = CASES["conv, pool, dense"]
    net = drawn(layers, shape)
    images = samples(2 * Predictor(net, shape, CPU).sizes.chunk + 5, shape)
    expected = Predictor(net, shape, CPU).outputs(images)
    limit_predictions(monkeypatch, 2, error=error)
    predictor = Predictor(net, shape, CPU)
    monkeypatch.setattr(predictor.sizes, "workers_and_threads", lambda *_: (workers, 1))
    with pytest.warns(OutOfMemoryWarning, match="the network's outputs .* parts of down to 2"):
        got = predictor.outputs(images)
    torch.testing.assert_close(got, expected)
    with pytest.warns(OutOfMemoryWarning):
        labels = predictor.outputs(images, finish=lambda out: out.argmax(1))
    assert torch.equal(labels, expected.argmax(1))


def test_views_are_halved_with_their_samples(monkeypatch):
    shape, layers = CASES["hidden"]
    net, images, views = drawn(layers, shape), samples(70, shape), [lambda x: x.flip(2)]
    expected = Predictor(net, shape, CPU).outputs(images, views)
    refused = []
    limit_predictions(monkeypatch, 16, refused)
    predictor = Predictor(net, shape, CPU)
    with pytest.warns(OutOfMemoryWarning):
        torch.testing.assert_close(predictor.outputs(images, views), expected)
    assert refused == [256, 128, 64, 32, 32, 64, 32]  # of 70 samples and padding
    with pytest.warns(OutOfMemoryWarning):  # the division of a pass is always the same
        again = predictor.outputs(images, views)
    with pytest.warns(OutOfMemoryWarning):
        assert torch.equal(again, predictor.outputs(images, views))


def test_too_little_memory_for_one_sample_ends_a_prediction(monkeypatch):
    limit_predictions(monkeypatch, 0)
    predictor = Predictor(drawn([FLAT], (1, 4, 4)), (1, 4, 4), CPU)
    with pytest.raises(OutOfMemoryError, match="too small for the network's outputs of one sample"):
        predictor.outputs(samples(9, (1, 4, 4)))
