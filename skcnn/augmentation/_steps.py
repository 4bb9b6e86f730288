"""What the ConvNets' parameters about augmentation mean: training steps and test-time views.

The operations themselves are in ``_geometric``, ``_intensity``, ``_policies`` and
``_mixing``.
"""

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError
from torch import Tensor

from skcnn._data.images import InputLayout
from skcnn._utils.validation import did_you_mean
from skcnn.augmentation._augmented_array import AugmentedArray, check_axes
from skcnn.augmentation._augmenter import Augmenter, MixingOperation, Step
from skcnn.augmentation._base import Augmentation
from skcnn.augmentation._geometric import RandomFlip
from skcnn.exceptions import InputShapeError

View = Callable[[Tensor], Tensor]


def training_steps(augmentation: Any, owner: str) -> list[Step]:
    """Return the steps of the parameter 'augmentation' of `owner`.

    Raises
    ------
    InvalidParameterError
        If it is neither an augmentation, a callable, a list of them nor None.
    """
    if augmentation is None:
        return []
    entries = augmentation if isinstance(augmentation, list | tuple) else [augmentation]
    return [
        _as_step(entry, "augmentation", owner, augmentation)
        for entry in entries
        if entry is not None  # as in RandomChoice: no change
    ]


def _as_step(entry: Any, parameter: str, owner: str, given: Any) -> Step:
    if isinstance(entry, Augmentation):
        entry._check_parameters()
        return entry._step()
    if isinstance(entry, type) or not callable(entry):
        hint = f" Did you mean {entry.__name__}()?" if isinstance(entry, type) else ""
        raise InvalidParameterError(
            f"The {parameter!r} parameter of {owner} must be a list of augmentations such as "
            f"RandomRotation(15), or of callables from batch to batch. Got {given!r} "
            f"instead.{hint}"
        )
    return Step(entry, None)


def check_steps(steps: Sequence[Step], layout: InputLayout, X: Any, owner: str) -> None:
    """Check that the samples are what the augmentations need and were told.

    Parameters
    ----------
    steps : sequence of Step
        Of the Pipeline before `owner` and of its parameter.
    layout : InputLayout
        How `owner` reads a sample.
    X : array-like
        What `owner` was given; of a Pipeline's augmentations an AugmentedArray.
    owner : str
        The estimator's name.

    Raises
    ------
    InputShapeError
        If an augmentation needs images, or reads samples as of another shape.
    """
    told = X.layout if isinstance(X, AugmentedArray) else None
    if told is not None and told.network_shape != layout.network_shape:
        raise InputShapeError(
            f"The augmentation before {owner} reads samples of shape {told.shape} (channels "
            f"{told.channels}), but {owner} reads {layout.shape} (channels "
            f"{layout.channels}). Give {owner} the same input_shape and channels."
        )
    check_axes(steps, layout, owner)


def check_views(test_time_augmentation: Any, owner: str) -> None:
    """Check the parameter 'test_time_augmentation'.

    Raises
    ------
    InvalidParameterError
        If it is neither "flip", a list nor None, or an entry mixes samples.
    """
    given = test_time_augmentation
    if given is None or (isinstance(given, str) and given == "flip"):
        return
    known = isinstance(given, list | tuple | Augmentation) or callable(given)
    if not known or isinstance(given, type):
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
    """Return the augmentation as it is where it acts on every sample."""
    return clone(part).set_params(p=1.0) if isinstance(part, Augmentation) else part


def make_views(
    test_time_augmentation: Any, layout: InputLayout, span: float, owner: str
) -> list[View]:
    """Return a function of a batch for each view, the original not among them.

    A view is the same for all samples and all calls: it is applied whatever its `p`, and
    what is random is drawn once, for `random_state` or the view's number.
    """
    given = test_time_augmentation
    if given is None:
        return []
    check_views(given, owner)
    if isinstance(given, str):
        given = [RandomFlip()]
    views = []
    for number, entry in enumerate(_parts(given)):
        parts = [_applied(part) for part in _parts(entry)]
        steps = [_as_step(part, "test_time_augmentation", owner, given) for part in parts]
        check_axes(steps, layout, owner)
        views.append(_view(Augmenter(steps, layout.spatial, span, seed=number)))
    return views


def _view(augmenter: Augmenter) -> View:
    return lambda batch: augmenter.images(batch, np.zeros(len(batch), np.int64))
