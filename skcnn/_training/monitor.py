"""What watches a training: figures of each epoch, early stopping, progress, callbacks.

Does not train; the engine calls it.
"""

from collections.abc import Callable
from math import isnan
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from skcnn._utils.progress import ProgressReport

COLUMNS = (
    "train_loss",
    "valid_loss",
    "valid_score",
    "learning_rate",
    "seconds",
    "samples_per_second",
)
NO_VALIDATION = {"valid_loss": float("nan"), "valid_score": float("nan")}


def _merit(score: float, loss: float) -> tuple[float, float]:
    """Return what is highest in the best epoch: the score, among equal ones minus the loss."""
    return (-loss if isnan(score) else score, -loss)


class EarlyStopping:
    """Keeps the best weights and tells when to stop.

    Parameters
    ----------
    n_iter_no_change : int
        Epochs without an improvement after which to stop.
    tol : float
        Smallest rise of the validation score that counts as an improvement.
    """

    def __init__(self, n_iter_no_change: int, tol: float) -> None:
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.best_weights: dict[str, Tensor] | None = None
        self._best = (-np.inf, -np.inf)
        self._threshold = -np.inf
        self._epochs_without = 0

    def update(self, score: float, loss: float, weights: Callable[[], dict[str, Tensor]]) -> bool:
        """Take an epoch's figures; return whether to stop.

        The best epoch has the highest score, of equal scores the lowest loss.
        """
        score, _ = merit = _merit(score, loss)
        if merit > self._best:
            self._best = merit
            self.best_weights = weights()
        if score > self._threshold + self.tol:
            self._threshold = score
            self._epochs_without = 0
        else:
            self._epochs_without += 1
        return self._epochs_without >= self.n_iter_no_change


class TrainingMonitor:
    """Collects the epochs of one training.

    Parameters
    ----------
    first_epoch : int
        Number of the first epoch to come, counted from one.
    evaluate : callable
        Returns ``valid_loss`` and ``valid_score``.
    early_stopping : EarlyStopping or None
        Asked after every epoch.
    weights : callable
        Returns a copy of the current weights.
    progress : ProgressReport
        Shown every epoch.
    callbacks : CallbackHooks or None
        scikit-learn's callbacks.
    """

    def __init__(
        self,
        *,
        first_epoch: int,
        evaluate: Callable[[], dict[str, float]],
        early_stopping: EarlyStopping | None,
        weights: Callable[[], dict[str, Tensor]],
        progress: ProgressReport,
        callbacks: "CallbackHooks | None",
    ) -> None:
        self.first_epoch = first_epoch
        self.evaluate = evaluate
        self.early_stopping = early_stopping
        self.weights = weights
        self.progress = progress
        self.callbacks = callbacks
        self.rows: list[dict[str, float]] = []

    def epoch_begin(self) -> None:
        """Tell the callbacks."""
        if self.callbacks is not None:
            self.callbacks.begin()

    def epoch_end(self, figures: dict[str, float]) -> bool:
        """Record `figures` and return whether anything asks for the end."""
        self.rows.append({name: figures[name] for name in COLUMNS})
        self.progress.update(self.first_epoch + len(self.rows) - 1, figures)
        stop = False
        if self.early_stopping is not None:
            stop = self.early_stopping.update(
                figures["valid_score"], figures["valid_loss"], self.weights
            )
        if self.callbacks is not None:
            stop = self.callbacks.end() or stop
        return stop

    def best_epoch(self) -> int:
        """Return the epoch with the best validation score, without validation the last."""
        merits = {
            epoch: _merit(row["valid_score"], row["valid_loss"])
            for epoch, row in enumerate(self.rows, self.first_epoch)
            if not isnan(row["valid_loss"])
        }
        if not merits:
            return self.first_epoch + len(self.rows) - 1
        return max(merits, key=merits.__getitem__)

    def history(self, before: pd.DataFrame | None) -> pd.DataFrame:
        """Return one row an epoch, after those of an earlier training."""
        index = pd.RangeIndex(self.first_epoch, self.first_epoch + len(self.rows), name="epoch")
        rows = pd.DataFrame(self.rows, index=index, columns=list(COLUMNS), dtype=float)
        return rows if before is None else pd.concat([before, rows])


class CallbackHooks:
    """scikit-learn's callback protocol, a subtask an epoch.

    Parameters
    ----------
    estimator : estimator
        The estimator being fitted.
    context : sklearn.callback.CallbackContext
        The context of the fit.
    data : dict
        ``X``, ``y`` and ``metadata`` of the fit.
    fitted_attributes : callable
        Returns what an estimator ready to predict needs, as of now.
    """

    def __init__(
        self,
        estimator: Any,
        context: Any,
        data: dict[str, Any],
        fitted_attributes: Callable[[], dict[str, Any]],
    ) -> None:
        self.estimator = estimator
        self.context = context
        self.data = data
        self.fitted_attributes = fitted_attributes
        self._epoch: Any = None

    def start(self) -> None:
        """Tell the callbacks that the fit begins."""
        self.context.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def finish(self) -> None:
        """Tell the callbacks that the fit is over."""
        self._tell_end(self.context)

    def begin(self) -> None:
        """Open the subtask of an epoch."""
        self._epoch = self.context.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def end(self) -> bool:
        """Close it; return whether a callback wants to stop."""
        return self._tell_end(self._epoch)

    def _tell_end(self, context: Any) -> bool:
        return context.call_on_fit_task_end(
            estimator=self.estimator,
            reconstruction_attributes=self.fitted_attributes,
            **self.data,
        )
