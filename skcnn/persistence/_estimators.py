"""Estimators and layers as nodes of a manifest, and back."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np

from skcnn import layers
from skcnn._data.layouts import InputLayout
from skcnn._data.series.layout import SeriesLayout
from skcnn._files.values import ValueDecoder, ValueEncoder, described
from skcnn._utils.compat import (
    InvalidParameterError,
    callbacks_of,
    check_declared_parameters,
    declares_parameters,
)
from skcnn.exceptions import ModelFileError, SkcnnError, UnsupportedModelError
from skcnn.layers._base import SIGNAL_DIMS, LayerSpec
from skcnn.persistence._checks import (
    MOST_AXES,
    check_attributes,
    check_sizes,
    is_alike,
    is_as_declared,
)
from skcnn.persistence._registry import BY_CLASS, TRUSTED, Trusted

LAYERS: dict[str, type] = {
    name: cls
    for name in layers.__all__
    if issubclass(cls := getattr(layers, name), LayerSpec) and cls is not LayerSpec
}
MOST_ESTIMATORS = 10_000
SUPPORTED = (
    "Supported are the estimators, transformers and augmentations of skcnn, and the estimators of "
    "scikit-learn that its page 'Model files' lists"
)


class ModelEncoder(ValueEncoder):
    """Turns estimators into nodes of a manifest."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers: dict[int, int] = {}  # of the estimators so far, by their identity
        self.libraries: set[str] = set()

    def _object(self, value: Any, place: str, level: int) -> Any:
        if id(value) in self._numbers:
            return {"same": self._numbers[id(value)]}
        if isinstance(value, InputLayout):
            node = {"layout": list(value.shape), "channels": value.channels}
            kinds = {"unequal": isinstance(value, SeriesLayout), "masks": value.masks}
            return node | {name: True for name, holds in kinds.items() if holds}
        if type(value) in LAYERS.values():
            given = {each.name: getattr(value, each.name) for each in fields(value)}
            return {"layer": type(value).__name__, "fields": self._parts(given, place, level)}
        function = next((name for name, each in FUNCTIONS.items() if each is value), None)
        if function is not None:
            return {"function": function}
        entry = BY_CLASS.get(type(value))
        if entry is None:
            raise UnsupportedModelError(
                f"{place} is {described(value)}, which model files do not hold. {SUPPORTED}."
            )
        node = self._estimator(entry, value, place, level)
        self._numbers[id(value)] = len(self._numbers)
        self.libraries.add(entry.name.partition(".")[0])
        return node

    def _estimator(self, entry: Trusted, value: Any, place: str, level: int) -> Any:
        if callbacks_of(value):
            raise UnsupportedModelError(
                f"{place} has callbacks of scikit-learn, which model files do not hold: "
                "set_callbacks() takes them away"
            )
        names = entry.parameters
        params = {name: getattr(value, name) for name in names}
        check_parameters(entry, params)
        if entry.keep is not None:
            fitted = entry.keep(value)
        else:
            left_out = {*names, *entry.derived}
            fitted = {name: part for name, part in vars(value).items() if name not in left_out}
            check_attributes(fitted, entry.fitted, entry.cls.__name__)
        given = {name: part for name, part in params.items() if not is_given_again(name, part)}
        again = {name: {"given": name} for name in params.keys() - given.keys()}
        node = {
            "estimator": entry.name,
            "params": self._parts(given, place, level) | again,
            "fitted": self._parts(fitted, place, level),
        }
        _check_restored(entry, params, fitted, value)
        return node

    def _parts(self, parts: dict[str, Any], place: str, level: int) -> dict[str, Any]:
        return {
            name: self.encode(part, f"{place}.{name}", level + 1) for name, part in parts.items()
        }


class ModelDecoder(ValueDecoder):
    """Turns nodes of a manifest back into estimators.

    Parameters
    ----------
    tensors : dict of str to ndarray
        The tensors of the file.
    architecture : callable or None
        What makes the networks that a callable made.
    """

    def __init__(
        self, tensors: dict[str, np.ndarray], architecture: Callable[..., Any] | None
    ) -> None:
        super().__init__(tensors)
        self.architecture = architecture
        self.uses_architecture = False
        self._estimators: list[Any] = []
        self._sizes: list[int] = []  # how many estimators each has inside, itself included
        self._size = 0
        self.kinds |= {
            "same": self._same,
            "layout": self._layout,
            "layer": self._layer,
            "function": self._function,
            "given": self._given,
            "estimator": self._estimator,
        }

    def _same(self, node: dict[str, Any], place: str, level: int) -> Any:
        number = node["same"]
        self._check(type(number) is int and 0 <= number < len(self._estimators), place)
        self._add_estimators(self._sizes[number])
        return self._estimators[number]

    def _layout(self, node: dict[str, Any], place: str, level: int) -> InputLayout:
        shape = self._list(node["layout"], place, level)
        legal = 2 <= len(shape) <= MOST_AXES
        self._check(legal and all(type(n) is int and 1 <= n < 2**31 for n in shape), place)
        self._check(node.get("channels") in ("last", "first"), place)
        kinds = {name: node.get(name, False) for name in ("unequal", "masks")}
        self._check(all(type(kind) is bool for kind in kinds.values()), place)
        if not kinds["unequal"]:
            return InputLayout(tuple(shape), node["channels"], kinds["masks"])
        self._check(len(shape) == SIGNAL_DIMS, place)
        return SeriesLayout(tuple(shape), node["channels"], kinds["masks"])

    def _layer(self, node: dict[str, Any], place: str, level: int) -> LayerSpec:
        name = node["layer"]
        self._check(type(name) is str and type(node.get("fields")) is dict, place)
        if name not in LAYERS:
            raise UnsupportedModelError(f"{place} names the layer {name[:80]!r}, which is unknown")
        given = self._parts(node["fields"], place, level)
        try:
            return LAYERS[name](**given)
        except (SkcnnError, TypeError, ValueError) as error:
            raise ModelFileError(f"{place} is no legal {name}: {error}") from error

    def _function(self, node: dict[str, Any], place: str, level: int) -> Any:
        name = node["function"]
        if type(name) is not str or name not in FUNCTIONS:
            raise UnsupportedModelError(f"{place} names the function {str(name)[:80]!r}")
        return FUNCTIONS[name]

    def _given(self, node: dict[str, Any], place: str, level: int) -> Any:
        if self.architecture is None:
            raise ModelFileError(
                f"{place} was a callable, which files do not hold: pass it again, as "
                "load(path, architecture=...)"
            )
        self.uses_architecture = True
        return self.architecture

    def _estimator(self, node: dict[str, Any], place: str, level: int) -> Any:
        name = node["estimator"]
        self._check(type(name) is str and node.keys() == {"estimator", "params", "fitted"}, place)
        self._check(type(node["params"]) is dict and type(node["fitted"]) is dict, place)
        if name not in TRUSTED:
            raise UnsupportedModelError(
                f"{place} names the class {name[:80]!r}, which model files do not hold. {SUPPORTED}"
            )
        entry, before = TRUSTED[name], self._size
        self._add_estimators(1)
        params = self._parts(node["params"], place, level)
        fitted = self._parts(node["fitted"], place, level)
        estimator = with_parameters(entry, params)
        if entry.keep is None:
            check_attributes(fitted, entry.fitted, entry.cls.__name__)
            vars(estimator).update(fitted)
        if entry.restore is not None:
            entry.restore(estimator, fitted, self.architecture)
        self._estimators.append(estimator)
        self._sizes.append(self._size - before)
        return estimator

    def _add_estimators(self, n: int) -> None:
        """Count estimators, repeated ones again, which bounds the time of a prediction."""
        self._size += n
        if self._size > MOST_ESTIMATORS:
            raise ModelFileError(f"it has more than {MOST_ESTIMATORS} estimators inside others")

    def _parts(self, nodes: dict[str, Any], place: str, level: int) -> dict[str, Any]:
        return {
            name: self.decode(part, f"{place}.{name}", level + 1) for name, part in nodes.items()
        }


def with_parameters(entry: Trusted, params: dict[str, Any]) -> Any:
    """Return an estimator that is not fitted, with checked parameters."""
    if not entry.has_parameters:
        return object.__new__(entry.cls)
    unknown = sorted(params.keys() - set(entry.parameters))
    if unknown:
        raise ModelFileError(
            f"{entry.cls.__name__} has no parameter {unknown[0][:80]!r} in this version"
        )
    check_parameters(entry, params)
    try:
        estimator = entry.cls(**params)
        if declares_parameters(estimator):
            check_declared_parameters(estimator)
    except (InvalidParameterError, SkcnnError, TypeError, ValueError) as error:
        raise ModelFileError(f"{entry.cls.__name__} has an illegal parameter: {error}") from error
    return estimator


def _check_restored(
    entry: Trusted, params: dict[str, Any], fitted: dict[str, Any], value: Any
) -> None:
    """Check that a file with these parameters could be loaded, and gives the same attributes.

    Raises
    ------
    ModelFileError
        If a parameter was set to an illegal value after the fit, or attributes that loading makes
        from the parameters would be others.
    """
    again = with_parameters(entry, params)
    if entry.restore is None:
        return
    if entry.keep is not None:
        entry.restore(again, {}, None)  # checks the parameters without building a network
        return
    vars(again).update(fitted)
    entry.restore(again, fitted, None)
    for name in sorted(entry.derived) if fitted else ():
        if not is_alike(getattr(again, name), getattr(value, name)):
            raise ModelFileError(
                f"parameters of {entry.cls.__name__} were changed after it was fitted, from which "
                f"loading would make another {name!r}: set them back or fit it again"
            )


def is_given_again(name: str, value: Any) -> bool:
    """Return whether a parameter is a callable network, which is given again at loading."""
    return name == "architecture" and callable(value) and not isinstance(value, type)


def check_parameters(entry: Trusted, params: dict[str, Any]) -> None:
    """Raise an error for parameters that are not saved."""
    check_sizes(params, entry.cls.__name__)
    for name, kind in entry.checked.items():
        if not is_as_declared(params.get(name), kind, {}):
            raise ModelFileError(f"the parameter {name!r} of {entry.cls.__name__} must be {kind}")
    for name, legal in entry.fixed.items():
        value = params.get(name, legal[0])
        if not any(value is each or (type(value) is str and value == each) for each in legal):
            options = " or ".join(map(repr, legal))
            raise UnsupportedModelError(
                f"the parameter {name!r} of {entry.cls.__name__} can be saved as {options} only. "
                f"Got {str(value)[:200]!r}: set_params({name}={legal[0]!r}) changes it"
            )


FUNCTIONS: dict[str, Any] = {}
