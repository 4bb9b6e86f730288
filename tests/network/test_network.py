"""Whole networks: standardisation, initial weights, callables, random stacks of layers."""

from itertools import pairwise
from math import prod, sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from skcnn._network.network import (
    WEIGHT_INITS,
    ConvNet,
    Standardize,
    WrappedNet,
    initialize_weights,
    wrap_callable,
)
from skcnn.exceptions import ArchitectureError
from skcnn.layers import (
    Activation,
    Concatenate,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalPool,
    Normalize,
    Pool,
    Residual,
)
from skcnn.layers._activation import ACTIVATIONS
from skcnn.layers._padding import PADDING_MODES
from skcnn.layers._sequence import trace, with_output
from tests.helpers.layer_modules import (
    TOLERANCE,
    make_net,
    naive_activation,
    naive_conv,
    naive_pool,
    plain_standardize,
    weights_of,
)


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(2, 5), (2, 3, 4), (2, 3, 4, 5)])
def test_standardize_subtracts_the_mean_and_divides_by_the_deviation(shape, dtype):
    mean, std = torch.tensor([10.0, 100.0]), torch.tensor([2.0, 50.0])
    x = torch.randint(0, 256, (3, *shape)).to(dtype)
    out = Standardize(mean, std, n_axes=len(shape) - 1)(x)
    assert out.dtype == torch.float32
    for c in range(2):
        expected = (x[:, c].double() - mean[c]) / std[c]
        np.testing.assert_allclose(out[:, c].numpy(), expected.numpy(), rtol=1e-5, atol=1e-5)


def test_standardize_makes_images_channels_last():
    out = Standardize(torch.zeros(3), torch.ones(3), n_axes=2)(torch.rand(2, 3, 4, 4))
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("shape", [(2, 12), (2, 6, 6), (2, 4, 4, 4)])
def test_conv_net_equals_its_layers_one_after_another(shape):
    net = make_net([Conv(4, activation="relu"), Pool(2), Dense(5, activation="tanh")], shape)
    net = net.double().eval()
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, *shape))
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.from_numpy(rng.normal(scale=0.3, size=tuple(p.shape))))
        out = net(torch.from_numpy(x)).numpy()
    maps = naive_conv(x, *weights_of(net, len(shape) - 1), Conv(4))
    maps = naive_pool(naive_activation(maps, "relu"), Pool(2))
    hidden = np.moveaxis(maps, 1, -1).reshape(3, -1)
    for layer, kind in ((net.layers.dense_1, "tanh"), (net.output_layer, "identity")):
        weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        hidden = naive_activation(hidden @ weight.T + bias, kind)
    np.testing.assert_allclose(out, hidden, **TOLERANCE)


def test_conv_net_standardizes_before_its_layers():
    rows = trace(with_output([], 2), (2, 3, 3))
    plain = ConvNet(rows, plain_standardize((2, 3, 3)))
    for parameter in plain.parameters():  # not drawn yet: any bits
        nn.init.normal_(parameter)
    scaled = ConvNet(rows, Standardize(torch.tensor([1.0, 2.0]), torch.tensor([4.0, 5.0]), 2))
    scaled.layers.load_state_dict(plain.layers.state_dict())
    x = torch.randint(0, 256, (4, 2, 3, 3), dtype=torch.uint8)
    by_hand = (x - torch.tensor([1.0, 2.0])[:, None, None]) / torch.tensor([4.0, 5.0])[
        :, None, None
    ]
    torch.testing.assert_close(scaled(x), plain(by_hand))


STATISTICS = {
    "he_normal": lambda fan_in, fan_out: (2 / fan_in, 3.0),
    "he_uniform": lambda fan_in, fan_out: (2 / fan_in, 1.8),
    "glorot_normal": lambda fan_in, fan_out: (2 / (fan_in + fan_out), 3.0),
    "glorot_uniform": lambda fan_in, fan_out: (2 / (fan_in + fan_out), 1.8),
    "normal": lambda fan_in, fan_out: (0.01**2, 3.0),
    "zeros": lambda fan_in, fan_out: (0.0, 0.0),
}
# layers, input shape, fan in and fan out of the first weights
FANS = [
    ([Conv(200, 5)], (16, 2, 2), 400, 5000),
    ([Conv(200, 5, groups=2)], (32, 2, 2), 400, 5000),
    ([Conv(200, 9)], (16, 4), 144, 1800),
    ([Conv(200, 3)], (8, 1, 1, 1), 216, 5400),
    ([Dense(200)], (300, 1, 1), 300, 200),
]


@pytest.mark.parametrize("how", STATISTICS)
@pytest.mark.parametrize(("layers", "shape", "fan_in", "fan_out"), FANS)
def test_initial_weights_have_the_variance_of_their_name(how, layers, shape, fan_in, fan_out):
    net = make_net(layers, shape)
    initialize_weights(net, how, torch.Generator().manual_seed(0))
    weight = next(p for p in net.parameters() if p.dim() > 1).detach().double().flatten()
    variance, kurtosis = STATISTICS[how](fan_in, fan_out)
    mean_error = 5 * sqrt(variance / len(weight))
    assert abs(weight.mean().item()) <= mean_error
    assert (weight**2).mean().item() == pytest.approx(variance, rel=5 * sqrt(2 / len(weight)))
    fourth = (weight**4).mean().item()
    assert fourth == pytest.approx(kurtosis * variance**2, rel=5 * sqrt(96 / len(weight)))


@pytest.mark.parametrize("how", WEIGHT_INITS)
def test_initial_biases_are_zero_and_normalization_is_the_identity(how):
    net = make_net([Conv(4), Normalize(), Residual([Conv(8)]), Dense(5)], (2, 4, 4))
    initialize_weights(net, how, torch.Generator().manual_seed(0))
    vectors = {name: p for name, p in net.named_parameters() if p.dim() == 1}
    assert len(vectors) == 6
    for name, p in vectors.items():
        assert torch.all(p == (name == "layers.normalize_1.weight")), name


@pytest.mark.parametrize("shape", [(3, 9), (3, 6, 6), (2, 4, 4, 4)])
def test_dirac_weights_pass_channels_on(shape):
    net = make_net([Conv(8, 3)], shape)
    initialize_weights(net, "dirac", torch.Generator().manual_seed(0))
    x = torch.randn(2, *shape)
    maps = x.unsqueeze(2) if net.is_signal else x
    out = net.layers[0](maps)
    torch.testing.assert_close(out[:, : shape[0]], maps)
    others = net.layers[0].weight[shape[0] :].detach()
    assert others.square().mean().item() == pytest.approx(2 / others[0].numel(), rel=0.5)
    assert others.abs().max().item() <= sqrt(6 / others[0].numel())


@pytest.mark.parametrize("how", sorted(set(STATISTICS) - {"zeros", "normal"}))
def test_output_layer_starts_a_tenth_as_large(how):
    fan_in, fan_out = 900, 100
    net = make_net([], (fan_in, 1, 1), n_outputs=fan_out)
    initialize_weights(net, how, torch.Generator().manual_seed(0))
    variance, _ = STATISTICS[how](fan_in, fan_out)
    assert net.output_layer.weight.var().item() == pytest.approx(variance / 100, rel=0.05)


def test_output_layer_of_small_normal_weights_starts_a_tenth_as_large():
    net = make_net([], (900, 1, 1), n_outputs=100)
    initialize_weights(net, "normal", torch.Generator().manual_seed(0))
    assert net.output_layer.weight.std().item() == pytest.approx(0.001, rel=0.05)


@pytest.mark.parametrize("how", sorted(set(WEIGHT_INITS) - {"zeros", "dirac"}))
def test_initial_weights_follow_the_generator_alone(how):
    layers = [Conv(4), Normalize(), Residual([Conv(8)]), Dense(5)]
    drawn = []
    for global_seed, seed in ((0, 1), (1, 1), (0, 2)):
        torch.manual_seed(global_seed)
        net = make_net(layers, (2, 4, 4))
        state = torch.get_rng_state()
        initialize_weights(net, how, torch.Generator().manual_seed(seed))
        assert torch.equal(torch.get_rng_state(), state)
        drawn.append(net.state_dict())
    first, again, other = drawn
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not torch.equal(first["layers.conv_1.weight"], other["layers.conv_1.weight"])


def linear_net(input_shape, n_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(input_shape), n_outputs))


def test_wrap_callable_puts_the_standardization_first():
    shape = (2, 3, 3)
    standardize = Standardize(torch.tensor([1.0, 2.0]), torch.tensor([4.0, 5.0]), n_axes=2)
    net = wrap_callable(linear_net, shape, 4, standardize)
    x = torch.rand(3, *shape)
    assert isinstance(net, WrappedNet)
    torch.testing.assert_close(net(x), net.module(standardize(x)))


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (
            lambda shape, n: [nn.Flatten()],
            r"^The 'architecture' callable must return a torch\.nn\.Module for "
            r"\(input_shape=\(1, 4, 4\), n_outputs=3\)\. Got list\.$",
        ),
        (lambda shape, n: None, r"Got NoneType\.$"),
        (lambda shape, n: nn.Linear, r"Got type\.$"),
        (
            lambda shape, n: linear_net(shape, n + 1),
            r"^The 'architecture' callable's module must turn an input of shape \(2, 1, 4, 4\) "
            r"into \(2, 3\), one output each\. Got \(2, 4\)\.$",
        ),
        (lambda shape, n: nn.Flatten(), r"into \(2, 3\), one output each\. Got \(2, 16\)\.$"),
        (lambda shape, n: nn.Identity(), r"Got \(2, 1, 4, 4\)\.$"),
        (
            lambda shape, n: nn.Sequential(nn.Flatten(), nn.LSTM(16, n)),
            r"into \(2, 3\), one output each\. Got tuple\.$",
        ),
    ],
)
def test_wrap_callable_raises_for_other_results_and_shapes(architecture, message):
    with pytest.raises(ArchitectureError, match=message):
        wrap_callable(architecture, (1, 4, 4), 3, plain_standardize((1, 4, 4)))


sizes = st.integers(1, 4)


def per_axis_or_one(values, n_axes):
    return st.one_of(values, st.tuples(*[values] * n_axes))


def convolutions(n_axes):
    return st.builds(
        Conv,
        sizes,
        per_axis_or_one(sizes, n_axes),
        stride=per_axis_or_one(st.integers(1, 3), n_axes),
        padding=st.one_of(
            st.sampled_from(["same", "valid"]), per_axis_or_one(st.integers(0, 2), n_axes)
        ),
        padding_mode=st.sampled_from([*PADDING_MODES]),
        dilation=per_axis_or_one(st.integers(1, 2), n_axes),
        groups=st.sampled_from([1, 1, 1, 2]),
        bias=st.booleans(),
        activation=st.sampled_from([None, *ACTIVATIONS]),
    )


def spatial_layers(n_axes):
    return st.one_of(
        convolutions(n_axes),
        st.builds(
            Pool,
            per_axis_or_one(st.integers(1, 3), n_axes),
            kind=st.sampled_from(["max", "average"]),
            stride=st.one_of(st.none(), per_axis_or_one(st.integers(1, 3), n_axes)),
            padding=st.one_of(st.sampled_from(["same", "valid"]), st.integers(0, 1)),
        ),
        any_layers,
    )


any_layers = st.one_of(
    st.builds(
        Normalize,
        kind=st.sampled_from(["batch", "group"]),
        groups=st.sampled_from([None, 1, 2]),
    ),
    st.builds(Activation, st.sampled_from([*ACTIVATIONS])),
    st.builds(Dropout, st.sampled_from([0.0, 0.5]), channels=st.booleans()),
)
flattening_layers = st.one_of(
    st.just(Flatten()), st.builds(GlobalPool, kind=st.sampled_from(["max", "average"]))
)
flat_layers = st.one_of(
    any_layers,
    st.builds(Dense, sizes, bias=st.booleans(), activation=st.sampled_from([None, *ACTIVATIONS])),
    st.builds(Residual, st.lists(st.builds(Dense, sizes), max_size=2)),
)


@st.composite
def stacks(draw):
    n_axes = draw(st.integers(1, 3))
    single = spatial_layers(n_axes)
    layer = st.one_of(
        single,
        single,
        st.builds(Residual, st.lists(single, max_size=2)),
        st.builds(Concatenate, st.lists(st.lists(single, max_size=2), min_size=1, max_size=2)),
    )
    layers = draw(st.lists(layer, max_size=4))
    if draw(st.booleans()):
        layers += [draw(flattening_layers), *draw(st.lists(flat_layers, max_size=2))]
    shape = draw(st.tuples(sizes, *[st.integers(1, 6)] * n_axes))
    return layers, shape


@settings(max_examples=100, deadline=None)
@given(stack_and_shape=stacks())
def test_trace_agrees_with_the_module_or_raises(stack_and_shape):
    layers, shape = stack_and_shape
    try:
        rows = trace(with_output(layers, 3), shape)
    except ArchitectureError:
        return
    net = ConvNet(rows, plain_standardize(shape))
    seen = {}

    def remember(name):
        return lambda module, inputs, output: seen.update({name: tuple(output.shape)})

    for name, module in net.layers.named_children():
        module.register_forward_hook(remember(name))
    with torch.no_grad():
        assert net.train()(torch.randn(2, *shape)).shape == (2, 3)
        assert net.eval()(torch.randn(1, *shape)).shape == (1, 3)
    for row in rows:
        has_height = len(shape) == 2 and len(row.output_shape) == 2  # of one
        n_channels, *spatial = row.output_shape
        if not isinstance(row.spec, Activation):  # a max pool may have gone before it
            assert seen[row.name] == (1, n_channels, *([1] if has_height else []), *spatial), row
        module = getattr(net.layers, row.name)
        assert row.spec.n_parameters(row.input_shape) == sum(
            p.numel() for p in module.parameters()
        ), row
    assert all(a.output_shape == b.input_shape for a, b in pairwise(rows))
