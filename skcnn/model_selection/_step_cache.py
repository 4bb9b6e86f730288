"""Fitted steps of a Pipeline, kept for the next candidate on the same fold."""

from collections.abc import Callable
from typing import Any

import joblib
from sklearn.pipeline import Pipeline


class StepCache:
    """The latest fitted steps of a Pipeline before its last one, for each fold.

    They are fitted again only if their parameters, or those of a step before them, differ
    from the last candidate's.
    """

    def __init__(self) -> None:
        self.kept: dict[tuple[int, int], tuple[str, Any]] = {}

    def watch(self, estimator: Any, fold: int) -> None:
        """Set the `memory` of a Pipeline, and of Pipelines that are its last step."""
        chain: list[str] = []
        while isinstance(estimator, Pipeline):
            if estimator.memory is not None:
                return  # the user's own
            estimator.memory = FoldMemory(self, fold, chain)
            estimator = estimator.steps[-1][1]


class FoldMemory:
    """The part of joblib.Memory's interface that Pipeline needs.

    Parameters
    ----------
    steps : StepCache
        Where fitted steps are kept.
    fold : int
        The number of the fold.
    chain : list of str
        Hashes of the steps fitted so far, also those of enclosing Pipelines.
    """

    location = "memory"  # not None: the Pipeline fits clones of its steps

    def __init__(self, steps: StepCache, fold: int, chain: list[str]) -> None:
        self.steps = steps
        self.fold = fold
        self.chain = chain

    def cache(self, function: Callable[..., Any], ignore: Any = None) -> Callable[..., Any]:
        """Return `function` with a cache of its last result, for the same chain of steps.

        Parameters
        ----------
        function : callable
            Takes the unfitted step first.
        ignore : list of str or None, default=None
            Accepted as by joblib.Memory: only steps are compared, whatever it names.
        """
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
    """Return a hash of an unfitted step, "" for one without a hash, such as with a lambda."""
    try:
        return joblib.hash(transformer)
    except Exception:
        return ""
