"""Trains all folds of a candidate together, one epoch of each at a time.

Pruners that compare candidates after few epochs need the mean of all folds at every epoch;
with one fold after the other they would compare the first fold alone. Networks of one
structure can also share their training steps.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from skcnn._convnet.fitted_base import makes_module
from skcnn._convnet.pipelines import find_convnet
from skcnn._training.joint_training import advance_together
from skcnn._utils.worker_threads import WorkerThread
from skcnn.model_selection._callbacks import Watch
from skcnn.model_selection._cross_validation import (
    CrossValidation,
    FoldResult,
    check_scores,
    failed_fold,
)
from skcnn.model_selection._fold_run import FoldRun
from skcnn.model_selection._parallel import trains_together


class _FoldThread(WorkerThread):
    """The fit of one fold, which pauses after every epoch."""

    def __init__(self, cv: CrossValidation, run: FoldRun, context: Any, jointly: bool) -> None:
        self.cv = cv
        self.score = np.nan  # of the last epoch, also after training has ended early
        self.n_epochs = 1
        self.wants_score = False
        super().__init__(lambda: run.run(self._on_epoch, context), jointly)

    def raise_error(self) -> None:
        """Raise the error of the fit, unless the fold scores `error_score`."""
        if self.error is not None and not self._counts_as_score():
            raise self.error

    def finished(self) -> FoldResult:
        """Return the scores."""
        return self.result if self.result is not None else failed_fold(self.error)

    def _counts_as_score(self) -> bool:
        return isinstance(self.error, Exception) and not self.cv.fails_by_error(self.error)

    def _on_epoch(self, epoch: int, n_epochs: int, score: Callable[[], float]) -> bool:
        self.n_epochs = n_epochs
        if self.wants_score and epoch + 1 < n_epochs:
            self.score = score()
        self.pause()
        return self.ending


def run_folds_together(
    cv: CrossValidation,
    runs: Sequence[FoldRun],
    watch: Watch,
    contexts: Sequence[Any],
    folds: list[FoldResult],
) -> None:
    """Run all folds together, appending to `folds` when all are finished.

    Raises
    ------
    EvaluationError
        If a fold fails.
    ValueError
        If a callable makes the network. It may draw from torch's global generators, which
        only one fit at a time may use.
    """
    nets = [find_convnet(run.make_estimator()) for run in runs]
    if any(makes_module(getattr(net, "architecture", None)) for net in nets):
        raise ValueError(
            "The 'pruner' parameter must be 'auto', 'median', None or another pruner that runs "
            "one fold after the other where a callable is the architecture."
        )
    jointly = trains_together(nets[0], cv.n_training_samples)
    threads = [
        _FoldThread(cv, run, context, jointly) for run, context in zip(runs, contexts, strict=True)
    ]
    try:
        _advance_folds(threads, watch)
    except BaseException as error:
        for thread in threads:
            thread.interrupted = not isinstance(error, Exception)
        raise
    finally:
        for thread in threads:
            thread.end()
    if watch.state:
        return
    folds += [thread.finished() for thread in threads]
    scores = [check_scores(cv, fold, result) for fold, result in enumerate(folds)]
    n_epochs = max(run.n_epochs_seen for run in runs)
    watch.fold_done(0, n_epochs or None, float(np.mean(scores)))


def _advance_folds(threads: Sequence[_FoldThread], watch: Watch) -> None:
    """Train an epoch of all folds at a time, until all are finished or `watch` stops them."""
    epoch = 0
    while True:
        for thread in threads:
            thread.wants_score = watch.wants_scores
        advance_together(threads)
        for thread in threads:
            thread.raise_error()
        if all(thread.over for thread in threads):
            return
        score, n_epochs = None, max(thread.n_epochs for thread in threads)
        if watch.wants_scores and epoch + 1 < n_epochs:
            score = float(np.mean([thread.score for thread in threads]))
        if watch.epoch_done(0, epoch, n_epochs, score):
            return
        epoch += 1
