"""Networks with random weights, and samples to predict."""

import numpy as np
import pytest
import torch

from skcnn import ConvNetClassifier
from skcnn._data.images import Images
from skcnn._data.layouts import InputLayout
from skcnn._network.network import ConvNet, Standardize
from skcnn._network.pass_sizes import redrawn
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
from skcnn.layers._sequence import trace

CPU = torch.device("cpu")


def drawn(layers, shape):
    """Return a network with random weights and running statistics."""
    rows = trace((*layers, Dense(3)), shape)
    n_axes = max(len(shape) - 1, 2)
    net = ConvNet(rows, Standardize(torch.zeros(shape[0]), torch.ones(shape[0]), n_axes)).eval()
    return redrawn(net, torch.Generator().manual_seed(1))


def samples(n, shape, seed=0):
    """Return images with normal values."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn((n, *shape), generator=generator)
    return Images(x.flatten(1), InputLayout(shape, "first"))


def block(filters, activation="relu", **how):
    """Return a convolution, batch normalisation and an activation."""
    return (Conv(filters, **how), Normalize(), Activation(activation))


FLAT = Flatten()
CASES = {
    "conv, pool, dense": ((1, 28, 28), [*block(32), Pool(), *block(64), Pool(), FLAT]),
    "hidden": ((1, 8, 8), [*block(8), Pool(), FLAT, Dense(84), Normalize(), Activation("relu")]),
    "odd sides": ((3, 7, 5), [*block(5, kernel_size=1), *block(10), FLAT, Dense(33), Dense(7)]),
    "odd features": ((1, 3, 3), [Conv(3, 1), FLAT, Dense(17), Dense(33)]),
    "one value": ((1, 1, 1), [Conv(3, 1), FLAT, Dense(7)]),
    "only dense": ((2, 3, 3), [FLAT, Dense(6)]),
    "signal": ((2, 51), [*block(6), Pool(), *block(9, stride=2), FLAT]),
    "volume": ((2, 5, 5, 5), [*block(4), Pool(), Conv(6, activation="tanh"), FLAT]),
    "strided": ((4, 9, 9), [*block(24, stride=2), *block(7, padding_mode="mirror"), FLAT]),
    "grouped": ((4, 9, 9), [Conv(8, groups=4, activation="relu"), FLAT]),
    "depthwise": ((4, 9, 9), [Conv(4, groups=4), Conv(8, 1), *block(8, groups=8), FLAT]),
    "depthwise signal": ((3, 21), [Conv(3, 5, groups=3), *block(6, groups=3), GlobalPool()]),
    "dropout": ((1, 6, 6), [*block(5), Dropout(0.3, channels=True), FLAT, Dropout()]),
    "whiten": ((2, 9, 9), [Whiten(activation="relu"), *block(6), FLAT]),
    "deviations": ((2, 9, 9), [Deviations(), *block(6), FLAT]),
    "deviations of a signal": ((3, 21), [Deviations(), *block(6), GlobalPool()]),
    "dilated": ((2, 12, 12), [Conv(10, dilation=2, activation="relu"), FLAT]),
    "group norm": ((1, 9, 9), [Conv(6), Normalize(kind="group"), Activation("relu"), FLAT]),
    "average": ((3, 9, 9), [*block(10), Pool(2, kind="average"), GlobalPool()]),
    "padded average": ((3, 9, 9), [Conv(7), Pool(3, stride=2, padding=1, kind="average"), FLAT]),
    "residual": ((3, 8, 8), [Residual([*block(6), Conv(6)]), GlobalPool(kind="max")]),
    "layer norm": ((3, 9, 7), [Conv(6), Normalize(kind="layer"), Activation("gelu"), FLAT]),
    "layer norm of a signal": ((3, 31), [Conv(7, 5), Normalize(kind="layer"), GlobalPool()]),
    "layer norm of a volume": ((2, 4, 5, 3), [Conv(5), Normalize(kind="layer"), FLAT]),
    "one side padded": ((3, 9, 9), [*block(5, padding=((0, 1), (2, 0)), stride=2), FLAT]),
    "counted padding": (
        (3, 9, 9),
        [Conv(7), Pool(3, stride=1, padding=1, kind="average", count_padding=True), FLAT],
    ),
    "adaptive": ((3, 9, 7), [Conv(6), AdaptivePool(4), AdaptivePool((2, 3), kind="max"), FLAT]),
    "adaptive signal": ((3, 29), [Conv(6), AdaptivePool(4), FLAT]),
    "adaptive volume": ((2, 5, 3, 4), [Conv(6), AdaptivePool(2), FLAT]),
    "squeeze": ((3, 9, 9), [*block(24), SqueezeExcitation(3), Conv(5), GlobalPool()]),
    "squeeze of a signal": ((3, 21), [Conv(9, 3), SqueezeExcitation(2), GlobalPool()]),
    "more channels": ((3, 5, 5), [Conv(4), PadChannels(9), GlobalPool()]),
    "shortcut without parameters": (
        (4, 9, 9),
        [
            Residual(
                [*block(8, stride=2), Conv(8), LayerScale(0.5), StochasticDepth(0.2)],
                shortcut=[Pool(1, stride=2), PadChannels(8)],
            ),
            FLAT,
        ],
    ),
    "trends": ((2, 30), [Concatenate([[TrendFilters()], [Conv(5, 7)]]), Normalize(), FLAT]),
    "rows of channels": (
        (5, 41),
        [
            ChannelsAsRows(),
            Conv(3, (1, 8), bias=False),
            Normalize(),
            Conv(6, (5, 1), padding="valid", groups=3, bias=False),
            *(Normalize(), Activation("elu"), Pool((1, 4), kind="average"), FLAT),
        ],
    ),
    "branches": ((7, 9, 9), [Concatenate([[Conv(3)], [Conv(7, 1, activation="gelu")]]), FLAT]),
    "grey as colours": ((1, 9, 7), [ToRGB(), Resize(12), Rescale(0.5, (0.5, 0.4, 0.3)), FLAT]),
    "opacity": ((4, 9, 7), [ToRGB(), Resize((5, 14)), *block(6), GlobalPool()]),
    "rescaled signal": ((2, 31), [Rescale((1.0, 2.0), 0.5), Conv(6), FLAT]),
    **{
        kind: ((1, 6, 6), [*block(5, kind), FLAT, Dense(7, activation=kind)])
        for kind in ACTIVATIONS
    },
}
each_case = pytest.mark.parametrize(("shape", "layers"), list(CASES.values()), ids=list(CASES))


def fitted_small_net():
    """Return a fitted classifier and its samples."""
    X = np.random.default_rng(0).normal(size=(80, 6, 6)).astype(np.float32)
    model = ConvNetClassifier(
        filters=(8, 8), hidden_units=(16,), max_epochs=1, n_threads=2, random_state=0
    )
    return model.fit(X, np.arange(80) % 2), X
