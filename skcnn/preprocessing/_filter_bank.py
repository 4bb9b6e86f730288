"""FilterBank: several kernels slid over images, as sums of shifted slices.

NumPy's sums give a sample the same bits in any batch, which torch's convolutions do not
promise.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from sklearn.utils import gen_batches

from skcnn._data.layouts import InputLayout
from skcnn.exceptions import InputShapeError
from skcnn.layers._shapes import Padding, per_axis, resolve_padding, window_output_size

CHUNK_VALUES = 2**17  # values filtered at a time, which stay in the cache
# NumPy's name of each mode
NUMPY_PAD_MODES: dict[str, Any] = {
    "zeros": "constant",
    "mirror": "reflect",
    "edge": "edge",
    "wrap": "wrap",
}


def read_strides(stride: Any, n_axes: int) -> tuple[int, ...]:
    """Return one stride for each spatial axis."""
    strides = per_axis(stride, n_axes, "stride")
    if min(strides) < 1:
        raise ValueError(f"Every stride must be an integer >= 1. Got stride={stride!r}.")
    return strides


@dataclass(frozen=True)
class FilterBank:
    """Kernels and how they slide over images.

    Images are (n_samples, n_channels, *spatial), results (n_samples, n_results, *spatial).

    Attributes
    ----------
    kernels : tuple of ndarray
        Kernels to cross-correlate with, flipped already for a convolution.
    strides : tuple of int
        Distance between positions, for each spatial axis.
    padding : {"valid", "same"}
        Values around the images.
    padding_mode : {"zeros", "mirror", "edge", "wrap"}
        What these values are.
    keep_original : bool
        Whether the images come before the results.
    flipped : bool
        Whether the kernels are flipped, and with them the centres of even ones.
    """

    kernels: tuple[np.ndarray, ...]
    strides: tuple[int, ...]
    padding: str
    padding_mode: str
    keep_original: bool
    flipped: bool

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
        """Write the results: the originals, if they are kept, then those of each kernel."""
        n_channels = images.shape[1]
        if self.keep_original:
            results[:, :n_channels] = images
        for number, kernel in enumerate(self.kernels, start=self.keep_original):
            own = results[:, number * n_channels : (number + 1) * n_channels]
            most_values = prod(map(sum, zip(images.shape[2:], kernel.shape, strict=True)))
            step = max(CHUNK_VALUES // (n_channels * most_values), 1)  # with padding
            for rows in gen_batches(len(images), step):
                own[rows] = self._correlate(images[rows].astype(results.dtype, copy=False), kernel)

    def _correlate(self, images: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        """Return the sum over the elements of `kernel` times the images shifted by them."""
        sizes = self._slide(kernel, images.shape[2:])
        widths = ((0, 0), (0, 0), *self._around(kernel))
        padded = np.pad(images, widths, NUMPY_PAD_MODES[self.padding_mode])
        total = np.zeros((*images.shape[:2], *sizes), images.dtype)
        product = np.empty_like(total)
        for element in np.argwhere(kernel):  # zero elements add nothing
            shifted: Any = [
                slice(first, first + (size - 1) * stride + 1, stride)
                for first, size, stride in zip(element, sizes, self.strides, strict=True)
            ]
            weight = float(kernel[tuple(element)])  # a Python float leaves float32 arrays float32
            total += np.multiply(padded[..., *shifted], weight, out=product)
        return total

    def _around(self, kernel: np.ndarray) -> Padding:
        around = resolve_padding(self.padding, kernel.shape, (1,) * kernel.ndim)
        return tuple((after, before) for before, after in around) if self.flipped else around

    def _slide(self, kernel: np.ndarray, spatial: tuple[int, ...]) -> tuple[int, ...]:
        axes = zip(spatial, kernel.shape, self.strides, self._around(kernel), strict=True)
        return tuple(window_output_size(n, k, s, sum(pad)) for n, k, s, pad in axes)
