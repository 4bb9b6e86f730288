"""A study: the attributes of its trials, how it is opened, and how its trials are read.

Everything known of a trial is in the study, so that any process can read the results.
"""

import warnings
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict
from itertools import count
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from skcnn.model_selection._evaluation import Outcome
from skcnn.model_selection._fingerprint import differences
from skcnn.model_selection._plan import SearchPlan
from skcnn.model_selection._running.storage import StudyStorage

# Attributes of trials, besides INITIAL.
WORKER = "skcnn:worker"
RESULT = "skcnn:result"
KEY = "skcnn:params"
RETRY_OF = "skcnn:retry_of"
ATTEMPT = "skcnn:attempt"
# Attributes of the study.
FINGERPRINT = "skcnn:fingerprint"
INTERRUPTED = "skcnn:interrupted"  # numbers of trials that do not count
DIED = "skcnn:died"  # numbers of trials whose worker died
CONTINUED = "skcnn:continued"  # name of the study that has all its trials and further ones
MOST_ATTEMPTS = 3


def open_study(
    plan: SearchPlan,
    storage: StudyStorage,
    study_name: str,
    fingerprint: Mapping[str, Any],
    resume: bool,
) -> Study:
    """Make the study, or load it if the storage has it already.

    Raises
    ------
    ValueError
        If the storage has it, but it must not be resumed or belongs to another search.
    """
    directions = [
        StudyDirection.MINIMIZE if small else StudyDirection.MAXIMIZE for small in plan.minimized
    ]
    with storage.locked():
        if study_name not in optuna.get_all_study_names(storage.storage):
            study = optuna.create_study(
                storage=storage.storage, study_name=study_name, directions=directions
            )
        else:
            study = load_study(study_name, storage.storage)
            known = study.user_attrs.get(FINGERPRINT)
            begun = study.directions != directions or study.get_trials(deepcopy=False)
            if known is not None or begun:  # else its process died before it was set up
                _check_same_search(study_name, known, fingerprint, resume)
            study = _with_all_choices(study, study_name, storage.storage, plan)
        if study.user_attrs.get(FINGERPRINT) != fingerprint:
            study.set_user_attr(FINGERPRINT, dict(fingerprint))
        _set_metric_names(study, plan.objectives)
    return study


def load_study(study_name: str, storage: BaseStorage) -> Study:
    """Load a study, or the one that continues it with further choices."""
    study = optuna.load_study(study_name=study_name, storage=storage)
    while CONTINUED in study.user_attrs:
        study = optuna.load_study(study_name=study.user_attrs[CONTINUED], storage=storage)
    return study


def _with_all_choices(
    study: Study, study_name: str, storage: BaseStorage, plan: SearchPlan
) -> Study:
    """Return a study whose trials can have all choices of the space, a copy if it is needed.

    Optuna does not append choices to the parameters of a study.
    """
    space = plan.space.distributions or {}
    if not any(_has_fewer_choices(trial, space) for trial in study.get_trials(deepcopy=False)):
        return study
    trials = [t for t in study.get_trials() if t.state != TrialState.WAITING]
    for trial in trials:
        _append_choices(trial, space)
    names = optuna.get_all_study_names(storage)
    name = next(n for i in count(2) if (n := f"{study_name} ({i})") not in names)
    copied = optuna.create_study(storage=storage, study_name=name, directions=study.directions)
    copied.add_trials(trials)
    for key, value in study.user_attrs.items():
        copied.set_user_attr(key, value)
    study.set_user_attr(CONTINUED, name)  # last, so that a process that dies leaves all as it was
    return copied


def _has_fewer_choices(trial: FrozenTrial, space: Mapping[str, BaseDistribution]) -> bool:
    """Return whether a trial that was begun has other choices than the space."""
    return trial.state != TrialState.WAITING and bool(_changed_choices(trial, space))


def _changed_choices(
    trial: FrozenTrial, space: Mapping[str, BaseDistribution]
) -> dict[str, CategoricalDistribution]:
    return {
        name: now
        for name, before in trial.distributions.items()
        if isinstance(now := space.get(name, before), CategoricalDistribution) and now != before
    }


def _append_choices(trial: FrozenTrial, space: Mapping[str, BaseDistribution]) -> None:
    """Give a copy of a trial the choices of the space."""
    for name, now in _changed_choices(trial, space).items():
        index = trial.distributions[name].to_internal_repr(trial.params[name])
        trial.params = {**trial.params, name: now.to_external_repr(index)}
        trial.distributions = {**trial.distributions, name: now}


def _set_metric_names(study: Study, names: Sequence[str]) -> None:
    """Name the values of trials in Optuna's tables and plots."""
    if study.metric_names is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(list(names))


def _check_same_search(
    study_name: str, known: Any, fingerprint: Mapping[str, Any], resume: bool
) -> None:
    if not resume:
        raise ValueError(
            f"The storage has a study {study_name!r} already. Pass resume=True to continue it, "
            "or another study_name."
        )
    if known is None:
        raise ValueError(
            f"The study {study_name!r} of the storage was not made by ConvNetSearchCV. Pass "
            "another study_name."
        )
    changed = differences(known, fingerprint)
    if changed:
        raise ValueError(
            f"The study {study_name!r} of the storage was made for another search: "
            f"{'; '.join(changed)}. Its scores cannot be compared with new ones. Pass the same, "
            "or another study_name or storage."
        )


def interrupted_numbers(study: Study) -> list[int]:
    """Return the numbers of the trials that do not count."""
    return study.user_attrs.get(INTERRUPTED, [])


def is_counted(trial: FrozenTrial, interrupted: Container[int]) -> bool:
    """Return whether a trial counts for `n_trials`."""
    return trial.state != TrialState.WAITING and trial.number not in interrupted


def result_of(trial: FrozenTrial) -> dict[str, Any]:
    """Return the fields of a trial's Outcome, also if its workers died."""
    result = trial.user_attrs.get(RESULT)
    if result is not None and optuna_state(result["state"]) == trial.state:
        return result
    return asdict(Outcome("FAIL", reason=f"{MOST_ATTEMPTS} workers died with these parameters."))


def optuna_state(state: str) -> TrialState:
    """Return Optuna's state for the state of an outcome."""
    return TrialState.PRUNED if state == "INFEASIBLE" else TrialState[state]


def finished_trials(study: Study) -> list[FrozenTrial]:
    """Return the finished trials that count, by number."""
    interrupted = set(interrupted_numbers(study))
    return [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state.is_finished() and is_counted(trial, interrupted)
    ]


def best_value(study: Study) -> float | None:
    """Return the best value of the first objective so far, None without one."""
    values = [t.values[0] for t in finished_trials(study) if t.state == TrialState.COMPLETE]
    if not values:
        return None
    maximize = study.directions[0] == StudyDirection.MAXIMIZE
    return max(values) if maximize else min(values)
