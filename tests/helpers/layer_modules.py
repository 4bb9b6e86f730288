"""Torch modules of layers, and naive float64 loops that they must equal."""

from itertools import product
from math import erf, exp, expm1, log, sqrt, tanh

import numpy as np
import torch
from torch import nn

from skcnn._network.network import ConvNet, Standardize
from skcnn.layers import Flatten
from skcnn.layers._sequence import build_sequence, trace, with_output

TOLERANCE = {"rtol": 0, "atol": 1e-10}
NUMPY_PAD_MODES = {"zeros": "constant", "mirror": "reflect", "edge": "edge", "wrap": "wrap"}
SCALAR_ACTIVATIONS = {
    "relu": lambda v: max(v, 0.0),
    "relu6": lambda v: min(max(v, 0.0), 6.0),
    "square": lambda v: v * v,
    "log": lambda v: log(max(v, 1e-6)),
    "leaky_relu": lambda v: v if v > 0 else 0.01 * v,
    "elu": lambda v: v if v > 0 else expm1(v),
    "gelu": lambda v: v * (1 + erf(v / sqrt(2))) / 2,
    "silu": lambda v: v / (1 + exp(-v)),
    "tanh": tanh,
    "sigmoid": lambda v: 1 / (1 + exp(-v)),
    "identity": lambda v: v,
}
NORMALIZED_SHAPES = [(4,), (4, 5), (4, 3, 4), (4, 2, 3, 2)]


def build(specs, shape, seed=0):
    """Return a float64 module of `specs` with normal weights."""
    rows = trace([*specs, Flatten()], shape)[:-1]
    net = build_sequence(rows, is_signal=len(shape) == 2).double()
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
    """Return weight and bias of the only convolution, without a signal's axis of height one."""
    (conv,) = (m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Conv3d))
    weight = conv.weight.detach().numpy()
    bias = np.zeros(len(weight)) if conv.bias is None else conv.bias.detach().numpy()
    return weight.reshape(*weight.shape[:2], *weight.shape[-n_axes:]), bias


def each_axis(value, n_axes):
    """Return a value for each spatial axis."""
    return (value,) * n_axes if isinstance(value, int) else tuple(value)


def pads_of(padding, kernel, dilation):
    """Return the padding before and after each spatial axis."""
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return [(t // 2, t - t // 2) for t in totals]
    each = each_axis(padding, len(kernel))
    return [(p, p) if isinstance(p, int) else p for p in each]


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
    """Return a convolution of samples, one window after the other."""
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
    """Return a pool of samples, one window after the other."""
    n_axes = x.ndim - 2
    size = each_axis(spec.size, n_axes)
    stride = size if spec.stride is None else each_axis(spec.stride, n_axes)
    ones = (1,) * n_axes
    reduce = np.nanmax if spec.kind == "max" else np.nanmean  # padding is NaN, which is left out
    fill = 0.0 if spec.count_padding else np.nan
    outputs = []
    for sample in x:
        pads = [(0, 0), *pads_of(spec.padding, size, ones)]
        padded = np.pad(sample, pads, constant_values=fill)
        values = {
            position: [reduce(channel) for channel in window]
            for position, window in windows(padded, size, stride, ones)
        }
        outputs.append(stack(values))
    return np.array(outputs)


def naive_activation(x, kind):
    """Return an activation of each value."""
    return np.vectorize(SCALAR_ACTIVATIONS[kind], otypes=[float])(x)


def plain_standardize(shape):
    """Return a standardisation that changes no value."""
    ones = torch.ones(shape[0])
    return Standardize(torch.zeros(shape[0]), ones, n_axes=max(len(shape) - 1, 2))


def make_net(layers, shape, n_outputs=3):
    """Return a network of layers and the output layer."""
    return ConvNet(trace(with_output(layers, n_outputs), shape), plain_standardize(shape))
