"""Validation of ``y``: labels become class codes, indicator matrices and numbers floats."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite, check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_consistent_length

from skcnn._data.containers import check_no_date_objects, check_no_dates, without_tensors
from skcnn._data.images import chunk_rows
from skcnn._utils.validation import warn_caller
from skcnn.exceptions import InputScaleWarning

LARGEST_NUMBER = 1e140
ENOUGH_FOR_QUARTILES = 20  # samples


@dataclass(frozen=True)
class ClassTargets:
    """The labels of ``y`` and their encoding.

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
        """Return codes (int64) for labels, or the indicator matrix as uint8.

        Samples of weight zero may have labels that are not among the classes.
        """
        if self.multilabel:
            return y.astype(np.uint8, copy=False)
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


@contextmanager
def naming_y_val() -> Iterator[None]:
    """Make errors about targets say that they are those of `y_val`."""
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"y_val cannot be used: {error}") from error


def check_labels(y: Any, n_samples: int) -> tuple[np.ndarray, bool]:
    """Return labels as a 1-D array, or a 0/1 matrix, and whether they are multilabel.

    Raises
    ------
    ValueError
        If targets are continuous, of several multiclass columns, missing, or of another
        length than `n_samples`.
    """
    _require(y)
    y = without_tensors(y, "y")
    _check_complete(y)
    check_classification_targets(y)
    kind = type_of_target(y, input_name="y", raise_unknown=True)
    if kind == "multilabel-indicator":
        matrix = check_array(y, accept_sparse=True, input_name="y", dtype=None)
        matrix = matrix.toarray() if hasattr(matrix, "toarray") else matrix
        _check_length(matrix, n_samples)
        step = chunk_rows(matrix.shape[1])
        parts = (matrix[start : start + step] for start in range(0, len(matrix), step))
        if not all(((part == 0) | (part == 1)).all() for part in parts):
            raise ValueError(
                f"A multilabel indicator y must hold zeros and ones only. Got {np.unique(matrix)}."
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


def check_numbers(y: Any, n_samples: int) -> np.ndarray:
    """Return regression targets as float64 of shape (n_samples,) or (n_samples, n_outputs).

    Raises
    ------
    ValueError
        If targets are missing, no numbers, of another length than `n_samples`, or so large or
        small that their squares, and so all squared errors, are not floats.
    """
    _require(y)
    y = without_tensors(y, "y")
    array = y if hasattr(y, "dtype") else np.asarray(y)
    check_no_dates(array.dtype, "y")
    check_no_date_objects(np.asarray(array), "y")
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", allow_nd=False)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    _check_length(y, n_samples)
    largest = np.atleast_1d(np.abs(y).max(axis=0))
    legal = (largest == 0) | ((largest >= 1 / LARGEST_NUMBER) & (largest <= LARGEST_NUMBER))
    if not legal.all():
        raise ValueError(
            f"y has numbers of up to {largest[~legal][0]:g}, and float64 cannot hold the squares "
            "of their errors. Divide y by a number of its size, or put the estimator into "
            "sklearn.compose.TransformedTargetRegressor."
        )
    return y


def warn_if_other_scale(y: np.ndarray, y_val: np.ndarray) -> None:
    """Warn if validation targets seem to be in other units than the training targets.

    The median of `y_val` is expected in the range of `y`. The distance of the quartiles may
    differ by a factor of five, if there are enough samples to tell.
    """
    y, y_val = y.reshape(len(y), -1), y_val.reshape(len(y_val), -1)
    median = np.median(y_val, axis=0)
    is_other = (median < y.min(axis=0)) | (median > y.max(axis=0))
    if min(len(y), len(y_val)) >= ENOUGH_FOR_QUARTILES:
        quartiles = [np.quantile(each, (0.25, 0.75), axis=0) for each in (y, y_val)]
        spread, spread_val = np.ptp(quartiles, axis=1)
        both = (spread > 0) & (spread_val > 0)
        is_other |= both & ((spread_val > 5 * spread) | (spread > 5 * spread_val))
    if is_other.any():
        column = np.flatnonzero(is_other)[0]
        low, high, low_val, high_val = (
            bound for each in (y, y_val) for bound in (each[:, column].min(), each[:, column].max())
        )
        warn_caller(
            f"y_val lies in [{low_val:g}, {high_val:g}], but y in [{low:g}, {high:g}]. They seem "
            "to be on different scales, and the validation score needs one scale. A "
            "TransformedTargetRegressor transforms y alone: pass y_val transformed in the same "
            "way.",
            InputScaleWarning,
        )


def _require(y: Any) -> None:
    if y is None:
        raise ValueError("This estimator requires y to be passed, but the target y is None.")


def _check_complete(y: Any) -> None:
    """Check for missing and infinite labels, before scikit-learn sorts or casts them."""
    values = y if hasattr(y, "dtype") else np.asarray(y)
    if issparse(values):
        return
    kind = values.dtype.kind if isinstance(values.dtype, np.dtype) else "O"
    if kind in "biu":  # NumPy's, while pandas' own integers may be missing
        return
    if kind == "f":
        assert_all_finite(values, input_name="y")
    elif np.any(pd.isna(values)):
        raise ValueError("Input y contains NaN: some labels are missing (None, NaN or NA).")


def _check_length(y: np.ndarray, n_samples: int) -> None:
    check_consistent_length(np.empty(n_samples), y)
