"""Checks of the fields of layer specifications, with messages that name the field."""

from collections.abc import Collection

import numpy as np

from skcnn._utils.validation import did_you_mean, is_integer
from skcnn.exceptions import ArchitectureError


def check_choice(owner: object, name: str, options: Collection[str]) -> None:
    """Check that a field is one of `options`."""
    value = getattr(owner, name)
    if value not in [*options]:  # a list: the value may be unhashable
        raise ArchitectureError(
            f"The {name!r} of {type(owner).__name__} must be one of "
            f"{sorted(options)}. Got {value!r}.{did_you_mean(value, options)}"
        )


def check_integers(owner: object, name: str, minimum: int) -> None:
    """Check an integer or a sequence of them, and store sequences as tuples."""
    value = getattr(owner, name)
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not values or not all(is_integer(v) and v >= minimum for v in values):
        raise ArchitectureError(
            f"The {name!r} of {type(owner).__name__} must be an integer >= {minimum} "
            f"or a tuple of them, one for each spatial axis. Got {value!r}."
        )
    plain = tuple(int(v) for v in values)  # NumPy's integers would overflow in products
    object.__setattr__(owner, name, plain if isinstance(value, list | tuple) else plain[0])


def check_count(owner: object, name: str) -> None:
    """Check a whole number of at least one, and store it as an int."""
    value = getattr(owner, name)
    if not is_integer(value) or value < 1:
        raise ArchitectureError(
            f"The {name!r} of {type(owner).__name__} must be an integer >= 1. Got {value!r}."
        )
    object.__setattr__(owner, name, int(value))


def check_flag(owner: object, name: str) -> None:
    """Check that a field is True or False."""
    value = getattr(owner, name)
    if not isinstance(value, bool | np.bool_):
        raise ArchitectureError(
            f"The {name!r} of {type(owner).__name__} must be True or False. Got {value!r}."
        )
