"""RandomElastic: warps by smooth random fields."""

from numbers import Integral
from typing import Any

import numpy as np

from skcnn._utils.compat import Interval
from skcnn.augmentation._base import documented
from skcnn.augmentation._draws import normals, subkeys, uniforms
from skcnn.augmentation._geometric import (
    GEOMETRIC_CONSTRAINTS,
    GeometricAugmentation,
    identities,
)
from skcnn.augmentation._operations import Motion, Params
from skcnn.augmentation._ranges import Range


@documented
class RandomElastic(GeometricAugmentation):
    """Warp images, signals or volumes by a smooth random field.

    Parameters
    ----------
    displacement : float or (low, high), default=0.05
        Standard deviation of the displacement of the control points, as a fraction of
        the side; a number `r` means 0 to r. It is drawn for each sample.
    n_points : int, default=4
        Number of control points on each axis, at least 2; more points make smaller waves.
    <parameters>

    Attributes
    ----------
    <attributes>

    Notes
    -----
    Normal displacements of the control points are interpolated by cubic B-splines, which
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
        padding_mode: str = "zeros",
        fill_value: float = 0.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.displacement = displacement
        self.n_points = n_points
        self.p = p
        self.padding_mode = padding_mode
        self.fill_value = fill_value
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
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
        return Motion(matrices, points, self.padding_mode, self._fill(), False)
