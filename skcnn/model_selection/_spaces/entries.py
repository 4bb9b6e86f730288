"""Entries of a dict of parameters: what each is drawn from, and what a drawn value means."""

from collections.abc import Callable, Sequence
from math import floor
from numbers import Integral
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from skcnn._data.value_texts import description_of, hash_of, text_of, with_hash
from skcnn._utils.compat import InvalidParameterError, holds
from skcnn._utils.validation import is_number

# Lowest quantile of scipy's distributions that is drawn: at 0 many are infinite.
LOWEST_QUANTILE = 1e-6
MOST_WHOLE_VALUES = 10_000  # of a scipy distribution that counts as finite


class Entry:
    """One parameter of a dict.

    Parameters
    ----------
    distribution : BaseDistribution
        What is drawn.
    decode : callable or None, default=None
        Returns the parameter for a drawn value; None for the value itself.
    encode : callable or None, default=None
        Returns the drawn value that `decode` turns into a parameter, the nearest to it, or
        raises a ValueError.
    drawn : sequence or None, default=None
        The drawn values of all different parameters, None where they are not finite.
    description : dict or str, default=""
        The same for equal entries; "" describes the distribution.
    """

    def __init__(
        self,
        distribution: BaseDistribution,
        decode: Callable[[Any], Any] | None = None,
        encode: Callable[[Any], Any] | None = None,
        drawn: Sequence[Any] | None = None,
        description: Any = "",
    ) -> None:
        self.distribution = distribution
        self.drawn = drawn
        self.description = description or _range_description(distribution)
        self._decode = decode
        self._encode = encode

    @property
    def n_points(self) -> int | None:
        """Number of different parameters, None for infinitely many."""
        return None if self.drawn is None else len(self.drawn)

    def point(self, number: int) -> Any:
        """Return the drawn value of one of the parameters, or one of infinitely many."""
        if self.drawn is not None:
            return self.drawn[number]
        return getattr(self.distribution, "low", 0.0)

    def decode(self, value: Any) -> Any:
        """Return the parameter for a drawn value."""
        return value if self._decode is None else self._decode(value)

    def rounded(self, value: Any) -> Any:
        """Return a value of `initial_params` as draws have it, on the grid of a step."""
        return self.decode(value) if isinstance(self.drawn, _Grid) else value

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


class _Grid(Sequence[float]):
    """The values of a float distribution with a step."""

    def __init__(self, low: float, step: float, n: int) -> None:
        self.low, self.step, self.n = low, step, n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: Any) -> Any:
        return self.low + i * self.step


def make_entry(name: str, given: Any) -> Entry:
    """Return the entry of a parameter.

    Raises
    ------
    InvalidParameterError
        If it has no known form.
    """
    if isinstance(given, CategoricalDistribution):
        return _choices(list(given.choices), given)
    if isinstance(given, BaseDistribution):
        return _numbers(given)
    if isinstance(given, tuple) and len(given) in (2, 3):
        return _numbers(_range(name, *given))
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


def _numbers(distribution: Any) -> Entry:
    """Return an entry of numbers that are drawn as they are, or rounded to a grid."""
    if isinstance(distribution, IntDistribution):
        drawn = range(distribution.low, distribution.high + 1, distribution.step)
        return Entry(distribution, drawn=drawn)
    if distribution.step is None:
        return Entry(distribution, drawn=[distribution.low] if distribution.single() else None)
    low, step = distribution.low, distribution.step
    grid = _Grid(low, step, round((distribution.high - low) / step) + 1)

    def nearest(value: float) -> float:
        return grid[round((value - low) / step)]

    return Entry(distribution, nearest, drawn=grid)


def _range_description(distribution: Any) -> dict[str, Any]:
    low, high, step, log = (getattr(distribution, name) for name in ("low", "high", "step", "log"))
    kind = "int" if isinstance(distribution, IntDistribution) else "float"
    shown = ", 'log'" if log else "" if step in (None, 1) else f", {step}"
    return {
        "text": f"({low}, {high}{shown})",
        "range": [kind, log],
        "low": low,
        "high": high,
        "step": step,
    }


def _choices(options: list[Any], given: CategoricalDistribution | None = None) -> Entry:
    """Return a choice of any objects; objects that a study cannot store are stored as texts."""
    options = [option.item() if isinstance(option, np.generic) else option for option in options]
    hashes = [hash_of(option) for option in options]
    first = [i for i, text in enumerate(hashes) if text not in hashes[:i]]
    shown = list(map(description_of, options))
    description = {"text": f"[{', '.join(shown)}]", "choices": shown}
    plain = all(
        option is None or isinstance(option, bool | int | float | str) for option in options
    )
    if plain and len({repr(o) for o in options}) == len({*options}) == len(options):
        distribution = given or CategoricalDistribution(options)
        return Entry(distribution, drawn=options, description=description)
    texts = [text_of(option) for option in options]
    labels = [text if texts.count(text) == 1 else f"{text} [{i}]" for i, text in enumerate(texts)]
    named = dict(zip(labels, options, strict=True))

    def label_of(value: Any) -> str:
        return labels[hashes.index(hash_of(value))]

    return Entry(
        CategoricalDistribution(labels),
        named.__getitem__,
        label_of,
        [labels[i] for i in first],
        description,
    )


def _quantiles(distribution: Any) -> Entry:
    """Return a scipy distribution, drawn by its quantiles."""
    discrete = hasattr(getattr(distribution, "dist", distribution), "pmf")

    def decode(quantile: float) -> Any:
        value = float(distribution.ppf(quantile))
        return int(value) if discrete and value.is_integer() else value

    def encode(value: Any) -> float:
        low, high = distribution.support()
        if not low <= value <= high:
            raise ValueError(value)
        quantile = distribution.cdf(value) - (distribution.pmf(value) / 2 if discrete else 0)
        return float(np.clip(quantile, LOWEST_QUANTILE, 1 - LOWEST_QUANTILE))

    return Entry(
        FloatDistribution(LOWEST_QUANTILE, 1 - LOWEST_QUANTILE),
        decode,
        encode,
        _drawn_quantiles(distribution, decode, encode) if discrete else None,
        _quantiles_description(distribution),
    )


def _drawn_quantiles(distribution: Any, decode: Any, encode: Any) -> list[float] | None:
    """Return a quantile for each value of a discrete distribution, None for infinitely many."""
    values: Any = getattr(getattr(distribution, "dist", distribution), "xk", None)
    if values is None:
        low, high = map(float, distribution.support())
        if not high - low < MOST_WHOLE_VALUES:
            return None
        values = np.arange(floor(low), floor(high) + 1)
    quantiles = [encode(value) for value in values if distribution.pmf(value) > 0]
    return list({decode(quantile): quantile for quantile in quantiles}.values())


def _quantiles_description(distribution: Any) -> str:
    name = getattr(getattr(distribution, "dist", distribution), "name", type(distribution).__name__)
    arguments = [*map(text_of, getattr(distribution, "args", ()))]
    arguments += [f"{k}={text_of(v)}" for k, v in getattr(distribution, "kwds", {}).items()]
    return with_hash(f"{name}({', '.join(arguments)})", distribution)
