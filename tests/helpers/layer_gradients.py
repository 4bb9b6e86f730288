"""Gradients of each layer that comes first, or after a frozen layer, for a process of its own."""

import pickle
from contextlib import nullcontext
from itertools import product

import numpy as np
import torch
from torch import nn

from skcnn import ConvNetClassifier
from skcnn.layers import (
    Activation,
    AdaptivePool,
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
    Residual,
    SqueezeExcitation,
    StochasticDepth,
    Whiten,
)
from skcnn.layers._activation import ACTIVATIONS
from skcnn.layers._sequence import build_sequence, trace, with_output
from tests.helpers.processes import tell_parent

SHAPES = [(4, 9), (4, 6, 6), (4, 4, 6, 5), (1, 6, 6), (8, 2, 1), (16, 1, 1), (16, 1, 1, 1), (32,)]
GROUPS = Normalize(kind="group", groups=1)
LAYERS = {
    "convolution": Conv(4),
    "grouped convolution": Conv(4, groups=4),
    "strided convolution": Conv(4, 2, stride=2),
    **{f"{mode} padding": Conv(4, padding_mode=mode) for mode in ("mirror", "edge", "wrap")},
    "dense": Dense(4),
    "dropout": Dropout(0.5),
    "batch normalisation": Normalize(),
    "group normalisation": GROUPS,
    "groups": Normalize(kind="group"),
    "layer normalisation": Normalize(kind="layer"),
    "scale": LayerScale(),
    "more channels": PadChannels(40),
    "squeeze and excitation": SqueezeExcitation(2),
    "stochastic depth": StochasticDepth(0.5),
    "adaptive pool": AdaptivePool(2),
    "adaptive max pool": AdaptivePool(2, kind="max"),
    "max pool": Pool(2),
    "average pool": Pool(2, kind="average"),
    "overlapping pool": Pool(3, stride=1, padding="same"),
    "global pool": GlobalPool(),
    "residual": Residual([GROUPS, Activation("relu"), Conv(4)]),
    "branches": Concatenate([[GROUPS], [Conv(2)], []]),
    "whiten": Whiten(1),
    "deviations": Deviations(),
    **{name: Activation(name) for name in ACTIVATIONS},
}


def with_gradients_of_layers():
    """Compute them all, after telling the parent each case."""
    for (name, layer), shape, frozen in product(LAYERS.items(), SHAPES, (False, True)):
        try:
            before = [Dense(32) if len(shape) == 1 else Conv(shape[0], 1)] if frozen else []
            rows = trace(with_output([*before, layer, Flatten()], 2), shape)
        except ValueError:  # the layer is larger than the sample, or there are no axes to pool
            continue
        net = build_sequence(rows, is_signal=len(shape) == 2).train()
        if frozen:
            next(iter(net.children())).requires_grad_(False)
        for last, low in product((False, True), repeat=2):
            tell_parent((name, shape, frozen, last, low))
            _backward(net, shape, last, low)
    return "finished"


def fit_networks_of_users():
    """Fit modules whose group normalisation comes first, is frozen before, or is a subclass."""
    X = np.random.default_rng(0).random((16, 6, 6), dtype=np.float32)
    y = np.arange(16) % 2
    for network in (first_is_a_norm, frozen_before_a_norm):
        for precision in ("float32", "bfloat16"):
            tell_parent((network.__name__, precision))
            net = ConvNetClassifier(architecture=network, precision=precision, max_epochs=1)
            net.fit(X, y).partial_fit(X, y)
            pickle.loads(pickle.dumps(net)).partial_fit(X, y)
    return "finished"


class _OwnNorm(nn.GroupNorm):
    pass


def first_is_a_norm(shape, n_outputs):
    return nn.Sequential(nn.GroupNorm(1, 1), nn.Flatten(), nn.Linear(36, n_outputs))


def frozen_before_a_norm(shape, n_outputs):
    frozen = nn.Conv2d(1, 4, 3).requires_grad_(False)
    return nn.Sequential(frozen, _OwnNorm(2, 4), nn.Flatten(), nn.Linear(64, n_outputs))


def _backward(net: nn.Module, shape, last, low):
    x = torch.rand(6, *shape)
    x = x.unsqueeze(2) if len(shape) == 2 else x
    if last and len(shape) > 1:
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        x = x.to(memory_format=formats[x.dim()])
        net = net.to(memory_format=formats[x.dim()]) if x.dim() == 4 else net
    with torch.autocast("cpu", torch.bfloat16) if low else nullcontext():
        outputs = net(x)
    outputs.float().square().sum().backward()
