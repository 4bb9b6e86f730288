"""CallableSpace: a function of the trial returns the parameters."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.trial import BaseTrial, FixedTrial, FrozenTrial

from skcnn._data.value_texts import description_of
from skcnn._utils.compat import InvalidParameterError
from skcnn.model_selection._spaces.base import INITIAL, ParamSpace, check_initial


class CallableSpace(ParamSpace):
    """A function of the trial that returns parameters.

    Parameters
    ----------
    function : callable
        Calls the trial's ``suggest_...`` methods.
    initial : sequence of mapping, default=()
        Values to try first, by the names that `function` suggests.
    """

    follows_values = False

    def __init__(
        self, function: Callable[[Any], dict[str, Any]], initial: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self.function = function
        for i, params in enumerate(initial):
            check_initial(params, params, f"initial_params[{i}]")
        self.initial = [dict(params) for params in initial]

    @property
    def searched(self) -> set[str]:
        """Return nothing: which parameters the function sets is not known."""
        return set()

    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        """Call the function."""
        params = self.function(trial)
        initial = trial.user_attrs.get(INITIAL)
        if initial is not None:
            check_initial(self.initial[initial], trial.params, f"initial_params[{initial}]")
        if not isinstance(params, Mapping):
            raise InvalidParameterError(
                "The 'param_space' function must return a dict of parameters. Got "
                f"{params!r} instead."
            )
        return dict(params)

    def params_of_trial(self, trial: FrozenTrial) -> dict[str, Any]:
        """Call the function again, with the values of the trial."""
        return self.suggest(FixedTrial(trial.params, trial.number))

    def params_of(self, values: Mapping[str, Any], initial: int | None = None) -> dict[str, Any]:
        """Call the function with these values."""
        return self.suggest(FixedTrial(dict(values)))

    def values_of(self, initial: int) -> dict[str, Any]:
        """Return number `initial` of `self.initial`."""
        return dict(self.initial[initial])

    def description(self) -> dict[str, Any]:
        """Return descriptions by name, for the fingerprint, that are the same for equal spaces."""
        return {
            "param_space": f"function {description_of(self.function)}",
            "initial_params": description_of(list(self.initial)),
        }
