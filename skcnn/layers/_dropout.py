"""Dropout of values, of feature maps and of whole samples."""

import functools
import itertools
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from skcnn._utils.validation import is_number
from skcnn.exceptions import ArchitectureError
from skcnn.layers._base import LayerSpec, Shape
from skcnn.layers._fields import check_flag
from skcnn.layers._steps import Step, Updates, apart, joint_step, skip_in_predictions


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
        self.key: int | None = None  # by which a compiled graph finds this module

    def __getstate__(self) -> dict[str, Any]:
        # a generator belongs to one training, not to copies and pickles
        return {**vars(self), "generator": None, "key": None}

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

    def mask_shape(self, x: Tensor) -> torch.Size:
        """Return the shape of the factors for `x`."""
        return x.shape[:2] + (1,) * (x.dim() - 2) if self.channels else x.shape

    def mask(self, x: Tensor) -> Tensor:
        """Return the next factors, for a tensor of the shape, dtype and memory order of `x`."""
        shape = self.mask_shape(x)
        n = shape.numel()
        if self.key is not None and torch.compiler.is_compiling():
            kept = torch.ops.skcnn.random_bytes.default(self.key, n, x.device) >= self.threshold
        else:
            kept = self.random_bytes(n, x.device) >= self.threshold
        mask = kept.to(x.dtype).mul_(256 / (256 - self.threshold)).view(shape)
        if shape == x.shape and x.dim() == 4:
            # a mask in the memory order of x multiplies faster
            mask = torch.as_strided(mask, x.shape, x.stride()) if _is_dense(x) else mask
        return mask

    def random_bytes(self, n: int, device: torch.device) -> Tensor:
        """Return the next `n` random bytes of the generator."""
        words = torch.empty((n + 7) // 8, dtype=torch.int64, device=device)
        words.random_(-(2**63), None, generator=self.generator)
        return words.view(torch.uint8)[:n]


class SampleDropout(ByteDropout):
    """Dropout of all values of a sample."""

    def __init__(self, rate: float) -> None:
        super().__init__(rate, channels=False)

    def extra_repr(self) -> str:
        """Return the rate."""
        return f"rate={self.threshold / 256:.4g}"

    def mask_shape(self, x: Tensor) -> torch.Size:
        """Return the shape of the factors for `x`, one a sample."""
        return x.shape[:1] + (1,) * (x.dim() - 1)


def dropout_generator(module: nn.Module) -> torch.Generator | None:
    """Return the generator that the dropout layers of a network share, None without any."""
    layers = (part for part in module.modules() if isinstance(part, ByteDropout))
    return next((layer.generator for layer in layers), None)


# The modules of compiled networks, whose graphs cannot hold a generator.
_compiled: "weakref.WeakValueDictionary[int, ByteDropout]" = weakref.WeakValueDictionary()
_keys = itertools.count()


def draw_in_compiled_graphs(module: nn.Module) -> None:
    """Let torch.compile keep the dropout layers of a network in one graph with the others.

    torch's compiler cannot trace draws from a generator, and ends its graph there. An operator
    of its own draws the same bytes inside of the graph.
    """
    _define_random_bytes()
    for part in module.modules():
        if isinstance(part, ByteDropout) and part.key is None:
            part.key = next(_keys)
            _compiled[part.key] = part


@functools.cache
def _define_random_bytes() -> None:
    # two draws differ, so that the compiler must neither join nor repeat them
    tags = (torch.Tag.nondeterministic_seeded,)

    @torch.library.custom_op("skcnn::random_bytes", mutates_args=(), tags=tags)
    def random_bytes(key: int, n: int, device: torch.device) -> Tensor:
        # an operator returns memory of its own
        return _compiled[key].random_bytes(n, device).clone()

    @random_bytes.register_fake
    def _(key: int, n: int, device: torch.device) -> Tensor:
        return torch.empty(n, dtype=torch.uint8, device=device)


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
    draws = True
    keeps_length = True

    def __post_init__(self) -> None:
        check_flag(self, "channels")
        check_rate(self)

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the dropout module."""
        return ByteDropout(self.rate, self.channels)


@dataclass(frozen=True, repr=False)
class StochasticDepth(LayerSpec):
    """Randomly zeroed samples, in training only: the last layer in the body of `Residual`.

    A sample whose values are zeroed passes the block by its shortcut alone.

    Parameters
    ----------
    rate : float, default=0.1
        Probability of a sample being zeroed, in [0, 1). The others are divided by
        ``1 - rate``. Probabilities are multiples of 1/256.

    References
    ----------
    Huang et al., "Deep networks with stochastic depth", arXiv:1603.09382.

    Examples
    --------
    >>> from skcnn.layers import Conv, Residual, StochasticDepth
    >>> Residual([Conv(8, activation="relu"), Conv(8), StochasticDepth(0.2)])
    Residual((Conv(8, 3, activation='relu'), Conv(8, 3), StochasticDepth(0.2)))
    """

    rate: float = field(default=0.1)
    draws = True
    keeps_length = True

    def __post_init__(self) -> None:
        check_rate(self)

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the dropout module."""
        return SampleDropout(self.rate)


def check_rate(owner: Any) -> None:
    """Check the field `rate` of a layer, a probability below one."""
    if not is_number(owner.rate) or not 0 <= owner.rate < 1:
        raise ArchitectureError(
            f"The 'rate' of {type(owner).__name__} must be a float in [0, 1). Got {owner.rate!r}."
        )


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


@joint_step(SampleDropout)
def _join_sample_dropout(parts: Sequence[Any], updates: Updates) -> Step:
    def run(x: Tensor) -> Tensor:
        if not parts[0].drops:
            return x
        masks = torch.stack([part.mask(x) for part in parts], 1)  # (N, k, 1, 1, 1)
        return (apart(x, len(parts)) * masks).flatten(1, 2)

    return run


skip_in_predictions(ByteDropout, SampleDropout)
