"""Parameter groups, and optimizer steps by hand."""

from math import sqrt

import pytest
import torch
from torch import nn

from skcnn._training import eager_optimizers as eager
from skcnn._training.muon import ADAM_SHARE, Muon
from skcnn._training.optimizers import (
    OPTIMIZERS,
    keep_state,
    make_optimizer,
    parameter_groups,
)


def small_net():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 3))


class Point(nn.Module):
    """A single matrix, the parameter of a quadratic."""

    def __init__(self, *values):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([values], dtype=torch.float64))

    def loss(self):
        return 0.5 * (self.w**2 * torch.tensor([1.0, 4.0], dtype=torch.float64)).sum()


def make(name, module, *, lr=0.1, momentum=0.9, nesterov=True, decay=0.0):
    return make_optimizer(name, module, lr, momentum, nesterov, decay)


def test_only_kernels_and_matrices_decay():
    net = small_net()
    decayed, others = parameter_groups(net, 0.1)
    assert decayed["weight_decay"] == 0.1
    assert {id(p) for p in decayed["params"]} == {id(net[0].weight), id(net[3].weight)}
    assert "weight_decay" not in others
    assert {id(p) for p in others["params"]} == {
        id(p) for p in (net[0].bias, net[1].weight, net[1].bias, net[3].bias)
    }


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_gets_both_groups(name):
    groups = make(name, small_net(), lr=0.25, decay=0.1).param_groups
    decays = [0.1, 0.1, 0.0] if name == "muon" else [0.1, 0.0]  # muon separates the last matrix
    assert [group["weight_decay"] for group in groups] == decays
    assert {group["lr"] for group in groups} == {0.25}


def test_frozen_parameters_are_in_no_group():
    net = small_net()
    net[0].requires_grad_(False)
    params = [p for group in parameter_groups(net, 0.1) for p in group["params"]]
    assert len(params) == 4


def test_groups_without_parameters_are_left_out():
    assert [g["weight_decay"] for g in parameter_groups(nn.Linear(2, 2, bias=False), 0.1)] == [0.1]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_biases_do_not_decay(name):
    net = nn.Linear(3, 3)
    nn.init.ones_(net.weight)
    nn.init.ones_(net.bias)
    optimizer = make(name, net, lr=0.01, decay=0.5)
    net(torch.zeros(1, 3)).sum().mul(0).backward()
    optimizer.step()
    assert (net.weight < 1).all()
    assert (net.bias == 1).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_lowers_a_quadratic(name):
    point = Point(1.0, -2.0)
    optimizer = make(name, point, lr=0.05 / ADAM_SHARE if name == "muon" else 0.05)
    start = point.loss().item()
    for _ in range(150):
        optimizer.zero_grad()
        point.loss().backward()
        optimizer.step()
    assert point.loss().item() < 0.3 * start


def sgd_by_hand(w, n_steps, lr, momentum, nesterov, decay):
    """Return w after steps on 0.5 w^2, by Sutskever et al.'s update as torch writes it."""
    velocity = None
    for _ in range(n_steps):
        gradient = w + decay * w
        velocity = gradient if velocity is None else momentum * velocity + gradient
        w -= lr * (gradient + momentum * velocity if nesterov else velocity)
    return w


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize(
    ("momentum", "nesterov", "effective"),
    [(0.0, False, False), (0.0, True, False), (0.9, False, False), (0.9, True, True)],
)
def test_sgd_steps_equal_the_formula(momentum, nesterov, effective, decay):
    point = Point(2.0, 0.0)
    optimizer = make("sgd", point, momentum=momentum, nesterov=nesterov, decay=decay)
    for _ in range(4):
        optimizer.zero_grad()
        point.loss().backward()
        optimizer.step()
    expected = sgd_by_hand(2.0, 4, 0.1, momentum, effective, decay)
    assert point.w[0, 0].item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("momentum", "nesterov", "after"),
    [(0.0, False, 1.8), (0.9, False, 1.8), (0.9, True, 1.62)],
)
def test_first_sgd_step_by_hand(momentum, nesterov, after):
    # w = 2, gradient 2, rate 0.1: plain 2 - 0.2; Nesterov looks ahead, 2 - 0.1 * 1.9 * 2
    point = Point(2.0, 0.0)
    optimizer = make("sgd", point, momentum=momentum, nesterov=nesterov)
    point.loss().backward()
    optimizer.step()
    assert point.w[0, 0].item() == pytest.approx(after)


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("adam", 1.9),  # the decay is in the normalised gradient: one rate
        ("adamw", 2.0 * (1 - 0.1 * 0.5) - 0.1),  # decay first, then one rate
        ("adagrad", 1.9),
        ("rmsprop", 2.0 - 0.1 / sqrt(0.01)),
        ("sgd", 2.0 - 0.1 * (2 + 0.5 * 2)),
    ],
)
def test_first_step_with_weight_decay_by_hand(name, after):
    point = Point(2.0, 0.0)
    optimizer = make(name, point, momentum=0.0, decay=0.5)
    point.loss().backward()
    optimizer.step()
    assert point.w[0, 0].item() == pytest.approx(after, rel=1e-6)


@pytest.mark.parametrize("name", ["sgd", "rmsprop"])
def test_momentum_acts(name):
    ends = []
    for momentum in (0.0, 0.9):
        point = Point(1.0, 1.0)
        optimizer = make(name, point, lr=0.01, momentum=momentum)
        for _ in range(3):
            optimizer.zero_grad()
            point.loss().backward()
            optimizer.step()
        ends.append(point.w[0, 0].item())
    assert ends[1] < ends[0]


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("muon", Muon),
        ("adam", eager.Adam),
        ("adamw", eager.AdamW),
        ("sgd", eager.SGD),
        ("rmsprop", eager.RMSprop),
        ("adagrad", eager.Adagrad),
    ],
)
def test_optimizer_is_the_one_named(name, cls):
    assert type(make(name, small_net())) is cls


def test_parameters_with_another_rate_make_groups_of_their_own():
    net = small_net()
    groups = parameter_groups(net, 0.1, {"0.weight": 0.5, "1.weight": 0.25, "1.bias": 0.25})
    listed = [
        (g.get("rate_share", 1.0), g.get("weight_decay"), [id(p) for p in g["params"]])
        for g in groups
    ]
    conv, norm, dense = net[0], net[1], net[3]
    assert listed == [
        (1.0, 0.1, [id(dense.weight)]),
        (1.0, None, [id(conv.bias), id(dense.bias)]),
        (0.5, 0.1, [id(conv.weight)]),
        (0.25, None, [id(norm.weight), id(norm.bias)]),
    ]
    frozen = net[0].requires_grad_(False).weight
    assert all(p is not frozen for g in parameter_groups(net, 0.1, {}) for p in g["params"])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_parameters_that_stay_keep_their_state(name):
    """More parameters from the second step on: the others go on as if they were alone."""
    one, two = (nn.Parameter(torch.tensor([[1.0, 2.0]])) for _ in range(2))
    alone = nn.Parameter(one.detach().clone())

    def optimizer(**parameters):
        module = nn.Module()
        for name_of, parameter in parameters.items():
            module.register_parameter(name_of, parameter)
        return make(name, module)

    def step(optimizer, *parameters):
        for parameter in parameters:
            parameter.grad = 2 * parameter.detach()
        optimizer.step()

    first, reference = optimizer(one=one), optimizer(alone=alone)
    step(first, one)
    step(reference, alone)
    second = optimizer(one=one, two=two)
    keep_state(second, first)
    fresh = nn.Parameter(two.detach().clone())
    third = optimizer(fresh=fresh)
    for _ in range(2):
        step(second, one, two)
        step(reference, alone)
        step(third, fresh)
    assert torch.equal(one, alone)
    assert torch.equal(two, fresh)
