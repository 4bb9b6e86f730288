"""Fitted networks that are the architecture of others."""

from functools import cache

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from skcnn import ConvNetClassifier
from skcnn.layers import Conv, GlobalPool, Pool
from tests.helpers.device import on_cpu

STILL = {"learning_rate": 1e-30, "weight_decay": 0.0}  # trains without changing a weight


@cache
def digits(n=120):
    """Return images of the digits 0 to 4 and of 5 to 9, with their labels."""
    X, y = load_digits(return_X_y=True)
    X = X.reshape(-1, 8, 8)
    return (X[y < 5][:n], y[y < 5][:n]), (X[y >= 5][:n], y[y >= 5][:n])


def net(cls=ConvNetClassifier, **params):
    """Return an unfitted network without layers that change by themselves."""
    defaults = {
        "filters": (4,), "hidden_units": (6,), "normalization": None, "max_epochs": 2,
        "random_state": 0, "device": "cpu", "n_threads": 1,
    }  # fmt: skip
    return cls(**{**defaults, **params})


@cache
def base(**params):
    """Return a network fitted on the digits 0 to 4."""
    return net(**params).fit(*digits()[0])


@cache
def any_size():
    """Return a fitted network whose weights fit images of any size."""
    return net(architecture=(Conv(4), Pool(2), Conv(5), GlobalPool())).fit(*digits()[0])


class Module(nn.Module):
    """A user's module: a convolution, a pool over all, a linear head."""

    def __init__(self, n_channels, n_outputs):
        super().__init__()
        self.conv = nn.Conv2d(n_channels, 5, 3)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(5, n_outputs)

    def forward(self, x):
        return self.head(self.act(self.conv(x)).mean((2, 3)))


def module(shape, n_outputs):
    return Module(shape[0], n_outputs)


@cache
def module_base():
    """Return a fitted network of a user's module."""
    return net(architecture=module).fit(*digits()[0])


def state(model):
    """Return the weights of a fitted network as arrays."""
    return {k: v.cpu().numpy().copy() for k, v in model.net_.module_.state_dict().items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name, value in a.items():
        np.testing.assert_array_equal(value, b[name], err_msg=name)


def torch_features(model, X):
    """Return what the module of `any_size` gives its output layer, by torch's own forward pass."""
    layers = on_cpu(model.net_.module_)
    batch = torch.from_numpy(np.asarray(X, dtype=np.float32))[:, None]
    with torch.no_grad():
        x = layers.standardize(batch)
        for part in list(layers.layers)[:-1]:
            x = part(x)
    return x.numpy()
