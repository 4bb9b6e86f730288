"""Padded: feature maps of signals of unequal length, and the modules' steps on them.

A step gives each signal what it would give alone, whatever the padding holds.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor, nn

from skcnn.layers._activation import ACTIVATIONS, Log
from skcnn.layers._channels import ChannelGate, ChannelPad, ChannelScale, per_channel
from skcnn.layers._concatenate import ParallelBranches
from skcnn.layers._convolution import FullPrecisionConv2d
from skcnn.layers._dropout import ByteDropout, SampleDropout
from skcnn.layers._fixed_kernels import PatternConv2d
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


class Padded:
    """Feature maps of signals of unequal length.

    Parameters
    ----------
    values : Tensor of shape (n_signals, n_channels, 1, width)
        The maps. What stands after the end of a signal is finite, and zero if `is_zero`.
    lengths : Tensor of shape (n_signals,), dtype int64
        Length of each signal's maps.
    is_zero : bool
        Whether the padding is zero.
    inside : Tensor of shape (n_signals, 1, 1, width), dtype bool, or None
        Which places are no padding, None to find out.
    """

    def __init__(
        self, values: Tensor, lengths: Tensor, is_zero: bool, inside: Tensor | None = None
    ) -> None:
        self.values = values
        self.lengths = lengths
        if inside is None:
            places = torch.arange(values.shape[3], device=values.device)
            inside = (places < lengths[:, None])[:, None, None]
        self.inside = inside
        self._zeroed = values if is_zero else None

    @property
    def is_zero(self) -> bool:
        """Whether the padding is zero."""
        return self._zeroed is self.values

    @property
    def zeroed(self) -> Tensor:
        """The maps with padding of zeros."""
        if self._zeroed is None:
            self._zeroed = self.values.masked_fill(~self.inside, 0)
        return self._zeroed

    def filled(self, value: float) -> Tensor:
        """Return the maps with padding of another value."""
        return self.values.masked_fill(~self.inside, value)

    def like(self, values: Tensor, is_zero: bool) -> "Padded":
        """Return other maps of the same lengths."""
        return Padded(values, self.lengths, is_zero, self.inside)


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
    values = leaf(conv, x.zeroed)
    settings = (conv.kernel_size, conv.stride, conv.padding, conv.dilation)
    kernel, stride, padding, dilation = (each[-1] for each in settings)
    if stride == 1 and 2 * padding == dilation * (kernel - 1):
        return x.like(values, is_zero=False)
    return Padded(values, _slid(x.lengths, kernel, stride, 2 * padding, dilation), False)


def _slid(lengths: Tensor, kernel: int, stride: int, padding: int = 0, dilation: int = 1) -> Tensor:
    slide: Any = window_output_size  # its arithmetic is that of tensors too
    return slide(lengths, kernel, stride, padding, dilation)


@step(Pad)
def _pad(pad: Pad, x: Padded, leaf: RunLeaf) -> Padded:
    """Return padded maps, whose added values count as values of the signal."""
    before, after = pad.padding[:2]
    filled = x.zeroed if pad.value == 0 else x.filled(pad.value)
    return Padded(leaf(pad, filled), x.lengths + before + after, is_zero=pad.value == 0)


@step(nn.MaxPool2d, MaxPoolByPairs)
def _largest(pool: nn.MaxPool2d, x: Padded, leaf: RunLeaf) -> Padded:
    kernel, stride = _window(pool)
    lowest = _wide_enough(x.filled(float("-inf")), kernel, float("-inf"))
    values = F.max_pool2d(lowest, pool.kernel_size, pool.stride)
    return _pooled(values, x.lengths, kernel, stride)


@step(nn.AvgPool2d)
def _average(pool: nn.AvgPool2d, x: Padded, leaf: RunLeaf) -> Padded:
    kernel, stride = _window(pool)
    values = _wide_enough(x.zeroed, kernel, 0)
    share = _wide_enough(x.inside.to(values.dtype), kernel, 0)
    return _pooled(_quotient(pool, values, share), x.lengths, kernel, stride)


@step(PaddedAveragePool)
def _padded_average(module: PaddedAveragePool, x: Padded, leaf: RunLeaf) -> Padded:
    kernel, stride = _window(module.pool)
    before, after = module.pad.padding[:2]
    values = _wide_enough(module.pad(x.zeroed), kernel, 0)
    share = _wide_enough(module.pad(x.inside.to(values.dtype)), kernel, 0)
    lengths = x.lengths + before + after
    return _pooled(_quotient(module.pool, values, share), lengths, kernel, stride)


def _window(pool: Any) -> tuple[int, int]:
    """Return size and stride along the length."""
    return pool.kernel_size[1], pool.stride[1]


def _wide_enough(values: Tensor, kernel: int, fill: float) -> Tensor:
    """Return maps that are at least as wide as the window."""
    missing = kernel - values.shape[3]
    return values if missing <= 0 else F.pad(values, (0, missing), value=fill)


def _quotient(pool: Any, values: Tensor, share: Tensor) -> Tensor:
    """Return the averages over the counted places of each window, 0 where there are none."""
    counted = pool(share)
    return pool(values) / counted.masked_fill(counted == 0, 1)


def _pooled(values: Tensor, lengths: Tensor, kernel: int, stride: int) -> Padded:
    """Return pooled maps; a signal that is shorter than the window has one value."""
    pooled = Padded(values, _slid(lengths, kernel, stride).clamp(min=1), is_zero=False)
    return pooled.like(pooled.zeroed, is_zero=True)  # the padding may be infinite


@step(GlobalPooling)
def _global(pool: GlobalPooling, x: Padded, leaf: RunLeaf) -> Any:
    if pool.kind == "max":
        return x.filled(float("-inf")).amax((2, 3))
    return x.zeroed.sum((2, 3)) / x.lengths[:, None]


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
    count = x.lengths.sum()
    has_many = count > 1  # the variance of one value is undefined
    centred, mean, variance = _centred(x, (0, 2, 3), count)
    with torch.no_grad():
        momentum = norm.momentum * has_many
        unbiased = variance * (count / (count - 1).clamp(min=1))
        norm.running_mean.add_((mean.reshape(-1) - norm.running_mean) * momentum)
        norm.running_var.add_((unbiased.reshape(-1) - norm.running_var) * momentum)
    centred = torch.where(has_many, centred, x.zeroed.float() - norm.running_mean.view(mean.shape))
    variance = torch.where(has_many, variance, norm.running_var.view(mean.shape))
    scale = (variance + norm.eps).rsqrt() * norm.weight.view(mean.shape)
    values = torch.addcmul(norm.bias.view(mean.shape), centred, scale)
    return x.like(values.to(x.values.dtype), is_zero=False)


@step(GroupNorm)
def _normalize_groups(norm: GroupNorm, x: Padded, leaf: RunLeaf) -> Padded:
    n, n_channels, _, width = x.values.shape
    grouped = (n, norm.num_groups, n_channels // norm.num_groups, width)
    inside = x.inside.expand(n, norm.num_groups, 1, width)
    maps = Padded(x.values.reshape(grouped), x.lengths, is_zero=False, inside=inside)
    count = (x.lengths * grouped[2]).view(n, 1, 1, 1)
    centred, _, variance = _centred(maps, (2, 3), count)
    values = (centred * (variance + norm.eps).rsqrt()).reshape(x.values.shape)
    values = torch.addcmul(norm.bias.view(1, -1, 1, 1), values, norm.weight.view(1, -1, 1, 1))
    return x.like(values.to(x.values.dtype), is_zero=False)


def _centred(x: Padded, axes: tuple[int, ...], count: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return maps less their mean, with padding of zeros, the mean, and the variance."""
    values = x.zeroed.float()
    mean = values.sum(axes, keepdim=True) / count
    centred = (values - mean).masked_fill(~x.inside, 0)
    return centred, mean, centred.square().sum(axes, keepdim=True) / count
