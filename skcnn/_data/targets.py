"""The target gate: labels, indicator matrices and numbers become codes and floats.

Also sample and class weights. Knows no network; ``X`` has its own gate.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite, check_array, column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_consistent_length


@dataclass(frozen=True)
class ClassTargets:
    """What labels are and how network outputs become them again.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        The sorted labels; for multilabel targets the output columns 0 to n - 1.
    multilabel : bool
        Whether a sample may have any number of labels.
    """

    classes: np.ndarray
    multilabel: bool

    def encode(self, y: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Return codes (int64) for labels, or the indicator matrix as float32.

        Samples of weight zero may have labels that are not among the classes.
        """
        if self.multilabel:
            return y.astype(np.float32)
        codes = np.minimum(np.searchsorted(self.classes, y), len(self.classes) - 1)
        unseen = self.classes[codes] != y
        if weights is not None:
            unseen &= weights > 0
        if unseen.any():
            unknown = np.unique(y[unseen])
            raise ValueError(
                f"y contains previously unseen labels: {unknown}. Known are {self.classes}."
            )
        return codes.astype(np.int64)


def check_labels(y: Any, n_samples: int) -> tuple[np.ndarray, bool]:
    """Return labels as a 1-D array, or a 0/1 matrix, and whether they are multilabel.

    Raises
    ------
    ValueError
        For continuous targets, several multiclass columns, missing labels or a length
        other than `n_samples`.
    """
    _require(y)
    y = _from_torch_like(y)
    _check_complete(y)
    check_classification_targets(y)
    kind = type_of_target(y, input_name="y", raise_unknown=True)
    if kind == "multilabel-indicator":
        matrix = check_array(y, accept_sparse=True, input_name="y", dtype=None)
        matrix = matrix.toarray() if hasattr(matrix, "toarray") else matrix
        _check_length(matrix, n_samples)
        values = np.unique(matrix)
        if not np.isin(values, (0, 1)).all():
            raise ValueError(
                f"A multilabel indicator y must hold zeros and ones only. Got {values}."
            )
        return matrix, True
    if kind.endswith("multioutput"):
        raise ValueError(
            f"Unknown label type: {kind}. y must have one column of labels or be a "
            "multilabel indicator matrix of zeros and ones."
        )
    labels = column_or_1d(y, warn=True)
    _check_length(labels, n_samples)
    return labels, False


def _require(y: Any) -> None:
    if y is None:
        raise ValueError("This estimator requires y to be passed, but the target y is None.")


def _check_complete(y: Any) -> None:
    """Check for missing and infinite labels, before scikit-learn sorts or casts them."""
    values = y if hasattr(y, "dtype") else np.asarray(y)
    if issparse(values):
        return
    if getattr(values.dtype, "kind", "O") == "f":
        assert_all_finite(values, input_name="y")
    elif np.any(pd.isna(values)):
        raise ValueError("Input y contains NaN: some labels are missing (None, NaN or NA).")


def check_numbers(y: Any, n_samples: int) -> np.ndarray:
    """Return regression targets as float64 of shape (n_samples,) or (n_samples, n_outputs)."""
    _require(y)
    y = check_array(
        _from_torch_like(y), ensure_2d=False, dtype=np.float64, input_name="y", allow_nd=False
    )
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    _check_length(y, n_samples)
    return y


def _from_torch_like(y: Any) -> Any:
    if not hasattr(y, "detach"):
        return y
    y = y.detach().cpu()
    return (y.float() if y.dtype == torch.bfloat16 else y).numpy()  # NumPy has no bfloat16


def _check_length(y: np.ndarray, n_samples: int) -> None:
    if len(y) != n_samples:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: {[n_samples, len(y)]}"
        )


def check_weights(sample_weight: Any, X: Any, n_samples: int) -> np.ndarray | None:
    """Return sample weights as float64, None where none were given.

    Raises
    ------
    ValueError
        For negative weights, all zeros, a wrong length or more than one axis.
    """
    if sample_weight is None:
        return None
    sample_weight = _from_torch_like(sample_weight)
    stand_in = np.empty((n_samples, 0))
    weights = _check_sample_weight(
        sample_weight,
        stand_in,
        dtype=np.float64,
        ensure_non_negative=True,
        allow_all_zero_weights=False,
    )
    check_consistent_length(stand_in, weights)
    return weights


def class_weight_per_code(
    class_weight: Any, targets: ClassTargets, codes: np.ndarray, weights: np.ndarray | None
) -> np.ndarray | None:
    """Return one factor for each class, None without `class_weight`.

    Raises
    ------
    ValueError
        For multilabel targets, and labels in `class_weight` that y does not have.
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
    if not factors[codes].any():
        raise ValueError(
            f"The 'class_weight' parameter leaves no sample any weight. Got {class_weight!r}."
        )
    return factors
