"""Pools: over sliding windows, and over whole feature maps."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from skcnn.exceptions import ArchitectureError
from skcnn.layers._base import LayerSpec, Shape, check_spatial, with_height
from skcnn.layers._fields import check_choice, check_flag, check_integers
from skcnn.layers._on_cuda.pools import AvgPool3d, MaxPool3d
from skcnn.layers._padding import Pad, check_padding
from skcnn.layers._pair_pooling import MaxPoolByPairs, pools_by_pairs
from skcnn.layers._shapes import Window, per_axis, resolve_padding
from skcnn.layers._steps import (
    Step,
    StepOf,
    channel_by_channel,
    joint_step,
    own_forward,
    prediction_step,
)

POOLINGS = ("max", "average")
# Maxima by rows and then by columns take several calls. They are faster than torch's pool for
# at least FEWEST_POOLED values with sides of at least LEAST_SIDE * (window - 1).
FEWEST_POOLED, LEAST_SIDE = 2**16, 14


class PaddedAveragePool(nn.Module):
    """Average over the values of a window that are not padding."""

    def __init__(self, pad: Pad, pool: nn.Module) -> None:
        super().__init__()
        self.pad = pad
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        """Return the averages."""
        share = self.pool(self.pad(torch.ones_like(x[:1, :1])))
        return self.pool(self.pad(x)) / share


class GlobalPooling(nn.Module):
    """Average or maximum over all spatial axes."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def extra_repr(self) -> str:
        """Return the kind."""
        return repr(self.kind)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n_samples, n_channels)."""
        axes = tuple(range(2, x.dim()))
        return x.mean(axes) if self.kind == "average" else x.amax(axes)


@dataclass(frozen=True, repr=False)
class Pool(LayerSpec):
    """Maximum or average over a sliding window.

    Parameters
    ----------
    size : int or tuple of int, default=2
        Window length, for all axes or one for each.
    kind : {"max", "average"}, default="max"
        What is taken of each window.
    stride : int, tuple of int or None, default=None
        Distance between window positions; None means `size`.
    padding : {"same", "valid"}, int or tuple, default="valid"
        Values added on each side: one number for all axes, one for each, or a pair (before,
        after) for each.
    count_padding : bool, default=False
        Whether padded values count as zeros in an average. They never count in a maximum.

    Examples
    --------
    >>> from skcnn.layers import Pool
    >>> Pool(2).output_shape((32, 15, 15))
    (32, 7, 7)
    """

    size: int | tuple[int, ...] = field(default=2)
    kind: str = field(default="max", kw_only=True)
    stride: int | tuple[int, ...] | None = field(default=None, kw_only=True)
    padding: str | int | tuple[Any, ...] = field(default="valid", kw_only=True)
    count_padding: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        check_flag(self, "count_padding")
        check_integers(self, "size", 1)
        check_choice(self, "kind", POOLINGS)
        if self.stride is not None:
            check_integers(self, "stride", 1)
        check_padding(self)

    def window(self, n_axes: int) -> Window:
        """Return the window resolved for `n_axes` spatial axes."""
        size = per_axis(self.size, n_axes, "size")
        stride = size if self.stride is None else per_axis(self.stride, n_axes, "stride")
        ones = (1,) * n_axes
        return Window(size, stride, resolve_padding(self.padding, size, ones), ones)

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(n_channels, *spatial)``."""
        check_spatial(self, shape)
        window = self.window(len(shape) - 1)
        if any(max(p) >= k for p, k in zip(window.padding, window.size, strict=True)):
            raise ArchitectureError(
                f"{self!r}: the padding must be smaller than the window {window.size}, "
                "or a window would see padding only."
            )
        return (shape[0], *window.slide(self, shape[1:]))

    def output_length(self, length: int, shape: Shape) -> int:
        """Return the number of windows, one for a signal that is shorter than the window."""
        if length < 1:
            return length
        return max(self.window(len(shape) - 1).slide_along_last(length), 1)

    def kernel(self, shape: Shape) -> Shape:
        """Return the window's size along each axis."""
        return self.window(len(shape) - 1).size

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the pool; padded values are minus infinity or left out of the average."""
        window = self.window(len(shape) - 1)
        size, stride = (
            with_height(window.size, is_signal, 1),
            with_height(window.stride, is_signal, 1),
        )
        padding = with_height(window.padding, is_signal, (0, 0))
        padded = any(map(any, padding))
        three = len(padding) == 3
        if self.kind == "max":
            if not padded and pools_by_pairs(size, stride):
                return MaxPoolByPairs(size, stride)
            pool: nn.Module = (MaxPool3d if three else nn.MaxPool2d)(size, stride)
            pad = Pad(padding, "constant", float("-inf"))
            return nn.Sequential(pad, pool) if padded else pool
        pool = (AvgPool3d if three else nn.AvgPool2d)(size, stride)
        if not padded:
            return pool
        pad = Pad(padding, "constant")
        return nn.Sequential(pad, pool) if self.count_padding else PaddedAveragePool(pad, pool)


@dataclass(frozen=True, repr=False)
class GlobalPool(LayerSpec):
    """Average or maximum of each feature map, giving one value a channel.

    Parameters
    ----------
    kind : {"average", "max"}, default="average"
        What is taken of each map.

    Examples
    --------
    >>> from skcnn.layers import GlobalPool
    >>> GlobalPool().output_shape((64, 7, 7))
    (64,)
    """

    kind: str = field(default="average", kw_only=True)
    flattens = True
    keeps_length = True

    def __post_init__(self) -> None:
        check_choice(self, "kind", POOLINGS)

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(n_channels,)``."""
        check_spatial(self, shape)
        return (shape[0],)

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the reduction over the spatial axes."""
        return GlobalPooling(self.kind)


@prediction_step(nn.MaxPool2d, MaxPoolByPairs)
def _predict_maxima(pool: nn.MaxPool2d, step_of: StepOf) -> Step:
    return partial(_max_pool, pool)


def _max_pool(pool: nn.MaxPool2d, x: Tensor) -> Tensor:
    """Return the largest value of each window, in large maps by rows and then by columns."""
    if not _pools_by_axes(pool, x):
        return pool.forward(x)
    maps = x.permute(0, 2, 3, 1)  # (n_samples, height, width, n_channels) in memory
    for axis, side, stride in zip((1, 2), _pair(pool.kernel_size), _pair(pool.stride), strict=True):
        length = maps.shape[axis] - side + 1  # where windows can begin
        parts = [maps.narrow(axis, i, length) for i in range(side)]
        if stride > 1:
            every = (*(slice(None),) * axis, slice(None, None, stride))
            parts = [part[every] for part in parts]
        maps = parts[0]
        for i, part in enumerate(parts[1:]):
            maps = torch.maximum(maps, part, out=None if i == 0 else maps)
    return maps.permute(0, 3, 1, 2)


def _pools_by_axes(pool: nn.MaxPool2d, x: Tensor) -> bool:
    sides, strides = _pair(pool.kernel_size), _pair(pool.stride)
    return (
        len(sides) == len(strides) == 2
        and _pair(pool.padding) == (0, 0)
        and _pair(pool.dilation) == (1, 1)
        and not pool.ceil_mode
        and sides != (1, 1)
        and x.numel() >= FEWEST_POOLED
        and x.is_contiguous(memory_format=torch.channels_last)
        and all(
            n >= LEAST_SIDE * (side - 1) and stride <= side
            for n, side, stride in zip(x.shape[2:], sides, strides, strict=True)
        )
    )


def _pair(setting: Any) -> tuple[int, ...]:
    """Return a setting of a pool for both axes, () for forms that torch reads differently."""
    if isinstance(setting, int):
        return setting, setting
    return tuple(setting) if setting is not None and len(setting) == 2 else ()


_OTHERS = (MaxPool3d, nn.AvgPool2d, AvgPool3d, PaddedAveragePool, GlobalPooling)
prediction_step(*_OTHERS)(own_forward)
joint_step(nn.MaxPool2d, MaxPoolByPairs, *_OTHERS)(channel_by_channel)
