"""Small images whose classes a mirror swaps, or keeps."""

import numpy as np

_ARROW = np.zeros((5, 5))
_ARROW[2] = 1
_ARROW[[1, 3], 1] = _ARROW[[0, 4], 2] = 1
_RING = np.ones((5, 5))
_RING[1:4, 1:4] = 0
SHAPES = {
    "left": _ARROW,
    "right": _ARROW[:, ::-1],
    "up": _ARROW.T,
    "down": _ARROW.T[::-1],
    "ring": _RING,
    "cross": np.maximum(np.eye(5), np.eye(5)[::-1]),
}


def shapes(names, n=48, seed=0):
    """Return noisy 8x8 images of shapes at random places, and their names."""
    rng = np.random.default_rng(seed)
    y = np.array(names)[np.arange(n) % len(names)]
    X = rng.normal(scale=0.2, size=(n, 8, 8))
    for image, name in zip(X, y, strict=True):
        top, left = rng.integers(0, 4, 2)
        image[top : top + 5, left : left + 5] += SHAPES[name]
    return X, y
