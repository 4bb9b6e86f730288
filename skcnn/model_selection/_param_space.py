"""What a search draws from: the automatic space, a dict, or a function of the trial.

A space suggests values to an Optuna trial and reads parameters from a finished one, the
same wherever and whenever it is read. Trains nothing.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import isfinite, prod
from numbers import Integral, Real
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.trial import BaseTrial, FixedTrial, FrozenTrial
from sklearn.utils._param_validation import InvalidParameterError

from skcnn.exceptions import ArchitectureError
from skcnn.model_selection._auto_space import (
    LATENTS,
    TRAINING_LATENTS,
    Latent,
    decode,
    encode,
    smaller,
)
from skcnn.model_selection._network_size import Limits
from skcnn.model_selection._step_cache import hash_of

# Quantiles that scipy's distributions are asked for: at 0 and 1 many are infinite.
LOWEST_SHARE = 1e-6
INITIAL = "skcnn:initial"  # attribute of a trial that takes one of the initial parameters


class ParamSpace(ABC):
    """Where parameters come from.

    Attributes
    ----------
    distributions : dict or None
        What a trial's values are drawn from; None where a function decides.
    n_points : int or None
        Number of all combinations, where that is finite.
    initial : sequence of mapping
        Parameters to try first.
    usual : dict or None
        Values that usually do well, if any are known.
    """

    distributions: dict[str, BaseDistribution] | None = None
    n_points: int | None = None
    usual: dict[str, Any] | None = None
    initial: Sequence[Mapping[str, Any]] = ()

    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        """Return the parameters of a trial whose `distributions` are drawn already."""
        return self.params_of(trial.params, trial.user_attrs.get(INITIAL))

    def params_of_trial(self, trial: FrozenTrial) -> dict[str, Any]:
        """Return the parameters of a trial of the study."""
        return self.params_of(trial.params, trial.user_attrs.get(INITIAL))

    @abstractmethod
    def params_of(self, values: Mapping[str, Any], initial: int | None = None) -> dict[str, Any]:
        """Return the parameters that drawn values, or one of `initial`, mean."""

    @abstractmethod
    def values_of(self, initial: int) -> dict[str, Any]:
        """Return the values to enqueue for one of `initial`."""

    @abstractmethod
    def description(self) -> dict[str, str]:
        """Return text that tells whether two spaces are the same."""


class AutoSpace(ParamSpace):
    """The space of ``_search_space`` for an input of some shape.

    The first trial is the estimator as it is.

    Parameters
    ----------
    prefix : str
        What comes before a ConvNet's parameter in the estimator's, such as
        "convnetclassifier__".
    spatial : sequence of int
        Sides of the network's input.
    n_samples : int
        Number of training samples of a fold.
    own : mapping
        The ConvNet's own parameters.
    augmented : bool
        Whether an augmentation takes part.
    initial : sequence of mapping
        Parameters to try after the estimator's own.
    limits : Limits or None, default=None
        Largest network. A draw that is larger means a smaller one of the same kind.
    """

    def __init__(
        self,
        prefix: str,
        spatial: Sequence[int],
        n_samples: int,
        own: Mapping[str, Any],
        augmented: bool,
        initial: Sequence[Mapping[str, Any]],
        limits: Limits | None = None,
    ) -> None:
        self.prefix = prefix
        self.spatial = tuple(spatial)
        self.n_samples = n_samples
        self.augmented = augmented
        whole = own["architecture"] is not None
        names = [
            name
            for name in (TRAINING_LATENTS if whole else LATENTS)
            if augmented or name != "augmentation_strength"
        ]
        self.distributions = {name: _of_latent(LATENTS[name]) for name in names}
        decoded = decode(encode({}, spatial, n_samples), spatial, n_samples, augmented)
        self.names = [name for name in decoded if not whole or name in TRAINING_LATENTS]
        # what is decoded fits with padding that keeps the size
        self.fixed = {} if whole or own["padding"] == "same" else {f"{prefix}padding": "same"}
        allowed = [prefix + name for name in self.names]
        for i, params in enumerate(initial):
            _check_names(params, allowed, f"initial_params[{i}]")
        first = {prefix + name: own[name] for name in self.names}
        first |= dict.fromkeys(self.fixed, own["padding"])
        self.clips = not whole and own["gradient_clip"] is None
        self.limits = limits
        own_values = {name: own[name] for name in self.names}
        latents = encode(own_values, spatial, n_samples)
        self.usual = {name: latents[name] for name in self.distributions}
        self.initial = [{**first, **params} for params in initial]
        if not self._is_too_large(first):
            self.initial.insert(0, first)

    def params_of(self, values: Mapping[str, Any], initial: int | None = None) -> dict[str, Any]:
        """Return the parameters that drawn values, or one of `initial`, mean."""
        if initial is not None:
            return dict(self.initial[initial])
        latents = {**encode({}, self.spatial, self.n_samples), **values}
        params = self._decode(latents)
        if self._is_too_large(params):
            for fewer in smaller(latents):
                params = self._decode(fewer)
                if not self._is_too_large(params):
                    break
        return params

    def _decode(self, latents: Mapping[str, Any]) -> dict[str, Any]:
        decoded = decode(latents, self.spatial, self.n_samples, self.augmented)
        params = {self.prefix + name: decoded[name] for name in self.names} | self.fixed
        if self.clips and decoded["optimizer"] == "sgd":  # which diverges in small batches
            params[f"{self.prefix}gradient_clip"] = 1.0
        return params

    def _is_too_large(self, params: Mapping[str, Any]) -> bool:
        try:
            return self.limits is not None and bool(self.limits.violation(params))
        except ArchitectureError:  # such as mirrored borders wider than the input
            return True

    def values_of(self, initial: int) -> dict[str, Any]:
        """Return the latents nearest to one of `initial`."""
        given = {
            name.removeprefix(self.prefix): value for name, value in self.initial[initial].items()
        }
        latents = encode(given, self.spatial, self.n_samples)
        return {name: latents[name] for name in self.distributions or {}}

    def description(self) -> dict[str, str]:
        """Return text that tells whether two spaces are the same."""
        return {
            "param_space": f"auto for {self.spatial}, {self.n_samples} samples"
            + ("" if self.limits is None else f", at most {self.limits.bounds}")
            + f": {', '.join(self.names)}",
            "initial_params": hash_of(list(self.initial)),
        }


def _of_latent(latent: Latent) -> BaseDistribution:
    if latent.low is None or latent.high is None:
        return CategoricalDistribution(latent.options)
    if latent.whole:
        return IntDistribution(int(latent.low), int(latent.high), log=latent.log)
    return FloatDistribution(latent.low, latent.high, log=latent.log)


class DictSpace(ParamSpace):
    """A dict of parameter name and what to draw it from.

    Parameters
    ----------
    space : mapping
        Each an Optuna distribution, ``(low, high)``, ``(low, high, "log")``, ``(low, high,
        step)``, a list of choices, or a scipy distribution.
    initial : sequence of mapping
        Parameters to try first.

    Raises
    ------
    InvalidParameterError
        If an entry is none of these.
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
            _check_names(params, space, f"initial_params[{i}]")
        self.initial = [dict(params) for params in initial]
        for i in range(len(self.initial)):
            self.values_of(i)

    def params_of(self, values: Mapping[str, Any], initial: int | None = None) -> dict[str, Any]:
        """Return the parameters that drawn values mean, those of `initial` as they are."""
        given = {} if initial is None else self.initial[initial]
        return {
            name: given[name] if name in given else self.entries[name].decode(value)
            for name, value in values.items()
        }

    def values_of(self, initial: int) -> dict[str, Any]:
        """Return the values to enqueue for one of `initial`."""
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
        """Return text that tells whether two spaces are the same."""
        return {
            "param_space": json.dumps(
                {name: entry.text for name, entry in sorted(self.entries.items())}
            ),
            "initial_params": hash_of(list(self.initial)),
        }


class CallableSpace(ParamSpace):
    """A function of the trial that returns parameters.

    Parameters
    ----------
    function : callable
        Calls the trial's ``suggest_...`` methods.
    initial : sequence of mapping
        Values to try first, by the names that `function` suggests.
    """

    def __init__(
        self, function: Callable[[Any], dict[str, Any]], initial: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self.function = function
        for i, params in enumerate(initial):
            _check_names(params, params, f"initial_params[{i}]")
        self.initial = [dict(params) for params in initial]

    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        """Ask the function."""
        params = self.function(trial)
        initial = trial.user_attrs.get(INITIAL)
        if initial is not None:
            _check_names(self.initial[initial], trial.params, f"initial_params[{initial}]")
        if not isinstance(params, Mapping):
            raise InvalidParameterError(
                "The 'param_space' function must return a dict of parameters. Got "
                f"{params!r} instead."
            )
        return dict(params)

    def params_of_trial(self, trial: FrozenTrial) -> dict[str, Any]:
        """Ask the function again, with the values that the trial has."""
        return self.suggest(FixedTrial(trial.params, trial.number))

    def params_of(self, values: Mapping[str, Any], initial: int | None = None) -> dict[str, Any]:
        """Ask the function with these values."""
        return self.suggest(FixedTrial(dict(values)))

    def values_of(self, initial: int) -> dict[str, Any]:
        """Return the values to enqueue."""
        return dict(self.initial[initial])

    def description(self) -> dict[str, str]:
        """Return text that tells whether two spaces are the same."""
        function = self.function
        while isinstance(function, partial):
            function = function.func
        name = getattr(function, "__qualname__", type(function).__qualname__)
        return {
            "param_space": f"function {getattr(function, '__module__', '')}.{name}",
            "initial_params": hash_of(list(self.initial)),
        }


class _Entry:
    """One parameter of a dict: its distribution, and what a drawn value means."""

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
        """Return the drawn value that means `value`.

        Raises
        ------
        ValueError
            If none does.
        """
        drawn = value if self._encode is None else self._encode(value)
        if not self.distribution._contains(self.distribution.to_internal_repr(drawn)):
            raise ValueError(value)
        return drawn


def _n_values(distribution: Any) -> int | None:
    """Return how many values a distribution has, None if they are real numbers."""
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
    legal = all(
        isinstance(v, Real) and not isinstance(v, bool | np.bool_) and isfinite(v) for v in numbers
    )
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
    """Return a choice of anything; what a study cannot store is named by its text."""
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


def text_of(value: Any) -> str:
    """Return a value's text, the same in every process."""
    text = repr(value)
    return text if " at 0x" not in text else getattr(value, "__qualname__", type(value).__name__)


def _quantiles(distribution: Any) -> _Entry:
    """Return a scipy distribution, drawn by its quantiles."""

    def decode(share: float) -> Any:
        value = distribution.ppf(share)
        whole = hasattr(getattr(distribution, "dist", distribution), "pmf")
        return int(value) if whole else float(value)

    arguments = (getattr(distribution, "args", ()), getattr(distribution, "kwds", {}))
    name = getattr(getattr(distribution, "dist", distribution), "name", type(distribution).__name__)

    def encode_value(value: Any) -> float:
        low, high = distribution.support()
        if not low <= value <= high:
            raise ValueError(value)
        return float(np.clip(distribution.cdf(value), LOWEST_SHARE, 1 - LOWEST_SHARE))

    return _Entry(
        FloatDistribution(LOWEST_SHARE, 1 - LOWEST_SHARE),
        decode,
        encode_value,
        f"{name}{arguments}",
    )


def _check_names(params: object, allowed: Any, what: str) -> None:
    """Check that initial parameters name what the space has."""
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
