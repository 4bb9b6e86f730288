"""`sample_weight` and `groups`, as the `fit` of each model and each score takes them."""

import inspect
from collections.abc import Mapping
from typing import Any

from sklearn import get_config
from sklearn.metrics import check_scoring, get_scorer
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import MetadataRouter, get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from skcnn._utils.compat import BaseSearchCV, GroupsConsumerMixin, scorers_of, takes_sample_weight


def fit_params_of(name: str, model: Any, sample_weight: Any, groups: Any) -> dict[str, Any]:
    """Return the parameters for `fit` of a model, besides samples and targets.

    Raises
    ------
    ValueError
        If weights are given and the model takes none.
    """
    params = _group_params(model, groups)
    if sample_weight is None:
        return params
    parameter = _weight_parameter(model)
    if parameter is None:
        raise ValueError(
            f"sample_weight was given, but the model {name!r} ({type(model).__name__}) takes no "
            "weights in fit, and would solve a different task than the other models."
        )
    return {parameter: sample_weight} | params


def _group_params(model: Any, groups: Any) -> dict[str, Any]:
    """Return the parameters that give the groups to the splitter of a search."""
    if groups is None:
        return {}
    if isinstance(model, Pipeline):
        name, last = model.steps[-1]
        given = _group_params(last, groups)
        routed = get_config()["enable_metadata_routing"]
        return given if routed else {f"{name}__{key}": value for key, value in given.items()}
    if not isinstance(model, BaseSearchCV):
        return {}
    # with routing enabled, a splitter that does not use groups raises if it receives them
    uses_groups = isinstance(model.cv, GroupsConsumerMixin)
    return {"groups": groups} if uses_groups or not get_config()["enable_metadata_routing"] else {}


def _weight_parameter(model: Any) -> str | None:
    """Return the parameter of `fit` that takes the weights, None if there is none."""
    if not get_config()["enable_metadata_routing"]:
        if isinstance(model, BaseSearchCV):
            return _weight_parameter(model.estimator)
        if isinstance(model, Pipeline):
            name, last = model.steps[-1]
            parameter = _weight_parameter(last)
            return None if parameter is None else f"{name}__{parameter}"
    takes = has_fit_parameter(model, "sample_weight") or _routes_params(model)
    return "sample_weight" if takes else None


def _routes_params(model: Any) -> bool:
    """Return whether `fit` of a metaestimator passes any parameter to estimators inside."""
    if not hasattr(model, "fit"):  # such as the "passthrough" that a search replaces
        return False
    kinds = {parameter.kind for parameter in inspect.signature(model.fit).parameters.values()}
    return inspect.Parameter.VAR_KEYWORD in kinds and isinstance(
        get_routing_for_object(model), MetadataRouter
    )


def weighted_scoring(scoring: Any) -> Any:
    """Return `scoring` with scorers that all use `sample_weight`.

    Raises
    ------
    ValueError
        If one takes no weights.
    """
    if not callable(scoring) and not isinstance(scoring, Mapping):
        scoring = {name: name for name in scorers_of(check_scoring(scoring=scoring)) or {}}
    alone = {"score": scoring} if callable(scoring) else {}
    scorers = alone or {name: get_scorer(scorer) for name, scorer in scoring.items()}
    for name, scorer in scorers.items():
        takes = takes_sample_weight(scorer)
        if takes is None:  # scikit-learn gives weights to a function only if it is the only score
            takes = bool(alone) and "sample_weight" in inspect.signature(scorer).parameters
        if not takes:
            raise ValueError(
                f"sample_weight was given, but the score {name!r} takes no weights: fits would "
                "be weighted, scores not. Use make_scorer of a metric with a sample_weight."
            )
        # scorer objects that the user passed have their own requests
        by_name = not alone and isinstance(scoring[name], str)
        if by_name and get_config()["enable_metadata_routing"]:
            scorer.set_score_request(sample_weight=True)
    return scoring if alone else scorers
