"""Simple models that show what a score is worth, and the scores of models on the same splits."""

import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn.comparison._n_parameters import n_parameters_of

SIDE = 16  # of the small images that the linear model reads
MOST_SAMPLES = 5000  # that the linear model is fitted on
NETWORK = "ConvNet"
LARGEST_CLASS = "most frequent class"
LINEAR = f"logistic regression, {SIDE}x{SIDE} pixels"


def baseline_models(seed: int) -> dict[str, Any]:
    """Return the models by name."""
    linear = LogisticRegression(C=0.01, max_iter=200, random_state=seed)
    return {
        LARGEST_CLASS: DummyClassifier(),
        LINEAR: make_pipeline(StandardScaler(), linear),
    }


def score_baselines(
    pixels: np.ndarray,
    labels: np.ndarray,
    splits: Sequence[tuple[np.ndarray, np.ndarray]],
    seed: int,
) -> pd.DataFrame:
    """Fit and score the baselines on given splits.

    Parameters
    ----------
    pixels : ndarray of shape (n_samples, n_values)
        Small images as rows.
    labels : ndarray of shape (n_samples,)
        The classes.
    splits : sequence of (train, test)
        Row numbers.
    seed : int
        For the solver, and the choice of samples from large data.

    Returns
    -------
    DataFrame
        Rows as `fold_scores` of :class:`ModelComparison` has them.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for number, (train, test) in enumerate(splits):
        some = rng.permutation(train)[:MOST_SAMPLES]
        for name, model in baseline_models(seed).items():
            fitted, seconds = timed(partial(_fit, model, pixels, labels, some))
            predicted, to_predict = timed(partial(fitted.predict, pixels[test]))
            score = float((predicted == labels[test]).mean())
            sizes = (len(train), len(test))
            rows.append(score_row(name, fitted, number, score, (seconds, to_predict), sizes))
    return pd.DataFrame(rows)


def _fit(model: Any, pixels: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> Any:
    with warnings.catch_warnings():  # a baseline need not be the best of its kind
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clone(model).fit(pixels[rows], labels[rows])


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what a function returns, and the seconds it took."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def score_row(
    name: str,
    model: Any,
    split: int,
    score: float,
    seconds: tuple[float, float],
    sizes: tuple[int, int],
) -> dict[str, Any]:
    """Return a row of `fold_scores`.

    Parameters
    ----------
    name : str
        Name of the model.
    model : classifier
        The fitted model.
    split : int
        Number of the split.
    score : float
        The accuracy.
    seconds : (float, float)
        Of the fit and of the predictions.
    sizes : (int, int)
        Numbers of samples for training and testing.
    """
    return {
        "model": name,
        "split": split,
        "metric": "accuracy",
        "score": score,
        "fit_seconds": seconds[0],
        "predict_seconds": seconds[1],
        "n_parameters": n_parameters_of(model),
        "n_train": sizes[0],
        "n_test": sizes[1],
    }
