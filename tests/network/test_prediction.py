"""Tests of ``_inference``: the same bits in any company, folding, changes that are followed."""

import contextlib
import copy
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
from skcnn._data.images import Images, InputLayout
from skcnn._data.validation import check_images
from skcnn._network import prediction as _inference
from skcnn._network import prediction_steps as _inference_steps
from skcnn._network.modules import Standardize, WhiteningConv2d
from skcnn._network.network import ConvNet
from skcnn._network.prediction import MOST_BYTES, MOST_ROWS, Predictor
from skcnn.layers import (
    Activation,
    Concatenate,
    Conv,
    Dense,
    Flatten,
    GlobalPool,
    Normalize,
    Pool,
    Residual,
)
from skcnn.layers._blocks import trace

CPU = torch.device("cpu")


def drawn(layers, shape):
    """Return a network with random weights and running figures."""
    rows = trace((*layers, Dense(3)), shape)
    n_axes = max(len(shape) - 1, 2)
    net = ConvNet(rows, Standardize(torch.zeros(shape[0]), torch.ones(shape[0]), n_axes)).eval()
    return _inference._redrawn(net, torch.Generator().manual_seed(1))


def samples(n, shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn((n, *shape), generator=generator)
    return Images(x.flatten(1), InputLayout(shape, "first"))


def block(filters, activation="relu", **how):
    return (Conv(filters, **how), Normalize(), Activation(activation))


FLAT = Flatten()
CASES = {
    "conv, pool, dense": ((1, 28, 28), [*block(32), Pool(), *block(64), Pool(), FLAT]),
    "hidden": ((1, 8, 8), [*block(8), Pool(), FLAT, Dense(84), Normalize(), Activation("relu")]),
    "odd sides": ((3, 7, 5), [*block(5, kernel_size=1), *block(10), FLAT, Dense(33), Dense(7)]),
    "odd features": ((1, 3, 3), [Conv(3, 1), FLAT, Dense(17), Dense(33)]),
    "one value": ((1, 1, 1), [Conv(3, 1), FLAT, Dense(7)]),
    "only dense": ((2, 3, 3), [FLAT, Dense(6)]),
    "signal": ((2, 51), [*block(6), Pool(), *block(9, stride=2), FLAT]),
    "volume": ((2, 5, 5, 5), [*block(4), Pool(), Conv(6, activation="tanh"), FLAT]),
    "strided": ((4, 9, 9), [*block(24, stride=2), *block(7, padding_mode="mirror"), FLAT]),
    "grouped": ((4, 9, 9), [Conv(8, groups=4, activation="relu"), FLAT]),
    "dilated": ((2, 12, 12), [Conv(10, dilation=2, activation="relu"), FLAT]),
    "group norm": ((1, 9, 9), [Conv(6), Normalize(kind="group"), Activation("relu"), FLAT]),
    "average": ((3, 9, 9), [*block(10), Pool(2, kind="average"), GlobalPool()]),
    "padded average": ((3, 9, 9), [Conv(7), Pool(3, stride=2, padding=1, kind="average"), FLAT]),
    "residual": ((3, 8, 8), [Residual([*block(6), Conv(6)]), GlobalPool(kind="max")]),
    "branches": ((7, 9, 9), [Concatenate([[Conv(3)], [Conv(7, 1, activation="gelu")]]), FLAT]),
    **{
        kind: ((1, 6, 6), [*block(5, kind), FLAT, Dense(7, activation=kind)])
        for kind in ("leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "identity")
    },
}
each_case = pytest.mark.parametrize(("shape", "layers"), list(CASES.values()), ids=list(CASES))


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@each_case
def test_a_samples_bits_are_the_same_in_any_company(shape, layers, threads):
    predictor = Predictor(drawn(layers, shape), shape, CPU)
    assert predictor.known
    n = predictor.chunk + 5
    images = samples(n, shape)
    expected = predictor.outputs(images)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(2))
    few = torch.tensor([n - 1, 0, 3])
    parts = [order, few, order[:7], *(torch.arange(i, i + 1) for i in range(0, n, 1 + n // 9))]
    parts += [torch.arange(k) for k in (2, 4, 16, predictor.chunk)]
    for part in parts:
        got = predictor.outputs(Images(images.rows[part], images.layout))
        assert torch.equal(got, expected[part])


@each_case
def test_every_size_is_found_to_round_alike(shape, layers):
    """No proof is wanted here: a size that differs is not used, only slow."""
    predictor = Predictor(drawn(layers, shape), shape, CPU)
    assert predictor._rows_for(1) == 1


@each_case
def test_outputs_are_those_of_the_module(shape, layers):
    net = drawn(layers, shape)
    images = samples(20, shape)
    exact = copy.deepcopy(net).double()
    with torch.no_grad():
        expected = exact(images.as_batch(images.rows).double())
    got = Predictor(net, shape, CPU).outputs(images).double()
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_threads_do_not_change_the_bits():
    shape, layers = CASES["conv, pool, dense"]
    predictor = Predictor(drawn(layers, shape), shape, CPU)
    images = samples(6 * predictor.chunk + 1, shape)
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


@pytest.mark.parametrize(("n", "expected"), [(1, (1, 2)), (4, (1, 2)), (200, (2, 1))])
def test_a_few_large_passes_use_all_threads(n, expected, monkeypatch):
    shape = (16, 32, 32)
    predictor = Predictor(drawn([Conv(256), GlobalPool()], shape), shape, CPU)
    assert predictor.macs >= 32_000_000
    images = samples(n, shape)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(predictor, "_may_have", lambda rows, threads=1: True)
    assert predictor._share(predictor._passes(n, one_size=False), False) == expected
    monkeypatch.setattr(predictor, "_may_have", lambda rows, threads=1: threads == 1)
    if expected == (1, 2):
        passes = predictor._passes(len(images), one_size=False)
        assert predictor._share(passes, False) == (1, 1)


def test_predictions_at_once_do_not_disturb_each_other():
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
def test_after_an_error_no_other_pass_is_begun(workers, error, monkeypatch):
    predictor = Predictor(drawn([FLAT], (1, 4, 4)), (1, 4, 4), CPU)
    predictor.chunk = 2
    monkeypatch.setattr(predictor, "_share", lambda *_: (workers, 1))
    begun, run = [], predictor._run

    def failing(images, views, passes, start):
        begun.append(start)
        if start >= 10:
            raise error(f"at {start}")
        return run(images, views, passes, start)

    monkeypatch.setattr(predictor, "_run", failing)
    with pytest.raises(error, match="at 1"):
        predictor.outputs(samples(20_000, (1, 4, 4)))
    assert len(begun) <= 10 // 2 + 2 * workers


def test_no_more_workers_than_passes(monkeypatch):
    predictor = Predictor(drawn([FLAT], (1, 4, 4)), (1, 4, 4), CPU)
    images = samples(3 * predictor.chunk + 1, (1, 4, 4))
    begun, executor = [], _inference.ThreadPoolExecutor
    monkeypatch.setattr(_inference, "ThreadPoolExecutor", lambda n: begun.append(n) or executor(n))
    for n_workers, n_threads in ((64, 2), (3, 2), (2, 1), (1, 0)):
        begun.clear()
        monkeypatch.setattr(predictor, "_share", lambda *_, n=n_workers: (n, 1))
        predictor.outputs(images)
        assert begun == [n_threads] * (n_threads > 0)


def test_a_thread_that_cannot_start_ends_the_others(monkeypatch):
    predictor = Predictor(drawn([FLAT], (1, 4, 4)), (1, 4, 4), CPU)
    predictor.chunk = 2
    monkeypatch.setattr(predictor, "_share", lambda *_: (3, 1))
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
    monkeypatch.setattr(predictor, "_share", lambda *_: (2, 1))
    main = threading.get_ident()

    def failing(images, views, passes, start, run=predictor._run):
        if threading.get_ident() != main:
            raise ValueError("in a worker")
        time.sleep(0.001)  # or this thread takes all passes
        return run(images, views, passes, start)

    monkeypatch.setattr(predictor, "_run", failing)
    images = samples(500 * predictor.chunk, (1, 4, 4))
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
def test_what_a_users_module_keeps_is_not_given_away(n):
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
    images = samples(40 * predictor.chunk, shape)
    expected = predictor.outputs(images)
    monkeypatch.setattr(predictor, "_share", lambda *_: (3, 1))
    seen, run = set(), predictor._run

    def watched(*args):
        seen.add((threading.get_ident(), torch.is_inference_mode_enabled()))
        return run(*args)

    monkeypatch.setattr(predictor, "_run", watched)
    assert torch.equal(predictor.outputs(images), expected)
    assert 2 <= len(seen) <= 3
    assert all(mode for _, mode in seen)
    assert not torch.is_inference_mode_enabled()


POOLS = [
    *({"kernel_size": size} for size in (2, 3, 4, 5, (1, 2), (2, 1), (3, 2), (1, 4))),
    *({"kernel_size": 3, "stride": stride} for stride in (1, 2, 4, (2, 1))),
    *({"kernel_size": 3, "padding": 1}, {"kernel_size": 2, "dilation": 2}),
    {"kernel_size": 2, "stride": 3, "ceil_mode": True},
]


@pytest.mark.parametrize("settings", POOLS, ids=str)
@pytest.mark.parametrize("shape", [(2, 8, 61, 64), (5, 3, 57, 85), (20, 16, 28, 29)])
def test_maxima_of_windows_are_torchs(settings, shape):
    pool = nn.MaxPool2d(**settings)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    x[0, 0, 5, 5], x[0, 1, 7, 6], x[-1, -1, -2] = torch.nan, torch.inf, -torch.inf
    x = x.contiguous(memory_format=torch.channels_last)
    before = x.clone()
    got = _inference_steps._max_pool(pool, x)
    assert torch.equal(got.nan_to_num(7), pool(x).nan_to_num(7))
    assert torch.equal(got.isnan(), pool(x).isnan())
    assert torch.equal(x.nan_to_num(7), before.nan_to_num(7))
    assert got.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "pool",
    [nn.MaxPool2d((2,)), nn.MaxPool2d(2, stride=(2,)), nn.MaxPool2d([2, 2], [2, 2], [0, 0])],
    ids=str,
)
@pytest.mark.parametrize("stride", ["own", None, ()])
def test_other_ways_to_write_a_pool(pool, stride):
    if stride != "own":
        pool.stride = stride
    x = torch.randn(4, 8, 64, 64).contiguous(memory_format=torch.channels_last)
    assert torch.equal(_inference_steps._max_pool(pool, x), pool(x))


def test_a_window_of_one_value_gives_a_copy():
    x = torch.randn(2, 8, 64, 64).contiguous(memory_format=torch.channels_last)
    got = _inference_steps._max_pool(nn.MaxPool2d(1), x)
    assert torch.equal(got, x)
    assert got.data_ptr() != x.data_ptr()
    strided = nn.MaxPool2d(1, stride=2)
    got = _inference_steps._max_pool(strided, x)
    assert torch.equal(got, strided(x))
    assert got.is_contiguous(memory_format=torch.channels_last)


def test_only_large_maps_are_pooled_by_axes(monkeypatch):
    used = []
    monkeypatch.setattr(torch, "maximum", lambda a, b, out: used.append(a.shape) or a)
    pool = nn.MaxPool2d(2)
    for shape in [(1, 32, 28, 28), (100, 64, 8, 8), (16, 32, 28, 28)]:
        _inference_steps._max_pool(pool, torch.zeros(shape).to(memory_format=torch.channels_last))
    assert used == [(16, 14, 28, 32), (16, 14, 14, 32)]
    _inference_steps._max_pool(pool, torch.zeros(16, 32, 28, 28))  # another order in memory
    assert len(used) == 2


def test_a_size_that_rounds_differently_is_not_used(monkeypatch):
    shape, layers = CASES["hidden"]
    predictor = Predictor(drawn(layers, shape), shape, CPU)
    monkeypatch.setattr(predictor, "_may_have", lambda rows: rows >= 8)
    assert [predictor._rows_for(n) for n in (1, 5, 8, 9)] == [8, 8, 8, 16]


@pytest.mark.parametrize("what", ["company", "place"])
def test_different_rounding_is_found(monkeypatch, what):
    shape, layers = CASES["hidden"]
    net = drawn(layers, shape)
    assert _inference._same_bits(net, shape, 16, 2)

    def multiply(dense, x):
        extra = len(x) / 2**24 if what == "company" else torch.arange(len(x))[:, None] / 2**24
        return nn.functional.linear(x, dense.weight, dense.bias) * (1 + extra)

    monkeypatch.setattr(_inference_steps, "_multiply", multiply)
    assert not _inference._same_bits(net, shape, 16, 2)


def test_chunks_are_small_for_large_activations():
    chunks = {}
    for side in (2, 28, 224):
        shape = (1, side, side)
        chunks[side] = Predictor(drawn([Conv(32), FLAT], shape), shape, CPU).chunk
        assert chunks[side] == 1 or chunks[side] * 32 * side**2 * 4 <= MOST_BYTES
    assert chunks == {2: MOST_ROWS, 28: 32, 224: 1}


# Changes of the network


@pytest.fixture
def model():
    X = np.random.default_rng(0).random((40, 6, 6))
    y = (X.mean((1, 2)) > 0.5).astype(int)
    return ConvNetClassifier(filters=(4,), max_epochs=1, random_state=0).fit(X, y), X


def expected_outputs(model, X):
    images = check_images(model, X)
    return Predictor(model.net_.module_, (1, 6, 6), CPU).outputs(images).double().numpy()


def whitening(**how):
    layer = WhiteningConv2d(1, 4, 3, **{"padding": 1, **how})
    return layer.requires_grad_(False)


CHANGES = {
    "weight.data": lambda m: m.layers.conv_1.weight.data.mul_(2),
    "numpy": lambda m: np.negative(
        m.layers.conv_1.weight.detach().numpy(), out=m.layers.conv_1.weight.detach().numpy()
    ),
    "running mean": lambda m: m.layers.normalize_1.running_mean.add_(1),
    "another parameter": lambda m: setattr(
        m.layers.conv_1, "weight", nn.Parameter(m.layers.conv_1.weight.detach() + 0.5)
    ),
    "dense": lambda m: m.closing.weight.data.neg_(),
    "another layer": lambda m: setattr(m.layers, "activation_1", nn.Tanh()),
    "a user's layer": lambda m: setattr(m.layers, "activation_1", nn.Softplus()),
    "padding": lambda m: setattr(
        m.layers, "conv_1", nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular")
    ),
    "a whitening layer": lambda m: setattr(m.layers, "conv_1", whitening(padding_mode="reflect")),
    "a whitening layer of the same size": lambda m: setattr(
        m.layers, "conv_1", whitening(padding="same")
    ),
    "gelu": lambda m: setattr(m.layers, "activation_1", nn.GELU("tanh")),
    "state_dict": lambda m: m.load_state_dict({k: v + 1 for k, v in m.state_dict().items()}),
}


@pytest.mark.parametrize("change", list(CHANGES.values()), ids=list(CHANGES))
def test_changes_of_the_network_are_followed(model, change):
    model, X = model
    before = model.decision_function(X)
    change(model.net_.module_)
    after = model._outputs(X)
    exact = copy.deepcopy(model.net_.module_).double().eval()
    with torch.no_grad():
        expected = exact(torch.from_numpy(X.astype(np.float32)).double().unsqueeze(1))
    np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5)
    assert not np.array_equal(after[:, 1] - after[:, 0], before)


def test_hooks_run(model):
    model, X = model
    model.predict(X)
    seen = []
    hook = model.net_.module_.layers.conv_1.register_forward_hook(lambda *a: seen.append(1))
    model.predict(X)
    assert seen
    hook.remove()
    seen.clear()
    model.predict(X)
    assert not seen


def test_what_prediction_keeps_is_neither_pickled_nor_copied(model):
    model, X = model
    size = len(pickle.dumps(model))
    model.predict(X)
    assert len(pickle.dumps(model)) == size
    again = copy.deepcopy(model)
    again.net_.module_.layers.conv_1.weight.data.mul_(2)
    np.testing.assert_array_equal(again._outputs(X), expected_outputs(again, X))
    np.testing.assert_array_equal(model._outputs(X), expected_outputs(model, X))


def test_the_module_keeps_its_normalisation(model):
    model, X = model
    names = [name for name, _ in model.net_.module_.named_modules()]
    state = {k: v.clone() for k, v in model.net_.module_.state_dict().items()}
    model.predict(X)
    assert [name for name, _ in model.net_.module_.named_modules()] == names
    torch.testing.assert_close(dict(model.net_.module_.state_dict()), state, rtol=0, atol=0)


def test_the_validation_score_is_the_score_of_the_predictions():
    X = np.random.default_rng(0).random((80, 6, 6))
    y = (X.mean((1, 2)) > 0.5).astype(int)
    model = ConvNetClassifier(filters=(4,), max_epochs=3, random_state=0)
    model.fit(X[:50], y[:50], X_val=X[50:], y_val=y[50:])
    assert model.history_["valid_score"].iloc[-1] == model.score(X[50:], y[50:])


def fitted_small_net():
    X = np.random.default_rng(0).normal(size=(80, 6, 6)).astype(np.float32)
    model = ConvNetClassifier(
        filters=(8, 8), hidden_units=(16,), max_epochs=1, n_threads=2, random_state=0
    )
    return model.fit(X, np.arange(80) % 2), X


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


def test_a_changed_epsilon_changes_predictions():
    model, X = fitted_small_net()
    plain = model.decision_function(X)
    for part in model.net_.module_.modules():
        if hasattr(part, "running_var"):
            part.eps = 1.0
    assert np.abs(model.decision_function(X) - plain).max() > 1e-3


def test_a_forward_of_ones_own_is_called():
    model, X = fitted_small_net()
    closing = model.net_.module_.closing
    closing.forward = lambda x: torch.ones(len(x), closing.out_features)
    assert (model.decision_function(X) == model.decision_function(X)[0]).all()


def test_verdicts_are_bounded(monkeypatch):
    monkeypatch.setattr(_inference, "MOST_VERDICTS", 2)
    monkeypatch.setattr(_inference, "_verdicts", {})
    model, X = fitted_small_net()
    for n in (1, 2, 4, 8, 16):
        model.predict(X[:n])
        assert len(_inference._verdicts) <= 2
