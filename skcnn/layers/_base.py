"""Checks of the fields of layer specifications, with messages that name the field.

Know no layer: a field is read from, and stored on, the object that owns it.
"""

from collections.abc import Sequence
from dataclasses import fields
from numbers import Integral

import numpy as np

from skcnn._utils.validation import did_you_mean
from skcnn.exceptions import ArchitectureError

PADDINGS = ("same", "valid")


def check_choice(owner: object, name: str, options: Sequence[str]) -> None:
    """Check that a field is one of `options`."""
    value = getattr(owner, name)
    if value not in options:
        raise ArchitectureError(
            f"The {name!r} of {type(owner).__name__} must be one of "
            f"{sorted(options)}. Got {value!r}.{did_you_mean(value, options)}"
        )


def check_integers(owner: object, name: str, minimum: int) -> None:
    """Check an integer or a sequence of them, and store sequences as tuples."""
    value = getattr(owner, name)
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    whole = all(isinstance(v, Integral) and not isinstance(v, bool) for v in values)
    if not values or not whole or any(v < minimum for v in values):
        raise ArchitectureError(
            f"The {name!r} of {type(owner).__name__} must be an integer >= {minimum} "
            f"or a tuple of them, one for each spatial axis. Got {value!r}."
        )
    plain = tuple(int(v) for v in values)  # NumPy's integers would overflow in products
    object.__setattr__(owner, name, plain if isinstance(value, list | tuple) else plain[0])


def check_count(owner: object, name: str) -> None:
    """Check a whole number of at least one, and store it as an int."""
    value = getattr(owner, name)
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
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


def check_padding(owner: object) -> None:
    """Check a padding's name or its integers."""
    value = getattr(owner, "padding")  # noqa: B009  (the owner is any windowed layer)
    if isinstance(value, str):
        check_choice(owner, "padding", PADDINGS)
    else:
        check_integers(owner, "padding", 0)


ACTIVATIONS = (
    "relu",
    "leaky_relu",
    "elu",
    "gelu",
    "silu",
    "tanh",
    "sigmoid",
    "identity",
)
NORMALIZATIONS = ("batch", "group")
POOLINGS = ("max", "average")
PADDING_MODES = ("zeros", "mirror", "edge", "wrap")

Shape = tuple[int, ...]


def check_spatial(owner: object, shape: Shape) -> None:
    """Check that `shape` has spatial axes."""
    if len(shape) < 2:
        raise ArchitectureError(
            f"{owner!r} needs an input with spatial axes, (n_channels, *spatial). "
            f"Got {shape}: put it before Flatten, GlobalPool and Dense."
        )


class LayerSpec:
    """Base of all layer specifications.

    A specification is immutable, hashable, picklable and comparable, so that it can
    be cloned and searched over. Shapes are ``(n_channels, *spatial)`` before
    flattening and ``(n_features,)`` after.
    """

    def output_shape(self, shape: Shape) -> Shape:
        """Return the output's shape for an input of `shape`."""
        return shape

    def n_parameters(self, shape: Shape) -> int:
        """Return the number of trainable parameters for an input of `shape`."""
        return 0

    def n_multiply_accumulates(self, shape: Shape) -> int:
        """Return the multiply-accumulates of one sample for an input of `shape`."""
        return 0

    def kernel(self, shape: Shape) -> Shape | None:
        """Return the window's size along each spatial axis, None without a window."""
        return None

    def __repr__(self) -> str:
        shown = []
        for f in fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if not f.kw_only:
                shown.append(repr(value))
            elif value != f.default:
                shown.append(f"{f.name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"
