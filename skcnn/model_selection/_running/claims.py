"""TrialClaims: begins the next trial of a study, under the study's lock."""

import copy
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from optuna.exceptions import TrialPruned
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial
from sklearn.base import clone

from skcnn._data.value_texts import key_of
from skcnn.model_selection._evaluation import Outcome
from skcnn.model_selection._plan import SearchPlan
from skcnn.model_selection._running.abandoned import (
    fail_trials_of_dead_workers,
    interrupt_trials_of,
)
from skcnn.model_selection._running.storage import StudyStorage
from skcnn.model_selection._running.study import (
    ATTEMPT,
    DIED,
    KEY,
    RESULT,
    RETRY_OF,
    WORKER,
    optuna_state,
)
from skcnn.model_selection._running.trial_index import TrialIndex
from skcnn.model_selection._samplers import ScreenedSampler, sampler_for, sampler_seed
from skcnn.model_selection._spaces.base import INITIAL

MOST_POINTS = 10_000  # of a finite space that are looked at for one trial


@dataclass(frozen=True)
class Claim:
    """A trial that this worker runs, and its parameters."""

    trial: Trial
    params: dict[str, Any]


class TrialClaims:
    """Claims trials for a worker, so that no other worker runs the same trial.

    Parameters
    ----------
    plan : SearchPlan
        The plan of the search.
    storage : StudyStorage
        Where the study is.
    index : TrialIndex
        The trials of the study.

    Attributes
    ----------
    over : bool
        Whether all trials of the search are finished, or the search was stopped early.
    """

    def __init__(self, plan: SearchPlan, storage: StudyStorage, index: TrialIndex) -> None:
        self.plan = plan
        self.storage = storage
        self.index = index
        self.study = index.study
        self.over = False
        self._sampler = copy.deepcopy(plan.sampler)
        self._n_asked = 0

    def claim(self) -> Claim | None:
        """Begin the next trial; return None if no trial can begin now, or at all."""
        with self.storage.locked():
            self.index.refresh()
            if fail_trials_of_dead_workers(self.study, self.storage, self.index.running):
                self.index.refresh()
            if self._is_stopped():
                self.over = True
                return None
            if self.plan.n_trials is not None and self.index.n_counted >= self.plan.n_trials:
                self.over = not self.index.is_running()
                return None
            try:
                return self._ask()
            except BaseException:
                interrupt_trials_of(self.study, self.storage.worker)
                raise

    def _is_stopped(self) -> bool:
        """Return whether the deadline has passed or the patience is exhausted."""
        patience = self.plan.patience
        return self.plan.is_over() or (patience is not None and self.index.n_since_best >= patience)

    def _ask(self) -> Claim | None:
        """Begin a trial; return None if it has no parameters that can be set."""
        self._enqueue_next()
        self.study.sampler = self._next_sampler()
        space = self.plan.space
        trial = self.study.ask(space.distributions)
        trial.set_user_attr(WORKER, self.storage.worker)
        try:
            params = space.suggest(trial)
            clone(self.plan.cv.estimator).set_params(**clone(params, safe=False))
        except TrialPruned as pruned:
            self._end(trial, Outcome("PRUNED", n_epochs=0, reason=str(pruned)))
            return None
        except Exception:  # of the user's function, or of a name or value that it returned
            self._end(trial, Outcome("FAIL", reason=traceback.format_exc()))
            if self.plan.cv.error_score == "raise":
                raise
            return None
        trial.set_user_attr(KEY, key_of(params))
        return Claim(trial, params)

    def _end(self, trial: Trial, outcome: Outcome) -> None:
        """End a trial that has no parameters to evaluate."""
        trial.set_user_attr(RESULT, asdict(outcome))
        self.study.tell(trial, state=optuna_state(outcome.state))

    def _next_sampler(self) -> BaseSampler:
        """Return the sampler of the next trial."""
        if self._n_asked == 0 and self.index.trials and isinstance(self._sampler, BaseSampler):
            self._sampler.reseed_rng()  # without it, the draws of earlier trials would be repeated
        self._n_asked += 1
        space = self.plan.space
        number = self.index.n_counted
        sampler = sampler_for(self._sampler, self.plan.seed, number)
        if sampler is self._sampler or space.distributions is None:
            return sampler
        return ScreenedSampler(
            sampler,
            space.distributions,
            self._is_useful,
            usual=None if self._sampler == "random" else space.usual,
            seed=sampler_seed(self.plan.seed, number, 3),
            untried=lambda: self._untried(number),
        )

    def _untried(self, number: int) -> dict[str, Any] | None:
        """Return values of a finite space that were not tried, None if there are none.

        If all of those are too large, one of them. `number` trials were begun before.
        """
        space, too_large = self.plan.space, None
        n_points = space.n_points or 0
        rng = np.random.default_rng(sampler_seed(self.plan.seed, number, 4))
        first = int(rng.random() * n_points)
        for i in range(min(n_points, MOST_POINTS)):
            values = space.point((first + i) % n_points)
            if self._is_useful(values):
                return values
            if too_large is None and not self.index.has(key_of(space.params_of(values))):
                too_large = values
        return too_large

    def _is_useful(self, values: Mapping[str, Any]) -> bool:
        """Return whether drawn values give parameters that are new and small enough."""
        params = self.plan.space.params_of(values)
        if self.index.has(key_of(params)):
            return False
        try:
            return self.plan.limits is None or not self.plan.limits.violation(params)
        except Exception:  # such as of a network that does not fit: the trial fails
            return True

    def _enqueue_next(self) -> None:
        """Enqueue an interrupted trial or the next initial parameters, if there are any."""
        if self.index.is_waiting():
            return
        interrupted = self.index.next_retry()
        if interrupted is not None:
            self._enqueue_again(interrupted)
            return
        initial = self.index.next_initial
        if initial < len(self.plan.space.initial):
            values = self.plan.space.values_of(initial)
            self.study.enqueue_trial(values, user_attrs={INITIAL: initial})

    def _enqueue_again(self, trial: FrozenTrial) -> None:
        """Enqueue the values of an interrupted trial, and count attempts that ended in a death."""
        died = trial.number in self.study.user_attrs.get(DIED, [])
        attempt = trial.user_attrs.get(ATTEMPT, 1) + died
        attributes = {RETRY_OF: trial.number, ATTEMPT: attempt}
        if INITIAL in trial.user_attrs:
            attributes[INITIAL] = trial.user_attrs[INITIAL]
        self.study.enqueue_trial(trial.params, user_attrs=attributes)
