"""The samplers of a search, and draws that are repeated until they are accepted."""

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

from skcnn._utils.compat import InvalidParameterError

STARTUP_TRIALS = 10  # drawn at random before TPE's own
# Probability that a value is the usual one where draws are close to the usual values.
USUAL_SHARE = 0.75
# After so many draws an untried point of the space is taken, or the last draw.
MOST_DRAWS = 200


def sampler_for(sampler: Any, seed: int | None, number: int) -> BaseSampler:
    """Return the sampler of a trial.

    Its seed follows from the trial's number: a resumed study draws as if it had not been
    interrupted, and two workers do not draw the same values.

    Parameters
    ----------
    sampler : str or BaseSampler
        "tpe", "random", or the user's own.
    seed : int or None
        Seed of the search; None for unpredictable draws.
    number : int
        Number of trials before this one.

    Raises
    ------
    InvalidParameterError
        If a search cannot use `sampler`.
    """
    if isinstance(sampler, GridSampler | BruteForceSampler):
        raise InvalidParameterError(
            f"The 'sampler' parameter must not be a {type(sampler).__name__}, which ends a study "
            "by itself. Use GridSearchCV to try all combinations."
        )
    if isinstance(sampler, BaseSampler):
        return sampler
    word = sampler_seed(seed, number, 2)
    if not isinstance(sampler, str):
        raise InvalidParameterError(
            "The 'sampler' parameter must be 'tpe', 'random' or an instance of one of "
            f"Optuna's samplers. Got {sampler!r} instead."
        )
    if sampler == "random":
        return RandomSampler(seed=word)
    return TPESampler(seed=word, n_startup_trials=STARTUP_TRIALS, multivariate=True)


def sampler_seed(seed: int | None, number: int, purpose: int) -> int | None:
    """Return a seed for one trial and purpose, None without a seed of the search."""
    if seed is None:
        return None
    return int(np.random.SeedSequence([seed, purpose, number]).generate_state(1)[0])


class ScreenedSampler(BaseSampler):
    """Draws the values of the whole space at once, repeatedly until they are accepted.

    Parameters
    ----------
    sampler : BaseSampler
        The sampler that draws.
    distributions : dict
        The distributions of the whole space.
    accept : callable
        Takes the values; returns whether to evaluate them.
    usual : mapping or None, default=None
        Values to stay close to while the sampler has too few trials to learn from. Each
        value is then the usual one with a probability of 0.75. None draws all values.
    seed : int or None, default=None
        Seed of the choice of usual values.
    untried : callable or None, default=None
        Returns values to take if no draw was accepted, or None to take the last draw.
    """

    def __init__(
        self,
        sampler: BaseSampler,
        distributions: dict[str, BaseDistribution],
        accept: Callable[[Mapping[str, Any]], bool],
        usual: Mapping[str, Any] | None = None,
        seed: int | None = None,
        untried: Callable[[], dict[str, Any] | None] | None = None,
    ) -> None:
        self.sampler = sampler
        self.distributions = distributions
        self.accept = accept
        self.usual = usual
        self.untried = untried
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
        if "fixed_params" in trial.system_attrs:  # an enqueued trial has its values
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
                return values
        return (self.untried and self.untried()) or values

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        """Draw one value."""
        if param_distribution.single():
            return param_distribution.to_external_repr(_only_value(param_distribution))
        return self.sampler.sample_independent(study, trial, param_name, param_distribution)


def _only_value(distribution: Any) -> float:
    return 0.0 if hasattr(distribution, "choices") else float(distribution.low)
