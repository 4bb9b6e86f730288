"""make_noughts_and_crosses: images of the letters O and X."""

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skcnn._utils.compat import Interval, InvalidParameterError, validate_parameter_constraints

# In sides of the image. Stroke included, a letter takes 2 * 0.2375 + 0.125 = 0.6 of the
# side. Both letters have about the same ink, so that its sum does not distinguish them.
REACH = 0.2375  # radius of the circle; half the width of the cross
STROKE_WIDTH = 0.125
SMALLEST_SIZE = 8  # a stroke is one pixel wide

_CONSTRAINTS: dict[str, Any] = {
    "n_samples": [Interval(Integral, 1, None, closed="left")],
    "size": [Interval(Integral, SMALLEST_SIZE, None, closed="left")],
    "noise": [Interval(Real, 0, None, closed="left")],
    "random_state": ["random_state"],
}
# Value of a clean letter, and legal values.
_VARIATIONS = {
    "translation": (0.0, Interval(Real, -1, 1, closed="both")),
    "scaling": (1.0, Interval(Real, 0, None, closed="neither")),
    "rotation": (0.0, Interval(Real, None, None, closed="neither")),
    "stroke_weight": (1.0, Interval(Real, 0, None, closed="neither")),
}


def _check_range(name: str, value: Any) -> tuple[float, float]:
    """Return the lowest and the highest value of a variation's draws."""
    clean, legal = _VARIATIONS[name]
    low = high = math.nan
    if isinstance(value, Real) and float(value) >= 0:
        low, high = clean - float(value), clean + float(value)
    elif isinstance(value, tuple | list) and len(value) == 2:
        low, high = value
    if not (legal.is_satisfied_by(low) and legal.is_satisfied_by(high) and low <= high):
        raise InvalidParameterError(
            f"The {name!r} parameter of make_noughts_and_crosses must be a number a >= 0, for "
            f"draws within a of {clean:g}, or a pair (low, high) with low <= high; both ends "
            f"must be {legal}. Got {value!r} instead."
        )
    return float(low), float(high)


def _letter_coordinates(
    size: int, shift: np.ndarray, degrees: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return each pixel's distance to the right of and below its letter's centre, in pixels.

    "Right" and "below" turn with the letter: counter-clockwise for positive degrees.
    """
    pixel = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
    down = pixel[None, :, None] - shift[:, 0, None, None]  # (n_samples, size, 1)
    right = pixel[None, None, :] - shift[:, 1, None, None]  # (n_samples, 1, size)
    angle = np.deg2rad(degrees)[:, None, None]
    cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    return cos * right - sin * down, sin * right + cos * down


def _distance_to_nought(right: np.ndarray, down: np.ndarray, radius: np.ndarray) -> np.ndarray:
    return np.abs(np.hypot(right, down) - radius)


def _distance_to_cross(right: np.ndarray, down: np.ndarray, reach: np.ndarray) -> np.ndarray:
    # by symmetry the nearest arm is the one in the pixel's own quadrant
    right, down = np.abs(right), np.abs(down)
    nearest = np.minimum((right + down) / 2, reach)
    return np.hypot(right - nearest, down - nearest)


def _ink(distance: np.ndarray, half_width: np.ndarray) -> np.ndarray:
    """Return the fraction of a pixel that a stroke covers, across the stroke."""
    covered = np.minimum(half_width, 0.5 + distance) + np.minimum(half_width, 0.5 - distance)
    return np.clip(covered, 0.0, 1.0)


def make_noughts_and_crosses(
    n_samples: int = 100,
    size: int = 16,
    *,
    translation: float | tuple[float, float] = 0.0,
    scaling: float | tuple[float, float] = 0.0,
    rotation: float | tuple[float, float] = 0.0,
    stroke_weight: float | tuple[float, float] = 0.0,
    noise: float = 0.0,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Make images of the letters O and X.

    A small classification problem that shows what convolutional networks are for [1]_:
    train on clean letters, test on letters that are moved, scaled, turned or drawn with
    another pen.

    Each of the four variations is 0 for clean letters, a number for the largest change in
    both directions, or a pair (low, high). It is drawn for each sample, uniformly between
    the two ends.

    Parameters
    ----------
    n_samples : int, default=100
        Number of images, at least 1; the numbers of both letters differ by at most one.
    size : int, default=16
        Height and width of an image in pixels, at least 8.
    translation : float or (low, high), default=0.0
        Shift as a fraction of `size`, from -1 to 1; down and to the right are positive. A
        number `t` is the range `(-t, t)`. Drawn for each axis.
    scaling : float or (low, high), default=0.0
        Factor of the whole letter, pen included. A number `s` below 1 is the range
        `(1 - s, 1 + s)`.
    rotation : float or (low, high), default=0.0
        Degrees by which the letter is turned about its centre, counter-clockwise. A
        number `r` is the range `(-r, r)`.
    stroke_weight : float or (low, high), default=0.0
        Factor of the width of the strokes, an eighth of `size` in clean letters. A number
        `w` below 1 is the range `(1 - w, 1 + w)`: 0.5 is from half to one and a half times
        the clean width.
    noise : float, default=0.0
        Standard deviation of Gaussian noise that is added to every pixel. Values are not
        clipped.
    random_state : int, RandomState instance or None, default=None
        Seed of the labels, the variations and the noise, drawn in this order: with the same
        int the labels do not depend on the variations, nor the draws of one variation on
        the others.

    Returns
    -------
    X : ndarray of shape (n_samples, size, size), dtype float32
        Images, 0 for the ground and 1 for ink, before the noise; pixels at the edge of a
        stroke lie between.
    y : ndarray of shape (n_samples,), dtype str
        The letters, `"O"` or `"X"`.

    Raises
    ------
    ValueError
        If a parameter is not legal.

    See Also
    --------
    ConvNetClassifier : Network that classifies the letters.

    Notes
    -----
    A clean letter takes 60 % of the side, so that it stays inside the image for a
    translation up to 0.2 or a factor up to 1.6. A turned X takes 80 % of the side and
    stays inside for a translation up to 0.1 or a factor up to 1.25. With larger
    variations letters are cut off at the border.

    A pixel at distance `d` from the centre line of a stroke of width `w`, both in pixels,
    has the ink ``clip(min(w / 2, 1 / 2 + d) + min(w / 2, 1 / 2 - d), 0, 1)``: the overlap
    of pixel and stroke if the stroke is straight and upright.

    References
    ----------
    .. [1] B. Rohrer, "How do Convolutional Neural Networks work?", 2016,
       https://brohrer.github.io/how_convolutional_neural_networks_work.html

    Examples
    --------
    >>> from skcnn.datasets import make_noughts_and_crosses
    >>> X, y = make_noughts_and_crosses(4, size=9, random_state=1)
    >>> X.shape, y.tolist()
    ((4, 9, 9), ['X', 'O', 'O', 'X'])
    >>> for row in X[0]:
    ...     print("".join("#" if ink > 0.5 else "-" for ink in row))
    ---------
    ---------
    --#---#--
    ---#-#---
    ----#----
    ---#-#---
    --#---#--
    ---------
    ---------

    Letters that are moved and turned, with some noise:

    >>> X, y = make_noughts_and_crosses(translation=0.1, rotation=(-30, 30), noise=0.05)
    >>> X.shape
    (100, 16, 16)
    """
    parameters = {
        "n_samples": n_samples,
        "size": size,
        "noise": noise,
        "random_state": random_state,
    }
    validate_parameter_constraints(_CONSTRAINTS, parameters, "make_noughts_and_crosses")
    shifts = _check_range("translation", translation)
    factors = _check_range("scaling", scaling)
    angles = _check_range("rotation", rotation)
    weights = _check_range("stroke_weight", stroke_weight)

    rng = check_random_state(random_state)
    is_nought = rng.permutation(n_samples) % 2 == 0
    shift = rng.uniform(*shifts, (n_samples, 2)).astype(np.float32) * size
    factor = rng.uniform(*factors, (n_samples, 1, 1)).astype(np.float32) * size
    degrees = rng.uniform(*angles, n_samples)
    weight = rng.uniform(*weights, (n_samples, 1, 1)).astype(np.float32)

    right, down = _letter_coordinates(size, shift, degrees)
    distance = np.where(
        is_nought[:, None, None],
        _distance_to_nought(right, down, REACH * factor),
        _distance_to_cross(right, down, REACH * factor),
    )
    X = _ink(distance, STROKE_WIDTH / 2 * weight * factor)
    if noise:
        X += rng.normal(scale=noise, size=X.shape)
    return X, np.where(is_nought, "O", "X")
