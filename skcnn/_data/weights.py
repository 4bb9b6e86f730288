"""Validation of sample weights and class weights."""

from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from skcnn._data.containers import without_tensors
from skcnn._data.targets import ClassTargets
from skcnn._utils.compat import check_sample_weight

MOST_EXPONENT = 30  # weights from 1e-9 to 1e9 stay as they are


def check_weights(sample_weight: Any, n_samples: int) -> np.ndarray | None:
    """Return sample weights as float64, or None if none are given.

    Very large or small weights are divided by a power of two, which changes no share.

    Raises
    ------
    ValueError
        If weights are negative, all zero, of a wrong length or of more than one axis, or if
        float64 cannot hold their ratios.
    """
    if sample_weight is None:
        return None
    weights = check_sample_weight(
        without_tensors(sample_weight, "sample_weight"),
        np.empty((n_samples, 0)),
        dtype=np.float64,
        ensure_non_negative=True,
        allow_all_zero_weights=False,
    )
    return _moderate(weights, "The sample_weight argument")


def _moderate(weights: np.ndarray, owner: str) -> np.ndarray:
    """Return weights whose products and sums neither overflow nor become zero.

    A power of two is divided out, so that all results stay the same bits.
    """
    exponent = int(np.frexp(weights.max())[1])
    if abs(exponent) <= MOST_EXPONENT:
        return weights
    scaled = np.ldexp(weights, -exponent)
    if ((scaled == 0) & (weights > 0)).any():
        raise ValueError(
            f"{owner} has weights from {weights[weights > 0].min():g} to {weights.max():g}: "
            "float64 cannot hold their ratio. Set negligible weights to zero."
        )
    return scaled


def class_weight_per_code(
    class_weight: Any, targets: ClassTargets, codes: np.ndarray, weights: np.ndarray | None
) -> np.ndarray | None:
    """Return one factor for each class, or None without `class_weight`.

    Raises
    ------
    ValueError
        If targets are multilabel, or `class_weight` has labels that y does not have.
    """
    if class_weight is None:
        return None
    if targets.multilabel:
        raise ValueError(
            "The 'class_weight' parameter must be None for multilabel targets. Got "
            f"{class_weight!r}; use sample_weight instead."
        )
    if isinstance(class_weight, dict):
        known = set(targets.classes.tolist())
        unknown = [label for label in class_weight if label not in known]
        if unknown:
            raise ValueError(
                f"The 'class_weight' parameter has weights for {unknown}, which are not "
                f"among the classes {targets.classes}."
            )
        values = np.asarray(list(class_weight.values()), dtype=float)
        if not (np.isfinite(values) & (values >= 0)).all():
            raise ValueError(
                f"The 'class_weight' parameter must have finite weights >= 0. Got {class_weight!r}."
            )
    elif len(np.unique(codes)) < len(targets.classes):
        raise ValueError(
            "class_weight='balanced' needs samples of every class; give a dict of weights instead."
        )
    factors = compute_class_weight(
        class_weight,
        classes=targets.classes,
        y=targets.classes[codes],
        sample_weight=weights,
    )
    factors = _moderate(factors, "The 'class_weight' parameter")
    if not factors[codes].any():
        raise ValueError(
            f"The 'class_weight' parameter leaves no sample any weight. Got {class_weight!r}."
        )
    return factors
