"""The package's own exceptions and warnings, "did you mean", and the check of an option.

Does not decide when to raise otherwise: the module that sees the bad value does.
"""

import difflib
import sys
import warnings
from collections.abc import Iterable


class SkcnnError(Exception):
    """Base class of every exception that skcnn defines."""


class ArchitectureError(SkcnnError, ValueError):
    """A network description is invalid or does not fit its input."""


class InputShapeError(SkcnnError, ValueError):
    """``X`` has a shape that cannot be read as the expected images or signals."""


class TrainingDivergedError(SkcnnError, ValueError):
    """The training loss became infinite or NaN."""


class MissingDependencyError(SkcnnError, ImportError):
    """An optional dependency is needed and not installed."""


class InputLayoutWarning(UserWarning):
    """The axes of ``X`` look as if they were meant in another order."""


class InputScaleWarning(UserWarning):
    """``X`` at predict lies on another scale than ``X`` at fit."""


class RareClassWarning(UserWarning):
    """A class is too small to be represented in the validation set."""


class LeakageWarning(UserWarning):
    """Copies of a sample may be on both sides of a split, and scores be too good."""


class FrozenAugmentationWarning(UserWarning):
    """An augmented array was turned into one draw, the same for all epochs."""


class ComparisonWarning(UserWarning):
    """The design of a comparison cannot decide what it is asked."""


def did_you_mean(value: object, options: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for a near miss of one of `options`, else ``""``."""
    if not isinstance(value, str):
        return ""
    near = difflib.get_close_matches(value.lower(), sorted(options), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""


def check_option(name: str, value: object, options: Iterable[str]) -> None:
    """Refuse a value of the parameter `name` that is none of its `options`."""
    options = list(options)
    if not isinstance(value, str) or value not in options:
        raise ValueError(
            f"The {name!r} parameter must be one of {options}. Got {value!r} instead."
            f"{did_you_mean(value, options)}"
        )


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the line that called into skcnn, however deep the call is by now."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def _is_ours(module: str) -> bool:
    return module.split(".")[0] in ("skcnn", "sklearn", "joblib", "contextlib")
