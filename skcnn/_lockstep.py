"""All folds of a candidate side by side, an epoch of each at a time.

Pruners that compare candidates after few epochs need the mean of all folds at every
epoch: with the folds one after the other they would judge the first fold alone. A fit
cannot be left in the middle and taken up again, so each has a thread; only one of them
runs at any time.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from sklearn import config_context, get_config

from skcnn._device import exact_kernels, resolve_device
from skcnn._folds import (
    CrossValidation,
    FoldResult,
    FoldRun,
    Watch,
    check_scores,
    failed_fold,
)
from skcnn._pipelines import convnet_of


def run_side_by_side(
    cv: CrossValidation,
    runs: Sequence[FoldRun],
    watch: Watch,
    contexts: Sequence[Any],
    folds: list[FoldResult],
) -> None:
    """Run all folds in lockstep, appending to `folds` when all are finished.

    Raises
    ------
    EvaluationError
        If a fold fails.
    ValueError
        If a function makes the network: it may draw from torch's global generators, which
        one fit has to itself until its end.
    """
    nets = [convnet_of(run.make_estimator()) for run in runs]
    if any(callable(getattr(net, "architecture", None)) for net in nets):
        raise ValueError(
            "The 'pruner' parameter must be 'median', None or another pruner that takes one "
            "fold after the other where a callable is the architecture."
        )
    strands = [_Strand(cv, run, context) for run, context in zip(runs, contexts, strict=True)]
    # one setting of the process around all, since the fits' own do not end in turn
    with exact_kernels(_device_of(nets[0])):
        try:
            _advance_together(strands, watch)
        finally:
            for strand in strands:
                strand.end()
    if watch.verdict:
        return
    folds += [strand.finished() for strand in strands]
    scores = [check_scores(cv, fold, result) for fold, result in enumerate(folds)]
    n_epochs = max(run.n_epochs_seen for run in runs)
    watch.fold_done(0, n_epochs or None, float(np.mean(scores)))


def _device_of(net: Any) -> torch.device:
    try:
        return torch.device("cpu") if net is None else resolve_device(net.device)
    except ValueError:  # the fits will tell
        return torch.device("cpu")


def _advance_together(strands: "Sequence[_Strand]", watch: Watch) -> None:
    epoch = 0
    while True:
        for strand in strands:
            strand.advance(watch.wants_scores)
        for strand in strands:
            strand.raise_error()
        if all(strand.over for strand in strands):
            return
        score, n_epochs = None, max(strand.n_epochs for strand in strands)
        if watch.wants_scores and epoch + 1 < n_epochs:
            score = float(np.mean([strand.score for strand in strands]))
        if watch.epoch_done(0, epoch, n_epochs, score):
            return
        epoch += 1


class _Strand:
    """The fit of one fold in a thread of its own, which stops after every epoch."""

    def __init__(self, cv: CrossValidation, run: FoldRun, context: Any) -> None:
        self.cv = cv
        self.fold_run = run
        self.context = context
        self.over = False
        self.score = np.nan  # the last epoch's, kept where training ends early
        self.n_epochs = 1
        self._wants_score = False
        self._ending = False
        self._result: FoldResult | None = None
        self._error: BaseException | None = None
        self._go = threading.Semaphore(0)
        self._paused = threading.Semaphore(0)
        self._config = get_config()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def advance(self, wants_score: bool) -> None:
        """Run to the end of the next epoch, or of the fit."""
        if not self.over:
            self._wants_score = wants_score
            self._go.release()
            self._paused.acquire()

    def end(self) -> None:
        """Let the fit stop where it is and wait for the thread."""
        self._ending = True
        self._go.release()
        self._thread.join()

    def raise_error(self) -> None:
        """Raise what ended the fit, unless it was its end."""
        if self._error is not None and not self._counts_as_score():
            raise self._error

    def finished(self) -> FoldResult:
        """Return the scores."""
        return self._result if self._result is not None else failed_fold(self._error)

    def _counts_as_score(self) -> bool:
        return isinstance(self._error, Exception) and not self.cv.fails_by_error(self._error)

    def _work(self) -> None:
        self._go.acquire()
        try:
            if not self._ending:
                with config_context(**self._config):
                    self._result = self.fold_run.run(self._on_epoch, self.context)
        except BaseException as error:
            self._error = error
        finally:
            self.over = True
            self._paused.release()

    def _on_epoch(self, epoch: int, n_epochs: int, score: Callable[[], float]) -> bool:
        self.n_epochs = n_epochs
        if self._wants_score and epoch + 1 < n_epochs:
            self.score = score()
        self._paused.release()
        self._go.acquire()
        return self._ending
