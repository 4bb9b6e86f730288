"""Several networks of one structure computed as one: their channels side by side.

Knows no training. Each network keeps its weights and figures, and gradients flow back to
them: a convolution is one grouped convolution of the joined kernels, a dense layer one
batched product. An accelerator has a fixed cost for each of its kernels, which small
networks do not fill.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor, nn

from skcnn._network.modules import (
    BatchNorm,
    ByteDropout,
    ChannelsLastFlatten,
    GlobalPooling,
    GroupNorm,
    Pad,
    PaddedAveragePool,
    ParallelBranches,
    ResidualBlock,
    Standardize,
    WhiteningConv2d,
    WhiteningConv3d,
)
from skcnn._network.network import _ACTIVATIONS, ConvNet
from skcnn._network.pair_pooling import MaxPoolByPairs

Step = Callable[[Tensor], Tensor]
Updates = list[tuple[Tensor, Tensor]]  # buffers and their next values
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def joint_structure(module: nn.Module) -> Hashable:
    """Return what is equal for networks that can be computed as one, None for others.

    Hooks are not called in a joint pass, so a network that has any is computed alone.
    Frozen weights are left alone.
    """
    parts = list(module.modules())
    known = {ConvNet, Standardize, *_JOINTS}
    if type(module) is not ConvNet or not all(type(part) in known for part in parts):
        return None
    if any(getattr(part, name) for part in parts for name in _HOOKS):
        return None
    tensors = [(name, *t.shape, t.dtype, t.device) for name, t in module.state_dict().items()]
    return repr(module), tuple(tensors), tuple(part.training for part in parts)


class JointNetwork:
    """Networks of equal `joint_structure` as one program.

    Parameters
    ----------
    networks : sequence of ConvNet
        What is computed; their weights are used where they are.

    Notes
    -----
    Inside, the axis of channels (or features) has those of the first network, then those of
    the second, and so on: (N, n_networks * C, H, W).
    """

    def __init__(self, networks: Sequence[ConvNet]) -> None:
        self.n_networks = len(networks)
        self.is_signal = networks[0].is_signal
        scales = [network.standardize for network in networks]
        self._scale = torch.cat([each.scale for each in scales], 1)
        self._shift = torch.cat([each.shift for each in scales], 1)
        self._updates: Updates = []
        self._layers = _join([network.layers for network in networks], self._updates)

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Return each network's outputs, (n_samples, n_outputs), for its own batch.

        Parameters
        ----------
        inputs : sequence of Tensor of shape (n_samples, n_channels, *spatial)
            One batch for each network, all of one size.
        """
        self._updates.clear()  # of a pass that came to nothing
        x = torch.cat(list(inputs), 1)
        if self.is_signal:
            x = x.unsqueeze(2)  # (N, k * C, 1, length)
        channels_last = {"memory_format": torch.channels_last} if x.dim() == 4 else {}
        x = cast(Any, x).to(self._scale.dtype, **channels_last)
        outputs = self._layers(torch.addcmul(self._shift, x, self._scale))
        return list(_apart(outputs, self.n_networks).unbind(1))

    def keep_figures(self) -> None:
        """Give the networks the running figures of the last training pass."""
        if self._updates:
            buffers, values = zip(*self._updates, strict=True)
            torch._foreach_copy_(buffers, values)
            self._updates.clear()


def _apart(x: Tensor, n_networks: int) -> Tensor:
    """Return (N, k, C, *spatial) of (N, k * C, *spatial)."""
    return x.unflatten(1, (n_networks, -1))


def _join(parts: Sequence[nn.Module], updates: Updates) -> Step:
    """Return the function that computes the same part of all networks."""
    return _JOINTS[type(parts[0])](parts, updates)


def _cat(parts: Sequence[Any], name: str) -> Any:
    """Return the joined parameters of a name, None where there are none."""
    values = [getattr(part, name) for part in parts]
    return None if values[0] is None else torch.cat(values)


def _join_sequence(parts: Sequence[Any], updates: Updates) -> Step:
    steps = _join_each(parts, updates)

    def run(x: Tensor) -> Tensor:
        for step in steps:
            x = step(x)
        return x

    return run


def _join_convolution(parts: Sequence[Any], updates: Updates) -> Step:
    conv = parts[0]
    convolve = F.conv3d if isinstance(conv, nn.Conv3d) else F.conv2d
    groups = len(parts) * conv.groups

    def run(x: Tensor) -> Tensor:
        weight, bias = _cat(parts, "weight"), _cat(parts, "bias")
        return convolve(x, weight, bias, conv.stride, conv.padding, conv.dilation, groups)

    return run


def _join_dense(parts: Sequence[Any], updates: Updates) -> Step:
    def run(x: Tensor) -> Tensor:
        x = _apart(x, len(parts)).transpose(0, 1)  # (k, N, n_features)
        weight = torch.stack([part.weight for part in parts]).transpose(1, 2)
        if parts[0].bias is None:
            x = torch.bmm(x, weight)
        else:
            bias = torch.stack([part.bias for part in parts]).unsqueeze(1)  # (k, 1, n_outputs)
            x = torch.baddbmm(bias, x, weight)
        return x.transpose(0, 1).flatten(1)

    return run


def _join_batch_norm(parts: Sequence[Any], updates: Updates) -> Step:
    norm = parts[0]

    def run(x: Tensor) -> Tensor:
        figures = [(part.running_mean, part.running_var) for part in parts]
        mean, var = (torch.cat(each) for each in zip(*figures, strict=True))
        weight, bias = _cat(parts, "weight"), _cat(parts, "bias")
        of_batch = norm.training and x.numel() != x.shape[1]  # else one value a channel
        x = F.batch_norm(x, mean, var, weight, bias, of_batch, norm.momentum, norm.eps)
        if of_batch:  # which wrote the new figures into `mean` and `var`
            for part, *new in zip(
                parts, mean.chunk(len(parts)), var.chunk(len(parts)), strict=True
            ):
                updates.extend(zip((part.running_mean, part.running_var), new, strict=True))
        return x

    return run


def _join_group_norm(parts: Sequence[Any], updates: Updates) -> Step:
    norm, n_groups = parts[0], len(parts) * parts[0].num_groups

    def run(x: Tensor) -> Tensor:
        weight, bias = _cat(parts, "weight"), _cat(parts, "bias")
        return torch.group_norm(x, n_groups, weight, bias, norm.eps)

    return run


def _join_dropout(parts: Sequence[Any], updates: Updates) -> Step:
    def run(x: Tensor) -> Tensor:
        if not parts[0].drops:
            return x
        shape = (len(x), x.shape[1] // len(parts), *x.shape[2:])
        order = torch.channels_last if x.dim() == 4 else torch.contiguous_format
        alone = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=order)
        return x * torch.cat([part.mask(alone) for part in parts], 1)

    return run


def _join_flatten(parts: Sequence[Any], updates: Updates) -> Step:
    return lambda x: _apart(x, len(parts)).movedim(2, -1).flatten(1)


def _join_residual(parts: Sequence[Any], updates: Updates) -> Step:
    body = _join([part.body for part in parts], updates)
    shortcut = _join([part.shortcut for part in parts], updates)
    return lambda x: body(x) + shortcut(x)


def _join_branches(parts: Sequence[Any], updates: Updates) -> Step:
    branches = _join_each([part.branches for part in parts], updates)

    def run(x: Tensor) -> Tensor:
        outputs = [branch(x).chunk(len(parts), 1) for branch in branches]
        return torch.cat([output[i] for i in range(len(parts)) for output in outputs], 1)

    return run


def _join_each(parts: Sequence[Any], updates: Updates) -> list[Step]:
    return [_join(same, updates) for same in zip(*parts, strict=True)]


def _as_alone(parts: Sequence[Any], updates: Updates) -> Step:
    """Return the first network's part, which treats every channel by itself."""
    return cast(Step, parts[0])


_JOINTS: dict[type, Callable[[Sequence[Any], Updates], Step]] = {
    nn.Sequential: _join_sequence,
    nn.Conv2d: _join_convolution,
    nn.Conv3d: _join_convolution,
    WhiteningConv2d: _join_convolution,
    WhiteningConv3d: _join_convolution,
    nn.Linear: _join_dense,
    BatchNorm: _join_batch_norm,
    GroupNorm: _join_group_norm,
    ByteDropout: _join_dropout,
    ChannelsLastFlatten: _join_flatten,
    ResidualBlock: _join_residual,
    ParallelBranches: _join_branches,
    nn.ModuleList: _as_alone,  # the branches, which `_join_branches` walks
    **dict.fromkeys(
        (
            *cast(Iterable[type], _ACTIVATIONS.values()),
            nn.MaxPool2d,
            nn.MaxPool3d,
            MaxPoolByPairs,
            nn.AvgPool2d,
            nn.AvgPool3d,
            PaddedAveragePool,
            Pad,
            GlobalPooling,
        ),
        _as_alone,
    ),
}
