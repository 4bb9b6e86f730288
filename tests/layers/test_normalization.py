"""Batch and group normalisation against naive float64 loops and torch."""

from itertools import product
from math import sqrt

import numpy as np
import pytest
import torch
from torch import nn

from skcnn.exceptions import ArchitectureError
from skcnn.layers import Flatten, Normalize
from skcnn.layers._normalization import KINDS, BatchNorm, fix_statistics
from skcnn.layers._sequence import build_sequence, trace
from tests.helpers.layer_gradients import fit_networks_of_users, with_gradients_of_layers
from tests.helpers.layer_modules import NORMALIZED_SHAPES, TOLERANCE, apply, build


@pytest.mark.parametrize("module", [BatchNorm(3), nn.BatchNorm2d(3)], ids=["own", "torch"])
def test_fixed_statistics_are_used_in_training_and_do_not_change(module):
    network = nn.Sequential(module).train()
    x = torch.from_numpy(np.random.default_rng(0).normal(3, 2, (5, 3, 4, 4))).float()
    module.running_mean.copy_(torch.tensor([1.0, 2.0, 3.0]))
    module.running_var.fill_(4.0)
    fix_statistics(network)
    expected = (x - torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)) / sqrt(4 + 1e-5)
    torch.testing.assert_close(network(x), expected)
    torch.testing.assert_close(module.running_mean, torch.tensor([1.0, 2.0, 3.0]))
    torch.testing.assert_close(module.running_var, torch.full((3,), 4.0))


def channel(values, c):
    return values[:, c].ravel()


@pytest.mark.parametrize("kind", KINDS)
def test_every_normalization_is_accepted(kind):
    assert Normalize(kind=kind).output_shape((4, 5)) == (4, 5)


@pytest.mark.parametrize(
    ("shape", "n_groups"),
    [((3, 4, 4), 3), ((7, 8), 7), ((8, 9), 8), ((11, 20), 1), ((12, 7, 7), 6), ((22, 9), 2),
     ((32, 9), 8), ((35, 9), 7), ((128, 9), 8), ((4,), 1), ((16,), 2), ((32,), 4), ((128,), 8),
     ((8, 2), 2), ((4, 1, 1), 1)],
)  # fmt: skip
def test_normalize_takes_the_largest_divisor_up_to_eight(shape, n_groups):
    """Only divisors that leave a group eight values or more count."""
    assert Normalize(kind="group").n_groups(shape) == n_groups
    assert Normalize(kind="group", groups=1).n_groups(shape) == 1


@pytest.mark.parametrize(("shape", "groups"), [((1,), None), ((4, 1, 1), 4), ((8,), 8)])
def test_normalize_raises_for_groups_of_a_single_value(shape, groups):
    with pytest.raises(ArchitectureError, match="has a single value"):
        Normalize(kind="group", groups=groups).output_shape(shape)


@pytest.mark.parametrize("shape", NORMALIZED_SHAPES)
def test_batch_normalization_in_training_uses_the_batch(shape):
    x = np.random.default_rng(1).normal(loc=2, scale=3, size=(5, *shape))
    net = build([Normalize()], shape).train()
    weight, bias = (p.detach().numpy() for p in net.parameters())
    out = apply(net, x)
    for c in range(4):
        values = channel(x, c)
        mean = sum(values) / len(values)
        variance = sum((values - mean) ** 2) / len(values)
        expected = weight[c] * (values - mean) / sqrt(variance + 1e-5) + bias[c]
        np.testing.assert_allclose(channel(out, c), expected, **TOLERANCE)


@pytest.mark.parametrize("shape", NORMALIZED_SHAPES)
def test_batch_normalization_in_evaluation_uses_the_running_statistics(shape):
    rng = np.random.default_rng(1)
    net = build([Normalize()], shape).train()
    mean, variance = np.zeros(4), np.ones(4)
    for _ in range(3):
        x = rng.normal(loc=2, scale=3, size=(5, *shape))
        apply(net, x)
        for c in range(4):
            mean[c] += 0.1 * (channel(x, c).mean() - mean[c])
            variance[c] += 0.1 * (channel(x, c).var(ddof=1) - variance[c])
    weight, bias = (p.detach().numpy() for p in net.parameters())
    x = rng.normal(size=(1, *shape))
    out = apply(net.eval(), x)
    for c in range(4):
        expected = weight[c] * (channel(x, c) - mean[c]) / sqrt(variance[c] + 1e-5) + bias[c]
        np.testing.assert_allclose(channel(out, c), expected, **TOLERANCE)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("groups", [1, 2, None])
@pytest.mark.parametrize("shape", [(8, 9), (8, 3, 4), (8, 2, 3, 2)])
def test_group_normalization_equals_the_naive_loop(shape, groups, training):
    x = np.random.default_rng(1).normal(loc=2, scale=3, size=(3, *shape))
    net = build([Normalize(kind="group", groups=groups)], shape).train(training)
    weight, bias = (p.detach().numpy() for p in net.parameters())
    size = 8 // (groups or 8)
    expected = np.empty_like(x)
    for n, first in product(range(3), range(0, 8, size)):
        group = x[n, first : first + size]
        variance = ((group - group.mean()) ** 2).mean()
        for c in range(first, first + size):
            scaled = (x[n, c] - group.mean()) / sqrt(variance + 1e-5)
            expected[n, c] = weight[c] * scaled + bias[c]
    np.testing.assert_allclose(apply(net, x), expected, **TOLERANCE)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", NORMALIZED_SHAPES)
def test_layer_normalization_is_over_the_channels_of_each_position(shape, training):
    x = np.random.default_rng(1).normal(loc=2, scale=3, size=(3, *shape))
    net = build([Normalize(kind="layer", epsilon=1e-6)], shape).train(training)
    weight, bias = (p.detach().numpy() for p in net.parameters())
    expected = np.empty_like(x)
    for n, *place in product(range(3), *map(range, shape[1:])):
        position = (n, slice(None), *place)
        values = x[position]
        variance = ((values - values.mean()) ** 2).mean()
        expected[position] = weight * (values - values.mean()) / sqrt(variance + 1e-6) + bias
    np.testing.assert_allclose(apply(net, x), expected, **TOLERANCE)


@pytest.mark.parametrize("kind", ["batch", "group", "layer"])
def test_epsilon_is_added_to_the_variance(kind):
    x = np.array([1.0, -1.0] * 8).reshape(2, 8)  # mean 0 and variance 1 in each sample
    net = build([Normalize(kind=kind, groups=1 if kind == "group" else None, epsilon=3)], (8,))
    with torch.no_grad():
        net[0].weight.fill_(1)
        net[0].bias.zero_()
    # batch: the running statistics are mean 0 and variance 1
    np.testing.assert_allclose(apply(net.eval(), x), x / 2, **TOLERANCE)


@pytest.mark.parametrize("n_units", [4, 8, 16])
def test_group_normalization_of_few_flat_features_keeps_their_information(n_units):
    """A group of one value would become zero, a group of two values only keeps its order."""
    x = np.random.default_rng(1).normal(size=(5, n_units))
    out = apply(build([Normalize(kind="group")], (n_units,)), x)
    assert len(np.unique(out[:, 0].round(2))) > 2


@pytest.mark.parametrize("shape", [(2,), (4,), (4, 1), (4, 1, 1)])
def test_group_normalization_accepts_a_single_value(shape):
    net = build([Normalize(kind="group")], shape)
    assert np.isfinite(apply(net, np.ones((1, *shape)))).all()


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 1, 1), (4, 1, 1, 1)])
def test_batch_normalization_of_a_single_value_uses_the_running_statistics(shape):
    net = build([Normalize()], shape)
    apply(net.train(), np.random.default_rng(1).normal(size=(6, *shape)))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    x = np.random.default_rng(2).normal(size=(1, *shape))
    in_training = apply(net.train(), x)
    np.testing.assert_array_equal(in_training, apply(net.eval(), x))
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("momentum", [0.1, 0.4, 1.0])
def test_batch_normalization_equals_torchs(momentum):
    row = trace([Normalize(momentum=momentum), Flatten()], (3, 5, 5))[:-1]
    ours = build_sequence(row, is_signal=False)[0].double()
    theirs = nn.BatchNorm2d(3, momentum=momentum).double()
    for _ in range(3):
        x = torch.randn(4, 3, 5, 5, dtype=torch.float64)
        assert torch.equal(ours(x), theirs(x))
    assert torch.equal(ours.eval()(x), theirs.eval()(x))


@pytest.mark.parametrize("function", [with_gradients_of_layers, fit_networks_of_users])
def test_no_layer_ends_the_process_where_its_input_needs_no_gradient(children, function):
    """torch's gradient of a group normalisation of channels-last maps did."""
    child, cases = children(function), [None]
    try:
        while cases[-1] != "finished":
            cases.append(child.hear())
    except AssertionError as error:
        raise AssertionError(f"{error} after {cases[-1]}") from error


@pytest.mark.parametrize("shape", [(4, 5, 3), (4, 1, 1), (1, 5, 3), (4, 2, 3, 3)])
def test_group_normalization_without_a_gradient_of_its_input_has_the_same_gradients(shape):
    rows = trace([Normalize(kind="group", groups=1)], shape)
    norm = build_sequence(rows, is_signal=False).double()
    x = torch.rand(5, *shape, dtype=torch.float64)
    x = x.to(memory_format=torch.channels_last if x.dim() == 4 else torch.channels_last_3d)
    gradients = []
    for needed in (True, False):
        norm.zero_grad()
        (norm(x.clone().requires_grad_(needed)) ** 3).sum().backward()
        gradients.append([p.grad.clone() for p in norm.parameters()])
    torch.testing.assert_close(*gradients)
