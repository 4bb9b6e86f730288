"""RobustnessDisplay: the score for shifted, rotated or zoomed samples."""

from textwrap import fill as wrapped
from typing import Any, Self

import numpy as np

from skcnn._plotting.axes import grey, legend_above, new_axes
from skcnn._plotting.display import Display
from skcnn._plotting.palette import BLUE, GREEN, GREY, ORANGE, PURPLE, RED
from skcnn.inspection._robustness import robustness_scores

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
CURVE_ID = "skcnn robustness"  # finds the curves of earlier displays in the same axes
NUMBER_INCHES = 0.32  # smallest height of a map's row with numbers
BAR = (1.04, 0.0, 0.05, 1.0)  # left, bottom, width and height of the colour bar in map sizes
LETTER_INCHES, FEWEST_LETTERS = 0.085, 12  # of a line of a map's title
DARK = 0.6  # share of the colour scale below which text is white


class RobustnessDisplay(Display):
    """The score for shifted, rotated or zoomed samples.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    kind : {"translation", "rotation", "zoom"}
        The change of the samples.
    values : ndarray of shape (n_values,)
        Pixels, degrees or factors.
    scores : ndarray of shape (n_values,) or (n_values, n_values)
        One score for each value. For shifts of images one for each shift down (rows) and each
        shift to the right (columns).
    baseline : float
        The score for the unchanged samples.
    score_name : str, default="score"
        Name of the metric.
    name : str or None, default=None
        Name of the estimator.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    RandomAffine : Augmentation with such changes.

    Notes
    -----
    Samples are shifted by whole pixels, without interpolation. Rotation and zoom, about the
    centre, interpolate linearly. A value that changes nothing has the score of the samples as
    they were given. Volumes are shifted and rotated in the plane of their slices.

    If all scores lie between 0 and 1, the colours of a map range from 0 to 1, so that maps
    are comparable.

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
        n_spatial_dims: int | None = None,
        channels: str | None = None,
        padding_mode: str = "zeros",
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
            "translation" is drawn as a map of the score against the shifts down and to the
            right, for signals as a curve; "rotation" and "zoom" are drawn as curves.
        values : array-like of shape (n_values,) or None, default=None
            Shifts in whole pixels (for signals in time steps, positive is later), degrees
            from -360 to 360, or factors from 0.05 to 20. None takes shifts up to a quarter of
            the smaller side, -60 to 60 degrees, or factors from 0.5 to 1.5.
        scoring : str, callable or None, default=None
            A metric, as for scikit-learn's `cross_val_score`. None takes the estimator's
            `score`.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the samples in the score.
        input_shape : tuple of int or None, default=None
            Shape of one sample, to read flat rows as images. None takes the ConvNet's if
            `X` has a shape that it reads, else the shape of `X`.
        n_spatial_dims : {1, 2, 3} or None, default=None
            How many axes are spatial: 1 for signals, also flat ones, 2 for images, 3 for
            volumes. None takes the ConvNet's if `X` has a shape that it reads; otherwise two
            sides are an image of one channel.
        channels : {"last", "first"} or None, default=None
            Position of the channel axis. None takes the ConvNet's, or "last" for another
            estimator.
        padding_mode : {"zeros", "constant", "mirror", "edge", "wrap"}, default="zeros"
            What comes in from outside: zeros, `fill_value`, the reflection about the border
            value, the border value itself, or what leaves on the opposite side.
        fill_value : float, default=0.0
            The constant of ``padding_mode="constant"``, in the units of `X`.
        name : str or None, default=None
            Label of the curve, or title of the map.
        ax : matplotlib Axes or None, default=None
            Where to draw; a curve is added to those already there. None makes a new figure.

        Returns
        -------
        display : RobustnessDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If `X` has flat rows of unknown shape, if signals are to be rotated, if `y` is
            None, or if another parameter has no legal value.
        NotFittedError
            If the estimator is not fitted.
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        found = robustness_scores(
            estimator,
            X,
            y,
            kind=kind,
            values=values,
            scoring=scoring,
            sample_weight=sample_weight,
            input_shape=input_shape,
            n_spatial_dims=n_spatial_dims,
            channels=channels,
            padding_mode=padding_mode,
            fill_value=fill_value,
        )
        return cls(kind=kind, name=name, **vars(found)).plot(ax=ax)

    def _draw(self, ax: Any) -> Any:
        ax = new_axes() if ax is None else ax
        if self.scores.ndim == 2:
            self._draw_map(ax)
        else:
            self._draw_curve(ax)
        return ax

    def _draw_map(self, ax: Any) -> None:
        within = self.scores.min() >= 0 and self.scores.max() <= 1
        low, high = (0.0, 1.0) if within else (self.scores.min(), self.scores.max())
        image = ax.imshow(self.scores, cmap="viridis", vmin=low, vmax=high)
        places = np.arange(len(self.values))
        ax.set_xticks(places, self.values)
        ax.set_yticks(places, self.values)
        ax.set(xlabel="shift to the right (pixels)", ylabel="shift down (pixels)")
        title = f"unchanged: {self.baseline:.3f}"
        title = title if self.name is None else f"{self.name}, {title}"
        box = ax.get_window_extent()
        letters = int(box.width / ax.figure.dpi / LETTER_INCHES)
        title = wrapped(title, max(letters, FEWEST_LETTERS))
        ax.set_title(title, fontsize="medium")
        # an inset, since separate axes would not follow the size of the map
        bar = ax.figure.colorbar(image, cax=ax.inset_axes(BAR), label=self.score_name)
        bar.ax.axhline(self.baseline, color="black", linestyle=":", linewidth=2)
        if min(box.width, box.height) / ax.figure.dpi < NUMBER_INCHES * len(places):
            return
        for (row, column), score in np.ndenumerate(self.scores):
            colour = "white" if score < low + DARK * (high - low) else "black"
            style = {"ha": "center", "va": "center", "fontsize": "small", "color": colour}
            ax.text(column, row, f"{score:.2f}", **style)

    def _draw_curve(self, ax: Any) -> None:
        """Draw the curve in the next colour, and the score of the unchanged samples."""
        n_curves = sum(line.get_gid() == CURVE_ID for line in ax.get_lines())
        style = CURVES[n_curves % len(CURVES)]
        ax.plot(self.values, self.scores, markersize=4, gid=CURVE_ID, label=self.name, **style)
        label = None if n_curves else "unchanged samples"
        ax.axhline(self.baseline, linestyle=":", color=grey(GREY), label=label)
        ax.set(xlabel=X_LABELS[self.kind], ylabel=self.score_name)
        legend_above(ax, 3)
