"""The fingerprint of a search: a study can be resumed only by a search with the same one."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from skcnn._data.value_texts import description_of, is_installed, with_hash
from skcnn.model_selection._plan import SearchPlan
from skcnn.model_selection._pruners import needs_all_folds

# Parameters that change how a result is computed, but not the result.
NOT_IN_FINGERPRINT = (
    *("verbose", "n_jobs", "n_threads", "device"),
    *("memory", "pre_dispatch", "feature_cache", "checkpoint", "checkpoint_seconds"),
)
PART_OF_SPACE, OF_ESTIMATOR = "param_space[", "estimator's "
HASH_AT_THE_END = re.compile(r" \[[0-9a-f]+\]$")


def fingerprint(plan: SearchPlan, scoring: Any) -> dict[str, Any]:
    """Return descriptions that are the same for two searches with comparable scores.

    Parameters
    ----------
    plan : SearchPlan
        The plan of the search.
    scoring : object
        The parameter of the search.

    Returns
    -------
    dict of str to object
        Texts. The entries of a dict's space are dicts with a "text", and their choices or
        ranges.
    """
    cv = plan.cv
    passed = {**cv.fit_params, **{f"scorer's {k}": v for k, v in cv.score_params.items()}}
    return {
        "X": _data_text(cv.X),
        "y": _data_text(cv.y),
        **{name: _data_text(value) for name, value in passed.items()},
        "cv": with_hash(f"{len(cv.splits)} splits", cv.splits),
        "scoring": description_of(scoring),
        "objectives": f"{plan.objectives}, refit={plan.cv.main_metric}",
        "error_score": repr(cv.error_score),
        "constraints": repr(None if plan.limits is None else sorted(plan.limits.bounds.items())),
        "pruner's steps": f"{plan.epochs_per_fold} epochs a fold, "
        + ("all folds at a time" if needs_all_folds(plan.pruner) else "fold after fold"),
        **plan.space.description(),
        "estimator": _structure(cv.estimator),
        **{OF_ESTIMATOR + name: text for name, text in _unsearched_params(plan).items()},
    }


def _data_text(data: Any) -> str:
    if isinstance(data, list | tuple):
        return with_hash(f"{type(data).__name__} of {len(data)}", data)
    if hasattr(data, "shape") and not isinstance(data, np.ndarray):
        return with_hash(f"{type(data).__name__} of shape {tuple(data.shape)}", data)
    return description_of(data)


def _structure(estimator: Any) -> str:
    """Return the class of an estimator, and of the steps of a Pipeline."""
    if isinstance(estimator, Pipeline):
        return "/".join([_class_text(estimator), *(_structure(s) for _, s in estimator.steps)])
    return _class_text(estimator)


def _class_text(estimator: Any) -> str:
    """Return the name of an estimator's class, with its code if it is the user's."""
    if estimator is None or isinstance(estimator, str):
        return repr(estimator)
    cls = type(estimator)
    return cls.__name__ if is_installed(cls.__module__) else with_hash(cls.__name__, cls)


def _unsearched_params(plan: SearchPlan) -> dict[str, str]:
    """Return the texts of the estimator's parameters that no trial sets."""
    texts = {}
    for name, value in plan.cv.estimator.get_params(deep=True).items():
        own_name = name.rpartition("__")[2]
        are_steps = isinstance(value, list) and own_name == "steps"
        if own_name in NOT_IN_FINGERPRINT or are_steps or name in plan.space.searched:
            continue
        nested = hasattr(value, "get_params") and not isinstance(value, type)
        texts[name] = _structure(value) if nested else description_of(value)
    return texts


def differences(known: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in words why the scores of two searches cannot be compared, [] if they can.

    A space may have wider ranges than before and further choices.

    Parameters
    ----------
    known, now : mapping
        The fingerprints of a study, and of the search that resumes it.
    """
    names = [
        name
        for name in dict.fromkeys([*now, *known])
        if known.get(name) != now.get(name) and not _is_wider(known.get(name), now.get(name))
    ]
    # a difference in the kind of a thing explains those of its parts
    for whole, part in (("param_space", PART_OF_SPACE), ("estimator", OF_ESTIMATOR)):
        if whole in names:
            names = [name for name in names if not name.startswith(part)]
    if any(name.startswith("param_space") for name in names):  # what is searched has no value
        names = [
            name
            for name in names
            if not name.startswith(OF_ESTIMATOR) or (name in known and name in now)
        ]
    return [_difference(name, known.get(name), now.get(name)) for name in names]


def _difference(name: str, known: Any, now: Any) -> str:
    before, after = (entry["text"] if isinstance(entry, dict) else entry for entry in (known, now))
    if before is None:
        return f"{name} was not there, is now {after}"
    if after is None:
        return f"{name} was {before}, is now not there"
    if isinstance(known, dict) and "choices" in known and "choices" in now:
        lost = [choice for choice in known["choices"] if choice not in now["choices"]]
        if lost:
            return f"{name} no longer has {', '.join(lost)}"
        return f"{name} was {before}, is now {after}: append choices at the end"
    same = HASH_AT_THE_END.sub("", before)
    if same == HASH_AT_THE_END.sub("", after):
        return f"{name} was {same} with other content"
    return f"{name} was {before}, is now {after}"


def _is_wider(known: Any, now: Any) -> bool:
    """Return whether the entry of a space can draw what it could before, in the same order."""
    if not isinstance(known, dict) or not isinstance(now, dict):
        return False
    if "choices" in known and "choices" in now:
        return now["choices"][: len(known["choices"])] == known["choices"]
    if known.get("range") != now.get("range") or known["step"] != now["step"]:
        return False
    return now["low"] <= known["low"] and known["high"] <= now["high"]
