"""``compare_datasets``: models on several data sets."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skcnn._data.hashing import value_hashes
from skcnn._data.image_files.image_files import ImageFiles
from skcnn._utils.compat import InvalidParameterError
from skcnn._utils.random_state import draw_seed
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn._utils.validation import warn_caller
from skcnn.augmentation._augmented_array import originals
from skcnn.comparison._compare_models import compare_models
from skcnn.comparison._dataset_comparison import DatasetComparison
from skcnn.comparison._model_comparison import ModelComparison
from skcnn.model_selection._fit_messages import counted_warnings, warning_named

# Largest share of the smaller data set's samples that may be in another data set; some
# samples, such as empty images, are equal by chance.
MOST_COMMON = 0.25


@in_standard_torch_state
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
        Samples and targets of each data set. Folds or other parts of one data set are
        not independent, and raise an error.
    models : dict of str to estimator, or callable
        As for `compare_models`. A callable takes `X` and returns the dict, for models that
        depend on the shape of the samples; the names must be the same for all data sets.
    random_state : int, RandomState instance or None, default=None
        As for `compare_models`.
    **options : dict
        Passed to `compare_models`: ``cv``, ``scoring``, ``baseline``, ``rope``,
        ``n_jobs``, ``verbose``.

    Returns
    -------
    comparison : DatasetComparison
        One ModelComparison per data set, and the tests of ranks.

    Raises
    ------
    ValueError
        If there are fewer than two data sets, if two share many samples, or if a parameter
        is illegal.
    TypeError
        If `groups` or `sample_weight` is passed, which belong to one data set.

    See Also
    --------
    compare_models : Compares models on one data set.

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
    illegal = {"groups", "sample_weight"} & {*options}
    if illegal:
        raise TypeError(
            f"compare_datasets takes no {sorted(illegal)[0]!r}: they belong to one data set. "
            "Make a DatasetComparison from the results of compare_models."
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
    """Compare on one data set; its name is added to the warnings."""
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
    """Raise before any fit unless the models of all data sets have the same names."""
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
    seen: dict[str, set[tuple[Any, ...]]] = {}
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
                    "independent, and the test would find too many differences. Use "
                    "compare_models for one data set. If they are different data sets, make a "
                    "DatasetComparison from a comparison of each."
                )
        seen[name] = samples


def _samples_of(X: Any, y: Any) -> set[tuple[Any, ...]]:
    """Return hashes of the distinct samples and their targets; empty if X is not numeric."""
    X = originals(X)
    is_files = isinstance(X, ImageFiles)
    rows = X if is_files else np.asarray(X)
    if rows.dtype.kind not in "biuf" or rows.ndim < 2 or 0 in rows.shape:
        return set()
    targets = np.asarray(y).tolist()
    if len(targets) != len(rows):
        return set()  # compare_models raises the error
    hashes = (X._facts().value_hashes if is_files else value_hashes(rows)).tolist()
    return {(rows.shape[1:], *each) for each in zip(hashes, map(str, targets), strict=True)}
