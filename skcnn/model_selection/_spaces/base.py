"""The interface of all spaces: suggest values to a trial, read parameters from a trial."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import BaseTrial, FrozenTrial

from skcnn._utils.compat import InvalidParameterError

INITIAL = "skcnn:initial"  # attribute of a trial that takes one of the initial parameters


class ParamSpace(ABC):
    """Where parameters come from.

    Attributes
    ----------
    distributions : dict or None
        What a trial's values are drawn from; None where a function draws them.
    n_points : int or None
        Number of all combinations, where that is finite; `point` returns each.
    initial : sequence of mapping
        Parameters to try first.
    usual : dict or None
        Values that usually give good scores, if any are known.
    follows_values : bool
        Whether the same values always give the same parameters.
    """

    distributions: dict[str, BaseDistribution] | None = None
    n_points: int | None = None
    usual: dict[str, Any] | None = None
    initial: Sequence[Mapping[str, Any]] = ()
    follows_values = True

    @property
    def searched(self) -> set[str]:
        """Return the names of the parameters that every trial sets."""
        return {name for params in self.initial for name in params} | {*(self.distributions or ())}

    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        """Return the parameters of a trial whose `distributions` are drawn already."""
        return self.params_of(trial.params, trial.user_attrs.get(INITIAL))

    def params_of_trial(self, trial: FrozenTrial) -> dict[str, Any]:
        """Return the parameters of a trial of the study."""
        return self.params_of(trial.params, trial.user_attrs.get(INITIAL))

    @abstractmethod
    def params_of(self, values: Mapping[str, Any], initial: int | None = None) -> dict[str, Any]:
        """Return the parameters of drawn values, or of number `initial` of `self.initial`."""

    @abstractmethod
    def values_of(self, initial: int) -> dict[str, Any]:
        """Return the values to enqueue for number `initial` of `self.initial`."""

    def point(self, number: int) -> dict[str, Any]:
        """Return the drawn values of one of the `n_points` combinations."""
        raise NotImplementedError

    @abstractmethod
    def description(self) -> dict[str, Any]:
        """Return descriptions by name, for the fingerprint, that are the same for equal spaces."""


def check_initial(params: object, allowed: Collection[str], what: str) -> None:
    """Check that initial parameters are a dict and name parameters of the space.

    Parameters
    ----------
    params : object
        One entry of `initial_params`.
    allowed : collection of str
        The names of the space.
    what : str
        What the entry is called in messages.
    """
    if not isinstance(params, Mapping):
        raise InvalidParameterError(
            f"The 'initial_params' parameter must be a list of dicts. Got {params!r} as {what}."
        )
    unknown = [name for name in params if name not in allowed]
    if unknown:
        raise InvalidParameterError(
            f"The 'initial_params' parameter must name parameters of param_space, which are "
            f"{sorted(allowed)}. Got {unknown[0]!r} in {what}."
        )
