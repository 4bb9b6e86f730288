"""Dropout."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from skcnn._utils.validation import is_number
from skcnn.exceptions import ArchitectureError
from skcnn.layers._base import LayerSpec, Shape
from skcnn.layers._fields import check_flag
from skcnn.layers._steps import Step, Updates, joint_step, skip_in_predictions


class ByteDropout(nn.Module):
    """Dropout whose mask is random bytes compared with a threshold.

    One 64-bit random number serves eight values, which is faster than ``bernoulli_``. The
    rate is a multiple of 1/256. If `generator` is set, torch's global random state is not
    used, so that trainings in several threads are independent.
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
        """Return the next factors, for a tensor of the shape, dtype and memory order of `x`."""
        shape = x.shape[:2] + (1,) * (x.dim() - 2) if self.channels else x.shape
        n = shape.numel()
        words = torch.empty((n + 7) // 8, dtype=torch.int64, device=x.device)
        kept = (
            words.random_(-(2**63), None, generator=self.generator).view(torch.uint8)[:n]
            >= self.threshold
        )
        mask = kept.to(x.dtype).mul_(256 / (256 - self.threshold)).view(shape)
        if not self.channels and x.dim() == 4:
            # a mask in the memory order of x multiplies faster
            mask = torch.as_strided(mask, x.shape, x.stride()) if _is_dense(x) else mask
        return mask


def _is_dense(x: Tensor) -> bool:
    return x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True, repr=False)
class Dropout(LayerSpec):
    """Randomly zeroed values, in training only.

    Parameters
    ----------
    rate : float, default=0.5
        Probability of a value being zeroed, in [0, 1). The others are divided by
        ``1 - rate``. Probabilities are multiples of 1/256.
    channels : bool, default=False
        Whether whole feature maps are zeroed instead of single values.

    References
    ----------
    Srivastava et al., "Dropout: a simple way to prevent neural networks from
    overfitting", JMLR 15, 2014; Tompson et al., arXiv:1411.4280, for whole maps.

    Examples
    --------
    >>> from skcnn.layers import Dropout
    >>> Dropout(0.25, channels=True)
    Dropout(0.25, channels=True)
    """

    rate: float = field(default=0.5)
    channels: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        check_flag(self, "channels")
        if not is_number(self.rate) or not 0 <= self.rate < 1:
            raise ArchitectureError(
                f"The 'rate' of Dropout must be a float in [0, 1). Got {self.rate!r}."
            )

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the dropout module."""
        return ByteDropout(self.rate, self.channels)


@joint_step(ByteDropout)
def _join_dropout(parts: Sequence[Any], updates: Updates) -> Step:
    def run(x: Tensor) -> Tensor:
        if not parts[0].drops:
            return x
        shape = (len(x), x.shape[1] // len(parts), *x.shape[2:])
        order = torch.channels_last if x.dim() == 4 else torch.contiguous_format
        alone = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=order)
        return x * torch.cat([part.mask(alone) for part in parts], 1)

    return run


skip_in_predictions(ByteDropout)
