"""Known kernels by name, and the sliding of several over images.

Knows no scikit-learn interface; that is ``_kernel_filter``.
"""

from collections import Counter
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import Any

import numpy as np
from sklearn.utils import gen_batches

from skcnn._data.images import InputLayout
from skcnn._data.validation import _nesting
from skcnn._utils.validation import did_you_mean
from skcnn.exceptions import InputShapeError
from skcnn.layers._shapes import Padding, per_axis, resolve_padding, window_output_size

# Sums of shifted slices, one thread, Sobel on 5,000 float32 images of 28x28: 6 ms, torch's
# depthwise conv2d 21 ms, scipy.ndimage 18 ms. torch's slices are up to twice as fast (half
# as fast for 8x8 images), but do not promise the same bits for a row in any company.
CHUNK_VALUES = 2**17  # stays in the cache; with 2**23 the same takes 10 ms
PAD_MODES: dict[str, Any] = {
    "zeros": "constant",
    "mirror": "reflect",
    "edge": "edge",
    "wrap": "wrap",
}

# Weights along every axis, multiplied.
SMOOTHING = {
    "blur": (1 / 4, 2 / 4, 1 / 4),
    "box_blur": (1 / 3, 1 / 3, 1 / 3),
    "gaussian": (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16),
}
# Weights along the edge, and the axis that (1, 0, -1) crosses it on.
EDGES = {
    "vertical_edges": ((1, 1, 1), -1),
    "horizontal_edges": ((1, 1, 1), -2),
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


def _outer(weights: Any) -> np.ndarray:
    return reduce(np.multiply.outer, [np.array(w, dtype=np.float64) for w in weights])


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


def _as_list(kernel: Any, n_axes: int) -> list[Any]:
    """Return the kernels one by one; the depth of nested numbers tells one from several."""
    if not isinstance(kernel, list | tuple):
        return [kernel]
    several = any(isinstance(k, str) or getattr(k, "ndim", 0) > 0 for k in kernel)
    return list(kernel) if several or _nesting(kernel) == n_axes + 1 else [kernel]


def _read_array(kernel: Any, n_axes: int) -> np.ndarray:
    try:
        array = np.asarray(kernel)
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
            + " A row is of shape (1, k), a column of shape (k, 1)."
            * (n_axes == 2)
        )
    return array.astype(np.float64)


def read_strides(stride: Any, n_axes: int) -> tuple[int, ...]:
    """Return one stride for each spatial axis."""
    strides = per_axis(stride, n_axes, "stride")
    if min(strides) < 1:
        raise ValueError(f"Every stride must be an integer >= 1. Got stride={stride!r}.")
    return strides


@dataclass(frozen=True)
class FilterBank:
    """Kernels, as they are cross-correlated, and the way they slide.

    Knows no layout: its images are (n_samples, n_channels, *spatial), its results
    (n_samples, n_results, *spatial).
    """

    kernels: tuple[np.ndarray, ...]
    strides: tuple[int, ...]
    padding: str
    padding_mode: str
    keep_original: bool
    flipped: bool = False

    def output_sizes(self, layout: InputLayout) -> tuple[int, ...]:
        """Return the spatial shape of the results for samples of this layout."""
        spatial = layout.spatial
        shapes = [k.shape for k in self.kernels]
        sizes = [self._slide(k, spatial) for k in self.kernels]
        for shape, size in zip(shapes, sizes, strict=True):
            if min(size) < 1:
                raise InputShapeError(
                    f"A kernel of shape {shape} is larger than the samples of X, which have "
                    f"the spatial shape {spatial} (n_features={layout.n_values}). Take a smaller "
                    "kernel or padding='same'."
                )
        if len(set(sizes)) > 1:
            raise ValueError(
                f"Kernels of shapes {shapes} with padding='valid' give results of different "
                f"spatial shapes {sizes}. Take kernels of one shape or padding='same'."
            )
        if self.keep_original and sizes[0] != spatial:
            raise ValueError(
                f"keep_original=True needs results of the samples' spatial shape {spatial}. "
                f"Got {sizes[0]}: take padding='same' and stride=1."
            )
        return sizes[0]

    def apply(self, images: np.ndarray, results: np.ndarray) -> None:
        """Fill `results`: the originals, if kept, then each kernel's."""
        n_channels = images.shape[1]
        if self.keep_original:
            results[:, :n_channels] = images
        for number, kernel in enumerate(self.kernels, start=self.keep_original):
            own = results[:, number * n_channels : (number + 1) * n_channels]
            most_values = prod(map(sum, zip(images.shape[2:], kernel.shape, strict=True)))
            step = max(CHUNK_VALUES // (n_channels * most_values), 1)  # padded, too
            for rows in gen_batches(len(images), step):
                own[rows] = self._correlate(images[rows].astype(results.dtype, copy=False), kernel)

    def _correlate(self, images: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        """Return the sum over the elements of `kernel` times the images shifted by them."""
        sizes = self._slide(kernel, images.shape[2:])
        widths = ((0, 0), (0, 0), *self._around(kernel))
        padded = np.pad(images, widths, PAD_MODES[self.padding_mode])
        total = np.zeros((*images.shape[:2], *sizes), images.dtype)
        product = np.empty_like(total)
        for element in np.argwhere(kernel):  # those that are not zero
            shifted: Any = [
                slice(first, first + (size - 1) * stride + 1, stride)
                for first, size, stride in zip(element, sizes, self.strides, strict=True)
            ]
            weight = float(kernel[tuple(element)])  # Python's, which leaves float32 as it is
            total += np.multiply(padded[..., *shifted], weight, out=product)
        return total

    def _around(self, kernel: np.ndarray) -> Padding:
        around = resolve_padding(self.padding, kernel.shape, (1,) * kernel.ndim)
        # the centre of an even kernel is flipped with it
        return tuple((after, before) for before, after in around) if self.flipped else around

    def _slide(self, kernel: np.ndarray, spatial: tuple[int, ...]) -> tuple[int, ...]:
        axes = zip(spatial, kernel.shape, self.strides, self._around(kernel), strict=True)
        return tuple(window_output_size(n, k, s, sum(pad)) for n, k, s, pad in axes)
