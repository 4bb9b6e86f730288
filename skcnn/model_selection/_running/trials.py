"""The trials of a study: claimed, evaluated, recorded, by one process or several.

A trial is claimed under the study's lock; one whose worker has died is failed and
its parameters are tried again.
"""

import copy
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import numpy as np
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import NopPruner
from optuna.samplers import BaseSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState
from sklearn.utils._param_validation import InvalidParameterError

from skcnn._training.joint_training import MOST_TOGETHER
from skcnn.model_selection._evaluation import Outcome, error_line, evaluate
from skcnn.model_selection._folds import FoldRun, Watch
from skcnn.model_selection._lockstep import trains_together
from skcnn.model_selection._network_size import SIZES
from skcnn.model_selection._param_space import INITIAL
from skcnn.model_selection._pruners import needs_lockstep
from skcnn.model_selection._running.storage import StudyStorage
from skcnn.model_selection._running.study import (
    ATTEMPT,
    DIED,
    INTERRUPTED,
    KEY,
    MOST_ATTEMPTS,
    RESULT,
    RETRY_OF,
    WORKER,
    SearchPlan,
    best_value,
    finished_trials,
    is_counted,
    key_of,
    result_of,
    told_state,
)
from skcnn.model_selection._samplers import (
    STARTUP_TRIALS,
    ScreenedSampler,
    sampler_for,
    sampler_seed,
)
from skcnn.model_selection._step_cache import StepCache

POLL_SECONDS = 0.1
WAIT = "wait"  # nothing to claim yet


class TrialWatch(Watch):
    """Reports a trial's epochs to the study, and ends it where the pruner or the clock says.

    Parameters
    ----------
    plan : SearchPlan
        Of the search.
    trial : Trial
        Of the study.
    n_folds : int
        How many folds end one after the other: one where all end together.
    progress : SearchProgress
        Shown every epoch.
    """

    def __init__(self, plan: SearchPlan, trial: Trial, n_folds: int, progress: Any) -> None:
        self.plan = plan
        self.trial = trial
        self.n_folds = n_folds
        self.progress = progress
        self.wants_scores = not isinstance(plan.pruner, NopPruner)
        self._start = time.time()
        self._last_step = -1

    def epoch_done(self, fold: int, epoch: int, n_epochs: int, score: float | None) -> bool:
        """Report the mean score so far; return whether to stop.

        The step is ``fold * epochs_per_fold + epoch``. A trial with another number of
        epochs reports at the same share of its training.
        """
        self.progress.epoch(self.trial.number, fold, epoch + 1, n_epochs)
        if not self._out_of_time() and score is not None:
            per_fold = self.plan.epochs_per_fold
            share = (epoch + 1) * per_fold // n_epochs - 1
            self._report(fold * per_fold + share if share >= 0 else -1, score)
        return bool(self.verdict)

    def fold_done(self, fold: int, n_epochs: int | None, score: float) -> bool:
        """Report the mean score of the finished folds; return whether to stop."""
        last = fold == self.n_folds - 1
        if not last and self._out_of_time():
            return True
        if self.wants_scores and n_epochs is not None:
            self._report((fold + 1) * self.plan.epochs_per_fold - 1, score, may_prune=not last)
        return bool(self.verdict)

    def _report(self, step: int, score: float, may_prune: bool = True) -> None:
        if step <= self._last_step or np.isnan(score):
            return
        self._last_step = step
        try:
            self.trial.report(score, step)
        except UpdateFinishedTrialError:  # another worker took this one for dead
            self.verdict, self.reason = "INTERRUPTED", "given to another worker"
            return
        if may_prune and self.trial.should_prune():
            self.verdict = "PRUNED"

    def _out_of_time(self) -> bool:
        now, limit = time.time(), self.plan.trial_seconds
        if self.plan.deadline is not None and now > self.plan.deadline:
            self.verdict, self.reason = "INTERRUPTED", "the search's timeout was over"
        elif limit is not None and now - self._start > limit:
            self.verdict = "FAIL"
            self.reason = f"The trial took more than constraints['seconds']={limit}."
        return bool(self.verdict)


class TrialRunner:
    """A worker: claims trials, evaluates them and records what came out.

    Parameters
    ----------
    plan : SearchPlan
        Of the search.
    storage : StudyStorage
        Where the study is.
    study : Study
        Optuna's.
    progress : SearchProgress
        Shown.
    contexts : callable or None
        Takes the number of folds; returns a callback context for each.
    """

    def __init__(
        self,
        plan: SearchPlan,
        storage: StudyStorage,
        study: Study,
        progress: Any,
        contexts: Any = None,
    ) -> None:
        self.plan = plan
        self.storage = storage
        self.study = study
        self.study.pruner = plan.pruner
        self.progress = progress
        self.contexts = contexts
        self.cache = StepCache()
        self.sampler = copy.deepcopy(plan.sampler)
        self._n_asked = 0
        self.params: dict[int, dict[str, Any]] = {}  # of the trials begun here

    def run(self) -> None:
        """Run trials until there are enough, of all workers, and none is running."""
        while True:
            claimed = self._claim()
            if claimed is None:
                return
            if claimed == WAIT:
                time.sleep(POLL_SECONDS)
                continue
            trial, params = claimed
            try:
                self._record(trial, self._outcome(trial, params))
            except BaseException:
                self._interrupt(trial)
                raise

    def abandon(self) -> None:
        """Fail what this worker, or one that has died, was doing when it was interrupted."""
        with self.storage.locked():
            self._fail_stale()
            self._fail_own()

    def _fail_own(self) -> None:
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.user_attrs.get(WORKER, self.storage.worker) == self.storage.worker:
                self._mark_interrupted(trial.number)
                self.study.tell(trial.number, state=TrialState.FAIL)

    # Claiming

    def _claim(self) -> Any:
        """Return a trial and its parameters, WAIT, or None when all is done."""
        with self.storage.locked():
            self._fail_stale()
            trials = self.study.get_trials(deepcopy=False)
            if self._is_stopped(trials):
                return None
            interrupted = self._interrupted()
            counted = [t for t in trials if is_counted(t, interrupted)]
            if self.plan.n_trials is not None and len(counted) >= self.plan.n_trials:
                running = any(trial.state == TrialState.RUNNING for trial in counted)
                return WAIT if running else None
            try:
                return self._ask(trials, interrupted)
            except BaseException:
                self._fail_own()
                raise

    def _interrupted(self) -> list[int]:
        return self.study.user_attrs.get(INTERRUPTED, [])

    def _is_stopped(self, trials: Sequence[FrozenTrial]) -> bool:
        plan = self.plan
        if plan.deadline is not None and time.time() > plan.deadline:
            return True
        if plan.patience is None:
            return False
        complete = [t for t in trials if t.state == TrialState.COMPLETE]
        if not complete:
            return False
        sign = 1 if plan.directions[0] == StudyDirection.MAXIMIZE else -1
        best = max(complete, key=lambda t: (sign * t.values[0], -t.number))
        since = [t for t in trials if t.number > best.number and t.state.is_finished()]
        interrupted = self._interrupted()
        return sum(is_counted(t, interrupted) for t in since) >= plan.patience

    def _fail_stale(self) -> None:
        """Fail the trials of workers that have died."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            worker = trial.user_attrs.get(WORKER)
            if worker is None or not self.storage.is_alive(worker):
                if trial.user_attrs.get(ATTEMPT, 1) < MOST_ATTEMPTS:
                    self._mark_interrupted(trial.number)
                    died = self.study.user_attrs.get(DIED, [])
                    self.study.set_user_attr(DIED, [*died, trial.number])
                self.study.tell(trial.number, state=TrialState.FAIL)

    def _mark_interrupted(self, number: int) -> None:
        self.study.set_user_attr(INTERRUPTED, [*self._interrupted(), number])

    def _ask(self, trials: Sequence[FrozenTrial], interrupted: Sequence[int]) -> Any:
        """Make a trial under the study's lock; return it with its parameters."""
        self._enqueue_next(trials, interrupted)
        if self._n_asked == 0 and trials and isinstance(self.sampler, BaseSampler):
            self.sampler.reseed_rng()  # or it would repeat what it drew for other trials
        self._n_asked += 1
        space = self.plan.space
        known = [t.user_attrs.get(KEY) for t in trials if is_counted(t, interrupted)]
        n_drawn = len(known)
        sampler = sampler_for(self.sampler, self.plan.seed, n_drawn, STARTUP_TRIALS)
        if sampler is not self.sampler and space.distributions is not None:
            sampler = ScreenedSampler(
                sampler,
                space.distributions,
                lambda values: self._is_useful(values, known),
                usual=None if self.sampler == "random" else space.usual,
                seed=sampler_seed(self.plan.seed, n_drawn, 3),
            )
        self.study.sampler = sampler
        trial = self.study.ask(space.distributions)
        trial.set_user_attr(WORKER, self.storage.worker)
        try:
            params = space.suggest(trial)
        except InvalidParameterError:  # no trial would do
            raise
        except Exception:  # of the user's function
            outcome = Outcome("FAIL", reason=traceback.format_exc())
            trial.set_user_attr(RESULT, asdict(outcome))
            self.study.tell(trial, state=TrialState.FAIL)
            if self.plan.cv.error_score == "raise":
                raise
            return WAIT
        trial.set_user_attr(KEY, key_of(params))
        self.params[trial.number] = params
        return trial, params

    def _is_useful(self, values: Mapping[str, Any], known: Sequence[Any]) -> bool:
        """Return whether drawn values mean parameters that are new and small enough."""
        params = self.plan.space.params_of(values)
        if key_of(params) in known:
            return False
        try:
            return self.plan.limits is None or not self.plan.limits.violation(params)
        except Exception:  # a network that does not fit: the trial is to tell
            return True

    def _enqueue_next(self, trials: Sequence[FrozenTrial], interrupted: Sequence[int]) -> None:
        """Put in line what is to be tried next: a trial that was interrupted, or `initial`."""
        if any(trial.state == TrialState.WAITING for trial in trials):
            return
        retried = {trial.user_attrs.get(RETRY_OF) for trial in trials}
        for trial in trials:
            if trial.number in interrupted and trial.number not in retried:
                died = trial.number in self.study.user_attrs.get(DIED, [])
                attempt = trial.user_attrs.get(ATTEMPT, 1) + died
                attributes = {RETRY_OF: trial.number, ATTEMPT: attempt}
                if INITIAL in trial.user_attrs:
                    attributes[INITIAL] = trial.user_attrs[INITIAL]
                self.study.enqueue_trial(trial.params, user_attrs=attributes)
                return
        begun = [trial.user_attrs[INITIAL] for trial in trials if INITIAL in trial.user_attrs]
        initial = max(begun, default=-1) + 1
        if initial < len(self.plan.space.initial):
            values = self.plan.space.values_of(initial)
            self.study.enqueue_trial(values, user_attrs={INITIAL: initial})

    # Evaluating

    def _outcome(self, trial: Trial, params: dict[str, Any]) -> "Outcome | FrozenTrial":
        """Evaluate a trial, or return one with the same parameters."""
        limits = self.plan.limits
        try:
            violation = "" if limits is None else limits.violation(params)
        except Exception:
            if self.plan.cv.error_score == "raise":
                raise
            return Outcome("FAIL", reason=traceback.format_exc())
        if violation and limits is not None:
            size = limits.sizer(params)["n_parameters"]
            return Outcome("INFEASIBLE", n_epochs=0, n_parameters=size, reason=violation)
        twin = self._twin(trial)
        if twin is not None:
            return twin
        cv = self.plan.cv
        lockstep = self._in_lockstep(params)
        watch = TrialWatch(self.plan, trial, 1 if lockstep else len(cv.splits), self.progress)
        contexts = None if self.contexts is None else self.contexts(len(cv.splits))
        return evaluate(cv, params, watch, self.cache, lockstep=lockstep, contexts=contexts)

    def _in_lockstep(self, params: dict[str, Any]) -> bool:
        """Return whether all folds are fitted side by side.

        Without a pruner where this is faster. One that judges fold by fold saves more
        epochs by doing so.
        """
        cv, pruner = self.plan.cv, self.plan.pruner
        if needs_lockstep(pruner) or not isinstance(pruner, NopPruner):
            return needs_lockstep(pruner)
        try:
            estimator = FoldRun(cv, params, 0).make_estimator()
        except Exception:  # the folds will tell
            return False
        return 1 < len(cv.splits) <= MOST_TOGETHER and trains_together(estimator)

    def _twin(self, trial: Trial) -> "FrozenTrial | Outcome | None":
        """Return an earlier trial with the same parameters, once it is finished."""
        while True:
            if self.plan.deadline is not None and time.time() > self.plan.deadline:
                return Outcome("INTERRUPTED")
            with self.storage.locked():
                self._fail_stale()
                interrupted = self._interrupted()
                twins = [
                    other
                    for other in self.study.get_trials(deepcopy=False)
                    if other.number < trial.number
                    and other.user_attrs.get(KEY) == trial.user_attrs[KEY]
                    and is_counted(other, interrupted)
                ]
            if not twins or twins[0].state.is_finished():
                return twins[0] if twins else None
            time.sleep(POLL_SECONDS)

    # Recording

    def _interrupt(self, trial: Trial) -> None:
        """Fail a trial that does not count and may be tried again."""
        with self.storage.locked():
            if self._is_mine(trial):
                self._mark_interrupted(trial.number)
                self.study.tell(trial, state=TrialState.FAIL)

    def _is_mine(self, trial: Trial) -> bool:
        state = self.study.get_trials(deepcopy=False)[trial.number].state
        return state == TrialState.RUNNING

    def _record(self, trial: Trial, outcome: "Outcome | FrozenTrial") -> None:
        if isinstance(outcome, FrozenTrial):
            self._record_copy(trial, outcome)
            return
        if outcome.state == "INTERRUPTED":
            self._interrupt(trial)
            return
        values = None
        if outcome.state == "COMPLETE":
            values = [self._value(name, outcome, trial) for name in self.plan.objectives]
            if np.isnan(values).any():
                name = self.plan.objectives[int(np.flatnonzero(np.isnan(values))[0])]
                outcome.state, outcome.reason = "FAIL", f"The objective {name!r} is NaN."
                values = None
        self._tell(trial, asdict(outcome), outcome.state, values)

    def _record_copy(self, trial: Trial, twin: FrozenTrial) -> None:
        result = {**result_of(twin), "copy_of": twin.number, "warnings": []}
        result["n_epochs"] = None if result["n_epochs"] is None else 0
        with suppress(UpdateFinishedTrialError):  # another worker took this one for dead
            for step, value in twin.intermediate_values.items():
                trial.report(value, step)
        self._tell(trial, result, result["state"], twin.values)

    def _tell(self, trial: Trial, result: dict[str, Any], state: str, values: Any) -> None:
        with self.storage.locked():
            if not self._is_mine(trial):  # this worker was taken for dead
                return
            trial.set_user_attr(RESULT, result)
            told = told_state(state)
            self.study.tell(trial, values if told == TrialState.COMPLETE else None, state=told)
        done = finished_trials(self.study)
        shown = values[0] if values else None
        reason = error_line(result["reason"])
        self.progress.trial_ended(
            trial.number, state, shown, len(done), best_value(self.study), reason
        )

    def _value(self, name: str, outcome: Outcome, trial: Trial) -> float:
        """Return the value of an objective."""
        if name in SIZES:
            assert self.plan.sizer is not None
            return float(self.plan.sizer(self.params[trial.number])[name])
        if name == "n_epochs":
            return float(outcome.n_epochs or 0)
        if name in ("predict_seconds", "fit_seconds"):
            field = "predict_time" if name == "predict_seconds" else "fit_time"
            return float(np.mean([getattr(fold, field) for fold in outcome.folds]))
        cv = self.plan.cv
        return float(np.mean([cv.score_of(fold, name) for fold in outcome.folds]))
