"""TrialRunner: a worker that claims, evaluates and records trials."""

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.pruners import NopPruner
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from skcnn._training.joint_training import MOST_TOGETHER
from skcnn.model_selection._callbacks import FoldContext
from skcnn.model_selection._evaluation import Outcome, evaluate
from skcnn.model_selection._fold_run import FoldRun
from skcnn.model_selection._parallel import trains_together
from skcnn.model_selection._plan import SearchPlan
from skcnn.model_selection._pruners import needs_all_folds
from skcnn.model_selection._running.abandoned import (
    fail_trials_of_dead_workers,
    interrupt_trials_of,
)
from skcnn.model_selection._running.claims import Claim, TrialClaims
from skcnn.model_selection._running.records import TrialRecorder
from skcnn.model_selection._running.storage import StudyStorage
from skcnn.model_selection._running.study import KEY
from skcnn.model_selection._running.trial_index import TrialIndex
from skcnn.model_selection._running.watch import TrialWatch
from skcnn.model_selection._step_cache import StepCache

POLL_SECONDS = 0.1


class TrialRunner:
    """A worker of a search.

    Parameters
    ----------
    plan : SearchPlan
        The plan of the search.
    storage : StudyStorage
        Where the study is.
    study : Study
        Optuna's study.
    progress : SearchProgress
        Shows epochs and outcomes.
    contexts : callable or None, default=None
        Takes the number of folds; returns a callback context for each.

    Attributes
    ----------
    params : dict of int to dict
        The parameters of the trials that this worker has begun, by number.
    """

    def __init__(
        self,
        plan: SearchPlan,
        storage: StudyStorage,
        study: Study,
        progress: Any,
        contexts: Callable[[int], Sequence[FoldContext]] | None = None,
    ) -> None:
        self.plan = plan
        self.storage = storage
        self.study = study
        self.study.pruner = plan.pruner
        self.progress = progress
        self.contexts = contexts
        self.index = TrialIndex(study)
        self.claims = TrialClaims(plan, storage, self.index)
        self.recorder = TrialRecorder(plan, storage, self.index, progress)
        self.cache = StepCache()
        self.params: dict[int, dict[str, Any]] = {}

    def run(self) -> None:
        """Run trials until all trials of the search, also of other workers, are finished."""
        while True:
            claim = self.claims.claim()
            if claim is not None:
                self.params[claim.trial.number] = claim.params
                self._run_trial(claim)
            elif self.claims.over:
                return
            else:
                time.sleep(POLL_SECONDS)

    def _run_trial(self, claim: Claim) -> None:
        try:
            outcome = self._outcome(claim)
            if isinstance(outcome, FrozenTrial):
                self.recorder.record_copy(claim.trial, outcome)
            else:
                self.recorder.record(claim, outcome)
        except BaseException:
            self.recorder.interrupt(claim.trial)
            raise

    def abandon(self) -> None:
        """Interrupt the trials of this worker, and fail those of dead ones."""
        with self.storage.locked():
            running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            fail_trials_of_dead_workers(self.study, self.storage, running)
            interrupt_trials_of(self.study, self.storage.worker)

    def _outcome(self, claim: Claim) -> Outcome | FrozenTrial:
        """Evaluate a trial, or return an earlier one with the same parameters."""
        limits = self.plan.limits
        try:
            violation = "" if limits is None else limits.violation(claim.params)
        except Exception:
            if self.plan.cv.error_score == "raise":
                raise
            return Outcome("FAIL", reason=traceback.format_exc())
        if violation and limits is not None:
            size = limits.sizer(claim.params)["n_parameters"]
            return Outcome("INFEASIBLE", n_epochs=0, n_parameters=size, reason=violation)
        return self._duplicate_of(claim.trial) or self._evaluated(claim)

    def _evaluated(self, claim: Claim) -> Outcome:
        cv = self.plan.cv
        n_folds = len(cv.splits)
        together = self._trains_folds_together(claim.params)
        return evaluate(
            cv,
            claim.params,
            TrialWatch(self.plan, claim.trial, 1 if together else n_folds, self.progress),
            self.cache,
            together=together,
            contexts=None if self.contexts is None else self.contexts(n_folds),
        )

    def _trains_folds_together(self, params: Mapping[str, Any]) -> bool:
        """Return whether all folds are trained together, one epoch of each at a time.

        Some pruners need it. The others save more epochs with one fold after the other.
        Without a pruner, folds are trained together if that is faster.
        """
        cv, pruner = self.plan.cv, self.plan.pruner
        if needs_all_folds(pruner) or not isinstance(pruner, NopPruner):
            return needs_all_folds(pruner)
        try:
            estimator = FoldRun(cv, params, 0).make_estimator()
        except Exception:  # raised again by the first fold
            return False
        is_several = 1 < len(cv.splits) <= MOST_TOGETHER
        return is_several and trains_together(estimator, cv.n_training_samples)

    def _duplicate_of(self, trial: Trial) -> FrozenTrial | Outcome | None:
        """Return an earlier trial with the same parameters, once it is finished."""
        while not self.plan.is_over():
            with self.storage.locked():
                self.index.refresh()
                if fail_trials_of_dead_workers(self.study, self.storage, self.index.running):
                    self.index.refresh()
                original = self.index.first_with(trial.user_attrs[KEY], before=trial.number)
            if original is None or original.state.is_finished():
                return original
            time.sleep(POLL_SECONDS)
        return Outcome("INTERRUPTED")
