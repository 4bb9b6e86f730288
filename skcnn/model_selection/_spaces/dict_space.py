"""DictSpace and ListSpace: a distribution, a range or choices for each parameter of dicts."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution

from skcnn._data.value_texts import description_of
from skcnn._utils.compat import InvalidParameterError
from skcnn.model_selection._spaces.base import ParamSpace, check_initial
from skcnn.model_selection._spaces.entries import make_entry

WHICH = "param_space"  # what is drawn to choose a dict of a list


class DictSpace(ParamSpace):
    """A dict of parameter name and what to draw it from.

    Parameters
    ----------
    space : mapping
        Each an Optuna distribution, ``(low, high)``, ``(low, high, "log")``, ``(low, high,
        step)``, a list of choices, or a scipy distribution.
    initial : sequence of mapping, default=()
        Parameters to try first.

    Raises
    ------
    InvalidParameterError
        If an entry has another form.
    """

    def __init__(self, space: Mapping[str, Any], initial: Sequence[Mapping[str, Any]] = ()) -> None:
        self.entries = {name: make_entry(name, given) for name, given in space.items()}
        self.distributions = {name: entry.distribution for name, entry in self.entries.items()}
        counts = [entry.n_points for entry in self.entries.values()]
        finite = [count for count in counts if count is not None]
        self.n_points = prod(finite) if len(finite) == len(counts) else None
        for i, params in enumerate(initial):
            check_initial(params, space, f"initial_params[{i}]")
            self.encoded(params)  # raises if they lie outside of the space
        self.initial = [
            {name: self.entries[name].rounded(value) for name, value in params.items()}
            for params in initial
        ]

    def params_of(self, values: Mapping[str, Any], initial: int | None = None) -> dict[str, Any]:
        """Return the parameters of drawn values, or of number `initial` of `self.initial`."""
        given = {} if initial is None else self.initial[initial]
        return {
            name: given[name] if name in given else self.entries[name].decode(value)
            for name, value in values.items()
        }

    def values_of(self, initial: int) -> dict[str, Any]:
        """Return the values to enqueue for number `initial` of `self.initial`."""
        return self.encoded(self.initial[initial])

    def encoded(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the drawn values that give some parameters.

        Raises
        ------
        InvalidParameterError
            If there are none.
        """
        values = {}
        for name, value in params.items():
            try:
                values[name] = self.entries[name].encode(value)
            except (ValueError, TypeError):
                raise InvalidParameterError(
                    f"The 'initial_params' parameter must lie in param_space. Got {value!r} "
                    f"for {name!r}, which is drawn from {self.entries[name].distribution}."
                ) from None
        return values

    def point(self, number: int) -> dict[str, Any]:
        """Return the drawn values of one of the `n_points` combinations."""
        values = {}
        for name, entry in self.entries.items():
            number, i = divmod(number, entry.n_points or 1)
            values[name] = entry.point(i)
        return values

    def description(self) -> dict[str, Any]:
        """Return descriptions by name, for the fingerprint, that are the same for equal spaces."""
        return {
            "param_space": "a dict",
            "initial_params": description_of(list(self.initial)),
            **{f"param_space[{k!r}]": v.description for k, v in sorted(self.entries.items())},
        }


class ListSpace(ParamSpace):
    """Several dicts, of which each trial takes one.

    A value is drawn for every parameter of every dict, so that all trials have the same
    distributions; those of the other dicts are not used.

    Parameters
    ----------
    spaces : sequence of mapping
        Each as for :class:`DictSpace`.
    initial : sequence of mapping, default=()
        Parameters to try first, each of the first dict in which it lies.

    Raises
    ------
    InvalidParameterError
        If an entry has another form.
    """

    def __init__(
        self, spaces: Sequence[Mapping[str, Any]], initial: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self.spaces = [DictSpace(space) for space in spaces]
        distributions: dict[str, BaseDistribution] = {
            WHICH: CategoricalDistribution(range(len(self.spaces)))
        }
        for i, space in enumerate(self.spaces):
            for name, entry in space.entries.items():
                distributions[_name_in(i, name)] = entry.distribution
        self.distributions = distributions
        counts = [space.n_points for space in self.spaces]
        finite = [count for count in counts if count is not None]
        self.n_points = sum(finite) if len(finite) == len(counts) else None
        for i, params in enumerate(initial):
            check_initial(params, {n for space in spaces for n in space}, f"initial_params[{i}]")
        self.initial: list[dict[str, Any]] = []
        self._initial_values = [self._find(params) for params in initial]

    @property
    def searched(self) -> set[str]:
        """Return the names of the parameters that every trial sets."""
        return set.intersection(*({*space.entries} for space in self.spaces))

    def _find(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Append parameters to `self.initial`, and return the values to enqueue for them."""
        problem: Exception | None = None
        for i, space in enumerate(self.spaces):
            if {*params} <= {*space.entries}:
                try:
                    values = space.encoded(params)
                except InvalidParameterError as error:
                    problem = error
                else:
                    self.initial.append({k: space.entries[k].rounded(v) for k, v in params.items()})
                    return {WHICH: i, **{_name_in(i, k): v for k, v in values.items()}}
        raise problem or InvalidParameterError(
            "The 'initial_params' parameter must name parameters of one dict of param_space. "
            f"Got {dict(params)!r}."
        )

    def params_of(self, values: Mapping[str, Any], initial: int | None = None) -> dict[str, Any]:
        """Return the parameters of drawn values, or of number `initial` of `self.initial`."""
        i = values[WHICH]
        given = {} if initial is None else self.initial[initial]
        return {
            name: given[name] if name in given else entry.decode(values[_name_in(i, name)])
            for name, entry in self.spaces[i].entries.items()
        }

    def values_of(self, initial: int) -> dict[str, Any]:
        """Return the values to enqueue for number `initial` of `self.initial`."""
        return dict(self._initial_values[initial])

    def point(self, number: int) -> dict[str, Any]:
        """Return the drawn values of one of the `n_points` combinations."""
        values = {
            _name_in(i, name): entry.point(0)
            for i, space in enumerate(self.spaces)
            for name, entry in space.entries.items()
        }
        for i, space in enumerate(self.spaces):
            n_points = space.n_points or 0
            if number < n_points:
                values |= {_name_in(i, name): v for name, v in space.point(number).items()}
                return {WHICH: i, **values}
            number -= n_points
        raise IndexError(number)

    def description(self) -> dict[str, Any]:
        """Return descriptions by name, for the fingerprint, that are the same for equal spaces."""
        entries = {
            f"param_space[{i}][{name!r}]": entry.description
            for i, space in enumerate(self.spaces)
            for name, entry in sorted(space.entries.items())
        }
        return {
            "param_space": f"a list of {len(self.spaces)} dicts",
            "initial_params": description_of(list(self.initial)),
            **entries,
        }


def _name_in(i: int, name: str) -> str:
    """Return the name of what is drawn for a parameter of dict number `i`."""
    return f"{name} [{i}]"
