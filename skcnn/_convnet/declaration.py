"""How the estimators' constructor parameters are declared: default, legal values, documentation.

The parameters are fields of dataclasses, so that Python writes `__init__` and every tool
that supports dataclasses shows its signature.
"""

from collections.abc import Iterable
from dataclasses import MISSING, Field, field, fields
from inspect import cleandoc
from numbers import Integral, Real
from textwrap import indent
from typing import Any, TypeVar

from skcnn._utils.compat import Interval, StrOptions

T = TypeVar("T", bound=type)


def one_of(names: Iterable[str]) -> StrOptions:
    """Return the constraint that a parameter is one of `names`."""
    return StrOptions(set(names))


class NameOrPrefixed(StrOptions):
    """Constraint that a parameter is one of `names`, or has a prefix and a name after it."""

    def __init__(self, names: Iterable[str], prefixes: tuple[str, ...]) -> None:
        super().__init__(set(names))
        self.prefixes = prefixes

    def is_satisfied_by(self, value: Any) -> bool:
        """Return whether `value` is legal."""
        prefixed = isinstance(value, str) and value.startswith(self.prefixes)
        return prefixed or super().is_satisfied_by(value)

    def __str__(self) -> str:
        names = " or ".join(f"'{prefix}NAME'" for prefix in self.prefixes)
        return f"a str among {sorted(self.options)}, {names}"


AUTO = one_of(["auto"])
COUNT = Interval(Integral, 1, None, closed="left")
NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
POSITIVE = Interval(Real, 0, None, closed="neither")
SHARE = Interval(Real, 0, 1, closed="left")
SIZE = [COUNT, tuple, list]

ATTRIBUTES = """
n_features_in_ : int
    Number of values of a sample. Not set for signals of unequal length.
feature_names_in_ : ndarray of shape (n_features_in_,)
    Column names of `X`. Set only if `X` has column names that are all strings.
channel_names_ : ndarray of shape (n_channels,)
    The channels' names. Set only if `X` was epochs of MNE, which must have them at predict, too.
sampling_rate_ : float
    Samples a second. Set only if `X` was epochs of MNE, which must have it at predict, too.
input_shape_ : tuple of int
    Shape of a sample with its channel axis. None is in it for an unequal length.
offset_ : ndarray of shape (n_channels,) or None
    Subtracted from `X`, in float64, where float32 would lose the differences between values.
    None for most data.
n_outputs_ : int
    Number of outputs of the network.
net_ : ConvNetEngine
    The skorch net. ``net_.module_`` is the torch module.
n_iter_ : int
    Number of epochs trained in all.
history_ : DataFrame
    One row per epoch, indexed by epoch, with the columns train_loss, valid_loss,
    valid_score (both NaN without a validation set), learning_rate (of the last batch),
    seconds and samples_per_second. With `max_seconds` there is also planned_epochs, the
    `n_iter_` that was planned when the epoch began (NaN in calls without it).
best_epoch_ : int
    Epoch of the last call with the best validation score. Without a validation set, the
    last epoch. With early stopping it is an epoch of an earlier call if none was better.
n_parameters_ : int
    Number of trainable parameters, with those that `trainable` freezes.
unfreezing_ : dict of int to str or int
    What was trained, as values of `trainable`, by the number of epochs done when it began.
augmentation_ : list
    The augmentations and callables of the training, before `augmentation_strength`: those of the
    parameter `augmentation`, or those that "auto" chose. Without those of a Pipeline.
augmentation_choice_ : DataFrame or None
    What ``augmentation="auto"`` chose from, one row a candidate: chosen, score and changed_score
    (mean recall of the classes, or R2, of samples held back, as they are and changed; NaN
    without a check) and reason. Without rows for signals, None with other values.
choice_ : DataFrame or None
    What ``pretrained="auto"`` tried, one row a candidate: chosen, score (mean accuracy or R2 on
    held-out samples), score_1 to score_3 (of each fold), seconds, multiply_accumulates (an
    estimate for all fits) and reason. None with other values.
device_ : str
    Device on which the network was trained.
""".strip("\n")


def parameter(default: Any, legal: Any, doc: str) -> Any:
    """Declare a constructor parameter.

    Parameters
    ----------
    default : object
        Its default, ``dataclasses.MISSING`` if there is none.
    legal : list or "no_validation"
        Its legal values, as scikit-learn's parameter constraints.
    doc : str
        Its type and, on the following lines, its description.
    """
    return field(default=default, metadata={"legal": legal, "doc": cleandoc(doc)})


def legal_values(cls: type) -> dict[str, Any]:
    """Return scikit-learn's table of constraints for the parameters of `cls`."""
    return {each.name: each.metadata["legal"] for each in fields(cls) if each.init}


def _entry(declared: Field[Any]) -> str:
    """Return the numpydoc entry of a parameter."""
    kind, _, text = declared.metadata["doc"].partition("\n")
    default = declared.default
    shown = f'"{default}"' if isinstance(default, str) else repr(default)
    told = "" if default is MISSING else f", default={shown}"
    return f"{declared.name} : {kind}{told}\n{indent(text, '    ')}"


def documented(cls: T) -> T:
    """Put the documentation of the parameters and attributes into the docstring of `cls`."""
    if cls.__doc__:  # None under python -OO
        entries = "\n".join(_entry(each) for each in fields(cls) if each.init)
        for mark, text in (("<parameters>", entries), ("<attributes>", ATTRIBUTES)):
            cls.__doc__ = cls.__doc__.replace(f"    {mark}", indent(text, "    "))
    return cls
