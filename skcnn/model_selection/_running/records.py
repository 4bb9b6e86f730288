"""TrialRecorder: writes the outcomes of trials to the study, under the study's lock."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import numpy as np
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from skcnn.model_selection._evaluation import Outcome
from skcnn.model_selection._fit_messages import error_line
from skcnn.model_selection._network_size import SIZES
from skcnn.model_selection._plan import SearchPlan
from skcnn.model_selection._running.abandoned import interrupt
from skcnn.model_selection._running.claims import Claim
from skcnn.model_selection._running.storage import StudyStorage
from skcnn.model_selection._running.study import (
    RESULT,
    optuna_state,
    result_of,
)
from skcnn.model_selection._running.trial_index import TrialIndex


class TrialRecorder:
    """Records the outcomes of claimed trials, unless another worker has taken them over.

    Parameters
    ----------
    plan : SearchPlan
        The plan of the search.
    storage : StudyStorage
        Where the study is.
    index : TrialIndex
        The trials of the study.
    progress : SearchProgress
        Shows every outcome.
    """

    def __init__(
        self, plan: SearchPlan, storage: StudyStorage, index: TrialIndex, progress: Any
    ) -> None:
        self.plan = plan
        self.storage = storage
        self.index = index
        self.study = index.study
        self.progress = progress

    def record(self, claim: Claim, outcome: Outcome) -> None:
        """Record an outcome with the values of the objectives."""
        if outcome.state == "INTERRUPTED":
            self.interrupt(claim.trial)
            return
        values = None
        if outcome.state == "COMPLETE":
            values = [self._value(name, outcome, claim.params) for name in self.plan.objectives]
            if np.isnan(values).any():
                name = self.plan.objectives[int(np.flatnonzero(np.isnan(values))[0])]
                outcome.state, outcome.reason = "FAIL", f"The objective {name!r} is NaN."
                values = None
        self._tell(claim.trial, asdict(outcome), values)

    def record_copy(self, trial: Trial, original: FrozenTrial) -> None:
        """Record the outcome of an earlier trial with the same parameters."""
        result = {**result_of(original), "copy_of": original.number, "warnings": []}
        result["n_epochs"] = None if result["n_epochs"] is None else 0
        with suppress(UpdateFinishedTrialError):  # another worker has taken the trial over
            for step, value in original.intermediate_values.items():
                trial.report(value, step)
        self._tell(trial, result, original.values)

    def interrupt(self, trial: Trial) -> None:
        """Fail a trial that does not count and may be tried again."""
        with self.storage.locked():
            if self._is_running(trial):
                interrupt(self.study, trial.number)

    def _is_running(self, trial: Trial) -> bool:
        """Return whether no other worker has taken the trial over."""
        self.index.refresh()
        return self.index.trials[trial.number].state == TrialState.RUNNING

    def _tell(self, trial: Trial, result: Mapping[str, Any], values: Any) -> None:
        with self.storage.locked():
            if not self._is_running(trial):
                return
            trial.set_user_attr(RESULT, result)
            state = optuna_state(result["state"])
            self.study.tell(trial, values if state == TrialState.COMPLETE else None, state=state)
            self.index.refresh()
        self.progress.trial_ended(
            trial.number,
            result["state"],
            values[0] if values else None,
            self.index.n_finished,
            self.index.best_value,
            error_line(result["reason"]),
        )

    def _value(self, name: str, outcome: Outcome, params: Mapping[str, Any]) -> float:
        """Return the value of an objective."""
        if name in SIZES:
            assert self.plan.sizer is not None
            return float(self.plan.sizer(params)[name])
        if name == "n_epochs":
            return float(outcome.n_epochs or 0)
        if name in ("predict_seconds", "fit_seconds"):
            field = "predict_time" if name == "predict_seconds" else "fit_time"
            return float(np.mean([getattr(fold, field) for fold in outcome.folds]))
        cv = self.plan.cv
        return float(np.mean([cv.score_of(fold, name) for fold in outcome.folds]))
