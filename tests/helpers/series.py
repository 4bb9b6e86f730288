"""Signals of unequal length, and layers for them."""

import numpy as np

from skcnn.layers import (
    Activation,
    Concatenate,
    Conv,
    Dense,
    Dropout,
    GlobalPool,
    LayerScale,
    Normalize,
    PadChannels,
    Pool,
    Residual,
    SqueezeExcitation,
    StochasticDepth,
    TrendFilters,
)

# Layers that take signals of unequal length, on maps of four channels.
LAYERS = {
    "conv": [Conv(5, 3)],
    "even kernel": [Conv(5, 4)],
    "strided": [Conv(5, 4, stride=2)],
    "valid": [Conv(5, 3, padding="valid")],
    "dilated": [Conv(4, 3, dilation=2, groups=2, bias=False, activation="sigmoid"), Conv(3, 3)],
    "padding of two sides": [Conv(5, 3, padding=((0, 2),))],
    "trend filters": [TrendFilters((2, 4))],
    "max pool": [Pool(2)],
    "overlapping max pool": [Pool(3, stride=2, padding=1)],
    "max pool before relu": [Conv(4, 3), Activation(), Pool(2)],
    "average pool": [Pool(3, kind="average", stride=1)],
    "padded average pool": [Pool(3, kind="average", stride=2, padding="same")],
    "counted padding": [Pool(3, kind="average", stride=1, padding="same", count_padding=True)],
    "batch": [Normalize()],
    "group": [Normalize(kind="group", groups=2)],
    "layer": [Normalize(kind="layer")],
    "log": [Activation("log"), Conv(3, 3)],
    "tanh": [Activation("tanh"), Conv(3, 3)],
    "gate": [SqueezeExcitation(2), Conv(3, 3)],
    "scale": [LayerScale(0.3), PadChannels(6), Conv(3, 3)],
    "dropout": [Dropout(0.3), StochasticDepth(0.2), Conv(3, 3)],
    "residual": [Residual([Conv(5, 3, stride=2)]), Residual([Normalize(), Conv(5, 3)])],
    "branches": [Concatenate([[Conv(2, 5)], [Pool(3, stride=1, padding="same")], []])],
    "average of all": [Conv(4, 3), GlobalPool()],
    "maximum of all": [Conv(4, 3), GlobalPool(kind="max")],
    "dense": [
        Concatenate([[GlobalPool()], [GlobalPool(kind="max")]]),
        Residual([Dense(8, activation="relu")]),
        Normalize(),
    ],
    "residual of all": [Residual([GlobalPool()], shortcut=[GlobalPool(kind="max")])],
}


def tones(n=40, n_channels=3, shortest=10, longest=40, seed=0):
    """Return signals of two frequencies, (length_i, n_channels) each, and their classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    signals = []
    for label in y:
        time = np.arange(rng.integers(shortest, longest + 1))
        tone = np.sin((0.4 + 0.8 * label) * time + 6 * rng.random())
        signals.append(tone[:, None] + 0.1 * rng.normal(size=(len(time), n_channels)))
    return signals, y
