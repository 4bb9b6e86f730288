"""Gradients of a batch in parts, where there is too little memory."""

from itertools import cycle

import numpy as np
import pytest
import torch
from torch import nn

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._network.gradient_parts import GradientParts, computes_each_sample_alone
from skcnn._network.network import ConvNet
from skcnn.augmentation import MixUp
from skcnn.exceptions import OutOfMemoryError, OutOfMemoryWarning
from skcnn.layers import Conv, Flatten, Normalize, Pool
from skcnn.layers._normalization import fix_statistics
from tests.helpers.little_memory import ERRORS, limit_training, limited
from tests.helpers.predicted import drawn
from tests.helpers.small_fits import WatchBatches, data, tiny

CPU = torch.device("cpu")
ALONE = {"normalization": None, "dropout": 0.0}


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.net_.module_.parameters()])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("most", "sizes"), [(16, [5]), (3, [3, 2]), (1, [1] * 5)])
def test_gradients_of_parts_add_up_to_those_of_the_batch(most, sizes, weighted):
    """Against a float64 sum over single samples."""
    generator = torch.Generator().manual_seed(0)
    net = drawn([Conv(3, activation="tanh"), Normalize(kind="group"), Flatten()], (2, 4, 4)).train()
    x, y = torch.randn(5, 2, 4, 4, generator=generator), torch.randn(5, 3, generator=generator)
    share = torch.rand(5, generator=generator) if weighted else torch.ones(5)
    exact = [torch.zeros_like(p, dtype=torch.float64) for p in net.parameters()]
    for i in range(5):
        loss = share[i] * (net(x[i : i + 1]) - y[i]).square().sum()
        for total, gradient in zip(
            exact, torch.autograd.grad(loss, [*net.parameters()]), strict=True
        ):
            total += gradient.double() / 5
    got = []

    def forward(batch):
        inputs, (targets, given) = batch
        out = limited(net, most)(inputs)
        got.append(len(inputs))
        each = (out - targets).square().sum(1)
        return (each if given is None else each * given).mean(), out

    parts = GradientParts(CPU)
    batch = (x, (y, share if weighted else None))
    if most < 5:
        with pytest.warns(OutOfMemoryWarning, match=f"parts of at most {max(sizes)}.*batch_size="):
            loss, outputs = parts.add(forward, batch, net)
    else:
        loss, outputs = parts.add(forward, batch, net)
    assert got == sizes
    torch.testing.assert_close(outputs, net(x))
    torch.testing.assert_close(loss, (share * (outputs - y).square().sum(1)).mean())
    for parameter, total in zip(net.parameters(), exact, strict=True):
        torch.testing.assert_close(parameter.grad.double(), total, rtol=1e-5, atol=1e-6)


CASES = {
    "plain": (ConvNetClassifier, ALONE),
    "group": (ConvNetClassifier, ALONE | {"normalization": "group"}),
    "penalty and clip": (ConvNetClassifier, ALONE | {"l1_penalty": 0.01, "gradient_clip": 0.1}),
    "mixed targets": (ConvNetClassifier, ALONE | {"augmentation": MixUp()}),
    "regression": (ConvNetRegressor, ALONE),
}


@pytest.mark.parametrize(
    ("cls", "params", "error"),
    [(*case, error) for case, error in zip(CASES.values(), cycle(ERRORS.values()), strict=False)],
    ids=CASES,
)
def test_a_fit_in_parts_gives_the_same_up_to_rounding(cls, params, error, monkeypatch):
    X, y = data()
    how = {"optimizer": "sgd", "learning_rate": 0.02} | params
    weight = np.linspace(0.5, 2, len(X))
    expected = tiny(cls, **how).fit(X, y, sample_weight=weight)
    refused = []
    limit_training(monkeypatch, 4, refused, error)
    model = tiny(cls, **how)
    with pytest.warns(OutOfMemoryWarning, match="'cpu' was too small to train with 14 samples"):
        model.fit(X, y, sample_weight=weight)
    assert refused == [14, 7]  # later batches are computed in parts at once
    torch.testing.assert_close(weights(model), weights(expected), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        model.history_["train_loss"], expected.history_["train_loss"], rtol=1e-5
    )


def test_both_loops_give_the_same_bits_in_parts(monkeypatch):
    X, y = data()
    limit_training(monkeypatch, 4)
    fast, stock = tiny(**ALONE), tiny(**ALONE, callbacks=[WatchBatches()])
    for model in (fast, stock):
        with pytest.warns(OutOfMemoryWarning):
            model.fit(X, y)
    assert torch.equal(weights(fast), weights(stock))


def test_dropout_draws_for_each_part(monkeypatch):
    X, y = data()
    limit_training(monkeypatch, 7)
    models = [tiny(normalization=None, dropout=0.5) for _ in range(2)]
    for model in models:
        with pytest.warns(OutOfMemoryWarning):
            model.fit(X, y)
    assert torch.equal(weights(models[0]), weights(models[1]))


class Own(nn.Linear):
    """A module whose code could do anything."""


def own_module(shape, n_outputs):
    return nn.Sequential(nn.Flatten(), Own(int(np.prod(shape)), n_outputs))


NOT_IN_PARTS = {"batch norm": {}, "own module": {"architecture": own_module}}


@pytest.mark.parametrize("params", NOT_IN_PARTS.values(), ids=NOT_IN_PARTS)
def test_what_cannot_be_divided_is_an_error_with_a_batch_size_that_fits(params, monkeypatch):
    X, y = data()
    limit_training(monkeypatch, 4)
    match = r"'cpu' is too small to train with 14 samples at a time\. Use batch_size=4, which fits"
    model = tiny(**params)
    with pytest.raises(OutOfMemoryError, match=match):
        model.fit(X, y)
    assert not hasattr(model, "net_")
    assert model.set_params(batch_size=4).fit(X, y).n_iter_ == 3


@pytest.mark.parametrize("params", [{}, ALONE], ids=["batch norm", "plain"])
def test_too_little_memory_for_one_sample_ends_a_fit(params, monkeypatch):
    limit_training(monkeypatch, 0)
    with pytest.raises(OutOfMemoryError, match="'cpu' is too small to train with one sample"):
        tiny(**params).fit(*data())


def test_a_continued_training_is_taken_back(monkeypatch):
    X, y = data()
    model, expected = (tiny(warm_start=True).fit(X, y) for _ in range(2))
    limit_training(monkeypatch, 4)
    with pytest.raises(OutOfMemoryError, match="batch_size=4"):
        model.fit(X, 1 - y)
    state = expected.net_.module_.state_dict()
    for name, value in model.net_.module_.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert model.n_iter_ == 3


def test_other_errors_pass(monkeypatch):
    limit_training(monkeypatch, 4, error=RuntimeError("shapes"))
    with pytest.raises(RuntimeError, match="shapes"):
        tiny(**ALONE).fit(*data())


def test_which_networks_compute_each_sample_alone():
    plain = drawn([Conv(2), Pool(), Normalize(kind="layer"), Flatten()], (1, 4, 4)).train()
    batch = drawn([Conv(2), Normalize(), Flatten()], (1, 4, 4)).train()
    assert type(plain) is ConvNet
    assert computes_each_sample_alone(plain)
    assert not computes_each_sample_alone(batch)
    assert computes_each_sample_alone(batch.eval())
    fix_statistics(batch)
    assert computes_each_sample_alone(batch.train())
    assert computes_each_sample_alone(nn.Sequential(nn.Linear(2, 2), nn.InstanceNorm2d(2)))
    for norm in (nn.BatchNorm2d(2), nn.BatchNorm1d(2, track_running_stats=False)):
        assert not computes_each_sample_alone(nn.Sequential(norm))
    assert not computes_each_sample_alone(nn.Sequential(Own(2, 2)))
