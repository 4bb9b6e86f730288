"""Augmentations by flips, whole-pixel shifts and smooth fields.

The affine ones are in ``_affine``; motions of both kinds are joined (``_augmenter``).
"""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from skcnn.augmentation._affine import GEOMETRIC_CONSTRAINTS, GeometricAugmentation, identities
from skcnn.augmentation._augmenter import Motion, Params
from skcnn.augmentation._base import COMMON_CONSTRAINTS, Range, axis_numbers, documented
from skcnn.augmentation._draws import normals, subkeys, uniforms


@documented
class RandomFlip(GeometricAugmentation):
    """Mirror images, signals or volumes with probability a half.

    Parameters
    ----------
    axis : "horizontal", "vertical", int or tuple of them, default="horizontal"
        Which axes to mirror: the last ("horizontal": left and right, for signals the
        time), the last but one ("vertical"), or numbers of spatial axes. Each one is
        mirrored or not by itself.
    alternate : bool, default=False
        Whether a sample that is mirrored in one epoch is not in the next and so on, the
        first drawn at random: with p=0.5 two epochs of a fit show both sides of every
        sample, with a smaller `p` of a share of 2p of them. Within other augmentations,
        such as :class:`RandomChoice`, every epoch is drawn.
    <parameters>

    Attributes
    ----------
    <attributes>

    Notes
    -----
    A `strength` below one lowers the probability, as a flip knows no half measures.

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
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.axis = axis
        self.alternate = alternate
        self.p = p
        self.input_shape = input_shape
        self.channels = channels
        self.random_state = random_state

    def _keys(self, seed: int, rows: np.ndarray, epoch: int, number: int) -> np.ndarray:
        if not self.alternate:
            return super()._keys(seed, rows, epoch, number)
        # one key for all epochs, the last bit says whose turn it is
        keys = super()._keys(seed, rows, 0, number)
        return keys - keys % np.uint64(2) + np.uint64(epoch % 2)

    def _draw_all(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        if not self.alternate:
            return super()._draw_all(keys, spatial, strength)
        turn = keys % np.uint64(2)
        drawn = self._flips(subkeys(keys - turn, 1), spatial, strength, turn.astype(bool))
        return {"applied": np.full(len(keys), strength > 0), "flip": drawn}

    def _probability(self, strength: float) -> float:
        return 1.0 if strength > 0 else 0.0  # each axis has its own

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        return {"flip": self._flips(keys, spatial, strength, np.zeros(len(keys), bool))}

    def _flips(
        self, keys: np.ndarray, spatial: tuple[int, ...], strength: float, turn: np.ndarray
    ) -> np.ndarray:
        """Return which axes to mirror; in its turn what else would be, as often, is."""
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

    The same as a shift by whole pixels: nothing is interpolated.

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
        fill: str = "constant",
        fill_value: float = 0.0,
        input_shape: tuple[int, ...] | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.padding = padding
        self.p = p
        self.fill = fill
        self.fill_value = fill_value
        self.input_shape = input_shape
        self.channels = channels
        self.random_state = random_state

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


@documented
class RandomElastic(GeometricAugmentation):
    """Warp images, signals or volumes by a smooth random field.

    Parameters
    ----------
    displacement : float or (low, high), default=0.05
        Standard deviation of the displacement of the control points, as a fraction of
        the side; a number `r` means 0 to r, so that samples are warped by more or less.
    n_points : int, default=4
        Control points on each axis, at least 2; more make smaller waves.
    <parameters>

    Attributes
    ----------
    <attributes>

    Notes
    -----
    Normal displacements of the control points are spread by cubic B-splines, which
    costs much less than smoothing a field of all pixels and looks the same.

    References
    ----------
    Simard, Steinkraus and Platt, "Best practices for convolutional neural networks
    applied to visual document analysis", ICDAR 2003, for elastic distortions;
    Ronneberger, Fischer and Brox, arXiv:1505.04597, for the coarse grid.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn.augmentation import RandomElastic
    >>> X = load_digits().images
    >>> RandomElastic(0.03, random_state=0).fit_transform(X).to_numpy().shape
    (1797, 8, 8)
    """

    _parameter_constraints = {
        **GEOMETRIC_CONSTRAINTS,
        "n_points": [Interval(Integral, 2, 64, closed="both")],
    }
    _ranges = {"displacement": Range(0.0, False, 0.0, 1.0)}

    def __init__(
        self,
        displacement: float | tuple[float, float] = 0.05,
        *,
        n_points: int = 4,
        p: float = 1.0,
        fill: str = "constant",
        fill_value: float = 0.0,
        input_shape: tuple[int, ...] | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.displacement = displacement
        self.n_points = n_points
        self.p = p
        self.fill = fill
        self.fill_value = fill_value
        self.input_shape = input_shape
        self.channels = channels
        self.random_state = random_state

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        n_axes = len(spatial)
        sizes = self._scaled("displacement", uniforms(subkeys(keys, 0), 1)[:, 0], strength)
        counts = [self.n_points + 2] * n_axes  # a margin of one point on each side
        points = normals(subkeys(keys, 1), n_axes * int(np.prod(counts)))
        points = points.reshape(len(keys), n_axes, *counts)
        return {"displacement": points * sizes.reshape(-1, *(1,) * (n_axes + 1))}

    def _matrices(self, params: Params, spatial: tuple[int, ...]) -> np.ndarray:
        return identities(len(params["displacement"]), spatial)

    def _motion(self, params: Params, spatial: tuple[int, ...]) -> Motion:
        to_pixels = np.array(spatial).reshape(-1, *(1,) * len(spatial))
        applied = params["applied"].reshape(-1, *(1,) * (len(spatial) + 1))
        points = params["displacement"] * applied * to_pixels
        matrices = self._matrices(params, spatial)
        return Motion(matrices, points, self.fill, float(self.fill_value), False)
