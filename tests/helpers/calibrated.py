"""Data on which small networks are too sure of themselves, and measures of probabilities."""

import numpy as np

from skcnn import ConvNetClassifier
from skcnn._convnet.calibrating import calibration
from skcnn._training.batches import BatchIterator
from tests.helpers.device import DEVICE


def noisy(n, seed=0):
    """Return 6x6 images of three classes that overlap, and their labels."""
    patterns = np.random.default_rng(99).normal(size=(3, 6, 6))
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    return patterns[y] + 2.5 * rng.normal(size=(n, 6, 6)), y


def net(**params):
    """Return an unfitted classifier that learns its noisy training samples by heart."""
    defaults = {
        "filters": (4,), "hidden_units": (16,), "dropout": 0.0, "max_epochs": 12,
        "learning_rate": 0.02, "batch_size": 16, "calibration": "temperature",
        "random_state": 0, "device": DEVICE, "n_threads": 1,
    }  # fmt: skip
    return ConvNetClassifier(**{**defaults, **params})


def log_loss_of(probabilities, y):
    return -np.log(probabilities[np.arange(len(y)), y]).mean()


def calibration_error(probabilities, y):
    """Return the expected calibration error in 15 bins of equal width."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == y
    bins = np.minimum((15 * confidence).astype(int), 14)
    gaps = [abs(confidence[bins == b].mean() - right[bins == b].mean()) for b in np.unique(bins)]
    return float(np.sum(gaps * np.bincount(bins)[np.unique(bins)]) / len(y))


def watch_parts(monkeypatch):
    """Return a list that gets the samples of each second network, and those held back from it."""
    parts = []
    split = calibration._split

    def watched(*args):
        parts.append(split(*args))
        return parts[-1]

    monkeypatch.setattr(calibration, "_split", watched)
    return parts


def watch_trainings(monkeypatch):
    """Return a list that gets the samples of each training."""
    trained = []
    init = BatchIterator.__init__

    def watched(self, samples, *args, **how):
        trained.append(samples)
        init(self, samples, *args, **how)

    monkeypatch.setattr(BatchIterator, "__init__", watched)
    return trained
