"""SearchDisplay: the trials of a search, what mattered in them, and their trade-offs.

matplotlib itself is imported in ``_displays``, Optuna in ``from_estimator``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skcnn._plotting.axes import (
    BLUE,
    GREY,
    LOG_SCALE_RATIO,
    ORANGE,
    PURPLE,
    RED,
    legend_above,
    new_axes,
    set_log_ticks,
)
from skcnn._utils.validation import check_option
from skcnn.model_selection._network_size import SIZES
from skcnn.model_selection._search import ConvNetSearchCV

KINDS = ("history", "importances", "pareto")
X_AXES = {"trial": "trial", "n_epochs": "training epochs of all trials so far"}
AXIS_LABELS = {
    "score": "mean test score",
    "n_parameters": "parameters",
    "multiply_accumulates": "multiply-accumulates of a sample",
    "predict_seconds": "seconds to predict a fold",
    "fit_seconds": "seconds to fit a fold",
    "n_epochs": "training epochs",
}
STATES = {  # in the order of the legend
    "COMPLETE": ("complete", {"marker": "o", "color": BLUE}),
    "PRUNED": ("pruned", {"marker": "s", "color": ORANGE}),
    "FAIL": ("failed", {"marker": "X", "color": RED}),
    "INFEASIBLE": ("infeasible", {"marker": "D", "color": PURPLE}),
}
DOTS = {"s": 28, "linewidths": 0, "alpha": 0.85, "zorder": 3}
FRONT = {"color": ORANGE, "marker": "o", "markersize": 5.5, "linewidth": 1.5, "zorder": 4}
LINE = {"color": GREY, "linewidth": 1.5, "zorder": 2}
ARROWS = {("y", False): "v", ("y", True): "^", ("x", False): "<", ("x", True): ">"}
# The scale goes this many times as far from the best as the median of the complete trials.
MEDIANS_SHOWN = 4
MARGIN = 0.08  # of an axis on each side, for points at the edge
MOST_IN_A_LINE = 4  # entries of the legend
SEED = 0  # of the forest that importances are read from


class SearchDisplay:
    """The trials of a search: its history, the importances or the trade-offs.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    trials : DataFrame
        Indexed by the trial's number, with a column an objective and the columns state,
        last_value (the first objective, of a pruned trial the mean score when it was
        ended; NaN without one), n_trained (its epochs, 0 for a copy of an earlier trial)
        and front (whether it is on the Pareto front).
    objectives : sequence of str, default=("score",)
        Names of the objectives' columns. The first is what the history shows.
    minimized : sequence of bool, default=(False,)
        Of each objective, whether smaller is better.
    importances : Series or None, default=None
        Importance of each drawn value, indexed by its name.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    ConvNetSearchCV : The search; `trials_dataframe` has the numbers.

    Notes
    -----
    A few very bad trials do not squash the scale of the scores: it ends four times as far
    from the best as the median of the complete trials. What lies beyond is marked by a
    triangle at the edge. Failed trials have no score and lie at the edge, too.

    The score of a pruned trial is that of fewer epochs, most often of fewer folds: it was
    not compared with the complete ones but with others after as many.

    Importances are those of fANOVA [1]_ with a fixed seed, from the complete trials, for the
    first objective; they sum to one. They are of the values that the study has drawn, in
    all complete trials: for ``param_space="auto"`` not the parameters but what these are
    made from, such as "depth", "width" and "kernel". A dozen trials tell little.

    References
    ----------
    .. [1] F. Hutter, H. Hoos, K. Leyton-Brown, "An efficient approach for assessing
       hyperparameter importance", ICML 2014.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import ConvNetClassifier
    >>> from skcnn.model_selection import ConvNetSearchCV, SearchDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> net = ConvNetClassifier(input_shape=(8, 8), filters=8, max_epochs=2)
    >>> space = {"dropout": (0.0, 0.5), "learning_rate": (1e-3, 1e-1, "log")}
    >>> search = ConvNetSearchCV(net, space, n_trials=3, cv=2, random_state=0)
    >>> display = SearchDisplay.from_estimator(search.fit(X[:300], y[:300]))
    >>> display.ax_.get_ylabel()
    'mean test score'
    """

    def __init__(
        self,
        *,
        trials: pd.DataFrame,
        objectives: Sequence[str] = ("score",),
        minimized: Sequence[bool] = (False,),
        importances: pd.Series | None = None,
    ) -> None:
        self.trials = trials
        self.objectives = objectives
        self.minimized = minimized
        self.importances = importances

    @classmethod
    def from_estimator(
        cls, search: Any, *, kind: str = "history", x: str = "trial", ax: Any = None
    ) -> Self:
        """Draw a fitted search.

        Parameters
        ----------
        search : ConvNetSearchCV
            A fitted search.
        kind : {"history", "importances", "pareto"}, default="history"
            "history" is the value of each trial, and the best so far; "importances" are
            bars, one for each value that was drawn; "pareto" has the complete trials of a
            search with two objectives, and the front.
        x : {"trial", "n_epochs"}, default="trial"
            What a history is drawn against: the trial's number, or how many epochs were
            trained until its end.
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : SearchDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If `search` is of another kind.
        NotFittedError
            If it is not fitted.
        ValueError
            If it has too few complete trials for importances, or not two objectives for
            a Pareto front.
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        if not isinstance(search, ConvNetSearchCV):
            raise TypeError(
                f"search must be a fitted ConvNetSearchCV. Got {type(search).__name__} instead."
            )
        check_is_fitted(search, "study_")
        check_option("kind", kind, KINDS)
        objectives = search._objectives()
        display = cls(
            trials=_trials_of(search, objectives),
            objectives=objectives,
            minimized=[direction.name == "MINIMIZE" for direction in search.study_.directions],
            importances=_importances_of(search) if kind == "importances" else None,
        )
        return display.plot(ax=ax, kind=kind, x=x)

    def plot(self, ax: Any = None, *, kind: str = "history", x: str = "trial") -> Self:
        """Draw the search.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.
        kind : {"history", "importances", "pareto"}, default="history"
            What to draw, as for `from_estimator`.
        x : {"trial", "n_epochs"}, default="trial"
            What a history is drawn against.

        Returns
        -------
        self : SearchDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        ValueError
            If there are no importances, not two objectives for a Pareto front, or no
            epochs to draw against.
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        check_option("kind", kind, KINDS)
        check_option("x", x, X_AXES)
        self._check_drawable(kind, x)
        if ax is None:
            n_bars = 0 if self.importances is None else len(self.importances)
            ax = new_axes(
                **({"figsize": (6.4, 1 + 0.26 * n_bars)} if kind == "importances" else {})
            )
        self.ax_, self.figure_ = ax, ax.figure
        if kind == "history":
            self._plot_history(x)
        elif kind == "importances":
            self._plot_importances()
        else:
            self._plot_pareto()
        return self

    def _check_drawable(self, kind: str, x: str) -> None:
        if kind == "importances" and self.importances is None:
            raise ValueError(
                "This display has no importances. Make it with "
                "SearchDisplay.from_estimator(search, kind='importances')."
            )
        if kind == "pareto" and len(self.objectives) != 2:
            raise ValueError(
                "kind='pareto' draws a search with two objectives, such as "
                "ConvNetSearchCV(net, objectives=['score', 'n_parameters']). Got "
                f"{len(self.objectives)}: {list(self.objectives)}."
                + (" pareto_front_ has the front of all." if len(self.objectives) > 2 else "")
            )
        if kind == "history" and x == "n_epochs" and self.trials["n_trained"].isna().all():
            raise ValueError(
                "x='n_epochs' draws a search of a ConvNet, whose epochs are counted. Pass "
                "x='trial'."
            )

    def _plot_history(self, x: str) -> None:
        trials, minimized = self.trials, self.minimized[0]
        places = pd.Series(trials.index, trials.index)
        if x == "n_epochs":
            places = trials["n_trained"].fillna(0).cumsum()
        complete = trials.loc[trials["state"] == "COMPLETE", "last_value"]
        seen = trials["last_value"].agg(["min"] if minimized else ["max"])
        scale = _scale_of(complete, self.objectives[0], minimized, seen)
        _set_axis(self.ax_, "y", self.objectives[0], scale)
        self.ax_.set_xlabel(X_AXES[x])
        self.ax_.locator_params(axis="x", integer=True)
        values = trials["last_value"].fillna(np.inf if minimized else -np.inf)
        shown = scale.clip(values)
        outside = trials["last_value"].notna() & (shown != values)
        handles = []
        for state, (label, style) in STATES.items():
            of_state = trials["state"] == state
            rows, beyond = of_state & ~outside, of_state & outside
            if of_state.any():
                dots = {"label": label, **style, **DOTS}
                handles.append(self.ax_.scatter(places[rows], shown[rows], **dots))
                arrows = {**style, "marker": ARROWS["y", minimized], **DOTS}
                self.ax_.scatter(places[beyond], shown[beyond], **arrows)
        best = (complete.cummin() if minimized else complete.cummax()).reindex(trials.index).ffill()
        handles += self.ax_.step(places, best, where="post", label="best so far", **LINE)
        self._set_legend(handles, [ARROWS["y", minimized]] if outside.any() else [])

    def _plot_importances(self) -> None:
        assert self.importances is not None
        bars = self.importances.sort_values(kind="stable")
        self.ax_.barh(bars.index, bars, color=BLUE)
        self.ax_.set_ylim(-0.6, len(bars) - 0.4)
        self.ax_.set_xlabel(f"importance for the {_label_of(self.objectives[0])}")
        self.ax_.set_ylabel("drawn value")

    def _plot_pareto(self) -> None:
        """Draw the second objective, most often the cost, from left to right."""
        complete = self.trials[self.trials["state"] == "COMPLETE"]
        front = complete[complete["front"]].sort_values(self.objectives[1], kind="stable")
        down, across = self.objectives
        small = dict(zip(self.objectives, self.minimized, strict=True))
        scales = {n: _scale_of(complete[n], n, small[n], front[n]) for n in self.objectives}
        shown = {name: scale.clip(complete[name]) for name, scale in scales.items()}
        others, arrows = ~complete["front"], []
        for axis, name in (("y", down), ("x", across)):
            _set_axis(self.ax_, axis, name, scales[name])
            beyond = shown[name] != complete[name]
            if beyond.any():
                arrows.append(ARROWS[axis, small[name]])
                dots = {"marker": arrows[-1], "color": BLUE, **DOTS}
                self.ax_.scatter(shown[across][beyond], shown[down][beyond], **dots)
            others &= ~beyond
        label, style = STATES["COMPLETE"]
        dots = {"label": label, **style, **DOTS}
        handles = [self.ax_.scatter(shown[across][others], shown[down][others], **dots)]
        where = "post" if small[across] else "pre"
        handles += self.ax_.step(
            front[across], front[down], where=where, label="Pareto front", **FRONT
        )
        self._set_legend(handles, arrows)

    def _set_legend(self, handles: list[Any], arrows: Sequence[str]) -> None:
        """Explain the handles, and the arrows that stand for points beyond the scale."""
        for arrow in arrows[:1]:
            style = {"marker": arrow, "color": GREY, **DOTS}
            handles.append(self.ax_.scatter([], [], label="beyond the scale", **style))
        n_columns = len(handles) if len(handles) <= MOST_IN_A_LINE else 3
        legend_above(self.ax_, n_columns, handles=handles)


@dataclass(frozen=True)
class _Scale:
    """What an axis shows, from `low` to `high` and a margin on each side."""

    low: float
    high: float
    log: bool

    def limits(self) -> tuple[float, float]:
        """Return the limits of the axis."""
        if self.log:
            factor = (self.high / self.low) ** MARGIN * 1.05
            return self.low / factor, self.high * factor
        margin = MARGIN * ((self.high - self.low) or 1.0)
        return self.low - margin, self.high + margin

    def clip(self, values: pd.Series) -> pd.Series:
        """Return the values, those beyond the scale between its end and that of the axis."""
        bottom, top = self.limits()
        below = values < self.low
        above = values > self.high
        return values.mask(below, (bottom + self.low) / 2).mask(above, (top + self.high) / 2)


def _scale_of(
    values: pd.Series, name: str, minimized: bool, always: Sequence[float] = ()
) -> _Scale:
    """Return a scale from the best value to not much worse than the median.

    Values in `always` are on it wherever they are.
    """
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if name in SIZES or (minimized and 0 < LOG_SCALE_RATIO * low < high):
        return _Scale(low, high, True)
    best = low if minimized else high
    reach = MEDIANS_SHOWN * abs(best - float(finite.median()) if len(finite) else 0.0)
    reach = reach or high - low  # half of the trials are as good as the best
    if minimized:
        high = min(high, low + reach)
    else:
        low = max(low, high - reach)
    return _Scale(min([low, *always]), max([high, *always]), False)


def _label_of(objective: str) -> str:
    return AXIS_LABELS.get(objective, f"mean test {objective}")


def _set_axis(ax: Any, axis: str, name: str, scale: _Scale) -> None:
    """Set label, kind and limits of an axis that shows an objective."""
    kind, limits = "log" if scale.log else "linear", scale.limits()
    ax.set(**{f"{axis}label": _label_of(name), f"{axis}scale": kind, f"{axis}lim": limits})
    if scale.log:
        set_log_ticks(ax, axis)


def _trials_of(search: ConvNetSearchCV, objectives: Sequence[str]) -> pd.DataFrame:
    """Return what is drawn of each trial."""
    table = search.trials_dataframe()
    trials = table[["state", *objectives]].astype(dict.fromkeys(objectives, float))
    reported = {
        trial.number: trial.intermediate_values[max(trial.intermediate_values)]
        for trial in search.study_.get_trials(deepcopy=False)
        if trial.intermediate_values
    }
    pruned = pd.Series(reported, dtype=float).reindex(trials.index)
    trials["last_value"] = trials[objectives[0]].where(trials["state"] != "PRUNED", pruned)
    trials["n_trained"] = table["n_epochs"].mask(table["copy_of"].notna(), 0).astype(float)
    trials["front"] = trials.index.isin(search.cv_results_["trial"][search.pareto_front_.index])
    return trials


def _importances_of(search: ConvNetSearchCV) -> pd.Series:
    """Return the importance of each drawn value for the first objective.

    Raises
    ------
    ValueError
        If there are not two complete trials of different values, or nothing that all of
        them drew.
    """
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    complete = search.cv_results_["state"] == "COMPLETE"
    values = {
        trial.values[0]
        for trial in search.study_.get_trials(deepcopy=False)
        if trial.state.name == "COMPLETE"
    }
    if len(values) < 2:
        raise ValueError(
            "kind='importances' needs at least two complete trials of different values. Got "
            f"{complete.sum()} complete of {len(complete)} trials"
            + ("." if complete.sum() < 2 else ", all of the same value.")
        )
    importances = get_param_importances(
        search.study_,
        evaluator=FanovaImportanceEvaluator(seed=SEED),
        target=lambda trial: trial.values[0],
    )
    if not importances:
        raise ValueError(
            "kind='importances' needs a value that all complete trials drew. There is none."
        )
    return pd.Series(importances, dtype=float)
