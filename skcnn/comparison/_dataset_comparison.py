"""``compare_datasets``: models on several data sets, with tests of their ranks.

Each data set is a comparison of its own; what is new here are the ranks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import InvalidParameterError

from skcnn._utils.random_state import draw_seed
from skcnn._utils.validation import check_option, warn_caller
from skcnn.augmentation._augmented_array import originals
from skcnn.comparison._compare import compare_models
from skcnn.comparison._model_comparison import ModelComparison
from skcnn.comparison._paired_tests import mean_ranks_of, rank_figures
from skcnn.comparison._report import (
    as_html,
    as_markdown,
    as_text,
    decimals_of,
    html_notes,
    number_cell,
    paragraphs,
)
from skcnn.exceptions import ComparisonWarning
from skcnn.model_selection._evaluation import counted_warnings, warning_named

LEVEL = 0.05
# Of the smaller data set's samples. Some are equal by chance, such as empty images.
MOST_COMMON = 0.25


@dataclass(frozen=True, eq=False)
class RankTest:
    """A test of models' ranks on several data sets.

    Parameters
    ----------
    name : {"Friedman", "Wilcoxon signed-rank"}
        The second for two models.
    statistic, p_value : float
        Of the models being equally good on data sets like these.
    mean_ranks : Series
        Indexed by model; 1 is the best.
    pairs : DataFrame
        p values of the pairs of models, adjusted for their number (Nemenyi's test); of
        two models `p_value` itself.
    critical_difference : float
        Models whose mean ranks are farther apart differ at the 5 % level (Nemenyi); NaN
        for two models.

    Examples
    --------
    >>> import warnings
    >>> from sklearn.datasets import load_iris, load_wine
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skcnn.comparison import compare_datasets
    >>> datasets = {"iris": load_iris(return_X_y=True), "wine": load_wine(return_X_y=True)}
    >>> models = {"Bayes": GaussianNB(), "prior": DummyClassifier()}
    >>> comparison = compare_datasets(datasets, models)
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # two data sets decide nothing
    ...     test = comparison.rank_test()
    >>> test.mean_ranks.to_dict(), test.p_value
    ({'Bayes': 1.0, 'prior': 2.0}, 0.5)
    """

    name: str
    statistic: float
    p_value: float
    mean_ranks: pd.Series
    pairs: pd.DataFrame
    critical_difference: float


class DatasetComparison:
    """Models on several data sets; :func:`compare_datasets` makes it.

    Parameters
    ----------
    comparisons : dict of str to ModelComparison
        One a data set, all of the same models.

    Attributes
    ----------
    table : DataFrame
        Indexed by metric and model: the mean score on each data set, and mean_rank, where
        1 is the best.
    datasets, models, metrics : list of str
        The names, in order.

    See Also
    --------
    compare_datasets : Fits and scores models on several data sets.

    Notes
    -----
    Data sets are independent of each other, splits of one are not: one mean score of each
    data set enters the test of ranks. It asks whether the models differ on data sets like
    these, whatever the size of the difference.

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
                f"a data set. Got {comparisons!r}."
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
        """Return mean scores, a row a model and a column a data set."""
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
            All figures are NaN where a model has no mean score on some data set.

        Raises
        ------
        ValueError
            If there are fewer than two data sets or models, or no such metric.

        Warns
        -----
        ComparisonWarning
            If there are so few data sets that no order of the models could be significant
            at the 5 % level.

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
        figures = rank_figures(self._scores(metric).to_numpy(float).T)
        if figures.smallest_p > LEVEL:
            warn_caller(
                f"{len(self.datasets)} data sets and {len(self.models)} models cannot decide: "
                f"even if one order of the models held on all of them, the {figures.name} test "
                f"would give p = {figures.smallest_p:.3g}. Use more data sets.",
                ComparisonWarning,
            )
        return RankTest(
            figures.name,
            figures.statistic,
            figures.p_value,
            pd.Series(figures.mean_ranks, self.models, name="mean_rank").rename_axis("model"),
            pd.DataFrame(figures.pairs, self.models, self.models),
            figures.critical_difference,
        )

    def to_markdown(self) -> str:
        """Return mean scores and ranks as Markdown, a table a metric.

        Returns
        -------
        str
            GitHub's tables.
        """
        return paragraphs([as_markdown(*self._cells(metric)) for metric in self.metrics])

    def __repr__(self) -> str:
        """Return mean scores and ranks as text."""
        return paragraphs([as_text(*self._cells(metric)) for metric in self.metrics])

    def _repr_html_(self) -> str:
        return "".join(
            html_notes([metric]) + as_html(*self._cells(metric)) for metric in self.metrics
        )

    def _cells(self, metric: str) -> tuple[list[str], list[list[str]]]:
        values = self.table.loc[metric].to_numpy(float)
        # data sets have scores of different sizes
        decimals = [*(decimals_of(column) for column in values.T[:-1]), 2]
        rows = [
            [name, *(number_cell(*pair) for pair in zip(row, decimals, strict=True))]
            for name, row in zip(self.models, values, strict=True)
        ]
        return [metric, *self.datasets, "mean rank"], rows


def compare_datasets(
    datasets: Mapping[str, tuple[Any, Any]],
    models: Any,
    *,
    random_state: Any = None,
    **options: Any,
) -> DatasetComparison:
    """Compare models on several data sets, by cross-validation on each.

    Parameters
    ----------
    datasets : dict of str to (X, y)
        Samples and targets of each data set. The data sets must be different ones:
        parts of one are not independent.
    models : dict of str to estimator, or callable
        As for `compare_models`. A callable takes `X` and returns the dict, where the
        models depend on the shape of the samples; the names must be the same for all.
    random_state : int, RandomState instance or None, default=None
        As for `compare_models`.
    **options : dict
        Passed to `compare_models`: ``cv``, ``scoring``, ``baseline``, ``rope``,
        ``n_jobs``, ``verbose``.

    Returns
    -------
    comparison : DatasetComparison
        A ModelComparison a data set, and the tests of ranks.

    Raises
    ------
    ValueError
        If `datasets` are not two or more different ones, or a parameter is illegal.

    See Also
    --------
    compare_models : One data set.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer, load_iris, load_wine
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skcnn.comparison import compare_datasets
    >>> datasets = {
    ...     "iris": load_iris(return_X_y=True),
    ...     "wine": load_wine(return_X_y=True),
    ...     "cancer": load_breast_cancer(return_X_y=True),
    ... }
    >>> models = {"tree": DecisionTreeClassifier(), "Bayes": GaussianNB()}
    >>> comparison = compare_datasets(datasets, models, random_state=0)
    >>> comparison.table["mean_rank"]["accuracy"].round(2).to_dict()
    {'tree': 1.67, 'Bayes': 1.33}
    """
    _check_datasets(datasets)
    refused = {"groups", "sample_weight"} & {*options}
    if refused:
        raise TypeError(
            f"compare_datasets takes no {sorted(refused)[0]!r}: they belong to one data set. "
            "Make a DatasetComparison from comparisons of compare_models."
        )
    check_random_state(random_state)
    seed = draw_seed(random_state) % 2**32
    given = {name: _models_for(models, X) for name, (X, _) in datasets.items()}
    _check_names(given)
    return DatasetComparison(
        {
            name: _compare(name, given[name], X, y, random_state=seed, **options)
            for name, (X, y) in datasets.items()
        }
    )


def _compare(name: str, models: Any, X: Any, y: Any, **options: Any) -> ModelComparison:
    """Compare on one data set, whose name its warnings have."""
    warned: list[tuple[str, str, int]] = []
    try:
        with counted_warnings(warned):
            return compare_models(models, X, y, **options)
    finally:
        for category, message, _ in warned:
            warn_caller(f"{name}: {message}", warning_named(category))


def _models_for(models: Any, X: Any) -> Any:
    """Return the models for a data set."""
    made = models(X) if callable(models) else models
    if not isinstance(made, Mapping):
        raise InvalidParameterError(
            "The 'models' parameter of compare_datasets must be a dict of estimators, or a "
            f"callable that returns one for X. Got {made!r}."
        )
    return made


def _check_names(models: Mapping[str, Any]) -> None:
    """Check that all data sets have models of the same names, before any fit."""
    first, *others = models
    for other in others:
        if {*models[first]} != {*models[other]}:
            raise ValueError(
                "The 'models' parameter of compare_datasets must give the same names for all "
                f"data sets. Got {[*models[first]]} for {first!r} and {[*models[other]]} for "
                f"{other!r}."
            )


def _check_datasets(datasets: Any) -> None:
    if not isinstance(datasets, Mapping) or len(datasets) < 2:
        raise InvalidParameterError(
            "The 'datasets' parameter of compare_datasets must be a dict of two or more "
            "data sets, {name: (X, y)}. Got "
            + (f"{len(datasets)}." if isinstance(datasets, Mapping) else f"{type(datasets)}.")
        )
    seen: dict[str, set[int]] = {}
    for name, data in datasets.items():
        if not isinstance(data, tuple | list) or len(data) != 2:
            raise InvalidParameterError(
                "The 'datasets' parameter of compare_datasets must have pairs (X, y). Got "
                f"{type(data).__name__} for {name!r}."
            )
        samples = _samples_of(*data)
        for other, theirs in seen.items():
            n_common, n_fewest = len(samples & theirs), min(len(samples), len(theirs))
            if n_common > MOST_COMMON * n_fewest:
                raise ValueError(
                    f"The data sets {other!r} and {name!r} share {n_common} of {n_fewest} "
                    "different samples, as folds of one data set do. Ranks on them are not "
                    "independent, and the test would find differences where there are none; "
                    "compare_models is for one data set. If they are different data sets, make a "
                    "DatasetComparison from a comparison of each."
                )
        seen[name] = samples


def _samples_of(X: Any, y: Any) -> set[int]:
    """Return hashes of the different samples with their targets; none where X has no numbers."""
    rows = np.asarray(originals(X))
    if rows.dtype.kind not in "biuf" or rows.ndim < 2:
        return set()
    targets = np.asarray(y).tolist()
    if len(targets) != len(rows):
        return set()  # compare_models tells
    return {
        hash((row.shape, row.astype(np.float64).tobytes(), str(target)))
        for row, target in zip(rows, targets, strict=True)
    }
