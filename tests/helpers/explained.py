"""Networks whose saliency is tested, and their outputs and derivatives by other means."""

import copy

import numpy as np
import torch
from numpy.testing import assert_allclose
from torch import nn

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.layers import Activation, Conv, GlobalPool, Normalize, Residual
from tests.helpers.inspected import LABELS

METHODS = ["gradient", "integrated_gradients", "grad_cam", "occlusion"]


NUMBERS = 100.0 + 30.0 * LABELS


MANY = np.column_stack([LABELS == 0, LABELS != 1]).astype(int)


def two_layers(shape, n_outputs):
    return nn.Sequential(
        nn.Conv2d(shape[0], 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(4 * 36, n_outputs),
    )


# name, shape of a sample, class, targets, parameters, output to explain
EXPLAINED_NETS = {
    "grey": ((8, 7), ConvNetClassifier, LABELS, {}, None),
    "two classes": ((8, 7), ConvNetClassifier, LABELS % 2, {}, None),
    "a class": ((8, 7), ConvNetClassifier, LABELS, {}, 1),
    "classes": ((8, 7), ConvNetClassifier, LABELS, {}, (np.arange(40) // 4) % 3),
    "channels first": (
        (2, 8, 7),
        ConvNetClassifier,
        LABELS,
        {"input_shape": (2, 8, 7), "channels": "first", "activation": "tanh"},
        None,
    ),
    "colour": ((8, 7, 3), ConvNetClassifier, LABELS, {"normalization": None}, None),
    "groups": ((8, 7, 2), ConvNetClassifier, LABELS, {"normalization": "group"}, None),
    "signal": ((16, 2), ConvNetClassifier, LABELS, {"n_spatial_dims": 1}, None),
    "rows": ((16,), ConvNetClassifier, LABELS, {}, None),
    "volume": ((4, 6, 5, 2), ConvNetClassifier, LABELS, {"activation": "elu"}, None),
    "regressor": ((8, 7), ConvNetRegressor, NUMBERS, {}, None),
    "outputs": ((8, 7), ConvNetRegressor, np.column_stack([NUMBERS, -3 * NUMBERS]), {}, 1),
    "multilabel": ((8, 7), ConvNetClassifier, MANY, {}, 1),
    "callable": ((8, 8), ConvNetClassifier, LABELS, {"architecture": two_layers}, None),
    "residual": (
        (8, 7),
        ConvNetClassifier,
        LABELS,
        {"architecture": [Conv(3), Residual([Conv(3), Normalize()]), Activation(), GlobalPool()]},
        None,
    ),
}


def exact_outputs(net, X, target):
    """Return a function of samples like X to the target's output, in float64 throughout."""
    module = copy.deepcopy(net.net_.module_).double()
    scale, mean = getattr(net, "_target_scale", 1.0), getattr(net, "_target_mean", 0.0)

    def outputs(samples):
        images = samples.reshape(-1, *net.input_shape_)
        images = images if net.channels == "first" else np.moveaxis(images, -1, 1)
        with torch.no_grad():
            values = module(torch.from_numpy(np.ascontiguousarray(images))).numpy()
        return values * scale + mean

    if target is None:
        target = outputs(X).argmax(1)
    codes = np.broadcast_to(target, len(X))
    return lambda samples: outputs(samples)[np.arange(len(samples)), codes[: len(samples)]]


def central_differences(function, X, step=1e-6):
    """Return the derivative of each sample's value with respect to each of its own."""
    flat = X.reshape(len(X), -1)
    found = np.empty_like(flat)
    for i in range(flat.shape[1]):
        move = np.zeros(flat.shape[1])
        move[i] = step
        up, down = ((flat + sign * move).reshape(X.shape) for sign in (1, -1))
        found[:, i] = (function(up) - function(down)) / (2 * step)
    return found


CAPTUM_NETS = {
    "swapped pool": {},
    "pool after": {"activation": "gelu", "pooling": "average"},
    "own activation": {"normalization": None, "activation": "tanh"},
}


def channels_last(attributions):
    return np.moveaxis(attributions.detach().numpy(), 1, -1)


def assert_agree(found, expected):
    assert np.abs(expected).max() > 0
    assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())
