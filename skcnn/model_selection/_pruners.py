"""The pruners of a search: RacingPruner, and Optuna's by name."""

import copy
from typing import Any

import numpy as np
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    SuccessiveHalvingPruner,
    WilcoxonPruner,
)
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from skcnn._utils.compat import InvalidParameterError, wrapped_pruner

# Complete trials that the racing pruner needs to compare folds, and to compare curves.
FEWEST_FOR_FOLDS, FEWEST_FOR_CURVES = 3, 5
LATE_SHARE = 2 / 3  # of a training; earlier, learning curves of good and bad trials cross


class RacingPruner(BasePruner):
    """Compares a trial with the best one after each fold, and with others late in a training.

    All trials are scored on the same folds, so that the difference of two trials on one fold
    has far less noise than a score. At the end of a fold a trial is pruned if its mean score
    is lower than the best trial's, on the same folds, by more than one standard error. In
    the last third of a training a trial is pruned if, by more than one standard error, its
    score is lower than that of every trial in the better half at the same step.

    The standard error is ``s / sqrt(n_folds)``. For each complete trial the standard
    deviation over folds of its difference to the best trial is computed; `s` is the median.

    Parameters
    ----------
    epochs_per_fold : int
        Number of steps of a fold.
    """

    def __init__(self, epochs_per_fold: int) -> None:
        self.epochs_per_fold = epochs_per_fold

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether to end `trial` at its latest step."""
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        step = trial.last_step
        if step is None or len(complete) < FEWEST_FOR_FOLDS:
            return False
        complete.sort(key=lambda other: (-other.values[0], other.number))
        value = trial.intermediate_values[step]
        if (step + 1) % self.epochs_per_fold == 0:
            best = complete[0].intermediate_values.get(step, -np.inf)
            return value < best - self._standard_error(complete, step)
        late = step % self.epochs_per_fold >= LATE_SHARE * self.epochs_per_fold
        if not late or len(complete) < FEWEST_FOR_CURVES:
            return False
        better = complete[: (len(complete) + 1) // 2]
        curves = [other.intermediate_values.get(step, np.inf) for other in better]
        return value < min(curves) - self._standard_error(complete, step) < np.inf

    def _standard_error(self, complete: list[FrozenTrial], step: int) -> float:
        """Return the standard error of a difference to the best trial, infinity if unknown."""
        best, *others = (self._fold_scores(other) for other in complete)
        spreads = [
            np.std(scores - best, ddof=1)
            for scores in others
            if len(scores) == len(best) > 1 and np.any(scores != best)  # not a copy of the best
        ]
        n_folds = step // self.epochs_per_fold + 1
        return float(np.median(spreads)) / n_folds**0.5 if spreads else np.inf

    def _fold_scores(self, trial: FrozenTrial) -> np.ndarray:
        """Return the score of each fold, from the reported means of the folds so far."""
        ends = [s for s in sorted(trial.intermediate_values) if (s + 1) % self.epochs_per_fold == 0]
        sums = [trial.intermediate_values[s] * (i + 1) for i, s in enumerate(ends)]
        return np.diff(sums, prepend=0.0)


def pruner_for(pruner: Any, n_epochs: int, one_score: bool) -> BasePruner:
    """Return the pruner that the parameter names.

    Parameters
    ----------
    pruner : str, BasePruner or None
        A name, the user's own pruner, or None for no pruning.
    n_epochs : int
        Epochs of a fold.
    one_score : bool
        Whether a score is the only objective. With others "auto" prunes nothing.

    Raises
    ------
    InvalidParameterError
        If a search cannot use `pruner`.
    """
    if pruner is None:
        return NopPruner()
    if not one_score:
        if pruner == "auto":
            return NopPruner()
        raise InvalidParameterError(
            "The 'pruner' parameter must be 'auto' or None unless the only objective is a "
            f"score, by which trials are pruned. Got {pruner!r} instead."
        )
    if isinstance(pruner, WilcoxonPruner):
        raise InvalidParameterError(
            "The 'pruner' parameter must not be a WilcoxonPruner, which compares scores of single "
            "folds. Trials report the mean of their folds."
        )
    if isinstance(pruner, BasePruner):
        return copy.deepcopy(pruner)
    if not isinstance(pruner, str):
        raise InvalidParameterError(
            "The 'pruner' parameter must be 'auto', 'median', 'hyperband', 'asha', an "
            f"instance of one of Optuna's pruners or None. Got {pruner!r} instead."
        )
    if pruner == "hyperband":
        return HyperbandPruner(1, max(n_epochs, 2), reduction_factor=3)
    if pruner == "asha":
        return SuccessiveHalvingPruner(1, reduction_factor=3)
    if pruner == "median":
        return MedianPruner(n_startup_trials=5)
    return RacingPruner(n_epochs)


def needs_all_folds(pruner: BasePruner) -> bool:
    """Return whether a pruner compares trials after few epochs, by the mean of all folds."""
    inner = wrapped_pruner(pruner)
    return isinstance(inner, HyperbandPruner | SuccessiveHalvingPruner)
