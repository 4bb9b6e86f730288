"""From the parameters of a search to its plan, and to what tells it from others.

Trains nothing and opens no study.
"""

import time
from collections.abc import Mapping
from numbers import Real
from typing import Any

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import InvalidParameterError

from skcnn._convnet.automatic import resolve_epochs
from skcnn._convnet.pipelines import convnet_of, final_step
from skcnn._data.images import InputLayout
from skcnn._utils.validation import check_parameters, did_you_mean, warn_caller
from skcnn.augmentation._augmented_array import AugmentedArray
from skcnn.augmentation._base import Augmentation
from skcnn.exceptions import ArchitectureError
from skcnn.model_selection._folds import CrossValidation
from skcnn.model_selection._network_size import (
    COSTS,
    SIZES,
    Limits,
    NetworkSizer,
    read_outputs,
    read_shape,
)
from skcnn.model_selection._param_space import (
    AutoSpace,
    CallableSpace,
    DictSpace,
    ParamSpace,
    text_of,
)
from skcnn.model_selection._pruners import needs_lockstep, pruner_for
from skcnn.model_selection._running.study import SearchPlan
from skcnn.model_selection._samplers import sampler_for

BOUNDS = (*SIZES, "seconds")  # what constraints can be
MOST_TIMES_OWN = 8  # multiply-accumulates of an automatic network, times the estimator's own
# Parameters that change how a result is reached, not what it is.
NOT_IN_FINGERPRINT = ("verbose", "n_jobs", "n_threads", "device", "memory", "pre_dispatch")
LONGEST_TEXT = 200  # of a parameter, in a fingerprint


def check_search(search: Any) -> None:
    """Check the parameters of a ConvNetSearchCV, those that need no data.

    Raises
    ------
    InvalidParameterError
        If one is illegal, or does not go with another.
    """
    check_parameters(search)
    if search.n_trials is None and search.timeout is None and search.patience is None:
        raise InvalidParameterError(
            "The 'n_trials' parameter must be an int where timeout and patience are None. "
            "Got None: the search would not end."
        )
    objectives = search._objectives()
    if not objectives or len({*objectives}) < len(objectives):
        raise InvalidParameterError(
            "The 'objectives' parameter must name one or more different objectives. Got "
            f"{search.objectives!r}."
        )
    if {*objectives} <= {*COSTS}:
        raise InvalidParameterError(
            "The 'objectives' parameter must have 'score' or the name of a score, by which "
            f"the best trial is chosen. Got {search.objectives!r}."
        )
    if search.patience is not None and len(objectives) > 1:
        raise InvalidParameterError(
            "The 'patience' parameter must be None with several objectives, of which none "
            f"is the best trial. Got {search.patience!r}."
        )
    bound: Any
    for name, bound in (search.constraints or {}).items():
        if name not in BOUNDS:
            raise InvalidParameterError(
                f"The 'constraints' parameter must name some of {list(BOUNDS)}. Got {name!r}."
            )
        number = isinstance(bound, Real) and not isinstance(bound, bool)
        if not number or not bound > 0:
            raise InvalidParameterError(
                f"The 'constraints' parameter must give {name!r} a number > 0. Got {bound!r}."
            )


def make_plan(search: Any, cv: CrossValidation, seed: int | None) -> SearchPlan:
    """Return what the parameters of a ConvNetSearchCV ask for with these data.

    Raises
    ------
    InvalidParameterError
        If parameters do not go with each other or with the estimator.
    """
    objectives = search._objectives()
    _check_objectives(search, objectives, cv)
    net = convnet_of(cv.estimator)
    bounds = {k: v for k, v in (search.constraints or {}).items() if k in SIZES}
    shaped = search.param_space == "auto" or bounds or {*SIZES} & {*objectives}
    if shaped and net is None:
        raise InvalidParameterError(
            "The 'param_space' parameter must be a dict or a callable, without bounds of a "
            "network's size, where the estimator is neither a ConvNet nor a Pipeline that "
            f"ends in one. Got {search.param_space!r} and a "
            f"{type(final_step(cv.estimator)).__name__}."
        )
    # a single network's data are checked before any trial fails by them
    shaped = shaped or net is cv.estimator
    layout = read_shape(cv) if shaped else None
    sizer = None
    if layout is not None:
        sizer = NetworkSizer(cv.estimator, layout, read_outputs(net, cv.X, cv.y))
    n_train = len(cv.splits[0][0])
    n_epochs = 1
    if net is not None:
        if net.early_stopping:
            n_train = max(int(n_train * (1 - net.validation_fraction)), 1)
        n_epochs = resolve_epochs(net.max_epochs, n_train)
    sampler_for(search.sampler, None, 0, 1)  # tells of what is none
    limits = Limits(bounds, sizer) if bounds and sizer is not None else None
    space = _space(search, cv, layout, limits, sizer)
    n_trials = search.n_trials
    if space.n_points is not None and (n_trials is None or n_trials > space.n_points):
        n_trials = space.n_points
        if search.n_trials is not None:
            warn_caller(
                f"The total space of parameters {n_trials} is smaller than n_trials="
                f"{search.n_trials}. Running {n_trials} trials. For exhaustive searches, use "
                "GridSearchCV.",
                UserWarning,
            )
    return SearchPlan(
        cv=cv,
        space=space,
        n_trials=n_trials,
        deadline=None if search.timeout is None else time.time() + search.timeout,
        patience=search.patience,
        sampler=search.sampler,
        pruner=pruner_for(
            None if net is None else search.pruner,
            n_epochs,
            one_score=len(objectives) == 1 and objectives[0] not in COSTS,
        ),
        objectives=objectives,
        limits=limits,
        sizer=sizer,
        trial_seconds=(search.constraints or {}).get("seconds"),
        epochs_per_fold=n_epochs,
        seed=seed,
    )


def _check_objectives(search: Any, objectives: tuple[str, ...], cv: CrossValidation) -> None:
    known = ["score", *COSTS]
    metrics = getattr(cv.scorer, "_scorers", None)
    if callable(search.scoring):
        return  # which scores it returns is not known yet
    known += list(metrics or [])
    for name in objectives:
        if name not in known:
            raise InvalidParameterError(
                f"The 'objectives' parameter must name some of {known}. Got {name!r}."
            )


def _space(
    search: Any,
    cv: CrossValidation,
    layout: InputLayout | None,
    limits: Limits | None,
    sizer: NetworkSizer | None,
) -> ParamSpace:
    if callable(search.param_space):
        return CallableSpace(search.param_space, search.initial_params)
    if isinstance(search.param_space, Mapping):
        names = clone(cv.estimator).get_params(deep=True)
        for name in search.param_space:
            if name not in names:
                _refuse_name(search.estimator, name, names)
        return DictSpace(search.param_space, search.initial_params)
    assert layout is not None
    net: Any = convnet_of(cv.estimator)
    augmented = net.augmentation is not None
    augmented |= isinstance(cv.X, AugmentedArray) and bool(cv.X.steps)
    prefix, estimator = "", cv.estimator
    while isinstance(estimator, Pipeline):
        augmented |= any(isinstance(step, Augmentation) for _, step in estimator.steps)
        prefix += f"{estimator.steps[-1][0]}__"
        estimator = estimator.steps[-1][1]
    return AutoSpace(
        prefix,
        layout.spatial,
        len(cv.splits[0][0]),
        net.get_params(deep=False),
        augmented,
        search.initial_params,
        _bounds_of_auto(net, limits, sizer),
    )


def _refuse_name(estimator: Any, name: str, names: Mapping[str, Any]) -> None:
    """Raise scikit-learn's error of an unknown parameter, with what may have been meant."""
    inside = [known for known in names if known.endswith(f"__{name}")]
    hint = f" Did you mean {inside[0]!r}?" if inside else did_you_mean(name, names)
    try:
        clone(estimator).set_params(**{name: None})
    except ValueError as error:
        raise ValueError(f"{error}{hint}") from None


def _bounds_of_auto(net: Any, limits: Limits | None, sizer: NetworkSizer | None) -> Limits | None:
    """Return the user's bounds, and how much larger a network may be than the own one."""
    bounds = {} if limits is None else limits.bounds
    if net.architecture is not None or sizer is None or "multiply_accumulates" in bounds:
        return limits
    try:
        own = sizer({})["multiply_accumulates"]
    except ArchitectureError:  # what is drawn may fit
        return Limits(bounds, sizer)
    return Limits({**bounds, "multiply_accumulates": MOST_TIMES_OWN * own}, sizer)


def fingerprint(plan: SearchPlan, scoring: Any) -> dict[str, str]:
    """Return what must be the same for scores to be compared, as short texts."""
    cv = plan.cv
    searched = {name for record in plan.space.initial for name in record}
    searched |= {*(plan.space.distributions or ())}
    own = {
        name: text_of(value)
        for name, value in cv.estimator.get_params(deep=True).items()
        if name.rpartition("__")[2] not in NOT_IN_FINGERPRINT
        and not hasattr(value, "get_params")
        and not (isinstance(value, list) and name.rpartition("__")[2] == "steps")
        and name not in searched
    }
    kinds = [type(cv.estimator).__name__]
    if isinstance(cv.estimator, Pipeline):
        kinds += [type(step).__name__ for _, step in cv.estimator.steps]
    if isinstance(scoring, dict):
        scoring = {name: text_of(value) for name, value in sorted(scoring.items())}
    data = (_in_rows(cv.X), _in_rows(cv.y), dict(cv.fit_params), dict(cv.score_params))
    return {
        "data": joblib.hash(data),
        "cv": f"{len(cv.splits)} splits, {joblib.hash(cv.splits)}",
        "scoring": text_of(scoring),
        "objectives": f"{plan.objectives}, refit={plan.cv.main_metric}",
        "error_score": repr(cv.error_score),
        "constraints": repr(None if plan.limits is None else sorted(plan.limits.bounds.items())),
        "pruner's steps": f"{plan.epochs_per_fold} epochs a fold, "
        + ("all folds at a time" if needs_lockstep(plan.pruner) else "fold after fold"),
        **plan.space.description(),
        "estimator": "/".join(kinds),
        **{f"estimator's {name}": _fit_in_line(text) for name, text in own.items()},
    }


def _in_rows(data: Any) -> Any:
    """Return an array in C order: hashes tell the orders apart."""
    return np.ascontiguousarray(data) if isinstance(data, np.ndarray) else data


def _fit_in_line(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}... {joblib.hash(text)}"
