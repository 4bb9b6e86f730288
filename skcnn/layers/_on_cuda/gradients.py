"""Gradients on CUDA that are summed in one order, where torch's kernels add in any order.

torch lists the operations whose backward pass on CUDA adds by several threads in the order in
which they come (``torch.use_deterministic_algorithms``). Here they are composed of slices,
comparisons, reductions and products, whose gradients are not in that list.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor

DEVICE_TYPE = "cuda"  # the only one whose kernels add in any order


def adds_in_any_order(x: Tensor) -> bool:
    """Return whether torch's gradient for `x` may have other bits in another run."""
    return x.requires_grad and x.device.type == DEVICE_TYPE


def padded(x: Tensor, widths: Sequence[int], mode: str) -> Tensor:
    """Return ``F.pad(x, widths, mode=mode)`` for the modes "reflect" and "replicate".

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_channels, *spatial)
    widths : sequence of int
        Numbers of values before and after the last axis, then the one before it, and so on.
    mode : {"reflect", "replicate"}
    """
    border = _reflected if mode == "reflect" else _repeated
    for number in range(len(widths) // 2):
        before, after = widths[2 * number : 2 * number + 2]
        axis = x.dim() - 1 - number
        parts = [border(x, axis, before, True), x, border(x, axis, after, False)]
        x = torch.cat([part for part in parts if part.shape[axis] > 0], axis)
    return x


def _reflected(x: Tensor, axis: int, width: int, is_before: bool) -> Tensor:
    start = 1 if is_before else x.shape[axis] - 1 - width
    return x.narrow(axis, start, width).flip(axis)


def _repeated(x: Tensor, axis: int, width: int, is_before: bool) -> Tensor:
    edge = x.narrow(axis, 0 if is_before else x.shape[axis] - 1, 1)
    return edge.expand(*x.shape[:axis], width, *x.shape[axis + 1 :])


def largest_of_windows(x: Tensor, size: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Return the max pool of `x`, (n_samples, n_channels, *spatial), without padding.

    Of several equal values the first one gets the gradient, as in torch's pools. NaNs are kept.
    """
    for axis in reversed(range(2, x.dim())):  # so that "first" has torch's meaning
        x = _first_largest(_places_in_windows(x, axis, size[axis - 2], stride[axis - 2]))
    return x


def mean_of_windows(x: Tensor, size: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Return the average pool of `x`, (n_samples, n_channels, *spatial), without padding."""
    total = x.float() if x.dtype.itemsize < 4 else x
    for axis in range(2, x.dim()):
        first, *others = _places_in_windows(total, axis, size[axis - 2], stride[axis - 2])
        total = sum(others, first)
    return (total / prod(size)).to(x.dtype)


def _places_in_windows(x: Tensor, axis: int, side: int, stride: int) -> list[Tensor]:
    """Return the first value of each window along an axis, the second of each, and so on."""
    n_windows = (x.shape[axis] - side) // stride + 1
    before = (slice(None),) * axis
    last = (n_windows - 1) * stride
    return [x[(*before, slice(i, i + last + 1, stride))] for i in range(side)]


def _first_largest(parts: Sequence[Tensor]) -> Tensor:
    largest = parts[0]
    for part in parts[1:]:
        largest = torch.where((part > largest) | part.isnan(), part, largest)
    return largest


def adaptive_mean(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return the averages of torch's adaptive pool to `sizes` windows along the spatial axes."""
    total = x.float() if x.dtype.itemsize < 4 else x
    return _adaptive(total, sizes, lambda part, axis: part.mean(axis)).to(x.dtype)


def adaptive_largest(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return the maxima of torch's adaptive pool to `sizes` windows along the spatial axes."""
    return _adaptive(x, sizes, lambda part, axis: part.max(axis).values)


def _adaptive(x: Tensor, sizes: Sequence[int], reduce: Callable[[Tensor, int], Tensor]) -> Tensor:
    for axis in reversed(range(2, x.dim())):
        n, k = x.shape[axis], sizes[axis - 2]
        bounds = [(i * n // k, -(-(i + 1) * n // k)) for i in range(k)]
        parts = [reduce(x.narrow(axis, start, stop - start), axis) for start, stop in bounds]
        x = torch.stack(parts, axis)
    return x


def resized(x: Tensor, size: Sequence[int], antialias: bool) -> Tensor:
    """Return images of another size by bilinear interpolation, as products with two matrices.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_channels, height, width)
    size : (int, int)
        Height and width of the result.
    antialias : bool
        Whether the triangle of weights is widened for a shorter axis.
    """
    down, across = (
        _interpolation_matrix(old, new, antialias, x.device)
        for old, new in zip(x.shape[2:], size, strict=True)
    )
    with torch.autocast(x.device.type, enabled=False):
        return (down @ (x.to(down.dtype) @ across.T)).to(x.dtype)


@lru_cache(16)
def _interpolation_matrix(old: int, new: int, antialias: bool, device: torch.device) -> Tensor:
    """Return the weights of `old` values in each of `new` values, (new, old)."""
    lines = torch.eye(old, dtype=torch.float64)[None, None]  # each a value of its own
    with torch.inference_mode(False):
        weights = F.interpolate(
            lines, (new, old), mode="bilinear", align_corners=False, antialias=antialias
        )
        return weights[0, 0].float().to(device)
