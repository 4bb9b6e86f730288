"""What a study holds of a search: its plan, its trials, and how they are read.

All that is known of a trial is in the study, so that any process can tell what came out.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import optuna
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from skcnn.model_selection._evaluation import Outcome
from skcnn.model_selection._folds import CrossValidation
from skcnn.model_selection._network_size import COSTS, Limits, NetworkSizer
from skcnn.model_selection._param_space import ParamSpace
from skcnn.model_selection._running.storage import StudyStorage
from skcnn.model_selection._step_cache import hash_of

# Attributes of trials, besides INITIAL.
WORKER = "skcnn:worker"
RESULT = "skcnn:result"
KEY = "skcnn:params"
RETRY_OF = "skcnn:retry_of"
ATTEMPT = "skcnn:attempt"
# Attributes of the study.
FINGERPRINT = "skcnn:fingerprint"
INTERRUPTED = "skcnn:interrupted"  # numbers of trials that do not count
DIED = "skcnn:died"  # numbers of those whose worker died
MOST_ATTEMPTS = 3


@dataclass(frozen=True)
class SearchPlan:
    """What a search was asked for, the same for every worker.

    Attributes
    ----------
    cv : CrossValidation
        Data, splits and scorer.
    space : ParamSpace
        Where parameters come from.
    n_trials : int or None
        Trials in all, of all processes and calls.
    deadline : float or None
        Time, in seconds since the epoch, when the search ends.
    patience : int or None
        Trials without a better one after which it ends.
    sampler : str or BaseSampler
        As the parameter.
    pruner : BasePruner
        Already made.
    objectives : tuple of str
        "score", a metric, or one of `COSTS`.
    limits : Limits or None
        Largest network.
    sizer : NetworkSizer or None
        Counts a network's parameters.
    trial_seconds : float or None
        Longest trial.
    epochs_per_fold : int
        Steps of the pruner for one fold.
    seed : int or None
        Of the sampler.
    """

    cv: CrossValidation
    space: ParamSpace
    n_trials: int | None
    deadline: float | None
    patience: int | None
    sampler: Any
    pruner: Any
    objectives: tuple[str, ...]
    limits: Limits | None
    sizer: NetworkSizer | None
    trial_seconds: float | None
    epochs_per_fold: int
    seed: int | None

    @property
    def directions(self) -> list[StudyDirection]:
        """Return how each objective is better."""
        return [
            StudyDirection.MINIMIZE if name in COSTS else StudyDirection.MAXIMIZE
            for name in self.objectives
        ]


def open_study(
    plan: SearchPlan,
    storage: StudyStorage,
    study_name: str,
    fingerprint: Mapping[str, str],
    resume: bool,
) -> Study:
    """Make the study, or load it where it is there already.

    Raises
    ------
    ValueError
        If it is there and is not to be resumed, or was made for something else.
    """
    with storage.locked():
        if study_name not in optuna.get_all_study_names(storage.storage):
            study = optuna.create_study(
                storage=storage.storage, study_name=study_name, directions=plan.directions
            )
        else:
            study = optuna.load_study(study_name=study_name, storage=storage.storage)
            known = study.user_attrs.get(FINGERPRINT)
            begun = study.directions != plan.directions or study.get_trials(deepcopy=False)
            if known is not None or begun:  # else a process died while it made the study
                _check_same_search(study_name, known, fingerprint, resume)
        if FINGERPRINT not in study.user_attrs:
            study.set_user_attr(FINGERPRINT, dict(fingerprint))
    return study


def _check_same_search(
    study_name: str, known: Any, fingerprint: Mapping[str, str], resume: bool
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
    names = dict.fromkeys([*fingerprint, *known])
    others = [name for name in names if known.get(name) != fingerprint.get(name)]
    if others:
        shown = "; ".join(
            f"{name} was {_shorten(known.get(name))}, is now {_shorten(fingerprint.get(name))}"
            for name in others
        )
        raise ValueError(
            f"The study {study_name!r} of the storage was made for another search: {shown}. "
            "Its scores cannot be compared with new ones. Pass the same, or another "
            "study_name or storage."
        )


def _shorten(text: Any) -> str:
    text = str(text)
    return text if len(text) <= 200 else text[:200] + "..."


def is_counted(trial: FrozenTrial, interrupted: Sequence[int]) -> bool:
    """Return whether a trial is one of the `n_trials`."""
    return trial.state != TrialState.WAITING and trial.number not in interrupted


def result_of(trial: FrozenTrial) -> dict[str, Any]:
    """Return an Outcome as a dict, also of a trial whose workers died."""
    result = trial.user_attrs.get(RESULT)
    if result is not None and told_state(result["state"]) == trial.state:
        return result
    return asdict(Outcome("FAIL", reason=f"{MOST_ATTEMPTS} workers died with these parameters."))


def told_state(state: str) -> TrialState:
    """Return Optuna's state for an outcome's."""
    return TrialState.PRUNED if state == "INFEASIBLE" else TrialState[state]


def finished_trials(study: Study) -> list[FrozenTrial]:
    """Return the trials that count and are finished, by number."""
    interrupted = study.user_attrs.get(INTERRUPTED, [])
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


def key_of(params: Mapping[str, Any]) -> str:
    """Return a short text that is the same for equal parameters."""
    text = repr(sorted((name, hash_of(value)) for name, value in params.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
