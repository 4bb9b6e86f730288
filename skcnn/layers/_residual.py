"""Residual blocks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from torch import Tensor, nn

from skcnn.exceptions import ArchitectureError
from skcnn.layers._base import LayerSpec, Shape
from skcnn.layers._convolution import Conv
from skcnn.layers._dense import Dense
from skcnn.layers._sequence import (
    as_layers,
    build_path,
    common_length,
    follow,
    length_after,
    sum_over_paths,
)
from skcnn.layers._steps import Step, StepOf, Updates, join, joint_step, prediction_step


class ResidualBlock(nn.Module):
    """Sum of a body and a shortcut."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return body(x) + shortcut(x)."""
        return self.body(x) + self.shortcut(x)


@dataclass(frozen=True, repr=False)
class Residual(LayerSpec):
    """Layers whose input is added to their output.

    Parameters
    ----------
    layers : sequence of LayerSpec
        The body.
    shortcut : "auto" or sequence of LayerSpec, default="auto"
        Layers that the input passes before it is added. "auto" is the identity if the
        shapes agree, else a 1x1 convolution with the stride that makes them agree.

    References
    ----------
    He et al., "Deep residual learning for image recognition", arXiv:1512.03385.

    Examples
    --------
    >>> from skcnn.layers import Activation, Conv, Residual
    >>> block = Residual([Conv(32, activation="relu"), Conv(32)])
    >>> block.output_shape((32, 14, 14))
    (32, 14, 14)
    """

    layers: tuple[LayerSpec, ...]
    shortcut: Any = field(default="auto", kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", as_layers(self.layers, "Residual layers"))
        if not isinstance(self.shortcut, str):
            object.__setattr__(self, "shortcut", as_layers(self.shortcut, "Residual shortcut"))
        elif self.shortcut != "auto":
            raise ArchitectureError(
                "The 'shortcut' of Residual must be 'auto' or a sequence of layers. "
                f"Got {self.shortcut!r}."
            )

    def resolve_shortcut(self, shape: Shape) -> tuple[LayerSpec, ...]:
        """Return the layers of the shortcut, empty for the identity."""
        if not isinstance(self.shortcut, str):
            return self.shortcut
        target = follow(self.layers, shape)
        if target == shape:
            return ()
        if len(target) != len(shape):
            raise ArchitectureError(
                f"{self!r} turns {shape} into {target}: a shortcut cannot be added to it. "
                "Keep Flatten, GlobalPool and Dense out of the body."
            )
        if len(shape) == 1:
            return (Dense(target[0], bias=False),)
        stride = tuple(max(1, -(-n // m)) for n, m in zip(shape[1:], target[1:], strict=True))
        return (Conv(target[0], 1, stride=stride, padding="valid", bias=False),)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the body's output shape."""
        out = follow(self.layers, shape)
        short = follow(self.resolve_shortcut(shape), shape)
        if out != short:
            raise ArchitectureError(
                f"{self!r}: body and shortcut give different shapes, {out} and {short}, "
                f"for an input of {shape}. Give a shortcut that matches the body."
            )
        return out

    def output_length(self, length: int, shape: Shape) -> int:
        """Return the length after the body, which is that after the shortcut."""
        paths = (self.layers, self.resolve_shortcut(shape))
        return common_length(self, (length_after(path, length, shape) for path in paths), length)

    def n_parameters(self, shape: Shape) -> int:
        """Return the parameters of body and shortcut."""
        return sum_over_paths("n_parameters", (self.layers, self.resolve_shortcut(shape)), shape)

    def n_multiply_accumulates(self, shape: Shape) -> int:
        """Return the multiply-accumulates of body and shortcut."""
        paths = (self.layers, self.resolve_shortcut(shape))
        return sum_over_paths("n_multiply_accumulates", paths, shape)

    def n_output_values(self, shape: Shape) -> int:
        """Return the values of the layers of body and shortcut, and of their sum."""
        paths = (self.layers, self.resolve_shortcut(shape))
        inside = sum_over_paths("n_output_values", paths, shape)
        return inside + prod(self.output_shape(shape))

    def inner_layers(self) -> tuple[LayerSpec, ...]:
        """Return the layers of the body."""
        return self.layers

    @property
    def draws(self) -> bool:
        """Whether a layer of the body or of the shortcut draws random numbers."""
        shortcut = () if isinstance(self.shortcut, str) else self.shortcut
        return any(layer.draws for layer in (*self.layers, *shortcut))

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the block of body and shortcut."""
        shortcut = self.resolve_shortcut(shape)
        return ResidualBlock(
            build_path(self.layers, shape, is_signal), build_path(shortcut, shape, is_signal)
        )


@prediction_step(ResidualBlock)
def _predict_residual(block: ResidualBlock, step_of: StepOf) -> Step:
    body, shortcut = step_of(block.body), step_of(block.shortcut)
    return lambda x: body(x) + shortcut(x)


@joint_step(ResidualBlock)
def _join_residual(parts: Sequence[Any], updates: Updates) -> Step:
    body = join([part.body for part in parts], updates)
    shortcut = join([part.shortcut for part in parts], updates)
    return lambda x: body(x) + shortcut(x)
