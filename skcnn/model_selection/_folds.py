"""One candidate on one fold: a fit watched epoch by epoch, its scores and seconds.

Knows no sampler and no study: whoever watches decides whether a candidate goes on.
"""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from joblib import effective_n_jobs
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params

from skcnn._convnet.pipelines import before_final, convnet_of, n_parameters_of, nets_in
from skcnn._utils.device import resolve_device
from skcnn._utils.validation import warn_caller
from skcnn._utils.worker_threads import own_seconds
from skcnn.model_selection._callbacks import EpochWatcher, FoldContext, goes_on
from skcnn.model_selection._step_cache import StepCache

Scores = dict[str, float]


class EvaluationError(Exception):
    """A fold could not be fitted or scored; the message is the traceback."""


@dataclass(frozen=True)
class CrossValidation:
    """What every candidate of a search is evaluated with.

    Attributes
    ----------
    estimator : estimator
        Cloned for every fold.
    X, y : array-like
        The data of the search.
    splits : list of (train, test)
        Indices, made once.
    scorer : callable
        Returns a number, or a dict of numbers.
    main_metric : str or None
        Which of several scores counts; None takes the first.
    objectives : tuple of str
        Names of scores that are asked for.
    own_scorer : bool
        Whether the user wrote the scorer, and may look into a Pipeline.
    fit_params, score_params : dict
        Routed metadata; what has an entry a sample is split as `X`.
    error_score : float or "raise"
        Score of a fold that failed.
    return_train_score : bool
        Whether training samples are scored too.
    time_predictions : bool
        Whether predicting the test samples is timed by itself.
    """

    estimator: Any
    X: Any
    y: Any
    splits: list[tuple[np.ndarray, np.ndarray]]
    scorer: Callable[..., Any]
    main_metric: str | None = None
    objectives: tuple[str, ...] = ()
    own_scorer: bool = False
    fit_params: Mapping[str, Any] = field(default_factory=dict)
    score_params: Mapping[str, Any] = field(default_factory=dict)
    error_score: Any = np.nan
    return_train_score: bool = False
    time_predictions: bool = False

    def score_of(self, fold: "FoldResult", objective: str) -> float:
        """Return a fold's value of an objective that is "score" or a score's name."""
        if not fold.test_scores:
            return float(self.error_score)
        if objective == "score":
            return self.main_score(fold.test_scores)
        return fold.test_scores[objective]

    def main_score(self, scores: Scores) -> float:
        """Return the score that counts.

        Raises
        ------
        ValueError
            If a scorer that returns several has none of this name.
        """
        missing = [name for name in self.objectives if name not in scores]
        if missing:
            raise ValueError(
                f"The 'objectives' parameter must name scores that scoring returns, which are "
                f"{sorted(scores)}. Got {missing[0]!r}."
            )
        if self.main_metric is None or len(scores) == 1:
            return next(iter(scores.values()))
        if self.main_metric not in scores:
            raise ValueError(
                "For multi-metric scoring, the parameter refit must be set to a scorer key "
                "or a callable to refit an estimator with the best parameter setting on the "
                f"whole data. The scorer returned {sorted(scores)}, {self.main_metric!r} was "
                "passed."
            )
        return scores[self.main_metric]

    def fails_by_error(self, error: Exception) -> bool:
        """Return whether a fold's failure is the candidate's, instead of a low score."""
        return not isinstance(error, EvaluationError) or bool(np.isnan(self.error_score))

    def score(self, estimator: Any, X: Any, y: Any, rows: np.ndarray) -> Scores:
        """Return the scores of a fitted estimator on the samples `rows`, which `X` are."""
        params = _check_method_params(self.X, dict(self.score_params), indices=rows)
        scores = (
            self.scorer(estimator, X, **params)
            if y is None
            else self.scorer(estimator, X, y, **params)
        )
        named = scores if isinstance(scores, dict) else {"score": scores}
        for name, value in named.items():
            if isinstance(value, str) and hasattr(self.scorer, "_scorers"):  # its traceback
                raise EvaluationError(value)
            number = np.asarray(value)
            if number.ndim > 0 or number.dtype.kind not in "iuf":
                raise ValueError(
                    f"scoring must return a number, got {value!r} ({type(value)}) for {name!r}."
                )
        return {name: float(value) for name, value in named.items()}


@dataclass
class FoldResult:
    """Scores, seconds and epochs of one fold; without scores the error that it ended with."""

    test_scores: Scores
    train_scores: Scores
    fit_time: float
    score_time: float
    predict_time: float = np.nan
    n_epochs: int | None = None
    best_epoch: int | None = None
    error: str = ""


class Watch:
    """Decides after every epoch and fold whether a candidate goes on; this one lets it.

    Attributes
    ----------
    wants_scores : bool
        Whether epochs are scored on the test samples of their fold.
    verdict : str
        The state of a candidate that was stopped, else "".
    reason : str
        Why it was stopped.
    """

    wants_scores = False
    verdict = ""
    reason = ""

    def epoch_done(self, fold: int, epoch: int, n_epochs: int, score: float | None) -> bool:
        """Take the mean score so far after an epoch; return whether to stop."""
        return bool(self.verdict)

    def fold_done(self, fold: int, n_epochs: int | None, score: float) -> bool:
        """Take the mean score of all finished folds; return whether to stop."""
        return bool(self.verdict)


class FoldRun:
    """The fit and the scores of a candidate on one fold.

    Parameters
    ----------
    cv : CrossValidation
        Data, split and scorer.
    params : mapping
        What the candidate sets on the estimator.
    fold : int
        The number of the fold.
    cache : StepCache or None, default=None
        Fitted steps of earlier candidates. None fits all steps.
    """

    def __init__(
        self,
        cv: CrossValidation,
        params: Mapping[str, Any],
        fold: int,
        cache: StepCache | None = None,
    ) -> None:
        self.cv = cv
        self.fold = fold
        self.train, self.test = cv.splits[fold]
        self.params = params
        self.cache = cache
        self.n_epochs_seen = 0
        self.n_parameters: int | None = None  # of the fitted model, where they are counted
        self.cut_short = False

    def make_estimator(self) -> Any:
        """Return the unfitted candidate."""
        estimator = clone(self.cv.estimator)
        if self.params:
            estimator.set_params(**clone(dict(self.params), safe=False))
        if self.cache is not None:
            self.cache.watch(estimator, self.fold)
        return estimator

    def run(
        self,
        on_epoch: Callable[[int, int, Callable[[], float]], bool] | None = None,
        context: FoldContext | None = None,
    ) -> FoldResult:
        """Fit and score.

        Parameters
        ----------
        on_epoch : callable or None, default=None
            Takes the epoch from zero, the number planned and a function that returns the
            score on the test samples as of now; returns whether to stop the fit.
        context : FoldContext or None, default=None
            Of scikit-learn's callbacks.

        Raises
        ------
        EvaluationError
            With the traceback, unless ``error_score="raise"``.
        """
        estimator = self.make_estimator()
        X_train, y_train = _safe_split(estimator, self.cv.X, self.cv.y, self.train)
        X_test, y_test = _safe_split(estimator, self.cv.X, self.cv.y, self.test, self.train)
        fit_params = _check_method_params(self.cv.X, dict(self.cv.fit_params), indices=self.train)
        targets = () if y_train is None else (y_train,)
        start = own_seconds()
        watched = self._epochs_watched(estimator, on_epoch, X_test, y_test)
        with self._failures_explained(), watched:
            with nullcontext() if context is None else context.around(estimator):
                estimator.fit(X_train, *targets, **fit_params)
            fitted = own_seconds()
            net = convnet_of(estimator)
            self.n_parameters = n_parameters_of(estimator)
            if self.cut_short:  # its scores would mean nothing
                return FoldResult({}, {}, fitted - start, 0.0)
            test_scores = self.cv.score(estimator, X_test, y_test, self.test)
            scored = own_seconds()
            train_scores = {}
            if self.cv.return_train_score:
                train_scores = self.cv.score(estimator, X_train, y_train, self.train)
            result = FoldResult(test_scores, train_scores, fitted - start, scored - fitted)
            if self.cv.time_predictions:
                start = own_seconds()
                estimator.predict(X_test)
                result.predict_time = own_seconds() - start
        if net is not None:
            result.n_epochs, result.best_epoch = net.n_iter_, net.best_epoch_
        return result

    @contextmanager
    def _epochs_watched(
        self, estimator: Any, on_epoch: Any, X_test: Any, y_test: Any
    ) -> Iterator[None]:
        net = convnet_of(estimator)
        if net is None or on_epoch is None:
            yield
            return
        transformed: list[Any] = []

        def listener(epoch: int, n_epochs: int, snapshot: Any) -> bool:
            self.n_epochs_seen = epoch + 1

            def score() -> float:
                if self.cv.own_scorer or not isinstance(estimator, Pipeline):
                    model, X = _with_final(estimator, snapshot), X_test
                else:
                    if not transformed:  # by steps that are fitted by now, once
                        transformed.append(before_final(estimator, X_test))
                    model, X = snapshot, transformed[0]
                return self._score_so_far(model, X, y_test)

            self.cut_short = on_epoch(epoch, n_epochs, score)
            return self.cut_short

        own = getattr(net, "_skl_callbacks", [])
        watcher = EpochWatcher(listener)
        net.set_callbacks(*own, watcher)
        try:
            yield
        finally:
            net.set_callbacks(*own)
            # contexts, which refer to each other in circles, would keep the network alive
            watcher.listener = goes_on

    def _score_so_far(self, model: Any, X: Any, y: Any) -> float:
        """Return a score for the pruner, NaN where there is none; training is not moved."""
        with torch.random.fork_rng(devices=[]):
            try:
                return self.cv.main_score(self.cv.score(model, X, y, self.test))
            except Exception:  # only the score at the end can fail a fold
                return np.nan

    @contextmanager
    def _failures_explained(self) -> Iterator[None]:
        try:
            yield
        except EvaluationError as error:
            if self.cv.error_score == "raise":
                raise ValueError(str(error)) from error
            raise
        except Exception as error:
            if self.cv.error_score == "raise":
                raise
            raise EvaluationError(traceback.format_exc()) from error


def _with_final(estimator: Any, net: Any) -> Any:
    """Return a copy of a Pipeline whose steps are fitted, with another last step."""
    if not isinstance(estimator, Pipeline):
        return net
    *before, (name, last) = estimator.steps
    return Pipeline([*before, (name, _with_final(last, net))])


def failed_fold(error: BaseException | None) -> FoldResult:
    """Return the result of a fold that failed where ``error_score`` is a number."""
    return FoldResult({}, {}, 0.0, 0.0, error=str(error))


def check_scores(cv: CrossValidation, fold: int, result: FoldResult) -> float:
    """Return a fold's main score.

    Raises
    ------
    EvaluationError
        If any score is NaN.
    """
    lost = [name for name, score in result.test_scores.items() if np.isnan(score)]
    if lost:
        message = f"The test score {lost[0]!r} of fold {fold} is NaN."
        raise ValueError(message) if cv.error_score == "raise" else EvaluationError(message)
    return cv.score_of(result, "score")


def processes_for(
    estimators: Sequence[Any], n_jobs: int | None, runs: str, most: int | None = None
) -> int:
    """Return in how many processes to run fits: one where networks share an accelerator.

    Parameters
    ----------
    estimators : sequence of estimators
        What is fitted.
    n_jobs : int or None
        As in scikit-learn.
    runs : str
        What shares a device, in the plural, for the warning.
    most : int or None, default=None
        Number of runs.
    """
    n_processes = effective_n_jobs(n_jobs)
    if most is not None:
        n_processes = min(n_processes, most)
    nets = [net for model in estimators for net in nets_in(model)] if n_processes > 1 else []
    for net in nets:
        device = resolve_device(net.device)
        if device.type != "cpu":
            warn_caller(
                f"n_jobs={n_jobs}: all {runs} share the device {device}, so they run "
                "one at a time. Pass n_jobs=None, or device='cpu' to the network.",
                UserWarning,
            )
            return 1
    return n_processes
