"""``ModelComparison``: scores of models on the same splits, tested against a baseline."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd

from skcnn._utils.compat import InvalidParameterError
from skcnn._utils.text import plural
from skcnn._utils.validation import check_option, is_number, warn_caller
from skcnn.comparison._fold_scores import check_fold_scores
from skcnn.comparison._metric_table import metric_table
from skcnn.comparison._report import (
    as_html,
    as_markdown,
    as_text,
    html_notes,
    markdown_text,
    paragraphs,
    report_table,
)
from skcnn.exceptions import ComparisonWarning
from skcnn.model_selection._fit_messages import error_line

FEWEST_SPLITS = 5
DEFAULT_ROPE = 0.01


def check_baseline(baseline: str | None, models: list[str]) -> str:
    """Return the name of the baseline, by default the first model."""
    if baseline is None:
        return models[0]
    check_option("baseline", baseline, models)
    return baseline


def check_ropes(rope: Any, metrics: list[str]) -> dict[str, float]:
    """Return the region of practical equivalence of each metric."""
    ropes = dict(rope) if isinstance(rope, Mapping) else dict.fromkeys(metrics, rope)
    if not all(is_number(value) and value >= 0 for value in ropes.values()):
        raise InvalidParameterError(
            "The 'rope' parameter must be a number >= 0, or a dict of them for some of "
            f"the metrics {metrics}. Got {rope!r} instead."
        )
    return {metric: float(ropes.get(metric, DEFAULT_ROPE)) for metric in metrics}


class ModelComparison:
    """Scores of several models on the same splits, and tests of their differences.

    :func:`compare_models` returns one. Another can be made from stored `fold_scores`.

    Parameters
    ----------
    fold_scores : DataFrame
        One row per model, split and metric, with the columns model, split, metric, score
        (larger is better, NaN or infinite if it is missing), fit_seconds,
        predict_seconds, n_parameters, n_train, n_test (samples of the split) and error
        (why the score is missing, else empty).
    baseline : str or None, default=None
        The model that the others are compared with. None is the first.
    rope : float or dict, default=0.01
        Region of practical equivalence: differences of at most this size, in units of the
        score, do not matter. A dict has the regions of some metrics; the others have 0.01.
    design : str, default=""
        Description of the splits, for the reports.

    Attributes
    ----------
    table : DataFrame
        Indexed by metric and model:

        - mean, ci_low, ci_high: mean score of the splits and its 95 % interval;
        - difference, difference_low, difference_high: mean paired difference to the
          baseline, positive where the model is better, and its 95 % interval;
        - p_value, p_adjusted: p value of the corrected resampled t-test, two-sided, and
          the same adjusted by Holm's procedure for the number of models of this metric;
        - p_better, p_equivalent, p_worse: posterior probabilities that the model is
          better than the baseline by more than `rope`, as good, or worse;
        - fit_seconds, predict_seconds: medians of the splits;
        - n_parameters: number of trainable parameters of ConvNets, linear models and dense
          networks, the mean of the splits, NaN for other models;
        - n_failed: splits without a score. If there are any, mean and tests are NaN.
    models, metrics : list of str
        Names, in the order of `fold_scores`.
    n_splits : int
        Number of splits.
    test_share : float
        Test samples of a split over its training samples, the mean of the splits.

    See Also
    --------
    compare_models : Fits and scores models.
    compare_datasets : Compares models on several data sets, with tests of ranks.
    ModelComparisonDisplay : Draws a comparison.

    Notes
    -----
    Splits share training samples, so that their scores are not independent, and the usual
    paired t-test finds too many differences. Here the variance is corrected [1]_: the
    factor 1/n_splits is replaced by 1/n_splits + test_share. The posterior probabilities
    are those of the correlated Bayesian t-test [2]_. A t-test can only fail to find a
    difference; `p_equivalent` is the probability that the difference does not matter.

    `p_adjusted` is adjusted for the number of models, intervals are not.

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
        self.fold_scores = check_fold_scores(fold_scores)
        self.models = list(dict.fromkeys(self.fold_scores["model"]))
        self.metrics = list(dict.fromkeys(self.fold_scores["metric"]))
        self.baseline = check_baseline(baseline, self.models)
        self.rope = rope
        self.design = design
        self._ropes = check_ropes(rope, self.metrics)
        sizes = self.fold_scores.groupby("split")[["n_train", "n_test"]].first()
        self.n_splits = len(sizes)
        self.test_share = float((sizes["n_test"] / sizes["n_train"]).mean())
        blocks = {metric: self._metric_table(metric) for metric in self.metrics}
        self.table = pd.concat(blocks, names=["metric", "model"])
        self._warn_of_constant_differences()
        self._warn_of_ropes()
        self._warn_of_failed_baseline()
        self._warn_of_few_splits()

    def _metric_table(self, metric: str) -> pd.DataFrame:
        rows = self.fold_scores[self.fold_scores["metric"] == metric]
        return metric_table(rows, self.models, self.baseline, self.test_share, self._ropes[metric])

    def _warn_of_constant_differences(self) -> None:
        if self.n_splits == 1:
            return
        constant = self.table["difference"].notna() & self.table["difference_low"].isna()
        for metric, model in self.table.index[constant]:
            warn_caller(
                f"The {metric} of {model!r} differs from that of {self.baseline!r} by the same "
                f"number on all {self.n_splits} splits, or not at all: its variance is unknown, "
                "and there is no test. Use more or larger splits.",
                ComparisonWarning,
            )

    def _warn_of_ropes(self) -> None:
        """Warn of regions of unknown metrics, and of a default region that is too small."""
        given = self.rope if isinstance(self.rope, Mapping) else ()
        unknown = [name for name in given if name not in self.metrics]
        if unknown:
            warn_caller(
                f"rope has {unknown[0]!r}, which is not one of the metrics {self.metrics}.",
                ComparisonWarning,
            )
        for metric in self.metrics:
            least = self.table["mean"][metric].abs().min()
            if self._ropes[metric] == DEFAULT_ROPE and least > 1:
                warn_caller(
                    f"rope={DEFAULT_ROPE} is small for {metric}, whose means are at least "
                    f"{least:.3g} in size. Pass the difference that does not matter, "
                    f"rope={{{metric!r}: ...}}.",
                    ComparisonWarning,
                )

    def _warn_of_failed_baseline(self) -> None:
        for metric in self.metrics:
            scores = self.table["mean"][metric]
            if np.isnan(scores[self.baseline]) and scores.notna().any():
                warn_caller(
                    f"The baseline {self.baseline!r} has no mean {metric}, so that no model has a "
                    "test. Choose another, without fitting again, with the method against.",
                    ComparisonWarning,
                )

    def _warn_of_few_splits(self) -> None:
        if len(self.models) == 1 or self.n_splits >= FEWEST_SPLITS:
            return
        if self.n_splits == 1:
            warn_caller(
                "One split has no variance to estimate: there are no intervals and no tests. "
                "Use several, such as cv=RepeatedStratifiedKFold(n_splits=5, n_repeats=10), for "
                "regression RepeatedKFold.",
                ComparisonWarning,
            )
            return
        warn_caller(
            f"{self.n_splits} splits leave {plural(self.n_splits - 1, 'degree')} of freedom: "
            "the test finds large differences at most. Use at least 5, better cv="
            "RepeatedStratifiedKFold(n_splits=5, n_repeats=10), for regression RepeatedKFold.",
            ComparisonWarning,
        )

    def against(self, baseline: str, *, rope: float | Mapping[str, float] | None = None) -> Self:
        """Return the comparison with another baseline, without fitting again.

        Parameters
        ----------
        baseline : str
            One of the models.
        rope : float, dict or None, default=None
            Another region of practical equivalence. None keeps the current one.

        Returns
        -------
        comparison : ModelComparison
            The new comparison.

        Raises
        ------
        ValueError
            If `baseline` is not one of the models.
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
            If `metric` is not one of the metrics.
        """
        check_option("metric", metric, self.metrics)
        return self._ropes[metric]

    def to_markdown(self) -> str:
        """Return the comparison as Markdown, with a table per metric.

        Returns
        -------
        str
            GitHub's tables, followed by the design and the failures.
        """
        tables = [as_markdown(self._report_table(metric)) for metric in self.metrics]
        notes = [markdown_text(text) for text in (self._caption(), self._failures())]
        return paragraphs([*tables, *notes])

    def __repr__(self) -> str:
        """Return the comparison as text."""
        tables = [as_text(self._report_table(metric)) for metric in self.metrics]
        return paragraphs([*tables, self._caption(), self._failures()])

    def _repr_html_(self) -> str:
        tables = [as_html(self._report_table(metric)) for metric in self.metrics]
        return "".join(tables) + html_notes([self._caption(), self._failures()])

    def _report_table(self, metric: str) -> pd.DataFrame:
        return report_table(self.table.loc[metric], metric, self.baseline)

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
