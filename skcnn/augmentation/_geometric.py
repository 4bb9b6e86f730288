"""GeometricAugmentation: base of the augmentations that move pixels, and their matrices.

A matrix leads from output to input positions in pixels about the centre, as in
:func:`skcnn.augmentation._image_ops.warp`.
"""

from abc import abstractmethod
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from skcnn._data.layouts import InputLayout
from skcnn._utils.compat import Interval, InvalidParameterError, StrOptions
from skcnn._utils.validation import is_integer
from skcnn.augmentation._base import COMMON_CONSTRAINTS, Augmentation
from skcnn.augmentation._image_ops import PADDING_MODES, Fill
from skcnn.augmentation._operations import GeometricOperation, Motion, Params
from skcnn.exceptions import InputShapeError

PADDING_CONSTRAINTS: dict[str, list[Any]] = {
    "padding_mode": [StrOptions(set(PADDING_MODES))],
    "fill_value": [Interval(Real, None, None, closed="neither")],
}
GEOMETRIC_CONSTRAINTS = COMMON_CONSTRAINTS | PADDING_CONSTRAINTS
AXIS_NAMES = {"horizontal": -1, "vertical": -2}


def check_fill_value(padding_mode: str | None, fill_value: float, owner: str) -> None:
    """Check that a fill value comes with the padding mode that uses it.

    Raises
    ------
    InvalidParameterError
        If it is not zero and the mode is not "constant".
    """
    if padding_mode != "constant" and fill_value != 0:
        raise InvalidParameterError(
            f"The 'fill_value' parameter of {owner} needs padding_mode='constant'. Got "
            f"fill_value={fill_value!r} with padding_mode={padding_mode!r} instead."
        )


def read_axis(axis: Any, owner: str) -> list[int]:
    """Return the numbers that "horizontal", "vertical", numbers or a tuple of them mean.

    Raises
    ------
    InvalidParameterError
        If `axis` is anything else.
    """
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    numbers = [AXIS_NAMES.get(one, one) if isinstance(one, str) else one for one in axes]
    if not numbers or not all(map(is_integer, numbers)):
        raise InvalidParameterError(
            f"The 'axis' parameter of {owner} must be 'horizontal', 'vertical', the number "
            f"of a spatial axis, or a tuple of them. Got {axis!r} instead."
        )
    return [int(number) for number in numbers]


def axis_numbers(axis: Any, n_axes: int, owner: str) -> list[int]:
    """Return the numbers of the spatial axes that `axis` means, from zero.

    Raises
    ------
    InputShapeError
        If the samples have no such axis.
    """
    numbers = []
    for number in read_axis(axis, owner):
        if not -n_axes <= number < n_axes:
            raise InputShapeError(
                f"{owner}(axis={axis!r}) needs an axis that samples with {n_axes} spatial "
                f"{'axis' if n_axes == 1 else 'axes'} do not have."
            )
        numbers.append(number % n_axes)
    return sorted(set(numbers))


def identities(n: int, spatial: tuple[int, ...]) -> np.ndarray:
    """Return `n` matrices that move nothing."""
    matrices = np.zeros((n, len(spatial) + 1, len(spatial) + 1))
    matrices[:] = np.eye(len(spatial) + 1)
    return matrices


def translations(fractions: np.ndarray, spatial: tuple[int, ...]) -> np.ndarray:
    """Return matrices that move the content by fractions of the sides."""
    matrices = identities(len(fractions), spatial)
    matrices[:, :-1, -1] = -fractions * np.array(spatial)
    return matrices


def n_planes(spatial: tuple[int, ...]) -> int:
    """Return the number of planes to rotate in: one of images, three of volumes."""
    return 1 if len(spatial) == 2 else 3


def rotations(degrees: np.ndarray, spatial: tuple[int, ...]) -> np.ndarray:
    """Return matrices that turn the content by (n_samples, n_planes) angles."""
    n_axes = len(spatial)
    planes = [(-2, -1), (-3, -1), (-3, -2)][: n_planes(spatial)]
    total = identities(len(degrees), spatial)
    for i, (row, column) in enumerate(planes):
        if not degrees[:, i].any():
            continue
        angle = np.deg2rad(degrees[:, i])
        turn = identities(len(degrees), spatial)
        a, b = n_axes + row, n_axes + column
        turn[:, a, a] = turn[:, b, b] = np.cos(angle)
        # counter-clockwise as seen, because rows are counted downwards
        turn[:, a, b], turn[:, b, a] = np.sin(angle), -np.sin(angle)
        total = turn if n_axes == 2 else total @ turn
    return total


def zooms(factors: np.ndarray, spatial: tuple[int, ...]) -> np.ndarray:
    """Return matrices that enlarge the content about the centre."""
    matrices = identities(len(factors), spatial)
    for i in range(len(spatial)):
        matrices[:, i, i] = 1 / factors
    return matrices


def shears(degrees: np.ndarray, spatial: tuple[int, ...]) -> np.ndarray:
    """Return matrices that slide rows (the upper ones to the right) and columns."""
    total = identities(len(degrees), spatial)
    for i, (along, across) in enumerate([(-1, -2), (-2, -1)]):
        if not degrees[:, i].any():
            continue
        shear = identities(len(degrees), spatial)
        n_axes = len(spatial)
        shear[:, n_axes + along, n_axes + across] = np.tan(np.deg2rad(degrees[:, i]))
        total = total @ shear
    return total


class GeometricAugmentation(GeometricOperation, Augmentation):
    """Base of the augmentations that move pixels."""

    _parameter_constraints: dict[str, Any] = GEOMETRIC_CONSTRAINTS
    _whole = False
    _all_axes: ClassVar[bool] = False  # whether axis=None is legal and means all
    padding_mode: str | None = None  # of operations that bring nothing in from outside
    fill_value: float = 0.0

    @abstractmethod
    def _matrices(self, params: Params, spatial: tuple[int, ...]) -> np.ndarray:
        """Return (n_samples, n_axes + 1, n_axes + 1) from output to input positions."""

    def _motion(self, params: Params, spatial: tuple[int, ...]) -> Motion:
        matrices = self._matrices(params, spatial)
        matrices[~params["applied"]] = np.eye(len(spatial) + 1)
        return Motion(matrices, None, self.padding_mode, self._fill(), self._whole)

    def _fill(self) -> Fill:
        """Return the constant of the padding; other modes have zero."""
        fills = self.padding_mode == "constant"
        return self._in_images(float(self.fill_value)) if fills else 0.0

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_fill_value(self.padding_mode, self.fill_value, type(self).__name__)
        params = self.get_params(deep=False)
        if "axis" in params and not (self._all_axes and params["axis"] is None):
            read_axis(params["axis"], type(self).__name__)

    def _check_axes(self, layout: InputLayout, owner: str | None = None) -> None:
        super()._check_axes(layout, owner)
        axis = getattr(self, "axis", None)
        if axis is not None:
            axis_numbers(axis, len(layout.spatial), type(self).__name__)
