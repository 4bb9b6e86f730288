"""Layers in front of a network that bring images to what it was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor, nn

from skcnn._utils.validation import is_number
from skcnn.exceptions import ArchitectureError
from skcnn.layers._base import LayerSpec, Shape, check_spatial
from skcnn.layers._fields import check_integers
from skcnn.layers._on_cuda.gradients import adds_in_any_order, resized
from skcnn.layers._shapes import per_axis
from skcnn.layers._steps import (
    Step,
    Updates,
    apart,
    channel_by_channel,
    joint_step,
    own_forward,
    prediction_step,
)

GREY, RGB, RGBA = 1, 3, 4


class ColourChannels(nn.Module):
    """Grey or transparent images as red, green and blue."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (n_samples, 3, *spatial)."""
        return colours(x, 1)


def colours(x: Tensor, axis: int) -> Tensor:
    """Return three channels along `axis`: a single one repeated, or four blended with white."""
    if x.shape[axis] == GREY:
        return torch.cat([x] * RGB, axis)  # a view would have memory of its own kind
    opaque, alpha = x.split([RGB, 1], axis)
    return torch.addcmul(1.0 - alpha, opaque, alpha)


class Interpolation(nn.Module):
    """Images of another size by bilinear interpolation."""

    def __init__(self, size: tuple[int, ...], shrinks: bool) -> None:
        super().__init__()
        self.size = size
        self.shrinks = shrinks

    def extra_repr(self) -> str:
        """Return the size."""
        return f"{self.size}"

    def forward(self, x: Tensor) -> Tensor:
        """Return (n_samples, n_channels, *size)."""
        if adds_in_any_order(x):
            return resized(x, self.size, self.shrinks)
        return F.interpolate(
            x, self.size, mode="bilinear", align_corners=False, antialias=self.shrinks
        )


class ChannelRescale(nn.Module):
    """A fixed factor and a fixed summand for each channel."""

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: Tensor, std: Tensor, n_axes: int) -> None:
        super().__init__()
        scale = (1.0 / std).reshape(-1, *(1,) * n_axes)
        self.register_buffer("scale", scale.float())
        self.register_buffer("shift", (-mean.reshape(scale.shape) * scale).float())

    def forward(self, x: Tensor) -> Tensor:
        """Return the rescaled `x`."""
        return torch.addcmul(self.shift, x, self.scale)


@dataclass(frozen=True, repr=False)
class ToRGB(LayerSpec):
    """Grey images, or images with transparency, as red, green and blue.

    One channel is repeated. Of four channels the last one is the opacity in [0, 1], and the
    image is shown on white.

    Notes
    -----
    For the opacity a a channel x becomes ``a x + 1 - a``, where 1 is white.

    Examples
    --------
    >>> from skcnn.layers import ToRGB
    >>> ToRGB().output_shape((1, 28, 28))
    (3, 28, 28)
    """

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(3, *spatial)``."""
        check_spatial(self, shape)
        if shape[0] not in (GREY, RGB, RGBA):
            raise ArchitectureError(
                f"{self!r} takes 1, 3 or 4 channels: grey, colour, or colour with opacity. "
                f"Got {shape[0]}."
            )
        return (RGB, *shape[1:])

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the module, which does nothing for three channels."""
        return nn.Identity() if shape[0] == RGB else ColourChannels()


@dataclass(frozen=True, repr=False)
class Resize(LayerSpec):
    """Images of another size, by bilinear interpolation.

    Parameters
    ----------
    size : int or tuple of int
        Height and width of the output, in pixels; an integer for both.

    Notes
    -----
    Pixel i of n output pixels has its centre at ``(i + 1/2) m / n - 1/2`` of m input pixels.
    If an axis becomes shorter, the triangle that weighs the input pixels is widened by m / n,
    so that all of them count (antialiasing), as in Pillow.

    Examples
    --------
    >>> from skcnn.layers import Resize
    >>> Resize(224).output_shape((3, 32, 32))
    (3, 224, 224)
    """

    size: int | tuple[int, ...]

    def __post_init__(self) -> None:
        check_integers(self, "size", 1)

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(n_channels, *size)``."""
        if len(shape) != 3:
            raise ArchitectureError(
                f"{self!r} is for images, (n_channels, height, width). Got {shape}."
            )
        return (shape[0], *per_axis(self.size, 2, "size"))

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the interpolation, or a module that does nothing for images of this size."""
        target = self.output_shape(shape)
        if target == shape:
            return nn.Identity()
        shrinks = any(new < old for new, old in zip(target[1:], shape[1:], strict=True))
        return Interpolation(target[1:], shrinks)


@dataclass(frozen=True, repr=False)
class Rescale(LayerSpec):
    """Images less a fixed mean, divided by a fixed standard deviation.

    Parameters
    ----------
    mean : float or tuple of float
        Subtracted: one number, or one for each channel.
    std : float or tuple of float
        The divisor, above 0: one number, or one for each channel.

    Examples
    --------
    >>> from skcnn.layers import Rescale
    >>> Rescale((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)).n_parameters((3, 8, 8))
    0
    """

    mean: float | tuple[float, ...]
    std: float | tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            value = getattr(self, name)
            values = value if isinstance(value, list | tuple) else (value,)
            if not values or not all(is_number(v) and (name == "mean" or v > 0) for v in values):
                above = " above 0" if name == "std" else ""
                raise ArchitectureError(
                    f"The {name!r} of Rescale must be a finite float{above} or a tuple of them, "
                    f"one for each channel. Got {value!r}."
                )
            plain = tuple(map(float, values))
            plural = isinstance(value, list | tuple)
            object.__setattr__(self, name, plain if plural else plain[0])

    def _per_channel(self, name: str, n_channels: int) -> tuple[float, ...]:
        value = getattr(self, name)
        values = value if isinstance(value, tuple) else (value,) * n_channels
        if len(values) != n_channels:
            raise ArchitectureError(
                f"{self!r}: {name} has {len(values)} numbers, but the input {n_channels} channels."
            )
        return values

    def output_shape(self, shape: Shape) -> Shape:
        """Return the input's shape."""
        for name in ("mean", "std"):
            self._per_channel(name, shape[0])
        return shape

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the module with the fixed numbers."""
        mean, std = (
            torch.tensor(self._per_channel(name, shape[0]), dtype=torch.float64)
            for name in ("mean", "std")
        )
        return ChannelRescale(mean, std, len(shape) - 1 + is_signal)


@joint_step(ColourChannels)
def _join_colours(parts: Sequence[Any], updates: Updates) -> Step:
    return lambda x: colours(apart(x, len(parts)), 2).flatten(1, 2)


@joint_step(ChannelRescale)
def _join_rescale(parts: Sequence[Any], updates: Updates) -> Step:
    scale, shift = (torch.cat([getattr(part, n) for part in parts]) for n in ("scale", "shift"))
    return lambda x: torch.addcmul(shift, x, scale)


joint_step(Interpolation)(channel_by_channel)
prediction_step(ColourChannels, Interpolation, ChannelRescale)(own_forward)
