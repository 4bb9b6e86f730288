"""BatchAugmenter: applies a list of augmentations to batches, drawn again in every epoch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skcnn._data.layouts import InputLayout
from skcnn._data.series.layout import SeriesLayout
from skcnn._utils.device import copied_to
from skcnn._utils.random_state import private_random_state
from skcnn.augmentation._draws import row_keys
from skcnn.augmentation._operations import (
    GeometricOperation,
    MixingOperation,
    Motion,
    Operation,
    finish,
    join,
)
from skcnn.exceptions import InputShapeError

LENGTHS_HINT = "Or make the signals equally long, as PadSignals does."
MISSING_VALUES_HINT = "Or fill the missing values first."
Target = tuple[Tensor, Tensor | None]  # targets and weights


@dataclass(frozen=True)
class Step:
    """One augmentation of a list and its own seed, if it has one."""

    augmentation: Any
    seed: int | None

    def less(self, offset: np.ndarray | None) -> "Step":
        """Return the step for images from which an offset was subtracted."""
        if isinstance(self.augmentation, Operation):
            return Step(self.augmentation._less(offset), self.seed)
        return self


def check_axes(steps: Sequence[Step], layout: InputLayout, owner: str | None = None) -> None:
    """Check that the samples have the axes that the augmentations need.

    Raises
    ------
    InputShapeError
        If an augmentation needs images and the samples are signals, or signals of one length.
    """
    for step in steps:
        if isinstance(layout, SeriesLayout):
            _check_keeps_padding(step.augmentation, "signals of unequal length", LENGTHS_HINT)
        if layout.masks:
            _check_keeps_padding(step.augmentation, "missing='mask'", MISSING_VALUES_HINT)
        if isinstance(step.augmentation, Operation):
            step.augmentation._check_axes(layout, owner)


def _check_keeps_padding(augmentation: Any, what: str, hint: str) -> None:
    """Raise if an augmentation would take padding, or missing values, for values."""
    if isinstance(augmentation, Operation) and augmentation._keeps_padding():
        return
    name = getattr(augmentation, "__name__", type(augmentation).__name__)
    raise InputShapeError(
        f"{name} is not for {what}, as it moves values, mixes them or looks at all of a sample. "
        "Those that are: RandomBrightness, RandomNoise(std) and RandomChannelDropout with a "
        f"number as fill_value. {hint}"
    )


def _call(function: Callable[[Tensor], Any], images: Tensor, keys: np.ndarray) -> Tensor:
    """Apply a user's function under a random state of its own, and check what it returns."""
    with private_random_state(int(keys[0] >> np.uint64(1)), images.device):
        result = function(images.clone())  # the batch may be the user's own memory
    name = getattr(function, "__name__", type(function).__name__)
    if not isinstance(result, Tensor) or result.shape != images.shape:
        got = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
        raise ValueError(
            f"The callable {name} among the augmentations must return a tensor of the "
            f"shape it was given, {tuple(images.shape)}. Got {got}."
        )
    if not torch.isfinite(result).all():
        raise ValueError(
            f"The callable {name} among the augmentations returned infinite or NaN values."
        )
    return result.detach().to(images.device, images.dtype)


class BatchAugmenter:
    """A list of augmentations, ready to be applied to batches.

    Parameters
    ----------
    steps : sequence of Step
        Operations, or callables from batch to batch.
    spatial : tuple of int
        Sides of the images.
    span : float
        Largest minus smallest value of the training data.
    seed : int
        Seed of the steps without a seed of their own.
    strength : float, default=1.0
        Factor of all ranges; zero changes nothing.
    n_classes : int or None, default=None
        Number of classes, for mixing where targets are class codes.
    offset : ndarray of shape (n_channels,) or None, default=None
        What was subtracted from the channels of the images.
    marks_ends : bool, default=False
        Whether the last channel of a batch says where signals of unequal length end. It is not
        augmented.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        spatial: tuple[int, ...],
        span: float,
        seed: int,
        strength: float = 1.0,
        n_classes: int | None = None,
        offset: np.ndarray | None = None,
        marks_ends: bool = False,
    ) -> None:
        self.marks_ends = marks_ends
        self.steps = [step.less(offset) for step in steps]
        self.spatial = spatial
        self.span = span
        self.seed = seed
        self.strength = strength
        self.n_classes = n_classes

    def images(self, images: Tensor, rows: np.ndarray, epoch: int = 0) -> Tensor:
        """Return augmented float images; operations that mix targets are left out.

        Parameters
        ----------
        images : Tensor of shape (n_samples, n_channels, *spatial)
            Bytes or floats.
        rows : ndarray of shape (n_samples,)
            Numbers of the samples: with the epoch they decide the draws.
        epoch : int, default=0
            Number of the pass over the data.
        """
        return self._run(images, None, rows, epoch)[0]

    def batch(
        self,
        images: Tensor,
        targets: Tensor,
        weights: Tensor | None,
        rows: np.ndarray,
        epoch: int,
    ) -> tuple[Tensor, Target]:
        """Return an augmented training batch; mixing turns class codes into shares."""
        target: Target = (targets, weights)
        if self.marks_ends:
            signals, _ = self._run(images[:, :-1], target, rows, epoch)
            return torch.cat([signals, images[:, -1:]], 1), target
        images, mixed = self._run(images, target, rows, epoch)
        return images, mixed or target

    def _run(
        self, images: Tensor, target: Target | None, rows: np.ndarray, epoch: int
    ) -> tuple[Tensor, Target | None]:
        if not images.is_floating_point():
            images = images.float()
        images = images.contiguous()  # sampling is faster than from channels-last memory
        pending: Motion | None = None  # motions joined so far, not done yet
        for number, step in enumerate(self.steps):
            operation = step.augmentation
            seed = self.seed if step.seed is None else step.seed
            make_keys = operation._keys if isinstance(operation, Operation) else row_keys
            keys = make_keys(seed, rows, epoch, number)
            if isinstance(operation, GeometricOperation):
                params = operation._draw_all(keys, self.spatial, self.strength)
                motion = operation._motion(params, self.spatial)
                images, pending = join(images, pending, motion)
                continue
            images, pending = finish(images, pending), None
            if not isinstance(operation, Operation):
                images = _call(operation, images, keys)
                continue
            params = operation._draw_all(keys, self.spatial, self.strength)
            if isinstance(operation, MixingOperation) and target is not None:
                images, partners, kept = operation._mix(images, params)
                target = self._mixed_target(target, partners, kept)
            else:
                images = operation._apply_where_drawn(images, params, self.span)
        return finish(images, pending), target

    def _mixed_target(self, target: Target, partners: np.ndarray, kept: np.ndarray) -> Target:
        """Return targets and weights of samples mixed with their partners.

        The loss is that of both targets, each with its sample's weight and its share.
        """
        targets, weights = target
        device = targets.device
        share = copied_to(torch.from_numpy(kept.astype(np.float32)), device)
        index = copied_to(torch.from_numpy(partners), device)
        if self.n_classes is not None and not targets.is_floating_point():
            targets = torch.nn.functional.one_hot(targets, self.n_classes).float()
        ours, theirs = share, 1 - share
        if weights is not None:
            ours, theirs = ours * weights, theirs * weights[index]
            weights = ours + theirs
            total = weights.clamp_min(1e-30)  # weights may underflow in float32
            ours, theirs = ours / total, theirs / total
        column = (-1, *(1,) * (targets.dim() - 1))
        return targets * ours.view(column) + targets[index] * theirs.view(column), weights
