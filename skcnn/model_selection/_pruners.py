"""The pruners of a search: RacingPruner, and Optuna's by name."""

import copy
from bisect import insort
from collections.abc import Mapping, Sequence
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
from skcnn.model_selection._finished import NewlyFinished

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
        self._race: _Race | None = None

    def __getstate__(self) -> dict[str, Any]:
        # every process reads the complete trials itself
        return {**vars(self), "_race": None}

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether to end `trial` at its latest step."""
        if self._race is None or self._race.study is not study:
            self._race = _Race(study, self.epochs_per_fold)
        race = self._race
        race.refresh()
        step = trial.last_step
        if step is None or len(race.ranked) < FEWEST_FOR_FOLDS:
            return False
        value = trial.intermediate_values[step]
        if (step + 1) % self.epochs_per_fold == 0:
            best = race.ranked[0][2].get(step, -np.inf)
            return value < best - race.standard_error(step)
        late = step % self.epochs_per_fold >= LATE_SHARE * self.epochs_per_fold
        if not late or len(race.ranked) < FEWEST_FOR_CURVES:
            return False
        return race.is_below_better_half(value, step)


class _Race:
    """The complete trials of a study, best first, and their differences to the best.

    Each complete trial is read once. If it is not the best, only its own difference to the
    best is computed.
    """

    def __init__(self, study: Study, epochs_per_fold: int) -> None:
        self.study = study
        self.epochs_per_fold = epochs_per_fold
        self.ranked: list[tuple[float, int, dict[int, float]]] = []  # -value, number, curve
        self._reader = NewlyFinished()
        self._scores: dict[int, np.ndarray] = {}  # of the folds, by number
        self._best: int | None = None  # number of the trial that the spreads belong to
        self._spreads: list[float] = []  # sorted
        self._any_infinite = False

    def refresh(self) -> None:
        """Read the trials that were completed since the last call."""
        new = [
            trial
            for trial in self._reader.among(self.study.get_trials(deepcopy=False))
            if trial.state == TrialState.COMPLETE
        ]
        if not new:
            return
        for trial in new:
            insort(self.ranked, (-trial.values[0], trial.number, trial.intermediate_values))
            self._scores[trial.number] = self._fold_scores(trial.intermediate_values)
        best = self.ranked[0][1]
        if best == self._best:
            for spread in self._spreads_of([self._scores[trial.number] for trial in new]):
                insort(self._spreads, spread)
        else:
            self._best, self._any_infinite = best, False
            self._spreads = sorted(self._spreads_of(list(self._scores.values())))

    def is_below_better_half(self, value: float, step: int) -> bool:
        """Return whether all scores of the better half at a step are above by a standard error.

        False if no trial of that half has a score there.
        """
        error, any_score = self.standard_error(step), False
        # from its end, where a lower score that settles the question is likely
        for place in reversed(range((len(self.ranked) + 1) // 2)):
            score = self.ranked[place][2].get(step, np.inf)
            if not value < score - error:
                return False
            any_score |= score < np.inf
        return any_score

    def standard_error(self, step: int) -> float:
        """Return the standard error of a difference to the best trial, infinity if unknown."""
        n = len(self._spreads)
        if self._any_infinite:
            return np.nan
        if n == 0:
            return np.inf
        median = float(np.mean(self._spreads[(n - 1) // 2 : n // 2 + 1]))
        n_folds = step // self.epochs_per_fold + 1
        return median / n_folds**0.5

    def _spreads_of(self, scores: Sequence[np.ndarray]) -> list[float]:
        """Return the deviations of trials' differences to the best, without copies of it."""
        assert self._best is not None
        best = self._scores[self._best]
        alike = [each for each in scores if len(each) == len(best) > 1]
        if not alike:
            return []
        table = np.array(alike)
        table = table[(table != best).any(axis=1)]
        with np.errstate(invalid="ignore"):
            spreads = np.std(table - best, axis=1, ddof=1)
        self._any_infinite |= bool(np.isnan(spreads).any())
        return spreads[~np.isnan(spreads)].tolist()

    def _fold_scores(self, curve: Mapping[int, float]) -> np.ndarray:
        """Return the score of each fold, from the reported means of the folds so far."""
        ends = [s for s in sorted(curve) if (s + 1) % self.epochs_per_fold == 0]
        sums = [curve[s] * (i + 1) for i, s in enumerate(ends)]
        with np.errstate(invalid="ignore"):  # the mean of an infinite score stays infinite
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
