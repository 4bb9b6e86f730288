"""Fitted networks to look into, and what looking must leave as it was."""

import copy

import numpy as np
import torch
from torch import nn

from skcnn import ConvNetClassifier

LABELS = np.arange(40) % 3


def fitted(shape, cls=ConvNetClassifier, y=LABELS, **params):
    """Return samples of a shape and a network that saw them once or twice."""
    X = np.random.default_rng(1).normal(size=(40, *shape))
    defaults = {"filters": (3, 4), "hidden_units": (5,), "max_epochs": 2, "random_state": 0}
    return X, cls(**{**defaults, **params}).fit(X, y)


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
    for name, told in before.items():
        if name in ("weights", "gradients"):
            pairs = zip(
                *(v.values() if name == "weights" else v for v in (told, after[name])), strict=True
            )
            assert all(a is b is None or torch.equal(a, b) for a, b in pairs), name
        else:
            assert told == after[name], name


# Modules of a callable


class Shared(nn.Module):
    """In-place activation that runs twice, a layer of its own, one that never runs, a tuple."""

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
