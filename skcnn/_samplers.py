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
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial
from sklearn.utils._param_validation import InvalidParameterError

SAMPLERS = ("auto", "tpe", "random")
PRUNERS = ("auto", "median", "hyperband", "asha")
STARTUP_TRIALS = 10
# Draws after which a sampler is left with one that is infeasible or known.
MOST_DRAWS = 100


def sampler_for(sampler: Any, seed: int | None, number: int, startup: int) -> BaseSampler:
    """Return the sampler of a trial.

    Its seed is of the trial's number, so that a study that is taken up again goes on as
    if it had not been interrupted, and workers do not draw the same.

    Parameters
    ----------
    sampler : str or BaseSampler
        One of `SAMPLERS`, or what the user made.
    seed : int or None
        Of the search; None is unpredictable.
    number : int
        Of the trial, about: how many there are.
    startup : int
        Trials drawn at random before those of TPE.
    """
    if isinstance(sampler, BaseSampler):
        return sampler
    word = None
    if seed is not None:
        word = int(np.random.SeedSequence([seed, 2, number]).generate_state(1)[0])
    if sampler == "random":
        return RandomSampler(seed=word)
    return TPESampler(seed=word, n_startup_trials=startup, multivariate=True)


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
    """

    def __init__(
        self,
        sampler: BaseSampler,
        distributions: dict[str, BaseDistribution],
        accept: Callable[[Mapping[str, Any]], bool],
    ) -> None:
        self.sampler = sampler
        self.distributions = distributions
        self.accept = accept

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
            for name, distribution in self.distributions.items():
                if name not in values:
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


def pruner_for(pruner: Any, n_objectives: int, n_epochs: int) -> BasePruner:
    """Return the pruner that the parameter names.

    Parameters
    ----------
    pruner : str, BasePruner or None
        One of `PRUNERS`, what the user made, or none.
    n_objectives : int
        Trials with several are not pruned.
    n_epochs : int
        Of a fold.

    Raises
    ------
    InvalidParameterError
        If it is none that a search can run with.
    """
    if pruner is None:
        return NopPruner()
    if n_objectives > 1:
        if pruner == "auto":
            return NopPruner()
        raise InvalidParameterError(
            "The 'pruner' parameter must be 'auto' or None with several objectives: trials "
            f"are pruned by one value. Got {pruner!r} instead."
        )
    if isinstance(pruner, WilcoxonPruner):
        raise InvalidParameterError(
            "The 'pruner' parameter must not be a WilcoxonPruner, which compares folds, not "
            "means of folds."
        )
    if isinstance(pruner, BasePruner):
        return copy.deepcopy(pruner)
    if pruner == "hyperband":
        return HyperbandPruner(1, max(n_epochs, 2), reduction_factor=3)
    if pruner == "asha":
        return SuccessiveHalvingPruner(1, reduction_factor=3)
    return MedianPruner(n_startup_trials=5, n_warmup_steps=0)


def needs_lockstep(pruner: BasePruner) -> bool:
    """Return whether a pruner compares trials after few epochs of all folds."""
    inner = getattr(pruner, "_wrapped_pruner", pruner)
    return isinstance(inner, HyperbandPruner | SuccessiveHalvingPruner)
