"""TrialWatch: reports the epochs of a trial, and stops it by the pruner or the clock."""

import time
from typing import Any

import numpy as np
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import NopPruner
from optuna.trial import Trial

from skcnn.model_selection._callbacks import Watch
from skcnn.model_selection._plan import SearchPlan
from skcnn.model_selection._pruners import needs_all_folds


class TrialWatch(Watch):
    """Reports a trial's epochs to the study, and stops it by the pruner or the clock.

    Parameters
    ----------
    plan : SearchPlan
        The plan of the search.
    trial : Trial
        The trial of the study.
    n_folds : int
        Number of folds that end one after the other; 1 if all are trained together.
    progress : SearchProgress
        Shows every epoch.
    """

    def __init__(self, plan: SearchPlan, trial: Trial, n_folds: int, progress: Any) -> None:
        self.plan = plan
        self.trial = trial
        self.n_folds = n_folds
        self.progress = progress
        self.wants_scores = not isinstance(plan.pruner, NopPruner)
        self._start = time.time()
        # the rungs of these pruners are numbers of epochs
        self._first_step = int(needs_all_folds(plan.pruner))
        self._last_step = -1

    def epoch_done(self, fold: int, epoch: int, n_epochs: int, score: float | None) -> bool:
        """Report the mean score so far; return whether to stop.

        The step is ``fold * epochs_per_fold + epoch``, where epochs are counted from zero, or
        from one for pruners that compare trials after numbers of epochs. A trial with another
        number of epochs reports at the same share of its training.
        """
        self.progress.epoch(self.trial.number, fold, epoch + 1, n_epochs)
        if not self._is_out_of_time() and score is not None:
            per_fold = self.plan.epochs_per_fold
            share = (epoch + 1) * per_fold // n_epochs - 1
            self._report(fold * per_fold + share if share >= 0 else -1, score)
        return bool(self.state)

    def fold_done(self, fold: int, n_epochs: int | None, score: float) -> bool:
        """Report the mean score of the finished folds; return whether to stop."""
        last = fold == self.n_folds - 1
        if not last and self._is_out_of_time():
            return True
        if self.wants_scores and n_epochs is not None:
            self._report((fold + 1) * self.plan.epochs_per_fold - 1, score, may_prune=not last)
        return bool(self.state)

    def _report(self, step: int, score: float, may_prune: bool = True) -> None:
        if step <= self._last_step or np.isnan(score):
            return
        self._last_step = step
        try:
            self.trial.report(score, self._first_step + step)
        except UpdateFinishedTrialError:  # another worker has failed the trial as abandoned
            self.state, self.reason = "INTERRUPTED", "given to another worker"
            return
        if may_prune and self.trial.should_prune():
            self.state = "PRUNED"

    def _is_out_of_time(self) -> bool:
        limit = self.plan.trial_seconds
        if self.plan.is_over():
            self.state, self.reason = "INTERRUPTED", "the search's timeout has passed"
        elif limit is not None and time.time() - self._start > limit:
            self.state = "FAIL"
            self.reason = f"The trial took more than constraints['seconds']={limit}."
        return bool(self.state)
