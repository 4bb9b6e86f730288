"""``DatasetComparison``: models on several data sets, with tests of their ranks."""

from collections.abc import Mapping
from math import isnan

import pandas as pd

from skcnn._utils.validation import check_option, warn_caller
from skcnn.comparison._model_comparison import ModelComparison
from skcnn.comparison._rank_tests import RankTest, mean_ranks_of, rank_test, smallest_p_value
from skcnn.comparison._report import (
    as_html,
    as_markdown,
    as_text,
    decimals_of,
    number_cell,
    paragraphs,
)
from skcnn.exceptions import ComparisonWarning

LEVEL = 0.05

MOST_NAMED = 3  # missing scores, in a warning


class DatasetComparison:
    """Comparisons of the same models on several data sets.

    :func:`compare_datasets` returns one.

    Parameters
    ----------
    comparisons : dict of str to ModelComparison
        One comparison per data set, all of the same models and metrics.

    Attributes
    ----------
    table : DataFrame
        Indexed by metric and model: the mean score on each data set, and mean_rank; 1 is
        the best rank.
    datasets, models, metrics : list of str
        Names, in the order of `comparisons` and of the first one.

    See Also
    --------
    compare_datasets : Fits and scores models on several data sets.
    RankTest : The result of `rank_test`.

    Notes
    -----
    Data sets are independent of each other, splits of one data set are not. The test of
    ranks uses one mean score of each data set. It tests whether the models differ on data
    sets like these, whatever the size of the difference.

    Examples
    --------
    >>> import pandas as pd
    >>> from skcnn.comparison import DatasetComparison, ModelComparison
    >>> def comparison(**scores):
    ...     long = pd.DataFrame(scores).rename_axis("split").reset_index()
    ...     long = long.melt("split", var_name="model", value_name="score")
    ...     return ModelComparison(long.assign(metric="accuracy", n_train=80, n_test=20))
    >>> both = {
    ...     "letters": comparison(a=[0.8, 0.7, 0.9, 0.8, 0.7], b=[0.9, 0.8, 0.8, 0.9, 0.9]),
    ...     "digits": comparison(a=[0.5, 0.6, 0.5, 0.7, 0.6], b=[0.7, 0.6, 0.9, 0.8, 0.6]),
    ... }
    >>> DatasetComparison(both).table["mean_rank"]["accuracy"].to_dict()
    {'a': 2.0, 'b': 1.0}
    """

    def __init__(self, comparisons: Mapping[str, ModelComparison]) -> None:
        legal = isinstance(comparisons, Mapping) and len(comparisons) > 0
        if not legal or not all(isinstance(c, ModelComparison) for c in comparisons.values()):
            raise ValueError(
                "The 'comparisons' parameter must be a dict of one or more ModelComparison, one "
                f"per data set. Got {comparisons!r}."
            )
        if "mean_rank" in comparisons:
            raise ValueError(
                "The 'comparisons' parameter must not name a data set 'mean_rank', which is a "
                "column of the table."
            )
        self.comparisons = dict(comparisons)
        self.datasets = list(self.comparisons)
        first = self.comparisons[self.datasets[0]]
        self.models, self.metrics = first.models, first.metrics
        for name, comparison in self.comparisons.items():
            if {*comparison.models} != {*self.models} or {*comparison.metrics} != {*self.metrics}:
                raise ValueError(
                    "The 'comparisons' parameter must have the same models and metrics for all "
                    f"data sets, here {self.models} and {self.metrics}. Got {comparison.models} "
                    f"and {comparison.metrics} for {name!r}."
                )
        blocks = {metric: self._block(metric) for metric in self.metrics}
        self.table = pd.concat(blocks, names=["metric", "model"])

    def _scores(self, metric: str) -> pd.DataFrame:
        """Return mean scores, with a row per model and a column per data set."""
        return pd.DataFrame(
            {
                name: comparison.table["mean"].loc[metric].reindex(self.models)
                for name, comparison in self.comparisons.items()
            }
        ).rename_axis("model")

    def _block(self, metric: str) -> pd.DataFrame:
        scores = self._scores(metric)
        return scores.assign(mean_rank=mean_ranks_of(scores.to_numpy(float).T))

    def rank_test(self, metric: str | None = None) -> RankTest:
        """Return the Friedman test and Nemenyi's, for two models Wilcoxon's signed-rank test.

        Parameters
        ----------
        metric : str or None, default=None
            One of the metrics. None is the first.

        Returns
        -------
        test : RankTest
            All its numbers are NaN if a model has no mean score on some data set.

        Raises
        ------
        ValueError
            If there are fewer than two data sets or models, or `metric` is not one
            of the metrics.

        Warns
        -----
        ComparisonWarning
            If there are so few data sets that no ranks could be significant at the 5 %
            level, or if the test is NaN.

        References
        ----------
        J. Demsar, "Statistical comparisons of classifiers over multiple data sets",
        Journal of Machine Learning Research 7, 2006, 1-30.
        """
        metric = self.metrics[0] if metric is None else metric
        check_option("metric", metric, self.metrics)
        if len(self.datasets) < 2:
            raise ValueError(
                f"A test of ranks needs several data sets. Got one: {self.datasets}. Its splits "
                "cannot stand in for others, since they share training samples."
            )
        if len(self.models) < 2:
            raise ValueError(f"A test of ranks needs several models. Got one: {self.models}.")
        scores = self._scores(metric)
        test = rank_test(scores.T)
        if isnan(test.p_value):
            warn_caller(_why_nan(test.name, metric, scores), ComparisonWarning)
        smallest_p = smallest_p_value(len(self.datasets), len(self.models))
        if smallest_p > LEVEL and not isnan(test.p_value):
            warn_caller(
                f"{len(self.datasets)} data sets and {len(self.models)} models cannot decide: "
                f"even if one order of the models held on all of them, the {test.name} test "
                f"would give p = {smallest_p:.3g}. Use more data sets.",
                ComparisonWarning,
            )
        return test

    def to_markdown(self) -> str:
        """Return mean scores and ranks as Markdown, with a table per metric.

        Returns
        -------
        str
            GitHub's tables.
        """
        return paragraphs([as_markdown(self._report_table(metric)) for metric in self.metrics])

    def __repr__(self) -> str:
        """Return mean scores and ranks as text."""
        return paragraphs([as_text(self._report_table(metric)) for metric in self.metrics])

    def _repr_html_(self) -> str:
        return "".join(as_html(self._report_table(metric)) for metric in self.metrics)

    def _report_table(self, metric: str) -> pd.DataFrame:
        table = self.table.loc[metric]
        cells = {}
        for name in table:
            decimals = 2 if name == "mean_rank" else decimals_of(table[name].to_numpy(float))
            cells[name] = [number_cell(value, decimals) for value in table[name]]
        texts = pd.DataFrame(cells, self.models).rename_axis(columns=metric)
        return texts.rename(columns={"mean_rank": "mean rank"})


def _why_nan(test: str, metric: str, scores: pd.DataFrame) -> str:
    """Return which mean scores are missing, so that a test of ranks is NaN."""
    missing = [
        f"{model!r} on {data_set!r}"
        for data_set in scores
        for model in scores.index[scores[data_set].isna()]
    ]
    more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
    return (
        f"The {test} test of {metric!r} is NaN, because a fit or score failed and there is no "
        f"mean score of {', '.join(missing[:MOST_NAMED])}{more}. The errors are in the "
        "fold_scores of these comparisons. Mend the fits, or leave out the models or data sets."
    )
