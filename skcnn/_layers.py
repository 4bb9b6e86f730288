"""Specifications of single layers, as small frozen dataclasses with integer shapes.

Builds no tensor and chooses no architecture; layers made of layers and the way of a
shape through a whole network are in ``_blocks``.
"""

from dataclasses import dataclass, field, fields
from math import prod
from numbers import Real

from skcnn._errors import ArchitectureError
from skcnn._fields import (
    check_choice,
    check_count,
    check_flag,
    check_integers,
    check_padding,
)
from skcnn._shapes import Window, per_axis, resolve_padding

ACTIVATIONS = (
    "relu",
    "leaky_relu",
    "elu",
    "gelu",
    "silu",
    "tanh",
    "sigmoid",
    "identity",
)
NORMALIZATIONS = ("batch", "group")
POOLINGS = ("max", "average")
PADDING_MODES = ("zeros", "mirror", "edge", "wrap")

MOST_GROUPS = 8
FEWEST_VALUES_A_GROUP = 8

Shape = tuple[int, ...]


def _check_spatial(owner: object, shape: Shape) -> None:
    if len(shape) < 2:
        raise ArchitectureError(
            f"{owner!r} needs an input with spatial axes, (n_channels, *spatial). "
            f"Got {shape}: put it before Flatten, GlobalPool and Dense."
        )


class LayerSpec:
    """Base of all layer specifications.

    A specification is immutable, hashable, picklable and comparable, so that it can
    be cloned and searched over. Shapes are ``(n_channels, *spatial)`` before
    flattening and ``(n_features,)`` after.
    """

    def output_shape(self, shape: Shape) -> Shape:
        """Return the output's shape for an input of `shape`."""
        return shape

    def n_parameters(self, shape: Shape) -> int:
        """Return the number of trainable parameters for an input of `shape`."""
        return 0

    def n_multiply_accumulates(self, shape: Shape) -> int:
        """Return the multiply-accumulates of one sample for an input of `shape`."""
        return 0

    def kernel(self, shape: Shape) -> Shape | None:
        """Return the window's size along each spatial axis, None without a window."""
        return None

    def __repr__(self) -> str:
        shown = []
        for f in fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if not f.kw_only:
                shown.append(repr(value))
            elif value != f.default:
                shown.append(f"{f.name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


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
        _check_spatial(self, shape)
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
        _check_spatial(self, shape)
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
        _check_spatial(self, shape)
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


@dataclass(frozen=True, repr=False)
class GlobalPool(LayerSpec):
    """Average or maximum of each feature map, giving one value a channel.

    Parameters
    ----------
    kind : {"average", "max"}, default="average"
        What is taken of each map.

    Examples
    --------
    >>> from skcnn.layers import GlobalPool
    >>> GlobalPool().output_shape((64, 7, 7))
    (64,)
    """

    kind: str = field(default="average", kw_only=True)

    def __post_init__(self) -> None:
        check_choice(self, "kind", POOLINGS)

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(n_channels,)``."""
        _check_spatial(self, shape)
        return (shape[0],)


@dataclass(frozen=True, repr=False)
class Dense(LayerSpec):
    """Fully connected layer.

    Parameters
    ----------
    units : int
        Number of neurons.
    bias : bool, default=True
        Whether a constant is added to each neuron's output.
    activation : str or None, default=None
        Activation applied to the output; see :class:`Activation`.

    Examples
    --------
    >>> from skcnn.layers import Dense
    >>> Dense(512).n_parameters((16384,))
    8389120
    """

    units: int
    bias: bool = field(default=True, kw_only=True)
    activation: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_count(self, "units")
        check_flag(self, "bias")
        if self.activation is not None:
            check_choice(self, "activation", ACTIVATIONS)

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(units,)``."""
        if len(shape) != 1:
            raise ArchitectureError(
                f"{self!r} needs a flat input. Got {shape}: put Flatten or GlobalPool before it."
            )
        return (int(self.units),)

    def n_parameters(self, shape: Shape) -> int:
        """Return the weights and the biases."""
        return self.units * (shape[0] + bool(self.bias))

    def n_multiply_accumulates(self, shape: Shape) -> int:
        """Return inputs x neurons."""
        return self.units * shape[0]


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
        if not isinstance(self.rate, Real) or isinstance(self.rate, bool):
            wrong = True
        else:
            wrong = not 0 <= self.rate < 1
        if wrong:
            raise ArchitectureError(
                f"The 'rate' of Dropout must be a float in [0, 1). Got {self.rate!r}."
            )


@dataclass(frozen=True, repr=False)
class Normalize(LayerSpec):
    """Batch or group normalisation with a learned scale and offset a channel.

    Parameters
    ----------
    kind : {"batch", "group"}, default="batch"
        Over which values mean and variance are taken: a channel over the batch, or a
        group of channels within a sample.
    groups : int or None, default=None
        Number of groups for ``kind="group"``, must divide the channels; None takes the
        largest divisor up to 8 that leaves a group 8 values or more.
    momentum : float, default=0.1
        For ``kind="batch"``: share of the newest batch in the running mean and variance
        that predictions use, in (0, 1]. Where few steps change the weights a lot, such as
        Muon's, the running figures of 0.1 lag behind.

    References
    ----------
    Ioffe and Szegedy, arXiv:1502.03167; Wu and He, arXiv:1803.08494.

    Examples
    --------
    >>> from skcnn.layers import Normalize
    >>> Normalize().n_parameters((32, 28, 28))
    64
    """

    kind: str = field(default="batch", kw_only=True)
    groups: int | None = field(default=None, kw_only=True)
    momentum: float = field(default=0.1, kw_only=True)

    def __post_init__(self) -> None:
        check_choice(self, "kind", NORMALIZATIONS)
        if self.groups is not None:
            check_count(self, "groups")
        number = isinstance(self.momentum, Real) and not isinstance(self.momentum, bool)
        if not number or not 0 < self.momentum <= 1:
            raise ArchitectureError(
                f"The 'momentum' of Normalize must be a float in (0, 1]. Got {self.momentum!r}."
            )

    def n_groups(self, shape: Shape) -> int:
        """Return the number of groups used for an input of `shape`.

        By default a group has at least 8 values: of one or two values nothing but
        their signs would be left.
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
                    f"{self!r}: a group of an input of {shape} has a single value, of which "
                    "normalisation leaves nothing. Use fewer groups or kind='batch'."
                )
        return shape

    def n_parameters(self, shape: Shape) -> int:
        """Return one scale and one offset a channel."""
        return 2 * shape[0]


@dataclass(frozen=True, repr=False)
class Activation(LayerSpec):
    """Elementwise nonlinearity.

    Parameters
    ----------
    kind : {"relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "identity"}, \
default="relu"
        The function. ``leaky_relu`` has slope 0.01 below zero.

    Examples
    --------
    >>> from skcnn.layers import Activation
    >>> Activation("tanh")
    Activation('tanh')
    """

    kind: str = field(default="relu")

    def __post_init__(self) -> None:
        check_choice(self, "kind", ACTIVATIONS)


@dataclass(frozen=True, repr=False)
class Flatten(LayerSpec):
    """Feature maps to one vector a sample, channels varying fastest.

    Examples
    --------
    >>> from skcnn.layers import Flatten
    >>> Flatten().output_shape((64, 16, 16))
    (16384,)
    """

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(n_features,)``."""
        return (prod(shape),)
