"""The estimator of windows: what it gets, and whether it would split one recording."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from skcnn._convnet.base import BaseConvNet
from skcnn._convnet.pipelines import find_convnet
from skcnn._data.signal_windows import SignalWindows
from skcnn._utils.compat import InvalidParameterError
from skcnn.augmentation._base import Augmentation


def make_inner(estimator: Any, owner: str) -> Any:
    """Return a clone of the estimator, a ConvNet with `n_spatial_dims=1` unless it has a value.

    Raises
    ------
    InvalidParameterError
        If it would put windows of one recording on both sides of a split of its own, or reads
        windows with their channels first.
    """
    inner = clone(estimator)
    net = find_convnet(inner)
    _check_splits(inner, net if takes_windows(inner) else None, owner)
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
        if own.get("early_stopping", False) is True and part is not keeps_groups:
            raise InvalidParameterError(
                f"The 'estimator' of {owner} must not split windows: {place} has "
                "early_stopping=True, and windows of one recording would be in training and in "
                "validation. Only a ConvNet, alone or in a Pipeline behind augmentations, splits "
                "off whole recordings."
            )


def means_by_recording(values: np.ndarray, windows: SignalWindows) -> np.ndarray:
    """Return the mean over the windows of each recording, computed in float64."""
    firsts = np.flatnonzero(np.diff(windows.recording, prepend=-1))
    return np.array([part.mean(axis=0, dtype=float) for part in np.split(values, firsts[1:])])
