"""What an augmentation does to a batch: base classes of the operations, and their motions.

An operation that moves pixels returns a `Motion`; neighbouring motions are joined, so that
a list of them is interpolated once.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from skcnn._data.layouts import InputLayout
from skcnn._utils.device import copied_to
from skcnn.augmentation._draws import row_keys, subkeys, uniforms
from skcnn.augmentation._image_ops import Fill, spread_control_points, warp
from skcnn.exceptions import InputShapeError

Params = dict[str, Any]  # arrays with one row a sample, lists and dicts of them


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
    index = copied_to(torch.from_numpy(rows), images.device)
    changed = change(images.index_select(0, index), rows)
    return (images.index_copy_ if in_place else images.index_copy)(0, index, changed)


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
    padding_mode : str or None
        What comes in from outside; None for a motion that brings nothing in, such as a
        flip.
    fill_value : float or tuple of float
        The constant of ``padding_mode="constant"``, or one for each channel.
    whole : bool
        Whether every position is a whole number, so that nothing is interpolated.
    """

    matrices: np.ndarray
    points: np.ndarray | None
    padding_mode: str | None
    fill_value: Fill
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
        padded = [m for m in (self, other) if m.padding_mode is not None]
        if self.points is not None or len({(m.padding_mode, m.fill_value) for m in padded}) > 1:
            return None
        padding = other if self.padding_mode is None else self
        return Motion(
            np.matmul(self.matrices, other.matrices),
            other.points,
            padding.padding_mode,
            padding.fill_value,
            self.whole and other.whole,
        )

    def move(self, images: Tensor) -> Tensor:
        """Return the moved images; samples whose motion is the identity keep every bit."""
        moves = (self.matrices != np.eye(self.matrices.shape[1])).any((1, 2))
        if self.points is not None:
            moves |= self.points.reshape(len(images), -1).any(1)
        return on_rows(moves, images, self._moved)

    def _moved(self, images: Tensor, rows: np.ndarray) -> Tensor:
        displacement = None
        if self.points is not None:
            points = torch.from_numpy(self.points[rows]).to(images.dtype)
            points = copied_to(points, images.device)
            displacement = spread_control_points(points, tuple(images.shape[2:]))
        mode = self.padding_mode or "zeros"
        return warp(images, self.matrices[rows], mode, self.fill_value, displacement, self.whole)


def join(
    images: Tensor, pending: Motion | None, motion: Motion, exactly: bool = False
) -> tuple[Tensor, Motion]:
    """Return images and the pending motion after another one, both in one where possible.

    With `exactly` a motion by whole pixels is not joined with one that interpolates.
    """
    if pending is None:
        return images, motion
    apart = exactly and pending.whole != motion.whole
    both = None if apart else pending.then(motion)
    return (images, both) if both is not None else (pending.move(images), motion)


def finish(images: Tensor, pending: Motion | None) -> Tensor:
    """Return images after the pending motion."""
    return images if pending is None else pending.move(images)


class Operation(ABC):
    """What an augmentation does to a batch, apart from scikit-learn's interface."""

    p: float
    _fewest_axes: ClassVar[int] = 1
    _offset: np.ndarray | None = None  # of each channel, subtracted from the images

    def _less(self, offset: np.ndarray | None) -> Self:
        """Return the operation for images from which an offset of each channel was subtracted."""
        if offset is None:
            return self
        other = copy.copy(self)
        other._offset = offset
        return other

    def _in_images(self, value: float) -> Fill:
        """Return a value in the units of the data as the images have it, or their channels."""
        return value if self._offset is None else tuple((value - self._offset).tolist())

    def _check_axes(self, layout: InputLayout, owner: str | None = None) -> None:
        """Check that the samples have enough axes.

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

    def _keeps_padding(self) -> bool:
        """Whether values are changed whatever is before or after them, and how many there are."""
        return False

    @abstractmethod
    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        """Return parameters for every key, in the units of the constructor."""

    @abstractmethod
    def _apply(self, images: Tensor, params: Params, span: float) -> Tensor:
        """Return augmented float images; `span` is the range of the data's values."""

    def _keys(self, seed: int, rows: np.ndarray, epoch: int, number: int) -> np.ndarray:
        """Return a key for each sample, which decides its draws in this epoch."""
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

    def _can_change(self) -> bool:
        """Return whether a draw can change a sample, as far as the parameters say."""
        return self.p > 0

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
    """An operation that mixes samples and their targets with others of the batch."""

    @abstractmethod
    def _mix(self, images: Tensor, params: Params) -> tuple[Tensor, np.ndarray, np.ndarray]:
        """Return mixed images, the partner of each and the share that each keeps of itself."""

    def _apply(self, images: Tensor, params: Params, span: float) -> Tensor:
        return images  # without targets there is nothing to mix
