"""Augmentations that are affine maps: translation, rotation, zoom, shear, all at once."""

from typing import Any

import numpy as np

from skcnn._data.layouts import InputLayout
from skcnn._utils.compat import InvalidParameterError
from skcnn.augmentation._base import documented
from skcnn.augmentation._draws import uniforms
from skcnn.augmentation._geometric import (
    GeometricAugmentation,
    axis_numbers,
    n_planes,
    rotations,
    shears,
    translations,
    zooms,
)
from skcnn.augmentation._operations import Params
from skcnn.augmentation._ranges import Range

_SHARE = Range(0.0, True, -1.0, 1.0)
_ANGLE = Range(0.0, True, -360.0, 360.0)
_SHEAR = Range(0.0, True, -80.0, 80.0)
_ZOOM = Range(1.0, True, 0.05, 20.0)


@documented
class RandomTranslation(GeometricAugmentation):
    """Shift images, signals or volumes by a random fraction of their sides.

    Parameters
    ----------
    fraction : float or (low, high), default=0.1
        Shift as a fraction of the side, drawn for each axis; a number `r` means -r to
        r. Positive is downwards and to the right, for signals later.
    axis : "horizontal", "vertical", int, tuple of them or None, default=None
        Axes to shift along: the last ("horizontal"), the last but one ("vertical"),
        numbers of spatial axes, or None for all.
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    RandomCrop : Shifts by whole pixels.
    RandomAffine : Shift, rotation, zoom and shear at once.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.augmentation import RandomTranslation
    >>> X = np.arange(6.0).reshape(1, 6)
    >>> later_by_two = RandomTranslation((1 / 3, 1 / 3))
    >>> later_by_two.fit_transform(X).to_numpy().round(3)
    array([[0., 0., 0., 1., 2., 3.]])
    >>> later_by_two.transform(X)
    array([[0., 1., 2., 3., 4., 5.]])
    """

    _ranges = {"fraction": _SHARE}
    _all_axes = True

    def __init__(
        self,
        fraction: float | tuple[float, float] = 0.1,
        *,
        axis: Any = None,
        p: float = 1.0,
        padding_mode: str = "zeros",
        fill_value: float = 0.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.fraction = fraction
        self.axis = axis
        self.p = p
        self.padding_mode = padding_mode
        self.fill_value = fill_value
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        fractions = self._scaled("fraction", uniforms(keys, len(spatial)), strength)
        if self.axis is not None:
            axes = axis_numbers(self.axis, len(spatial), type(self).__name__)
            fractions[:, [i for i in range(len(spatial)) if i not in axes]] = 0
        return {"fraction": fractions}

    def _matrices(self, params: Params, spatial: tuple[int, ...]) -> np.ndarray:
        return translations(params["fraction"], spatial)


@documented
class RandomRotation(GeometricAugmentation):
    """Turn images about their centre by a random angle.

    Volumes are turned about each of their three axes.

    Parameters
    ----------
    degrees : float or (low, high), default=15
        Angle; a number `r` means -r to r. Positive is counter-clockwise.
    <parameters>

    Attributes
    ----------
    <attributes>

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.augmentation import RandomRotation
    >>> X = np.array([[[1, 2], [3, 4]]], dtype=np.uint8)
    >>> RandomRotation((90, 90)).fit_transform(X).to_numpy()
    array([[[2, 4],
            [1, 3]]], dtype=uint8)
    """

    _ranges = {"degrees": _ANGLE}
    _fewest_axes = 2

    def __init__(
        self,
        degrees: float | tuple[float, float] = 15,
        *,
        p: float = 1.0,
        padding_mode: str = "zeros",
        fill_value: float = 0.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.degrees = degrees
        self.p = p
        self.padding_mode = padding_mode
        self.fill_value = fill_value
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        shares = uniforms(keys, n_planes(spatial))
        return {"degrees": self._scaled("degrees", shares, strength)}

    def _matrices(self, params: Params, spatial: tuple[int, ...]) -> np.ndarray:
        return rotations(params["degrees"], spatial)


@documented
class RandomZoom(GeometricAugmentation):
    """Enlarge or shrink images about their centre by a random factor.

    Signals are stretched in time.

    Parameters
    ----------
    factor : float or (low, high), default=0.1
        Factor of the size, the same for all axes, above 1 for larger; a number `r` means
        1 - r to 1 + r.
    <parameters>

    Attributes
    ----------
    <attributes>

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.augmentation import RandomZoom
    >>> X = np.array([[0.0, 0.0, 4.0, 0.0, 0.0]])
    >>> RandomZoom((2, 2)).fit_transform(X).to_numpy()
    array([[0., 2., 4., 2., 0.]])
    """

    _ranges = {"factor": _ZOOM}

    def __init__(
        self,
        factor: float | tuple[float, float] = 0.1,
        *,
        p: float = 1.0,
        padding_mode: str = "zeros",
        fill_value: float = 0.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.factor = factor
        self.p = p
        self.padding_mode = padding_mode
        self.fill_value = fill_value
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        return {"factor": self._scaled_factor("factor", uniforms(keys, 1)[:, 0], strength)}

    def _matrices(self, params: Params, spatial: tuple[int, ...]) -> np.ndarray:
        return zooms(params["factor"], spatial)


@documented
class RandomShear(GeometricAugmentation):
    """Slant images: rows slide sideways, or columns up and down.

    Volumes are slanted slice by slice.

    Parameters
    ----------
    degrees : float or (low, high), default=10
        Angle by which an upright line leans; a number `r` means -r to r. Positive leans
        to the right at the top, as italics do.
    axis : "horizontal", "vertical" or tuple of both, default="horizontal"
        What slides: rows along the horizontal axis, columns along the vertical one.
    <parameters>

    Attributes
    ----------
    <attributes>

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.augmentation import RandomShear
    >>> X = np.zeros((1, 3, 3))
    >>> X[0, :, 1] = 1
    >>> RandomShear((45, 45)).fit_transform(X).to_numpy().round()
    array([[[0., 0., 1.],
            [0., 1., 0.],
            [1., 0., 0.]]])
    """

    _ranges = {"degrees": _SHEAR}
    _fewest_axes = 2

    def __init__(
        self,
        degrees: float | tuple[float, float] = 10,
        *,
        axis: Any = "horizontal",
        p: float = 1.0,
        padding_mode: str = "zeros",
        fill_value: float = 0.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.degrees = degrees
        self.axis = axis
        self.p = p
        self.padding_mode = padding_mode
        self.fill_value = fill_value
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state

    def _check_axes(self, layout: InputLayout, owner: str | None = None) -> None:
        super()._check_axes(layout, owner)
        n_axes = len(layout.spatial)
        if min(axis_numbers(self.axis, n_axes, type(self).__name__)) < n_axes - 2:
            raise InvalidParameterError(
                "The 'axis' parameter of RandomShear must be 'horizontal', 'vertical' or both: "
                f"volumes are slanted slice by slice. Got {self.axis!r} instead."
            )

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        degrees = self._scaled("degrees", uniforms(keys, 2), strength)
        n_axes = len(spatial)
        axes = axis_numbers(self.axis, n_axes, type(self).__name__)
        for i, axis in enumerate((n_axes - 1, n_axes - 2)):
            if axis not in axes:
                degrees[:, i] = 0
        return {"degrees": degrees}

    def _matrices(self, params: Params, spatial: tuple[int, ...]) -> np.ndarray:
        return shears(params["degrees"], spatial)


@documented
class RandomAffine(GeometricAugmentation):
    """Rotate, shift, zoom and slant images, all drawn at once.

    Parameters
    ----------
    degrees : float or (low, high), default=15
        Angle of rotation; a number `r` means -r to r. Positive is counter-clockwise.
    translation : float or (low, high), default=0.1
        Shift as a fraction of the side, for each axis; a number `r` means -r to r.
    zoom : float or (low, high), default=0.1
        Factor of the size; a number `r` means 1 - r to 1 + r.
    shear : float or (low, high), default=0
        Angle by which upright lines lean, in degrees; a number `r` means -r to r.
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    RandomRotation : Rotation alone; neighbours in a list are joined into one map too.

    Notes
    -----
    The image is zoomed, slanted, turned and shifted, in this order, about its centre.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn.augmentation import RandomAffine
    >>> X = load_digits().images
    >>> warped = RandomAffine(degrees=20, zoom=(0.8, 1), random_state=0).fit_transform(X)
    >>> warped.shape, warped.to_numpy().shape
    ((1797, 8, 8), (1797, 8, 8))
    """

    _ranges = {"degrees": _ANGLE, "translation": _SHARE, "zoom": _ZOOM, "shear": _SHEAR}
    _fewest_axes = 2

    def __init__(
        self,
        degrees: float | tuple[float, float] = 15,
        *,
        translation: float | tuple[float, float] = 0.1,
        zoom: float | tuple[float, float] = 0.1,
        shear: float | tuple[float, float] = 0,
        p: float = 1.0,
        padding_mode: str = "zeros",
        fill_value: float = 0.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.degrees = degrees
        self.translation = translation
        self.zoom = zoom
        self.shear = shear
        self.p = p
        self.padding_mode = padding_mode
        self.fill_value = fill_value
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        n_turns, n_axes = n_planes(spatial), len(spatial)
        shares = uniforms(keys, n_turns + n_axes + 2)
        turns, shifts, others = np.split(shares, [n_turns, n_turns + n_axes], axis=1)
        return {
            "degrees": self._scaled("degrees", turns, strength),
            "translation": self._scaled("translation", shifts, strength),
            "zoom": self._scaled_factor("zoom", others[:, 0], strength),
            "shear": self._scaled("shear", others[:, 1], strength),
        }

    def _matrices(self, params: Params, spatial: tuple[int, ...]) -> np.ndarray:
        # from output to input: the last change is undone first
        total = rotations(params["degrees"], spatial)
        if params["shear"].any():
            degrees = np.column_stack([params["shear"], np.zeros(len(params["shear"]))])
            total = shears(degrees, spatial) @ total
        linear = total[:, :-1, :-1]
        linear /= params["zoom"][:, None, None]
        shifts = params["translation"] * np.array(spatial)
        total[:, :-1, -1] = -(linear * shifts[:, None]).sum(2)
        return total
