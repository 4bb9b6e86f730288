"""Reads the estimators' parameters `augmentation` and `test_time_augmentation`."""

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone
from torch import Tensor

from skcnn._data.layouts import InputLayout
from skcnn._data.series.layout import SeriesLayout
from skcnn._utils.compat import InvalidParameterError
from skcnn._utils.validation import did_you_mean
from skcnn.augmentation._augmented_array import AugmentedArray
from skcnn.augmentation._base import Augmentation
from skcnn.augmentation._batch_augmenter import BatchAugmenter, Step, check_axes
from skcnn.augmentation._flip_and_crop import RandomFlip
from skcnn.augmentation._operations import MixingOperation, Operation
from skcnn.exceptions import InputShapeError

AUTO = "auto"
View = Callable[[Tensor], Tensor]


def is_auto(augmentation: Any) -> bool:
    """Return whether the parameter `augmentation` leaves the choice to the fit."""
    return isinstance(augmentation, str) and augmentation == AUTO


def training_steps(augmentation: Any, owner: str) -> list[Step]:
    """Return the steps of the parameter `augmentation` of `owner`.

    Raises
    ------
    InvalidParameterError
        If it is not an augmentation, a callable, a list of them or None.
    """
    entries = entries_of(augmentation)
    return [_as_step(entry, "augmentation", owner, augmentation) for entry in entries]


def entries_of(augmentation: Any) -> list[Any]:
    """Return what the parameter `augmentation` lists; None in a list is no change."""
    entries = augmentation if isinstance(augmentation, list | tuple) else [augmentation]
    return [entry for entry in entries if entry is not None]


def copied(entry: Any) -> Any:
    """Return a copy of an augmentation, and callables as they are."""
    return clone(entry) if isinstance(entry, Augmentation) else entry


def changing_steps(steps: Sequence[Step], strength: float) -> list[Step]:
    """Return the steps, none of them if they can change no sample.

    A strength of zero leaves only callables.
    """
    if strength == 0:
        steps = [step for step in steps if not isinstance(step.augmentation, Operation)]
    return list(steps) if any(map(_can_change, steps)) else []


def _can_change(step: Step) -> bool:
    operation = step.augmentation
    return not isinstance(operation, Operation) or operation._can_change()


def _as_step(entry: Any, parameter: str, owner: str, given: Any) -> Step:
    if isinstance(entry, Augmentation):
        entry._check_parameters()
        return entry._step()
    if isinstance(entry, type) or not callable(entry):
        hint = f" Did you mean {entry.__name__}()?" if isinstance(entry, type) else ""
        auto = ", or 'auto'" if parameter == "augmentation" and owner != "Augmented" else ""
        raise InvalidParameterError(
            f"The {parameter!r} parameter of {owner} must be a list of augmentations such as "
            f"RandomRotation(15), or of callables from batch to batch{auto}. Got {given!r} "
            f"instead.{hint}"
        )
    return Step(entry, None)


def check_steps(steps: Sequence[Step], layout: InputLayout, X: Any, owner: str) -> None:
    """Check that the samples have the shape that the augmentations need and were given.

    Parameters
    ----------
    steps : sequence of Step
        Steps of the Pipeline before `owner` and of its parameter.
    layout : InputLayout
        How `owner` reads a sample.
    X : array-like
        Samples passed to `owner`; an AugmentedArray after augmentations in a Pipeline.
    owner : str
        The estimator's name.

    Raises
    ------
    InputShapeError
        If an augmentation needs images, or reads samples of another shape.
    """
    given = X.layout if isinstance(X, AugmentedArray) else None
    fixed = given is not None and not isinstance(given, SeriesLayout)  # which knows no length
    if given is not None and fixed and given.network_shape != layout.network_shape:
        raise InputShapeError(
            f"The augmentation before {owner} reads samples of shape {given.shape} (channels "
            f"{given.channels}), but {owner} reads {layout.shape} (channels "
            f"{layout.channels}). Give both the same input_shape, n_spatial_dims and channels."
        )
    check_axes(steps, layout, owner)


def check_views(test_time_augmentation: Any, owner: str) -> None:
    """Check the parameter `test_time_augmentation`.

    Raises
    ------
    InvalidParameterError
        If it is not "flip", a list of augmentations or None, or if an entry mixes samples.
    """
    given = test_time_augmentation
    if given is None or (isinstance(given, str) and given == "flip"):
        return
    legal = isinstance(given, list | tuple | Augmentation) or callable(given)
    if not legal or isinstance(given, type):
        raise InvalidParameterError(
            f"The 'test_time_augmentation' parameter of {owner} must be 'flip', a list of "
            f"augmentations or None. Got {given!r} instead.{did_you_mean(given, ['flip'])}"
        )
    for entry in _parts(given):
        for part in _parts(entry):
            step = _as_step(part, "test_time_augmentation", owner, given)
            seed = getattr(part, "random_state", None)
            if isinstance(step.augmentation, MixingOperation):
                raise InvalidParameterError(
                    f"The 'test_time_augmentation' parameter of {owner} must not contain "
                    f"{type(step.augmentation).__name__}, which mixes samples."
                )
            if seed is not None and not isinstance(seed, Integral):
                raise InvalidParameterError(
                    f"The 'test_time_augmentation' parameter of {owner} must contain "
                    f"augmentations with an integer random_state or None. Got {part!r}."
                )


def _parts(entry: Any) -> list[Any]:
    return list(entry) if isinstance(entry, list | tuple) else [entry]


def _applied(part: Any) -> Any:
    """Return the augmentation with a probability of one."""
    return clone(part).set_params(p=1.0) if isinstance(part, Augmentation) else part


def make_views(
    test_time_augmentation: Any,
    layout: InputLayout,
    span: float,
    owner: str,
    offset: np.ndarray | None = None,
) -> list[View]:
    """Return a function of a batch for each view, the original not included.

    An `offset` was subtracted from the channels of the batch.

    A view is the same for all samples and all calls: its `p` is not used, and random values
    are drawn once, with `random_state` or the view's number as the seed.
    """
    given = test_time_augmentation
    if given is None:
        return []
    check_views(given, owner)
    if isinstance(layout, SeriesLayout):
        raise InputShapeError(
            f"The 'test_time_augmentation' parameter of {owner} must be None for signals of "
            f"unequal length. Got {given!r}."
        )
    if isinstance(given, str):
        given = [RandomFlip()]
    views = []
    for number, entry in enumerate(_parts(given)):
        parts = [_applied(part) for part in _parts(entry)]
        steps = [_as_step(part, "test_time_augmentation", owner, given) for part in parts]
        check_axes(steps, layout, owner)
        augmenter = BatchAugmenter(steps, layout.spatial, span, seed=number, offset=offset)
        views.append(_view(augmenter))
    return views


def _view(augmenter: BatchAugmenter) -> View:
    return lambda batch: augmenter.images(batch, np.zeros(len(batch), np.int64))
