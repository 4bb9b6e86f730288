"""Scores on a test set with their intervals, and tables of calibration and robustness."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.metrics import precision_recall_fscore_support

from skcnn._report.evaluation import wilson_interval
from skcnn.inspection._robustness import robustness_scores

N_RESAMPLES = 1000
PERCENTILES = (2.5, 97.5)
N_BINS = 15
MOST_MOVED = 200  # samples that are changed
Metrics = dict[str, Callable[[np.ndarray], float]]  # of the rows that are scored
WILSON, BOOTSTRAP = "Wilson", "bootstrap"
ROTATIONS, ZOOMS = (-20, -10, 10, 20), (0.8, 1.2)
SIDE_PER_SHIFT = 10  # the shift is a tenth of the smaller side


def _bootstrap(
    score: Callable[[np.ndarray], float], n_samples: int, seed: int
) -> tuple[float, float]:
    """Return the percentiles of a score over samples drawn with replacement."""
    rng = np.random.default_rng(seed)
    draws = [score(rng.integers(0, n_samples, n_samples)) for _ in range(N_RESAMPLES)]
    low, high = np.nanpercentile(draws, PERCENTILES)
    return float(low), float(high)


def score_table(metrics: Metrics, right: np.ndarray | None, n: int, seed: int) -> pd.DataFrame:
    """Return scores with 95 % intervals.

    Parameters
    ----------
    metrics : dict of str to callable
        Functions of the rows of the test set that are scored.
    right : ndarray of shape (n_samples,) or None
        Which predictions are right, for the accuracy and its interval by Wilson.
    n : int
        Number of samples.
    seed : int
        Of the bootstrap's draws.

    Returns
    -------
    DataFrame
        Indexed by the metric, with the columns value, low, high and interval.
    """
    rows: dict[str, tuple[float, float, float, str]] = {}
    if right is not None:
        rows["accuracy"] = (float(right.mean()), *wilson_interval(int(right.sum()), n), WILSON)
    every = np.arange(n)
    for name, metric in metrics.items():
        rows[name] = (metric(every), *_bootstrap(metric, n, seed), BOOTSTRAP)
    columns = ["value", "low", "high", "interval"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("score")


def classifier_metrics(
    y: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray | None, classes: np.ndarray
) -> Metrics:
    """Return the metrics of single labels: functions of the rows that are scored."""
    codes, said = np.searchsorted(classes, y), np.searchsorted(classes, predicted)

    def balanced(rows: np.ndarray) -> float:
        hits = (codes == said)[rows]
        counts = np.bincount(codes[rows], minlength=len(classes))
        found = np.bincount(codes[rows], hits, minlength=len(classes))
        return float((found[counts > 0] / counts[counts > 0]).mean())

    def macro(rows: np.ndarray) -> float:
        return _macro_f1(codes[rows], said[rows], len(classes))

    metrics: Metrics = {"balanced accuracy": balanced, "macro F1": macro}
    if probabilities is not None:
        eps = np.finfo(probabilities.dtype).eps  # as scikit-learn's log_loss
        losses = -np.log(probabilities[np.arange(len(y)), codes].clip(eps, 1 - eps))
        metrics["log loss"] = lambda rows: float(losses[rows].mean())
    return metrics


def _macro_f1(codes: np.ndarray, said: np.ndarray, n_classes: int) -> float:
    """Return the mean F1 of the classes that occur or are predicted."""
    hits = np.bincount(codes[codes == said], minlength=n_classes)
    total = np.bincount(codes, minlength=n_classes) + np.bincount(said, minlength=n_classes)
    return float((2 * hits[total > 0] / total[total > 0]).mean())


def multilabel_metrics(y: np.ndarray, predicted: np.ndarray) -> Metrics:
    """Return the metrics of several labels a sample."""
    hits, right = (y > 0) & (predicted > 0), y == predicted
    total = (y > 0).astype(int) + (predicted > 0)

    def macro(rows: np.ndarray) -> float:
        found, counts = hits[rows].sum(axis=0), total[rows].sum(axis=0)
        return float((2 * found / np.maximum(counts, 1)).mean())

    def single(rows: np.ndarray) -> float:
        return float(right[rows].mean())

    return {"macro F1": macro, "accuracy of single labels": single}


def regressor_metrics(y: np.ndarray, predicted: np.ndarray) -> Metrics:
    """Return the metrics of numbers, the mean over outputs, as scikit-learn computes them."""
    y, errors = y.reshape(len(y), -1), (predicted - y).reshape(len(y), -1)

    def r2(rows: np.ndarray) -> float:
        left = np.square(errors[rows]).sum(axis=0)
        all_ = np.square(y[rows] - y[rows].mean(axis=0)).sum(axis=0)
        constant = (left == 0).astype(float)
        share = np.divide(left, all_, out=1 - constant, where=all_ > 0)
        return float((1 - share).mean())

    return {
        "R²": r2,
        "mean absolute error": lambda rows: float(np.abs(errors[rows]).mean()),
        "root mean squared error": lambda rows: float(
            np.sqrt(np.square(errors[rows]).mean(axis=0)).mean()
        ),
    }


def class_table(y: np.ndarray, predicted: np.ndarray, classes: np.ndarray) -> pd.DataFrame:
    """Return precision and recall of each class, recall with Wilson's interval.

    For several labels a sample, `y` and `predicted` are indicators.
    """
    figures = precision_recall_fscore_support(
        y, predicted, labels=None if y.ndim == 2 else classes, zero_division=np.nan
    )
    precision, recall, _, support = figures
    found = np.rint(np.nan_to_num(recall) * support).astype(int)
    limits = [
        wilson_interval(int(k), int(n)) if n else (np.nan, np.nan)
        for k, n in zip(found, support, strict=True)
    ]
    low, high = np.array(limits).T
    columns = {"samples": support, "precision": precision, "recall": recall}
    columns |= {"recall_low": low, "recall_high": high}
    return pd.DataFrame(columns, index=pd.Index(classes, name="class"))


def reliability_table(confidence: np.ndarray, right: np.ndarray) -> pd.DataFrame:
    """Return confidence and accuracy in 15 bins of equal width, those without samples left out.

    Parameters
    ----------
    confidence : ndarray of shape (n,)
        Probabilities of what was predicted.
    right : ndarray of shape (n,)
        Whether it was right.

    Returns
    -------
    DataFrame
        With the columns low, high, samples, confidence and accuracy.
    """
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    rows = []
    for number in np.unique(bins).tolist():
        inside = bins == number
        rows.append(
            {
                "low": number / N_BINS,
                "high": (number + 1) / N_BINS,
                "samples": int(inside.sum()),
                "confidence": float(confidence[inside].mean()),
                "accuracy": float(right[inside].mean()),
            }
        )
    return pd.DataFrame(rows)


def calibration_error(table: pd.DataFrame) -> float:
    """Return the expected calibration error: the mean gap of the bins, weighted by samples."""
    gaps = (table["confidence"] - table["accuracy"]).abs()
    return float((gaps * table["samples"]).sum() / table["samples"].sum())


def robustness_table(
    estimator: Any, X: Any, y: Any, layout: dict[str, Any] | None = None
) -> pd.DataFrame:
    """Return the scores for shifted, rotated and zoomed samples.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    X, y : ndarray or DataFrame, ndarray
        Test samples, of which at most 200 at equal distances are changed.
    layout : dict or None, default=None
        How samples are images, as parameters of `robustness_scores`. None reads it from the
        estimator.

    Returns
    -------
    DataFrame
        Indexed by the change, with the columns score and difference (to the unchanged samples).

    Raises
    ------
    TypeError, ValueError
        If the samples are no images or volumes.
    """
    places = np.unique(np.linspace(0, len(y) - 1, min(len(y), MOST_MOVED)).astype(int))
    X, y = (X.iloc[places] if isinstance(X, pd.DataFrame) else X[places]), y[places]
    if len(y) == 1 and not is_classifier(estimator):
        raise ValueError("the R² of one sample is not defined.")
    how = layout or {}
    turned = {"rotation": ROTATIONS, "zoom": ZOOMS}
    found = {
        kind: robustness_scores(estimator, X, y, kind=kind, values=turned[kind], **how)
        for kind in turned
    }
    spatial = [n for n in np.shape(X)[1:3] if n > 1]
    shift = max(min(spatial, default=1) // SIDE_PER_SHIFT, 1)
    moved = robustness_scores(estimator, X, y, kind="translation", values=[-shift, 0, shift], **how)
    base = moved.baseline
    rows = {"none": base}
    around = np.delete(moved.scores.ravel(), moved.scores.size // 2)
    pixels = "1 pixel" if shift == 1 else f"{shift} pixels"
    rows[f"shift by {pixels}, mean of {len(around)}"] = float(around.mean())
    rows[f"shift by {pixels}, worst of {len(around)}"] = float(around.min())
    for kind, unit in (("rotation", "°"), ("zoom", "x")):
        for value, score in zip(found[kind].values, found[kind].scores, strict=True):
            rows[f"{kind} {value:g}{unit}"] = float(score)
    table = pd.DataFrame({"score": rows}).rename_axis("change")
    table["difference"] = table["score"] - base
    return table
