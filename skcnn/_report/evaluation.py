"""Predictions for samples that a classifier was not trained on, and what they say about it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Evaluation:
    """Predictions for samples that were not trained on.

    Attributes
    ----------
    rows : ndarray of shape (n_samples,)
        The samples' rows in the data.
    truth : ndarray of shape (n_samples,)
        Their labels.
    probabilities : ndarray of shape (n_samples, n_classes)
        What was predicted.
    classes : ndarray of shape (n_classes,)
        The labels of the columns, sorted.
    """

    rows: np.ndarray
    truth: np.ndarray
    probabilities: np.ndarray
    classes: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """The most probable class of each sample."""
        return self.classes[self.probabilities.argmax(1)]

    @property
    def n_right(self) -> int:
        """The number of right predictions."""
        return int((self.predicted == self.truth).sum())

    @property
    def accuracy(self) -> float:
        """The share of right predictions."""
        return self.n_right / len(self.truth)

    def interval(self) -> tuple[float, float]:
        """Return Wilson's interval of the accuracy, for a confidence of 95 %."""
        return wilson_interval(self.n_right, len(self.truth))

    def class_table(self) -> pd.DataFrame:
        """Return precision, recall and number of samples of each class, indexed by class.

        Precision is NaN for a class that is never predicted, recall for one without samples.
        """
        precision, recall, _, support = precision_recall_fscore_support(
            self.truth, self.predicted, labels=self.classes, zero_division=np.nan
        )
        figures = {"precision": precision, "recall": recall, "images": support}
        return pd.DataFrame(figures, index=pd.Index(self.classes, name="class"))

    def confusion(self) -> np.ndarray:
        """Return how many samples of each class (rows) got each prediction (columns)."""
        return confusion_matrix(self.truth, self.predicted, labels=self.classes)

    def losses(self) -> pd.DataFrame:
        """Return what was predicted and the loss of each sample, the largest loss first.

        Returns
        -------
        DataFrame
            Indexed by the row in the data, with the columns true, predicted, probability (of
            the predicted class) and loss, minus the logarithm of the true class's probability.
        """
        columns = np.searchsorted(self.classes, self.truth)
        with np.errstate(divide="ignore"):  # the loss of a probability of zero is infinite
            loss = -np.log(self.probabilities[np.arange(len(self.truth)), columns])
        table = pd.DataFrame(
            {
                "true": self.truth,
                "predicted": self.predicted,
                "probability": self.probabilities.max(1),
                "loss": loss,
            },
            index=pd.Index(self.rows, name="row"),
        )
        return table.sort_values("loss", ascending=False, kind="stable")


def wilson_interval(n_right: int, n: int) -> tuple[float, float]:
    """Return Wilson's interval of a share, for a confidence of 95 %."""
    interval = binomtest(n_right, n).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def joined(parts: list[Evaluation]) -> Evaluation:
    """Return the predictions of several folds as one, in the order of the data."""
    rows = np.concatenate([part.rows for part in parts])
    order = np.argsort(rows, kind="stable")
    return Evaluation(
        rows[order],
        np.concatenate([part.truth for part in parts])[order],
        np.concatenate([part.probabilities for part in parts])[order],
        parts[0].classes,
    )
