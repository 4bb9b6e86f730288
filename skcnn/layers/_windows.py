"""Specifications of layers with a sliding window: convolutions, whitening, pools.

Builds no tensor; the other layers and the base of all are in ``_layers``.
"""

from dataclasses import dataclass, field
from math import prod

from skcnn.exceptions import ArchitectureError
from skcnn.layers._base import (
    ACTIVATIONS,
    PADDING_MODES,
    POOLINGS,
    LayerSpec,
    Shape,
    check_choice,
    check_count,
    check_flag,
    check_integers,
    check_padding,
    check_spatial,
)
from skcnn.layers._shapes import Window, per_axis, resolve_padding


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
    padding : {"same", "valid"}, int or tuple of int, default="same"
        Values added on each side. "same" keeps the size at stride 1, "valid" adds none.
    padding_mode : {"zeros", "mirror", "edge", "wrap"}, default="zeros"
        What the added values are: zeros, the reflection about the border value, the
        border value itself, or the opposite side.
    dilation : int or tuple of int, default=1
        Distance between the kernel's elements.
    groups : int, default=1
        Number of blocks of channels that do not see each other; must divide the
        input channels and `filters`.
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
    padding: str | int | tuple[int, ...] = field(default="same", kw_only=True)
    padding_mode: str = field(default="zeros", kw_only=True)
    dilation: int | tuple[int, ...] = field(default=1, kw_only=True)
    groups: int = field(default=1, kw_only=True)
    bias: bool = field(default=True, kw_only=True)
    activation: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_count(self, "filters")
        check_flag(self, "bias")
        check_count(self, "groups")
        for name in ("kernel_size", "stride", "dilation"):
            check_integers(self, name, 1)
        check_padding(self)
        check_choice(self, "padding_mode", PADDING_MODES)
        if self.activation is not None:
            check_choice(self, "activation", ACTIVATIONS)

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


@dataclass(frozen=True, repr=False)
class Whiten(LayerSpec):
    r"""Convolution with fixed kernels that make small patches uncorrelated.

    The kernels are the principal components of the training samples' patches, each
    divided by its standard deviation, and their negatives, so that an activation keeps
    both signs: ``2 * n_channels * kernel_size ** n_axes`` filters. Only the biases are
    trained. It is meant for the first layer.

    Parameters
    ----------
    kernel_size : int or tuple of int, default=2
        Side of a patch, in pixels or samples, for all axes or one for each.
    padding : {"same", "valid"}, int or tuple of int, default="valid"
        Values added on each side, zeros.
    activation : str or None, default=None
        Activation applied to the output; see :class:`Activation`.

    Notes
    -----
    With the eigenvalues :math:`\lambda_i` and unit eigenvectors :math:`v_i` of the
    patches' second moments the kernels are
    :math:`\pm v_i / \sqrt{\lambda_i + \epsilon \bar\lambda}`, with
    :math:`\epsilon` = 0.0005. They are taken from 5,000 samples at most.

    References
    ----------
    Coates and Ng, "Learning feature representations with k-means", 2012, for whitened
    patches; Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv:2404.00498,
    for the fixed first layer.

    Examples
    --------
    >>> from skcnn.layers import Whiten
    >>> Whiten().output_shape((3, 32, 32))
    (24, 31, 31)
    >>> Whiten().n_parameters((3, 32, 32))
    24
    """

    kernel_size: int | tuple[int, ...] = field(default=2)
    padding: str | int | tuple[int, ...] = field(default="valid", kw_only=True)
    activation: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_integers(self, "kernel_size", 1)
        check_padding(self)
        if self.activation is not None:
            check_choice(self, "activation", ACTIVATIONS)

    def convolution(self, shape: Shape) -> Conv:
        """Return the convolution that this is for an input of `shape`."""
        check_spatial(self, shape)
        n_axes = len(shape) - 1
        window = prod(per_axis(self.kernel_size, n_axes, "kernel_size"))
        return Conv(2 * shape[0] * window, self.kernel_size, padding=self.padding)

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(2 * n_channels * window size, *spatial)``."""
        return self.convolution(shape).output_shape(shape)

    def n_parameters(self, shape: Shape) -> int:
        """Return the biases: the kernels are not trained."""
        return self.convolution(shape).filters

    def n_multiply_accumulates(self, shape: Shape) -> int:
        """Return window size x input channels x output values."""
        return self.convolution(shape).n_multiply_accumulates(shape)

    def kernel(self, shape: Shape) -> Shape:
        """Return the kernel's size along each axis."""
        return self.convolution(shape).kernel(shape)


@dataclass(frozen=True, repr=False)
class Pool(LayerSpec):
    """Maximum or average over a sliding window.

    Parameters
    ----------
    size : int or tuple of int, default=2
        Window length, for all axes or one for each.
    kind : {"max", "average"}, default="max"
        What is taken of each window. Padded values never count.
    stride : int, tuple of int or None, default=None
        Distance between window positions; None means `size`.
    padding : {"same", "valid"}, int or tuple of int, default="valid"
        Values added on each side.

    Examples
    --------
    >>> from skcnn.layers import Pool
    >>> Pool(2).output_shape((32, 15, 15))
    (32, 7, 7)
    """

    size: int | tuple[int, ...] = field(default=2)
    kind: str = field(default="max", kw_only=True)
    stride: int | tuple[int, ...] | None = field(default=None, kw_only=True)
    padding: str | int | tuple[int, ...] = field(default="valid", kw_only=True)

    def __post_init__(self) -> None:
        check_integers(self, "size", 1)
        check_choice(self, "kind", POOLINGS)
        if self.stride is not None:
            check_integers(self, "stride", 1)
        check_padding(self)

    def window(self, n_axes: int) -> Window:
        """Return the window resolved for `n_axes` spatial axes."""
        size = per_axis(self.size, n_axes, "size")
        stride = size if self.stride is None else per_axis(self.stride, n_axes, "stride")
        ones = (1,) * n_axes
        return Window(size, stride, resolve_padding(self.padding, size, ones), ones)

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(n_channels, *spatial)``."""
        check_spatial(self, shape)
        window = self.window(len(shape) - 1)
        if any(max(p) >= k for p, k in zip(window.padding, window.size, strict=True)):
            raise ArchitectureError(
                f"{self!r}: the padding must be smaller than the window {window.size}, "
                "or a window would see padding only."
            )
        return (shape[0], *window.slide(self, shape[1:]))

    def kernel(self, shape: Shape) -> Shape:
        """Return the window's size along each axis."""
        return self.window(len(shape) - 1).size
