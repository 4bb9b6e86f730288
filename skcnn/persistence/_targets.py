"""Targets that scores are computed of, in the shape of the predictions."""

from typing import Any

import numpy as np
from sklearn.base import is_classifier


def n_rows(values: Any) -> int:
    """Return the number of samples or targets."""
    shape = getattr(values, "shape", None)  # sparse matrices have no length
    if shape is None:
        return len(values)
    return int(shape[0]) if shape else 0


def targets_like(y: Any, told: np.ndarray, estimator: Any, names: tuple[str, str]) -> np.ndarray:
    """Return targets in the shape of predictions.

    Parameters
    ----------
    y : array-like
        The targets; a column for predictions without one is fine.
    told : ndarray
        The predictions.
    estimator : estimator
        What they are from.
    names : (str, str)
        Of the samples and the targets, for messages.

    Raises
    ------
    ValueError
        If they have another length or shape, numbers are not finite, or labels are not those
        that the classifier knows.
    """
    samples, name = names
    targets = np.asarray(y)
    if targets.ndim == 0 or len(targets) != len(told):
        n = "no length" if targets.ndim == 0 else f"{len(targets)} targets"
        raise ValueError(f"{samples} has {len(told)} samples, but {name} has {n}.")
    if targets.shape == (len(told), 1) and told.ndim == 1:  # a column, or a frame of one
        targets = targets[:, 0]
    if targets.shape != told.shape:
        raise ValueError(f"{name} has the shape {targets.shape}, but predictions {told.shape}.")
    if not is_classifier(estimator):
        targets = targets.astype(float)
        if not np.isfinite(targets).all():
            raise ValueError(f"{name} has values that are not finite.")
        return targets
    known = _known_labels(estimator, told)
    columns = targets.reshape(len(targets), -1).T
    for number, column in enumerate(columns):
        labels = known[number] if len(known) == len(columns) else known[0]
        unknown = sorted({*column.tolist()} - {*labels}, key=str)
        if unknown:
            raise ValueError(
                f"{name} has labels that the classifier was not trained on: {unknown[:5]}."
            )
    return targets


def _known_labels(estimator: Any, told: np.ndarray) -> list[list[Any]]:
    """Return the labels of each target."""
    classes = estimator.classes_
    if isinstance(classes, list):
        return [np.asarray(each).tolist() for each in classes]
    return [[0, 1]] if told.ndim > 1 else [np.asarray(classes).tolist()]
