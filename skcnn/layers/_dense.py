"""Fully connected layers, and the flattening before them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor, nn

from skcnn.exceptions import ArchitectureError
from skcnn.layers._activation import check_activation
from skcnn.layers._base import LayerSpec, Shape, undrawn
from skcnn.layers._fields import check_count, check_flag
from skcnn.layers._steps import (
    Step,
    StepOf,
    Updates,
    apart,
    joint_step,
    own_forward,
    prediction_step,
)

# MKL rounds products of fewer rows differently. With few outputs and rows that are no whole
# vectors, its rounding also depends on the position of a row.
LEAST_PRODUCT_ROWS, PRODUCT_SIDE = 4, 16


class ChannelsLastFlatten(nn.Module):
    """Feature maps to vectors, channels varying fastest: no copy in channels-last memory."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (n_samples, n_features)."""
        return x.movedim(1, -1).flatten(1)


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
    flattens = True
    keeps_length = True

    def __post_init__(self) -> None:
        check_count(self, "units")
        check_flag(self, "bias")
        check_activation(self)

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

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the linear module."""
        return undrawn(nn.Linear, shape[0], self.units, bias=self.bias)


@dataclass(frozen=True, repr=False)
class Flatten(LayerSpec):
    """Feature maps to one vector a sample, channels varying fastest.

    Examples
    --------
    >>> from skcnn.layers import Flatten
    >>> Flatten().output_shape((64, 16, 16))
    (16384,)
    """

    flattens = True

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(n_features,)``."""
        return (prod(shape),)

    def output_length(self, length: int, shape: Shape) -> int:
        """Raise ArchitectureError: the number of features would depend on the length."""
        raise ArchitectureError(
            "Flatten gives as many features as a signal has values, and a dense layer needs one "
            "number of them for all: signals of unequal length need GlobalPool() in its place."
        )

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the flattening module."""
        return ChannelsLastFlatten()


@prediction_step(nn.Linear)
def _predict_dense(dense: nn.Linear, step_of: StepOf) -> Step:
    return partial(_multiply, dense)


def _multiply(dense: nn.Linear, x: Tensor) -> Tensor:
    """Return the outputs of a product with enough rows and whole vectors."""
    if x.dim() != 2:  # a user's layer on feature maps: batch sizes are tried before use
        return dense(x)
    n, n_in, n_out = len(x), dense.in_features, dense.out_features
    weight: Tensor = dense.weight
    bias: Tensor | None = dense.bias
    if n_in % PRODUCT_SIDE:
        more = -n_in % PRODUCT_SIDE
        x, weight = F.pad(x, (0, more)), F.pad(weight, (0, more, 0, -n_out % PRODUCT_SIDE))
        bias = None if bias is None else F.pad(bias, (0, -n_out % PRODUCT_SIDE))
    if n < LEAST_PRODUCT_ROWS:
        x = F.pad(x, (0, 0, 0, LEAST_PRODUCT_ROWS - n))
    return F.linear(x, weight, bias)[:n, :n_out].contiguous()


@joint_step(nn.Linear)
def _join_dense(parts: Sequence[Any], updates: Updates) -> Step:
    def run(x: Tensor) -> Tensor:
        x = apart(x, len(parts)).transpose(0, 1)  # (k, N, n_features)
        weight = torch.stack([part.weight for part in parts]).transpose(1, 2)
        if parts[0].bias is None:
            x = torch.bmm(x, weight)
        else:
            bias = torch.stack([part.bias for part in parts]).unsqueeze(1)  # (k, 1, n_outputs)
            x = torch.baddbmm(bias, x, weight)
        return x.transpose(0, 1).flatten(1)

    return run


@joint_step(ChannelsLastFlatten)
def _join_flatten(parts: Sequence[Any], updates: Updates) -> Step:
    return lambda x: apart(x, len(parts)).movedim(2, -1).flatten(1)


prediction_step(ChannelsLastFlatten)(own_forward)
