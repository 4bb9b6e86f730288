"""Modules against naive float64 loops, dropout's statistics, initial weights, random stacks."""

from itertools import pairwise, product
from math import erf, exp, expm1, prod, sqrt, tanh

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from skcnn._network.modules import ByteDropout, Standardize
from skcnn._network.network import (
    MONOTONE,
    WEIGHT_INITS,
    ConvNet,
    WrappedNet,
    _sequence,
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
from skcnn.layers._base import ACTIVATIONS, PADDING_MODES
from skcnn.layers._blocks import trace, with_output

TOLERANCE = {"rtol": 0, "atol": 1e-10}
NUMPY_PAD_MODES = {"zeros": "constant", "mirror": "reflect", "edge": "edge", "wrap": "wrap"}
SCALAR_ACTIVATIONS = {
    "relu": lambda v: max(v, 0.0),
    "leaky_relu": lambda v: v if v > 0 else 0.01 * v,
    "elu": lambda v: v if v > 0 else expm1(v),
    "gelu": lambda v: v * (1 + erf(v / sqrt(2))) / 2,
    "silu": lambda v: v / (1 + exp(-v)),
    "tanh": tanh,
    "sigmoid": lambda v: 1 / (1 + exp(-v)),
    "identity": lambda v: v,
}


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def build(specs, shape, seed=0):
    """Return a float64 module of `specs` with normal weights."""
    rows = trace([*specs, Flatten()], shape)[:-1]
    net = _sequence(rows, lift=len(shape) == 2).double()
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.from_numpy(rng.normal(size=tuple(p.shape))))
    return net


def apply(net, x):
    """Apply a module to an array; signals go in and come out as images of height one."""
    is_signal = x.ndim == 3
    tensor = torch.from_numpy(x)
    with torch.no_grad():
        out = net(tensor.unsqueeze(2) if is_signal else tensor).numpy()
    return out[:, :, 0] if is_signal and out.ndim == 4 else out


def weights_of(net, n_axes):
    """Return weight and bias of the only convolution, without the lifted axis."""
    (conv,) = (m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Conv3d))
    weight = conv.weight.detach().numpy()
    bias = np.zeros(len(weight)) if conv.bias is None else conv.bias.detach().numpy()
    return weight.reshape(*weight.shape[:2], *weight.shape[-n_axes:]), bias


def each_axis(value, n_axes):
    return (value,) * n_axes if isinstance(value, int) else tuple(value)


def pads_of(padding, kernel, dilation):
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return [(t // 2, t - t // 2) for t in totals]
    return [(p, p) for p in each_axis(padding, len(kernel))]


def windows(padded, kernel, stride, dilation):
    """Yield (position, window) over the spatial axes of (n_channels, *spatial)."""
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    counts = [
        (n - span) // s + 1 for n, span, s in zip(padded.shape[1:], spans, stride, strict=True)
    ]
    for position in product(*map(range, counts)):
        cut = [
            slice(i * s, i * s + span, d)
            for i, s, span, d in zip(position, stride, spans, dilation, strict=True)
        ]
        yield position, padded[(slice(None), *cut)]


def stack(values):
    """Return {position: vector} as an array (n_channels, *spatial)."""
    shape = tuple(np.max(list(values), axis=0) + 1)
    out = np.empty((len(next(iter(values.values()))), *shape))
    for position, vector in values.items():
        out[(slice(None), *position)] = vector
    return out


def naive_conv(x, weight, bias, spec):
    kernel = weight.shape[2:]
    n_axes = len(kernel)
    dilation = each_axis(spec.dilation, n_axes)
    pads = [(0, 0), *pads_of(spec.padding, kernel, dilation)]
    n_in, n_out = weight.shape[1], len(weight) // spec.groups
    outputs = []
    for sample in x:
        padded = np.pad(sample, pads, mode=NUMPY_PAD_MODES[spec.padding_mode])
        values = {}
        for position, window in windows(padded, kernel, each_axis(spec.stride, n_axes), dilation):
            values[position] = [
                bias[f] + np.sum(weight[f] * window[(g := f // n_out) * n_in : (g + 1) * n_in])
                for f in range(len(weight))
            ]
        outputs.append(stack(values))
    return np.array(outputs)


def naive_pool(x, spec):
    n_axes = x.ndim - 2
    size = each_axis(spec.size, n_axes)
    stride = size if spec.stride is None else each_axis(spec.stride, n_axes)
    ones = (1,) * n_axes
    reduce = np.nanmax if spec.kind == "max" else np.nanmean  # padding is NaN: never counts
    outputs = []
    for sample in x:
        pads = [(0, 0), *pads_of(spec.padding, size, ones)]
        padded = np.pad(sample, pads, constant_values=np.nan)
        values = {
            position: [reduce(channel) for channel in window]
            for position, window in windows(padded, size, stride, ones)
        }
        outputs.append(stack(values))
    return np.array(outputs)


def naive_activation(x, kind):
    return np.vectorize(SCALAR_ACTIVATIONS[kind], otypes=[float])(x)


CONVOLUTIONS = [
    # signals
    (Conv(3), (2, 7)),
    (Conv(3, 4), (2, 7)),
    (Conv(3, 5, padding="valid", stride=2), (2, 10)),
    (Conv(3, 3, padding=2, dilation=2), (2, 6)),
    (Conv(4, 3, groups=2, bias=False), (4, 6)),
    (Conv(2, (2,), stride=(3,), padding=(1,)), (1, 8)),
    (Conv(2), (1, 1)),
    # images
    (Conv(3), (2, 5, 6)),
    (Conv(3, 2), (2, 4, 5)),
    (Conv(3, 4, stride=2), (2, 6, 7)),
    (Conv(3, 3, padding="valid"), (1, 5, 4)),
    (Conv(2, (1, 3), padding="valid"), (2, 3, 5)),
    (Conv(2, (3, 2), stride=(2, 1), dilation=(1, 2)), (2, 5, 6)),
    (Conv(2, 3, padding=2), (2, 3, 4)),
    (Conv(2, 3, padding=(0, 2)), (2, 4, 3)),
    (Conv(2, 3, padding="valid", dilation=2, stride=2), (1, 7, 8)),
    (Conv(4, 3, groups=2), (4, 4, 4)),
    (Conv(6, 3, groups=3, bias=False), (3, 4, 4)),
    (Conv(4, 1, stride=2), (3, 5, 5)),
    (Conv(3, 3), (2, 1, 1)),
    # volumes
    (Conv(2), (2, 3, 4, 3)),
    (Conv(2, 2), (1, 3, 3, 4)),
    (Conv(2, (1, 2, 3), stride=(1, 2, 1), padding="valid"), (2, 3, 4, 4)),
    (Conv(2, 3, padding=1, dilation=(1, 1, 2)), (1, 3, 3, 5)),
    (Conv(4, 2, groups=2, padding=(0, 1, 0)), (2, 3, 3, 3)),
]

PADDED_CONVOLUTIONS = [
    ({"kernel_size": 3}, (2, 6)),
    ({"kernel_size": 4, "stride": 2}, (2, 6)),
    ({"kernel_size": 3, "padding": 3}, (1, 4)),
    ({"kernel_size": 3}, (2, 4, 5)),
    ({"kernel_size": (2, 4)}, (2, 4, 5)),
    ({"kernel_size": 3, "dilation": 2, "stride": 2}, (1, 5, 5)),
    ({"kernel_size": 3, "padding": (2, 1)}, (1, 3, 4)),
    ({"kernel_size": 3, "padding": "valid"}, (1, 3, 4)),
    ({"kernel_size": 3}, (1, 3, 3, 4)),
    ({"kernel_size": (2, 1, 3)}, (2, 3, 3, 3)),
]

POOLS = [
    ({"size": 2}, (3, 7)),
    ({"size": 3, "stride": 2, "padding": 1}, (3, 8)),
    ({"size": 2, "padding": "same"}, (2, 5)),
    ({"size": 2}, (3, 4, 7)),
    ({"size": (1, 3)}, (2, 3, 7)),
    ({"size": 3, "stride": 1}, (2, 5, 4)),
    ({"size": 3, "stride": 2, "padding": 1}, (2, 5, 6)),
    ({"size": 3, "stride": 1, "padding": "same"}, (2, 4, 4)),
    ({"size": 2, "padding": "same"}, (2, 5, 4)),
    ({"size": (3, 2), "stride": (1, 2), "padding": (2, 0)}, (2, 3, 4)),
    ({"size": 3, "padding": "same"}, (2, 1, 1)),
    ({"size": 2}, (2, 4, 5, 2)),
    ({"size": 3, "stride": 2, "padding": 1}, (1, 3, 4, 5)),
    ({"size": (1, 2, 2), "padding": "same"}, (1, 2, 3, 3)),
]

NORMALIZED_SHAPES = [(4,), (4, 5), (4, 3, 4), (4, 2, 3, 2)]


@pytest.mark.parametrize(("spec", "shape"), CONVOLUTIONS)
def test_convolution_equals_the_naive_loop(spec, shape):
    x = np.random.default_rng(1).normal(size=(2, *shape))
    net = build([spec], shape)
    expected = naive_conv(x, *weights_of(net, len(shape) - 1), spec)
    assert expected.shape[1:] == spec.output_shape(shape)
    np.testing.assert_allclose(apply(net, x), expected, **TOLERANCE)


@pytest.mark.parametrize("mode", PADDING_MODES)
@pytest.mark.parametrize(("arguments", "shape"), PADDED_CONVOLUTIONS)
def test_padding_mode_equals_the_naive_loop(arguments, shape, mode):
    spec = Conv(2, padding_mode=mode, **arguments)
    x = np.random.default_rng(1).normal(size=(2, *shape))
    net = build([spec], shape)
    expected = naive_conv(x, *weights_of(net, len(shape) - 1), spec)
    assert expected.shape[1:] == spec.output_shape(shape)
    np.testing.assert_allclose(apply(net, x), expected, **TOLERANCE)


@pytest.mark.parametrize(
    ("mode", "kernel_size", "shape"),
    [
        ("zeros", 5, (1, 1, 4)),
        ("zeros", 7, (1, 1)),
        ("edge", 3, (1, 1)),
        ("edge", 5, (1, 1, 4)),
        ("edge", 7, (1, 2, 2, 2)),
        ("wrap", 3, (1, 1)),
        ("wrap", 5, (1, 2, 4)),
        ("wrap", 3, (1, 1, 1, 1)),
        ("mirror", 3, (1, 2)),
        ("mirror", 5, (1, 3, 4)),
        ("mirror", 3, (1, 2, 2, 2)),
    ],
)
def test_padding_as_wide_as_the_mode_allows_equals_the_naive_loop(mode, kernel_size, shape):
    spec = Conv(2, kernel_size, padding_mode=mode)
    x = np.random.default_rng(1).normal(size=(2, *shape))
    net = build([spec], shape)
    expected = naive_conv(x, *weights_of(net, len(shape) - 1), spec)
    np.testing.assert_allclose(apply(net, x), expected, **TOLERANCE)


@pytest.mark.parametrize(
    ("mode", "kernel_size", "shape"),
    [
        ("mirror", 3, (1, 1)),
        ("mirror", 5, (1, 2, 4)),
        ("mirror", 7, (1, 3, 3, 3)),
        ("wrap", 5, (1, 1)),
        ("wrap", 5, (1, 1, 4)),
        ("wrap", 4, (1, 1, 4, 4)),
    ],
)
def test_padding_wider_than_the_mode_allows_is_an_architecture_error(mode, kernel_size, shape):
    with pytest.raises(ArchitectureError, match=f"padding_mode='{mode}'"):
        Conv(2, kernel_size, padding_mode=mode).output_shape(shape)


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize(("arguments", "shape"), POOLS)
def test_pool_equals_the_naive_loop(arguments, shape, kind):
    spec = Pool(kind=kind, **arguments)
    x = np.random.default_rng(1).normal(size=(2, *shape)) - 3  # padded zeros would be seen
    expected = naive_pool(x, spec)
    assert expected.shape[1:] == spec.output_shape(shape)
    np.testing.assert_allclose(apply(build([spec], shape), x), expected, **TOLERANCE)


@pytest.mark.parametrize(("kind", "reduce"), [("average", np.mean), ("max", np.max)])
@pytest.mark.parametrize("shape", NORMALIZED_SHAPES[1:])
def test_global_pool_equals_the_reduction(shape, kind, reduce):
    x = np.random.default_rng(1).normal(size=(2, *shape))
    expected = reduce(x.reshape(2, shape[0], -1), axis=2)
    np.testing.assert_allclose(apply(build([GlobalPool(kind=kind)], shape), x), expected)


def test_valid_convolution_finds_vertical_edges_in_the_worked_example():
    image = np.array(
        [
            [3, 0, 1, 2, 7, 4],
            [1, 5, 8, 9, 3, 1],
            [2, 7, 2, 5, 1, 3],
            [0, 1, 3, 1, 7, 8],
            [4, 2, 1, 6, 2, 8],
            [2, 4, 5, 2, 3, 9],
        ]
    )
    assert convolve(image, [[1, 0, -1]] * 3, padding="valid") == [
        [-5, -4, 0, 8],
        [-10, -2, 2, 3],
        [0, -2, -4, -7],
        [-3, -2, -3, -16],
    ]


def test_strided_convolution_gives_the_worked_example():
    image = np.array(
        [
            [2, 3, 7, 4, 6, 2, 9],
            [6, 6, 9, 8, 7, 4, 3],
            [3, 4, 8, 3, 8, 9, 7],
            [7, 8, 3, 6, 6, 3, 4],
            [4, 2, 1, 8, 3, 4, 6],
            [3, 2, 4, 1, 9, 8, 3],
            [0, 1, 3, 9, 2, 1, 4],
        ]
    )
    kernel = [[3, 4, 4], [1, 0, 2], [-1, 0, 3]]
    assert convolve(image, kernel, stride=2, padding="valid") == [
        [91, 100, 88],
        [69, 91, 117],
        [44, 72, 74],
    ]


def convolve(image, kernel, **how):
    """Return a one-filter convolution of one image as nested lists."""
    net = build([Conv(1, 3, bias=False, **how)], (1, *image.shape))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor(kernel))
    return apply(net, image[None, None].astype(float))[0, 0].tolist()


@pytest.mark.parametrize(
    ("kind", "image", "expected"),
    [
        ("max", [[1, 3, 2, 1], [2, 9, 1, 1], [1, 3, 2, 3], [5, 6, 1, 2]], [[9, 2], [6, 3]]),
        (
            "average",
            [[1, 3, 2, 1], [2, 9, 1, 1], [1, 4, 2, 3], [5, 6, 1, 2]],
            [[3.75, 1.25], [4, 2]],
        ),
    ],
)
def test_pool_gives_the_worked_example(kind, image, expected):
    x = np.array(image, dtype=float)[None, None]
    assert apply(build([Pool(2, kind=kind)], (1, 4, 4)), x)[0, 0].tolist() == expected


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize("shape", NORMALIZED_SHAPES)
def test_activation_equals_the_scalar_formula(kind, shape):
    x = np.random.default_rng(1).normal(scale=3, size=(2, *shape))
    expected = naive_activation(x, kind)
    np.testing.assert_allclose(apply(build([Activation(kind)], shape), x), expected, **TOLERANCE)


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize(
    ("layer", "shape"), [(Conv(3), (2, 5)), (Conv(3), (2, 4, 4)), (Dense(3), (4,))]
)
def test_activation_of_a_layer_comes_after_it(kind, layer, shape):
    x = np.random.default_rng(1).normal(size=(2, *shape))
    plain = apply(build([layer], shape), x)
    spec = type(layer)(3, activation=kind)
    np.testing.assert_allclose(
        apply(build([spec], shape), x), naive_activation(plain, kind), **TOLERANCE
    )


def test_dense_equals_the_naive_loop():
    x = np.random.default_rng(1).normal(size=(3, 4))
    net = build([Dense(2)], (4,))
    weight, bias = (p.detach().numpy() for p in net.parameters())
    expected = [[bias[j] + sum(weight[j] * row) for j in range(2)] for row in x]
    np.testing.assert_allclose(apply(net, x), expected, **TOLERANCE)


def channel(values, c):
    return values[:, c].ravel()


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
def test_batch_normalization_in_evaluation_uses_the_running_figures(shape):
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


@pytest.mark.parametrize("n_units", [4, 8, 16])
def test_group_normalization_of_few_flat_features_keeps_their_information(n_units):
    """A group of one value would always become zero, one of two values their order."""
    x = np.random.default_rng(1).normal(size=(5, n_units))
    out = apply(build([Normalize(kind="group")], (n_units,)), x)
    assert len(np.unique(out[:, 0].round(2))) > 2


@pytest.mark.parametrize("shape", [(2,), (4,), (4, 1), (4, 1, 1)])
def test_group_normalization_accepts_a_single_value(shape):
    net = build([Normalize(kind="group")], shape)
    assert np.isfinite(apply(net, np.ones((1, *shape)))).all()


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 1, 1), (4, 1, 1, 1)])
def test_batch_normalization_of_a_single_value_uses_the_running_figures(shape):
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
    ours = _sequence(row, lift=False)[0].double()
    theirs = nn.BatchNorm2d(3, momentum=momentum).double()
    for _ in range(3):
        x = torch.randn(4, 3, 5, 5, dtype=torch.float64)
        assert torch.equal(ours(x), theirs(x))
    assert torch.equal(ours.eval()(x), theirs.eval()(x))


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 5), (3, 2, 4, 5)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_flatten_lets_channels_vary_fastest(shape, memory_format):
    x = np.random.default_rng(1).normal(size=(2, *shape))
    net = build([Flatten()], shape)
    tensor = torch.from_numpy(x)
    tensor = tensor.unsqueeze(2) if len(shape) == 2 else tensor
    if tensor.dim() == 4:
        tensor = tensor.to(memory_format=memory_format)
    expected = np.moveaxis(x, 1, -1).reshape(2, -1)
    np.testing.assert_array_equal(net(tensor).numpy(), expected)


def test_flatten_leaves_vectors_alone():
    x = np.random.default_rng(1).normal(size=(2, 5))
    np.testing.assert_array_equal(apply(build([Flatten()], (5,)), x), x)


def module_names(net):
    names = [type(m).__name__ for m in net.modules() if not list(m.children())]
    return ["MaxPool2d" if name == "MaxPoolByPairs" else name for name in names]


@pytest.mark.parametrize("separate", [True, False])
@pytest.mark.parametrize("pool", [Pool(2), Pool(3, stride=2, padding=1)])
@pytest.mark.parametrize("kind", sorted(MONOTONE - {"identity"}))
def test_max_pool_goes_before_a_monotone_activation_with_the_same_result(kind, pool, separate):
    shape = (2, 6, 6)
    layers = [Conv(3), Activation(kind)] if separate else [Conv(3, activation=kind)]
    net = build([*layers, pool], shape)
    names = module_names(net)
    assert names.index("MaxPool2d") < len(names) - 1
    x = np.random.default_rng(1).normal(size=(2, *shape))
    plain = apply(build([Conv(3)], shape), x)
    expected = naive_pool(naive_activation(plain, kind), pool)
    np.testing.assert_allclose(apply(net, x), expected, **TOLERANCE)


@pytest.mark.parametrize(
    ("kind", "pool"),
    [
        ("gelu", Pool(2)),
        ("silu", Pool(2)),
        ("relu", Pool(2, kind="average")),
        ("tanh", Pool(2, kind="average")),
    ],
)
def test_pool_stays_behind_what_it_does_not_commute_with(kind, pool):
    shape = (2, 6, 6)
    net = build([Conv(3, activation=kind), pool], shape)
    assert module_names(net)[-1].endswith("Pool2d")
    x = np.random.default_rng(1).normal(size=(2, *shape))
    plain = apply(build([Conv(3)], shape), x)
    expected = naive_pool(naive_activation(plain, kind), pool)
    np.testing.assert_allclose(apply(net, x), expected, **TOLERANCE)


def test_two_max_pools_both_go_before_the_activation():
    net = build([Conv(3, activation="relu"), Pool(2), Pool(2)], (1, 8, 8))
    assert module_names(net) == ["Conv2d", "MaxPool2d", "MaxPool2d", "ReLU"]


@pytest.mark.parametrize("shape", [(3, 6), (3, 5, 5), (3, 3, 4, 3)])
def test_residual_adds_the_shortcut_to_the_body(shape):
    x = np.random.default_rng(1).normal(size=(2, *shape))
    identity = build([Residual([Conv(3)])], shape)
    body = build([Conv(3)], shape)
    np.testing.assert_allclose(apply(identity, x), apply(body, x) + x, **TOLERANCE)
    projected = build([Residual([Conv(4, stride=2)])], shape)[0]
    expected = apply(projected.body, x) + apply(projected.shortcut, x)
    assert apply(projected, x).shape[1:] == Residual([Conv(4, stride=2)]).output_shape(shape)
    np.testing.assert_allclose(apply(projected, x), expected, **TOLERANCE)


@pytest.mark.parametrize("shape", [(3, 6), (3, 5, 5), (3, 3, 4, 3)])
def test_concatenate_puts_branches_one_after_another(shape):
    x = np.random.default_rng(1).normal(size=(2, *shape))
    net = build([Concatenate([[Conv(2)], [], [Conv(4, 1)]])], shape)
    out = apply(net, x)
    first, second, third = net[0].branches
    assert out.shape[1] == 2 + 3 + 4
    np.testing.assert_array_equal(out[:, :2], apply(first, x))
    np.testing.assert_array_equal(out[:, 2:5], apply(second, x))
    np.testing.assert_array_equal(out[:, 5:], apply(third, x))


DROPOUT_INPUTS = {
    "vectors": torch.ones(400, 200),
    "lifted signals": torch.ones(40, 20, 1, 100),
    "images": torch.ones(40, 20, 10, 10),
    "channels last": torch.ones(40, 20, 10, 10).to(memory_format=torch.channels_last),
    "volumes": torch.ones(40, 20, 4, 5, 5),
    "channels last volumes": torch.ones(40, 20, 4, 5, 5).to(memory_format=torch.channels_last_3d),
    "not dense": torch.ones(40, 20, 10, 20)[..., ::2],
    "odd number of values": torch.ones(7, 11, 31, 29),
}


@pytest.mark.parametrize("x", DROPOUT_INPUTS.values(), ids=DROPOUT_INPUTS)
@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_dropout_zeroes_the_rate_and_preserves_the_expectation(rate, x):
    layer = ByteDropout(rate, channels=False)
    out = layer(x)
    p = round(rate * 256) / 256
    spread = sqrt(p * (1 - p) / x.numel())
    assert out.shape == x.shape
    assert abs((out == 0).float().mean().item() - p) < 5 * spread
    assert abs(out.double().mean().item() - 1) < 5 * spread / (1 - p)
    np.testing.assert_allclose(out.unique().numpy(), [0, 1 / (1 - p)], rtol=1e-6)


@pytest.mark.parametrize("x", DROPOUT_INPUTS.values(), ids=DROPOUT_INPUTS)
def test_channel_dropout_zeroes_whole_channels(x):
    out = ByteDropout(0.25, channels=True)(x)
    maps = out.flatten(2) if x.dim() > 2 else out[:, :, None]
    kept = maps[:, :, 0]
    assert torch.equal(maps, kept[:, :, None].expand_as(maps))
    spread = sqrt(0.25 * 0.75 / (x.shape[0] * x.shape[1]))
    assert abs((kept == 0).float().mean().item() - 0.25) < 5 * spread


@pytest.mark.parametrize("x", DROPOUT_INPUTS.values(), ids=DROPOUT_INPUTS)
@pytest.mark.parametrize("channels", [True, False])
def test_dropout_keeps_the_memory_order(channels, x):
    out = ByteDropout(0.5, channels)(x)
    dense = (x + 0).stride()
    assert out.stride() == dense


def test_dropout_multiplies_values_where_they_lie():
    x = torch.arange(1.0, 2 * 3 * 4 * 5 + 1).reshape(2, 3, 4, 5)
    for images in (x, x.to(memory_format=torch.channels_last)):
        out = ByteDropout(0.5, channels=False)(images)
        assert torch.all((out == 0) | (out == 2 * x))


def test_dropout_is_independent_between_neighbours():
    out = ByteDropout(0.5, channels=False)(torch.ones(100_000)[None])[0] / 2
    for lag in (1, 7, 8, 64):
        both = (out[:-lag] * out[lag:]).mean().item()
        assert abs(both - 0.25) < 5 * sqrt(0.25 * 0.75 / 100_000)


@pytest.mark.parametrize("channels", [True, False])
def test_dropout_is_the_identity_in_evaluation_and_at_rate_zero(channels):
    x = torch.randn(3, 4, 5, 5)
    assert ByteDropout(0.5, channels).eval()(x) is x
    assert ByteDropout(0.0, channels)(x) is x


def test_dropout_follows_torchs_seed():
    layer, x = ByteDropout(0.5, channels=False), torch.ones(50, 8)
    first, second = layer(x), layer(x)
    torch.manual_seed(0)
    assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dropout_keeps_the_dtype_and_passes_gradients_of_kept_values(dtype):
    x = torch.ones(20, 8, dtype=dtype, requires_grad=True)
    out = ByteDropout(0.5, channels=False)(x)
    out.sum().backward()
    assert out.dtype == dtype
    assert torch.equal(x.grad, out.detach())


@pytest.mark.parametrize(
    ("rate", "threshold"), [(0.0, 0), (0.25, 64), (0.5, 128), (0.3, 77), (0.999, 255)]
)
def test_dropout_rate_is_a_multiple_of_a_256th_below_one(rate, threshold):
    layer = ByteDropout(rate, channels=True)
    assert layer.threshold == threshold
    assert repr(layer) == f"ByteDropout(rate={threshold / 256:.4g}, channels=True)"


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


def plain_standardize(shape):
    ones = torch.ones(shape[0])
    return Standardize(torch.zeros(shape[0]), ones, n_axes=max(len(shape) - 1, 2))


def make_net(layers, shape, n_outputs=3):
    return ConvNet(trace(with_output(layers, n_outputs), shape), plain_standardize(shape))


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
    for layer, kind in ((net.layers.dense_1, "tanh"), (net.closing, "identity")):
        weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        hidden = naive_activation(hidden @ weight.T + bias, kind)
    np.testing.assert_allclose(out, hidden, **TOLERANCE)


def test_conv_net_standardizes_before_its_layers():
    rows = trace(with_output([], 2), (2, 3, 3))
    plain = ConvNet(rows, plain_standardize((2, 3, 3)))
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
    lifted = x.unsqueeze(2) if net.is_signal else x
    out = net.layers[0](lifted)
    torch.testing.assert_close(out[:, : shape[0]], lifted)
    others = net.layers[0].weight[shape[0] :].detach()
    assert others.square().mean().item() == pytest.approx(2 / others[0].numel(), rel=0.5)
    assert others.abs().max().item() <= sqrt(6 / others[0].numel())


@pytest.mark.parametrize("how", sorted(set(STATISTICS) - {"zeros", "normal"}))
def test_closing_layer_starts_a_tenth_as_large(how):
    fan_in, fan_out = 900, 100
    net = make_net([], (fan_in, 1, 1), n_outputs=fan_out)
    initialize_weights(net, how, torch.Generator().manual_seed(0))
    variance, _ = STATISTICS[how](fan_in, fan_out)
    assert net.closing.weight.var().item() == pytest.approx(variance / 100, rel=0.05)


def test_closing_layer_of_small_normal_weights_starts_a_tenth_as_large():
    net = make_net([], (900, 1, 1), n_outputs=100)
    initialize_weights(net, "normal", torch.Generator().manual_seed(0))
    assert net.closing.weight.std().item() == pytest.approx(0.001, rel=0.05)


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
def test_wrap_callable_rejects_what_is_no_network_of_the_right_shape(architecture, message):
    with pytest.raises(ArchitectureError, match=message):
        wrap_callable(architecture, (1, 4, 4), 3, plain_standardize((1, 4, 4)))


# Random stacks: what is traced is what is built, or it is an error of the trace.

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
        padding_mode=st.sampled_from(PADDING_MODES),
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
    st.builds(Activation, st.sampled_from(ACTIVATIONS)),
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
def test_traced_figures_are_those_of_the_module_or_the_trace_raises(stack_and_shape):
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
        lifted = len(shape) == 2 and len(row.output_shape) == 2
        n_channels, *spatial = row.output_shape
        if not isinstance(row.spec, Activation):  # a max pool may have gone before it
            assert seen[row.name] == (1, n_channels, *([1] if lifted else []), *spatial), row
        module = getattr(net.layers, row.name)
        assert row.spec.n_parameters(row.input_shape) == sum(
            p.numel() for p in module.parameters()
        ), row
    assert all(a.output_shape == b.input_shape for a, b in pairwise(rows))
