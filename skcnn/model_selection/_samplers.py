"""Which sampler and which pruner a search runs with.

Knows no data; what a candidate costs is asked of functions.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import (
    BaseSampler,
    BruteForceSampler,
    GridSampler,
    RandomSampler,
    TPESampler,
)
from optuna.study import Study
from optuna.trial import FrozenTrial
from sklearn.utils._param_validation import InvalidParameterError

STARTUP_TRIALS = 10
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
