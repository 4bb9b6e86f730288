"""Parallel branches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from skcnn.exceptions import ArchitectureError
from skcnn.layers._base import LayerSpec, Shape
from skcnn.layers._sequence import (
    as_layers,
    build_path,
    common_length,
    follow,
    length_after,
    sum_over_paths,
)
from skcnn.layers._steps import Step, StepOf, Updates, join_each, joint_step, prediction_step


class ParallelBranches(nn.Module):
    """Branches on one input, concatenated along the channels."""

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Return the concatenated outputs."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


@dataclass(frozen=True, repr=False)
class Concatenate(LayerSpec):
    """Parallel branches on the same input, their channels put one after another.

    Parameters
    ----------
    branches : sequence of (sequence of LayerSpec)
        The branches; an empty one is the identity. All must have outputs of the same
        spatial size.

    References
    ----------
    Szegedy et al., "Going deeper with convolutions", arXiv:1409.4842.

    Examples
    --------
    >>> from skcnn.layers import Concatenate, Conv
    >>> Concatenate([[Conv(16, 1)], [Conv(16, 3)], [Conv(8, 5)]]).output_shape((3, 32, 32))
    (40, 32, 32)
    """

    branches: tuple[tuple[LayerSpec, ...], ...]

    def __post_init__(self) -> None:
        if not isinstance(self.branches, Iterable):
            raise ArchitectureError(
                "The 'branches' of Concatenate must be a sequence of sequences of layers. "
                f"Got {self.branches!r}."
            )
        branches = tuple(as_layers(b, "Concatenate branches") for b in self.branches)
        if not branches:
            raise ArchitectureError("The 'branches' of Concatenate must not be empty.")
        object.__setattr__(self, "branches", branches)

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(sum of the branches' channels, *spatial)``."""
        outs = [follow(branch, shape) for branch in self.branches]
        if len({out[1:] for out in outs}) > 1:
            raise ArchitectureError(
                f"{self!r}: the branches must agree in spatial size. Got shapes {outs} "
                f"for an input of {shape}."
            )
        return (sum(out[0] for out in outs), *outs[0][1:])

    def output_length(self, length: int, shape: Shape) -> int:
        """Return the length after each branch."""
        lengths = (length_after(branch, length, shape) for branch in self.branches)
        return common_length(self, lengths, length)

    def n_parameters(self, shape: Shape) -> int:
        """Return the parameters of all branches."""
        return sum_over_paths("n_parameters", self.branches, shape)

    def n_multiply_accumulates(self, shape: Shape) -> int:
        """Return the multiply-accumulates of all branches."""
        return sum_over_paths("n_multiply_accumulates", self.branches, shape)

    def n_output_values(self, shape: Shape) -> int:
        """Return the values of the layers of all branches, and of what they are joined to."""
        inside = sum_over_paths("n_output_values", self.branches, shape)
        return inside + prod(self.output_shape(shape))

    def inner_layers(self) -> tuple[LayerSpec, ...]:
        """Return the layers of all branches."""
        return tuple(layer for branch in self.branches for layer in branch)

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the branches with their concatenation."""
        return ParallelBranches([build_path(branch, shape, is_signal) for branch in self.branches])


@prediction_step(ParallelBranches)
def _predict_branches(block: ParallelBranches, step_of: StepOf) -> Step:
    branches = [step_of(branch) for branch in block.branches]
    return lambda x: torch.cat([branch(x) for branch in branches], dim=1)


@joint_step(ParallelBranches)
def _join_branches(parts: Sequence[Any], updates: Updates) -> Step:
    branches = join_each([part.branches for part in parts], updates)

    def run(x: Tensor) -> Tensor:
        outputs = [branch(x).chunk(len(parts), 1) for branch in branches]
        return torch.cat([output[i] for i in range(len(parts)) for output in outputs], 1)

    return run
