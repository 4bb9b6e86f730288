"""Chooses what augmentation="auto" stands for, and trains with it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd

from skcnn._convnet.augmenting.candidates import (
    Candidate,
    augmentations_of,
    make_candidates,
    table_of,
)
from skcnn._convnet.augmenting.check import KEPT, decide, default_network
from skcnn._convnet.choice import parameters_set
from skcnn._data.hashing import image_hashes
from skcnn._data.samples import SampleSet
from skcnn._data.value_texts import hash_of
from skcnn.augmentation._augmented_array import originals
from skcnn.augmentation._base import Augmentation
from skcnn.augmentation._estimator_parameters import AUTO
from skcnn.exceptions import InputShapeError

# Of the last samples in this process: the trials of a search have the same folds.
MOST_REMEMBERED = 64
_REMEMBERED: dict[str, list[Candidate]] = {}
Choice = tuple[list[Augmentation], pd.DataFrame]


def train_augmented(
    net: Any, X: Any, y: Any, sample_weight: Any, is_partial: bool, **how: Any
) -> Any:
    """Choose the augmentations of an estimator, and train with them.

    A training that continues an earlier one has its augmentations.

    Parameters
    ----------
    net : ConvNetClassifier or ConvNetRegressor
        The estimator, with ``augmentation="auto"``. Its parameters are the same afterwards.
    X, y, sample_weight : array-like
        As in `fit`.
    is_partial : bool
        Whether `partial_fit` was called.
    **how
        Further arguments of the training.
    """
    continues = net.__sklearn_is_fitted__() and (is_partial or net.warm_start)
    table = vars(net).get("augmentation_choice_")
    if continues and table is not None:
        chosen = net.augmentation_, table
    else:
        if not continues:
            net._forget()
        chosen = choose(net, X, y, sample_weight, how["classes"])
    augmentations, table = chosen
    with parameters_set(net, {"augmentation": augmentations}):
        try:
            net._train(X, y, sample_weight, is_partial=is_partial, **how)
        finally:
            if "net_" in vars(net):  # also after an interrupted fit that keeps its epochs
                net.augmentation_choice_ = table
    return net


def choose(net: Any, X: Any, y: Any, sample_weight: Any, classes: Any) -> Choice:
    """Return the augmentations for samples, and the table `augmentation_choice_`.

    Only the given samples are used. Equal ones are in the same fold, and the order of the
    samples does not matter. Nor does `random_state`.

    Raises
    ------
    InputShapeError
        If values of images may be missing.
    """
    if net.augmentation_strength == 0:
        return [], table_of([])
    with _no_warnings():  # those about the data come again in the training
        plain = default_network(net)
        _, samples = plain._read(originals(X), y, sample_weight, classes, True)
        layout = plain._layout
        if len(layout.spatial) == 1:
            return [], table_of([])
        if layout.masks:
            raise InputShapeError(
                f"The 'augmentation' parameter of {type(net).__name__} must not be {AUTO!r} with "
                "missing='mask', as it moves values. Set it to None, or fill the missing values "
                "first."
            )
        candidates = _decided(plain, samples, X)
    return augmentations_of(candidates), table_of(candidates)


def _decided(net: Any, samples: SampleSet, X: Any) -> list[Candidate]:
    """Return the candidates with their decisions, which are the same for the same samples."""
    images, index = samples.images, samples.index
    candidates = make_candidates(images.layout.spatial, net._of_classes, X)
    how = [getattr(net, name) for name in KEPT]
    data = (image_hashes(images)[index], samples.targets, samples.weights, net.n_outputs_)
    key = hash_of((*how, images.layout.shape, *data, [each.reason for each in candidates]))
    if key not in _REMEMBERED:
        decide(net, samples, candidates)
        _REMEMBERED[key] = candidates
        for oldest in list(_REMEMBERED)[:-MOST_REMEMBERED]:
            _REMEMBERED.pop(oldest, None)
    return _REMEMBERED.get(key, candidates)


@contextmanager
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
