"""Fits and scores every model on every split, into a long table of scores."""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from joblib import parallel_config
from sklearn.base import clone
from sklearn.metrics import check_scoring
from sklearn.utils.parallel import Parallel, delayed

from skcnn._training.joint_training import MOST_TOGETHER, advance_together
from skcnn._utils.compat import scorers_of
from skcnn._utils.progress import ComparisonProgress
from skcnn._utils.random_state import seeded_clone
from skcnn._utils.worker_threads import WorkerThread
from skcnn.comparison._metadata import fit_params_of
from skcnn.comparison._n_parameters import n_parameters_of
from skcnn.model_selection._cross_validation import CrossValidation, EvaluationError, FoldResult
from skcnn.model_selection._fit_messages import counted_warnings, error_line
from skcnn.model_selection._fold_run import FoldRun
from skcnn.model_selection._parallel import processes_for, trains_together

Splits = list[tuple[np.ndarray, np.ndarray]]
Task = tuple[str, CrossValidation, int, int]  # model, its evaluation, split, seed


@dataclass
class ModelFold:
    """The scores, costs, warnings and errors of a model on a split."""

    model: str
    split: int
    result: FoldResult
    n_parameters: int | None = None
    warnings: list[tuple[str, str, int]] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)

    def why_no(self, metric: str) -> str:
        """Return why a score is missing: a traceback, a sentence, or "" if it is not."""
        score = self.result.test_scores.get(metric, np.nan)
        error = self.result.error or self.errors.get(metric, "")
        shown = "NaN" if np.isnan(score) else f"{score}"
        return error or ("" if np.isfinite(score) else f"The score {metric!r} is {shown}.")


class PartialScorer:
    """Scores a fitted model by several metrics; a metric that fails is NaN.

    Parameters
    ----------
    scorer : callable
        What scikit-learn's `check_scoring` returns.

    Attributes
    ----------
    errors : dict of str to str
        Tracebacks of the metrics that failed in the last call.
    n_parameters : int or None
        Number of parameters of the model in the last call, None if they are not counted.
    """

    def __init__(self, scorer: Callable[..., Any]) -> None:
        self.scorer = scorer
        self.errors: dict[str, str] = {}
        self.n_parameters: int | None = None

    def __call__(self, estimator: Any, *data: Any, **params: Any) -> Any:
        """Return a number or a dict of numbers; raise if all metrics fail."""
        self.n_parameters = n_parameters_of(estimator)
        scorers = scorers_of(self.scorer) or {}
        try:
            return self.scorer(estimator, *data, **params)
        except Exception:
            scores = self._score_each(scorers, estimator, *data, **params)
            if len(self.errors) == len(scorers):
                raise
            return scores

    def _score_each(
        self, scorers: Mapping[str, Any], estimator: Any, *data: Any, **params: Any
    ) -> dict[str, float]:
        """Score by each metric alone: some need probabilities, which a model may not have."""
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
        Each is cloned for each split. Each `random_state` of None is set to a seed that is
        the same for all models on a split.
    X, y : array-like
        Samples and targets.
    splits : list of (train, test)
        Indices.
    scoring : str, list, dict or callable
        As for scikit-learn's `check_scoring`.
    groups : array-like or None
        Groups of the samples, for the splitters of searches.
    sample_weight : array-like or None
        Weights of fits and scores.
    seed : int
        The seed of a split is derived from it and the split's number.
    n_jobs : int or None
        Number of processes; several have one thread each.
    verbose : int
        0 silent, 1 a progress bar, 2 one line per fit.

    Returns
    -------
    list of ModelFold
        In the order of splits, then of models. A fit that failed has an error and no scores.
    """
    candidates = {
        name: CrossValidation(
            estimator=clone(model),  # raises before any fit if a model cannot be cloned
            X=X,
            y=y,
            splits=splits,
            scorer=check_scoring(model, scoring=scoring),
            fit_params=fit_params_of(name, model, sample_weight, groups),
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
        for group in _training_groups(tasks):
            yield from _run_together(group) if len(group) > 1 else [_run(*group[0])]
        return
    with parallel_config(backend="loky", inner_max_num_threads=1):
        parallel = Parallel(n_jobs=n_processes, return_as="generator")
        yield from parallel(delayed(_run_alone)(*task) for task in tasks)


def _training_groups(tasks: Sequence[Task]) -> list[list[Task]]:
    """Return the tasks in groups whose networks are trained together; others are alone.

    Only networks of the same structure in a group are trained together. The splits of a
    model are adjacent, so that most groups have one structure.
    """
    candidates = {name: candidate for name, candidate, *_ in tasks}
    models = [
        name
        for name, candidate in candidates.items()
        if trains_together(candidate.fold_candidate({}), candidate.n_training_samples)
    ]
    joint = [task for name in models for task in tasks if task[0] == name]
    alone = [[task] for task in tasks if task[0] not in models]
    return alone + [joint[i : i + MOST_TOGETHER] for i in range(0, len(joint), MOST_TOGETHER)]


def _run_together(tasks: Sequence[Task]) -> list[ModelFold]:
    """Fit and score several networks together; a failure ends its own fit only."""
    threads = [_FitThread(*task) for task in tasks]
    try:
        advance_together(threads)
    finally:
        for thread in threads:
            thread.end()
    for thread in threads:
        if thread.error is not None:
            raise thread.error
    return [thread.model_fold for thread in threads]


class _FitThread(WorkerThread):
    """The fit of a model on a split, in a thread that takes turns with others."""

    def __init__(self, name: str, candidate: CrossValidation, split: int, seed: int) -> None:
        self.model_fold, fold_run = _prepared(name, candidate, split, seed)
        super().__init__(lambda: _fill(self.model_fold, fold_run), trains_jointly=True)

    def advance(self) -> None:
        """Continue the fit, and record the warnings of the process meanwhile."""
        with counted_warnings(self.model_fold.warnings):
            super().advance()


def _run_alone(*task: Any) -> ModelFold:
    """Fit and score in a separate process, on one thread."""
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
    """Return an empty result, and the fit that fills it."""
    split_seed = int(np.random.SeedSequence([seed, split]).generate_state(1)[0] >> 1)
    scorer = PartialScorer(candidate.scorer)
    # one seed for all parts: a network has the same first weights in every model
    estimator = seeded_clone(candidate.fold_candidate({}), lambda n: [split_seed] * n)
    run = FoldRun(replace(candidate, estimator=estimator, scorer=scorer), {}, split)
    return ModelFold(name, split, FoldResult({}, {}, np.nan, np.nan)), run


def _fill(fold: ModelFold, run: FoldRun) -> None:
    """Fit and score, and set the results of `fold`."""
    try:
        fold.result = run.run()
    except EvaluationError as error:
        fold.result.error = str(error)
    scorer = cast(PartialScorer, run.cv.scorer)
    fold.n_parameters, fold.errors = scorer.n_parameters, scorer.errors


def scores_table(folds: Sequence[ModelFold], splits: Splits) -> pd.DataFrame:
    """Return a row per model, split and metric; a failure is NaN with its error."""
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
