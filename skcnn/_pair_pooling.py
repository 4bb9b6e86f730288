"""Max pooling by pairs, for training: the maximum of each pair of rows, then of columns.

torch's max pool writes the place of every maximum as a 64-bit integer, and its backward
pass fills the gradient with zeros before it adds to single values. Pairs need neither: one
subtraction says which of the two is larger, and the gradient is written once. Knows no
layer specification.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# Below, torch's single call costs less than several.
FEWEST_VALUES = 2**18
_PASS_ON = torch.ops.aten.threshold_backward.grad_input


class MaxPoolByPairs(nn.MaxPool2d):
    """Max pool whose window sides are 1, 2 or 4 and equal to the stride.

    In bfloat16, for large channels-last feature maps whose sides the window divides and of
    which a gradient is wanted; otherwise torch's own, which is faster in float32. Of equal
    values one gets the gradient, which may be another one than torch's.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the largest value of each window."""
        if not self._by_pairs(x):
            return super().forward(x)
        maps = x.permute(0, 2, 3, 1)  # (n_samples, height, width, n_channels) in memory
        for axis, side in enumerate(cast(tuple[int, int], self.kernel_size), 1):
            for _ in range(side.bit_length() - 1):
                maps = cast(Tensor, _LargerOfPairs.apply(maps, axis))
        return maps.permute(0, 3, 1, 2)

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
    """Return whether `MaxPoolByPairs` can do windows of this size."""
    return len(size) == 2 and size == stride and set(size) <= {1, 2, 4}


class _LargerOfPairs(torch.autograd.Function):
    """The larger value of each pair of neighbours along one axis."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, axis: int) -> Tensor:
        first, second = _pairs(maps, axis)
        ctx.axis = axis
        ctx.save_for_backward(second - first)
        shape = list(maps.shape)
        shape[axis] //= 2
        return torch.maximum(first, second).view(shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (difference,) = ctx.saved_tensors
        gradient = gradient.contiguous()
        shape = list(gradient.shape)
        shape[ctx.axis] *= 2
        whole = gradient.new_empty(shape)
        first, second = _pairs(whole, ctx.axis)
        # the gradient where the difference is above zero, else zero
        _PASS_ON(gradient.view(first.shape), difference, 0, grad_input=second)
        torch.sub(gradient.view(first.shape), second, out=first)
        return whole, None


def _pairs(maps: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Return views of every first and second of two along `axis`, inner axes joined."""
    n, h, w, c = maps.shape
    if axis == 1:
        rows = maps.view(n, h // 2, 2, w * c)
        return rows[:, :, 0], rows[:, :, 1]
    columns = maps.view(n, h, w // 2, 2, c)
    return columns[:, :, :, 0], columns[:, :, :, 1]
