"""Validated samples from arrays, and an estimator that only validates."""

import numpy as np
import torch
from sklearn.base import BaseEstimator

from skcnn._data.images import Images
from skcnn._data.layouts import InputLayout
from skcnn._data.samples import SampleSet
from skcnn._data.validation import check_images, check_training_images


def as_images(rows, shape=None, channels="last"):
    rows = np.ascontiguousarray(rows)
    return Images(torch.from_numpy(rows), InputLayout(shape or (rows.shape[1], 1), channels))


def as_samples(targets, weights=None, rows=None):
    n = len(targets)
    rows = np.arange(n, dtype=np.float32)[:, None] if rows is None else rows
    return SampleSet(as_images(rows), np.arange(n), np.asarray(targets), weights)


class Reader(BaseEstimator):
    """An estimator that only validates `X`."""

    def __init__(self, input_shape=None, n_spatial_dims=None, channels="last"):
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels

    def fit(self, X):
        self.images_ = check_training_images(self, X)
        return self

    def read(self, X, **how):
        return check_images(self, X, **how)


def fractions(*shape, n=6):
    """Return `n` samples of a shape, the same in every call."""
    return np.random.default_rng(0).random((n, *shape))
