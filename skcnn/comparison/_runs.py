"""Every model fitted and scored on every split: seeds, weights, failures.

Tests nothing; the scores come out as a long table.
"""

import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from joblib import parallel_config
from sklearn import get_config
from sklearn.base import clone
from sklearn.metrics import check_scoring
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._split import GroupsConsumerMixin
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import MetadataRouter, get_routing_for_object
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter

from skcnn._convnet.pipelines import convnet_of
from skcnn._training.joint_training import MOST_TOGETHER, advance_together
from skcnn._utils.device import exact_kernels
from skcnn._utils.progress import ComparisonProgress
from skcnn._utils.random_state import unset_random_states
from skcnn._utils.worker_threads import Strand
from skcnn.model_selection._evaluation import counted_warnings, error_line
from skcnn.model_selection._folds import (
    CrossValidation,
    EvaluationError,
    FoldResult,
    FoldRun,
    processes_for,
)
from skcnn.model_selection._lockstep import device_of, trains_together

Splits = list[tuple[np.ndarray, np.ndarray]]
Task = tuple[str, CrossValidation, int, int]  # model, its evaluation, split, seed


@dataclass
class ModelFold:
    """What became of a model on a split."""

    model: str
    split: int
    result: FoldResult
    n_parameters: int | None = None
    warnings: list[tuple[str, str, int]] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)

    def why_no(self, metric: str) -> str:
        """Return why a score is missing, a traceback or a sentence, else empty."""
        score = self.result.test_scores.get(metric, np.nan)
        told = self.result.error or self.errors.get(metric, "")
        shown = "NaN" if np.isnan(score) else f"{score}"
        return told or ("" if np.isfinite(score) else f"The score {metric!r} is {shown}.")


class PartialScorer:
    """Scores by several metrics, of which those that fail are NaN.

    Parameters
    ----------
    scorer : callable
        What scikit-learn's `check_scoring` returns.

    Attributes
    ----------
    errors : dict of str to str
        Tracebacks of the metrics that failed in the last call.
    """

    def __init__(self, scorer: Callable[..., Any]) -> None:
        self.scorer = scorer
        self.errors: dict[str, str] = {}

    def __call__(self, estimator: Any, *data: Any, **params: Any) -> Any:
        """Return a number or a dict of them; raise where no metric is left."""
        scorers = getattr(self.scorer, "_scorers", {})
        try:
            return self.scorer(estimator, *data, **params)
        except Exception:
            scores = self._each(scorers, estimator, *data, **params)
            if len(self.errors) == len(scorers):
                raise
            return scores

    def _each(self, scorers: Mapping[str, Any], estimator: Any, *data: Any, **params: Any) -> Any:
        """Score once more, by each metric alone: without probabilities there are labels."""
        scores = dict.fromkeys(scorers, np.nan)
        for name, scorer in scorers.items():
            try:
                one = check_scoring(estimator, scoring={name: scorer})
                scores |= one(estimator, *data, **params)
            except Exception:
                self.errors[name] = traceback.format_exc()
        return scores


def run_models(
    models: Mapping[str, Any],
    X: Any,
    y: Any,
    splits: Splits,
    scoring: Any,
    *,
    groups: Any = None,
    sample_weight: Any = None,
    seed: int,
    n_jobs: int | None,
    verbose: int,
) -> list[ModelFold]:
    """Fit and score all models on all splits, split by split.

    Parameters
    ----------
    models : dict of str to estimator
        Each is cloned for each split. What has a `random_state` of None gets a seed that
        is the same for all models on a split.
    X, y : array-like
        Samples and targets.
    splits : list of (train, test)
        Indices.
    scoring : str, list, dict or callable
        As for scikit-learn's `check_scoring`.
    groups : array-like or None
        Groups, for the splitters of searches.
    sample_weight : array-like or None
        Weights of fits and scores.
    seed : int
        Seeds follow from it and the split's number.
    n_jobs : int or None
        Processes, of one thread each where there are several.
    verbose : int
        What is shown.

    Returns
    -------
    list of ModelFold
        In the order of splits, then of models. What failed has no scores and the error.
    """
    candidates = {
        name: CrossValidation(
            estimator=clone(model),  # what cannot be cloned is found out before any fit
            X=X,
            y=y,
            splits=splits,
            scorer=check_scoring(model, scoring=scoring),
            fit_params=_fit_params(name, model, sample_weight) | _groups_of(model, groups),
            score_params={} if sample_weight is None else {"sample_weight": sample_weight},
            time_predictions=True,
        )
        for name, model in models.items()
    }
    tasks = [
        (name, candidate, split, seed)
        for split in range(len(splits))
        for name, candidate in candidates.items()
    ]
    n_processes = processes_for(list(models.values()), n_jobs, "fits", len(tasks))
    done = {}
    with ComparisonProgress(verbose, "compare_models", len(tasks)) as progress:
        for fold in _run_all(tasks, n_processes):
            result, why = fold.result, error_line(fold.result.error)
            progress.fit_ended(fold.model, fold.split, result.test_scores, result.fit_time, why)
            done[fold.model, fold.split] = fold
    return [done[name, split] for name, _, split, _ in tasks]


def _run_all(tasks: Sequence[Task], n_processes: int) -> Iterator[ModelFold]:
    if n_processes == 1:
        for group in _groups(tasks):
            yield from _run_together(group) if len(group) > 1 else [_run(*group[0])]
        return
    with parallel_config(backend="loky", inner_max_num_threads=1):
        parallel = Parallel(n_jobs=n_processes, return_as="generator")
        yield from parallel(delayed(_run_alone)(*task) for task in tasks)


def _groups(tasks: Sequence[Task]) -> list[list[Task]]:
    """Return the tasks in groups: those whose networks are trained together, or one each.

    Networks of different structure in a group are trained apart; the splits of a model
    follow each other, so that there are few.
    """
    estimators = {name: candidate.estimator for name, candidate, *_ in tasks}
    models = [name for name, estimator in estimators.items() if trains_together(estimator)]
    joint = [task for name in models for task in tasks if task[0] == name]
    alone = [[task] for task in tasks if task[0] not in models]
    return alone + [joint[i : i + MOST_TOGETHER] for i in range(0, len(joint), MOST_TOGETHER)]


def _run_together(tasks: Sequence[Task]) -> list[ModelFold]:
    """Fit and score side by side; what fails, fails alone."""
    strands = [_FitStrand(*task) for task in tasks]
    # one setting of the process around all, since the fits' own do not end in turn
    with exact_kernels(device_of(convnet_of(tasks[0][1].estimator))):
        try:
            advance_together(strands)
        finally:
            for strand in strands:
                strand.end()
    for strand in strands:
        if strand.error is not None:
            raise strand.error
    return [strand.model_fold for strand in strands]


class _FitStrand(Strand):
    """The fit of a model on a split, beside others."""

    def __init__(self, name: str, candidate: CrossValidation, split: int, seed: int) -> None:
        self.model_fold, fold_run = _prepared(name, candidate, split, seed)
        super().__init__(lambda: _fill(self.model_fold, fold_run), company=True)

    def advance(self) -> None:
        """Run on; the process's filters of warnings are this fit's meanwhile."""
        with counted_warnings(self.model_fold.warnings):
            super().advance()


def _run_alone(*task: Any) -> ModelFold:
    """Run in a process of its own, on one thread."""
    torch.set_num_threads(1)
    return _run(*task)


def _run(name: str, candidate: CrossValidation, split: int, seed: int) -> ModelFold:
    fold, run = _prepared(name, candidate, split, seed)
    with counted_warnings(fold.warnings):
        _fill(fold, run)
    return fold


def _prepared(
    name: str, candidate: CrossValidation, split: int, seed: int
) -> tuple[ModelFold, FoldRun]:
    """Return a fit to be done, and where its result is to be written."""
    of_split = int(np.random.SeedSequence([seed, split]).generate_state(1)[0] >> 1)
    scorer = PartialScorer(candidate.scorer)
    estimator = _seeded(candidate.estimator, of_split)
    run = FoldRun(replace(candidate, estimator=estimator, scorer=scorer), {}, split)
    return ModelFold(name, split, FoldResult({}, {}, np.nan, np.nan)), run


def _fill(fold: ModelFold, run: FoldRun) -> None:
    """Fit and score, and write down what came out."""
    try:
        fold.result = run.run()
    except EvaluationError as error:
        fold.result.error = str(error)
    fold.n_parameters = run.n_parameters
    fold.errors = cast(PartialScorer, run.cv.scorer).errors


def _seeded(model: Any, seed: int) -> Any:
    """Return a clone in which every `random_state` of None is `seed`, however deep it is.

    So a network has the same first weights wherever it stands.
    """
    estimator = clone(model)
    unset = unset_random_states(estimator)
    return estimator.set_params(**dict.fromkeys(unset, seed)) if unset else estimator


def _fit_params(name: str, model: Any, sample_weight: Any) -> dict[str, Any]:
    """Return what `fit` of a model is given.

    Raises
    ------
    ValueError
        If the model takes no weights.
    """
    if sample_weight is None:
        return {}
    parameter = _weight_parameter(model)
    if parameter is None:
        raise ValueError(
            f"sample_weight was given, but the model {name!r} ({type(model).__name__}) takes no "
            "weights in fit: compared with the others it would solve another task."
        )
    return {parameter: sample_weight}


def _groups_of(model: Any, groups: Any) -> dict[str, Any]:
    """Return what `fit` of a model is given for the splits of a search inside."""
    if groups is None:
        return {}
    if isinstance(model, Pipeline):
        name, last = model.steps[-1]
        given = _groups_of(last, groups)
        routed = get_config()["enable_metadata_routing"]
        return given if routed else {f"{name}__{key}": value for key, value in given.items()}
    if not isinstance(model, BaseSearchCV):
        return {}
    # with routing enabled a splitter that has no use for groups refuses them
    asks = isinstance(model.cv, GroupsConsumerMixin)
    return {"groups": groups} if asks or not get_config()["enable_metadata_routing"] else {}


def _weight_parameter(model: Any) -> str | None:
    """Return by what name `fit` takes weights, None where it does not."""
    if not get_config()["enable_metadata_routing"]:
        if isinstance(model, BaseSearchCV):
            return _weight_parameter(model.estimator)
        if isinstance(model, Pipeline):
            name, last = model.steps[-1]
            parameter = _weight_parameter(last)
            return None if parameter is None else f"{name}__{parameter}"
    takes = has_fit_parameter(model, "sample_weight") or _hands_on(model)
    return "sample_weight" if takes else None


def _hands_on(model: Any) -> bool:
    """Return whether a model's `fit` takes anything, for the estimators inside it."""
    if not hasattr(model, "fit"):  # a step that a search fills in
        return False
    kinds = {parameter.kind for parameter in inspect.signature(model.fit).parameters.values()}
    return inspect.Parameter.VAR_KEYWORD in kinds and isinstance(
        get_routing_for_object(model), MetadataRouter
    )


def scores_table(folds: Sequence[ModelFold], splits: Splits) -> pd.DataFrame:
    """Return one row a model, split and metric; NaN and the reason for what failed."""
    metrics = list(dict.fromkeys(name for fold in folds for name in fold.result.test_scores))
    rows = []
    for fold in folds:
        train, test = splits[fold.split]
        for metric in metrics or ["score"]:
            score = fold.result.test_scores.get(metric, np.nan)
            rows.append(
                {
                    "model": fold.model,
                    "split": fold.split,
                    "metric": metric,
                    "score": score if np.isfinite(score) else np.nan,
                    "fit_seconds": fold.result.fit_time,
                    "predict_seconds": fold.result.predict_time,
                    "n_parameters": fold.n_parameters,
                    "n_train": len(train),
                    "n_test": len(test),
                    "error": fold.why_no(metric),
                }
            )
    table = pd.DataFrame(rows)
    return table.astype({"n_parameters": "Int64"})
