"""Known kernels by name, and the reading of the parameter `kernel`."""

from collections import Counter
from functools import reduce
from typing import Any

import numpy as np

from skcnn._data.containers import as_array
from skcnn._utils.validation import did_you_mean
from skcnn.exceptions import InputShapeError

# Weights along every axis, multiplied.
SMOOTHING = {
    "blur": (1 / 4, 2 / 4, 1 / 4),
    "box_blur": (1 / 3, 1 / 3, 1 / 3),
    "gaussian": (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16),
}
# Weights along the edge, and the axis across it, on which the weights are (1, 0, -1).
EDGES = {
    "sobel_vertical": ((1, 2, 1), -1),
    "sobel_horizontal": ((1, 2, 1), -2),
    "scharr_vertical": ((3, 10, 3), -1),
    "scharr_horizontal": ((3, 10, 3), -2),
    "prewitt_vertical": ((1, 1, 1), -1),
    "prewitt_horizontal": ((1, 1, 1), -2),
}
# Multiples of the value itself and of the Laplacian.
CENTRED = {
    "identity": (1, 0),
    "brighten": (1.5, 0),
    "darken": (0.5, 0),
    "laplacian": (0, 1),
    "sharpen": (1, -1),
}
KERNELS = (*SMOOTHING, *EDGES, *CENTRED, "difference")


def _outer(weights: Any) -> np.ndarray:
    return reduce(np.multiply.outer, [np.array(w, dtype=np.float64) for w in weights])


def named_kernel(name: str, n_axes: int) -> np.ndarray:
    """Return the kernel of this name, float64 with `n_axes` axes."""
    if name not in KERNELS:
        raise ValueError(
            f"A name in the 'kernel' parameter must be one of {sorted(KERNELS)}. "
            f"Got {name!r}.{did_you_mean(name, KERNELS)}"
        )
    if name == "difference":
        return np.array([1.0, -1.0]).reshape((1,) * (n_axes - 1) + (2,))
    if name in SMOOTHING:
        return _outer([SMOOTHING[name]] * n_axes)
    if name in EDGES:
        along, across = EDGES[name]
        if n_axes < -across:
            raise InputShapeError(
                f"kernel={name!r} needs images or volumes. Got signals: for flat images set "
                "input_shape, such as (28, 28); for signals take "
                f"{name.replace('horizontal', 'vertical')!r}, which is (1, 0, -1)."
            )
        weights = [along] * n_axes
        weights[across] = (1, 0, -1)
        return _outer(weights)
    itself, laplacian = CENTRED[name]
    centre = [(0, 1, 0)] * n_axes
    second = [(*centre[:a], (1, -2, 1), *centre[a + 1 :]) for a in range(n_axes)]
    return itself * _outer(centre) + laplacian * np.sum([_outer(s) for s in second], axis=0)


def _as_list(kernel: Any, n_axes: int) -> list[Any]:
    """Return the kernels as a list; nested numbers one level deeper are several kernels."""
    if not isinstance(kernel, list | tuple):
        return [kernel]
    several = any(isinstance(k, str) or getattr(k, "ndim", 0) > 0 for k in kernel)
    return list(kernel) if several or _nesting_depth(kernel) == n_axes + 1 else [kernel]


def _nesting_depth(X: Any) -> int:
    """Return the nesting depth of lists, 0 for anything else."""
    depth = 0
    while isinstance(X, list | tuple) and len(X) > 0:
        X = X[0]
        depth += 1
    return depth + (getattr(X, "ndim", 0) if depth else 0)


def _read_array(kernel: Any, n_axes: int) -> np.ndarray:
    try:
        array = as_array(kernel, "kernel")
    except ValueError:  # a ragged list
        array = np.asarray(None)
    if array.dtype.kind not in "buif" or array.size == 0 or not np.isfinite(array).all():
        raise ValueError(
            "The 'kernel' parameter must be a name, an array of finite numbers or a list of "
            f"names and arrays. Got {kernel!r}."
        )
    if array.ndim != n_axes:
        raise InputShapeError(
            f"An array in the 'kernel' parameter must have {n_axes} axes, as many as the "
            f"samples of X have spatial axes. Got shape {array.shape}."
            + " A row has shape (1, k), a column (k, 1); signals need n_spatial_dims=1."
            * (n_axes == 2)
        )
    return array.astype(np.float64)


def read_kernels(kernel: Any, n_axes: int) -> dict[str, np.ndarray]:
    """Return the kernels as float64 arrays of `n_axes` axes, each under its own label."""
    listed = _as_list(kernel, n_axes)
    repeats = Counter(k for k in listed if isinstance(k, str))
    kernels = {}
    for place, one in enumerate(listed):
        if isinstance(one, str):
            label = one if repeats[one] == 1 else f"{one}{place}"
            kernels[label] = named_kernel(one, n_axes)
        else:
            kernels[f"kernel{place}"] = _read_array(one, n_axes)
    return kernels
