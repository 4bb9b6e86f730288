"""Running a list of augmentations over batches, with fresh draws for every epoch.

Knows the operations only by the interface below; what they draw and do is in
``_geometric``, ``_intensity``, ``_policies`` and ``_mixing``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from skcnn._data.images import InputLayout
from skcnn._utils.random_state import private_random_state
from skcnn.augmentation._draws import row_keys, subkeys, uniforms
from skcnn.augmentation._image_ops import spread_control_points, warp
from skcnn.exceptions import InputShapeError

Target = tuple[Tensor, Tensor | None]  # targets and weights
Params = dict[str, Any]  # arrays with one row a sample, lists and dicts of them


@dataclass(frozen=True)
class Motion:
    """Where the values of each sample come from.

    Attributes
    ----------
    matrices : ndarray of shape (n_samples, n_axes + 1, n_axes + 1)
        As for :func:`skcnn.augmentation._image_ops.warp`.
    points : ndarray of shape (n_samples, n_axes, *n_points) or None
        Displacements in pixels of a coarse grid of control points, to be spread over the
        image and added before the matrix.
    fill : str or None
        What lies outside; None where nothing comes in from there.
    fill_value : float
        The constant, if that is the fill.
    whole : bool
        Whether every position is a whole number, so that nothing is interpolated.
    """

    matrices: np.ndarray
    points: np.ndarray | None
    fill: str | None
    fill_value: float
    whole: bool

    def of(self, which: np.ndarray) -> "Motion":
        """Return the motion of some samples; the others stay where they are."""
        matrices = np.where(which[:, None, None], self.matrices, np.eye(self.matrices.shape[1]))
        points = self.points
        if points is not None:
            points = points * which.reshape(-1, *(1,) * (points.ndim - 1))
        return replace(self, matrices=matrices, points=points)

    def then(self, other: "Motion") -> "Motion | None":
        """Return both motions as one, or None where two interpolations are needed."""
        fills = {(m.fill, m.fill_value) for m in (self, other) if m.fill is not None}
        if self.points is not None or len(fills) > 1:
            return None
        filled = other if self.fill is None else self
        return Motion(
            np.matmul(self.matrices, other.matrices),
            other.points,
            filled.fill,
            filled.fill_value,
            self.whole and other.whole,
        )

    def move(self, images: Tensor) -> Tensor:
        """Return the moved images; a sample that does not move is not touched."""
        moves = (self.matrices != np.eye(self.matrices.shape[1])).any((1, 2))
        if self.points is not None:
            moves |= self.points.reshape(len(images), -1).any(1)
        return on_rows(moves, images, self._moved)

    def _moved(self, images: Tensor, rows: np.ndarray) -> Tensor:
        displacement = None
        if self.points is not None:
            points = torch.from_numpy(self.points[rows]).to(images.dtype).to(images.device)
            displacement = spread_control_points(points, tuple(images.shape[2:]))
        fill = self.fill or "constant"
        return warp(images, self.matrices[rows], fill, self.fill_value, displacement, self.whole)


class Operation(ABC):
    """What an augmentation does to a batch, apart from scikit-learn's interface."""

    p: float
    _fewest_axes: ClassVar[int] = 1

    def _check_axes(self, layout: InputLayout, owner: str | None = None) -> None:
        """Refuse samples that cannot be changed this way.

        Raises
        ------
        InputShapeError
            If the operation needs images and the samples are signals.
        """
        if self._fewest_axes > len(layout.spatial):
            raise InputShapeError(
                f"{type(self).__name__} needs images, with a height and a width. Got samples "
                f"of shape {layout.shape} (channels {layout.channels}), which are signals. For "
                "flat images set input_shape=(height, width)"
                f"{'' if owner is None else f' of {owner}'}."
            )

    @abstractmethod
    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        """Return parameters for every key, in the units of the constructor."""

    @abstractmethod
    def _apply(self, images: Tensor, params: Params, span: float) -> Tensor:
        """Return augmented float images; `span` is the range of the data's values."""

    def _keys(self, seed: int, rows: np.ndarray, epoch: int, number: int) -> np.ndarray:
        """Return a key for each sample, from which its draws of this epoch follow."""
        return row_keys(seed, rows, epoch, number)

    def _draw_all(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        """Draw which samples are changed, and how."""
        share = self._probability(strength)
        applied = np.full(len(keys), share > 0)
        if 0 < share < 1:
            applied = uniforms(subkeys(keys, 0), 1)[:, 0] < share
        return {"applied": applied, **self._draw(subkeys(keys, 1), spatial, strength)}

    def _probability(self, strength: float) -> float:
        return self.p if strength > 0 else 0.0

    def _apply_where_drawn(self, images: Tensor, params: Params, span: float) -> Tensor:
        """Change the samples that were drawn to be changed."""
        return on_rows(
            params["applied"],
            images,
            lambda part, rows: self._apply(part, take_params(params, rows), span),
        )


class GeometricOperation(Operation):
    """An operation that moves values and can be joined with the next one."""

    @abstractmethod
    def _motion(self, params: Params, spatial: tuple[int, ...]) -> Motion:
        """Return the motion, the identity for samples that are not to be changed."""

    def _apply(self, images: Tensor, params: Params, span: float) -> Tensor:
        return self._motion(params, tuple(images.shape[2:])).move(images)


class MixingOperation(Operation):
    """An operation that mixes samples and their targets with each other's."""

    @abstractmethod
    def _mix(self, images: Tensor, params: Params) -> tuple[Tensor, np.ndarray, np.ndarray]:
        """Return mixed images, each one's partner and the share it kept of itself."""

    def _apply(self, images: Tensor, params: Params, span: float) -> Tensor:
        return images  # without targets there is nothing to mix


def take_params(params: Any, rows: np.ndarray) -> Any:
    """Return the parameters of some samples."""
    if isinstance(params, np.ndarray):
        return params[rows]
    if isinstance(params, dict):
        return {name: take_params(value, rows) for name, value in params.items()}
    return [take_params(value, rows) for value in params]


def on_rows(
    which: np.ndarray,
    images: Tensor,
    change: Callable[[Tensor, np.ndarray], Tensor],
    in_place: bool = False,
) -> Tensor:
    """Return `images` with ``change(images[rows], rows)`` where `which` is true."""
    rows = np.flatnonzero(which)
    if len(rows) == 0:
        return images
    if len(rows) == len(images):
        return change(images, rows)
    index = torch.from_numpy(rows).to(images.device)
    changed = change(images.index_select(0, index), rows)
    return (images.index_copy_ if in_place else images.index_copy)(0, index, changed)


def join(
    images: Tensor, waiting: Motion | None, motion: Motion, exactly: bool = False
) -> tuple[Tensor, Motion]:
    """Return images and the motion that waits now: both in one, where they can be.

    With `exactly` a motion by whole pixels is not joined with one that interpolates.
    """
    if waiting is None:
        return images, motion
    apart = exactly and waiting.whole != motion.whole
    both = None if apart else waiting.then(motion)
    return (images, both) if both is not None else (waiting.move(images), motion)


def finish(images: Tensor, waiting: Motion | None) -> Tensor:
    """Return images after the motion that waited."""
    return images if waiting is None else waiting.move(images)


@dataclass(frozen=True)
class Step:
    """One augmentation of a list and the seed of its own, if it has one."""

    augmentation: Any
    seed: int | None


class Augmenter:
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
        Of the draws of steps without a seed of their own.
    strength : float, default=1.0
        Factor of all ranges; zero changes nothing.
    n_classes : int or None, default=None
        Number of classes, for mixing where targets are class codes.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        spatial: tuple[int, ...],
        span: float,
        seed: int,
        strength: float = 1.0,
        n_classes: int | None = None,
    ) -> None:
        self.steps = steps
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
        """Return a training batch augmented, class codes as shares where mixed."""
        target: Target = (targets, weights)
        images, mixed = self._run(images, target, rows, epoch)
        return images, mixed or target

    def _run(
        self, images: Tensor, target: Target | None, rows: np.ndarray, epoch: int
    ) -> tuple[Tensor, Target | None]:
        if not images.is_floating_point():
            images = images.float()
        images = images.contiguous()  # sampling is twice as fast than from channels last
        waiting: Motion | None = None  # motions not done yet, to be done in one
        for number, step in enumerate(self.steps):
            operation = step.augmentation
            seed = self.seed if step.seed is None else step.seed
            make_keys = operation._keys if isinstance(operation, Operation) else row_keys
            keys = make_keys(seed, rows, epoch, number)
            if isinstance(operation, GeometricOperation):
                params = operation._draw_all(keys, self.spatial, self.strength)
                motion = operation._motion(params, self.spatial)
                images, waiting = join(images, waiting, motion)
                continue
            images, waiting = finish(images, waiting), None
            if not isinstance(operation, Operation):
                images = _call(operation, images, keys)
                continue
            params = operation._draw_all(keys, self.spatial, self.strength)
            if isinstance(operation, MixingOperation) and target is not None:
                images, partners, kept = operation._mix(images, params)
                target = self._mixed_target(target, partners, kept)
            else:
                images = operation._apply_where_drawn(images, params, self.span)
        return finish(images, waiting), target

    def _mixed_target(self, target: Target, partners: np.ndarray, kept: np.ndarray) -> Target:
        """Return targets and weights of samples mixed with their partners.

        The loss is that of both targets, each with its sample's weight and its share.
        """
        targets, weights = target
        device = targets.device
        share = torch.from_numpy(kept.astype(np.float32)).to(device)
        index = torch.from_numpy(partners).to(device)
        if self.n_classes is not None and not targets.is_floating_point():
            targets = torch.nn.functional.one_hot(targets, self.n_classes).float()
        ours, theirs = share, 1 - share
        if weights is not None:
            ours, theirs = ours * weights, theirs * weights[index]
            weights = ours + theirs
            total = weights.clamp_min(1e-30)  # of weights too small for float32 as well
            ours, theirs = ours / total, theirs / total
        column = (-1, *(1,) * (targets.dim() - 1))
        return targets * ours.view(column) + targets[index] * theirs.view(column), weights


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
