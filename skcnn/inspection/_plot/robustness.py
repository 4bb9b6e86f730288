"""RobustnessDisplay: the score against a shift, a rotation or a zoom of the samples.

The scores are computed in ``_robustness``; matplotlib itself is imported in ``_displays``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from textwrap import fill as wrapped
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor
from sklearn.metrics import check_scoring
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skcnn._convnet.pipelines import best_of_search, convnet_of
from skcnn._data.images import InputLayout
from skcnn._data.validation import read_samples
from skcnn._plotting.axes import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, legend_above, new_axes
from skcnn._utils.validation import check_option
from skcnn.augmentation._affine import RandomRotation, RandomZoom
from skcnn.augmentation._augmented_array import originals, values_as
from skcnn.augmentation._augmenter import Params
from skcnn.augmentation._base import FILL_CONSTRAINTS
from skcnn.augmentation._geometric import RandomCrop
from skcnn.augmentation._image_ops import FILLS
from skcnn.exceptions import InputShapeError

AUGMENTATIONS: dict[str, Any] = {
    "translation": RandomCrop,  # by whole pixels, exactly
    "rotation": RandomRotation,
    "zoom": RandomZoom,
}
# Each kind's value that changes nothing, and its smallest and largest value.
LIMITS = {
    "translation": (0.0, -np.inf, np.inf),
    "rotation": (0.0, -360.0, 360.0),
    "zoom": (1.0, 0.05, 20.0),
}
DEFAULT_DEGREES = tuple(range(-60, 61, 10))
DEFAULT_FACTORS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5)
FARTHEST = 4  # a part of the side that default shifts go to, either way
STEPS_OF_A_MAP, STEPS_OF_A_CURVE = 4, 8  # at most, either way


@dataclass(frozen=True)
class RobustnessScores:
    """Scores against the change of the samples.

    Attributes
    ----------
    values : ndarray of shape (n_values,)
        Pixels, degrees or factors.
    scores : ndarray of shape (n_values,) or (n_values, n_values)
        One for each value; for shifts of images for each shift down and each to the right.
    baseline : float
        The score for the samples as they are.
    score_name : str
        What the scores are.
    """

    values: np.ndarray
    scores: np.ndarray
    baseline: float
    score_name: str


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
    channels: str | None = None,
    fill: str = "constant",
    fill_value: float = 0.0,
) -> RobustnessScores:
    """Score a fitted estimator for changed samples.

    The parameters are those of `RobustnessDisplay.from_estimator`.
    """
    check_option("kind", kind, LIMITS)
    check_option("fill", fill, FILLS)
    constraint = {"fill_value": FILL_CONSTRAINTS["fill_value"]}
    validate_parameter_constraints(constraint, {"fill_value": fill_value}, "RobustnessDisplay")
    if y is None:
        raise ValueError(
            "RobustnessDisplay requires y, the true labels or numbers of the samples, for the "
            "score. Got y=None."
        )
    check_is_fitted(estimator)
    X = originals(X)
    array, layout = _read(estimator, X, input_shape, channels)
    if kind == "rotation" and len(layout.spatial) < 2:
        raise InputShapeError(
            "kind='rotation' needs images, with a height and a width. Got signals of shape "
            f"{layout.shape}. For flat images set input_shape=(height, width)."
        )
    values = _default_values(kind, layout) if values is None else _check_values(kind, values)
    augmentation = AUGMENTATIONS[kind](fill=fill, fill_value=fill_value)
    score = _score_function(estimator, y, scoring, sample_weight)
    baseline = score(X)

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


def _read(
    estimator: Any, X: Any, input_shape: tuple[int, ...] | None, channels: str | None
) -> tuple[np.ndarray, InputLayout]:
    """Return the samples and how they are images, as told or as the ConvNet reads them."""
    net = None if input_shape or channels else convnet_of(best_of_search(estimator))
    own = net._layout if net is not None and net._layout.accepts(np.shape(X)[1:]) else None
    array, layout = read_samples(
        X,
        input_shape,
        channels or "last",
        "RobustnessDisplay",
        doubt=net is None,
        flat=own is not None,
    )
    return array, own or layout


def _default_values(kind: str, layout: InputLayout) -> np.ndarray:
    if kind != "translation":
        return np.array(DEFAULT_DEGREES if kind == "rotation" else DEFAULT_FACTORS, dtype=float)
    most = max(min(layout.spatial[-2:]) // FARTHEST, 1)
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
    """Return what an augmentation would have drawn, the same for all samples.

    Shifts and rotations of volumes are in the plane of their slices.
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
    """Return changed values as a DataFrame where `X` is one."""
    if isinstance(X, pd.DataFrame):
        return pd.DataFrame(values, index=X.index, columns=X.columns)
    return values


def _score_function(
    estimator: Any, y: Any, scoring: Any, sample_weight: Any
) -> Callable[[Any], float]:
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
    if scoring is not None or best_of_search(estimator) is not estimator:
        return "score"
    if is_classifier(estimator):
        return "accuracy"
    return "R²" if is_regressor(estimator) else "score"


X_LABELS = {
    "translation": "shift (steps, positive is later)",
    "rotation": "rotation (degrees, counter-clockwise)",
    "zoom": "zoom (factor of the size)",
}
CURVES = (
    {"color": BLUE, "marker": "o"},
    {"color": RED, "marker": "s"},
    {"color": GREEN, "marker": "^"},
    {"color": PURPLE, "marker": "D"},
    {"color": ORANGE, "marker": "v"},
)
CURVE_ID = "skcnn robustness"  # by which curves of earlier displays are found
NUMBER_INCHES = 0.32  # of a map's row, for each score that is written
BAR = (1.04, 0.0, 0.05, 1.0)  # of the colours, in a map's width and height
LETTER_INCHES, FEWEST_LETTERS = 0.085, 12  # of a map's title
DARK = 0.6  # share of the colour scale below which text is white


class RobustnessDisplay:
    """The score for shifted, turned or enlarged samples.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    kind : {"translation", "rotation", "zoom"}
        How the samples were changed.
    values : ndarray of shape (n_values,)
        Pixels, degrees or factors.
    scores : ndarray of shape (n_values,) or (n_values, n_values)
        One score for each value; for shifts of images one for each shift down and each to
        the right.
    baseline : float
        The score for the samples as they are.
    score_name : str, default="score"
        What the scores are.
    name : str or None, default=None
        Whose scores they are.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    RandomAffine : Trains for such changes.

    Notes
    -----
    Samples are shifted by whole pixels, exactly. Rotation and zoom, about the centre,
    interpolate linearly. Where nothing changes, the samples are those that were given, bit
    for bit. Volumes are shifted and turned in the plane of their slices.

    Colours of a map of scores that all lie between 0 and 1 reach from 0 to 1, so that maps
    can be compared.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.svm import SVC
    >>> from skcnn.inspection import RobustnessDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = SVC().fit(X[:500], y[:500])
    >>> display = RobustnessDisplay.from_estimator(
    ...     model, X[500:700], y[500:700], input_shape=(8, 8), values=[-1, 0, 1]
    ... )
    >>> display.scores.shape
    (3, 3)
    >>> bool(display.scores[1, 1] == display.baseline == model.score(X[500:700], y[500:700]))
    True
    """

    def __init__(
        self,
        *,
        kind: str,
        values: np.ndarray,
        scores: np.ndarray,
        baseline: float,
        score_name: str = "score",
        name: str | None = None,
    ) -> None:
        self.kind = kind
        self.values = values
        self.scores = scores
        self.baseline = baseline
        self.score_name = score_name
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        kind: str = "translation",
        values: Any = None,
        scoring: Any = None,
        sample_weight: Any = None,
        input_shape: tuple[int, ...] | None = None,
        channels: str | None = None,
        fill: str = "constant",
        fill_value: float = 0.0,
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Score a fitted estimator for changed samples and draw the scores.

        Parameters
        ----------
        estimator : classifier or regressor
            Any fitted estimator of scikit-learn's kind, a Pipeline or a search.
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Test samples, as for the estimator's `predict`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their labels or numbers.
        kind : {"translation", "rotation", "zoom"}, default="translation"
            "translation" is a map of the score against the shifts down and to the right,
            for signals a curve; "rotation" and "zoom" are curves.
        values : array-like of shape (n_values,) or None, default=None
            Shifts in whole pixels (of signals in steps, positive is later), degrees
            from -360 to 360, or factors from 0.05 to 20. None takes up to a quarter of the
            smaller side, -60 to 60 degrees, or factors from 0.5 to 1.5.
        scoring : str, callable or None, default=None
            A metric, as for scikit-learn's `cross_val_score`. None takes the estimator's
            `score`.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the samples in the score.
        input_shape : tuple of int or None, default=None
            Shape of one sample, to read flat rows as images. None takes the ConvNet's where
            `X` has the shape that it reads, else the shape of `X`.
        channels : {"last", "first"} or None, default=None
            Where the channel axis is. None is the ConvNet's, else "last".
        fill : {"constant", "edge", "mirror"}, default="constant"
            What comes in from outside: `fill_value`, the nearest value, or the mirror image.
        fill_value : float, default=0.0
            The constant, in the units of `X`.
        name : str or None, default=None
            Label of the curve, or title of the map.
        ax : matplotlib Axes or None, default=None
            Where to draw, also for another curve beside those that are there. None makes a
            new figure.

        Returns
        -------
        display : RobustnessDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If `X` has flat rows and nothing tells their shape, if signals are to be turned,
            if there is no `y`, or for unknown values of the other parameters.
        NotFittedError
            If the estimator is not fitted.
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        seen = robustness_scores(
            estimator,
            X,
            y,
            kind=kind,
            values=values,
            scoring=scoring,
            sample_weight=sample_weight,
            input_shape=input_shape,
            channels=channels,
            fill=fill,
            fill_value=fill_value,
        )
        display = cls(
            kind=kind,
            values=seen.values,
            scores=seen.scores,
            baseline=seen.baseline,
            score_name=seen.score_name,
            name=name,
        )
        return display.plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the scores.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        self : RobustnessDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        self.ax_ = new_axes() if ax is None else ax
        self.figure_ = self.ax_.figure
        if self.scores.ndim == 2:
            self._plot_map()
        else:
            self._plot_curve()
        return self

    def _plot_map(self) -> None:
        within = self.scores.min() >= 0 and self.scores.max() <= 1
        low, high = (0.0, 1.0) if within else (self.scores.min(), self.scores.max())
        image = self.ax_.imshow(self.scores, cmap="viridis", vmin=low, vmax=high)
        places = np.arange(len(self.values))
        self.ax_.set_xticks(places, self.values)
        self.ax_.set_yticks(places, self.values)
        self.ax_.set(xlabel="shift to the right (pixels)", ylabel="shift down (pixels)")
        title = f"unchanged: {self.baseline:.3f}"
        title = title if self.name is None else f"{self.name}, {title}"
        box = self.ax_.get_window_extent()
        letters = int(box.width / self.figure_.dpi / LETTER_INCHES)
        title = wrapped(title, max(letters, FEWEST_LETTERS))
        self.ax_.set_title(title, fontsize="medium")
        # within the axes' own frame: axes of the figure's would not follow the map's
        bar = self.figure_.colorbar(image, cax=self.ax_.inset_axes(BAR), label=self.score_name)
        bar.ax.axhline(self.baseline, color="black", linestyle=":", linewidth=2)
        if min(box.width, box.height) / self.figure_.dpi < NUMBER_INCHES * len(places):
            return
        for (row, column), score in np.ndenumerate(self.scores):
            colour = "white" if score < low + DARK * (high - low) else "black"
            style = {"ha": "center", "va": "center", "fontsize": "small", "color": colour}
            self.ax_.text(column, row, f"{score:.2f}", **style)

    def _plot_curve(self) -> None:
        """Draw the curve in the next colour, and its baseline."""
        n_curves = sum(line.get_gid() == CURVE_ID for line in self.ax_.get_lines())
        style = CURVES[n_curves % len(CURVES)]
        self.ax_.plot(
            self.values, self.scores, markersize=4, gid=CURVE_ID, label=self.name, **style
        )
        label = None if n_curves else "unchanged samples"
        self.ax_.axhline(self.baseline, linestyle=":", color=GREY, label=label)
        self.ax_.set(xlabel=X_LABELS[self.kind], ylabel=self.score_name)
        legend_above(self.ax_, 3)
