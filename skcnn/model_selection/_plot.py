"""SearchDisplay: plots of the trials of a search, of importances and of trade-offs."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skcnn._plotting.axes import grey, legend_above, new_axes
from skcnn._plotting.palette import BLUE, GREY, ORANGE, PURPLE, RED
from skcnn._utils.validation import check_option
from skcnn.model_selection._objective_axis import label_of, scale_of, set_axis
from skcnn.model_selection._search import ConvNetSearchCV

KINDS = ("history", "importances", "pareto")
X_AXES = {"trial": "trial", "n_epochs": "training epochs of all trials so far"}
STATES = {  # in the order of the legend
    "COMPLETE": ("complete", {"marker": "o", "color": BLUE}),
    "PRUNED": ("pruned", {"marker": "s", "color": ORANGE}),
    "FAIL": ("failed", {"marker": "X", "color": RED}),
    "INFEASIBLE": ("infeasible", {"marker": "D", "color": PURPLE}),
}
DOTS = {"s": 28, "linewidths": 0, "alpha": 0.85, "zorder": 3}
FRONT = {"color": ORANGE, "marker": "o", "markersize": 5.5, "linewidth": 1.5, "zorder": 4}
LINE = {"linewidth": 1.5, "zorder": 2}
ARROWS = {("y", False): "v", ("y", True): "^", ("x", False): "<", ("x", True): ">"}
MOST_IN_A_LINE = 4  # entries of the legend
SEED = 0  # of fANOVA's random forest


class SearchDisplay:
    """Plots of a search: the history of its trials, importances or trade-offs.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    trials : DataFrame
        Indexed by the trial's number, with a column for each objective and the columns
        state, last_value (the first objective, or the last mean score of a pruned trial;
        NaN without a value), n_trained (its epochs, 0 for a copy of an earlier trial) and
        front (whether it is on the Pareto front).
    objectives : sequence of str, default=("score",)
        Names of the objectives' columns. The history shows the first.
    minimized : sequence of bool, default=(False,)
        Whether smaller is better, for each objective.
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
    A few very bad trials do not compress the scale of the scores: it ends four times as far
    from the best score as the median of the complete trials. Trials beyond it are shown by
    a triangle at the edge, and so are failed trials, which have no score.

    The score of a pruned trial is from fewer epochs, and most often from fewer folds, than
    that of a complete trial. The pruner compared it with the scores of other trials after
    as many epochs.

    Importances are those of fANOVA [1]_ with a fixed seed, from the complete trials, for the
    first objective; they sum to one. There is one for each value that all complete trials
    drew: for ``param_space="auto"`` these are latents, such as "depth", "width" and
    "kernel", from which the parameters are computed. With a dozen trials importances are
    rough estimates.

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
        """Plot a fitted search.

        Parameters
        ----------
        search : ConvNetSearchCV
            A fitted search.
        kind : {"history", "importances", "pareto"}, default="history"
            "history" shows the value of each trial and the best so far; "importances" has
            a bar for each drawn value; "pareto" shows the complete trials of a search with
            two objectives, and the front.
        x : {"trial", "n_epochs"}, default="trial"
            The horizontal axis of a history: the number of the trial, or the number of
            epochs trained until its end.
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : SearchDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If `search` is not a ConvNetSearchCV.
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
        """Plot the search.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.
        kind : {"history", "importances", "pareto"}, default="history"
            What to plot, as for `from_estimator`.
        x : {"trial", "n_epochs"}, default="trial"
            The horizontal axis of a history.

        Returns
        -------
        self : SearchDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        ValueError
            If there are no importances, not two objectives for a Pareto front, or no
            epochs for the horizontal axis.
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
        scale = scale_of(complete, self.objectives[0], minimized, seen)
        set_axis(self.ax_, "y", self.objectives[0], scale)
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
        handles += self.ax_.step(
            places, best, where="post", label="best so far", color=grey(GREY), **LINE
        )
        self._set_legend(handles, [ARROWS["y", minimized]] if outside.any() else [])

    def _plot_importances(self) -> None:
        assert self.importances is not None
        bars = self.importances.sort_values(kind="stable")
        self.ax_.barh(bars.index, bars, color=BLUE)
        self.ax_.set_ylim(-0.6, len(bars) - 0.4)
        self.ax_.set_xlabel(f"importance for the {label_of(self.objectives[0])}")
        self.ax_.set_ylabel("drawn value")

    def _plot_pareto(self) -> None:
        """Plot the second objective, most often a cost, on the horizontal axis."""
        complete = self.trials[self.trials["state"] == "COMPLETE"]
        front = complete[complete["front"]].sort_values(self.objectives[1], kind="stable")
        down, across = self.objectives
        small = dict(zip(self.objectives, self.minimized, strict=True))
        scales = {n: scale_of(complete[n], n, small[n], front[n]) for n in self.objectives}
        shown = {name: scale.clip(complete[name]) for name, scale in scales.items()}
        others, arrows = ~complete["front"], []
        for axis, name in (("y", down), ("x", across)):
            set_axis(self.ax_, axis, name, scales[name])
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
        """Add a legend of the handles, and of the arrows of points beyond the scale."""
        for arrow in arrows[:1]:
            style = {"marker": arrow, "color": grey(GREY), **DOTS}
            handles.append(self.ax_.scatter([], [], label="beyond the scale", **style))
        n_columns = len(handles) if len(handles) <= MOST_IN_A_LINE else 3
        legend_above(self.ax_, n_columns, handles=handles)


def _trials_of(search: ConvNetSearchCV, objectives: Sequence[str]) -> pd.DataFrame:
    """Return the columns of a display's `trials`."""
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
        If there are no two complete trials of different values, or no value that all of
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
            "kind='importances' needs a value that all complete trials drew. Got none."
        )
    return pd.Series(importances, dtype=float)
