"""Several networks computed as one: outputs, gradients and statistics are those of each alone."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import skcnn.layers
from skcnn._network.joint_network import JointNetwork, joint_structure
from skcnn._network.network import ConvNet, Standardize, initialize_weights, wrap_callable
from skcnn.layers import (
    Activation,
    AdaptivePool,
    ChannelsAsRows,
    Concatenate,
    Conv,
    Dense,
    Deviations,
    Dropout,
    Flatten,
    GlobalPool,
    LayerScale,
    Normalize,
    PadChannels,
    Pool,
    Rescale,
    Residual,
    Resize,
    SqueezeExcitation,
    StochasticDepth,
    ToRGB,
    TrendFilters,
    Whiten,
)
from skcnn.layers._activation import ACTIVATIONS
from skcnn.layers._dropout import ByteDropout
from skcnn.layers._padding import PADDING_MODES
from skcnn.layers._sequence import trace, with_output

K, N, N_OUTPUTS = 3, 5, 4
BRANCHES = Concatenate(([Conv(2, 1)], [Conv(3), Normalize()], [Pool(3, stride=1, padding="same")]))
BRANCHED = (Conv(4), BRANCHES, Dropout(0.5), Conv(3))
IMAGES = {
    "conv": (Conv(4, 3), Flatten()),
    "strided": (Conv(4, (3, 2), stride=2, dilation=2, bias=False), Flatten()),
    "groups": (Conv(4), Conv(6, groups=2), Flatten()),
    "depthwise": (Conv(4, groups=2), Conv(4, groups=4), Conv(8, 5, groups=4), Flatten()),
    "whiten": (Whiten(), Flatten()),
    "deviations": (Deviations(), Conv(4), Deviations(), Flatten()),
    "max pool": (Conv(4, activation="relu"), Pool(2), Flatten()),
    "padded pools": (Conv(4), Pool(3, padding="same"), Pool(3, kind="average", padding=1), Flatten()),
    "average pool": (Conv(4), Pool(2, kind="average"), Flatten()),
    "batch norm": (Conv(4), Normalize(), Activation("relu"), Flatten(), Dense(6), Normalize()),
    "group norm": (Conv(4), Normalize(kind="group"), Flatten(), Dense(6), Normalize(kind="group")),
    "layer norm": (Conv(4), Normalize(kind="layer"), Flatten(), Dense(6), Normalize(kind="layer")),
    "adaptive pools": (Conv(4), AdaptivePool(3), AdaptivePool(2, kind="max"), Flatten()),
    "small adaptive pool": (Conv(4), AdaptivePool(9), Flatten()),
    "scale": (Conv(4), LayerScale(0.5), Flatten(), LayerScale(2.0)),
    "pad channels": (Conv(4), PadChannels(7), Conv(3), Flatten(), PadChannels(200)),
    "squeeze": (Conv(4), SqueezeExcitation(3, inner_activation="silu"), GlobalPool()),
    "stochastic depth": (Conv(4), Residual([Conv(4), StochasticDepth(0.5)]), Flatten(), StochasticDepth(0.3)),
    "dense": (Flatten(), Dense(7, bias=False), Activation("tanh"), Dense(3)),
    "dropout": (Conv(4), Dropout(0.4), Pool(2), Flatten(), Dropout(0.3)),
    "channel dropout": (Conv(8), Dropout(0.4, channels=True), Flatten()),
    "dropout first": (Dropout(0.4), Conv(4), Flatten()),
    "global average": (Conv(4), GlobalPool()),
    "global max": (Conv(4), GlobalPool(kind="max"), Dropout(0.3), Dense(5)),
    "residual": (Residual([Conv(4), Normalize(), Activation("relu"), Conv(4)]), Flatten()),
    "same residual": (Conv(4), Residual([Conv(4), Dropout(0.5)]), GlobalPool()),
    "branches": (*BRANCHED, Flatten()),
    "pooled branches": (*BRANCHED, GlobalPool()),
    "dense residual": (Flatten(), Dense(6), Residual([Dense(6), Activation("relu")]), Dense(4)),
    "resized": (Resize((9, 5)), Conv(4), Flatten()),
    "rescaled": (Rescale((0.2, 0.4), (0.5, 2.0)), Conv(4), Flatten(), Rescale(1.0, 3.0)),
    "of four colours": (PadChannels(4), ToRGB(), Conv(2), Flatten()),
    **{mode: (Conv(4, padding_mode=mode), Conv(3, 2, padding_mode=mode), Flatten())
       for mode in PADDING_MODES},
    **{kind: (Conv(4, activation=kind), Flatten(), Dense(5, activation=kind))
       for kind in ACTIVATIONS},
}  # fmt: skip
ONLY_SIGNALS = {
    "trends": [TrendFilters((2, 4)), GlobalPool()],
    "rows of channels": [
        ChannelsAsRows(), Conv(3, (1, 3)), Conv(4, (2, 1), padding="valid"), Flatten()
    ],
}  # fmt: skip
SIGNALS = (
    "layer norm",
    "scale",
    "squeeze",
    "stochastic depth",
    "conv",
    "depthwise",
    "max pool",
    "batch norm",
    "dropout",
    "channel dropout",
    "branches",
    "residual",
)
VOLUMES = (
    "layer norm",
    "adaptive pools",
    "scale",
    "squeeze",
    "stochastic depth",
    "conv",
    "depthwise",
    "max pool",
    "batch norm",
    "dropout",
    "group norm",
    "global average",
    "branches",
)
OF_THE_INPUT = (ToRGB(), Resize(5), Rescale(0.5, 0.25), Conv(4), Flatten())
CASES = [
    *(pytest.param(specs, (2, 6, 8), id=name) for name, specs in IMAGES.items()),
    *(pytest.param(IMAGES[name], (1, 6, 8), id=f"grey {name}") for name in ("conv", "dropout")),
    pytest.param(OF_THE_INPUT, (1, 6, 8), id="grey as colours"),
    pytest.param((ToRGB(), Rescale(0.5, 0.5), Flatten()), (4, 12), id="rescaled signal"),
    *(pytest.param(IMAGES[name], (2, 12), id=f"signal {name}") for name in SIGNALS),
    *(pytest.param(specs, (2, 12), id=f"signal {name}") for name, specs in ONLY_SIGNALS.items()),
    *(pytest.param(IMAGES[name], (2, 4, 5, 6), id=f"volume {name}") for name in VOLUMES),
]


def make_networks(specs, shape, k=K, dtype=torch.float64):
    """Return networks of one structure whose weights, scales and masks differ."""
    networks = []
    for seed in range(k):
        generator = torch.Generator().manual_seed(seed)
        rng = np.random.default_rng(seed)
        mean, std = torch.from_numpy(rng.random((2, shape[0]))).float()
        scale = Standardize(mean, std + 0.5, max(2, len(shape) - 1))
        network = ConvNet(trace(with_output(specs, N_OUTPUTS), shape), scale)
        initialize_weights(network, "he_normal", generator)
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.dim() == 1:  # biases and scales
                    parameter.add_(torch.randn(parameter.shape, generator=generator))
        for part in network.modules():
            if isinstance(part, ByteDropout):
                part.generator = generator
        networks.append(network.to(dtype).train())
    return networks


def copies_of(networks):
    """Return copies that draw the same masks."""
    copies = copy.deepcopy(networks)
    for seed, copied in enumerate(copies):
        generator = torch.Generator()
        for part, own in zip(copied.modules(), networks[seed].modules(), strict=True):
            if isinstance(part, ByteDropout):
                generator.set_state(own.generator.get_state())
                part.generator = generator
    return copies


def batches(shape, k=K, dtype=torch.float64, n=N):
    rng = np.random.default_rng(7)
    return [torch.from_numpy(rng.random((n, *shape))).to(dtype) for _ in range(k)]


def backward(outputs):
    """Differentiate a sum of losses, a different one of each network."""
    sum((i + 1) * (own - 0.3).square().mean() for i, own in enumerate(outputs)).backward()


@pytest.mark.parametrize(("specs", "shape"), CASES)
def test_joint_pass_is_that_of_each_network(specs, shape):
    alone = make_networks(specs, shape)
    joined = copies_of(alone)
    joint = JointNetwork(joined)
    for _ in range(2):  # the second with other statistics and masks
        inputs = batches(shape)
        expected = [network(x) for network, x in zip(alone, inputs, strict=True)]
        outputs = joint(inputs)
        torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-10)
        backward(expected)
        backward(outputs)
        joint.keep_statistics()
    for ours, theirs in zip(joined, alone, strict=True):
        torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=1e-10)
        for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(own.grad, other.grad, rtol=0, atol=1e-10)


def test_every_layer_has_a_case():
    def kinds(specs):
        for spec in specs:
            yield type(spec)
            yield from kinds(spec.inner_layers())

    cases = [*IMAGES.values(), *ONLY_SIGNALS.values(), OF_THE_INPUT]
    tested = {kind.__name__ for specs in cases for kind in kinds(specs)}
    assert tested == set(skcnn.layers.__all__) - {"LayerSpec"}


@pytest.mark.parametrize("n", [1, 2])
def test_small_batches(n):
    specs = (Conv(4, stride=2), Normalize(), GlobalPool(), Dense(3), Normalize())
    alone = make_networks(specs, (2, 2, 2))
    joined = copies_of(alone)
    joint, inputs = JointNetwork(joined), batches((2, 2, 2), n=n)
    expected = [network(x) for network, x in zip(alone, inputs, strict=True)]
    torch.testing.assert_close(joint(inputs), expected, rtol=0, atol=1e-9)
    joint.keep_statistics()
    for ours, theirs in zip(joined, alone, strict=True):
        torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


def test_bytes_are_converted_as_in_one_network():
    networks = make_networks(IMAGES["conv"], (2, 6, 8), dtype=torch.float32)
    inputs = [(x * 255).to(torch.uint8) for x in batches((2, 6, 8))]
    expected = [network(x) for network, x in zip(networks, inputs, strict=True)]
    torch.testing.assert_close(JointNetwork(networks)(inputs), expected, rtol=1e-4, atol=1e-4)


def test_bfloat16_is_near():
    networks = make_networks(IMAGES["batch norm"], (2, 6, 8), dtype=torch.float32)
    inputs = batches((2, 6, 8), dtype=torch.float32)
    expected = [network(x) for network, x in zip(networks, inputs, strict=True)]
    with torch.autocast("cpu", torch.bfloat16):
        outputs = JointNetwork(networks)(inputs)
    assert outputs[0].dtype == torch.bfloat16
    for own, other in zip(outputs, expected, strict=True):
        torch.testing.assert_close(own.float(), other, rtol=0.1, atol=0.1)


def test_statistics_are_kept_on_demand():
    networks = make_networks(IMAGES["batch norm"], (2, 6, 8))
    before = copy.deepcopy(networks[0].state_dict())
    joint = JointNetwork(networks)
    joint(batches((2, 6, 8)))
    torch.testing.assert_close(networks[0].state_dict(), before, rtol=0, atol=0)
    joint.keep_statistics()
    assert not torch.equal(
        networks[0].layers[1].running_mean, before["layers.normalize_1.running_mean"]
    )


def test_nan_stays_in_its_network():
    networks = make_networks((*IMAGES["batch norm"], Dropout(0.2)), (2, 6, 8))
    inputs = batches((2, 6, 8))
    sound = copies_of(networks)
    backward(JointNetwork(sound)(inputs))
    with torch.no_grad():
        networks[1].layers[0].weight.fill_(np.nan)
    outputs = JointNetwork(networks)(inputs)
    backward(outputs)
    assert torch.isnan(outputs[1]).all()
    for i in (0, 2):
        grads = [[p.grad for p in network[i].parameters()] for network in (networks, sound)]
        torch.testing.assert_close(*grads, rtol=0, atol=1e-12)


def structure(specs=IMAGES["dropout"], shape=(2, 6, 8), change=lambda network: None):
    network = make_networks(specs, shape, k=1)[0]
    change(network)
    return joint_structure(network)


def test_equal_networks_have_one_structure():
    first, second = map(joint_structure, make_networks(IMAGES["batch norm"], (2, 6, 8), k=2))
    assert first == second
    assert hash(first) == hash(second)


@pytest.mark.parametrize(
    "other",
    [
        {"specs": IMAGES["conv"]},
        {"shape": (1, 6, 8)},
        {"change": lambda network: network.float()},
        {"change": lambda network: network.layers[0].eval()},
        {"specs": (Conv(4), Dropout(0.5), Pool(2), Flatten(), Dropout(0.3))},
    ],
    ids=["layers", "channels", "dtype", "mode", "rate"],
)
def test_other_networks_have_another_structure(other):
    assert structure() is not None
    assert structure(**other) not in (structure(), None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Normalize(), Normalize(momentum=0.4)),
        (GlobalPool(), GlobalPool(kind="max")),
        (Pool(2), Pool(2, kind="average")),
        (Pool(2), Pool(2, stride=1, padding=(1, 1))),
        (Dropout(0.3), Dropout(0.4)),
        (Dropout(0.3), Dropout(0.3, channels=True)),
        (Activation("relu"), Activation("gelu")),
        (Conv(4), Conv(4, padding_mode="mirror")),
        (Conv(4), Conv(4, stride=2)),
        (Conv(4), Conv(4, dilation=2)),
        (Normalize(kind="group", groups=2), Normalize(kind="group", groups=1)),
    ],
    ids=str,
)
def test_settings_that_change_no_weight_change_the_structure(one, other):
    first, second = (structure(specs=(Conv(4), layer)) for layer in (one, other))
    assert None not in (first, second)
    assert first != second


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def with_other_layer(network):
    network.layers[-1] = Doubled(3, N_OUTPUTS)


@pytest.mark.parametrize(
    "change",
    [
        with_other_layer,
        lambda network: network.layers[0].register_forward_hook(lambda *args: None),
        lambda network: network.register_forward_pre_hook(lambda *args: None),
        lambda network: network.layers[0].register_full_backward_hook(lambda *args: None),
        lambda network: nn.utils.parametrizations.spectral_norm(network.layers[0]),
    ],
    ids=["layer", "hook", "pre-hook", "backward hook", "parametrization"],
)
def test_networks_with_other_modules_or_hooks_are_not_joined(change):
    assert structure(change=change) is None


def test_wrapped_modules_are_not_joined():
    scale = Standardize(torch.zeros(1), torch.ones(1), 2)
    made = wrap_callable(
        lambda shape, n: nn.Sequential(nn.Flatten(), nn.Linear(4, n)), (1, 2, 2), 3, scale
    )
    assert joint_structure(made) is None
