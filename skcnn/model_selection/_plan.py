"""Checks the parameters of a search, and makes its protocol and plan for the data."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any

from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv

from skcnn._convnet.pipelines import final_estimator, find_convnet, trains_augmented
from skcnn._data.layouts import InputLayout
from skcnn._data.series.layout import SeriesLayout
from skcnn._utils.compat import InvalidParameterError, is_made_scorer, routed_fit_params, scorers_of
from skcnn._utils.random_state import (
    distinct_seeds,
    draw_seed,
    named_seed,
    seeded_clone,
    seeded_splitter,
)
from skcnn._utils.validation import check_parameters, warn_caller
from skcnn.datasets._leakage import warn_of_copies
from skcnn.model_selection._cross_validation import CrossValidation
from skcnn.model_selection._network_size import (
    COSTS,
    SIZES,
    Limits,
    NetworkSizer,
    read_outputs,
    read_shape,
)
from skcnn.model_selection._pruners import pruner_for
from skcnn.model_selection._samplers import sampler_for
from skcnn.model_selection._spaces.base import ParamSpace
from skcnn.model_selection._spaces.factory import make_space

BOUNDS = (*SIZES, "seconds")  # the names that `constraints` can have


@dataclass(frozen=True)
class SearchPlan:
    """The settings of a search, the same for every worker.

    Attributes
    ----------
    cv : CrossValidation
        Data, splits and scorer.
    space : ParamSpace
        What parameters are drawn from.
    n_trials : int or None
        Number of trials of all processes and calls together.
    deadline : float or None
        When the search ends, in seconds of `time.time`.
    patience : int or None
        Number of trials in a row without a better one after which the search ends.
    sampler : str or BaseSampler
        The parameter of the search.
    pruner : BasePruner
        Optuna's pruner.
    objectives : tuple of str
        "score", the name of a score, or one of `COSTS`.
    limits : Limits or None
        Largest network.
    sizer : NetworkSizer or None
        Counts a network's parameters.
    trial_seconds : float or None
        Longest trial.
    epochs_per_fold : int
        Steps of the pruner for one fold.
    seed : int or None
        Seed of the sampler.
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
    def minimized(self) -> list[bool]:
        """Whether smaller is better, for each objective."""
        return [name in COSTS for name in self.objectives]

    def is_over(self) -> bool:
        """Return whether the deadline has passed."""
        return self.deadline is not None and time.time() > self.deadline


def check_search(search: Any) -> None:
    """Check the parameters of a ConvNetSearchCV that can be checked without the data.

    Raises
    ------
    InvalidParameterError
        If one is illegal, or cannot be combined with another.
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
            "The 'patience' parameter must be None with several objectives, which have no best "
            f"trial. Got {search.patience!r}."
        )
    _check_constraints(search.constraints or {})


def _check_constraints(constraints: Mapping[str, Any]) -> None:
    bound: Any
    for name, bound in constraints.items():
        if name not in BOUNDS:
            raise InvalidParameterError(
                f"The 'constraints' parameter must name some of {list(BOUNDS)}. Got {name!r}."
            )
        number = isinstance(bound, Real) and not isinstance(bound, bool)
        if not number or not bound > 0:
            raise InvalidParameterError(
                f"The 'constraints' parameter must give {name!r} a number > 0. Got {bound!r}."
            )


def cross_validation_of(
    search: Any, X: Any, y: Any, scorer: Any, params: Mapping[str, Any]
) -> tuple[CrossValidation, int | None]:
    """Return the data, splits and scorer of all trials, and the seed of the search.

    Parameters
    ----------
    search : ConvNetSearchCV
        The search.
    X, y : array-like
        The data.
    scorer : callable
        Returns a number or a dict of numbers.
    params : mapping
        Further arguments of the search's `fit`.
    """
    routed = routed_fit_params(search, params)
    net = find_convnet(search.estimator)
    if net is not None:
        read_outputs(net, X, y)  # raises for bad targets before they are split
    cv = check_cv(search.cv, y, classifier=is_classifier(search.estimator))
    estimator, seed = clone(search.estimator), None
    if search.random_state is not None:
        seed = draw_seed(search.random_state)
        estimator = seeded_clone(estimator, partial(distinct_seeds, seed))
        cv = seeded_splitter(cv, named_seed(seed, "cv"))
    splits = list(cv.split(X, y, **routed.splitter.split))
    if not splits:
        raise ValueError("No fits were performed. Was the CV iterator empty?")
    warn_of_copies(X, splits)
    objectives = search._objectives()
    data = CrossValidation(
        estimator,
        X,
        y,
        splits,
        scorer,
        main_metric=_main_metric(objectives[0], search.refit),
        objectives=tuple(name for name in objectives if name not in ("score", *COSTS)),
        own_scorer=_has_own_scorer(search.scoring),
        fit_params=routed.estimator.fit,
        score_params=routed.scorer.score,
        error_score=search.error_score,
        return_train_score=search.return_train_score,
        time_predictions="predict_seconds" in objectives,
        seed=seed,
    )
    return data, seed


def _main_metric(objective: str, refit: Any) -> str | None:
    """Return the name of the score that the pruner sees, None for the first or only one."""
    if objective not in ("score", *COSTS):
        return objective
    return refit if isinstance(refit, str) else None


def _has_own_scorer(scoring: Any) -> bool:
    """Return whether the user wrote a scorer, which may use the steps of a Pipeline."""
    scorers = scoring.values() if isinstance(scoring, dict) else [scoring]
    return any(callable(scorer) and not is_made_scorer(scorer) for scorer in scorers)


def make_plan(search: Any, cv: CrossValidation, seed: int | None) -> SearchPlan:
    """Return the plan of a ConvNetSearchCV for its data.

    Raises
    ------
    InvalidParameterError
        If parameters cannot be combined with each other or with the estimator.
    """
    objectives = search._objectives()
    _check_objectives(search, objectives, cv)
    bounds = {k: v for k, v in (search.constraints or {}).items() if k in SIZES}
    shape = _input_shape(search, objectives, bounds, cv)
    sizer, layout = None, None
    if shape is not None:
        sample, layout = shape
        n_outputs = read_outputs(find_convnet(cv.estimator), cv.X, cv.y)
        series = layout if isinstance(layout, SeriesLayout) else None
        sizer = NetworkSizer(cv.estimator, sample, n_outputs, series)
    limits = Limits(bounds, sizer) if bounds and sizer is not None else None
    n_epochs = _epochs_per_fold(cv, layout)
    sampler_for(search.sampler, None, 0)  # raises if it is illegal
    space = make_space(search, cv, layout, limits, sizer)
    return SearchPlan(
        cv=cv,
        space=space,
        n_trials=_n_trials(search.n_trials, space.n_points),
        deadline=None if search.timeout is None else time.time() + search.timeout,
        patience=search.patience,
        sampler=search.sampler,
        pruner=pruner_for(
            None if find_convnet(cv.estimator) is None else search.pruner,
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
    metrics = scorers_of(cv.scorer)
    if callable(search.scoring):
        return  # the names of its scores are not known yet
    known += list(metrics or [])
    for name in objectives:
        if name not in known:
            raise InvalidParameterError(
                f"The 'objectives' parameter must name some of {known}. Got {name!r}."
            )


def _input_shape(
    search: Any, objectives: tuple[str, ...], bounds: Mapping[str, Any], cv: CrossValidation
) -> tuple[tuple[int, ...], InputLayout] | None:
    """Return a sample's shape and how the ConvNet reads it, None if the search needs neither.

    A ConvNet without a Pipeline always reads the data here, so that bad data raise an error
    before the first trial.
    """
    net = find_convnet(cv.estimator)
    needed = search.param_space == "auto" or bounds or {*SIZES} & {*objectives}
    if needed and net is None:
        raise InvalidParameterError(
            "The 'param_space' parameter must be a dict or a callable, without bounds of a "
            "network's size, where the estimator is neither a ConvNet nor a Pipeline that "
            f"ends in one. Got {search.param_space!r} and a "
            f"{type(final_estimator(cv.estimator)).__name__}."
        )
    return read_shape(cv) if needed or net is cv.estimator else None


def _epochs_per_fold(cv: CrossValidation, layout: InputLayout | None) -> int:
    """Return the epochs of a fold's training, 1 without a ConvNet."""
    net: Any = find_convnet(cv.estimator)
    if net is None:
        return 1
    n_train = len(cv.splits[0][0])
    if net.early_stopping:
        n_train = max(int(n_train * (1 - net.validation_fraction)), 1)
    shape = None if layout is None else layout.traced_shape
    return net._n_epochs(n_train, shape, trains_augmented(cv.estimator, cv.X, layout))


def _n_trials(n_trials: int | None, n_points: int | None) -> int | None:
    """Return the number of trials, at most the number of points of the space."""
    if n_points is None or (n_trials is not None and n_trials <= n_points):
        return n_trials
    if n_trials is not None:
        warn_caller(
            f"The total space of parameters {n_points} is smaller than n_trials={n_trials}. "
            f"Running {n_points} trials. For exhaustive searches, use GridSearchCV.",
            UserWarning,
        )
    return n_points
