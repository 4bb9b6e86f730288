"""The learning-rate range test: training losses at rates that grow from batch to batch."""

from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.utils import check_scalar
from skorch.callbacks import Callback

from skcnn._convnet.pipelines import check_convnet, fit_before_final
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn.exceptions import TrainingDivergedError

FEWEST_STEPS = 50
# Losses in an average, as a share of all steps, so that the suggestion hardly depends on the
# number of steps. Averages of fewer losses are noise.
WINDOW = 0.1
DIVERGED = 4.0  # times the smallest average, which ends the test
DESCENT = 0.8  # share of the descent that is reached at the suggested rate
NOISE = 1.0  # standard deviations of single losses, which a descent must exceed
# Parameters that would interfere with the test.
TEST_PARAMETERS = {
    "learning_rate": 1.0,  # a number, so that the optimizer is the one that a number gets
    "lr_schedule": "constant",
    "early_stopping": False,
    "warm_start": False,
    "compile": False,
    "unfreezing": None,  # the rates are for what `trainable` names
    "verbose": 0,
    "checkpoint": None,
    "max_seconds": None,
}


@dataclass(frozen=True)
class RangeTest:
    """The result of a range test.

    Attributes
    ----------
    rates : ndarray of shape (n_batches,)
        Learning rate of each batch.
    losses : ndarray of shape (n_batches,)
        Training loss of each batch, before the step at its rate.
    averages : ndarray of shape (n_batches,)
        Exponential averages of the losses.
    window : int
        The approximate number of losses in an average.
    """

    rates: np.ndarray
    losses: np.ndarray
    averages: np.ndarray
    window: int

    def suggestion(self) -> float | None:
        """Return the rate at which most of the descent is done.

        None if there is no descent, or if the loss still falls at the end.
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


class _EndOfTest(Exception):  # noqa: N818  (not an error)
    """The range test is over."""


class _GrowingRate(Callback):
    """Replaces the schedule by growing rates and records the loss of every batch."""

    def __init__(self, rates: np.ndarray, window: int) -> None:
        self.rates = rates
        self.window = window
        self.losses: list[float] = []

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        net._schedule = self

    def next_rate(self) -> float:
        return float(self.rates[len(self.losses)])

    def epoch_done(self, loss: float) -> None:
        pass  # a schedule's method; these rates do not depend on the loss of an epoch

    def on_batch_end(self, net: Any, **kwargs: Any) -> None:
        loss = net.history[-1, "batches", -1, "train_loss"]
        if not np.isfinite(loss):
            raise _EndOfTest
        self.losses.append(loss)
        averages = average_losses(self.losses, self.window)[self.window :]
        diverged = len(averages) > 0 and averages[-1] > DIVERGED * averages.min()
        if diverged or len(self.losses) == len(self.rates):
            raise _EndOfTest


@in_standard_torch_state
def range_test(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    low: float,
    high: float,
    n_steps: int,
    random_state: Any = None,
) -> RangeTest:
    """Train a clone for a few batches, at rates that grow geometrically.

    Parameters
    ----------
    estimator : ConvNet, Pipeline or search
        A ConvNet or a Pipeline that ends in one, fitted or not, or a fitted search. All steps
        of a Pipeline are cloned and fitted.
    X, y, sample_weight : array-like
        As for the ConvNet's `fit`.
    low, high : float
        The first and the last rate.
    n_steps : int
        Largest number of batches; the test ends early if the loss diverges.
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
    net = clone(check_convnet(estimator, fitted=False))
    window = round(WINDOW * n_steps)
    test = _GrowingRate(np.geomspace(low, high, n_steps), window)
    # the user's callbacks could stop the training or write files
    net.set_callbacks().set_params(callbacks=[test], max_epochs=n_steps, **TEST_PARAMETERS)
    if is_classifier(net):
        net.set_params(calibration=None)
    if random_state is not None:
        net.set_params(random_state=random_state)

    X, y = fit_before_final(estimator, X, y)
    with suppress(_EndOfTest):
        net.fit(X, y, sample_weight=sample_weight)
    losses = np.array(test.losses)
    if len(losses) == 0:
        raise TrainingDivergedError("The training loss of the first batch is infinite or NaN.")
    return RangeTest(test.rates[: len(losses)], losses, average_losses(losses, window), window)
