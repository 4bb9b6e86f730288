"""Scores of a fitted estimator for shifted, rotated or zoomed samples."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor
from sklearn.metrics import check_scoring
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skcnn._convnet.pipelines import copy_samples, find_convnet, has_steps
from skcnn._data.containers import as_array
from skcnn._data.layouts import InputLayout
from skcnn._data.series.layout import SeriesLayout
from skcnn._data.validation import read_samples
from skcnn._utils.compat import validate_parameter_constraints
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn._utils.validation import check_option
from skcnn.augmentation._affine import RandomRotation, RandomZoom
from skcnn.augmentation._array_values import values_as
from skcnn.augmentation._augmented_array import originals
from skcnn.augmentation._flip_and_crop import RandomCrop
from skcnn.augmentation._geometric import PADDING_CONSTRAINTS, check_fill_value
from skcnn.augmentation._image_ops import PADDING_MODES
from skcnn.augmentation._operations import Params
from skcnn.exceptions import InputShapeError

AUGMENTATIONS: dict[str, Any] = {
    "translation": RandomCrop,  # by whole pixels, without interpolation
    "rotation": RandomRotation,
    "zoom": RandomZoom,
}
# The value of each kind that changes nothing, and its smallest and largest value.
LIMITS = {
    "translation": (0.0, -np.inf, np.inf),
    "rotation": (0.0, -360.0, 360.0),
    "zoom": (1.0, 0.05, 20.0),
}
DEFAULT_DEGREES = tuple(range(-60, 61, 10))
DEFAULT_FACTORS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5)
SIDE_PER_SHIFT = 4  # the smaller side over the largest default shift
STEPS_OF_A_MAP, STEPS_OF_A_CURVE = 4, 8  # default shifts on each side of zero, at most


@dataclass(frozen=True)
class RobustnessScores:
    """Scores for changed samples.

    Attributes
    ----------
    values : ndarray of shape (n_values,)
        Pixels, degrees or factors.
    scores : ndarray of shape (n_values,) or (n_values, n_values)
        One score for each value. For shifts of images one for each shift down (rows) and each
        shift to the right (columns).
    baseline : float
        The score for the unchanged samples.
    score_name : str
        Name of the metric.
    """

    values: np.ndarray
    scores: np.ndarray
    baseline: float
    score_name: str


def _read(
    estimator: Any,
    X: Any,
    input_shape: tuple[int, ...] | None,
    n_spatial_dims: int | None,
    channels: str | None,
) -> tuple[np.ndarray, InputLayout]:
    """Return the samples and their layout, the ConvNet's if no other is given and it fits."""
    model = getattr(estimator, "best_estimator_", estimator)
    net = None if input_shape or n_spatial_dims or channels else find_convnet(model)
    if net is not None and isinstance(net._layout, SeriesLayout):
        raise InputShapeError(
            f"{type(net).__name__} was fitted on signals of unequal length, whose ends "
            "RobustnessDisplay would move. Fit it on signals of one length, as PadSignals makes."
        )
    X = as_array(X)
    own = net._layout if net is not None and net._layout.accepts(np.shape(X)[1:]) else None
    array, layout = read_samples(
        X,
        input_shape,
        n_spatial_dims,
        channels or "last",
        "RobustnessDisplay",
        doubt=own is None,
        flat=own is not None,
    )
    return array, own or layout


def _default_values(kind: str, layout: InputLayout) -> np.ndarray:
    if kind != "translation":
        return np.array(DEFAULT_DEGREES if kind == "rotation" else DEFAULT_FACTORS, dtype=float)
    most = max(min(layout.spatial[-2:]) // SIDE_PER_SHIFT, 1)
    step = ceil(most / (STEPS_OF_A_CURVE if len(layout.spatial) == 1 else STEPS_OF_A_MAP))
    return step * np.arange(-(most // step), most // step + 1)


def _check_values(kind: str, values: Any) -> np.ndarray:
    """Return the user's values in order, shifts as integers."""
    _, low, high = LIMITS[kind]
    array: np.ndarray = np.asarray(values)
    wanted = "whole numbers of pixels" if kind == "translation" else f"between {low} and {high}"
    legal = array.ndim == 1 and array.size > 0 and array.dtype.kind in "iuf"
    legal = legal and bool(np.isfinite(array).all() and (low <= array).all())
    legal = legal and bool((array <= high).all())
    if not legal or (kind == "translation" and (array % 1 != 0).any()):
        raise ValueError(
            f"The 'values' parameter must be a sequence of numbers, for kind={kind!r} {wanted}. "
            f"Got {values!r} instead."
        )
    return np.unique(array.astype(int) if kind == "translation" else array.astype(float))


def _params_of(kind: str, amount: tuple[Any, ...], n_samples: int, n_axes: int) -> Params:
    """Return parameters as an augmentation draws them, the same for all samples.

    Volumes are shifted and rotated in the plane of their slices.
    """
    params: Params = {"applied": np.ones(n_samples, bool)}
    if kind == "translation":
        params["pixels"] = np.zeros((n_samples, n_axes), int)
        params["pixels"][:, -len(amount) :] = amount
    elif kind == "rotation":
        params["degrees"] = np.zeros((n_samples, 1 if n_axes == 2 else 3))
        params["degrees"][:, 0] = amount
    else:
        params["factor"] = np.full(n_samples, *amount)
    return params


def _like(X: Any, values: np.ndarray) -> Any:
    """Return changed values, as a DataFrame if `X` is one."""
    if isinstance(X, pd.DataFrame):
        return pd.DataFrame(values, index=X.index, columns=X.columns)
    return values


def _score_function(
    estimator: Any, y: Any, scoring: Any, sample_weight: Any
) -> Callable[[Any], float]:
    """Return a function of samples to the estimator's score."""
    if isinstance(scoring, list | tuple | set | dict):
        raise ValueError(
            "The 'scoring' parameter must be one metric: a name, a callable or None. Got "
            f"{scoring!r} instead."
        )
    scorer = check_scoring(estimator, scoring=scoring)
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    return lambda X: float(scorer(estimator, X, y, **weights))


def _score_name(estimator: Any, scoring: Any) -> str:
    if isinstance(scoring, str):
        return scoring.replace("_", " ")
    if scoring is not None or hasattr(estimator, "best_estimator_"):
        return "score"
    if is_classifier(estimator):
        return "accuracy"
    return "R²" if is_regressor(estimator) else "score"


@in_standard_torch_state
def robustness_scores(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    kind: str = "translation",
    values: Any = None,
    scoring: Any = None,
    sample_weight: Any = None,
    input_shape: tuple[int, ...] | None = None,
    n_spatial_dims: int | None = None,
    channels: str | None = None,
    padding_mode: str = "zeros",
    fill_value: float = 0.0,
) -> RobustnessScores:
    """Score a fitted estimator for changed samples.

    The parameters are those of `RobustnessDisplay.from_estimator`.
    """
    check_option("kind", kind, LIMITS)
    check_option("padding_mode", padding_mode, PADDING_MODES)
    constraint = {"fill_value": PADDING_CONSTRAINTS["fill_value"]}
    validate_parameter_constraints(constraint, {"fill_value": fill_value}, "RobustnessDisplay")
    check_fill_value(padding_mode, fill_value, "RobustnessDisplay")
    if y is None:
        raise ValueError(
            "RobustnessDisplay requires y, the true labels or numbers of the samples, for the "
            "score. Got y=None."
        )
    check_is_fitted(estimator)
    X = originals(X)
    array, layout = _read(estimator, X, input_shape, n_spatial_dims, channels)
    if kind == "rotation" and len(layout.spatial) < 2:
        raise InputShapeError(
            "kind='rotation' needs images, with a height and a width. Got signals of shape "
            f"{layout.shape}. For flat images set input_shape=(height, width)."
        )
    values = _default_values(kind, layout) if values is None else _check_values(kind, values)
    augmentation = AUGMENTATIONS[kind](padding_mode=padding_mode, fill_value=fill_value)
    score = _score_function(estimator, y, scoring, sample_weight)
    baseline = score(copy_samples(X) if has_steps(estimator) else X)  # steps may write into it

    def score_of(*amount: Any) -> float:
        def moved(images: Tensor, part: slice) -> Tensor:
            params = _params_of(kind, amount, len(images), len(layout.spatial))
            return augmentation._motion(params, layout.spatial).move(images)

        if all(value == LIMITS[kind][0] for value in amount):
            return baseline
        return score(_like(X, values_as(array, layout, moved)))

    if kind == "translation" and len(layout.spatial) > 1:
        scores = np.array([[score_of(down, right) for right in values] for down in values])
    else:
        scores = np.array([score_of(value) for value in values])
    return RobustnessScores(values, scores, baseline, _score_name(estimator, scoring))
