"""What several families of networks are made of."""

from collections.abc import Sequence
from typing import Any

from skcnn.layers._activation import Activation
from skcnn.layers._base import LayerSpec, Shape
from skcnn.layers._convolution import Conv
from skcnn.layers._normalization import Normalize
from skcnn.layers._sequence import follow
from skcnn.layers._shapes import ceil_padding

Layers = tuple[LayerSpec, ...]
SMALL_SIDE = 64  # images below it keep their size in the first layers


def is_small(input_shape: Shape, adapt: bool, side: int = SMALL_SIDE) -> bool:
    """Return whether the first layers are those for an input with a side below `side`.

    Without `adapt` they are the published ones for any input.
    """
    return adapt and min(input_shape[1:]) < side


def conv_block(
    filters: int,
    kernel_size: int | tuple[int, ...] = 3,
    *,
    activation: str | None = "relu",
    epsilon: float = 1e-5,
    **how: Any,
) -> Layers:
    """Return a convolution without bias, batch normalisation and, unless None, an activation."""
    block = (Conv(filters, kernel_size, bias=False, **how), Normalize(epsilon=epsilon))
    return block if activation is None else (*block, Activation(activation))


def separable(n_channels: int, filters: int) -> Layers:
    """Return a depthwise 3x3 and a pointwise convolution."""
    return (
        Conv(n_channels, 3, groups=n_channels, bias=False),
        Conv(filters, 1, bias=False),
    )


def ceil_paddings(
    spatial: Sequence[int], kernel: int, stride: int
) -> tuple[tuple[int, int], ...] | str:
    """Return TensorFlow's "SAME" padding for each axis, which depends on its length."""
    if stride == 1:
        return "same"
    return tuple(ceil_padding(n, kernel, stride) for n in spatial)


class Stack:
    """Layers that are added one after another, and the shape after them.

    Parameters
    ----------
    input_shape : tuple of int
        ``(n_channels, *spatial)``.
    """

    def __init__(self, input_shape: Shape) -> None:
        self.layers: list[LayerSpec] = []
        self.shape = input_shape

    def add(self, *layers: LayerSpec) -> None:
        """Add layers at the end."""
        self.layers.extend(layers)
        self.shape = follow(layers, self.shape)
