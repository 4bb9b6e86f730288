"""The estimator of windows: what it gets, and whether it would split one recording."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from skcnn._convnet.base import BaseConvNet
from skcnn._convnet.calibrating.rules import AUTO
from skcnn._convnet.pipelines import all_convnets, final_estimator, find_convnet
from skcnn._data.signal_windows import SignalWindows
from skcnn._utils.compat import InvalidParameterError
from skcnn.augmentation._base import Augmentation

# Parameters by which estimators split their samples: the values that do, and one that does not.
SPLITS: dict[str, tuple[Callable[[Any], bool], Any]] = {
    "early_stopping": (lambda value: isinstance(value, str) or bool(value), False),
    "n_iter_no_change": (lambda value: value is not None, None),
    "probability": (lambda value: isinstance(value, bool | np.bool_) and bool(value), False),
    "pretrained": (lambda value: isinstance(value, str) and value == "auto", True),
    "calibration": (lambda value: value is not None, None),
}


def make_inner(estimator: Any, owner: str) -> Any:
    """Return a clone of the estimator, a ConvNet with `n_spatial_dims=1` unless it has a value.

    Raises
    ------
    InvalidParameterError
        If it would put windows of one recording on both sides of a split of its own, or reads
        windows with their channels first.

    Notes
    -----
    Networks to which the recordings of the windows are not known are not calibrated by "auto".
    """
    inner = clone(estimator)
    keeps_groups = find_convnet(inner) if takes_windows(inner) else None
    net: Any
    for net in all_convnets(inner):
        if net is not keeps_groups and getattr(net, "calibration", None) == AUTO:
            net.calibration = None  # it would hold back windows of any recording
    _check_splits(inner, keeps_groups, owner)
    if isinstance(inner, BaseConvNet) and inner.n_spatial_dims is None:
        inner.set_params(n_spatial_dims=1)
    if isinstance(inner, BaseConvNet) and inner.channels == "first":
        raise InvalidParameterError(
            f"The 'estimator' of {owner} has channels='first', but windows have the shape "
            "(length, n_channels), whatever the recordings have: leave channels='last' there, "
            f"and set the parameter 'channels' of {owner} as the recordings are."
        )
    return inner


def takes_windows(estimator: Any) -> bool:
    """Return whether windows reach a ConvNet as they are: alone or behind augmentations."""
    if isinstance(estimator, Pipeline):
        *before, (_, last) = estimator.steps
        return isinstance(last, BaseConvNet) and all(
            isinstance(step, Augmentation) or step in (None, "passthrough") for _, step in before
        )
    return isinstance(estimator, BaseConvNet)


def as_input(windows: SignalWindows, estimator: Any) -> Any:
    """Return windows in the form that the estimator takes."""
    return windows if takes_windows(estimator) else windows.to_numpy()


def _check_splits(inner: Any, keeps_groups: Any, owner: str) -> None:
    """Raise an error if the estimator, or one inside of it, splits windows by itself."""
    parts = {"": inner, **inner.get_params(deep=True)}
    for name, part in parts.items():
        if not isinstance(part, BaseEstimator) or isinstance(part, type):
            continue
        own = part.get_params(deep=False)
        place = f"its {name!r}, {type(part).__name__}," if name else type(part).__name__
        if "cv" in own and own["cv"] != "prefit":
            raise InvalidParameterError(
                f"The 'estimator' of {owner} must not split windows: {place} has the parameter "
                f"cv={own['cv']!r}, and windows of one recording would be on both sides of its "
                f"splits. Put {owner} into it, so that it splits recordings: for instance "
                f"GridSearchCV({owner}(...), {{'estimator__...': ...}})."
            )
        if part is not keeps_groups:
            _check_parameters_of_splits(own, place, owner)


def _check_parameters_of_splits(own: dict[str, Any], place: str, owner: str) -> None:
    """Raise an error if parameters make an estimator split its samples."""
    given = {name: own[name] for name in SPLITS if name in own}
    if "early_stopping" in own:
        given.pop("n_iter_no_change", None)  # counts only with early stopping
    for name, value in given.items():
        splits, instead = SPLITS[name]
        if splits(value):
            raise InvalidParameterError(
                f"The 'estimator' of {owner} must not split windows: {place} has {name}={value!r}, "
                "and windows of one recording would be on both sides of its split. Set "
                f"{name}={instead!r}. Only a ConvNet, alone or in a Pipeline behind augmentations, "
                "splits off whole recordings, by early_stopping=True and calibration."
            )


def weight_argument(estimator: Any) -> str:
    """Return the name of the argument of `fit` that takes sample weights.

    Raises
    ------
    TypeError
        If there is none.
    """
    final = final_estimator(estimator)
    if not has_fit_parameter(final, "sample_weight"):
        raise TypeError(
            f"sample_weight was given, but {type(final).__name__}.fit does not accept it."
        )
    prefix = ""
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        prefix += f"{name}__"
    return f"{prefix}sample_weight"


def means_by_recording(values: np.ndarray, windows: SignalWindows) -> np.ndarray:
    """Return the mean over the windows of each recording, computed in float64."""
    firsts = np.flatnonzero(np.diff(windows.recording, prepend=-1))
    return np.array([part.mean(axis=0, dtype=float) for part in np.split(values, firsts[1:])])
