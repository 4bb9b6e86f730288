"""``ModelComparisonDisplay``: paired differences, and scores against the cost of models."""

from textwrap import fill
from typing import Any, Self

import numpy as np
import pandas as pd

from skcnn._plotting.axes import grey, legend_above, needs_log_scale, new_axes, set_log_ticks
from skcnn._plotting.palette import BLUE, GREY, ORANGE
from skcnn._utils.text import shorten
from skcnn._utils.validation import check_option
from skcnn.comparison._model_comparison import ModelComparison

KINDS = {
    "differences": "",
    "n_parameters": "parameters",
    "fit_seconds": "seconds to fit a split",
    "predict_seconds": "seconds to predict a split",
}
ROW_INCHES, LETTER_INCHES = 0.42, 0.09
SPLITS = {"s": 12, "alpha": 0.35, "linewidths": 0, "zorder": 2}
MEAN = {"fmt": "o", "color": BLUE, "capsize": 3, "markersize": 6, "zorder": 4}
BAND = {"color": ORANGE, "alpha": 0.22, "linewidth": 0, "zorder": 0}
LABEL_HEIGHTS = (8, -8, 20, -20, 32, -32)  # in points, above or below the marker
MOST_LETTERS, NOTE_LETTERS = 36, 80  # of a name, of a line
PLAIN = {"parse_math": False}  # names may contain dollar signs
MOST_TICKS = 7
JITTER = 0.16  # largest offset of a split's point, as a share of a row


class ModelComparisonDisplay:
    """Differences of models to the baseline, or their scores against their cost.

    Create one with :meth:`from_comparison`.

    Parameters
    ----------
    comparison : ModelComparison
        The comparison to draw.
    metric : str or None, default=None
        One of its metrics. None is the first.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that were drawn in.
    figure_ : matplotlib Figure
        Their figure.

    See Also
    --------
    compare_models : Compares models on one data set.

    Notes
    -----
    In the plot of differences, the large points are mean paired differences with their
    corrected 95 % interval, the small points are the splits, and the band is the region of
    practical equivalence. A model whose interval lies inside the band is as good as the
    baseline. A model whose interval lies outside the band differs by more than matters.

    Costs are on a logarithmic axis if the largest is more than ten times the smallest.
    Models without the drawn numbers are left out, and named below the plot.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skcnn.comparison import ModelComparisonDisplay, compare_models
    >>> X, y = load_iris(return_X_y=True)
    >>> models = {"tree": DecisionTreeClassifier(), "Bayes": GaussianNB()}
    >>> comparison = compare_models(models, X, y, random_state=0)
    >>> display = ModelComparisonDisplay.from_comparison(comparison)
    >>> display.ax_.get_xlabel()
    "difference of accuracy to 'tree'"
    """

    def __init__(self, *, comparison: ModelComparison, metric: str | None = None) -> None:
        self.comparison = comparison
        self.metric = metric

    @classmethod
    def from_comparison(
        cls,
        comparison: ModelComparison,
        *,
        kind: str = "differences",
        metric: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw a comparison.

        Parameters
        ----------
        comparison : ModelComparison
            The result of `compare_models`.
        kind : {"differences", "n_parameters", "fit_seconds", "predict_seconds"}, \
default="differences"
            Differences to the baseline, or scores against one of the costs.
        metric : str or None, default=None
            One of the metrics. None is the first.
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : ModelComparisonDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If `comparison` is not a ModelComparison.
        ValueError
            If `kind` or `metric` is illegal, or if there is nothing to draw.
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        if not isinstance(comparison, ModelComparison):
            raise TypeError(
                "comparison must be a ModelComparison, which compare_models returns. Got "
                f"{type(comparison).__name__}."
            )
        return cls(comparison=comparison, metric=metric).plot(ax=ax, kind=kind)

    def plot(self, ax: Any = None, *, kind: str = "differences") -> Self:
        """Draw the comparison.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.
        kind : {"differences", "n_parameters", "fit_seconds", "predict_seconds"}, \
default="differences"
            What to draw, as for `from_comparison`.

        Returns
        -------
        self : ModelComparisonDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        ValueError
            If `kind` or `metric` is illegal, or if there is nothing to draw.
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        check_option("kind", kind, KINDS)
        metric = self.comparison.metrics[0] if self.metric is None else self.metric
        check_option("metric", metric, self.comparison.metrics)
        table = self.comparison.table.loc[metric]
        column = "difference" if kind == "differences" else kind
        drawn = table[table["mean"].notna() & table[column].notna()]
        if drawn.empty:
            what = f"difference to {self.comparison.baseline!r}"
            what = what if kind == "differences" else f"mean score and {KINDS[kind]}"
            raise ValueError(f"kind={kind!r} has nothing to draw: no model has a {what}.")
        if ax is None:
            longest = max(len(_shortened(name)) for name in drawn.index)
            rows = (5.2 + LETTER_INCHES * longest, 1.4 + ROW_INCHES * len(drawn))
            ax = new_axes(**({"figsize": rows} if kind == "differences" else {}))
        self.ax_, self.figure_ = ax, ax.figure
        if kind == "differences":
            self._plot_differences(drawn, metric)
        else:
            self._plot_costs(drawn, metric, kind)
        lost = [name for name in table.index if name not in drawn.index]
        if kind == "differences":
            lost.remove(self.comparison.baseline)
        if lost:
            self._add_note(f"Without figures: {', '.join(lost)}")
        return self

    def _plot_differences(self, table: pd.DataFrame, metric: str) -> None:
        ax, baseline = self.ax_, self.comparison.baseline
        rope = self.comparison.rope_of(metric)
        long = self.comparison.fold_scores
        scores = long[long["metric"] == metric].pivot(
            index="split", columns="model", values="score"
        )
        if rope > 0:
            label = f"equivalent (±{rope:g})"
            handles = [ax.axvspan(-rope, rope, label=label, **BAND)]
        else:
            handles = []
        ax.axvline(0, color=grey(GREY), linewidth=1, zorder=1)
        places = np.arange(len(table))
        spread = np.linspace(-JITTER, JITTER, len(scores)) if len(scores) > 1 else np.zeros(1)
        for place, name in zip(places, table.index, strict=True):
            differences = scores[name] - scores[baseline]
            dots = ax.scatter(
                differences, place + spread, label="splits", color=grey(GREY), **SPLITS
            )
        reach = (table["difference_high"] - table["difference"]).fillna(0)
        label = "mean, 95 % interval"
        means = ax.errorbar(table["difference"], places, xerr=reach, label=label, **MEAN)
        ax.set_yticks(places, map(_shortened, table.index), **PLAIN)
        ax.set_ylim(len(table) - 0.5, -0.5)  # in the table's order
        ax.set_xlabel(f"difference of {metric} to {_shortened(baseline)!r}", **PLAIN)
        ax.locator_params(axis="x", nbins=MOST_TICKS)
        legend_above(ax, 3, handles=[means, dots, *handles])

    def _plot_costs(self, table: pd.DataFrame, metric: str, kind: str) -> None:
        ax = self.ax_
        reach = (table["ci_high"] - table["mean"]).fillna(0)
        cost = table[kind]
        ax.errorbar(cost, table["mean"], yerr=reach, **MEAN)
        ax.set_xlabel(KINDS[kind])
        ax.set_ylabel(f"mean {metric}, 95 % interval", **PLAIN)
        ax.margins(x=0.12, y=0.12)
        if needs_log_scale(cost.min(), cost.max()):
            ax.set_xscale("log")
            set_log_ticks(ax, "x")
        names = [_shortened(name) for name in table.index]
        _label_points(ax, names, cost.to_numpy(float), table["mean"].to_numpy(float), reach)

    def _add_note(self, text: str) -> None:
        style = {"fontsize": "small", "color": grey(GREY), **PLAIN}
        lines = fill(text, NOTE_LETTERS)
        self.ax_.annotate(
            lines, (0, 0), (0, -46), "axes fraction", "offset points", va="top", **style
        )


def _label_points(ax: Any, names: Any, x: np.ndarray, y: np.ndarray, reach: Any) -> None:
    """Write the names beside points, each where it overlaps least with the others."""
    whole = ax.figure.figure  # of a subfigure, the figure
    whole.draw_without_rendering()  # sets the scale of the axes
    low = ax.transData.transform(np.column_stack([x, y - reach]))
    high = ax.transData.transform(np.column_stack([x, y + reach]))
    frame = ax.get_window_extent().frozen()
    taken = [
        frame.from_extents(a - 5, b - 5, a + 5, c + 5)
        for (a, b), c in zip(low, high[:, 1], strict=True)
    ]
    for i in np.argsort(-y, kind="stable"):
        options: list[tuple[float, int, Any, Any]] = []
        for side, align in ((7, "left"), (-7, "right")):
            for height in LABEL_HEIGHTS:
                text = ax.annotate(
                    names[i],
                    (x[i], y[i]),
                    (side, height),
                    textcoords="offset points",
                    ha=align,
                    va="center",
                    fontsize="small",
                    **PLAIN,
                )
                text.set_in_layout(False)  # a layout with labels would move the points
                box = text.get_window_extent()
                outside = box.width * box.height - _common_area(box, frame)
                covered = sum(_common_area(box, other) for other in taken) + 2 * outside
                options.append((covered, len(options), box, text))
        best = min(options, key=lambda option: option[:2])
        taken.append(best[2])
        for option in options:
            if option is not best:
                option[3].remove()


def _common_area(one: Any, other: Any) -> float:
    """Return the area that two boxes share."""
    common = one.intersection(one, other)
    return 0.0 if common is None else float(common.width * common.height)


def _shortened(name: str) -> str:
    """Return a name that is short enough for a label."""
    return shorten(name, MOST_LETTERS, keep_end=True)
