"""RandomFlip and RandomCrop: mirrored samples and shifts by whole pixels, without interpolation."""

from numbers import Integral, Real
from typing import Any

import numpy as np

from skcnn._utils.compat import Interval
from skcnn.augmentation._base import COMMON_CONSTRAINTS, documented
from skcnn.augmentation._draws import subkeys, uniforms
from skcnn.augmentation._geometric import (
    GEOMETRIC_CONSTRAINTS,
    GeometricAugmentation,
    axis_numbers,
    identities,
)
from skcnn.augmentation._operations import Params


@documented
class RandomFlip(GeometricAugmentation):
    """Mirror images, signals or volumes, by default with a probability of one half.

    Parameters
    ----------
    axis : "horizontal", "vertical", int or tuple of them, default="horizontal"
        Axes to mirror: the last ("horizontal": left and right, for signals the time), the
        last but one ("vertical"), or numbers of spatial axes. Each axis is drawn by
        itself.
    alternate : bool, default=False
        Whether samples are mirrored in every other epoch, beginning with the first or the
        second at random. With ``p=0.5`` two consecutive epochs have each sample once as it
        is and once mirrored; with a smaller `p`, a fraction 2p of the samples. Within other
        augmentations, such as :class:`RandomChoice`, every epoch is drawn by itself.
    <parameters>

    Attributes
    ----------
    <attributes>

    Notes
    -----
    A `strength` below one lowers the probability.

    References
    ----------
    Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv:2404.00498, for
    alternating flips.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.augmentation import RandomFlip
    >>> X = np.arange(4).reshape(1, 4)
    >>> RandomFlip(p=1.0).fit_transform(X).to_numpy()
    array([[3, 2, 1, 0]])
    """

    _parameter_constraints = {**COMMON_CONSTRAINTS, "alternate": ["boolean"]}
    _whole = True

    def __init__(
        self,
        axis: Any = "horizontal",
        *,
        alternate: bool = False,
        p: float = 0.5,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.axis = axis
        self.alternate = alternate
        self.p = p
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state

    def _keys(self, seed: int, rows: np.ndarray, epoch: int, number: int) -> np.ndarray:
        if not self.alternate:
            return super()._keys(seed, rows, epoch, number)
        # one key for all epochs, whose last bit alternates
        keys = super()._keys(seed, rows, 0, number)
        return keys - keys % np.uint64(2) + np.uint64(epoch % 2)

    def _draw_all(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        if not self.alternate:
            return super()._draw_all(keys, spatial, strength)
        turn = keys % np.uint64(2)
        drawn = self._flips(subkeys(keys - turn, 1), spatial, strength, turn.astype(bool))
        return {"applied": np.full(len(keys), strength > 0), "flip": drawn}

    def _probability(self, strength: float) -> float:
        return 1.0 if strength > 0 else 0.0  # drawn for each axis in _draw

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        return {"flip": self._flips(keys, spatial, strength, np.zeros(len(keys), bool))}

    def _flips(
        self, keys: np.ndarray, spatial: tuple[int, ...], strength: float, turn: np.ndarray
    ) -> np.ndarray:
        """Return which axes to mirror: draws below p or, where `turn` is true, from p to 2p."""
        axes = axis_numbers(self.axis, len(spatial), type(self).__name__)
        shares, p = uniforms(keys, len(spatial)), self.p * min(strength, 1.0)
        in_turn = (p <= shares) & (shares < 2 * p)
        flips = np.where(turn[:, None], in_turn, shares < p)
        flips[:, [i for i in range(len(spatial)) if i not in axes]] = False
        return flips

    def _matrices(self, params: Params, spatial: tuple[int, ...]) -> np.ndarray:
        matrices = identities(len(params["flip"]), spatial)
        for i in range(len(spatial)):
            matrices[params["flip"][:, i], i, i] = -1
        return matrices


@documented
class RandomCrop(GeometricAugmentation):
    """Pad images on all sides and cut out the original size at a random place.

    This is a shift by whole pixels: nothing is interpolated.

    Parameters
    ----------
    padding : int or float, default=0.125
        Largest shift to either side on each axis: an integer in pixels, a float below 1
        as a fraction of the side.
    <parameters>

    Attributes
    ----------
    <attributes>

    References
    ----------
    Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional
    neural networks", NIPS 2012, for random crops.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.augmentation import RandomCrop
    >>> X = np.arange(10, 16).reshape(1, 6)
    >>> RandomCrop(2, random_state=1).fit_transform(X).to_numpy()
    array([[ 0, 10, 11, 12, 13, 14]])
    """

    _parameter_constraints = {
        **GEOMETRIC_CONSTRAINTS,
        "padding": [
            Interval(Integral, 0, None, closed="left"),
            Interval(Real, 0, 1, closed="left"),
        ],
    }
    _whole = True

    def __init__(
        self,
        padding: int | float = 0.125,
        *,
        p: float = 1.0,
        padding_mode: str = "zeros",
        fill_value: float = 0.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.padding = padding
        self.p = p
        self.padding_mode = padding_mode
        self.fill_value = fill_value
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state

    def _can_change(self) -> bool:
        return super()._can_change() and self.padding > 0

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        sides = np.array(spatial)
        in_pixels = isinstance(self.padding, Integral)
        widths = np.full(len(spatial), self.padding) if in_pixels else self.padding * sides
        most = np.minimum(np.rint(widths * strength).astype(int), sides)
        shares = uniforms(keys, len(spatial))
        return {"pixels": np.floor(shares * (2 * most + 1)).astype(int) - most}

    def _matrices(self, params: Params, spatial: tuple[int, ...]) -> np.ndarray:
        matrices = identities(len(params["pixels"]), spatial)
        matrices[:, :-1, -1] = -params["pixels"]
        return matrices
