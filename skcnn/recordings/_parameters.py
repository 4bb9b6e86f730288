"""The constructor parameters and fitted attributes of the estimators of recordings."""
# ruff: noqa: RUF009  (`parameter` returns a dataclass field)

from dataclasses import KW_ONLY, MISSING, dataclass
from inspect import cleandoc
from numbers import Integral, Real
from textwrap import indent
from typing import Any, TypeVar

from sklearn.base import ClassifierMixin

from skcnn._convnet.declaration import documented, parameter
from skcnn._data.layouts import CHANNELS
from skcnn._utils.compat import HasMethods, Interval

T = TypeVar("T", bound=type)

ABOUT = cleandoc(
    """
    A sample is a whole recording, so that cross-validation and searches split recordings: windows
    of one recording are never in training and in test. Early stopping of a ConvNet splits off
    whole recordings, too.
    """
)
ATTRIBUTES = cleandoc(
    """
    estimator_ : <kind>
        The fitted estimator.
    <classes>
    n_windows_ : int
        Number of windows that it was fitted on.
    n_channels_in_ : int
        Number of channels.
    n_features_in_ : int
        Number of time steps of a recording, for arrays of flat rows only.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of `X`, if it is a table and all of them are strings.
    """
)
CLASSES = """classes_ : ndarray of shape (n_classes,)
    Class labels.
"""


@dataclass(eq=False, repr=False)
class WindowedParameters:
    """The parameters of WindowedClassifier and WindowedRegressor."""

    estimator: Any = parameter(
        MISSING,
        [HasMethods(["fit", "predict"])],
        """<kind>
        What is fitted on the windows, which are arrays of shape (n_windows, length) or
        (n_windows, length, n_channels). A ConvNet with ``n_spatial_dims=None`` reads them as
        signals. It must not split its samples: see `fit`.
        """,
    )
    length: int = parameter(
        MISSING,
        [Interval(Integral, 1, None, closed="left")],
        """int
        Number of time steps of a window.
        """,
    )
    step: int | None = parameter(
        None,
        [Interval(Integral, 1, None, closed="left"), None],
        """int or None
        Number of time steps from one window to the next. None is `length`: windows do not
        overlap. Time steps at the end of a recording that fill no window are left out.
        """,
    )
    _: KW_ONLY
    channels: str = parameter(
        "last",
        CHANNELS,
        """{"last", "first"}
        Where the channel axis of a recording is.
        """,
    )
    sampling_rate: float | None = parameter(
        None,
        [Interval(Real, 0, None, closed="neither"), None],
        """float or None
        Time steps a second, for the times in `predict_windows`.
        """,
    )


def documented_windowed(cls: T) -> T:
    """Put the documentation that the estimators share into the docstring of `cls`."""
    documented(cls)
    if cls.__doc__:  # None under python -OO
        is_classifier = issubclass(cls, ClassifierMixin)
        kind, classes = ("classifier", CLASSES) if is_classifier else ("regressor", "")
        attributes = ATTRIBUTES.replace("<classes>\n", classes)
        for mark, text in (("<about>", ABOUT), ("<attributes of windows>", attributes)):
            cls.__doc__ = cls.__doc__.replace(f"    {mark}", indent(text, "    "))
        cls.__doc__ = cls.__doc__.replace("<kind>", kind)
    return cls
