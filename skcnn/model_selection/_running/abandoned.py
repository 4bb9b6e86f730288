"""Trials whose worker has died or was interrupted: they fail, and are tried again.

The caller must hold the study's lock.
"""

from collections.abc import Iterable

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from skcnn.model_selection._running.storage import StudyStorage
from skcnn.model_selection._running.study import (
    ATTEMPT,
    DIED,
    INTERRUPTED,
    MOST_ATTEMPTS,
    WORKER,
    interrupted_numbers,
)


def fail_trials_of_dead_workers(
    study: Study, storage: StudyStorage, running: Iterable[FrozenTrial]
) -> bool:
    """Fail those of the running trials whose worker is dead; return whether there are any.

    Such a trial does not count, except its last attempt.
    """
    any_failed = False
    for trial in running:
        worker = trial.user_attrs.get(WORKER)
        if worker is not None and storage.is_alive(worker):
            continue
        if trial.user_attrs.get(ATTEMPT, 1) < MOST_ATTEMPTS:
            _mark_interrupted(study, trial.number)
            study.set_user_attr(DIED, [*study.user_attrs.get(DIED, []), trial.number])
        study.tell(trial.number, state=TrialState.FAIL)
        any_failed = True
    return any_failed


def interrupt_trials_of(study: Study, worker: str) -> None:
    """Interrupt the running trials of a worker, and those without one."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if trial.user_attrs.get(WORKER, worker) == worker:
            interrupt(study, trial.number)


def interrupt(study: Study, number: int) -> None:
    """Fail a trial that does not count and may be tried again."""
    _mark_interrupted(study, number)
    study.tell(number, state=TrialState.FAIL)


def _mark_interrupted(study: Study, number: int) -> None:
    study.set_user_attr(INTERRUPTED, [*interrupted_numbers(study), number])
