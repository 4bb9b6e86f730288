"""Batch, group and layer normalisation."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor, nn

from skcnn._utils.validation import is_number
from skcnn.exceptions import ArchitectureError
from skcnn.layers._base import LayerSpec, Shape
from skcnn.layers._fields import check_choice, check_count
from skcnn.layers._steps import (
    Step,
    StepOf,
    Updates,
    apart,
    joined,
    joint_step,
    own_forward,
    prediction_step,
)

NORMALIZATIONS = ("batch", "group")  # of the estimators' parameter `normalization`
KINDS = (*NORMALIZATIONS, "layer")
MOST_GROUPS = 8
FEWEST_VALUES_A_GROUP = 8


class BatchNorm(nn.Module):
    """Batch normalisation that uses its running statistics for a single value.

    The variance of a training batch with one value a channel is undefined. torch raises an
    error, and a last batch of one sample on 1x1 maps would end a training.

    Attributes
    ----------
    is_fixed : bool
        Whether it uses its running statistics in training too, which then do not change.
    """

    running_mean: Tensor
    running_var: Tensor
    is_fixed = False  # set for pretrained networks

    def __init__(self, n_channels: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_channels))
        self.bias = nn.Parameter(torch.zeros(n_channels))
        self.register_buffer("running_mean", torch.zeros(n_channels))
        self.register_buffer("running_var", torch.ones(n_channels))
        self.momentum = momentum
        self.eps = eps

    def extra_repr(self) -> str:
        """Return channels and momentum."""
        fixed = ", fixed" if self.is_fixed else ""
        return f"{len(self.weight)}, momentum={self.momentum!r}{fixed}"

    @property
    def uses_batch(self) -> bool:
        """Whether it uses the statistics of the batch, unless that has one value a channel."""
        return self.training and not self.is_fixed

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised `x`."""
        one_value = x.numel() == x.shape[1]
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.uses_batch and not one_value,
            self.momentum,
            self.eps,
        )


TORCH_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
BATCH_NORMS = (BatchNorm, *TORCH_BATCH_NORMS)


class GroupNorm(nn.GroupNorm):
    """Group normalisation; torch's own raises for one sample with few values a channel."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised `x`."""
        x = safe_for_group_norm(x, self.weight, self.bias)
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each position."""

    def __init__(self, n_channels: int, eps: float) -> None:
        super().__init__()
        self.n_channels = n_channels
        self.weight = nn.Parameter(torch.ones(n_channels))
        self.bias = nn.Parameter(torch.zeros(n_channels))
        self.eps = eps

    def extra_repr(self) -> str:
        """Return channels and epsilon."""
        return f"{len(self.weight)}, eps={self.eps!r}"

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised `x`."""
        last = x.dim() - 1  # ONNX's exporter takes no negative axis, and only a known shape
        x = x.movedim(1, last)  # (n_samples, *spatial, n_channels)
        shape = (self.n_channels,)
        return F.layer_norm(x, shape, self.weight, self.bias, self.eps).movedim(last, 1)


def fix_statistics(module: nn.Module, names: Collection[str] | None = None) -> None:
    """Let batch normalisations keep their running statistics in training.

    Those of a user's module are in evaluation mode whenever they run.

    Parameters
    ----------
    module : nn.Module
        The module, whose normalisations are changed in place.
    names : collection of str or None
        Which ones, by their names in the module; None fixes all.
    """
    for name, part in module.named_modules():
        if names is not None and name not in names:
            continue
        if isinstance(part, BatchNorm):
            part.is_fixed = True
        elif isinstance(part, TORCH_BATCH_NORMS) and not is_fixed(part):
            part.is_fixed = True  # type: ignore[assignment]
            part.register_forward_pre_hook(_evaluate)


def is_fixed(part: nn.Module) -> bool:
    """Return whether a module is a batch normalisation whose statistics are fixed."""
    return isinstance(part, BATCH_NORMS) and bool(getattr(part, "is_fixed", False))


def fixed_statistics(module: nn.Module) -> list[str]:
    """Return the sorted names of the batch normalisations whose statistics are fixed."""
    return sorted(name for name, part in module.named_modules() if is_fixed(part))


def _evaluate(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    norm.training = False


def safe_for_group_norm(x: Tensor, *parameters: Tensor | None) -> Tensor:
    """Return `x`, copied to contiguous memory where torch's gradient of `parameters` fails.

    On the CPU torch 2.13 reads a null pointer where `x` is channels last and needs no
    gradient. A new tensor is needed: ``contiguous()`` keeps channels-last strides of maps of
    one channel or one position.
    """
    if (
        x.device.type != "cpu"
        or x.requires_grad
        or not torch.is_grad_enabled()
        or not any(p is not None and p.requires_grad for p in parameters)
    ):
        return x
    return x.clone(memory_format=torch.contiguous_format)


def make_group_norms_safe(module: nn.Module) -> None:
    """Make the gradients of group normalisations in a user's module safe, see above."""
    for part in module.modules():
        if isinstance(part, nn.GroupNorm) and not isinstance(part, GroupNorm):
            part.register_forward_pre_hook(_safe_inputs)


def _safe_inputs(norm: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    own = norm.parameters(recurse=False)
    return (safe_for_group_norm(inputs[0], *own), *inputs[1:]) if inputs else inputs


@dataclass(frozen=True, repr=False)
class Normalize(LayerSpec):
    """Batch, group or layer normalisation with a learned scale and offset a channel.

    Parameters
    ----------
    kind : {"batch", "group", "layer"}, default="batch"
        Over which values mean and variance are taken: a channel over the batch, a
        group of channels within a sample, or the channels of one position of a sample.
    groups : int or None, default=None
        Number of groups for ``kind="group"``, must divide the channels; None takes the
        largest divisor up to 8 that leaves a group 8 values or more.
    momentum : float, default=0.1
        For ``kind="batch"``: share of the newest batch in the running mean and variance
        that predictions use, in (0, 1]. With 0.1 they lag behind if few steps change the
        weights a lot, such as Muon's.
    epsilon : float, default=1e-5
        Added to the variance, above zero.

    References
    ----------
    Ioffe and Szegedy, arXiv:1502.03167; Wu and He, arXiv:1803.08494; Ba et al.,
    arXiv:1607.06450.

    Examples
    --------
    >>> from skcnn.layers import Normalize
    >>> Normalize().n_parameters((32, 28, 28))
    64
    """

    kind: str = field(default="batch", kw_only=True)
    groups: int | None = field(default=None, kw_only=True)
    momentum: float = field(default=0.1, kw_only=True)
    epsilon: float = field(default=1e-5, kw_only=True)
    keeps_length = True

    def __post_init__(self) -> None:
        check_choice(self, "kind", KINDS)
        if self.groups is not None:
            check_count(self, "groups")
        if not is_number(self.momentum) or not 0 < self.momentum <= 1:
            raise ArchitectureError(
                f"The 'momentum' of Normalize must be a float in (0, 1]. Got {self.momentum!r}."
            )
        if not is_number(self.epsilon) or not 0 < self.epsilon < float("inf"):
            raise ArchitectureError(
                f"The 'epsilon' of Normalize must be a float above 0. Got {self.epsilon!r}."
            )

    def n_groups(self, shape: Shape) -> int:
        """Return the number of groups used for an input of `shape`.

        By default a group has at least 8 values: normalisation of one or two values
        leaves only their signs.
        """
        if self.groups is not None:
            return self.groups
        n_channels, positions = shape[0], prod(shape[1:])
        fitting = (
            g
            for g in range(1, MOST_GROUPS + 1)
            if n_channels % g == 0 and n_channels // g * positions >= FEWEST_VALUES_A_GROUP
        )
        return max(fitting, default=1)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the input's shape."""
        if self.kind == "group":
            groups = self.n_groups(shape)
            if shape[0] % groups:
                raise ArchitectureError(
                    f"{self!r}: groups (={groups}) must divide the channels (={shape[0]})."
                )
            if prod(shape) == groups:
                raise ArchitectureError(
                    f"{self!r}: a group of an input of {shape} has a single value, which "
                    "normalisation turns into zero. Use fewer groups or kind='batch'."
                )
        if self.kind == "layer" and shape[0] == 1:
            raise ArchitectureError(
                f"{self!r}: a position of an input of {shape} has a single channel, which "
                "normalisation turns into zero. Use kind='batch'."
            )
        return shape

    def n_parameters(self, shape: Shape) -> int:
        """Return one scale and one offset a channel."""
        return 2 * shape[0]

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the normalisation module."""
        if self.kind == "group":
            return GroupNorm(self.n_groups(shape), shape[0], self.epsilon)
        if self.kind == "layer":
            return ChannelNorm(shape[0], self.epsilon)
        return BatchNorm(shape[0], self.momentum, self.epsilon)


@prediction_step(BatchNorm)
def _predict_batch_norm(norm: BatchNorm, step_of: StepOf) -> Step:
    return partial(_normalize, norm)


def _normalize(norm: BatchNorm, x: Tensor) -> Tensor:
    """Return the normalised `x`; torch's rounding depends on the number of rows."""
    scale = (norm.running_var + norm.eps).rsqrt_().mul_(norm.weight)
    shift = torch.addcmul(norm.bias, norm.running_mean, scale, value=-1)
    axes = (-1, *(1,) * (x.dim() - 2))
    return torch.addcmul(shift.view(axes), x, scale.view(axes))


@joint_step(BatchNorm)
def _join_batch_norm(parts: Sequence[Any], updates: Updates) -> Step:
    norm = parts[0]

    def run(x: Tensor) -> Tensor:
        statistics = [(part.running_mean, part.running_var) for part in parts]
        mean, var = (torch.cat(each) for each in zip(*statistics, strict=True))
        weight, bias = joined(parts, "weight"), joined(parts, "bias")
        of_batch = norm.uses_batch and x.numel() != x.shape[1]  # else one value a channel
        x = F.batch_norm(x, mean, var, weight, bias, of_batch, norm.momentum, norm.eps)
        if of_batch:  # the call above wrote the new statistics into `mean` and `var`
            for part, *new in zip(
                parts, mean.chunk(len(parts)), var.chunk(len(parts)), strict=True
            ):
                updates.extend(zip((part.running_mean, part.running_var), new, strict=True))
        return x

    return run


@joint_step(GroupNorm)
def _join_group_norm(parts: Sequence[Any], updates: Updates) -> Step:
    norm, n_groups = parts[0], len(parts) * parts[0].num_groups

    def run(x: Tensor) -> Tensor:
        weight, bias = joined(parts, "weight"), joined(parts, "bias")
        return torch.group_norm(
            safe_for_group_norm(x, weight, bias), n_groups, weight, bias, norm.eps
        )

    return run


@joint_step(ChannelNorm)
def _join_channel_norm(parts: Sequence[Any], updates: Updates) -> Step:
    def run(x: Tensor) -> Tensor:
        x = apart(x, len(parts)).movedim(2, -1)  # (N, k, *spatial, C)
        x = F.layer_norm(x, x.shape[-1:], eps=parts[0].eps)
        axes = (len(parts), *(1,) * (x.dim() - 3), -1)
        weight, bias = joined(parts, "weight").view(axes), joined(parts, "bias").view(axes)
        return torch.addcmul(bias, x, weight).movedim(-1, 2).flatten(1, 2)

    return run


prediction_step(GroupNorm, ChannelNorm)(own_forward)
