"""Elementwise nonlinearities."""

from dataclasses import dataclass, field
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor, nn

from skcnn.layers._base import LayerSpec, Shape
from skcnn.layers._fields import check_choice
from skcnn.layers._steps import (
    Step,
    StepOf,
    channel_by_channel,
    joint_step,
    own_forward,
    prediction_step,
    skip_in_predictions,
)

LEAST_LOGARITHM = 1e-6  # smaller values have its logarithm


class Square(nn.Module):
    """The square of every value."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the squares."""
        return x.square()


class Log(nn.Module):
    """The natural logarithm of every value, of 1e-6 at least."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the logarithms."""
        return x.clamp(min=LEAST_LOGARITHM).log()


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "square": Square,
    "log": Log,
    "identity": nn.Identity,
}
MONOTONE = frozenset({"relu", "relu6", "leaky_relu", "elu", "tanh", "sigmoid", "log", "identity"})
# torch computes exp and tanh by vectors, and values that fill no whole vector by other code,
# which differs in the last bit. Such values are at the end of a tensor and, if it has more than
# UNSPLIT_VALUES, at the end of every thread's part.
VECTOR_VALUES, UNSPLIT_VALUES = 64, 2**15


@dataclass(frozen=True, repr=False)
class Activation(LayerSpec):
    """Elementwise nonlinearity.

    Parameters
    ----------
    kind : {"relu", "relu6", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", \
"square", "log", "identity"}, default="relu"
        The function. ``relu6`` is at most 6, ``leaky_relu`` has slope 0.01 below zero, and
        ``log`` is the natural logarithm of 1e-6 at least.

    Examples
    --------
    >>> from skcnn.layers import Activation
    >>> Activation("tanh")
    Activation('tanh')
    """

    kind: str = field(default="relu")
    keeps_length = True

    def __post_init__(self) -> None:
        check_choice(self, "kind", ACTIVATIONS)

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return torch's module of the function."""
        return ACTIVATIONS[self.kind]()


def check_activation(owner: object) -> None:
    """Check the field `activation` of a layer: the name of an activation or None."""
    if getattr(owner, "activation") is not None:  # noqa: B009  (the owner is any layer)
        check_choice(owner, "activation", ACTIVATIONS)


@prediction_step(nn.ELU, nn.SiLU, nn.Tanh, nn.Sigmoid, Log)
def _predict_by_vectors(module: nn.Module, step_of: StepOf) -> Step:
    return partial(_by_vectors, module.forward)


@prediction_step(nn.GELU, only_if=lambda module: module.approximate == "none")
def _predict_gelu(module: nn.GELU, step_of: StepOf) -> Step:
    return partial(_by_vectors, _gelu)


def _by_vectors(function: Step, x: Tensor) -> Tensor:
    """Return the function of every value, padded so that all are computed by whole vectors."""
    unsplit = torch.get_num_threads() == 1 or x.numel() <= UNSPLIT_VALUES
    if unsplit and x.numel() % VECTOR_VALUES == 0:
        return function(x)
    inside = x if x.is_contiguous() else x.movedim(1, -1)
    flat = F.pad(inside.reshape(-1), (0, -x.numel() % VECTOR_VALUES))
    parts = [function(part) for part in flat.split(UNSPLIT_VALUES)]
    values = torch.cat(parts)[: x.numel()].view(inside.shape)
    return values if x.is_contiguous() else values.movedim(-1, 1)


def _gelu(x: Tensor) -> Tensor:
    """Return x times the normal distribution function; torch's rounding depends on x's size."""
    return (x * 0.5**0.5).erf_().add_(1).mul_(x).mul_(0.5)


prediction_step(nn.ReLU, nn.ReLU6, nn.LeakyReLU, Square)(own_forward)
skip_in_predictions(nn.Identity)
joint_step(*ACTIVATIONS.values())(channel_by_channel)
