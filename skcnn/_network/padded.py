"""Padded: feature maps of signals of unequal length, and the modules' steps on them.

A step gives each signal what it would give alone, whatever the padding holds.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor, nn

from skcnn._network.padded_norm import normalize_batch
from skcnn.layers._activation import ACTIVATIONS, Log
from skcnn.layers._channels import ChannelGate, ChannelPad, ChannelScale, per_channel
from skcnn.layers._concatenate import ParallelBranches
from skcnn.layers._convolution import FullPrecisionConv2d
from skcnn.layers._dropout import ByteDropout, SampleDropout
from skcnn.layers._fixed.kernels import PatternConv2d
from skcnn.layers._normalization import BatchNorm, ChannelNorm, GroupNorm
from skcnn.layers._padding import Pad
from skcnn.layers._pair_pooling import MaxPoolByPairs
from skcnn.layers._pooling import GlobalPooling, PaddedAveragePool
from skcnn.layers._residual import ResidualBlock
from skcnn.layers._shapes import window_output_size

RunLeaf = Callable[[nn.Module, Tensor], Tensor]  # computes a module that has no inner ones
Step = Callable[[Any, "Padded", RunLeaf], "Padded"]
Make = TypeVar("Make", bound=Step)
NOT_ZERO_AT_ZERO = (nn.Sigmoid, Log)  # activations


class Ends:
    """Where signals of unequal length end in padded maps.

    Parameters
    ----------
    lengths : Tensor of shape (n_signals,), dtype int64
        Length of each signal's maps.
    width : int
        Length of the padded maps.
    """

    def __init__(self, lengths: Tensor, width: int) -> None:
        self.lengths = lengths
        places = torch.arange(width, device=lengths.device)
        self.inside = (places < lengths[:, None])[:, None, None]  # (n_signals, 1, 1, width)
        self._masks: dict[torch.dtype, Tensor] = {}

    def mask(self, dtype: torch.dtype) -> Tensor:
        """Return 1 for the places of the signals and 0 for the padding."""
        if dtype not in self._masks:
            self._masks[dtype] = self.inside.to(dtype)
        return self._masks[dtype]

    @cached_property
    def n_places(self) -> int:
        """The number of places of all signals."""
        return int(self.lengths.sum())


class Padded:
    """Feature maps of signals of unequal length.

    Parameters
    ----------
    values : Tensor of shape (n_signals, n_channels, height, width)
        The maps. What stands after the end of a signal is finite, and zero if `is_zero`.
    ends : Ends
        Where each signal ends.
    is_zero : bool
        Whether the padding is zero.
    """

    def __init__(self, values: Tensor, ends: Ends, is_zero: bool) -> None:
        self.values = values
        self.ends = ends
        self._zeroed = values if is_zero else None

    @property
    def is_zero(self) -> bool:
        """Whether the padding is zero."""
        return self._zeroed is self.values

    @property
    def zeroed(self) -> Tensor:
        """The maps with padding of zeros."""
        if self._zeroed is None:
            self._zeroed = self.values * self.ends.mask(self.values.dtype)
        return self._zeroed

    def filled(self, value: float) -> Tensor:
        """Return the maps with padding of another value."""
        return torch.where(self.ends.inside, self.values, value)

    def like(self, values: Tensor, is_zero: bool) -> "Padded":
        """Return other maps of the same lengths."""
        return Padded(values, self.ends, is_zero)

    def of_lengths(self, values: Tensor, lengths: Tensor, is_zero: bool) -> "Padded":
        """Return maps of other lengths."""
        return Padded(values, Ends(lengths, values.shape[3]), is_zero)


STEPS: dict[type, Step] = {}


def step(*modules: type[nn.Module]) -> Callable[[Make], Make]:
    """Register the function that computes modules of exactly these types on padded maps."""

    def register(function: Make) -> Make:
        STEPS.update(dict.fromkeys(modules, function))
        return function

    return register


def run_padded(module: nn.Module, x: Padded | Tensor, leaf: RunLeaf) -> Padded | Tensor:
    """Return the output of `module`: padded maps, or features of shape (n_signals, n_features)."""
    if isinstance(module, nn.Sequential):
        for part in module:
            x = run_padded(part, x, leaf)
        return x
    return STEPS[type(module)](module, x, leaf) if isinstance(x, Padded) else leaf(module, x)


def _values(x: Padded | Tensor) -> Tensor:
    return x.values if isinstance(x, Padded) else x


@step(*(kind for kind in ACTIVATIONS.values() if kind not in NOT_ZERO_AT_ZERO))
@step(ByteDropout, SampleDropout, ChannelScale, ChannelPad)
def _keep_zeros(module: nn.Module, x: Padded, leaf: RunLeaf) -> Padded:
    return x.like(leaf(module, x.values), x.is_zero)


@step(*NOT_ZERO_AT_ZERO, ChannelNorm)
def _each_place(module: nn.Module, x: Padded, leaf: RunLeaf) -> Padded:
    return x.like(leaf(module, x.values), is_zero=False)


@step(nn.Conv2d, FullPrecisionConv2d, PatternConv2d)
def _convolve(conv: Any, x: Padded, leaf: RunLeaf) -> Padded:
    """Return the convolution: the zeros after a signal are those of its own padding."""
    settings = (conv.kernel_size, conv.stride, conv.padding, conv.dilation)
    kernel, stride, padding, dilation = (each[-1] for each in settings)
    width = x.values.shape[3]
    # with fewer places than dilation some windows would see padding only, which oneDNN cannot
    if padding and dilation > width:
        values = leaf(conv, _wide_enough(x.zeroed, dilation, 0.0))
        values = values[..., : window_output_size(width, kernel, stride, 2 * padding, dilation)]
    else:
        values = leaf(conv, x.zeroed)
    if stride == 1 and 2 * padding == dilation * (kernel - 1):
        return x.like(values, is_zero=False)
    lengths = _slid(x.ends.lengths, kernel, stride, 2 * padding, dilation)
    return x.of_lengths(values, lengths, is_zero=False)


def _slid(lengths: Tensor, kernel: int, stride: int, padding: int = 0, dilation: int = 1) -> Tensor:
    slide: Any = window_output_size  # its arithmetic is that of tensors too
    return slide(lengths, kernel, stride, padding, dilation)


@step(Pad)
def _pad(pad: Pad, x: Padded, leaf: RunLeaf) -> Padded:
    """Return padded maps, whose added values count as values of the signal."""
    before, after = pad.padding[:2]
    filled = x.zeroed if pad.value == 0 else x.filled(pad.value)
    return x.of_lengths(leaf(pad, filled), x.ends.lengths + before + after, pad.value == 0)


@step(nn.MaxPool2d, MaxPoolByPairs)
def _largest(pool: nn.MaxPool2d, x: Padded, leaf: RunLeaf) -> Padded:
    kernel, stride = _window(pool)
    rectified = getattr(pool, "rectified", False)  # so that zeros change no maximum
    fill = 0.0 if rectified else float("-inf")
    values = leaf(pool, _wide_enough(x.zeroed if rectified else x.filled(fill), kernel, fill))
    pooled = x.of_lengths(values, _pooled_lengths(x.ends.lengths, kernel, stride), is_zero=False)
    return pooled if rectified else pooled.like(pooled.filled(0.0), is_zero=True)


@step(nn.AvgPool2d)
def _average(pool: nn.AvgPool2d, x: Padded, leaf: RunLeaf) -> Padded:
    return _averaged(pool, x.zeroed, x.ends.mask(x.values.dtype), x)


@step(PaddedAveragePool)
def _padded_average(module: PaddedAveragePool, x: Padded, leaf: RunLeaf) -> Padded:
    before, after = module.pad.padding[:2]
    mask = module.pad(x.ends.mask(x.values.dtype))
    longer = x.of_lengths(module.pad(x.zeroed), x.ends.lengths + before + after, is_zero=True)
    return _averaged(module.pool, longer.values, mask, longer)


def _averaged(pool: Any, values: Tensor, mask: Tensor, x: Padded) -> Padded:
    """Return averages over the places of each window that `mask` counts."""
    kernel, stride = _window(pool)
    counted = pool(_wide_enough(mask, kernel, 0.0))
    averages = pool(_wide_enough(values, kernel, 0.0)) / torch.where(counted == 0, 1, counted)
    return x.of_lengths(averages, _pooled_lengths(x.ends.lengths, kernel, stride), is_zero=False)


def _window(pool: Any) -> tuple[int, int]:
    """Return size and stride along the length."""
    return pool.kernel_size[1], pool.stride[1]


def _wide_enough(values: Tensor, kernel: int, fill: float) -> Tensor:
    """Return maps that are at least as wide as the window."""
    missing = kernel - values.shape[3]
    return values if missing <= 0 else F.pad(values, (0, missing), value=fill)


def _pooled_lengths(lengths: Tensor, kernel: int, stride: int) -> Tensor:
    """Return the lengths after a pool: a signal that is shorter than the window has one value."""
    return _slid(lengths, kernel, stride).clamp(min=1)


@step(GlobalPooling)
def _global(pool: GlobalPooling, x: Padded, leaf: RunLeaf) -> Any:
    if pool.kind == "max":
        return x.filled(float("-inf")).amax((2, 3))
    return x.zeroed.sum((2, 3)) / x.ends.lengths[:, None]


@step(ChannelGate)
def _gate(block: ChannelGate, x: Padded, leaf: RunLeaf) -> Padded:
    factors = _values(run_padded(block.gate, x, leaf))
    return x.like(x.values * per_channel(factors, x.values), x.is_zero)


@step(ResidualBlock)
def _residual(block: ResidualBlock, x: Padded, leaf: RunLeaf) -> Any:
    body, shortcut = (run_padded(part, x, leaf) for part in (block.body, block.shortcut))
    if not isinstance(body, Padded):
        return body + _values(shortcut)
    total = body.values + _values(shortcut)
    return body.like(total, body.is_zero and isinstance(shortcut, Padded) and shortcut.is_zero)


@step(ParallelBranches)
def _branches(block: ParallelBranches, x: Padded, leaf: RunLeaf) -> Any:
    outputs = [run_padded(branch, x, leaf) for branch in block.branches]
    joined = torch.cat([_values(each) for each in outputs], 1)
    first = outputs[0]
    if not isinstance(first, Padded):
        return joined
    return first.like(joined, all(isinstance(each, Padded) and each.is_zero for each in outputs))


@step(BatchNorm)
def _normalize(norm: BatchNorm, x: Padded, leaf: RunLeaf) -> Padded:
    if not norm.uses_batch:
        return x.like(leaf(norm, x.values), is_zero=False)
    n = x.ends.n_places
    return x.like(normalize_batch(norm, x.values, x.ends.mask(x.values.dtype), n), is_zero=False)


@step(GroupNorm)
def _normalize_groups(norm: GroupNorm, x: Padded, leaf: RunLeaf) -> Padded:
    """Return maps normalised by the statistics of each group of a signal."""
    values = x.zeroed.float()
    groups = (len(values), norm.num_groups, -1, values.shape[3])
    mask = x.ends.mask(values.dtype)
    count = x.ends.lengths.view(-1, 1, 1, 1) * (values.shape[1] // norm.num_groups)
    grouped = values.reshape(groups)  # (N, groups, channels of a group, width)
    centred = (grouped - grouped.sum((2, 3), keepdim=True) / count) * mask
    variance = centred.square().sum((2, 3), keepdim=True) / count
    normal = (centred * (variance + norm.eps).rsqrt()).reshape(values.shape)
    result = torch.addcmul(norm.bias.view(1, -1, 1, 1), normal, norm.weight.view(1, -1, 1, 1))
    return x.like(result.to(x.values.dtype), is_zero=False)
