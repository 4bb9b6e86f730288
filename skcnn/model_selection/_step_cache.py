"""Fitted steps of a Pipeline, kept for the next candidate on the same fold."""

import copy
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sklearn.pipeline import Pipeline

from skcnn._convnet.base import BaseConvNet
from skcnn._data.value_texts import hash_of


class StepCache:
    """The latest fitted steps of a Pipeline before its last one, for each fold.

    They are fitted again only if their parameters, or those of a step before them, differ
    from the last candidate's.
    """

    def __init__(self) -> None:
        self.kept: dict[tuple[int, int], tuple[str, Any]] = {}

    def watch(self, estimator: Any, fold: int) -> None:
        """Set the `memory` of a Pipeline, and of Pipelines that are its last step."""
        pipelines: list[Pipeline] = []
        while isinstance(estimator, Pipeline) and estimator.memory is None:
            pipelines.append(estimator)
            estimator = estimator.steps[-1][1]
        n_steps = sum(
            step is not None and not isinstance(step, str)
            for pipeline in pipelines
            for _, step in pipeline.steps[:-1]
        )
        # a ConvNet does not write into its samples
        memory = FoldMemory(self, fold, n_steps if isinstance(estimator, BaseConvNet) else None)
        for pipeline in pipelines:
            pipeline.memory = memory


class FoldMemory:
    """The part of joblib.Memory's interface that Pipeline needs.

    Parameters
    ----------
    steps : StepCache
        Where fitted steps are kept.
    fold : int
        The number of the fold.
    last : int or None, default=None
        The number of the step, from 1, whose results are only read. None if there is none.
    """

    location = "memory"  # not None: the Pipeline fits clones of its steps

    def __init__(self, steps: StepCache, fold: int, last: int | None = None) -> None:
        self.steps = steps
        self.fold = fold
        self.last = last
        self.chain: list[str] = []  # hashes of the steps fitted so far

    def cache(self, function: Callable[..., Any], ignore: Any = None) -> Callable[..., Any]:
        """Return `function` with a cache of its last result, for the same chain of steps.

        The step after it may write into the samples, and so gets a copy of its own.

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
            kept, is_read = self.steps.kept, len(chain) == self.last
            if kept.get(place, ("", None))[0] == key:
                result = kept[place][1]
                return result if is_read else copy.deepcopy(result)
            kept.pop(place, None)
            result = function(transformer, *args, **kwargs)
            with suppress(Exception):  # results that cannot be copied are not kept
                kept[place] = key, result if is_read else copy.deepcopy(result)
            return result

        return cached


def _step_hash(transformer: Any) -> str:
    """Return the hash of an unfitted step, "" for one that cannot be hashed or described."""
    try:
        return hash_of(transformer)
    except Exception:
        return ""
