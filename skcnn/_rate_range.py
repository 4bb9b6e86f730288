"""The learning-rate range test: a training whose rate grows from batch to batch.

Draws no picture and leaves the estimator that it is given as it is.
"""

from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils import check_scalar
from skorch.callbacks import Callback

from skcnn._errors import TrainingDivergedError
from skcnn._pipelines import before_final, convnet_in

FEWEST_STEPS = 50
# Losses that an average is of, as a share of all steps: so the suggestion hardly depends on
# their number. An average of fewer is noise, neither the start nor a minimum.
WINDOW = 0.1
DIVERGED = 4.0  # times the smallest average, which ends the test
DESCENT = 0.8  # share of the descent that is done at the suggested rate
NOISE = 1.0  # standard deviations of single losses: what falls less is no descent
# What does not belong to the test, or would hide its end.
TEST_PARAMETERS = {
    "lr_schedule": "constant",
    "early_stopping": False,
    "warm_start": False,
    "compile": False,
    "verbose": 0,
}


@dataclass(frozen=True)
class RateRange:
    """What a range test has seen.

    Attributes
    ----------
    rates : ndarray of shape (n_batches,)
        Learning rate of each batch.
    losses : ndarray of shape (n_batches,)
        Its training loss, before the step at that rate.
    averages : ndarray of shape (n_batches,)
        The losses, averaged exponentially.
    window : int
        About how many losses an average is of.
    """

    rates: np.ndarray
    losses: np.ndarray
    averages: np.ndarray
    window: int

    def suggestion(self) -> float | None:
        """Return the rate at which most of the descent is done, None without a descent.

        There is none either where the loss still falls at the end.
        """
        averages = self.averages[self.window :]
        if len(averages) == 0 or averages.argmin() == len(averages) - 1:
            return None
        descent = averages[0] - averages.min()
        if descent <= NOISE * np.std(self.losses[: self.window]):
            return None
        falling = averages[: averages.argmin() + 1]
        above = np.flatnonzero(falling > averages[0] - DESCENT * descent)
        return float(self.rates[self.window + above[-1]])


def average_losses(losses: Any, window: int) -> np.ndarray:
    """Return the exponential average up to each loss, corrected for its start."""
    return pd.Series(losses, dtype=float).ewm(alpha=1 / window).mean().to_numpy()


class _EndOfTest(Exception):  # noqa: N818  (no error: there is nothing more to see)
    """The range test is over."""


class _GrowingRate(Callback):
    """Sets the rate of every batch in the place of the schedule, and records its loss."""

    def __init__(self, rates: np.ndarray, window: int) -> None:
        self.rates = rates
        self.window = window
        self.losses: list[float] = []

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        net._schedule = self

    def next_rate(self) -> float:
        return float(self.rates[len(self.losses)])

    def epoch_done(self, loss: float) -> None:
        pass  # only the schedules that watch an epoch's loss have to know

    def on_batch_end(self, net: Any, **kwargs: Any) -> None:
        loss = net.history[-1, "batches", -1, "train_loss"]
        if not np.isfinite(loss):
            raise _EndOfTest
        self.losses.append(loss)
        averages = average_losses(self.losses, self.window)[self.window :]
        diverged = len(averages) > 0 and averages[-1] > DIVERGED * averages.min()
        if diverged or len(self.losses) == len(self.rates):
            raise _EndOfTest


def rate_range(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    low: float,
    high: float,
    n_steps: int,
    random_state: Any = None,
) -> RateRange:
    """Train a clone for a few batches, at rates that grow geometrically.

    Parameters
    ----------
    estimator : ConvNet, Pipeline or search
        Fitted or not, but for a search. Of a Pipeline a clone of all steps is fitted.
    X, y, sample_weight : array-like
        As for the ConvNet's `fit`.
    low, high : float
        The first and the last rate.
    n_steps : int
        Largest number of batches; the test ends when the loss diverges.
    random_state : int, RandomState instance or None, default=None
        None takes the ConvNet's own.

    Raises
    ------
    TypeError
        If there is no ConvNet.
    ValueError
        If the rates are not finite or do not grow.
    TrainingDivergedError
        If the first loss is infinite or NaN.
    """
    check_scalar(n_steps, "n_steps", Integral, min_val=FEWEST_STEPS)
    check_scalar(low, "low", Real, min_val=0, include_boundaries="neither")
    check_scalar(high, "high", Real, min_val=low, include_boundaries="neither")
    for name, rate in (("low", low), ("high", high)):
        if not np.isfinite(rate):
            raise ValueError(f"{name} == {rate}, must be a finite number.")
    net = clone(convnet_in(estimator))
    window = round(WINDOW * n_steps)
    test = _GrowingRate(np.geomspace(low, high, n_steps), window)
    # the user's callbacks could stop the training or write files
    net.set_callbacks().set_params(callbacks=[test], max_epochs=n_steps, **TEST_PARAMETERS)
    if random_state is not None:
        net.set_params(random_state=random_state)

    def fitted_again(steps: Any, X: Any) -> Any:
        return clone(steps).fit_transform(X, y)

    with suppress(_EndOfTest):
        net.fit(before_final(estimator, X, fitted_again), y, sample_weight=sample_weight)
    losses = np.array(test.losses)
    if len(losses) == 0:
        raise TrainingDivergedError("The training loss of the first batch is infinite or NaN.")
    return RateRange(test.rates[: len(losses)], losses, average_losses(losses, window), window)
