"""DictSpace: a distribution, a range or choices for each parameter."""

import json
from collections.abc import Callable, Mapping, Sequence
from math import prod
from numbers import Integral
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)

from skcnn._utils.compat import InvalidParameterError, holds
from skcnn._utils.validation import is_number
from skcnn.model_selection._hashing import hash_of, text_of
from skcnn.model_selection._spaces.base import ParamSpace, check_initial

# Lowest quantile of scipy's distributions that is drawn: at 0 many are infinite.
LOWEST_QUANTILE = 1e-6


class _Entry:
    """One parameter of a dict: its distribution, and the parameter for each drawn value."""

    def __init__(
        self,
        distribution: BaseDistribution,
        decode: Callable[[Any], Any] = lambda value: value,
        encode: Callable[[Any], Any] | None = None,
        text: str = "",
    ) -> None:
        self.distribution = distribution
        self.decode = decode
        self._encode = encode
        self.text = text or distribution_to_json(distribution)

    def encode(self, value: Any) -> Any:
        """Return the drawn value that `decode` turns into `value`.

        Raises
        ------
        ValueError
            If there is no such value.
        """
        drawn = value if self._encode is None else self._encode(value)
        if not holds(self.distribution, drawn):
            raise ValueError(value)
        return drawn


def _n_values(distribution: Any) -> int | None:
    """Return the number of values of a distribution, None for real numbers."""
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return (distribution.high - distribution.low) // distribution.step + 1
    return 1 if distribution.single() else None


def _entry(name: str, given: Any) -> _Entry:
    if isinstance(given, BaseDistribution):
        return _Entry(given)
    if isinstance(given, tuple) and len(given) in (2, 3):
        return _Entry(_range(name, *given))
    if isinstance(given, list | np.ndarray | range) and len(given):
        return _choices(list(given))
    if hasattr(given, "ppf"):
        return _quantiles(given)
    raise InvalidParameterError(
        f"The 'param_space' parameter must give {name!r} a list of choices, a tuple (low, "
        "high), (low, high, 'log') or (low, high, step), an Optuna distribution or a scipy "
        f"distribution. Got {given!r} instead."
    )


def _range(name: str, low: Any, high: Any, third: Any = None) -> BaseDistribution:
    log = third == "log" if isinstance(third, str) else False
    step = None if log else third
    numbers = [low, high] if step is None else [low, high, step]
    legal = all(map(is_number, numbers))
    steps_fit = step is None or (legal and 0 < step <= high - low)
    if not legal or not low < high or (log and low <= 0) or not steps_fit:
        raise InvalidParameterError(
            f"The 'param_space' parameter must give {name!r} a range (low, high) with low < "
            "high, with a third entry 'log' (and low > 0) or a step > 0 that fits in; choices "
            f"are a list. Got {(low, high) if third is None else (low, high, third)!r} instead."
        )
    if all(isinstance(value, Integral) for value in numbers):
        return IntDistribution(int(low), int(high), log=log, step=int(step or 1))
    return FloatDistribution(float(low), float(high), log=log, step=step)


def _choices(options: list[Any]) -> _Entry:
    """Return a choice of any objects; objects that a study cannot store are stored as texts."""
    options = [option.item() if isinstance(option, np.generic) else option for option in options]
    plain = all(
        option is None or isinstance(option, bool | int | float | str) for option in options
    )
    if plain and len({repr(o) for o in options}) == len({*options}) == len(options):
        return _Entry(CategoricalDistribution(options))
    texts = [text_of(option) for option in options]
    hashes = [hash_of(option) for option in options]
    labels = [text if texts.count(text) == 1 else f"{text} [{i}]" for i, text in enumerate(texts)]
    named = dict(zip(labels, options, strict=True))

    def label_of(value: Any) -> str:
        return labels[hashes.index(hash_of(value))]

    return _Entry(CategoricalDistribution(labels), named.__getitem__, label_of)


def _quantiles(distribution: Any) -> _Entry:
    """Return a scipy distribution, drawn by its quantiles."""

    def decode(quantile: float) -> Any:
        value = distribution.ppf(quantile)
        whole = hasattr(getattr(distribution, "dist", distribution), "pmf")
        return int(value) if whole else float(value)

    arguments = (getattr(distribution, "args", ()), getattr(distribution, "kwds", {}))
    name = getattr(getattr(distribution, "dist", distribution), "name", type(distribution).__name__)

    def encode_value(value: Any) -> float:
        low, high = distribution.support()
        if not low <= value <= high:
            raise ValueError(value)
        return float(np.clip(distribution.cdf(value), LOWEST_QUANTILE, 1 - LOWEST_QUANTILE))

    return _Entry(
        FloatDistribution(LOWEST_QUANTILE, 1 - LOWEST_QUANTILE),
        decode,
        encode_value,
        f"{name}{arguments}",
    )


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
        if not space:
            raise InvalidParameterError(
                "The 'param_space' parameter must name at least one parameter. Got {}."
            )
        entries = {name: _entry(name, given) for name, given in space.items()}
        self.distributions = {name: entry.distribution for name, entry in entries.items()}
        self.entries = entries
        counts = [_n_values(distribution) for distribution in self.distributions.values()]
        finite = [count for count in counts if count is not None]
        self.n_points = prod(finite) if len(finite) == len(counts) else None
        for i, params in enumerate(initial):
            check_initial(params, space, f"initial_params[{i}]")
        self.initial = [dict(params) for params in initial]
        for i in range(len(self.initial)):
            self.values_of(i)  # raises if they lie outside of the space

    def params_of(self, values: Mapping[str, Any], initial: int | None = None) -> dict[str, Any]:
        """Return the parameters of drawn values, or of number `initial` of `self.initial`."""
        given = {} if initial is None else self.initial[initial]
        return {
            name: given[name] if name in given else self.entries[name].decode(value)
            for name, value in values.items()
        }

    def values_of(self, initial: int) -> dict[str, Any]:
        """Return the values to enqueue for number `initial` of `self.initial`."""
        values = {}
        for name, value in self.initial[initial].items():
            try:
                values[name] = self.entries[name].encode(value)
            except (ValueError, TypeError):
                raise InvalidParameterError(
                    f"The 'initial_params' parameter must lie in param_space. Got {value!r} "
                    f"for {name!r}, which is drawn from {self.entries[name].distribution}."
                ) from None
        return values

    def description(self) -> dict[str, str]:
        """Return texts by name that are the same for equal spaces."""
        return {
            "param_space": json.dumps(
                {name: entry.text for name, entry in sorted(self.entries.items())}
            ),
            "initial_params": hash_of(list(self.initial)),
        }
