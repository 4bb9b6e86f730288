"""TrialIndex: what a worker must know of all trials, kept up to date trial by trial."""

from bisect import bisect_right, insort
from collections.abc import Sequence

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from skcnn.model_selection._finished import NewlyFinished
from skcnn.model_selection._running.study import (
    KEY,
    RETRY_OF,
    interrupted_numbers,
    is_counted,
)
from skcnn.model_selection._spaces.base import INITIAL


class TrialIndex:
    """Numbers, parameters and values of a study's trials, without a look at all of them.

    `refresh` reads the trials that are new or were not finished; the rest is known. A trial
    that does not count is marked before it is finished, so that the mark is known with it.

    Parameters
    ----------
    study : Study
        Optuna's study.

    Attributes
    ----------
    trials : sequence of FrozenTrial
        All trials at the last refresh, by number.
    best : FrozenTrial or None
        The complete trial with the best first objective, the earlier one of equals.
    next_initial : int
        Number of the initial parameters that no trial has taken.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.trials: Sequence[FrozenTrial] = []
        self.best: FrozenTrial | None = None
        self.next_initial = 0
        self._sign = 1 if study.directions[0] == StudyDirection.MAXIMIZE else -1
        self._reader = NewlyFinished()
        self._interrupted: set[int] = set()
        self._retried: set[int] = set()
        self._finished: list[int] = []  # numbers of finished trials that count, sorted
        self._first: dict[str, int] = {}  # the first of them with each parameters' key

    def refresh(self) -> list[FrozenTrial]:
        """Read what has changed; return the trials that have finished and count, by number."""
        n_before = len(self.trials)
        self.trials = self.study.get_trials(deepcopy=False)
        self._interrupted = set(interrupted_numbers(self.study))  # marked before it is finished
        for trial in self.trials[n_before:]:  # these attributes are set when a trial is made
            if RETRY_OF in trial.user_attrs:
                self._retried.add(trial.user_attrs[RETRY_OF])
            if INITIAL in trial.user_attrs:
                self.next_initial = max(self.next_initial, trial.user_attrs[INITIAL] + 1)
        finished = self._reader.among(self.trials)
        counted = [trial for trial in finished if is_counted(trial, self._interrupted)]
        for trial in counted:
            self._add(trial)
        return counted

    def _add(self, trial: FrozenTrial) -> None:
        insort(self._finished, trial.number)
        key = trial.user_attrs.get(KEY)
        if key is not None:
            self._first[key] = min(trial.number, self._first.get(key, trial.number))
        complete = trial.state == TrialState.COMPLETE
        if complete and (self.best is None or self._rank(trial) > self._rank(self.best)):
            self.best = trial

    def _rank(self, trial: FrozenTrial) -> tuple[float, int]:
        return self._sign * trial.values[0], -trial.number

    @property
    def running(self) -> list[FrozenTrial]:
        """The running trials, by number."""
        return [t for t in self._reader.unfinished if t.state == TrialState.RUNNING]

    @property
    def n_counted(self) -> int:
        """How many trials count for `n_trials`."""
        return len(self._finished) + len(self._running_counted())

    @property
    def n_finished(self) -> int:
        """How many trials are finished and count."""
        return len(self._finished)

    @property
    def n_since_best(self) -> int:
        """How many trials after the best one are finished and count; all without a best one."""
        if self.best is None:
            return len(self._finished)
        return len(self._finished) - bisect_right(self._finished, self.best.number)

    @property
    def best_value(self) -> float | None:
        """The best value of the first objective so far, None without one."""
        return None if self.best is None else self.best.values[0]

    def is_waiting(self) -> bool:
        """Return whether a trial is enqueued."""
        return any(t.state == TrialState.WAITING for t in self._reader.unfinished)

    def is_running(self) -> bool:
        """Return whether a trial that counts is running."""
        return bool(self._running_counted())

    def has(self, key: str) -> bool:
        """Return whether a trial that counts has the parameters of this key."""
        return key in self._first or any(
            trial.user_attrs.get(KEY) == key for trial in self._running_counted()
        )

    def first_with(self, key: str, before: int) -> FrozenTrial | None:
        """Return the first trial with these parameters that counts, of those before a number."""
        numbers = [t.number for t in self._running_counted() if t.user_attrs.get(KEY) == key]
        if key in self._first:
            numbers.append(self._first[key])
        first = min(numbers, default=before)
        return self.trials[first] if first < before else None

    def next_retry(self) -> FrozenTrial | None:
        """Return the first interrupted trial that was not tried again, None without one."""
        left = [n for n in self._interrupted - self._retried if n < len(self.trials)]
        return self.trials[min(left)] if left else None

    def _running_counted(self) -> list[FrozenTrial]:
        return [t for t in self._reader.unfinished if is_counted(t, self._interrupted)]
