"""Fitted networks to inspect, and a comparison of their state before and after."""

import copy

import numpy as np
import torch
from torch import nn

from skcnn import ConvNetClassifier
from skcnn.layers import Concatenate, Conv, Flatten, GlobalPool, Pool, Residual

LABELS = np.arange(40) % 3


def fitted(shape, cls=ConvNetClassifier, y=LABELS, **params):
    """Return samples of a shape and a network that was fitted on them."""
    X = np.random.default_rng(1).normal(size=(40, *shape))
    defaults = {"filters": (3, 4), "hidden_units": (5,), "max_epochs": 2, "random_state": 0}
    return X, cls(**{**defaults, **params}).fit(X, y)


# name, shape of a sample, parameters, (n_filters, n_channels, *kernel) of the first convolution
NETS = {
    "grey": ((9, 8), {}, (3, 1, 3, 3)),
    "colour": ((9, 8, 3), {"kernel_size": (3, 5)}, (3, 3, 3, 5)),
    "channels first": ((3, 9, 8), {"input_shape": (3, 9, 8), "channels": "first"}, (3, 3, 3, 3)),
    "signal": ((12, 2), {"n_spatial_dims": 1, "kernel_size": 5}, (3, 2, 5)),
    "signal, first": (
        (2, 12),
        {"n_spatial_dims": 1, "channels": "first", "kernel_size": 5},
        (3, 2, 5),
    ),
    "rows": ((12,), {}, (3, 1, 3)),
    "volume": ((4, 6, 5, 2), {"kernel_size": (1, 3, 3)}, (3, 2, 1, 3, 3)),
    "groups": ((8, 8, 4), {"architecture": [Conv(6, 3, groups=2), Flatten()]}, (6, 2, 3, 3)),
    "even kernel": ((8, 8), {"kernel_size": 4}, (3, 1, 4, 4)),
    "mirror": ((8, 8), {"padding_mode": "mirror", "activation": "tanh"}, (3, 1, 3, 3)),
    "no normalisation": ((8, 8), {"normalization": None, "activation": "sigmoid"}, (3, 1, 3, 3)),
    "average": ((8, 8), {"pooling": "average", "activation": "gelu"}, (3, 1, 3, 3)),
}
BLOCKS = [
    Conv(4, 3, padding_mode="mirror"),
    Residual([Conv(6, 2, activation="relu"), Conv(6)]),
    Concatenate([[Conv(3, 1)], [Pool(3, stride=1, padding="same"), Conv(5, 3)], []]),
    GlobalPool(),
]


def state_of(net):
    module = net.net_.module_
    return {
        "weights": copy.deepcopy(module.state_dict()),
        "modes": [part.training for part in module.modules()],
        "hooks": [len(part._forward_hooks) for part in module.modules()],
        "needs": [p.requires_grad for p in module.parameters()],
        "gradients": [None if p.grad is None else p.grad.clone() for p in module.parameters()],
        "attributes": sorted(vars(net)),
        "threads": torch.get_num_threads(),
    }


def assert_same_state(before, after):
    for name, value in before.items():
        if name in ("weights", "gradients"):
            pairs = zip(
                *(v.values() if name == "weights" else v for v in (value, after[name])),
                strict=True,
            )
            assert all(a is b is None or torch.equal(a, b) for a, b in pairs), name
        else:
            assert value == after[name], name


class Shared(nn.Module):
    """A module whose in-place activation runs twice, with a layer that never runs."""

    def __init__(self, shape, n_outputs):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(shape[0], 4, 3, padding=1, bias=False))
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.unused = nn.Conv2d(4, 4, 3)
        self.pair = Pair()
        self.table = Table()
        self.output = nn.Linear(4, n_outputs)

    def forward(self, x):
        x = self.relu(self.first(x))
        x = self.relu(self.second(x))
        return self.output(self.table(self.pair(x)[0])["maps"].mean((2, 3)))


class Pair(nn.Module):
    def forward(self, x):
        return 2 * x, None


class Table(nn.Module):
    def __init__(self):
        super().__init__()
        self.same = nn.Identity()

    def forward(self, x):
        return {"maps": self.same(x)}
