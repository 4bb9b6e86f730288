"""``ModelComparison``: scores of models on the same splits, tested against a baseline.

Fits nothing.
"""

from collections.abc import Mapping
from numbers import Real
from typing import Any, NoReturn, Self

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import InvalidParameterError

from skcnn._utils.validation import check_option, warn_caller
from skcnn.comparison._paired_tests import corrected_interval, holm, paired_differences, paired_test
from skcnn.comparison._report import (
    as_html,
    as_markdown,
    as_text,
    cells_of,
    header_of,
    html_notes,
    markdown_text,
    paragraphs,
    plural,
)
from skcnn.exceptions import ComparisonWarning
from skcnn.model_selection._evaluation import error_line

FEWEST_SPLITS = 5
DEFAULT_ROPE = 0.01
KEYS = ("model", "split", "metric")
COLUMNS = (
    *KEYS,
    "score",
    "fit_seconds",
    "predict_seconds",
    "n_parameters",
    "n_train",
    "n_test",
    "error",
)


class ModelComparison:
    """Scores of several models on the same splits, and what they say.

    :func:`compare_models` makes it; a stored `fold_scores` makes it again.

    Parameters
    ----------
    fold_scores : DataFrame
        One row a model, split and metric: the columns model, split, metric, score
        (larger is better, NaN or infinite where there is none), fit_seconds,
        predict_seconds, n_parameters, n_train, n_test (samples of the split) and error
        (why there is no score, else empty).
    baseline : str or None, default=None
        The model that the others are compared with. None is the first.
    rope : float or dict, default=0.01
        Region of practical equivalence: differences of at most this size, in units of the
        score, do not matter. A dict has those of some metrics; the others have 0.01.
    design : str, default=""
        Of the splits, for the reports.

    Attributes
    ----------
    table : DataFrame
        Indexed by metric and model:

        - mean, ci_low, ci_high: mean score of the splits and its 95 % interval;
        - difference, difference_low, difference_high: mean paired difference to the
          baseline, positive where the model is better, and its 95 % interval;
        - p_value, p_adjusted: of the corrected resampled t-test, two-sided, and by
          Holm's procedure adjusted for the number of models of this metric;
        - p_better, p_equivalent, p_worse: posterior probabilities that the model is
          better than the baseline by more than `rope`, as good, or worse;
        - fit_seconds, predict_seconds: medians of the splits;
        - n_parameters: trainable numbers of ConvNets, linear models and dense networks,
          the mean of the splits, NaN for others;
        - n_failed: splits without a score. With any there is no mean and no test.
    models, metrics : list of str
        The names, in order.
    n_splits : int
        Number of splits.
    test_share : float
        Test samples of a split over its training samples, the mean of the splits.

    See Also
    --------
    compare_models : Fits and scores models.
    compare_datasets : Several data sets, with tests of ranks.
    ModelComparisonDisplay : Draws it.

    Notes
    -----
    Splits share training samples, so that scores of splits are not independent, and the
    usual paired t-test finds differences where there are none. Here the variance is
    corrected [1]_, with (1/n_splits + test_share) in place of 1/n_splits. The posterior
    probabilities are those of the correlated Bayesian t-test [2]_: where the t-test can
    only fail to find a difference, they can say that there is none that matters.

    Intervals are not adjusted for the number of models, p_adjusted is.

    References
    ----------
    .. [1] C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine
       Learning 52, 2003, 239-281.
    .. [2] A. Benavoli, G. Corani, J. Demsar, M. Zaffalon, "Time for a change: a tutorial
       for comparing multiple classifiers through Bayesian analysis", Journal of Machine
       Learning Research 18 (77), 2017, 1-36.

    Examples
    --------
    >>> import pandas as pd
    >>> from skcnn.comparison import ModelComparison
    >>> scores = pd.DataFrame({"a": [0.90, 0.92, 0.91, 0.89, 0.93],
    ...                        "b": [0.94, 0.95, 0.95, 0.92, 0.95]})
    >>> long = scores.rename_axis("split").reset_index().melt("split", var_name="model",
    ...                                                       value_name="score")
    >>> long = long.assign(metric="accuracy", n_train=400, n_test=100)
    >>> comparison = ModelComparison(long)
    >>> comparison.table.loc[("accuracy", "b"), ["difference", "p_value"]].round(4)
    difference    0.0320
    p_value       0.0047
    Name: (accuracy, b), dtype: float64
    """

    def __init__(
        self,
        fold_scores: pd.DataFrame,
        *,
        baseline: str | None = None,
        rope: float | Mapping[str, float] = 0.01,
        design: str = "",
    ) -> None:
        self.fold_scores = _check_fold_scores(fold_scores)
        self.models = list(dict.fromkeys(self.fold_scores["model"]))
        self.metrics = list(dict.fromkeys(self.fold_scores["metric"]))
        self.baseline = check_baseline(baseline, self.models)
        self.rope = rope
        self.design = design
        self._ropes = check_ropes(rope, self.metrics)
        sizes = self.fold_scores.groupby("split")[["n_train", "n_test"]].first()
        self.n_splits = len(sizes)
        self.test_share = float((sizes["n_test"] / sizes["n_train"]).mean())
        self.table = self._make_table()
        self._warn_of_design()

    def _make_table(self) -> pd.DataFrame:
        blocks = {metric: self._block(metric) for metric in self.metrics}
        return pd.concat(blocks, names=["metric", "model"])

    def _block(self, metric: str) -> pd.DataFrame:
        """Return the rows of one metric."""
        long = self.fold_scores[self.fold_scores["metric"] == metric]
        scores = long.pivot(index="split", columns="model", values="score")
        own = scores[self.baseline].to_numpy(float)
        rows = {}
        for model in self.models:
            values = scores[model].to_numpy(float)
            mean, low, high = corrected_interval(values, self.test_share)
            row = {"mean": mean, "ci_low": low, "ci_high": high}
            if model != self.baseline:
                differences = paired_differences(values, own)
                test = paired_test(differences, self.test_share, self._ropes[metric])
                row |= {
                    "difference": test.difference,
                    "difference_low": test.low,
                    "difference_high": test.high,
                    "p_value": test.p_value,
                    "p_adjusted": np.nan,
                    "p_better": test.p_better,
                    "p_equivalent": test.p_equivalent,
                    "p_worse": test.p_worse,
                }
                self._warn_of_constant(metric, model, test.constant)
            rows[model] = row
        block = pd.DataFrame.from_dict(rows, orient="index", columns=_TESTED)
        block["p_adjusted"] = holm(block["p_value"].to_numpy(float))
        groups = long.groupby("model")
        # the first fit of a process imports what the others find: no mean
        seconds = groups[["fit_seconds", "predict_seconds"]].median()
        costs = seconds.join(groups["n_parameters"].mean()).astype(float).reindex(self.models)
        failed = scores.isna().sum().reindex(self.models).rename("n_failed")
        return pd.concat([block, costs, failed], axis=1)

    def _warn_of_constant(self, metric: str, model: str, constant: bool) -> None:
        if constant:
            warn_caller(
                f"The {metric} of {model!r} differs from that of {self.baseline!r} by the same "
                f"number on all {self.n_splits} splits, or not at all: nothing is known of its "
                "variance, and there is no test. Use more or larger splits.",
                ComparisonWarning,
            )

    def _warn_of_design(self) -> None:
        self._warn_of_ropes()
        for metric in self.metrics:
            scores = self.table["mean"][metric]
            if np.isnan(scores[self.baseline]) and scores.notna().any():
                warn_caller(
                    f"The baseline {self.baseline!r} has no mean {metric}, so that no model has a "
                    "test. Choose another, without fitting again, with the method against.",
                    ComparisonWarning,
                )
        if self.n_splits == 1 and len(self.models) > 1:
            warn_caller(
                "One split has no variance to estimate: there are no intervals and no tests. "
                "Use several, such as cv=RepeatedStratifiedKFold(n_splits=5, n_repeats=10), for "
                "regression RepeatedKFold.",
                ComparisonWarning,
            )
        elif self.n_splits < FEWEST_SPLITS and len(self.models) > 1:
            warn_caller(
                f"{self.n_splits} splits leave {plural(self.n_splits - 1, 'degree')} of freedom: "
                "the test finds large differences at most. Use at least 5, better cv="
                "RepeatedStratifiedKFold(n_splits=5, n_repeats=10), for regression RepeatedKFold.",
                ComparisonWarning,
            )

    def _warn_of_ropes(self) -> None:
        """Tell where the default region cannot be meant, and which regions are of no metric."""
        given = self.rope if isinstance(self.rope, Mapping) else ()
        unknown = [name for name in given if name not in self.metrics]
        if unknown:
            warn_caller(
                f"rope has {unknown[0]!r}, which is none of the metrics {self.metrics}.",
                ComparisonWarning,
            )
        for metric in self.metrics:
            least = self.table["mean"][metric].abs().min()
            if self._ropes[metric] == DEFAULT_ROPE and least > 1:
                warn_caller(
                    f"rope={DEFAULT_ROPE} says little of {metric}, whose means are {least:.3g} "
                    "and more in size. Pass the difference that does not matter, "
                    f"rope={{{metric!r}: ...}}.",
                    ComparisonWarning,
                )

    def against(self, baseline: str, *, rope: float | Mapping[str, float] | None = None) -> Self:
        """Return the comparison with another baseline; nothing is fitted again.

        Parameters
        ----------
        baseline : str
            One of the models.
        rope : float, dict or None, default=None
            Another region of practical equivalence. None keeps it.

        Returns
        -------
        comparison : ModelComparison
            The comparison.

        Raises
        ------
        ValueError
            If there is no such model.
        """
        return type(self)(
            self.fold_scores,
            baseline=baseline,
            rope=self.rope if rope is None else rope,
            design=self.design,
        )

    def rope_of(self, metric: str) -> float:
        """Return the region of practical equivalence of a metric.

        Parameters
        ----------
        metric : str
            One of the metrics.

        Returns
        -------
        float
            In units of the score.

        Raises
        ------
        ValueError
            If there is no such metric.
        """
        check_option("metric", metric, self.metrics)
        return self._ropes[metric]

    def rank_test(self) -> NoReturn:
        """Refuse: ranks of splits of one data set are no evidence.

        Raises
        ------
        ValueError
            Always. Tests of ranks take their rows to be independent; splits share their
            training samples. :func:`compare_datasets` tests ranks on several data sets.
        """
        smallest = 2.0 ** (1 - self.n_splits)
        raise ValueError(
            "A test of ranks needs independent rows, and the splits of one data set share "
            "training samples: the corrected t-test in `table` is for them. "
            + (
                f"With {self.n_splits} splits the smallest p value that the signed-rank test "
                f"can give is {smallest:.3g}, besides. "
                if smallest > 0.05
                else ""
            )
            + "compare_datasets tests ranks on several data sets."
        )

    def to_markdown(self) -> str:
        """Return the comparison as Markdown, a table a metric.

        Returns
        -------
        str
            GitHub's tables, and below them the design and the failures.
        """
        tables = [as_markdown(*self._cells(metric)) for metric in self.metrics]
        notes = [markdown_text(text) for text in (self._caption(), self._failures())]
        return paragraphs([*tables, *notes])

    def __repr__(self) -> str:
        """Return the comparison as text."""
        tables = [as_text(*self._cells(metric)) for metric in self.metrics]
        return paragraphs([*tables, self._caption(), self._failures()])

    def _repr_html_(self) -> str:
        tables = [as_html(*self._cells(metric)) for metric in self.metrics]
        return "".join(tables) + html_notes([self._caption(), self._failures()])

    def _cells(self, metric: str) -> tuple[list[str], list[list[str]]]:
        return header_of(metric), cells_of(self.table.loc[metric], self.baseline)

    def _caption(self) -> str:
        sizes = self.fold_scores[["n_train", "n_test"]].mean()
        ropes = {name: f"{rope:g}" for name, rope in self._ropes.items()}
        same = len(set(ropes.values())) == 1
        named = ", ".join(f"±{rope} ({name})" for name, rope in ropes.items())
        within = f"±{next(iter(ropes.values()))}" if same else named
        return (
            f"{self.design or plural(self.n_splits, 'split')} with about {sizes['n_train']:.0f} "
            f"samples for training and {sizes['n_test']:.0f} for testing. Differences are to "
            f"{self.baseline!r} (positive is better), equivalent within {within}; p of the "
            "corrected resampled t-test, adjusted by Holm's procedure."
        )

    def _failures(self) -> str:
        failed = self.fold_scores[self.fold_scores["score"].isna()]
        if failed.empty:
            return ""
        first = failed.drop_duplicates("model")
        return "No score: " + "; ".join(
            f"{row.model} on split {row.split}: {error_line(row.error)}"
            for row in first.itertuples()
        )


_TESTED = [
    "mean",
    "ci_low",
    "ci_high",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "p_adjusted",
    "p_better",
    "p_equivalent",
    "p_worse",
]


def _check_fold_scores(fold_scores: Any) -> pd.DataFrame:
    """Return a copy with all columns; check that every model has every split once."""
    needed = (*KEYS, "score", "n_train", "n_test")
    columns = getattr(fold_scores, "columns", ())
    missing = [name for name in needed if name not in columns]
    if not isinstance(fold_scores, pd.DataFrame) or missing or fold_scores.empty:
        raise ValueError(
            f"The 'fold_scores' parameter must be a DataFrame with rows and the columns {needed}. "
            f"Got {type(fold_scores).__name__}"
            + (f" without {missing}." if isinstance(fold_scores, pd.DataFrame) else ".")
        )
    if fold_scores[list(KEYS)].isna().any(axis=None):
        raise ValueError(
            f"The 'fold_scores' parameter must have no missing values in {KEYS}. A model named "
            "'NA' is read from a file by read_csv(..., converters={'model': str})."
        )
    table = fold_scores.copy()
    for name in COLUMNS:
        if name not in table:
            table[name] = "" if name == "error" else np.nan
    try:
        for name in ("score", "n_train", "n_test"):
            table[name] = pd.to_numeric(table[name])
        table = table.astype({"model": str, "metric": str, "score": float, "error": object})
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The 'fold_scores' parameter must have numbers in score, n_train and n_test. {error}"
        ) from None
    table["score"] = table["score"].where(np.isfinite(table["score"]))
    table["error"] = table["error"].fillna("")
    sizes = table[["n_train", "n_test"]]
    if not (np.isfinite(sizes) & (sizes > 0)).all(axis=None):
        raise ValueError(
            "The 'fold_scores' parameter must have positive numbers n_train and n_test. Got "
            f"{sizes.min().to_dict()}."
        )
    counts = table.groupby(list(KEYS)).size().unstack("split")
    if (counts != 1).any(axis=None):
        model, metric = counts.index[(counts != 1).any(axis=1)][0]
        raise ValueError(
            "The 'fold_scores' parameter must have one row for every model, split and metric. "
            f"Got none or several of {model!r}, {metric!r} on some split."
        )
    return table[list(COLUMNS)].reset_index(drop=True)


def check_baseline(baseline: str | None, models: list[str]) -> str:
    if baseline is None:
        return models[0]
    check_option("baseline", baseline, models)
    return baseline


def check_ropes(rope: Any, metrics: list[str], *, complete: bool = False) -> dict[str, float]:
    """Return the region of each metric; with `complete` there are no other metrics."""
    ropes = dict(rope) if isinstance(rope, Mapping) else dict.fromkeys(metrics, rope)
    numbers = all(
        isinstance(value, Real) and not isinstance(value, bool) and 0 <= float(value) < np.inf
        for value in ropes.values()
    )
    if not numbers:
        raise InvalidParameterError(
            "The 'rope' parameter must be a number >= 0, or a dict of them for some of "
            f"the metrics {metrics}. Got {rope!r} instead."
        )
    if complete:
        for name in ropes:
            check_option("rope", name, metrics)
    return {metric: float(ropes.get(metric, DEFAULT_ROPE)) for metric in metrics}
