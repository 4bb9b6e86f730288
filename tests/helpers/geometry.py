"""Padding modes, shapes and naive motions, for the tests of what moves pixels."""

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

SCIPY_MODES = {
    "zeros": "grid-constant",
    "constant": "grid-constant",
    "mirror": "mirror",
    "edge": "nearest",
    "wrap": "grid-wrap",
}
NUMPY_MODES = {
    "zeros": "constant",
    "constant": "constant",
    "mirror": "reflect",
    "edge": "edge",
    "wrap": "wrap",
}
PADDINGS = [
    {"padding_mode": "zeros"},
    {"padding_mode": "constant", "fill_value": 1.5},
    {"padding_mode": "mirror"},
    {"padding_mode": "edge"},
    {"padding_mode": "wrap"},
]
EACH_PADDING = pytest.mark.parametrize("padding", PADDINGS, ids=lambda p: p["padding_mode"])
SIGNALS = [(9,), (12,)]  # shorter ones are not taken for signals of four channels
IMAGES = [(7, 7), (8, 8), (5, 9), (10, 4), (2, 2), (2, 3)]
VOLUMES = [(4, 5, 6), (3, 3, 3), (2, 3, 4)]
ANY_IMAGES = arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6)),
    elements=st.floats(-100, 100, width=32),
)


def normal_values(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def as_samples(spatial, n_channels, n=3):
    """Return channels-last samples and the parameters with which they are read."""
    return normal_values(n, *spatial, n_channels), {"n_spatial_dims": len(spatial)}


def one_channel(spatial):
    """Return the input_shape of grey samples, with which also flat ones are understood."""
    return spatial if len(spatial) == 1 else (*spatial, 1)


# What the parameters mean, in the coordinates of geometry: x to the right, y upwards.
# The maps carry content from where it was to where it goes.


def turned(degrees):
    a = np.deg2rad(degrees)
    return np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])


def leaning(degrees):
    return np.array([[1, np.tan(np.deg2rad(degrees))], [0, 1]])


ROW_COLUMN = np.array([[0, -1], [1, 0]])  # (x, y) to (row, column)


def in_rows_and_columns(linear):
    return ROW_COLUMN @ linear @ ROW_COLUMN.T


def moved_by_scipy(X, linear, shift, padding_mode="zeros", fill_value=0.0):
    """Return samples whose content is mapped by `linear` about the centre, then shifted.

    `linear` and `shift` are in pixels, axes in the order of the samples'; channels last.
    """
    spatial = np.array(X.shape[1:-1])
    centre = (spatial - 1) / 2
    back = np.linalg.inv(linear)
    offset = centre - back @ (centre + shift)
    mode = SCIPY_MODES[padding_mode]
    out = np.empty_like(X)
    for i, c in np.ndindex(len(X), X.shape[-1]):
        out[i, ..., c] = ndimage.affine_transform(
            X[i, ..., c], back, offset, order=1, mode=mode, cval=fill_value
        )
    return out


def rolled(image, pixels, padding_mode="zeros", fill_value=0.0):
    """Return an image shifted by whole pixels, padded where values come in from outside."""
    mode = NUMPY_MODES[padding_mode]
    values = {"constant_values": fill_value} if mode == "constant" else {}
    reach = [(abs(p), abs(p)) for p in pixels]
    padded = np.roll(np.pad(image, reach, mode, **values), pixels, range(len(pixels)))
    return padded[tuple(slice(r, r + s) for (r, _), s in zip(reach, image.shape, strict=True))]
