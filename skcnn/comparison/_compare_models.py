"""``compare_models``: any estimators on the same splits."""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, check_cv
from sklearn.utils import indexable
from sklearn.utils.multiclass import type_of_target

from skcnn._utils.compat import (
    Interval,
    InvalidParameterError,
    check_sample_weight,
    is_list_of_splits,
    num_samples,
    validate_params,
)
from skcnn._utils.random_state import draw_seed, named_seed, seeded_splitter
from skcnn._utils.text import plural
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn._utils.validation import check_option, warn_caller
from skcnn.augmentation._augmented_array import originals
from skcnn.comparison._metadata import weighted_scoring
from skcnn.comparison._model_comparison import ModelComparison, check_baseline, check_ropes
from skcnn.comparison._runs import ModelFold, Splits, run_models, scores_table
from skcnn.datasets._leakage import warn_of_copies
from skcnn.exceptions import LeakageWarning
from skcnn.model_selection._fit_messages import merged_warnings


@validate_params(
    {
        "models": "no_validation",  # checked by _check_models, with a clearer message
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
@in_standard_torch_state
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
    """Compare models by cross-validation on the same splits, with corrected tests.

    Parameters
    ----------
    models : dict of str to estimator
        Any scikit-learn estimators, Pipelines, or searches (for a nested
        cross-validation); all classifiers or all regressors. They are cloned.
    X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
        Samples.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    cv : int, splitter, iterable of splits or None, default=None
        As in scikit-learn's `cross_validate`: None is 5 folds in the order of the
        samples, stratified for classes. ``RepeatedStratifiedKFold(n_splits=5,
        n_repeats=10)`` finds smaller differences. The splits are drawn once.
    scoring : str, callable, list, tuple, dict or None, default=None
        One or several scores, larger is better. None is the accuracy of classifiers and
        R² of regressors, also for searches, whatever their own `scoring` is.
    baseline : str or None, default=None
        Name of the model that the others are compared with. None is the first. Choose it
        before you see the scores: the best of several models is partly lucky.
    rope : float or dict, default=0.01
        Region of practical equivalence: differences of at most this size, in units of the
        score, do not matter. A dict has the regions of some metrics; the others have 0.01.
    groups : array-like of shape (n_samples,) or None, default=None
        Groups of the samples, for the splitter. With `cv` an integer or None, a group is
        never on both sides of a split. Searches among the models use them for their own
        splits, too.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Weights in fits and in scores. All models and scores must take weights.
    n_jobs : int or None, default=None
        Number of processes, of one thread each. Processes that share cores need more
        seconds per fit.
    random_state : int, RandomState instance or None, default=None
        Every `random_state` of a model that is None is set to a seed that depends on the
        split only, and is the same for all models. A splitter that shuffles without a
        `random_state` gets a seed, too.
    verbose : int, default=0
        0 is silent, 1 shows a progress bar, 2 prints one line per fit.

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
        If a model failed on some splits. It has no mean and no test; the error is in
        `fold_scores`. If only one of several scores fails, the others are kept.
    ComparisonWarning
        If there are too few splits for a test.
    LeakageWarning
        If the splitter puts a sample or a group on both sides of a split, or images that are
        near-duplicates: in ImageFiles or arrays of bytes, of 20,000 samples at most.
    UserWarning
        The warnings of the fits, once per model, with their number.

    See Also
    --------
    ModelComparison : The result, with its table and reports.
    ModelComparisonDisplay : Draws a comparison.
    compare_datasets : Compares models on several data sets.

    Notes
    -----
    On an accelerator, networks with the same layers, of several splits and models, are
    trained together: the scores are the same but for rounding. `fit_seconds` is then each
    network's share of the time.

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
        sample_weight = check_sample_weight(sample_weight, X, ensure_non_negative=True)
    classify = _check_task(models)
    scoring = _scoring(scoring, models, classify)
    _check_rope(rope, scoring)
    if sample_weight is not None:
        scoring = weighted_scoring(scoring)
    splitter, seed = _splitter(cv, y, groups, classify), draw_seed(random_state)
    if random_state is not None:
        splitter = seeded_splitter(splitter, named_seed(seed, "cv"))
    splits = _check_splits(splitter.split(X, y, groups), groups, num_samples(X))
    warn_of_copies(X, splits)
    folds = run_models(
        models,
        X,
        y,
        splits,
        scoring,
        groups=groups,
        sample_weight=sample_weight,
        seed=seed,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    fold_scores = scores_table(folds, splits)
    _warn_of_fits(folds, fold_scores)
    design = f"{_name_of(splitter)} of {num_samples(X)} samples, {plural(len(splits), 'split')}"
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
    """Return whether the models are classifiers; raise unless all are of one kind."""
    kinds = {name: (is_classifier(m), is_regressor(m)) for name, m in models.items()}
    if len(set(kinds.values())) > 1:
        named = {(True, False): "classifier", (False, True): "regressor"}
        got = {name: named.get(kind, "neither") for name, kind in kinds.items()}
        raise InvalidParameterError(
            "The 'models' parameter of compare_models must have classifiers only or "
            f"regressors only. Got {got}."
        )
    return next(iter(kinds.values()))[0]


def _check_rope(rope: Any, scoring: Any) -> None:
    """Check the regions before any fit; the names of a callable's scores are not known yet."""
    metrics = [] if callable(scoring) else list(scoring)
    check_ropes(rope, metrics)
    if isinstance(rope, Mapping) and not callable(scoring):
        for name in rope:
            check_option("rope", name, metrics)


def _splitter(cv: Any, y: Any, groups: Any, classify: bool) -> Any:
    if groups is not None and (cv is None or isinstance(cv, Integral)):
        n_splits = 5 if cv is None else int(cv)
        stratify = classify and type_of_target(y) in ("binary", "multiclass")
        return StratifiedGroupKFold(n_splits) if stratify else GroupKFold(n_splits)
    return check_cv(5 if cv is None else cv, y, classifier=classify)


def _scoring(scoring: Any, models: Mapping[str, Any], classify: bool) -> Any:
    """Return a list or dict of scores, or a callable as it is."""
    if scoring is None:
        if not classify and not is_regressor(next(iter(models.values()))):
            raise InvalidParameterError(
                "The 'scoring' parameter of compare_models must not be None for models that "
                "are neither classifiers nor regressors."
            )
        return ["accuracy" if classify else "r2"]
    return [scoring] if isinstance(scoring, str) else scoring


def _check_splits(splits: Any, groups: Any, n_samples: int) -> Splits:
    """Return splits as indices; warn if a sample or group is on both sides of one."""
    checked = [(_indices(train), _indices(test)) for train, test in splits]
    sides = [side for pair in checked for side in pair]
    beyond = [i for side in sides for i in side[(side >= n_samples) | (side < -n_samples)][:1]]
    if beyond:
        raise ValueError(
            "The 'cv' parameter must give indices below the number of samples, "
            f"{n_samples}, and not below {-n_samples}. Got {beyond[0]}."
        )
    # -1 is the last sample
    checked = [(train % n_samples, test % n_samples) for train, test in checked]
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
    return "Given splits" if is_list_of_splits(splitter) else type(splitter).__name__


def _warn_of_fits(folds: list[ModelFold], fold_scores: pd.DataFrame) -> None:
    """Warn once per model of its fits' warnings and failures; raise if all fits failed."""
    for model in fold_scores["model"].unique():
        own = [fold.warnings for fold in folds if fold.model == model]
        for category, message in merged_warnings(own, "splits"):
            warn_caller(f"{model}: {message}", category)
    failed = fold_scores[fold_scores["score"].isna()]
    if len(failed) == len(fold_scores):
        first = failed.iloc[0]
        raise ValueError(
            f"None of the {len(folds)} fits has a score. It is very likely that a model is "
            f"misconfigured. The first failure, of {first['model']!r} on split "
            f"{first['split']}:\n{first['error']}"
        )
    for model, rows in failed.groupby("model", sort=False):
        n_failed, n_splits = rows["split"].nunique(), fold_scores["split"].nunique()
        metrics = ", ".join(rows["metric"].unique())
        warn_caller(
            f"{model} failed on {n_failed} of {n_splits} splits: it has no mean and no test of "
            f"{metrics}. The first failure, on split {rows['split'].iloc[0]}:\n"
            f"{rows['error'].iloc[0]}",
            FitFailedWarning,
        )
