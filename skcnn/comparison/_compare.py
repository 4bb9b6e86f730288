"""``compare_models``: any estimators on common splits.

Checks what it is given; ``_comparison_runs`` fits, ``ModelComparison`` tests.
"""

from collections.abc import Mapping
from inspect import signature
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn import get_config
from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import check_scoring, get_scorer
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, check_cv
from sklearn.utils import indexable
from sklearn.utils._param_validation import Interval, InvalidParameterError, validate_params
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _check_sample_weight, _num_samples

from skcnn._utils.random_state import draw_seed
from skcnn._utils.validation import warn_caller
from skcnn.augmentation._augmented_array import originals
from skcnn.comparison._model_comparison import ModelComparison, check_baseline, check_ropes
from skcnn.comparison._report import plural
from skcnn.comparison._runs import ModelFold, Splits, run_models, scores_table
from skcnn.exceptions import LeakageWarning
from skcnn.model_selection._evaluation import merged_warnings


@validate_params(
    {
        "models": "no_validation",  # below, with a clearer message
        "X": "no_validation",
        "y": ["array-like"],
        "cv": ["cv_object"],
        "scoring": [str, list, tuple, dict, callable, None],
        "baseline": [str, None],
        "rope": [Interval(Real, 0, None, closed="left"), Mapping],
        "groups": ["array-like", None],
        "sample_weight": ["array-like", None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=False,
)
def compare_models(
    models: Mapping[str, Any],
    X: Any,
    y: Any,
    *,
    cv: Any = None,
    scoring: Any = None,
    baseline: str | None = None,
    rope: float | Mapping[str, float] = 0.01,
    groups: Any = None,
    sample_weight: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
    verbose: int = 0,
) -> ModelComparison:
    """Compare models by cross-validation on the same splits, with tests that allow for them.

    Parameters
    ----------
    models : dict of str to estimator
        Any scikit-learn estimators, Pipelines, or searches (which makes it a nested
        cross-validation); all classifiers or all regressors. They are cloned.
    X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
        Samples.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    cv : int, splitter, iterable of splits or None, default=None
        As in scikit-learn's `cross_validate`: None is 5 folds in the order of the
        samples, stratified for classes. ``RepeatedStratifiedKFold(n_splits=5,
        n_repeats=10)`` finds smaller differences. The splits are made once.
    scoring : str, callable, list, tuple, dict or None, default=None
        One or several scores, larger is better. None is the accuracy of classifiers and
        R² of regressors, for searches too, whatever they search by.
    baseline : str or None, default=None
        Name of the model that the others are compared with. None is the first. To choose
        the best after looking favours it.
    rope : float or dict, default=0.01
        Region of practical equivalence: differences of at most this size, in units of the
        score, do not matter. A dict has those of some metrics; the others have 0.01.
    groups : array-like of shape (n_samples,) or None, default=None
        Groups of the samples, for the splitter. With `cv` an integer or None, a group is
        never on both sides of a split. Searches among the models are given them, too, for
        their own splits.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Weights in fits and in scores. A model whose `fit` takes none, as far as its
        signature tells, is refused, and so is a score.
    n_jobs : int or None, default=None
        Processes that fit at a time, of one thread each; seconds are longer where they
        share cores.
    random_state : int, RandomState instance or None, default=None
        Every `random_state` of a model that is None gets a seed that depends on the
        split only, so that models meet the same luck. It does not shuffle the splits.
    verbose : int, default=0
        0 silent, 1 a progress bar, 2 a line a fit.

    Returns
    -------
    comparison : ModelComparison
        Scores, tests and reports.

    Raises
    ------
    ValueError
        If a parameter is illegal, a model or score takes no weights, or all fits failed.

    Warns
    -----
    FitFailedWarning
        If a model failed on some splits. It has no mean and no test; the reason is in
        `fold_scores`. A score that fails is missing by itself.
    ComparisonWarning
        If there are too few splits for a test.
    LeakageWarning
        If the splitter puts a sample or a group on both sides of a split.
    UserWarning
        What fits warned of, once for each model with how often.

    See Also
    --------
    ModelComparison : What is returned.
    ModelComparisonDisplay : Draws it.
    compare_datasets : Several data sets.

    Notes
    -----
    On an accelerator the networks of several splits, and of models with the same layers, are
    trained as one program: the same scores but for rounding. `fit_seconds` then has each
    one's share.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skcnn import ConvNetClassifier
    >>> from skcnn.comparison import compare_models
    >>> X, y = load_digits(return_X_y=True)
    >>> models = {
    ...     "linear": LogisticRegression(C=0.01, max_iter=1000),
    ...     "convnet": ConvNetClassifier(input_shape=(8, 8), filters=8, max_epochs=8),
    ... }
    >>> comparison = compare_models(models, X[:600], y[:600], random_state=0)
    >>> comparison.table["n_parameters"]["accuracy"].to_dict()
    {'linear': 650.0, 'convnet': 18018.0}
    """
    models = _check_models(models)
    check_baseline(baseline, list(models))
    X, y, groups, sample_weight = indexable(originals(X), y, groups, sample_weight)
    if sample_weight is not None:
        sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
    classify = _check_task(models)
    scoring = _scoring(scoring, models, classify)
    # before any fit; which scores a callable returns is not known yet
    check_ropes(rope, [] if callable(scoring) else list(scoring), complete=not callable(scoring))
    if sample_weight is not None:
        scoring = _weighted_scoring(scoring)
    splitter = _splitter(cv, y, groups, classify)
    splits = _check_splits(splitter.split(X, y, groups), groups, _num_samples(X))
    folds = run_models(
        models,
        X,
        y,
        splits,
        scoring,
        groups=groups,
        sample_weight=sample_weight,
        seed=draw_seed(random_state),
        n_jobs=n_jobs,
        verbose=verbose,
    )
    fold_scores = scores_table(folds, splits)
    _warn_of_fits(folds, fold_scores)
    design = f"{_name_of(splitter)} of {_num_samples(X)} samples, {plural(len(splits), 'split')}"
    return ModelComparison(fold_scores, baseline=baseline, rope=rope, design=design)


def _check_models(models: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(models, Mapping) or len(models) < 2:
        got = len(models) if isinstance(models, Mapping) else f"a {type(models).__name__}"
        raise InvalidParameterError(
            "The 'models' parameter of compare_models must be a dict of two or more "
            f"estimators, {{name: estimator}}. Got {got}."
        )
    for name, model in models.items():
        if not isinstance(name, str):
            raise InvalidParameterError(
                f"The 'models' parameter of compare_models must have names that are str. Got "
                f"{name!r}."
            )
        needed = ("fit", "predict", "get_params")
        if isinstance(model, type) or not all(hasattr(model, attribute) for attribute in needed):
            hint = f" Did you mean {model.__name__}()?" if isinstance(model, type) else ""
            raise InvalidParameterError(
                "The 'models' parameter of compare_models must have estimators with fit, "
                f"predict and get_params. Got {model!r} for {name!r}.{hint}"
            )
    return dict(models)


def _check_task(models: Mapping[str, Any]) -> bool:
    """Return whether the models are classifiers; they must be of one kind."""
    kinds = {name: (is_classifier(m), is_regressor(m)) for name, m in models.items()}
    if len(set(kinds.values())) > 1:
        named = {(True, False): "classifier", (False, True): "regressor"}
        told = {name: named.get(kind, "neither") for name, kind in kinds.items()}
        raise InvalidParameterError(
            "The 'models' parameter of compare_models must have classifiers only or "
            f"regressors only. Got {told}."
        )
    return next(iter(kinds.values()))[0]


def _splitter(cv: Any, y: Any, groups: Any, classify: bool) -> Any:
    if groups is not None and (cv is None or isinstance(cv, Integral)):
        n_splits = 5 if cv is None else int(cv)
        stratify = classify and type_of_target(y) in ("binary", "multiclass")
        return StratifiedGroupKFold(n_splits) if stratify else GroupKFold(n_splits)
    return check_cv(5 if cv is None else cv, y, classifier=classify)


def _scoring(scoring: Any, models: Mapping[str, Any], classify: bool) -> Any:
    """Return `scoring` such that it gives names, but for a callable's own."""
    if scoring is None:
        if not classify and not is_regressor(next(iter(models.values()))):
            raise InvalidParameterError(
                "The 'scoring' parameter of compare_models must not be None for models that "
                "are neither classifiers nor regressors."
            )
        return ["accuracy" if classify else "r2"]
    return [scoring] if isinstance(scoring, str) else scoring


def _weighted_scoring(scoring: Any) -> Any:
    """Return `scoring` such that all its scores are weighted.

    Raises
    ------
    ValueError
        If one takes no weights.
    """
    if not callable(scoring) and not isinstance(scoring, Mapping):
        scoring = {name: name for name in check_scoring(scoring=scoring)._scorers}
    alone = {"score": scoring} if callable(scoring) else {}
    scorers = alone or {name: get_scorer(scorer) for name, scorer in scoring.items()}
    for name, scorer in scorers.items():
        if hasattr(scorer, "_accept_sample_weight"):
            takes = scorer._accept_sample_weight()
        else:  # a function, which scikit-learn gives weights only where it is alone
            takes = bool(alone) and "sample_weight" in signature(scorer).parameters
        if not takes:
            raise ValueError(
                f"sample_weight was given, but the score {name!r} takes no weights: fits would "
                "be weighted, scores not. make_scorer of a metric with a sample_weight does."
            )
        by_name = not alone and isinstance(scoring[name], str)  # others ask by themselves
        if by_name and get_config()["enable_metadata_routing"]:
            scorer.set_score_request(sample_weight=True)
    return scoring if alone else scorers


def _check_splits(splits: Any, groups: Any, n_samples: int) -> Splits:
    """Return splits as indices; warn where a sample or group is on both sides of one."""
    checked = [(_indices(train), _indices(test)) for train, test in splits]
    beyond = [i for pair in checked for side in pair for i in side[side >= n_samples][:1]]
    if beyond:
        raise ValueError(
            f"The 'cv' parameter must give indices below the number of samples, {n_samples}. Got "
            f"{beyond[0]}."
        )
    if any(np.isin(test, train).any() for train, test in checked):
        warn_caller(
            "Some samples are on both sides of a split of 'cv': scores are too good.",
            LeakageWarning,
        )
    if not checked or not all(len(train) and len(test) for train, test in checked):
        sizes = [(len(train), len(test)) for train, test in checked]
        raise ValueError(
            "The 'cv' parameter must give splits with training and test samples. Got splits of "
            f"these numbers of samples: {sizes}."
        )
    codes = None if groups is None else pd.factorize(np.asarray(groups))[0]
    if codes is not None and any(np.isin(codes[b], codes[a]).any() for a, b in checked):
        warn_caller(
            "Some groups are on both sides of a split: the splitter given as 'cv' does not keep "
            "them apart, and scores may be too good. Use GroupKFold or another that does.",
            LeakageWarning,
        )
    return checked


def _indices(side: Any) -> np.ndarray:
    side = np.asarray(side)
    return np.flatnonzero(side) if side.dtype == bool else side


def _name_of(splitter: Any) -> str:
    name = type(splitter).__name__
    return "Given splits" if name == "_CVIterableWrapper" else name


def _warn_of_fits(folds: list[ModelFold], fold_scores: pd.DataFrame) -> None:
    """Tell once a model what its fits warned of and how many failed."""
    for model in fold_scores["model"].unique():
        own = [fold.warnings for fold in folds if fold.model == model]
        for category, message in merged_warnings(own, "splits"):
            warn_caller(f"{model}: {message}", category)
    lost = fold_scores[fold_scores["score"].isna()]
    if len(lost) == len(fold_scores):
        first = lost.iloc[0]
        raise ValueError(
            f"None of the {len(folds)} fits has a score. It is very likely that a model is "
            f"misconfigured. The first failure, of {first['model']!r} on split "
            f"{first['split']}:\n{first['error']}"
        )
    for model, rows in lost.groupby("model", sort=False):
        n_lost, n_splits = rows["split"].nunique(), fold_scores["split"].nunique()
        metrics = ", ".join(rows["metric"].unique())
        warn_caller(
            f"{model} failed on {n_lost} of {n_splits} splits: it has no mean and no test of "
            f"{metrics}. The first failure, on split {rows['split'].iloc[0]}:\n"
            f"{rows['error'].iloc[0]}",
            FitFailedWarning,
        )
