"""Max pooling by pairs, for training: the maximum of each pair of rows, then of columns.

torch's max pool writes the place of every maximum as a 64-bit integer, and its backward
pass fills the gradient with zeros before it adds to single values. Pairs need neither: one
comparison finds the larger of the two, and the gradient is written once. torch computes
bfloat16 by way of float32, so bits that are only moved are treated as 16-bit integers.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# For fewer values torch's single call is faster than several.
FEWEST_VALUES = 2**18
SIGN_PLACE = 15


class MaxPoolByPairs(nn.MaxPool2d):
    """Max pool whose window sides are 1, 2 or 4 and equal to the stride.

    Pairs are used in bfloat16, for large channels-last feature maps that need a gradient and
    whose sides the window divides. In other cases torch's own pool runs. One of several equal
    values gets the gradient, not always the one that torch chooses.

    Attributes
    ----------
    rectified : bool
        Whether a ReLU comes next. Windows without a value above zero may then give any value
        up to zero, and gradient to any place. A NaN beside a value above zero may get lost;
        a training that diverges is detected by its loss or its weights.
    """

    rectified = False

    def forward(self, x: Tensor) -> Tensor:
        """Return the largest value of each window."""
        if not self._by_pairs(x):
            return super().forward(x)
        maps = x.permute(0, 2, 3, 1)  # (n_samples, height, width, n_channels) in memory
        axes = tuple(
            axis
            for axis, side in enumerate(cast(tuple[int, int], self.kernel_size), 1)
            for _ in range(side.bit_length() - 1)
        )
        largest = cast(Tensor, _LargestByPairs.apply(maps, axes, self.rectified))
        return largest.permute(0, 3, 1, 2)

    def _by_pairs(self, x: Tensor) -> bool:
        sides = cast(tuple[int, int], self.kernel_size)
        return (
            x.requires_grad
            and x.dtype == torch.bfloat16
            and x.device.type == "cpu"
            and x.numel() >= FEWEST_VALUES
            and x.shape[2] % sides[0] == 0
            and x.shape[3] % sides[1] == 0
            and x.is_contiguous(memory_format=torch.channels_last)
        )


def pools_by_pairs(size: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    """Return whether `MaxPoolByPairs` supports windows of this size."""
    return len(size) == 2 and size == stride and set(size) <= {1, 2, 4}


class _LargestByPairs(torch.autograd.Function):
    """The larger value of each pair of neighbours along one axis after the other.

    Notes
    -----
    As integers, the bits of two bfloat16 numbers are in the numbers' order if one of them is
    positive. For two negative numbers the order is reversed. A NaN is larger than all
    numbers, or with its sign set larger than the negative numbers only.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, axes: tuple[int, ...], rectified: bool) -> Tensor:
        values = maps.view(torch.int16) if rectified else maps
        seconds = []  # 1 where the second of a pair is larger, else 0
        for axis in axes:
            first, second = _pairs(values, axis)
            if rectified:
                larger = first.new_empty(first.shape)
                torch.lt(first, second, out=larger)
            else:
                larger = (first - second).view(torch.int16)
                larger.bitwise_right_shift_(SIGN_PLACE).neg_()
            seconds.append(larger)
            values = torch.maximum(first, second).view(
                _resized(values, axis, values.shape[axis] // 2)
            )
        ctx.axes = axes
        ctx.save_for_backward(*seconds)
        return values.view(maps.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        bits = gradient.contiguous().view(torch.int16)
        for axis, larger in zip(reversed(ctx.axes), reversed(ctx.saved_tensors), strict=True):
            whole = bits.new_empty(_resized(bits, axis, 2 * bits.shape[axis]))
            first, second = _pairs(whole, axis)
            part = bits.view(first.shape)
            torch.mul(part, larger, out=second)
            torch.sub(part, second, out=first)
            bits = whole
        return bits.view(gradient.dtype), None, None


def _resized(maps: Tensor, axis: int, length: int) -> list[int]:
    return [*maps.shape[:axis], length, *maps.shape[axis + 1 :]]


def _pairs(maps: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Return views of the first and the second of each pair along `axis`, inner axes joined."""
    n, h, w, c = maps.shape
    if axis == 1:
        rows = maps.view(n, h // 2, 2, w * c)
        return rows.select(2, 0), rows.select(2, 1)
    columns = maps.view(n * h, w // 2, 2, c)
    return columns.select(2, 0), columns.select(2, 1)
