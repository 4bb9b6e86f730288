"""One candidate on one fold: a fit that can be stopped after every epoch, and its scores."""

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch

from skcnn._convnet.pipelines import (
    find_convnet,
    replace_final,
    transform_before_final,
    with_copied_samples,
)
from skcnn._utils.compat import callbacks_of, check_method_params, safe_split
from skcnn._utils.worker_threads import own_seconds
from skcnn.model_selection._callbacks import EpochWatcher, FoldContext, go_on
from skcnn.model_selection._cross_validation import (
    CrossValidation,
    EvaluationError,
    FitPrunedError,
    FoldResult,
    is_trial_pruned,
)
from skcnn.model_selection._step_cache import StepCache

Pair = tuple[Any, Any]  # samples, targets


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
        self.n_parameters: int | None = None  # of the fitted ConvNet
        self.cut_short = False

    def make_estimator(self) -> Any:
        """Return the unfitted candidate."""
        estimator = self.cv.fold_candidate(self.params)
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
            Takes the epoch, counted from zero, the number of epochs planned and a function
            that returns the current score on the test samples; returns whether to stop the
            fit.
        context : FoldContext or None, default=None
            The place of the fit for scikit-learn's callbacks.

        Raises
        ------
        EvaluationError
            With the traceback, unless ``error_score="raise"``. It is a FitPrunedError if the
            fit or the scorer raises ``optuna.TrialPruned``.
        """
        estimator = self.make_estimator()
        X_train, y_train = self._train_samples(estimator)
        fit_params = check_method_params(self.cv.X, dict(self.cv.fit_params), indices=self.train)
        targets = () if y_train is None else (y_train,)
        start = own_seconds()
        watched = self._epochs_watched(estimator, on_epoch)
        with self._failures_explained(), watched:
            with nullcontext() if context is None else context.around(estimator):
                estimator.fit(X_train, *targets, **fit_params)
            fit_time = own_seconds() - start
            net = find_convnet(estimator)
            self.n_parameters = None if net is None else net.n_parameters_
            if self.cut_short:  # its scores would not be valid
                return FoldResult({}, {}, fit_time, 0.0)
            result = self._scored(estimator, fit_time)
        if net is not None:
            result.n_epochs, result.best_epoch = net.n_iter_, net.best_epoch_
        return result

    # Steps of a Pipeline may write into their samples, so that each use takes new ones.

    def _train_samples(self, estimator: Any) -> Pair:
        return safe_split(estimator, self.cv.X, self.cv.y, self.train)

    def _test_samples(self, estimator: Any) -> Pair:
        return safe_split(estimator, self.cv.X, self.cv.y, self.test, self.train)

    def _scored(self, estimator: Any, fit_time: float) -> FoldResult:
        """Return the scores of a fitted candidate."""
        # several scores predict several times; the user's own scorer may look at the steps
        scored = estimator if self.cv.own_scorer else with_copied_samples(estimator)
        X, y = self._test_samples(estimator)
        start = own_seconds()
        test_scores = self.cv.score(scored, X, y, self.test)
        result = FoldResult(test_scores, {}, fit_time, own_seconds() - start)
        if self.cv.return_train_score:
            X, y = self._train_samples(estimator)
            result.train_scores = self.cv.score(scored, X, y, self.train)
        if self.cv.time_predictions:
            X, _ = self._test_samples(estimator)
            start = own_seconds()
            estimator.predict(X)
            result.predict_time = own_seconds() - start
        return result

    @contextmanager
    def _epochs_watched(self, estimator: Any, on_epoch: Any) -> Iterator[None]:
        net = find_convnet(estimator)
        if net is None or on_epoch is None:
            yield
            return
        transformed: list[Pair] = []

        def score_of(snapshot: Any) -> float:
            if self.cv.own_scorer:
                model = replace_final(estimator, snapshot)
                return self._score_so_far(model, *self._test_samples(estimator))
            if not transformed:  # once for all epochs; the steps are fitted
                X_test, y_test = self._test_samples(estimator)
                transformed.append((transform_before_final(estimator, X_test), y_test))
            return self._score_so_far(snapshot, *transformed[0])

        def listener(epoch: int, n_epochs: int, snapshot: Any) -> bool:
            self.n_epochs_seen = epoch + 1

            def score() -> float:
                if snapshot is not None:
                    watcher.scores[epoch] = score_of(snapshot)
                return watcher.scores.get(epoch, np.nan)

            self.cut_short = on_epoch(epoch, n_epochs, score)
            return self.cut_short

        own = callbacks_of(net)
        watcher = EpochWatcher(listener)
        net.set_callbacks(*own, watcher)
        try:
            yield
        finally:
            net.set_callbacks(*own)
            # contexts are in reference cycles, which would keep the listener's network in memory
            watcher.listener = go_on

    def _score_so_far(self, model: Any, X: Any, y: Any) -> float:
        """Return a score for the pruner, NaN if it fails, without moving torch's generator."""
        with torch.random.fork_rng(devices=[]):
            try:
                return self.cv.main_score(self.cv.score(model, X, y, self.test))
            except Exception:  # only the final score can fail a fold
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
            if is_trial_pruned(error):
                raise FitPrunedError(traceback.format_exc(), str(error)) from error
            if self.cv.error_score == "raise":
                raise
            raise EvaluationError(traceback.format_exc()) from error
