"""The loss of each sample, from a classifier's probabilities or a regressor's predictions."""

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_array, check_consistent_length, check_scalar

from skcnn._data.targets import ClassTargets, check_numbers

STRINGS, WHOLE_NUMBERS = {"string", "bytes"}, {"integer", "boolean"}  # pandas' names of types
SUM_TOLERANCE = 1e-3  # of probabilities, which may be float16


def _table(**columns: Any) -> pd.DataFrame:
    # lists, since a column may hold tuples and pandas infers the types of labels
    table = pd.DataFrame({name: pd.Series(list(values)) for name, values in columns.items()})
    return table.rename_axis("sample")


def _label_sets(chosen: np.ndarray, known: ClassTargets) -> list[tuple[Any, ...]]:
    return [tuple(known.classes[row].tolist()) for row in chosen]


def class_losses(targets: np.ndarray, prob: np.ndarray, known: ClassTargets) -> pd.DataFrame:
    """Return truth, prediction and loss of each sample.

    Parameters
    ----------
    targets : ndarray of shape (n_samples,) or (n_samples, n_labels)
        Codes of the classes, or an indicator matrix of labels.
    prob : ndarray of shape (n_samples, n_classes)
        Probabilities.
    known : ClassTargets
        The classes.
    """
    if known.multilabel:
        of_each = np.where(targets == 1, prob, 1 - prob)
        of_predicted = np.maximum(prob, 1 - prob).prod(1)
        true, predicted = _label_sets(targets == 1, known), _label_sets(prob > 0.5, known)
    else:
        of_each, of_predicted = prob[np.arange(len(prob)), targets][:, np.newaxis], prob.max(1)
        true, predicted = known.classes[targets], known.classes[prob.argmax(1)]
    with np.errstate(divide="ignore"):  # the loss of a probability of zero is infinite
        loss = -np.log(of_each).sum(1)  # the product of many probabilities would be zero
    return _table(true=true, predicted=predicted, probability=of_predicted, loss=loss)


def number_losses(y_true: np.ndarray, y_pred: Any) -> pd.DataFrame:
    """Return truth, prediction and absolute error of each sample."""
    y_pred = check_numbers(y_pred, len(y_true))
    if y_true.ndim > 1 or y_pred.ndim > 1:
        raise ValueError(
            "TopLossesDisplay draws the errors of one number a sample. Got "
            f"{y_true.shape[1:] or 1} true and {y_pred.shape[1:] or 1} predicted. Pass one column "
            "to TopLossesDisplay.from_predictions(X, y[:, 0], y_pred=prediction[:, 0])."
        )
    return _table(true=y_true, predicted=y_pred, loss=np.abs(y_true - y_pred))


def largest_losses(table: pd.DataFrame, n_samples: int) -> tuple[pd.DataFrame, str]:
    """Return the samples with the largest losses, the largest first, and a title for them."""
    check_scalar(n_samples, "n_samples", Integral, min_val=1)
    largest = table.sort_values("loss", ascending=False, kind="stable").head(n_samples)
    if "probability" not in table:
        return largest, f"largest errors of {len(table)} samples"
    n_wrong = int((table["true"] != table["predicted"]).sum())
    if n_wrong == 0:
        return largest, f"none of {len(table)} wrong: the least confident"
    return largest, f"largest losses ({n_wrong} of {len(table)} wrong)"


def _kind_of(values: Any) -> str:
    """Return pandas' name of the type of values, also of objects."""
    values = values.tolist() if hasattr(values, "tolist") else values
    return str(pd.api.types.infer_dtype(np.ravel(values)))


def check_not_labels(y_true: Any, y_pred: Any) -> None:
    """Raise an error if predictions are labels, whose differences are not errors."""
    kinds = {_kind_of(y_true), _kind_of(y_pred)}
    if kinds & STRINGS:
        got = "strings."
    elif kinds <= WHOLE_NUMBERS:
        got = (
            "whole numbers in y_true and y_pred, as labels are; a regressor's predictions are "
            "floats. If they are not labels, pass y_pred.astype(float)."
        )
    else:
        return
    raise ValueError(
        f"y_pred is for numbers, pass y_prob for classes, as predict_proba returns it. Got {got}"
    )


def check_probabilities(
    y_prob: Any, classes: Any, labels: np.ndarray, multilabel: bool
) -> tuple[ClassTargets, np.ndarray]:
    """Return the sorted classes, and a column of probabilities for each of them."""
    prob = check_array(y_prob, dtype=np.float64, ensure_2d=False, input_name="y_prob")
    check_consistent_length(labels, prob)
    if prob.ndim == 1 and not multilabel:
        prob = np.column_stack([1 - prob, prob])
    if classes is None:
        classes = np.arange(labels.shape[1]) if multilabel else np.unique(labels)
    classes = np.asarray(classes)
    if prob.shape[1:] != (len(classes),) or (multilabel and prob.shape != labels.shape):
        raise ValueError(
            f"y_prob must have a column for each of the {len(classes)} classes {classes}. Got an "
            f"array of shape {prob.shape}. Pass the classifier's classes_ as classes."
        )
    if prob.min() < 0 or prob.max() > 1:
        raise ValueError(
            "y_prob must have probabilities, between 0 and 1, as predict_proba returns them. Got "
            f"values from {prob.min():g} to {prob.max():g}."
        )
    sums = prob.sum(1)
    if not multilabel and np.abs(sums - 1).max() > SUM_TOLERANCE:
        raise ValueError(
            "The rows of y_prob must sum to one, as those of predict_proba do. Got sums from "
            f"{sums.min():g} to {sums.max():g}."
        )
    if multilabel:  # its columns are in the order of those of y_true
        return ClassTargets(classes, True), prob
    order = np.argsort(classes)
    return ClassTargets(classes[order], False), prob[:, order]
