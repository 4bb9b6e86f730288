"""Convolutions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor, nn

from skcnn.exceptions import ArchitectureError
from skcnn.layers._activation import check_activation
from skcnn.layers._base import LayerSpec, Shape, check_spatial, undrawn, with_height
from skcnn.layers._fields import check_choice, check_count, check_flag, check_integers
from skcnn.layers._padding import PADDING_MODES, Pad, check_padding
from skcnn.layers._shapes import Window, per_axis, resolve_padding
from skcnn.layers._steps import Step, StepOf, Updates, joined, joint_step, prediction_step

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)
VOLUME_DIMS = 3
LARGEST_SOUND_KERNEL = 3  # with elements that see padding only, at stride 1
# Depthwise convolutions of up to these channels with wider kernels never end in bfloat16.
MOST_ENDLESS_CHANNELS, WIDEST_ENDING_KERNEL = 16, 12


class FullPrecisionConv2d(nn.Conv2d):
    """Convolution that autocast leaves alone.

    On the CPU torch 2.13 does not write all values of a kernel's gradient in bfloat16 if some
    elements of the kernel see padding only, or with three axes if an input is smaller than the
    kernel: they are what was in memory before. And its depthwise convolutions of few channels do
    not end if the kernel has 15 columns or more.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of `x` in the dtype of the kernels."""
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.to(self.weight.dtype))


class FullPrecisionConv3d(nn.Conv3d):
    """Convolution along three axes that autocast leaves alone, see `FullPrecisionConv2d`."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of `x` in the dtype of the kernels."""
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.to(self.weight.dtype))


@dataclass(frozen=True, repr=False)
class Conv(LayerSpec):
    """Convolution (cross-correlation) in as many dimensions as the input has.

    Parameters
    ----------
    filters : int
        Number of filters, the output's channels.
    kernel_size : int or tuple of int, default=3
        Window length, in pixels or samples, for all axes or one for each.
    stride : int or tuple of int, default=1
        Distance between window positions.
    padding : {"same", "valid"}, int or tuple, default="same"
        Values added on each side: one number for all axes, one for each, or a pair (before,
        after) for each. "same" keeps the size at stride 1, "valid" adds none.
    padding_mode : {"zeros", "mirror", "edge", "wrap"}, default="zeros"
        What the added values are: zeros, the reflection about the border value, the
        border value itself, or the opposite side.
    dilation : int or tuple of int, default=1
        Distance between the kernel's elements.
    groups : int, default=1
        Number of groups of channels that are convolved separately; must divide the
        input channels and `filters`. The number of input channels makes a depthwise
        convolution.
    bias : bool, default=True
        Whether a constant is added to each filter's output.
    activation : str or None, default=None
        Activation applied to the output; see :class:`Activation`.

    Notes
    -----
    The output size along an axis of length n with window f, stride s and padding p on
    each side is ``floor((n + 2p - f) / s) + 1``.

    Examples
    --------
    >>> from skcnn.layers import Conv
    >>> Conv(32).output_shape((1, 28, 28))
    (32, 28, 28)
    >>> Conv(32, padding="valid").n_parameters((1, 150, 150))
    320
    """

    filters: int
    kernel_size: int | tuple[int, ...] = field(default=3)
    stride: int | tuple[int, ...] = field(default=1, kw_only=True)
    padding: str | int | tuple[Any, ...] = field(default="same", kw_only=True)
    padding_mode: str = field(default="zeros", kw_only=True)
    dilation: int | tuple[int, ...] = field(default=1, kw_only=True)
    groups: int = field(default=1, kw_only=True)
    bias: bool = field(default=True, kw_only=True)
    activation: str | None = field(default=None, kw_only=True)
    convolves = True

    def __post_init__(self) -> None:
        check_count(self, "filters")
        check_flag(self, "bias")
        check_count(self, "groups")
        for name in ("kernel_size", "stride", "dilation"):
            check_integers(self, name, 1)
        check_padding(self)
        check_choice(self, "padding_mode", PADDING_MODES)
        check_activation(self)

    def window(self, n_axes: int) -> Window:
        """Return the window resolved for `n_axes` spatial axes."""
        size = per_axis(self.kernel_size, n_axes, "kernel_size")
        dilation = per_axis(self.dilation, n_axes, "dilation")
        return Window(
            size=size,
            stride=per_axis(self.stride, n_axes, "stride"),
            padding=resolve_padding(self.padding, size, dilation),
            dilation=dilation,
        )

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(filters, *spatial)``."""
        check_spatial(self, shape)
        n_channels, *spatial = shape
        if n_channels % self.groups or self.filters % self.groups:
            raise ArchitectureError(
                f"{self!r}: groups (={self.groups}) must divide the input channels "
                f"(={n_channels}) and filters (={self.filters})."
            )
        window = self.window(len(spatial))
        self._check_padding_fits(window, tuple(spatial))
        return (int(self.filters), *window.slide(self, tuple(spatial)))

    def _check_padding_fits(self, window: Window, spatial: Shape) -> None:
        """Check that the input has the values which mirror and wrap padding repeat."""
        spare = {"mirror": 1, "wrap": 0}.get(self.padding_mode)
        if spare is None:
            return
        widest = tuple(max(pads) for pads in window.padding)
        if any(p > n - spare for p, n in zip(widest, spatial, strict=True)):
            most = "one value less than" if spare else "as many values as"
            raise ArchitectureError(
                f"{self!r}: padding_mode={self.padding_mode!r} repeats at most {most} the "
                f"input has. Got padding {widest} for spatial size {spatial}: use a "
                "smaller kernel_size or padding_mode='zeros'."
            )

    def output_length(self, length: int, shape: Shape) -> int:
        """Return the number of positions of the kernel."""
        if self.padding_mode != "zeros":
            raise ArchitectureError(
                f"{self!r}: signals of unequal length need padding_mode='zeros', since their "
                f"ends are padded with zeros. Got {self.padding_mode!r}."
            )
        return self.window(len(shape) - 1).slide_along_last(length)

    def n_parameters(self, shape: Shape) -> int:
        """Return the kernels' weights and the biases."""
        window = prod(self.window(len(shape) - 1).size)
        return self.filters * (window * shape[0] // self.groups + bool(self.bias))

    def n_multiply_accumulates(self, shape: Shape) -> int:
        """Return window size x input channels x output values."""
        window = prod(self.window(len(shape) - 1).size)
        return window * shape[0] // self.groups * prod(self.output_shape(shape))

    def kernel(self, shape: Shape) -> Shape:
        """Return the kernel's size along each axis."""
        return self.window(len(shape) - 1).size

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the convolution, after a `Pad` where torch's own padding does not do."""
        needs_float32 = _is_unsound_in_bfloat16(self, shape) or _is_endless_in_bfloat16(self, shape)
        classes = (FullPrecisionConv2d, FullPrecisionConv3d) if needs_float32 else CONVOLUTIONS
        return build_convolution(self, shape, is_signal, classes)


def build_convolution(
    spec: Conv,
    shape: Shape,
    is_signal: bool,
    classes: tuple[type[nn.Conv2d], type[nn.Conv3d]],
) -> nn.Module:
    """Return a convolution of the first class for two axes, of the second for three."""
    window = spec.window(len(shape) - 1)
    padding = with_height(window.padding, is_signal, (0, 0))
    simple = spec.padding_mode == "zeros" and all(a == b for a, b in padding)
    simple = simple and not _has_empty_windows(spec, shape)
    conv = undrawn(
        classes[len(padding) == 3],
        shape[0],
        spec.filters,
        kernel_size=with_height(window.size, is_signal, 1),
        stride=with_height(window.stride, is_signal, 1),
        padding=cast(Any, tuple(a for a, _ in padding)) if simple else 0,
        dilation=with_height(window.dilation, is_signal, 1),
        groups=spec.groups,
        bias=spec.bias,
    )
    if simple or not any(map(any, padding)):
        return conv
    return nn.Sequential(Pad(padding, PADDING_MODES[spec.padding_mode]), conv)


def _has_empty_windows(spec: Conv, shape: Shape) -> bool:
    """Return whether some window sees padding only, along one axis.

    oneDNN as of torch 2.13 calls code that is not there for such windows, which ends the process
    or overwrites memory, unless the padding is added before.
    """
    window, spatial = spec.window(len(shape) - 1), shape[1:]
    axes = (spatial, window.size, window.stride, window.padding, window.dilation)
    counts = window.slide(spec, spatial)
    for n, size, stride, (before, after), step, count in zip(*axes, counts, strict=True):
        if max(before, after) <= step * (size - 1) and step <= n:
            continue  # each window reaches inside, and no gap between its elements hides that
        for start in range(-before, count * stride - before, stride):
            if not any(0 <= start + i * step < n for i in range(size)):
                return True
    return False


def _is_unsound_in_bfloat16(spec: Conv, shape: Shape) -> bool:
    """Return whether the kernels' gradient in bfloat16 may be wrong, see `FullPrecisionConv2d`."""
    window, spatial = spec.window(len(shape) - 1), shape[1:]
    spans = [d * (k - 1) + 1 for k, d in zip(window.size, window.dilation, strict=True)]
    if len(spatial) == VOLUME_DIMS:
        padded = [max(pair) > 0 for pair in window.padding]
        return any(p and n < span for p, n, span in zip(padded, spatial, spans, strict=True))
    if max(window.stride) == 1 and max(spans) <= LARGEST_SOUND_KERNEL:
        return False
    counts = window.slide(spec, spatial)
    return any(
        not any(0 <= place * s - before + element * d < n for place in range(count))
        for n, count, k, s, (before, _), d in zip(
            spatial,
            counts,
            window.size,
            window.stride,
            window.padding,
            window.dilation,
            strict=True,
        )
        for element in range(k)
    )


def _is_endless_in_bfloat16(spec: Conv, shape: Shape) -> bool:
    """Return whether oneDNN may loop for ever over a batch in bfloat16 (torch 2.13).

    Found with kernels of 15 columns and more, steps of one and outputs of 31 columns and more. The
    bounds here are wider, since those of other processors are not known.
    """
    is_depthwise = spec.groups == shape[0] == spec.filters
    width = spec.window(len(shape) - 1).size[-1]
    return is_depthwise and shape[0] <= MOST_ENDLESS_CHANNELS and width > WIDEST_ENDING_KERNEL


def convolves_as_built(conv: nn.Conv2d | nn.Conv3d) -> bool:
    """Return whether a convolution has the settings that `build_convolution` gives."""
    return conv.padding_mode == "zeros" and not isinstance(conv.padding, str)


def convolve(conv: nn.Conv2d | nn.Conv3d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the convolution by oneDNN, which rounds alike for any number of samples."""
    padding = cast(Any, conv.padding)
    return torch.mkldnn_convolution(
        x, weight, bias, padding, conv.stride, conv.dilation, conv.groups
    )


@prediction_step(
    *CONVOLUTIONS, FullPrecisionConv2d, FullPrecisionConv3d, only_if=convolves_as_built
)
def predict_convolution(conv: nn.Conv2d | nn.Conv3d, step_of: StepOf) -> Step:
    """Return the step of a convolution."""
    return lambda x: convolve(conv, x, conv.weight, conv.bias)


@joint_step(*CONVOLUTIONS, FullPrecisionConv2d, FullPrecisionConv3d)
def join_convolution(parts: Sequence[Any], updates: Updates) -> Step:
    """Return one grouped convolution with the joined kernels."""
    conv = parts[0]
    convolve = F.conv3d if isinstance(conv, nn.Conv3d) else F.conv2d
    groups = len(parts) * conv.groups
    in_float32 = isinstance(conv, FullPrecisionConv2d | FullPrecisionConv3d)

    def run(x: Tensor) -> Tensor:
        weight, bias = joined(parts, "weight"), joined(parts, "bias")
        return convolve(x, weight, bias, conv.stride, conv.padding, conv.dilation, groups)

    def run_in_float32(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return run(x.to(conv.weight.dtype))

    return run_in_float32 if in_float32 else run
