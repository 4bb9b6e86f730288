"""Checks of attributes that a file gives, declared in a line for each type of estimator.

A declaration has words such as ``scale_=float(F)|none``: the attribute's name and what it may be.
Letters in parentheses are the lengths of an array's axes. The same letter means the same length in
all attributes of an estimator. F is the number of features, where it is known.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skcnn._data.layouts import InputLayout
from skcnn._utils.validation import is_integer, is_number
from skcnn.exceptions import ModelFileError

WORD = re.compile(r"([a-z]+)(?:\(([^)]*)\))?")
ARRAYS = {  # kinds of NumPy's dtypes
    "float": "f",
    "finite": "f",
    "integer": "iu",
    "boolean": "b",
    "numeric": "biuf",
    "strings": "UO",
    "labels": "biufUSO",
}
MOST_AXES = 4  # of a sample
STEPS = ("drop", "passthrough", None)
OUTPUTS = ("default", "pandas", "polars")  # of set_output
# Common to all estimators
COMMON = {
    "n_features_in_?": "count",
    "feature_names_in_?": "strings(F)",
    "channel_names_?": "strings(M)",
    "sampling_rate_?": "real",
    "_sklearn_output_config?": "output",
}
# The largest values, of either sign, of parameters by which a file could make a prediction start
# too many processes or take too long.
LARGEST = {"n_jobs": 256, "n_threads": 256, "n_operations": 100, "degree": 10}


def declared(line: str) -> dict[str, str]:
    """Return a declaration as a dict of names and what they may be."""
    return dict(word.split("=", 1) for word in line.split())


def check_attributes(values: Mapping[str, Any], declaration: Mapping[str, str], owner: str) -> None:
    """Raise ModelFileError if attributes are not as declared.

    Parameters
    ----------
    values : mapping of str to object
        Names and values.
    declaration : mapping of str to str
        What is legal, see the docstring of the module.
    owner : str
        The name of the class.
    """
    every = COMMON | dict(declaration)
    known = {name.rstrip("?"): legal for name, legal in every.items()}
    missing = sorted(every.keys() - values.keys() - {name for name in every if name[-1] == "?"})
    if values and missing:
        raise ModelFileError(f"{owner} has no attribute {missing[0]!r}")
    lengths: dict[str, int] = {}
    ordered = sorted(values, key=lambda name: name != "n_features_in_")
    for name in ordered:
        if name not in known:
            raise ModelFileError(f"{owner} has the attribute {name!r}, which cannot be saved")
        if not is_as_declared(values[name], known[name], lengths):
            raise ModelFileError(
                f"the attribute {name!r} of {owner} must be {known[name]}, with the lengths "
                f"{lengths}. Got {_shown(values[name])}"
            )
        if name == "n_features_in_":
            lengths["F"] = int(values[name])


def is_as_declared(value: Any, legal: str, lengths: dict[str, int]) -> bool:
    """Return whether a value is as declared, and learn lengths from it."""
    for option in legal.split("|"):
        match = WORD.fullmatch(option)
        assert match is not None, option
        kind, axes = match.groups()
        if kind in ARRAYS:
            if _is_array(value, kind, axes, lengths):
                return True
        elif kind == "arrays":
            if _are_arrays(value, axes, lengths):
                return True
        elif PLAIN[kind](value):
            return True
    return False


def _is_shape(value: Any) -> bool:
    return (
        type(value) is tuple
        and 1 <= len(value) <= MOST_AXES
        and all(is_integer(side) and 1 <= side < 2**31 for side in value)
    )


def is_step(value: Any, words: tuple[Any, ...] = STEPS) -> bool:
    """Return whether a value is an estimator, or a word that stands for none."""
    if isinstance(value, str) or value is None:
        return value in words
    return hasattr(value, "fit") and not isinstance(value, type)


def _are_steps(value: Any, length: int) -> bool:
    """Return whether a value is a list of tuples of a name, an estimator and other entries."""
    return type(value) in (list, tuple) and all(
        type(step) is tuple
        and len(step) == length
        and isinstance(step[0], str)
        and is_step(step[1])
        for step in value
    )


PLAIN = {
    "any": lambda value: True,
    "none": lambda value: value is None,
    "bool": lambda value: isinstance(value, bool | np.bool_),
    "int": is_integer,
    "count": lambda value: is_integer(value) and 1 <= value < 2**48,
    "number": is_number,
    "real": lambda value: isinstance(value, float | np.floating) or is_integer(value),
    "text": lambda value: isinstance(value, str),
    "list": lambda value: type(value) is list,
    "tuple": lambda value: type(value) is tuple,
    "dict": lambda value: isinstance(value, dict),
    "shape": _is_shape,
    "layout": lambda value: type(value) is InputLayout,
    "samples": lambda value: isinstance(value, InputLayout),  # or signals of unequal length
    "output": lambda value: value in ({}, *({"transform": kind} for kind in OUTPUTS)),
    "dtype": lambda value: isinstance(value, np.dtype),
    "estimator": lambda value: hasattr(value, "get_params"),
    "estimators": lambda value: (
        type(value) in (list, tuple) and all(is_step(each, ("drop",)) for each in value)
    ),
    "predictors": lambda value: (
        type(value) is list
        and bool(value)
        and all(hasattr(each, "predict_proba") for each in value)
    ),
    "steps": lambda value: _are_steps(value, 2),
    "columns": lambda value: _are_steps(value, 3),
}


def _is_array(value: Any, kind: str, axes: str | None, lengths: dict[str, int]) -> bool:
    if not isinstance(value, np.ndarray | np.generic) or value.dtype.kind not in ARRAYS[kind]:
        return False
    if kind == "strings" and not all(isinstance(each, str) for each in value.flat):
        return False
    if kind == "finite" and not np.isfinite(value).all():
        return False
    letters = [axis for axis in (axes or "").split(",") if axis]
    if value.ndim != len(letters):
        return False
    return all(
        letter == "*" or lengths.setdefault(letter, length) == length
        for letter, length in zip(letters, value.shape, strict=True)
    )


def _are_arrays(value: Any, axes: str | None, lengths: dict[str, int]) -> bool:
    """Return whether a value is a list of arrays of one axis, as many as a letter says."""
    listed = type(value) is list and all(isinstance(a, np.ndarray) and a.ndim == 1 for a in value)
    return listed and (axes is None or lengths.setdefault(axes, len(value)) == len(value))


def is_alike(a: Any, b: Any) -> bool:
    """Return whether two attributes are equal, compared by what they hold."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if issparse(a):
        return a.shape == b.shape and (a != b).nnz == 0
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(is_alike, a, b))
    if hasattr(a, "__code__"):
        return a.__code__ is b.__code__
    if hasattr(a, "__dict__"):
        return vars(a).keys() == vars(b).keys() and all(
            is_alike(part, vars(b)[name]) for name, part in vars(a).items()
        )
    return bool(a == b)


def check_sizes(params: Mapping[str, Any], owner: str) -> None:
    """Raise ModelFileError for parameters of which a prediction could take too long."""
    for name, most in LARGEST.items():
        value = params.get(name)
        numbers = value if isinstance(value, tuple | list) else [value]
        for number in numbers:
            if number is not None and not (is_integer(number) and abs(number) <= most):
                raise ModelFileError(
                    f"the parameter {name!r} of {owner} must be an integer of at most {most}. "
                    f"Got {_shown(value)}"
                )


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    return f"{str(value)[:80]!r} of the type {type(value).__name__}"
