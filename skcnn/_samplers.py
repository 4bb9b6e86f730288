"""Which sampler and which pruner a search runs with.

Knows no data; what a candidate costs is asked of functions.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    SuccessiveHalvingPruner,
    WilcoxonPruner,
)
from optuna.samplers import (
    BaseSampler,
    BruteForceSampler,
    GridSampler,
    RandomSampler,
    TPESampler,
)
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sklearn.utils._param_validation import InvalidParameterError

STARTUP_TRIALS = 10
# Complete trials that the racing pruner needs: for the noise of a fold, for its curves.
RACERS, CURVES = 3, 5
LATE_SHARE = 2 / 3  # of a training: before, curves of good and bad trials cross
# Share of a guided draw's values that are those of the usual parameters.
USUAL_SHARE = 0.75
# Draws after which a sampler is left with one that is infeasible or known.
MOST_DRAWS = 200


def sampler_for(sampler: Any, seed: int | None, number: int, startup: int) -> BaseSampler:
    """Return the sampler of a trial.

    Its seed is of the trial's number, so that a study that is taken up again goes on as
    if it had not been interrupted, and workers do not draw the same.

    Parameters
    ----------
    sampler : str or BaseSampler
        "auto", "tpe", "random", or what the user made.
    seed : int or None
        Of the search; None is unpredictable.
    number : int
        Of the trial, about: how many there are.
    startup : int
        Trials drawn at random before those of TPE.
    """
    if isinstance(sampler, GridSampler | BruteForceSampler):
        raise InvalidParameterError(
            f"The 'sampler' parameter must not be a {type(sampler).__name__}, which ends a study "
            "by itself: for all combinations take GridSearchCV."
        )
    if isinstance(sampler, BaseSampler):
        return sampler
    word = sampler_seed(seed, number, 2)
    if not isinstance(sampler, str):
        raise InvalidParameterError(
            "The 'sampler' parameter must be 'auto', 'tpe', 'random' or an instance of one of "
            f"Optuna's samplers. Got {sampler!r} instead."
        )
    if sampler == "random":
        return RandomSampler(seed=word)
    return TPESampler(seed=word, n_startup_trials=startup, multivariate=True)


def sampler_seed(seed: int | None, number: int, purpose: int) -> int | None:
    """Return a seed of a trial's own, None of None."""
    if seed is None:
        return None
    return int(np.random.SeedSequence([seed, purpose, number]).generate_state(1)[0])


class ScreenedSampler(BaseSampler):
    """Draws all values at once, again where they are of no use.

    Parameters
    ----------
    sampler : BaseSampler
        What draws.
    distributions : dict
        Of the whole space.
    accept : callable
        Takes the values; returns whether to evaluate them.
    usual : mapping or None, default=None
        Values around which the first draws lie, before the sampler has trials enough to
        learn from: each value is the usual one three times out of four. None draws all.
    seed : int or None, default=None
        Of the choice of values.
    """

    def __init__(
        self,
        sampler: BaseSampler,
        distributions: dict[str, BaseDistribution],
        accept: Callable[[Mapping[str, Any]], bool],
        usual: Mapping[str, Any] | None = None,
        seed: int | None = None,
    ) -> None:
        self.sampler = sampler
        self.distributions = distributions
        self.accept = accept
        self.usual = usual
        self._rng = np.random.default_rng(seed)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the whole space."""
        return self.distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw until a draw is accepted."""
        if "fixed_params" in trial.system_attrs:  # enqueued: nothing is to be drawn
            return {}
        values: dict[str, Any] = {}
        for _ in range(MOST_DRAWS):
            space = self.sampler.infer_relative_search_space(study, trial)
            values = dict(self.sampler.sample_relative(study, trial, space))
            guided = not values and self.usual is not None
            for name, distribution in self.distributions.items():
                if guided and self.usual is not None and self._rng.random() < USUAL_SHARE:
                    values[name] = self.usual[name]
                elif name not in values:
                    values[name] = self.sample_independent(study, trial, name, distribution)
            if self.accept(values):
                break
        return values

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        """Draw one value."""
        if param_distribution.single():
            return param_distribution.to_external_repr(_only_value(param_distribution))
        return self.sampler.sample_independent(study, trial, param_name, param_distribution)


def _only_value(distribution: Any) -> float:
    return 0.0 if hasattr(distribution, "choices") else float(distribution.low)


class RacingPruner(BasePruner):
    """Compares trials fold by fold with the best one, and late in a training by its curve.

    All trials are scored on the same folds, so the difference of two trials on one fold has
    far less noise than a score. At the end of a fold a trial is pruned if its mean is behind
    the best trial's mean of the same folds by more than one standard error, ``s /
    sqrt(n_folds)``, with s the median over the complete trials of the standard deviation of
    their differences to the best. In the last third of a training it is pruned if it is
    behind every one of the better half of the complete trials at the same step, by more
    than the same standard error.

    Parameters
    ----------
    epochs_per_fold : int
        Steps of a fold.
    """

    def __init__(self, epochs_per_fold: int) -> None:
        self.epochs_per_fold = epochs_per_fold

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether to end `trial`, by its latest step."""
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        step = trial.last_step
        if step is None or len(complete) < RACERS:
            return False
        complete.sort(key=lambda other: (-other.values[0], other.number))
        value = trial.intermediate_values[step]
        if (step + 1) % self.epochs_per_fold == 0:
            best = complete[0].intermediate_values.get(step, -np.inf)
            return value < best - self._standard_error(complete, step)
        late = step % self.epochs_per_fold >= LATE_SHARE * self.epochs_per_fold
        if not late or len(complete) < CURVES:
            return False
        better = complete[: (len(complete) + 1) // 2]
        curves = [other.intermediate_values.get(step, np.inf) for other in better]
        return value < min(curves) - self._standard_error(complete, step) < np.inf

    def _standard_error(self, complete: list[FrozenTrial], step: int) -> float:
        """Return the standard error of a difference to the best trial, infinite if unknown."""
        best, *others = (self._fold_scores(other) for other in complete)
        spreads = [
            np.std(scores - best, ddof=1)
            for scores in others
            if len(scores) == len(best) > 1 and np.any(scores != best)  # no copy of the best
        ]
        n_folds = step // self.epochs_per_fold + 1
        return float(np.median(spreads)) / n_folds**0.5 if spreads else np.inf

    def _fold_scores(self, trial: FrozenTrial) -> np.ndarray:
        """Return the score of each fold, from the means of the first one, two and so on."""
        ends = [s for s in sorted(trial.intermediate_values) if (s + 1) % self.epochs_per_fold == 0]
        sums = [trial.intermediate_values[s] * (i + 1) for i, s in enumerate(ends)]
        return np.diff(sums, prepend=0.0)


def pruner_for(pruner: Any, n_epochs: int, one_score: bool) -> BasePruner:
    """Return the pruner that the parameter names.

    Parameters
    ----------
    pruner : str, BasePruner or None
        A name, what the user made, or none.
    n_epochs : int
        Of a fold.
    one_score : bool
        Whether the search is for a score alone; else nothing is pruned.

    Raises
    ------
    InvalidParameterError
        If it is none that a search can run with.
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
            "The 'pruner' parameter must not be a WilcoxonPruner, which compares folds, not "
            "means of folds."
        )
    if isinstance(pruner, BasePruner):
        return copy.deepcopy(pruner)
    if not isinstance(pruner, str):
        raise InvalidParameterError(
            "The 'pruner' parameter must be 'auto', 'racing', 'median', 'hyperband', 'asha', an "
            f"instance of one of Optuna's pruners or None. Got {pruner!r} instead."
        )
    if pruner == "hyperband":
        return HyperbandPruner(1, max(n_epochs, 2), reduction_factor=3)
    if pruner == "asha":
        return SuccessiveHalvingPruner(1, reduction_factor=3)
    if pruner == "median":
        return MedianPruner(n_startup_trials=5)
    return RacingPruner(n_epochs)


def needs_lockstep(pruner: BasePruner) -> bool:
    """Return whether a pruner compares trials after few epochs of all folds."""
    inner = getattr(pruner, "_wrapped_pruner", pruner)
    return isinstance(inner, HyperbandPruner | SuccessiveHalvingPruner)
