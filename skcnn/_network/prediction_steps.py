"""A network's layers as functions for prediction: normalisation folded, rounding by kind alone.

Knows no samples; which sizes of passes round alike is asked in ``_inference``.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor, nn

from skcnn._network.modules import BatchNorm, ByteDropout, ParallelBranches, ResidualBlock
from skcnn._network.network import ConvNet

# MKL's products round differently for fewer rows, and by the row where rows of another
# length, not of whole vectors, meet few outputs.
LEAST_PRODUCT_ROWS, PRODUCT_SIDE = 4, 16
# What is left over after whole vectors torch computes by other code, whose exp and tanh
# differ in the last bit; beyond this many values it splits them among threads anywhere.
VECTOR_VALUES, UNSPLIT_VALUES = 64, 2**15

# Maxima by rows and then by columns take several calls and read with strides. For maps of so many
# values, and sides of 14 for windows of 2, 28 for 3 and so on, torch's pool takes longer: 1.1 to 7
# times for windows of 2 and 16 images.
FEWEST_POOLED, LEAST_SIDE = 2**16, 14

Step = Callable[[Tensor], Tensor]
Watch = Callable[[nn.Module, Tensor], None]

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)  # and their subclasses
ELEMENTWISE = (nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid)


class FoldedConvolution:
    """A convolution and the batch normalisation after it as one convolution."""

    def __init__(self, conv: nn.Conv2d | nn.Conv3d, norm: BatchNorm) -> None:
        self.conv = conv
        self.norm = norm
        self.state: tuple[list[Tensor], Tensor, Tensor] | None = None
        self.eps = norm.eps

    def refresh(self) -> None:
        """Fold again if any number has changed.

        Comparing them takes 0.5 ms a million; torch's version counters miss changes made
        through ``.data``.
        """
        norm, conv = self.norm, self.conv
        sources = [conv.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var]
        sources += [] if conv.bias is None else [conv.bias]
        same = self.state is not None and self.eps == norm.eps
        if same and all(map(torch.equal, sources, cast(Any, self.state)[0])):
            return
        self.eps = norm.eps
        scale = norm.weight.double() * (norm.running_var.double() + norm.eps).rsqrt()
        offset = 0.0 if conv.bias is None else conv.bias.double()
        bias = (offset - norm.running_mean.double()) * scale + norm.bias.double()
        weight = conv.weight.double() * scale.view(-1, *(1,) * (conv.weight.dim() - 1))
        self.state = [each.clone() for each in sources], weight.float(), bias.float()

    def __call__(self, x: Tensor) -> Tensor:
        if self.state is None:
            self.refresh()
        _, weight, bias = cast(tuple[list[Tensor], Tensor, Tensor], self.state)
        return _convolve(self.conv, x, weight, bias)


def _convolve(
    conv: nn.Conv2d | nn.Conv3d, x: Tensor, weight: Tensor, bias: Tensor | None
) -> Tensor:
    padding = cast(Any, conv.padding)
    return torch.mkldnn_convolution(
        x, weight, bias, padding, conv.stride, conv.dilation, conv.groups
    )


def _multiply(dense: nn.Linear, x: Tensor) -> Tensor:
    """Return the layer's outputs from a product large enough, its sides whole vectors."""
    if x.dim() != 2:  # a user's, on maps: the verdict decides
        return dense(x)
    n, n_in, n_out = len(x), dense.in_features, dense.out_features
    weight: Tensor = dense.weight
    bias: Tensor | None = dense.bias
    if n_in % PRODUCT_SIDE:
        more = -n_in % PRODUCT_SIDE
        x, weight = F.pad(x, (0, more)), F.pad(weight, (0, more, 0, -n_out % PRODUCT_SIDE))
        bias = None if bias is None else F.pad(bias, (0, -n_out % PRODUCT_SIDE))
    if n < LEAST_PRODUCT_ROWS:
        x = F.pad(x, (0, 0, 0, LEAST_PRODUCT_ROWS - n))
    return F.linear(x, weight, bias)[:n, :n_out].contiguous()


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
    """Return a setting of a pool for both axes; none where torch has another way to read it."""
    if isinstance(setting, int):
        return setting, setting
    return tuple(setting) if setting is not None and len(setting) == 2 else ()


def _activate(function: Step, x: Tensor) -> Tensor:
    """Return a function of every value, all computed by whole vectors."""
    unsplit = torch.get_num_threads() == 1 or x.numel() <= UNSPLIT_VALUES
    if unsplit and x.numel() % VECTOR_VALUES == 0:
        return function(x)
    inside = x if x.is_contiguous() else x.movedim(1, -1)
    flat = F.pad(inside.reshape(-1), (0, -x.numel() % VECTOR_VALUES))
    parts = [function(part) for part in flat.split(UNSPLIT_VALUES)]
    values = torch.cat(parts)[: x.numel()].view(inside.shape)
    return values if x.is_contiguous() else values.movedim(-1, 1)


def _gelu(x: Tensor) -> Tensor:
    """Return x times the normal distribution function; torch's own goes by the size of x."""
    return (x * 0.5**0.5).erf_().add_(1).mul_(x).mul_(0.5)


def _normalize(norm: BatchNorm, x: Tensor) -> Tensor:
    """Return the normalised `x`; torch's own code goes by the number of rows."""
    scale = (norm.running_var + norm.eps).rsqrt_().mul_(norm.weight)
    shift = torch.addcmul(norm.bias, norm.running_mean, scale, value=-1)
    axes = (-1, *(1,) * (x.dim() - 2))
    return torch.addcmul(shift.view(axes), x, scale.view(axes))


# From modules to steps


def prediction_network(
    module: ConvNet, folded: list[FoldedConvolution], watch: Watch | None = None
) -> Step:
    """Return the function of the network; `watch` is shown the output of every layer."""
    steps = [*_steps(module.standardize, folded, watch), *_steps(module.layers, folded, watch)]

    def run(x: Tensor) -> Tensor:
        return _through(steps, _in_memory_order(x.unsqueeze(2) if module.is_signal else x))

    return run


def _in_memory_order(x: Tensor) -> Tensor:
    """Return a float32 copy whose strides follow from its shape alone, as kernels do."""
    if x.dim() == 4:
        n, c, h, w = x.shape
        room = torch.empty((n, h, w, c), dtype=torch.float32, device=x.device)
        return room.permute(0, 3, 1, 2).copy_(x)
    return torch.empty(x.shape, dtype=torch.float32, device=x.device).copy_(x)


def _through(steps: Sequence[Step], x: Tensor) -> Tensor:
    for step in steps:
        x = step(x)
    return x


def _steps(module: nn.Module, folded: list[FoldedConvolution], watch: Watch | None) -> list[Step]:
    """Return the steps of `module`; a convolution and the normalisation after it are one."""
    leaves = _flat(module)
    steps: list[Step] = []
    for i, leaf in enumerate(leaves):
        after = leaves[i + 1] if i + 1 < len(leaves) else None
        step: Step
        if isinstance(leaf, CONVOLUTIONS) and isinstance(after, BatchNorm):
            step = FoldedConvolution(leaf, after)
            folded.append(step)
        elif i > 0 and isinstance(leaf, BatchNorm) and isinstance(leaves[i - 1], CONVOLUTIONS):
            continue
        else:
            step = _step(leaf, folded, watch)
        steps.append(step if watch is None else partial(_watched, step, leaf, watch))
    return steps


def _watched(step: Step, leaf: nn.Module, watch: Watch, x: Tensor) -> Tensor:
    out = step(x)
    watch(leaf, out)
    return out


def _flat(module: nn.Module) -> list[nn.Module]:
    """Return the modules that run one after another, without those that do nothing."""
    if isinstance(module, nn.Sequential):
        return [leaf for part in module for leaf in _flat(part)]
    return [] if isinstance(module, nn.Identity | ByteDropout) else [module]


def _step(leaf: nn.Module, folded: list[FoldedConvolution], watch: Watch | None) -> Step:
    if isinstance(leaf, CONVOLUTIONS):
        return lambda x: _convolve(leaf, x, leaf.weight, leaf.bias)
    if isinstance(leaf, nn.Linear):
        return partial(_multiply, leaf)
    if isinstance(leaf, nn.MaxPool2d):
        return partial(_max_pool, leaf)
    if isinstance(leaf, BatchNorm):
        return partial(_normalize, leaf)
    if isinstance(leaf, ELEMENTWISE):
        return partial(_activate, _gelu if isinstance(leaf, nn.GELU) else leaf.forward)
    if isinstance(leaf, ResidualBlock):
        body, shortcut = (_steps(part, folded, watch) for part in (leaf.body, leaf.shortcut))
        return lambda x: _through(body, x) + _through(shortcut, x)
    if isinstance(leaf, ParallelBranches):
        branches = [_steps(branch, folded, watch) for branch in leaf.branches]
        return lambda x: torch.cat([_through(branch, x) for branch in branches], dim=1)
    return leaf.forward  # no hooks to look for
