"""The base class of layer specifications, and what their torch modules have in common."""

from dataclasses import fields
from math import prod
from typing import Any, TypeVar

import torch
from torch import nn

from skcnn.exceptions import ArchitectureError

Shape = tuple[int, ...]
SIGNAL_DIMS = 2  # of the shape of a signal's maps, (n_channels, length)
Module = TypeVar("Module", bound=nn.Module)


class LayerSpec:
    """Base of all layer specifications.

    A specification is immutable, hashable, picklable and comparable, so that it can
    be cloned and searched over. Shapes are ``(n_channels, *spatial)`` before
    flattening and ``(n_features,)`` after.

    Notes
    -----
    A subclass is a frozen dataclass. It overrides `build` and the methods whose defaults do
    not hold. If it has a field `activation`, that activation follows the layer. The steps of
    its torch modules are registered with ``prediction_step`` and ``joint_step``.
    """

    # whether it computes each position alone, or so that padding after a signal can be left out
    keeps_length = False

    def output_shape(self, shape: Shape) -> Shape:
        """Return the output's shape for an input of `shape`."""
        return shape

    def n_parameters(self, shape: Shape) -> int:
        """Return the number of trainable parameters for an input of `shape`."""
        return 0

    def n_multiply_accumulates(self, shape: Shape) -> int:
        """Return the multiply-accumulates of one sample for an input of `shape`."""
        return 0

    def n_output_values(self, shape: Shape) -> int:
        """Return how many values this layer and all layers inside of it return for a sample."""
        return prod(self.output_shape(shape))

    def kernel(self, shape: Shape) -> Shape | None:
        """Return the window's size along each spatial axis, None without a window."""
        return None

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the torch module for an input of `shape`.

        With `is_signal` the network's input is a signal. Its feature maps have the shape
        (n_samples, n_channels, 1, length): torch computes images of height one faster than
        signals. The weights of convolutions and dense layers are drawn later.
        """
        raise NotImplementedError

    def output_length(self, length: int, shape: Shape) -> int:
        """Return the length of the maps of a signal of `length`, below 1 if it is too short.

        It is asked for where signals have unequal lengths, of which the longest has `shape`.

        Raises
        ------
        ArchitectureError
            If the layer needs signals of one length.
        """
        if not self.keeps_length:
            raise ArchitectureError(f"{self!r} is not for signals of unequal length.")
        return length

    def inner_layers(self) -> "tuple[LayerSpec, ...]":
        """Return the layers that this layer is made of."""
        return ()

    @property
    def flattens(self) -> bool:
        """Whether feature maps become vectors."""
        return any(layer.flattens for layer in self.inner_layers())

    @property
    def convolves(self) -> bool:
        """Whether kernels slide over the input."""
        return any(layer.convolves for layer in self.inner_layers())

    @property
    def draws(self) -> bool:
        """Whether outputs in training depend on random numbers."""
        return any(layer.draws for layer in self.inner_layers())

    def __repr__(self) -> str:
        shown = []
        for f in fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if not f.kw_only:
                shown.append(repr(value))
            elif value != f.default:
                shown.append(f"{f.name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


def check_spatial(owner: object, shape: Shape) -> None:
    """Check that `shape` has spatial axes."""
    if len(shape) < 2:
        raise ArchitectureError(
            f"{owner!r} needs an input with spatial axes, (n_channels, *spatial). "
            f"Got {shape}: put it before Flatten, GlobalPool and Dense."
        )


def with_height(values: tuple[Any, ...], is_signal: bool, fill: Any) -> Any:
    """Return `values`, one for each axis, with `fill` for the height of a signal's maps."""
    return (fill, *values) if is_signal else values


def undrawn(cls: type[Module], *args: Any, **kwargs: Any) -> Module:
    """Return a module with weights not yet set: torch's own draw moves the global state.

    torch's ``skip_init`` does the same but is slower and imports sympy.
    """
    layer = cls(*args, device="meta", **kwargs)
    for name, parameter in list(layer.named_parameters()):
        setattr(layer, name, nn.Parameter(torch.empty(parameter.shape)))
    return layer
