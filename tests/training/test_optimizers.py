"""Parameter groups, optimizer steps by hand, learning-rate schedules."""

from math import cos, pi, sqrt

import pytest
import torch
from torch import nn

from skcnn._training import optimizers as eager
from skcnn._training.optimizers import (
    ADAM_SHARE,
    OPTIMIZERS,
    Muon,
    make_optimizer,
    orthogonalized,
    parameter_groups,
)
from skcnn._training.schedules import SCHEDULES, Schedule


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


# Parameter groups


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
    decays = [0.1, 0.1, 0.0] if name == "muon" else [0.1, 0.0]  # muon parts the last matrix
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


# Steps


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


# Muon


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (8, 8), (1, 5), (5, 1)])
def test_orthogonalized_has_the_same_singular_vectors_and_equal_values(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u, values, v = torch.linalg.svd(matrix, full_matrices=False)
    got = u.T @ orthogonalized(matrix) @ v.T  # diagonal where the vectors are the same
    diagonal = got.diagonal()
    assert (got - torch.diag(diagonal)).abs().max() < 1e-10
    kept = values > 0.05 * matrix.norm()
    assert ((diagonal > 0.5) & (diagonal < 1.25))[kept].all()
    # the polynomial of each singular value by itself
    expected = values / values.norm()
    for _ in range(3):
        expected = 3.4445 * expected - 4.775 * expected**3 + 2.0315 * expected**5
    assert torch.allclose(diagonal, expected, rtol=1e-9)


def test_muon_step_equals_the_formula():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2, bias=False)).double()
    kernel, last = net[0].weight.detach().clone(), net[2].weight.detach().clone()
    optimizer = make("muon", net, lr=0.3, momentum=0.5, decay=0.1)
    buffer = torch.zeros_like(kernel)
    adam = torch.nn.Parameter(last)
    theirs = torch.optim.AdamW([adam], lr=0.3 * ADAM_SHARE, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        net(torch.randn(5, 3, 3, 3, dtype=torch.float64)).square().sum().backward()
        gradient = net[0].weight.grad.clone()
        buffer = 0.5 * buffer + gradient
        kernel = kernel / kernel.square().sum().sqrt() * 2  # four filters
        update = orthogonalized((gradient + 0.5 * buffer).reshape(4, 27)).reshape(4, 3, 3, 3)
        kernel = kernel - 0.3 * update
        adam.grad = net[2].weight.grad.clone()
        theirs.step()
        optimizer.step()
        assert torch.allclose(net[0].weight, kernel, atol=1e-12)
        assert torch.allclose(net[2].weight, adam, atol=1e-9)


def test_muon_takes_each_group_of_filters_as_a_matrix():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.Flatten(), nn.Linear(6, 2)).double()
    kernel = net[0].weight.detach().clone()
    optimizer = make("muon", net, lr=0.3, momentum=0.0)
    net(torch.randn(5, 4, 3, 3, dtype=torch.float64)).square().sum().backward()
    optimizer.step()
    halves = [orthogonalized(half.reshape(3, 18)) for half in net[0].weight.grad.split(3)]
    kernel = kernel / kernel.square().sum().sqrt() * 6**0.5
    expected = kernel - 0.3 * torch.cat(halves).view(kernel.shape)
    assert torch.allclose(net[0].weight, expected, atol=1e-12)


def test_muon_leaves_the_last_matrix_and_vectors_to_adam():
    net = small_net()
    kernels = [g["params"] for g in make("muon", net).param_groups if g["kernel_groups"]]
    assert [[id(p) for p in group] for group in kernels] == [[id(net[0].weight)]]


def test_muon_takes_kernels_and_matrices_of_layers_only():
    net = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm((2, 8)), nn.Linear(8, 2))
    kernels = [g["params"] for g in make("muon", net).param_groups if g["kernel_groups"]]
    assert [[id(p) for p in group] for group in kernels] == [[id(net[0].weight)]]


def test_muon_does_not_care_for_the_scale_of_the_gradient():
    ends = []
    for scale in (1.0, 1000.0):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 2)).double()
        optimizer = make("muon", net)
        (scale * net(torch.ones(1, 6, dtype=torch.float64)).square().sum()).backward()
        optimizer.step()
        ends.append(net[0].weight.detach())
    assert torch.allclose(*ends, atol=1e-9)


# Schedules


def rates(kind, n_epochs=20, steps_per_epoch=2, losses=()):
    """Return the rate of every step, for a full rate of one."""
    schedule = Schedule(kind, 1.0, steps_per_epoch, n_epochs)
    taken = []
    for epoch in range(n_epochs):
        taken += [schedule.next_rate() for _ in range(steps_per_epoch)]
        schedule.epoch_done(losses[epoch] if epoch < len(losses) else 1.0 / (epoch + 1))
    return taken


HALF = 0.5 * (1 + cos(pi * (20 / 40 - 0.25) / 0.75))  # one_cycle, a third down the cosine
LAST = 0.5 * (1 + cos(pi * (39 / 40 - 0.25) / 0.75))


@pytest.mark.parametrize(
    ("kind", "step", "rate"),
    [
        ("constant", 0, 1.0),
        ("constant", 39, 1.0),
        ("step", 0, 1.0),
        ("step", 19, 1.0),
        ("step", 20, 0.1),
        ("step", 29, 0.1),
        ("step", 30, 0.01),
        ("step", 39, 0.01),
        ("cosine", 0, 1.0),
        ("cosine", 20, 0.5),
        ("cosine", 39, 0.5 * (1 + cos(pi * 39 / 40))),
        ("linear", 0, 0.04),
        ("linear", 1, 0.52),
        ("linear", 2, 1.0),
        ("linear", 21, 0.5),
        ("linear", 39, 1 / 38),
        ("one_cycle", 0, 0.04),
        ("one_cycle", 5, 0.52),
        ("one_cycle", 10, 1.0),
        ("one_cycle", 20, 1e-4 + (1 - 1e-4) * HALF),
        ("one_cycle", 39, 1e-4 + (1 - 1e-4) * LAST),
        ("inverse_scaling", 0, 1.0),
        ("inverse_scaling", 1, 1.0),
        ("inverse_scaling", 2, 1 / sqrt(2)),
        ("inverse_scaling", 38, 1 / sqrt(20)),
        ("plateau", 0, 1.0),
        ("plateau", 39, 1.0),  # the loss falls all the way
    ],
)
def test_schedule_has_the_published_values(kind, step, rate):
    assert rates(kind)[step] == pytest.approx(rate, rel=1e-12)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_schedule_multiplies_the_full_rate(kind):
    schedule = Schedule(kind, 0.3, 2, 20)
    assert [schedule.next_rate() for _ in range(40)] == pytest.approx(
        [0.3 * rate for rate in rates(kind, losses=[])]
    )


@pytest.mark.parametrize("kind", ["cosine", "one_cycle"])
def test_smooth_schedule_ends_near_zero(kind):
    assert 0 <= rates(kind, n_epochs=500)[-1] < 2e-4


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize(("n_epochs", "steps"), [(1, 1), (1, 3), (2, 1)])
def test_short_trainings_have_positive_rates(kind, n_epochs, steps):
    got = rates(kind, n_epochs, steps)
    assert len(got) == n_epochs * steps
    assert all(0 < rate <= 1 for rate in got)


def test_one_cycle_rises_once_and_falls_once():
    got = rates("one_cycle")
    peak = got.index(max(got))
    assert got[: peak + 1] == sorted(got[: peak + 1])
    assert got[peak:] == sorted(got[peak:], reverse=True)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([1.0] * 20, [1.0] * 6 + [0.2] * 5 + [0.04] * 5 + [0.008] * 4),
        ([1.0 - 2e-4 * e for e in range(20)], [1.0] * 20),
        # less than the tolerance an epoch, but past it at the twelfth
        ([1.0 - 9e-6 * e for e in range(20)], [1.0] * 6 + [0.2] * 5 + [0.04] * 7 + [0.008] * 2),
        ([1.0] * 5 + [0.5] * 15, [1.0] * 11 + [0.2] * 5 + [0.04] * 4),  # saved at the last moment
        ([float("nan")] * 20, [1.0] * 5 + [0.2] * 5 + [0.04] * 5 + [0.008] * 5),
    ],
    ids=["flat", "falls enough", "falls too little", "falls late", "nan"],
)
def test_plateau_falls_to_a_fifth_after_five_epochs_without_gain(losses, expected):
    assert rates("plateau", steps_per_epoch=1, losses=losses) == pytest.approx(expected)
