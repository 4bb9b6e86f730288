"""One candidate on one fold: a fit watched epoch by epoch, its scores and seconds.

Knows no sampler and no study: whoever watches decides whether a candidate goes on.
"""

from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
from sklearn.pipeline import Pipeline


class StepCache:
    """The fitted steps of a Pipeline before its last one, for each fold the latest.

    They are fitted again only where their parameters, or those of a step before them,
    are others than for the last candidate.
    """

    def __init__(self) -> None:
        self.kept: dict[tuple[int, int], tuple[str, Any]] = {}

    def watch(self, estimator: Any, fold: int) -> None:
        """Become the `memory` of a Pipeline, and of those that are its last step."""
        chain: list[str] = []
        while isinstance(estimator, Pipeline):
            if estimator.memory is not None:
                return  # the user's own
            estimator.memory = FoldMemory(self, fold, chain)
            estimator = estimator.steps[-1][1]


class FoldMemory:
    """Has the interface of joblib.Memory that Pipeline needs.

    Parameters
    ----------
    cache : StepCache
        Where fitted steps are kept.
    fold : int
        The number of the fold.
    chain : list of str
        Hashes of the steps fitted so far, also those of Pipelines around.
    """

    location = "memory"  # not None: the Pipeline fits clones of its steps

    def __init__(self, steps: StepCache, fold: int, chain: list[str]) -> None:
        self.steps = steps
        self.fold = fold
        self.chain = chain

    def cache(self, function: Callable[..., Any], ignore: Any = None) -> Callable[..., Any]:
        """Return `function`, not called again for the same chain of steps."""
        chain = self.chain

        def cached(transformer: Any, *args: Any, **kwargs: Any) -> Any:
            chain.append(_step_hash(transformer))
            place, key = (self.fold, len(chain)), "/".join(chain)
            if "" in chain:
                return function(transformer, *args, **kwargs)
            if self.steps.kept.get(place, ("", None))[0] != key:
                self.steps.kept[place] = key, function(transformer, *args, **kwargs)
            return self.steps.kept[place][1]

        return cached


def _step_hash(transformer: Any) -> str:
    """Return a hash of an unfitted step, "" where it has none, such as with a lambda."""
    try:
        return joblib.hash(transformer)
    except Exception:
        return ""


def hash_of(value: Any) -> str:
    """Return a text that is the same for equal values, in any process."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__} [{', '.join(hash_of(entry) for entry in value)}]"
    if isinstance(value, dict):
        entries = sorted((hash_of(key), hash_of(entry)) for key, entry in value.items())
        return f"dict {entries}"
    try:
        return joblib.hash(value)
    except Exception:  # such as a lambda
        return repr(value)
