"""Samples of all shapes, and one draw of them, for the tests of what changes values."""

import numpy as np
import pytest

SHAPES = {
    "signal": ((12,), {}),
    "two channels": ((12, 2), {"n_spatial_dims": 1}),
    "grey": ((6, 8), {}),
    "colour": ((6, 8, 3), {}),
    "channels first": ((4, 6, 9), {"channels": "first"}),
    "one pixel": ((1, 1, 1), {}),
    "volume": ((4, 5, 6, 2), {}),
}
EACH_SHAPE = pytest.mark.parametrize(("shape", "reading"), SHAPES.values(), ids=SHAPES)


def drawn(augmentation, X):
    """Return one draw and its parameters."""
    params = augmentation.draw(X)
    return augmentation.apply(X, params), params


def as_column(values, X):
    return np.reshape(values, (-1, *[1] * (X.ndim - 1)))


def channels_of(sample, reading):
    """Return a sample's channels as arrays with spatial axes only."""
    if reading.get("channels") == "first":
        return list(sample)
    if sample.ndim >= 3 or "n_spatial_dims" in reading:
        return list(np.moveaxis(sample, -1, 0))
    return [sample]
