"""Specifications of single layers, as small frozen dataclasses with integer shapes.

Builds no tensor and chooses no architecture; layers with a window
are in ``_window_layers``, layers made of layers and the way of a
shape through a whole network are in ``_blocks``.
"""

from dataclasses import dataclass, field
from math import prod
from numbers import Real

from skcnn.exceptions import ArchitectureError
from skcnn.layers._base import (
    ACTIVATIONS,
    NORMALIZATIONS,
    POOLINGS,
    LayerSpec,
    Shape,
    check_choice,
    check_count,
    check_flag,
    check_spatial,
)

MOST_GROUPS = 8
FEWEST_VALUES_A_GROUP = 8


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
        check_spatial(self, shape)
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
