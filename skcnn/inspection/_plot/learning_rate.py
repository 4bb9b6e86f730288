"""LearningRateDisplay: the training loss while the learning rate grows.

The test is in ``_rate_range``; matplotlib itself is imported in ``_displays``.
"""

from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils import check_scalar
from skorch.callbacks import Callback

from skcnn._convnet.pipelines import before_final, convnet_in
from skcnn._plotting.axes import BLUE, legend_above, new_axes
from skcnn.exceptions import TrainingDivergedError

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


LOSSES = {"color": BLUE, "linewidth": 0.8, "alpha": 0.35}
AVERAGES = {"color": BLUE, "linewidth": 1.8}
SUGGESTION = {"color": "0.25", "linestyle": ":", "linewidth": 1.5}


class LearningRateDisplay:
    """The loss of batches against a learning rate that grows from one to the next.

    Make one with :meth:`from_estimator`. The suggested rate is the attribute `suggestion`.

    Parameters
    ----------
    rates : ndarray of shape (n_batches,)
        Learning rate of each batch.
    losses : ndarray of shape (n_batches,)
        Its training loss, before the step at that rate.
    averages : ndarray of shape (n_batches,)
        The losses, averaged exponentially.
    suggestion : float or None, default=None
        The rate to mark.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    ConvNetSearchCV : Searches the learning rate with the other parameters.

    Notes
    -----
    This is the learning-rate range test [1]_. The average is exponential, over about a tenth
    of the steps, and corrected for its start. The test ends where it exceeds four times its
    minimum, or where a loss is infinite or NaN.

    The suggestion is the rate at which four fifths of the descent of the average are done,
    meant for the parameter `learning_rate` under the default schedule, whose peak it is. It
    is None where the loss does not fall by more than the noise of its first batches, and
    where it still falls at the end. It is no more than the order of magnitude at which
    training works: three tests on two thirds of scikit-learn's digits suggest 0.018 to 0.020
    for adamw and 0.11 to 0.13 for sgd; the mean accuracy on the other third is 0.991 with
    both (0.992 and 0.994 with ``learning_rate="auto"``). On other tasks it lay between 0.04
    below and 0.10 above that of "auto". More steps have somewhat smaller suggestions: the
    loss falls at smaller rates where it has more of them.

    References
    ----------
    .. [1] L. N. Smith, "Cyclical learning rates for training neural networks",
       arXiv:1506.01186.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import ConvNetClassifier
    >>> from skcnn.inspection import LearningRateDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = ConvNetClassifier(input_shape=(8, 8), random_state=0)
    >>> display = LearningRateDisplay.from_estimator(model, X, y)
    >>> 0.005 < display.suggestion < 0.05
    True
    >>> model.set_params(learning_rate=display.suggestion).get_params()["learning_rate"] > 0
    True
    """

    def __init__(
        self,
        *,
        rates: np.ndarray,
        losses: np.ndarray,
        averages: np.ndarray,
        suggestion: float | None = None,
    ) -> None:
        self.rates = rates
        self.losses = losses
        self.averages = averages
        self.suggestion = suggestion

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        low: float = 1e-6,
        high: float = 10.0,
        n_steps: int = 200,
        random_state: Any = None,
        ax: Any = None,
    ) -> Self:
        """Train a clone at growing rates and draw its losses.

        Parameters
        ----------
        estimator : ConvNetClassifier, ConvNetRegressor, Pipeline or search
            Fitted or not; a Pipeline ends in a ConvNet, and a search was fitted. It is not
            changed. Of a Pipeline all steps are cloned and fitted, so that its
            augmentations count. Callbacks are left out.
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Training samples, as for the estimator's `fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels or numbers.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the samples.
        low : float, default=1e-6
            Learning rate of the first batch.
        high : float, default=10.0
            Learning rate of the last batch.
        n_steps : int, default=200
            Largest number of batches, at least 50. Each rate is the same multiple of the
            one before.
        random_state : int, RandomState instance or None, default=None
            Seed of weights, order of samples and dropout. None takes the estimator's own.
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : LearningRateDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If there is no ConvNet in `estimator`.
        ValueError
            If the rates are not finite or do not grow, or there are too few steps.
        TrainingDivergedError
            If the loss of the first batch is infinite or NaN.
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        seen = rate_range(
            estimator,
            X,
            y,
            sample_weight,
            low=low,
            high=high,
            n_steps=n_steps,
            random_state=random_state,
        )
        display = cls(
            rates=seen.rates,
            losses=seen.losses,
            averages=seen.averages,
            suggestion=seen.suggestion(),
        )
        return display.plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the losses.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        self : LearningRateDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        self.ax_ = new_axes() if ax is None else ax
        self.figure_ = self.ax_.figure
        self.ax_.set(xscale="log", xlabel="learning rate", ylabel="training loss")
        self.ax_.plot(self.rates, self.losses, label="batch", **LOSSES)
        self.ax_.plot(self.rates, self.averages, label="average", **AVERAGES)
        if self.suggestion is not None:
            label = f"suggestion ({self.suggestion:.2g})"
            self.ax_.axvline(self.suggestion, label=label, **SUGGESTION)
        # a diverging loss would leave no height for its descent
        least = self.averages.argmin()
        top = max(self.averages[: least + 1].max(), DIVERGED * self.averages[least])
        bottom, highest = self.ax_.get_ylim()
        self.ax_.set_ylim(bottom if bottom > 0 else 0, min(highest, 1.05 * top))
        legend_above(self.ax_, 3)
        return self
