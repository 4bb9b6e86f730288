"""Layers that scale, gate or add channels, against NumPy."""

import numpy as np
import pytest
import torch
from torch import nn

from skcnn._network.network import initialize_weights
from skcnn.exceptions import ArchitectureError
from skcnn.layers import (
    ChannelsAsRows,
    Conv,
    LayerScale,
    PadChannels,
    Pool,
    Residual,
    SqueezeExcitation,
)
from skcnn.layers._channels import ChannelScale
from tests.helpers.layer_modules import (
    NORMALIZED_SHAPES,
    TOLERANCE,
    apply,
    build,
    make_net,
    naive_activation,
)


def samples(shape, n=3):
    return np.random.default_rng(1).normal(size=(n, *shape))


def over_axes(values, n_axes):
    return values.reshape(*values.shape, *(1,) * n_axes)


@pytest.mark.parametrize("shape", NORMALIZED_SHAPES)
def test_layer_scale_multiplies_each_channel(shape):
    net = build([LayerScale()], shape)
    weight = next(net.parameters()).detach().numpy()
    assert weight.shape == (4,)
    x = samples(shape)
    expected = x * over_axes(weight, len(shape) - 1)
    np.testing.assert_allclose(apply(net, x), expected, **TOLERANCE)


@pytest.mark.parametrize("initial", [1e-6, 0.5, 1])
def test_layer_scale_starts_at_its_initial_value_and_is_trained(initial):
    net = make_net([Residual([Conv(2), LayerScale(initial)])], (2, 4, 4))
    initialize_weights(net, "he_normal", torch.Generator().manual_seed(0))
    (scale,) = (part for part in net.modules() if isinstance(part, ChannelScale))
    assert torch.equal(scale.weight, torch.full((2,), float(initial)))
    net(torch.rand(5, 2, 4, 4)).square().sum().backward()
    assert scale.weight.grad.abs().min() > 0


@pytest.mark.parametrize("shape", NORMALIZED_SHAPES)
@pytest.mark.parametrize(("channels", "before"), [(4, 0), (5, 0), (8, 2), (11, 3)])
def test_added_channels_are_zeros_on_both_sides(shape, channels, before):
    x = samples(shape)
    out = apply(build([PadChannels(channels)], shape), x)
    assert out.shape == (3, channels, *shape[1:])
    np.testing.assert_array_equal(out[:, before : before + 4], x)
    assert not out[:, :before].any()
    assert not out[:, before + 4 :].any()


def test_shortcut_without_parameters_takes_every_second_pixel():
    shortcut = [Pool(1, stride=2), PadChannels(4)]
    spec = Residual([Conv(4, stride=2, bias=False)], shortcut=shortcut)
    net = build([spec], (2, 5, 6))
    with torch.no_grad():
        next(net.parameters()).zero_()
    x = samples((2, 5, 6))
    out = apply(net, x)
    np.testing.assert_array_equal(out[:, 1:3], x[:, :, ::2, ::2])
    assert not out[:, [0, 3]].any()
    assert spec.n_parameters((2, 5, 6)) == 2 * 4 * 9


@pytest.mark.parametrize("shape", NORMALIZED_SHAPES[1:])
@pytest.mark.parametrize("kind", ["relu", "silu"])
def test_squeeze_and_excitation_multiplies_channels_by_a_gate_of_their_means(shape, kind):
    net = build([SqueezeExcitation(3, inner_activation=kind)], shape)
    first, second = (part for part in net.modules() if isinstance(part, nn.Linear))
    w1, b1, w2, b2 = (
        p.detach().numpy() for part in (first, second) for p in (part.weight, part.bias)
    )
    assert w1.shape == (3, 4)
    x = samples(shape)
    means = x.reshape(len(x), 4, -1).mean(2)
    hidden = naive_activation(means @ w1.T + b1, kind)
    gate = 1 / (1 + np.exp(-(hidden @ w2.T + b2)))
    expected = x * over_axes(gate, len(shape) - 1)
    np.testing.assert_allclose(apply(net, x), expected, **TOLERANCE)


def test_weights_of_squeeze_and_excitation_are_drawn():
    net = make_net([Conv(4), SqueezeExcitation(2)], (1, 4, 4))
    initialize_weights(net, "he_normal", torch.Generator().manual_seed(0))
    gate = net.layers.squeezeexcitation_1.gate
    for part in (gate[1], gate[3]):
        assert part.weight.std() > 0
        assert not part.bias.any()


def test_channels_become_rows_of_one_image():
    net = build([ChannelsAsRows()], (4, 7))
    x = samples((4, 7))
    out = net(torch.from_numpy(x).unsqueeze(2)).numpy()
    np.testing.assert_array_equal(out, x[:, None])


def test_kernels_after_the_rows_have_two_sides():
    """A kernel of one row filters every channel, one of all rows mixes them."""
    net = build([ChannelsAsRows(), Conv(1, (1, 3), padding="valid", bias=False)], (4, 7))
    x = samples((4, 7))
    kernel = net[1].weight.detach().numpy()[0, 0, 0]
    expected = [[np.correlate(row, kernel, "valid") for row in sample] for sample in x]
    out = net(torch.from_numpy(x).unsqueeze(2)).detach().numpy()
    np.testing.assert_allclose(out[:, 0], expected, **TOLERANCE)
    mixed = build([ChannelsAsRows(), Conv(1, (4, 1), padding="valid", bias=False)], (4, 7))
    weights = mixed[1].weight.detach().numpy()[0, 0, :, 0]
    out = mixed(torch.from_numpy(x).unsqueeze(2)).detach().numpy()
    np.testing.assert_allclose(out[:, 0, 0], np.einsum("c,ncl->nl", weights, x), **TOLERANCE)


@pytest.mark.parametrize("shape", [(4,), (1, 5, 5)])
def test_only_signals_have_channels_as_rows(shape):
    with pytest.raises(
        ArchitectureError, match=r"^ChannelsAsRows\(\) needs an input \(n_channels, l"
    ):
        ChannelsAsRows().output_shape(shape)
