"""Checks of parameters, the words of their messages, and warnings at the caller's line."""

import difflib
import sys
import warnings
from collections.abc import Iterable
from math import inf
from numbers import Integral, Real
from typing import Any, TypeGuard

import numpy as np

from skcnn._utils.compat import (
    InvalidParameterError,
    Options,
    StrOptions,
    check_declared_parameters,
)


def is_integer(value: object) -> TypeGuard[int]:
    """Return whether `value` is a whole number of Python or NumPy, and not a boolean."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """Return whether `value` is a finite real number, and not a boolean."""
    is_real = isinstance(value, Real) and not isinstance(value, bool)
    return is_real and -inf < value < inf  # type: ignore[operator]


class WholeNumbers(Options):
    """The constraint that a parameter is one of some whole numbers, and not a boolean.

    Parameters
    ----------
    options : set of int
        The legal values.
    """

    def __init__(self, options: set[int]) -> None:
        super().__init__(Integral, options)

    def is_satisfied_by(self, val: object) -> bool:
        """Return whether `val` is one of the numbers."""
        return is_integer(val) and val in self.options

    def __str__(self) -> str:
        return f"an int among {{{', '.join(map(str, sorted(self.options)))}}}"


def did_you_mean(value: object, options: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for a near miss of one of `options`, else ``""``."""
    if not isinstance(value, str):
        return ""
    near = difflib.get_close_matches(value.lower(), sorted(options), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""


def check_option(name: str, value: object, options: Iterable[str]) -> None:
    """Raise ValueError if the parameter `name` is not one of its `options`."""
    options = list(options)
    if not isinstance(value, str) or value not in options:
        raise ValueError(
            f"The {name!r} parameter must be one of {options}. Got {value!r} instead."
            f"{did_you_mean(value, options)}"
        )


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the line that called into skcnn, however deep the call is by now."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and _is_internal(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def _is_internal(module: str) -> bool:
    return module.split(".")[0] in ("skcnn", "sklearn", "joblib", "contextlib")


def check_parameters(estimator: Any) -> None:
    """Check the parameters against the estimator's table of constraints.

    Raises
    ------
    InvalidParameterError
        With scikit-learn's message, and "did you mean" after an unknown name.
    """
    try:
        check_declared_parameters(estimator)
    except InvalidParameterError as error:
        message = str(error)
        for name, value in estimator.get_params(deep=False).items():
            if message.startswith(f"The {name!r} parameter"):
                options = {
                    option
                    for constraint in estimator._parameter_constraints[name]
                    if isinstance(constraint, StrOptions)
                    for option in constraint.options
                }
                error.args = (message + did_you_mean(value, options),)
        raise


def check_finite(results: list[np.ndarray], name: str) -> None:
    """Check results that are infinite where the samples have huge values.

    Parameters
    ----------
    results : list of ndarray of shape (n_samples_i, ...)
        Floats of parts of the samples, in order.
    name : str
        The transformer's name.

    Raises
    ------
    ValueError
        If results are infinite or NaN. The message names the samples.
    """
    finite = [np.isfinite(part).all(axis=tuple(range(1, part.ndim))) for part in results]
    lost = np.flatnonzero(~np.concatenate(finite))
    if len(lost):
        n_samples = sum(map(len, finite))
        raise ValueError(
            f"The results of {name} for {len(lost)} of {n_samples} samples, the first at index "
            f"{lost[0]}, are beyond the range of {results[0].dtype}: their values are too large. "
            "Divide X by a constant first."
        )
