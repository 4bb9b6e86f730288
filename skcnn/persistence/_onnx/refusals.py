"""Parts of estimators whose graphs would predict something else, which are refused by name."""

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.multiclass import OneVsOneClassifier

from skcnn._data.series.layout import SeriesLayout
from skcnn._utils.text import shorten
from skcnn.exceptions import UnsupportedModelError
from skcnn.persistence._parts import NETWORKS, parts_of

MOST_LETTERS = 60


def check_parts(model: Any) -> None:
    """Check an estimator, and those inside it.

    Raises
    ------
    UnsupportedModelError
        If skl2onnx would convert one of them to a graph that predicts something else, or a
        network was fitted on signals of unequal length.
    """
    for part in parts_of(model, set(), 0):
        if isinstance(part, NETWORKS):
            check_network(part)
        elif isinstance(part, TunedThresholdClassifierCV):
            raise UnsupportedModelError(
                "TunedThresholdClassifierCV cannot be exported, since its graph would leave the "
                "threshold out: export its estimator_, and compare the probabilities with "
                "best_threshold_."
            )
        elif isinstance(part, BaggingClassifier | AdaBoostClassifier | VotingClassifier):
            _check_classes(part)
        elif isinstance(part, OneVsOneClassifier):
            _check_one_vs_one(part)
        elif isinstance(part, ColumnTransformer):
            _check_columns(part)
        if isinstance(part, VotingClassifier | VotingRegressor):
            _check_weights(part)


def check_network(model: Any) -> None:
    """Check that a network was not fitted on signals of unequal length."""
    if isinstance(getattr(model, "_layout", None), SeriesLayout):
        raise UnsupportedModelError(
            f"{type(model).__name__} was fitted on signals of unequal length, and cannot be "
            "exported: a graph does not know where a signal ends. Fit it on signals of one "
            "length, as PadSignals makes."
        )


def _check_classes(model: Any) -> None:
    """Check that each estimator of an ensemble has probabilities of all classes."""
    n_classes = len(getattr(model, "classes_", ()))
    for each in getattr(model, "estimators_", ()):
        seen = getattr(each, "classes_", None)
        if n_classes and seen is not None and len(seen) != n_classes:
            raise UnsupportedModelError(
                f"{type(model).__name__} cannot be exported, since one of its estimators was "
                f"trained on {len(seen)} of its {n_classes} classes: give it samples of each "
                "class."
            )
        if isinstance(model, BaggingClassifier) and not hasattr(each, "predict_proba"):
            raise UnsupportedModelError(
                f"BaggingClassifier cannot be exported with {type(each).__name__}, which has no "
                "predict_proba: calibrate it with CalibratedClassifierCV."
            )


def _check_one_vs_one(model: OneVsOneClassifier) -> None:
    """Check that classes are their own places, which skl2onnx returns as labels."""
    classes = getattr(model, "classes_", None)
    if classes is not None and _are_no_places(np.asarray(classes)):
        raise UnsupportedModelError(
            "OneVsOneClassifier can be exported with classes that are the integers 0, 1, 2 and "
            f"so on only. Got {shorten(str(classes), MOST_LETTERS)}: encode them with "
            "LabelEncoder."
        )


def _are_no_places(classes: np.ndarray) -> bool:
    return classes.dtype.kind not in "iu" or classes.tolist() != list(range(len(classes)))


def _check_weights(model: Any) -> None:
    weights = getattr(model, "weights", None)
    dropped = [name for name, each in model.estimators if isinstance(each, str)]
    if weights is not None and dropped:
        raise UnsupportedModelError(
            f"{type(model).__name__} with weights cannot be exported with dropped estimators "
            f"({', '.join(dropped)}): leave them and their weights out."
        )


def _check_columns(model: ColumnTransformer) -> None:
    """Check that columns ascend: skl2onnx takes those in a row as one piece."""
    for name, step, columns in getattr(model, "transformers_", ()):
        if isinstance(step, str) and step == "drop":
            continue
        places = _places(model, columns)
        if (np.diff(places) <= 0).any():
            raise UnsupportedModelError(
                f"ColumnTransformer cannot be exported with columns that do not ascend, as those "
                f"of {name!r}: sort them, each once."
            )


def _places(model: ColumnTransformer, columns: Any) -> np.ndarray:
    """Return the numbers of columns that are given as names, numbers, a slice or a mask."""
    names = list(getattr(model, "feature_names_in_", ()))
    every = np.arange(model.n_features_in_)
    if isinstance(columns, slice):
        start, stop = columns.start, columns.stop
        start = names.index(start) if isinstance(start, str) else start
        stop = names.index(stop) + 1 if isinstance(stop, str) else stop  # names include the last
        return every[slice(start, stop, columns.step)]
    given = np.atleast_1d(np.asarray(columns))
    if given.dtype.kind in "UO":
        return np.array([names.index(name) for name in given.tolist()], dtype=int)
    return every[given.astype(bool if given.dtype.kind == "b" else int)]
