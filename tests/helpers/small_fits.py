"""Small data, networks and callbacks for tests of training."""

import numpy as np
from sklearn.datasets import load_digits
from skorch.callbacks import Callback

from skcnn import ConvNetClassifier
from tests.helpers.device import DEVICE

N = 40


def data(*shape, n=N):
    """Return samples, images of 6x6 by default, and whether the mean of each is above a half."""
    X = np.random.default_rng(0).random((n, *(shape or (6, 6))))
    return X, (X.reshape(n, -1).mean(1) > 0.5).astype(int)


def tiny(cls=ConvNetClassifier, **params):
    """Return an unfitted network of one convolution and one dense layer."""
    defaults = {
        "filters": (4,), "hidden_units": (8,), "max_epochs": 3, "batch_size": 16,
        "random_state": 0, "device": DEVICE, "n_threads": 1,
    }  # fmt: skip
    return cls(**{**defaults, **params})


def digits():
    """Return 300 images of digits and their labels."""
    X, y = load_digits(return_X_y=True)
    return X[:300].reshape(-1, 8, 8), y[:300]


def digit_net(cls=ConvNetClassifier, **params):
    """Return an unfitted network that learns some digits in four epochs."""
    defaults = {"filters": (8,), "hidden_units": (), "max_epochs": 4, "random_state": 0}
    return cls(**{**defaults, **params})


def matrices(model):
    return [p for p in model.net_.module_.parameters() if p.dim() > 1]


class WatchBatches(Callback):
    """A skorch callback with a batch-level hook, which brings the stock loop."""

    def __init__(self):
        self.sizes = []

    def on_batch_end(self, net, batch=None, **kwargs):
        self.sizes.append(len(batch[0]))


class WatchEpochs(Callback):
    """A skorch callback that records its calls and the figures of each epoch."""

    def __init__(self):
        self.calls = []
        self.rows = []

    def on_train_begin(self, net, **kwargs):
        self.calls.append("train begin")

    def on_epoch_begin(self, net, **kwargs):
        self.calls.append("epoch begin")

    def on_epoch_end(self, net, **kwargs):
        self.calls.append("epoch end")
        self.rows.append(dict(net.history[-1]))

    def on_train_end(self, net, **kwargs):
        self.calls.append("train end")
