"""Layers that scale, gate or add whole channels."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor, nn

from skcnn._utils.validation import is_number
from skcnn.exceptions import ArchitectureError
from skcnn.layers._activation import ACTIVATIONS, Activation
from skcnn.layers._base import SIGNAL_DIMS, LayerSpec, Shape, check_spatial, undrawn
from skcnn.layers._fields import check_choice, check_count
from skcnn.layers._pooling import GlobalPooling
from skcnn.layers._steps import (
    Step,
    StepOf,
    Updates,
    apart,
    join,
    joined,
    joint_step,
    own_forward,
    prediction_step,
)


class ChannelScale(nn.Module):
    """A learned factor for each channel."""

    def __init__(self, n_channels: int, initial: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((n_channels,), float(initial)))

    def extra_repr(self) -> str:
        """Return the number of channels."""
        return f"{len(self.weight)}"

    def forward(self, x: Tensor) -> Tensor:
        """Return the scaled `x`."""
        return x * per_channel(self.weight, x)


class ChannelPad(nn.Module):
    """Channels of zeros before and after those of the input."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.before = before
        self.after = after

    def extra_repr(self) -> str:
        """Return the numbers of channels added."""
        return f"{self.before}, {self.after}"

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with more channels."""
        return F.pad(x, (0, 0) * (x.dim() - 2) + (self.before, self.after))


class ChannelGate(nn.Module):
    """Channels times factors computed from all of them."""

    def __init__(self, gate: nn.Module) -> None:
        super().__init__()
        self.gate = gate

    def forward(self, x: Tensor) -> Tensor:
        """Return the gated `x`."""
        return x * per_channel(self.gate(x), x)


class RowsOfChannels(nn.Module):
    """Channels of signals as the rows of images of one channel."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (n_samples, 1, n_channels, length) of (n_samples, n_channels, 1, length)."""
        return x.transpose(1, 2).contiguous()


def per_channel(values: Tensor, x: Tensor) -> Tensor:
    """Return values of channels, (..., n_channels), with the spatial axes of `x`."""
    return values.reshape(*values.shape, *(1,) * (x.dim() - 2))


@dataclass(frozen=True, repr=False)
class LayerScale(LayerSpec):
    """A learned factor for each channel, small at first.

    At the end of the body of a deep `Residual` it makes the block start near the identity.

    Parameters
    ----------
    initial : float, default=1e-6
        The factors before training.

    References
    ----------
    Touvron et al., "Going deeper with image transformers", arXiv:2103.17239.

    Examples
    --------
    >>> from skcnn.layers import LayerScale
    >>> LayerScale().n_parameters((40, 8, 8))
    40
    """

    initial: float = field(default=1e-6)
    keeps_length = True

    def __post_init__(self) -> None:
        if not is_number(self.initial) or not abs(self.initial) < float("inf"):
            raise ArchitectureError(
                f"The 'initial' of LayerScale must be a finite float. Got {self.initial!r}."
            )

    def n_parameters(self, shape: Shape) -> int:
        """Return one factor a channel."""
        return shape[0]

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the scaling module."""
        return ChannelScale(shape[0], self.initial)


@dataclass(frozen=True, repr=False)
class PadChannels(LayerSpec):
    """Channels of zeros around those of the input, half of them before and half after.

    After ``Pool(1, stride=2)`` it makes the shortcut without parameters of the first
    residual networks ("option A").

    Parameters
    ----------
    channels : int
        Number of channels of the output, at least those of the input.

    References
    ----------
    He et al., "Deep residual learning for image recognition", arXiv:1512.03385, section 4.2.

    Examples
    --------
    >>> from skcnn.layers import Conv, PadChannels, Pool, Residual
    >>> body = [Conv(32, stride=2, activation="relu"), Conv(32)]
    >>> Residual(body, shortcut=[Pool(1, stride=2), PadChannels(32)]).output_shape((16, 32, 32))
    (32, 16, 16)
    """

    channels: int
    keeps_length = True

    def __post_init__(self) -> None:
        check_count(self, "channels")

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(channels, *spatial)``."""
        if shape[0] > self.channels:
            raise ArchitectureError(
                f"{self!r} adds channels: channels (={self.channels}) must be at least those "
                f"of the input (={shape[0]})."
            )
        return (self.channels, *shape[1:])

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the module that adds channels."""
        added = self.channels - shape[0]
        return ChannelPad(added // 2, added - added // 2)


@dataclass(frozen=True, repr=False)
class SqueezeExcitation(LayerSpec):
    """Feature maps times factors in (0, 1) that two dense layers compute from their means.

    Parameters
    ----------
    units : int
        Number of neurons of the first dense layer; often a sixteenth of the channels.
    inner_activation : str, default="relu"
        Activation of the first dense layer; see :class:`Activation`.

    Notes
    -----
    For the means m of the maps the factors are ``sigmoid(W2 f(W1 m + b1) + b2)``.

    References
    ----------
    Hu et al., "Squeeze-and-excitation networks", arXiv:1709.01507.

    Examples
    --------
    >>> from skcnn.layers import SqueezeExcitation
    >>> SqueezeExcitation(4).n_parameters((64, 8, 8))
    580
    """

    units: int
    inner_activation: str = field(default="relu", kw_only=True)
    keeps_length = True

    def __post_init__(self) -> None:
        check_count(self, "units")
        check_choice(self, "inner_activation", ACTIVATIONS)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the input's shape."""
        check_spatial(self, shape)
        return shape

    def n_parameters(self, shape: Shape) -> int:
        """Return the weights and the biases of both dense layers."""
        return self.units * (shape[0] + 1) + shape[0] * (self.units + 1)

    def n_multiply_accumulates(self, shape: Shape) -> int:
        """Return those of both dense layers."""
        return 2 * self.units * shape[0]

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the gated module."""
        n_channels = shape[0]
        return ChannelGate(
            nn.Sequential(
                GlobalPooling("average"),
                undrawn(nn.Linear, n_channels, self.units),
                Activation(self.inner_activation).build((self.units,), is_signal),
                undrawn(nn.Linear, self.units, n_channels),
                nn.Sigmoid(),
            )
        )


@dataclass(frozen=True, repr=False)
class ChannelsAsRows(LayerSpec):
    """The channels of a signal as the rows of an image of one channel.

    Kernels after it have two sides: ``(1, 64)`` filters every channel over time by itself,
    ``(n_channels, 1)`` without padding mixes the channels at each time. Networks for
    electroencephalograms begin with both.

    References
    ----------
    Schirrmeister et al., "Deep learning with convolutional neural networks for EEG decoding
    and visualization", arXiv:1703.05051.

    Examples
    --------
    >>> from skcnn.layers import ChannelsAsRows
    >>> ChannelsAsRows().output_shape((22, 1000))
    (1, 22, 1000)
    """

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(1, n_channels, length)``."""
        if len(shape) != SIGNAL_DIMS:
            raise ArchitectureError(
                f"{self!r} needs an input (n_channels, length), a signal. Got {shape}."
            )
        return (1, *shape)

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the module that exchanges the axes."""
        return RowsOfChannels()


@joint_step(RowsOfChannels)
def _join_rows(parts: Sequence[Any], updates: Updates) -> Step:
    return lambda x: apart(x, len(parts)).squeeze(3).contiguous()


@prediction_step(ChannelGate)
def _predict_gate(block: ChannelGate, step_of: StepOf) -> Step:
    gate = step_of(block.gate)
    return lambda x: x * per_channel(gate(x), x)


@joint_step(ChannelGate)
def _join_gate(parts: Sequence[Any], updates: Updates) -> Step:
    gate = join([part.gate for part in parts], updates)
    return lambda x: x * per_channel(gate(x), x)


@joint_step(ChannelScale)
def _join_scale(parts: Sequence[Any], updates: Updates) -> Step:
    return lambda x: x * per_channel(joined(parts, "weight"), x)


@joint_step(ChannelPad)
def _join_pad(parts: Sequence[Any], updates: Updates) -> Step:
    def run(x: Tensor) -> Tensor:
        x = apart(x, len(parts))  # (N, k, C, *spatial)
        widths = (0, 0) * (x.dim() - 3) + (parts[0].before, parts[0].after)
        return F.pad(x, widths).flatten(1, 2)

    return run


prediction_step(ChannelScale, ChannelPad, RowsOfChannels)(own_forward)
