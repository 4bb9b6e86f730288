"""The torch modules of networks that torch has not, or not as fast or as kind to small batches.

Know no layer specification; ``_network`` puts them together.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor, nn

from skcnn.layers._shapes import Padding


class Standardize(nn.Module):
    """Subtract a mean and divide by a standard deviation, one each a channel.

    Also where pixels of any dtype become the network's dtype and memory layout.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: Tensor, std: Tensor, n_axes: int) -> None:
        super().__init__()
        scale = (1.0 / std).reshape(1, -1, *(1,) * n_axes)
        self.register_buffer("scale", scale)
        self.register_buffer("shift", -mean.reshape(scale.shape) * scale)

    def forward(self, x: Tensor) -> Tensor:
        """Return the standardised `x`, (n_samples, n_channels, *spatial)."""
        if x.dim() == 4:
            x = x.to(self.scale.dtype, memory_format=torch.channels_last)
        else:
            x = x.to(self.scale.dtype)
        return torch.addcmul(self.shift, x, self.scale)


class ByteDropout(nn.Module):
    """Dropout whose mask is random bytes compared with a threshold.

    Eight values cost one 64-bit random number: 0.3 ms for 400,000 values where
    ``bernoulli_`` takes 3.6 ms. The rate is a multiple of 1/256. With `generator` set
    torch's global random state is not touched, and trainings in several threads do not
    disturb each other.
    """

    def __init__(self, rate: float, channels: bool) -> None:
        super().__init__()
        self.threshold = min(max(round(rate * 256), 0), 255)
        self.channels = channels
        self.generator: torch.Generator | None = None

    def __getstate__(self) -> dict[str, Any]:
        # a generator belongs to one training, not to copies and pickles
        return {**vars(self), "generator": None}

    def extra_repr(self) -> str:
        """Return the rate and whether whole channels are dropped."""
        return f"rate={self.threshold / 256:.4g}, channels={self.channels}"

    @property
    def drops(self) -> bool:
        """Whether anything is dropped: in training, at a rate above zero."""
        return self.training and self.threshold > 0

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with dropped values in training, else `x` itself."""
        return x * self.mask(x) if self.drops else x

    def mask(self, x: Tensor) -> Tensor:
        """Return the next factors of values like those of `x`, whose values do not matter."""
        shape = x.shape[:2] + (1,) * (x.dim() - 2) if self.channels else x.shape
        n = shape.numel()
        words = torch.empty((n + 7) // 8, dtype=torch.int64, device=x.device)
        kept = (
            words.random_(-(2**63), None, generator=self.generator).view(torch.uint8)[:n]
            >= self.threshold
        )
        mask = kept.to(x.dtype).mul_(256 / (256 - self.threshold)).view(shape)
        if not self.channels and x.dim() == 4:
            # A mask in the memory order of x multiplies three times as fast.
            mask = torch.as_strided(mask, x.shape, x.stride()) if _is_dense(x) else mask
        return mask


def _is_dense(x: Tensor) -> bool:
    return x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last)


class BatchNorm(nn.Module):
    """Batch normalisation that falls back on its running figures for a single value.

    Where a training batch holds one value a channel its variance is undefined; torch
    raises there, and a batch of one sample on 1x1 maps would end a long training.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, n_channels: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_channels))
        self.bias = nn.Parameter(torch.zeros(n_channels))
        self.register_buffer("running_mean", torch.zeros(n_channels))
        self.register_buffer("running_var", torch.ones(n_channels))
        self.momentum = momentum
        self.eps = 1e-5

    def extra_repr(self) -> str:
        """Return channels and momentum."""
        return f"{len(self.weight)}, momentum={self.momentum!r}"

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised `x`."""
        one_value = x.numel() == x.shape[1]
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training and not one_value,
            self.momentum,
            self.eps,
        )


class GroupNorm(nn.GroupNorm):
    """Group normalisation; torch's own refuses one sample with few values a channel."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised `x`."""
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class WhiteningConv2d(nn.Conv2d):
    """Convolution whose kernels are set from data and not trained."""


class WhiteningConv3d(nn.Conv3d):
    """Convolution whose kernels are set from data and not trained."""


class ChannelsLastFlatten(nn.Module):
    """Feature maps to vectors, channels varying fastest: no copy in channels-last memory."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (n_samples, n_features)."""
        return x.movedim(1, -1).flatten(1)


class Pad(nn.Module):
    """Values added around the spatial axes."""

    def __init__(self, padding: Padding, mode: str, value: float = 0.0) -> None:
        super().__init__()
        self.padding = tuple(p for pair in reversed(padding) for p in pair)
        self.mode = mode
        self.value = value

    def extra_repr(self) -> str:
        """Return padding and mode."""
        return f"{self.padding}, mode={self.mode!r}"

    def forward(self, x: Tensor) -> Tensor:
        """Return the padded `x`."""
        if self.mode == "constant":
            return F.pad(x, self.padding, value=self.value)
        return F.pad(x, self.padding, mode=self.mode)


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


class ResidualBlock(nn.Module):
    """Sum of a body and a shortcut."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return body(x) + shortcut(x)."""
        return self.body(x) + self.shortcut(x)


class ParallelBranches(nn.Module):
    """Branches on one input, concatenated along the channels."""

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Return the concatenated outputs."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)
