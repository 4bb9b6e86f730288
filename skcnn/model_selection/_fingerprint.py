"""The fingerprint of a search: a study can be resumed only by a search with the same one."""

from typing import Any

import joblib
import numpy as np
from sklearn.pipeline import Pipeline

from skcnn._utils.text import shorten
from skcnn.model_selection._hashing import text_of
from skcnn.model_selection._plan import SearchPlan
from skcnn.model_selection._pruners import needs_all_folds

# Parameters that change how a result is computed, but not the result.
NOT_IN_FINGERPRINT = ("verbose", "n_jobs", "n_threads", "device", "memory", "pre_dispatch")
LONGEST_TEXT = 200  # of a parameter


def fingerprint(plan: SearchPlan, scoring: Any) -> dict[str, str]:
    """Return short texts that are the same for two searches with comparable scores.

    Parameters
    ----------
    plan : SearchPlan
        The plan of the search.
    scoring : object
        The parameter of the search.
    """
    cv = plan.cv
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
        + ("all folds at a time" if needs_all_folds(plan.pruner) else "fold after fold"),
        **plan.space.description(),
        "estimator": "/".join(kinds),
        **{f"estimator's {name}": text for name, text in _unsearched_params(plan).items()},
    }


def _unsearched_params(plan: SearchPlan) -> dict[str, str]:
    """Return the texts of the estimator's parameters that no trial sets."""
    searched = {name for params in plan.space.initial for name in params}
    searched |= {*(plan.space.distributions or ())}
    texts = {}
    for name, value in plan.cv.estimator.get_params(deep=True).items():
        own_name = name.rpartition("__")[2]
        is_estimator = hasattr(value, "get_params")
        are_steps = isinstance(value, list) and own_name == "steps"
        if own_name in NOT_IN_FINGERPRINT or is_estimator or are_steps or name in searched:
            continue
        text = text_of(value)
        if len(text) > LONGEST_TEXT:
            text = f"{shorten(text, LONGEST_TEXT)} {joblib.hash(text)}"
        texts[name] = text
    return texts


def _in_rows(data: Any) -> Any:
    """Return an array in C order, because hashes differ between memory orders."""
    return np.ascontiguousarray(data) if isinstance(data, np.ndarray) else data
