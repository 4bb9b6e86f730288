"""All layer specifications: shapes and counts, value semantics, and every error message."""

import copy
import pickle
import re
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from sklearn.base import clone

from skcnn import ConvNetClassifier, layers
from skcnn.exceptions import ArchitectureError
from skcnn.layers import (
    Activation,
    AdaptivePool,
    ChannelsAsRows,
    Concatenate,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalPool,
    LayerScale,
    LayerSpec,
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

# specification, input shape, output shape, parameters, multiply-accumulates
SHAPES_AND_COUNTS = [
    (Conv(32), (1, 28, 28), (32, 28, 28), 320, 9 * 32 * 784),
    (Conv(32, padding="valid"), (1, 150, 150), (32, 148, 148), 320, 9 * 32 * 148**2),
    (Conv(32, bias=False), (1, 28, 28), (32, 28, 28), 288, 9 * 32 * 784),
    (Conv(10), (3, 8, 8), (10, 8, 8), 280, 27 * 10 * 64),
    (Conv(8, 5, padding="valid"), (3, 32, 32), (8, 28, 28), 608, 75 * 8 * 784),
    (Conv(4, 1), (16, 7, 7), (4, 7, 7), 68, 16 * 4 * 49),
    (Conv(6, (3, 5)), (2, 9, 9), (6, 9, 9), 6 * 31, 30 * 6 * 81),
    (Conv(6, (3, 5), padding="valid"), (2, 9, 9), (6, 7, 5), 6 * 31, 30 * 6 * 35),
    (Conv(6, stride=2), (2, 9, 8), (6, 5, 4), 6 * 19, 18 * 6 * 20),
    (Conv(6, stride=(1, 3)), (2, 9, 9), (6, 9, 3), 6 * 19, 18 * 6 * 27),
    (Conv(6, padding=2), (2, 5, 5), (6, 7, 7), 6 * 19, 18 * 6 * 49),
    (Conv(6, padding=(0, 1)), (2, 5, 5), (6, 3, 5), 6 * 19, 18 * 6 * 15),
    (Conv(6, padding=((0, 1), (1, 0)), stride=2), (2, 6, 7), (6, 3, 3), 6 * 19, 18 * 6 * 9),
    (Conv(6, dilation=2, padding="valid"), (2, 9, 9), (6, 5, 5), 6 * 19, 18 * 6 * 25),
    (Conv(6, dilation=(1, 2)), (2, 9, 9), (6, 9, 9), 6 * 19, 18 * 6 * 81),
    (Conv(6, groups=2), (4, 5, 5), (6, 5, 5), 6 * 19, 18 * 6 * 25),
    (Conv(4, groups=4), (4, 5, 5), (4, 5, 5), 4 * 10, 9 * 4 * 25),
    (Conv(2, 4), (1, 6, 6), (2, 6, 6), 34, 16 * 2 * 36),
    (Conv(8, 5), (2, 20), (8, 20), 88, 10 * 8 * 20),
    (Conv(8), (2, 4, 5, 6), (8, 4, 5, 6), 8 * 55, 54 * 8 * 120),
    (Conv(3, padding_mode="mirror"), (1, 2, 2), (3, 2, 2), 30, 9 * 3 * 4),
    (Whiten(), (3, 32, 32), (24, 31, 31), 24, 12 * 24 * 961),
    (Whiten(3, padding="same"), (1, 8), (6, 8), 6, 3 * 6 * 8),
    (TrendFilters((2, 4)), (3, 9), (5, 9), 0, 3 * 6 * 5 * 9),
    (ChannelsAsRows(), (5, 9), (1, 5, 9), 0, 0),
    (Pool(2), (32, 15, 15), (32, 7, 7), 0, 0),
    (Pool(2, kind="average"), (3, 4, 6), (3, 2, 3), 0, 0),
    (Pool(3, stride=2), (3, 8, 9), (3, 3, 4), 0, 0),
    (Pool((2, 3)), (3, 8, 9), (3, 4, 3), 0, 0),
    (Pool((1, 2), stride=(1, 2)), (3, 1, 9), (3, 1, 4), 0, 0),
    (Pool(3, stride=2, padding=1), (64, 112, 112), (64, 56, 56), 0, 0),
    (Pool(3, stride=1, padding="same"), (3, 5, 5), (3, 5, 5), 0, 0),
    (Pool(2, padding="same"), (3, 5, 5), (3, 3, 3), 0, 0),
    (Pool(3, stride=2, padding=((0, 1), (0, 0))), (3, 8, 9), (3, 4, 4), 0, 0),
    (Pool(3, kind="average", padding=1, count_padding=True), (3, 7, 7), (3, 3, 3), 0, 0),
    (AdaptivePool(6), (256, 13, 5), (256, 6, 5), 0, 0),
    (AdaptivePool((2, 3), kind="max"), (4, 9, 9), (4, 2, 3), 0, 0),
    (AdaptivePool(7), (4, 9), (4, 7), 0, 0),
    (AdaptivePool(2), (4, 1, 2, 9), (4, 1, 2, 2), 0, 0),
    (Pool(2), (4, 9), (4, 4), 0, 0),
    (Pool(2), (4, 4, 5, 6), (4, 2, 2, 3), 0, 0),
    (GlobalPool(), (64, 7, 7), (64,), 0, 0),
    (GlobalPool(kind="max"), (64, 7), (64,), 0, 0),
    (GlobalPool(), (5, 2, 3, 4), (5,), 0, 0),
    (Dense(512), (16384,), (512,), 8_389_120, 512 * 16384),
    (Dense(10), (512,), (10,), 5_130, 5120),
    (Dense(10, bias=False), (512,), (10,), 5_120, 5120),
    (Dropout(), (3, 4, 4), (3, 4, 4), 0, 0),
    (Dropout(0.1, channels=True), (7,), (7,), 0, 0),
    (StochasticDepth(), (3, 4, 4), (3, 4, 4), 0, 0),
    (LayerScale(), (40, 8, 8), (40, 8, 8), 40, 0),
    (LayerScale(1.0), (7,), (7,), 7, 0),
    (PadChannels(32), (16, 8, 8), (32, 8, 8), 0, 0),
    (PadChannels(5), (5, 9), (5, 9), 0, 0),
    (SqueezeExcitation(4), (64, 8, 8), (64, 8, 8), 4 * 65 + 64 * 5, 2 * 4 * 64),
    (SqueezeExcitation(1), (3, 9), (3, 9), 4 + 6, 6),
    (ToRGB(), (1, 9, 8), (3, 9, 8), 0, 0),
    (ToRGB(), (4, 9), (3, 9), 0, 0),
    (ToRGB(), (3, 2, 3, 4), (3, 2, 3, 4), 0, 0),
    (Resize(5), (2, 9, 8), (2, 5, 5), 0, 0),
    (Resize((5, 16)), (2, 9, 8), (2, 5, 16), 0, 0),
    (Rescale(0.5, 2), (2, 9, 8), (2, 9, 8), 0, 0),
    (Rescale((0.5, 1), (2, 3)), (2,), (2,), 0, 0),
    (Normalize(), (32, 28, 28), (32, 28, 28), 64, 0),
    (Normalize(kind="layer"), (32, 28, 28), (32, 28, 28), 64, 0),
    (Normalize(kind="layer"), (16,), (16,), 32, 0),
    (Normalize(), (128,), (128,), 256, 0),
    (Normalize(kind="group"), (12, 5), (12, 5), 24, 0),
    (Normalize(kind="group", groups=3), (12, 5), (12, 5), 24, 0),
    (Activation(), (3, 4), (3, 4), 0, 0),
    (Flatten(), (64, 16, 16), (16384,), 0, 0),
    (Flatten(), (7,), (7,), 0, 0),
]
KERNELS = [
    (Conv(8), (1, 9), (3,)),
    (Conv(8, (3, 5)), (1, 9, 9), (3, 5)),
    (Whiten(), (1, 9, 9), (2, 2)),
    (TrendFilters(), (1, 9), (96,)),
    (ChannelsAsRows(), (1, 9), None),
    (Pool(2), (1, 9, 9, 9), (2, 2, 2)),
    (AdaptivePool(2), (1, 9), None),
    (StochasticDepth(), (1, 9), None),
    (LayerScale(), (1, 9), None),
    (PadChannels(2), (1, 9), None),
    (SqueezeExcitation(2), (1, 9), None),
    (ToRGB(), (1, 9), None),
    (Resize(4), (1, 9, 9), None),
    (Rescale(0.5, 2), (1, 9), None),
    (GlobalPool(), (1, 9), None),
    (Dense(3), (9,), None),
    (Dropout(), (9,), None),
    (Normalize(), (1, 9), None),
    (Activation(), (9,), None),
    (Flatten(), (1, 9), None),
    (Residual([Conv(1)]), (1, 9), None),
    (Concatenate([Conv(1)]), (1, 9), None),
]
REPRS = [
    (Conv(32), "Conv(32, 3)"),
    (Conv(32, 5, activation="relu"), "Conv(32, 5, activation='relu')"),
    (
        Conv(
            8,
            (3, 5),
            stride=2,
            padding="valid",
            padding_mode="edge",
            dilation=2,
            groups=4,
            bias=False,
        ),
        "Conv(8, (3, 5), stride=2, padding='valid', padding_mode='edge', dilation=2, "
        "groups=4, bias=False)",
    ),
    (Whiten(), "Whiten(2)"),
    (TrendFilters([2, 4]), "TrendFilters((2, 4))"),
    (ChannelsAsRows(), "ChannelsAsRows()"),
    (Whiten(3, padding=1, activation="relu"), "Whiten(3, padding=1, activation='relu')"),
    (Pool(), "Pool(2)"),
    (Pool(3, kind="average", stride=2, padding=1), "Pool(3, kind='average', stride=2, padding=1)"),
    (Conv(8, padding=[[0, 1], (1, 0)]), "Conv(8, 3, padding=((0, 1), (1, 0)))"),
    (
        Pool(3, kind="average", padding=1, count_padding=True),
        "Pool(3, kind='average', padding=1, count_padding=True)",
    ),
    (AdaptivePool(7), "AdaptivePool(7)"),
    (AdaptivePool((7, 5), kind="max"), "AdaptivePool((7, 5), kind='max')"),
    (StochasticDepth(), "StochasticDepth(0.1)"),
    (LayerScale(), "LayerScale(1e-06)"),
    (PadChannels(32), "PadChannels(32)"),
    (ToRGB(), "ToRGB()"),
    (Resize([5, 6]), "Resize((5, 6))"),
    (Rescale([0.5, 1], 2), "Rescale((0.5, 1.0), 2.0)"),
    (SqueezeExcitation(4), "SqueezeExcitation(4)"),
    (
        SqueezeExcitation(4, inner_activation="silu"),
        "SqueezeExcitation(4, inner_activation='silu')",
    ),
    (Normalize(kind="layer", epsilon=1e-6), "Normalize(kind='layer', epsilon=1e-06)"),
    (GlobalPool(), "GlobalPool()"),
    (GlobalPool(kind="max"), "GlobalPool(kind='max')"),
    (Dense(10), "Dense(10)"),
    (
        Dense(10, bias=False, activation="tanh"),
        "Dense(10, bias=False, activation='tanh')",
    ),
    (Dropout(), "Dropout(0.5)"),
    (Dropout(0.25, channels=True), "Dropout(0.25, channels=True)"),
    (Normalize(), "Normalize()"),
    (Normalize(kind="group", groups=4), "Normalize(kind='group', groups=4)"),
    (Activation(), "Activation('relu')"),
    (Activation("gelu"), "Activation('gelu')"),
    (Flatten(), "Flatten()"),
    (Residual([Conv(8)]), "Residual((Conv(8, 3),))"),
    (
        Residual([Conv(8)], shortcut=[Conv(8, 1)]),
        "Residual((Conv(8, 3),), shortcut=(Conv(8, 1),))",
    ),
    (Residual([Conv(8)], shortcut=()), "Residual((Conv(8, 3),), shortcut=())"),
    (Concatenate([[Conv(8)], []]), "Concatenate(((Conv(8, 3),), ()))"),
]
SPECS = [spec for spec, _ in REPRS]
# layer and arguments that store a list as a tuple
LISTS = [
    (Conv, {"filters": 4, "kernel_size": [3, 5]}, "kernel_size"),
    (Conv, {"filters": 4, "stride": [1, 2]}, "stride"),
    (Conv, {"filters": 4, "padding": [0, 1]}, "padding"),
    (Conv, {"filters": 4, "dilation": [1, 2]}, "dilation"),
    (Pool, {"size": [2, 3]}, "size"),
    (AdaptivePool, {"size": [2, 3]}, "size"),
    (Pool, {"stride": [2, 1]}, "stride"),
    (Pool, {"padding": [0, 1]}, "padding"),
]
AN_INTEGER_OR_TUPLE = "or a tuple of them, one for each spatial axis"
# layer, arguments, message
BAD_ARGUMENTS = [
    (Conv, {"filters": 0}, r"'filters' of Conv must be an integer >= 1\. Got 0\."),
    (Conv, {"filters": -3}, r"'filters' of Conv must be an integer >= 1\. Got -3\."),
    (Conv, {"filters": 3.0}, r"'filters' of Conv must be an integer >= 1\. Got 3\.0\."),
    (Conv, {"filters": True}, r"'filters' of Conv must be an integer >= 1\. Got True\."),
    (Conv, {"filters": "32"}, r"'filters' of Conv must be an integer >= 1\. Got '32'\."),
    (Conv, {"filters": (32, 64)}, r"'filters' of Conv must be an integer >= 1\. Got \(32, 64\)"),
    (Conv, {"filters": None}, r"'filters' of Conv must be an integer >= 1\. Got None\."),
    (Conv, {"filters": 4, "groups": 0}, r"'groups' of Conv must be an integer >= 1\. Got 0\."),
    (
        Conv,
        {"filters": 4, "kernel_size": 0},
        rf"'kernel_size' of Conv must be an integer >= 1 {AN_INTEGER_OR_TUPLE}\. Got 0\.",
    ),
    (Conv, {"filters": 4, "kernel_size": 2.5}, r"'kernel_size' of Conv .* Got 2\.5\."),
    (Conv, {"filters": 4, "kernel_size": ()}, r"'kernel_size' of Conv .* Got \(\)\."),
    (Conv, {"filters": 4, "kernel_size": (3, 0)}, r"'kernel_size' of Conv .* Got \(3, 0\)\."),
    (Conv, {"filters": 4, "kernel_size": [3, "3"]}, r"'kernel_size' of Conv .* Got \[3, '3'\]\."),
    (Conv, {"filters": 4, "kernel_size": True}, r"'kernel_size' of Conv .* Got True\."),
    (Conv, {"filters": 4, "stride": 0}, rf"'stride' of Conv .* >= 1 {AN_INTEGER_OR_TUPLE}"),
    (Conv, {"filters": 4, "stride": None}, r"'stride' of Conv .* Got None\."),
    (Conv, {"filters": 4, "dilation": 0}, rf"'dilation' of Conv .* >= 1 {AN_INTEGER_OR_TUPLE}"),
    (Conv, {"filters": 4, "padding": -1}, rf"'padding' of Conv .* >= 0 {AN_INTEGER_OR_TUPLE}"),
    (Conv, {"filters": 4, "padding": (1, -1)}, r"'padding' of Conv .* Got \(1, -1\)\."),
    (Conv, {"filters": 4, "padding": None}, r"'padding' of Conv .* Got None\."),
    (
        Conv,
        {"filters": 4, "padding": ((0, 1), (0, -1))},
        r"'padding' of Conv must be an integer >= 0, a tuple of one for each spatial axis, or of "
        r"one pair \(before, after\) for each\. Got \(\(0, 1\), \(0, -1\)\)\.$",
    ),
    (Conv, {"filters": 4, "padding": ((0, 1, 2),)}, r"'padding' of Conv .* Got \(\(0, 1, 2\),\)"),
    (Pool, {"padding": ((0, 0.5),)}, r"'padding' of Pool .* Got \(\(0, 0\.5\),\)"),
    (Conv, {"filters": 4, "padding": ((0, 1), 1)}, r"'padding' of Conv .* Got \(\(0, 1\), 1\)"),
    (AdaptivePool, {"size": 0}, rf"'size' of AdaptivePool .* >= 1 {AN_INTEGER_OR_TUPLE}"),
    (AdaptivePool, {"size": 2, "kind": "mean"}, r"'kind' of AdaptivePool must be one of"),
    (StochasticDepth, {"rate": 1}, r"'rate' of StochasticDepth must be .* in \[0, 1\)\. Got 1\."),
    (StochasticDepth, {"rate": "0.1"}, r"'rate' of StochasticDepth .* Got '0\.1'\."),
    (LayerScale, {"initial": "1"}, r"'initial' of LayerScale must be a finite float\. Got '1'\."),
    (LayerScale, {"initial": float("inf")}, r"'initial' of LayerScale .* Got inf\."),
    (LayerScale, {"initial": float("nan")}, r"'initial' of LayerScale .* Got nan\."),
    (Resize, {"size": 0}, r"'size' of Resize must be an integer >= 1"),
    (Rescale, {"mean": "0", "std": 1}, r"'mean' of Rescale must be a finite float or a .* Got '0'"),
    (Rescale, {"mean": 0, "std": (1, 0)}, r"'std' of Rescale must be a finite float above 0 or .*"),
    (Rescale, {"mean": float("nan"), "std": 1}, r"'mean' of Rescale must be a finite float"),
    (Rescale, {"mean": (), "std": 1}, r"'mean' of Rescale must be .* Got \(\)\."),
    (PadChannels, {"channels": 0}, r"'channels' of PadChannels must be an integer >= 1\. Got 0"),
    (SqueezeExcitation, {"units": 0}, r"'units' of SqueezeExcitation must be an integer >= 1"),
    (
        SqueezeExcitation,
        {"units": 1, "inner_activation": "rellu"},
        r"'inner_activation' of SqueezeExcitation must be .* Did you mean 'relu'\?$",
    ),
    (Normalize, {"epsilon": 0}, r"'epsilon' of Normalize must be a float above 0\. Got 0\."),
    (Normalize, {"epsilon": "1"}, r"'epsilon' of Normalize .* Got '1'\."),
    (Normalize, {"epsilon": float("inf")}, r"'epsilon' of Normalize .* Got inf\."),
    (
        Conv,
        {"filters": 4, "padding": "sam"},
        r"'padding' of Conv must be one of \['same', 'valid'\]\. Got 'sam'\. "
        r"Did you mean 'same'\?$",
    ),
    (Conv, {"filters": 4, "padding": "half"}, r"Got 'half'\.$"),
    (
        Conv,
        {"filters": 4, "padding_mode": "miror"},
        r"'padding_mode' of Conv must be one of \['edge', 'mirror', 'wrap', 'zeros'\]\. "
        r"Got 'miror'\. Did you mean 'mirror'\?$",
    ),
    (Conv, {"filters": 4, "padding_mode": 0}, r"'padding_mode' of Conv .* Got 0\.$"),
    (
        Conv,
        {"filters": 4, "activation": "rellu"},
        r"'activation' of Conv must be one of \['elu', .*'tanh'\]\. Got 'rellu'\. "
        r"Did you mean 'relu'\?$",
    ),
    (Conv, {"filters": 4, "activation": "Tanh"}, r"Got 'Tanh'\. Did you mean 'tanh'\?$"),
    (Conv, {"filters": 4, "activation": ["relu"]}, r"'activation' of Conv .* Got \['relu'\]\.$"),
    (Pool, {"size": 0}, rf"'size' of Pool must be an integer >= 1 {AN_INTEGER_OR_TUPLE}"),
    (Pool, {"size": (2, 1.5)}, r"'size' of Pool .* Got \(2, 1\.5\)\."),
    (Pool, {"stride": 0}, rf"'stride' of Pool must be an integer >= 1 {AN_INTEGER_OR_TUPLE}"),
    (Pool, {"padding": -2}, r"'padding' of Pool must be an integer >= 0 .* Got -2\."),
    (Pool, {"padding": "vaild"}, r"'padding' of Pool .* Did you mean 'valid'\?$"),
    (
        Pool,
        {"kind": "avarage"},
        r"'kind' of Pool must be one of \['average', 'max'\]\. Got 'avarage'\. "
        r"Did you mean 'average'\?$",
    ),
    (Pool, {"kind": None}, r"'kind' of Pool must be one of .* Got None\.$"),
    (
        GlobalPool,
        {"kind": "maxx"},
        r"'kind' of GlobalPool must be one of .* Did you mean 'max'\?$",
    ),
    (Dense, {"units": 0}, r"'units' of Dense must be an integer >= 1\. Got 0\."),
    (Dense, {"units": 1.5}, r"'units' of Dense must be an integer >= 1\. Got 1\.5\."),
    (Dense, {"units": 4, "activation": "sofmax"}, r"'activation' of Dense .* Got 'sofmax'\.$"),
    (Dense, {"units": 4, "activation": "sigmiod"}, r"Did you mean 'sigmoid'\?$"),
    (Dropout, {"rate": 1}, r"'rate' of Dropout must be a float in \[0, 1\)\. Got 1\."),
    (Dropout, {"rate": -0.1}, r"'rate' of Dropout must be a float in \[0, 1\)\. Got -0\.1\."),
    (Dropout, {"rate": float("nan")}, r"'rate' of Dropout .* Got nan\."),
    (Dropout, {"rate": "0.5"}, r"'rate' of Dropout .* Got '0\.5'\."),
    (Dropout, {"rate": False}, r"'rate' of Dropout .* Got False\."),
    (Dropout, {"rate": None}, r"'rate' of Dropout .* Got None\."),
    (Normalize, {"momentum": 0}, r"'momentum' of Normalize must be a float in \(0, 1\]\. Got 0\."),
    (Normalize, {"momentum": 1.5}, r"'momentum' of Normalize .* Got 1\.5\."),
    (Normalize, {"momentum": True}, r"'momentum' of Normalize .* Got True\."),
    (Normalize, {"momentum": "0.1"}, r"'momentum' of Normalize .* Got '0\.1'\."),
    (
        Normalize,
        {"kind": "bath"},
        r"'kind' of Normalize must be one of \['batch', 'group', 'layer'\]\. Got 'bath'\. "
        r"Did you mean 'batch'\?$",
    ),
    (Normalize, {"groups": 0}, r"'groups' of Normalize must be an integer >= 1\. Got 0\."),
    (
        Activation,
        {"kind": "leakyrelu"},
        r"'kind' of Activation must be one of .* Did you mean 'leaky_relu'\?$",
    ),
    (Activation, {"kind": None}, r"'kind' of Activation .* Got None\.$"),
]
# specification, input shape, message
BAD_INPUTS = [
    (ToRGB(), (2, 4, 4), r"ToRGB\(\) takes 1, 3 or 4 channels: .* Got 2\."),
    (ToRGB(), (3,), r"ToRGB\(\) needs an input with spatial axes"),
    (Resize(4), (2, 9), r"Resize\(4\) is for images, .* Got \(2, 9\)\."),
    (Resize((4, 5, 6)), (2, 9, 9), "size"),
    (Rescale((0, 1), 1), (3, 9), r"mean has 2 numbers, but the input 3 channels"),
    (Rescale(0, (1, 1)), (3, 9), r"std has 2 numbers, but the input 3 channels"),
    (
        Conv(4),
        (10,),
        r"^Conv\(4, 3\) needs an input with spatial axes, \(n_channels, \*spatial\)\. "
        r"Got \(10,\): put it before Flatten, GlobalPool and Dense\.$",
    ),
    (Pool(2), (10,), r"^Pool\(2\) needs an input with spatial axes"),
    (GlobalPool(), (10,), r"^GlobalPool\(\) needs an input with spatial axes"),
    (
        Dense(4),
        (3, 8, 8),
        r"^Dense\(4\) needs a flat input\. Got \(3, 8, 8\): put Flatten or GlobalPool before it\.$",
    ),
    (
        Conv(4, groups=3),
        (6, 8, 8),
        r"^Conv\(4, 3, groups=3\): groups \(=3\) must divide the input channels \(=6\) and "
        r"filters \(=4\)\.$",
    ),
    (Conv(6, groups=3), (4, 8, 8), r"groups \(=3\) must divide the input channels \(=4\)"),
    (
        Normalize(kind="group", groups=3),
        (8, 4, 4),
        r"^Normalize\(kind='group', groups=3\): groups \(=3\) must divide the channels \(=8\)\.$",
    ),
    (
        Normalize(kind="layer"),
        (1, 4, 4),
        r"^Normalize\(kind='layer'\): a position of an input of \(1, 4, 4\) has a single channel, "
        r"which normalisation turns into zero\. Use kind='batch'\.$",
    ),
    (
        PadChannels(4),
        (6, 8, 8),
        r"^PadChannels\(4\) adds channels: channels \(=4\) must be at least those of the input "
        r"\(=6\)\.$",
    ),
    (SqueezeExcitation(2), (10,), r"^SqueezeExcitation\(2\) needs an input with spatial axes"),
    (AdaptivePool(2), (10,), r"^AdaptivePool\(2\) needs an input with spatial axes"),
    (AdaptivePool((2, 2)), (1, 9), r"^size must be .* the 1 spatial axes"),
    (Conv(4, padding=((0, 1),)), (1, 9, 9), r"^padding must be .* the 2 spatial axes"),
    (
        Conv(4, 5, padding="valid"),
        (1, 4, 9),
        r"^Conv\(4, 5, padding='valid'\) does not fit its input of spatial size \(4, 9\): "
        r"window \(5, 5\), stride \(1, 1\), padding \(0, 0\) \(both sides together\)\. "
        r"A window of at most \(4, 9\) would fit, or an input of at least \(5, 5\)\.$",
    ),
    (
        Conv(4, 5, padding=1, dilation=2, stride=(1, 2)),
        (1, 4, 6),
        r"window \(5, 5\), stride \(1, 2\), padding \(2, 2\) .* "
        r"at most \(3, 4\) would fit, or an input of at least \(7, 7\)\.$",
    ),
    (
        Pool(3),
        (1, 2),
        r"^Pool\(3\) does not fit its input of spatial size \(2,\): window \(3,\), "
        r"stride \(3,\), padding \(0,\) .* at most \(2,\) would fit, or an input of at "
        r"least \(3,\)\.$",
    ),
    (
        Pool(2, padding=2),
        (1, 8, 8),
        r"^Pool\(2, padding=2\): the padding must be smaller than the window \(2, 2\), or a "
        r"window would see padding only\.$",
    ),
    (
        Conv(4, 5, padding_mode="mirror"),
        (1, 8, 2),
        r"^Conv\(4, 5, padding_mode='mirror'\): padding_mode='mirror' repeats at most one "
        r"value less than the input has\. Got padding \(2, 2\) for spatial size \(8, 2\): use "
        r"a smaller kernel_size or padding_mode='zeros'\.$",
    ),
    (Conv(4, padding_mode="mirror"), (1, 1), r"Got padding \(1,\) for spatial size \(1,\)"),
    (Conv(4, (3, 3)), (1, 9), r"^kernel_size must be .* the 1 spatial axes .* Got \(3, 3\)"),
    (Conv(4, stride=(1,)), (1, 9, 9), r"^stride must be .* the 2 spatial axes .* Got \(1,\)"),
    (Conv(4, dilation=(1,)), (1, 9, 9), r"^dilation must be .* the 2 spatial axes"),
    (Conv(4, padding=(1,)), (1, 9, 9), r"^padding must be .* the 2 spatial axes"),
    (Pool((2, 2)), (1, 9, 9, 9), r"^size must be .* the 3 spatial axes"),
    (Pool(2, stride=(2,)), (1, 9, 9), r"^stride must be .* the 2 spatial axes"),
]


@pytest.mark.parametrize(
    ("spec", "shape", "output_shape", "n_parameters", "macs"), SHAPES_AND_COUNTS
)
def test_layer_shapes_and_counts_are_exact(spec, shape, output_shape, n_parameters, macs):
    assert spec.output_shape(shape) == output_shape
    assert spec.n_parameters(shape) == n_parameters
    assert spec.n_multiply_accumulates(shape) == macs


@pytest.mark.parametrize(("spec", "shape", "kernel"), KERNELS)
def test_layer_kernel_is_the_window_or_none(spec, shape, kernel):
    assert spec.kernel(shape) == kernel


@pytest.mark.parametrize(("spec", "text"), REPRS)
def test_repr_shows_positional_fields_and_non_defaults(spec, text):
    assert repr(spec) == text


@pytest.mark.parametrize("spec", SPECS, ids=repr)
def test_repr_evaluates_to_an_equal_layer(spec):
    assert eval(repr(spec), vars(layers)) == spec


@pytest.mark.parametrize("spec", SPECS, ids=repr)
@pytest.mark.parametrize(
    "copied", [lambda s: pickle.loads(pickle.dumps(s)), copy.copy, copy.deepcopy]
)
def test_copies_are_equal_and_hash_alike(spec, copied):
    other = copied(spec)
    assert type(other) is type(spec)
    assert other == spec
    assert hash(other) == hash(spec)


def test_different_layers_differ():
    assert len(set(SPECS)) == len(SPECS)
    assert Conv(8) != Dense(8)
    assert Conv(8, 3) == Conv(8) == Conv(filters=8, kernel_size=3)


@pytest.mark.parametrize("spec", SPECS, ids=repr)
def test_layers_are_frozen(spec):
    with pytest.raises(FrozenInstanceError):
        spec.filters = 7
    with pytest.raises(FrozenInstanceError):
        del spec.layers


@pytest.mark.parametrize("container", [list, tuple])
def test_layers_inside_an_estimator_are_cloned(container):
    estimator = ConvNetClassifier(architecture=container(SPECS))
    architecture = clone(estimator).get_params()["architecture"]
    assert type(architecture) is container
    assert architecture == estimator.architecture


@pytest.mark.parametrize("spec", SPECS, ids=repr)
def test_layers_are_specs(spec):
    assert isinstance(spec, LayerSpec)
    assert type(spec).__name__ in layers.__all__


@pytest.mark.parametrize(("cls", "arguments", "name"), LISTS)
def test_lists_become_tuples(cls, arguments, name):
    spec = cls(**arguments)
    assert getattr(spec, name) == tuple(arguments[name])
    assert type(getattr(spec, name)) is tuple
    hash(spec)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda n: Conv(n(32), n(3), stride=n(2), padding=n(1), dilation=n(1)), (64, 8, 8)),
        (lambda n: Conv(n(32), (n(3), n(1)), groups=n(2)), (64, 8, 8)),
        (lambda n: Pool(n(2), stride=n(1)), (64, 8, 8)),
        (lambda n: Pool((n(2), n(3))), (64, 8, 8)),
        (lambda n: Dense(n(32)), (640,)),
        (lambda n: Normalize(kind="group", groups=n(4)), (64, 8, 8)),
    ],
)
def test_numpy_integers_are_accepted(make, shape, dtype):
    spec, plain = make(dtype), make(int)
    assert spec == plain
    assert hash(spec) == hash(plain)
    assert spec.output_shape(shape) == plain.output_shape(shape)
    assert spec.n_parameters(shape) == plain.n_parameters(shape)
    assert spec.n_multiply_accumulates(shape) == plain.n_multiply_accumulates(shape)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (Conv(np.int64(32), np.int64(3)), "Conv(32, 3)"),
        (Pool((np.int64(2), np.int64(3))), "Pool((2, 3))"),
        (Dense(np.int64(10)), "Dense(10)"),
    ],
)
def test_numpy_integers_are_shown_as_plain_ones(spec, text):
    assert repr(spec) == text


@pytest.mark.parametrize(("cls", "arguments", "message"), BAD_ARGUMENTS)
def test_bad_argument_raises_an_architecture_error(cls, arguments, message):
    with pytest.raises(ArchitectureError, match=message):
        cls(**arguments)


@pytest.mark.parametrize(("spec", "shape", "message"), BAD_INPUTS)
def test_layer_that_does_not_fit_says_why(spec, shape, message):
    with pytest.raises(ArchitectureError, match=message):
        spec.output_shape(shape)


@pytest.mark.parametrize(
    ("make", "window", "size"),
    [
        (lambda k: Conv(2, k, padding="valid"), 4, 3),
        (lambda k: Conv(2, k, padding=1, stride=2), 5, 2),
        (lambda k: Conv(2, k, padding="valid", dilation=2), 3, 4),
        (lambda k: Conv(2, k, padding=2, dilation=3), 4, 3),
        (lambda k: Pool(k, stride=2), 5, 3),
        (lambda k: Pool(k, padding=1), 5, 2),
    ],
)
def test_layer_error_suggests_the_largest_window_and_the_smallest_input(make, window, size):
    with pytest.raises(ArchitectureError, match="does not fit") as caught:
        make(window).output_shape((1, size))
    found = re.search(r"at most \((\d+),\) would fit, .* at least \((\d+),\)", str(caught.value))
    largest, least = map(int, found.groups())
    assert make(largest).output_shape((1, size))[1] >= 1
    assert make(window).output_shape((1, least))[1] == 1
    for spec, length in [(make(largest + 1), size), (make(window), least - 1)]:
        with pytest.raises(ArchitectureError, match="does not fit"):
            spec.output_shape((1, length))


def test_architecture_error_is_a_value_error():
    with pytest.raises(ValueError, match="'units' of Dense"):
        Dense(0)


@pytest.mark.parametrize(
    ("cls", "name", "size"),
    [(Conv, "bias", 8), (Dense, "bias", 8), (Dropout, "channels", 0.5), (Pool, "count_padding", 2)],
)
def test_flags_must_be_bools(cls, name, size):
    with pytest.raises(ArchitectureError, match=f"'{name}' of {cls.__name__} must be True or Fal"):
        cls(size, **{name: "no"})
