"""LearningRateDisplay: the training loss at growing learning rates."""

from typing import Any, Self

import numpy as np

from skcnn._plotting.axes import grey, legend_above, new_axes
from skcnn._plotting.display import Display
from skcnn._plotting.palette import BLUE
from skcnn.inspection._learning_rate_range import DIVERGED, range_test

LOSSES = {"color": BLUE, "linewidth": 0.8, "alpha": 0.35}
AVERAGES = {"color": BLUE, "linewidth": 1.8}
SUGGESTION = {"linestyle": ":", "linewidth": 1.5}


class LearningRateDisplay(Display):
    """The loss of batches against a learning rate that grows from batch to batch.

    Make one with :meth:`from_estimator`. The suggested rate is the attribute `suggestion`.

    Parameters
    ----------
    rates : ndarray of shape (n_batches,)
        Learning rate of each batch.
    losses : ndarray of shape (n_batches,)
        Training loss of each batch, before the step at its rate.
    averages : ndarray of shape (n_batches,)
        Exponential averages of the losses.
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
    of the steps, and corrected for its start. The test ends when the average exceeds four
    times its minimum, or when a loss is infinite or NaN.

    The suggestion is the rate at which four fifths of the descent of the average are done.
    It is meant for the parameter `learning_rate` with the default schedule, whose peak it is.
    It is None if the loss does not fall by more than the noise of its first batches, or if
    it still falls at the end. It is an order of magnitude, not an optimum: compare it with
    ``learning_rate="auto"``. With more steps the suggestion is somewhat smaller, since the
    loss has more steps to fall at small rates.

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
        """Train a clone at growing rates and draw the losses.

        Parameters
        ----------
        estimator : ConvNetClassifier, ConvNetRegressor, Pipeline or search
            A ConvNet or a Pipeline that ends in one, fitted or not, or a fitted search. It is
            not changed. All steps of a Pipeline are cloned and fitted, including
            augmentations. Callbacks are not called.
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
            Largest number of batches, at least 50. The rates grow geometrically.
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
        seen = range_test(
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

    def _draw(self, ax: Any) -> Any:
        ax = new_axes() if ax is None else ax
        ax.set(xscale="log", xlabel="learning rate", ylabel="training loss")
        ax.plot(self.rates, self.losses, label="batch", **LOSSES)
        ax.plot(self.rates, self.averages, label="average", **AVERAGES)
        if self.suggestion is not None:
            label = f"suggestion ({self.suggestion:.2g})"
            ax.axvline(self.suggestion, label=label, color=grey(0.25), **SUGGESTION)
        # limits, since a diverging loss would flatten the descent
        least = self.averages.argmin()
        top = max(self.averages[: least + 1].max(), DIVERGED * self.averages[least])
        bottom, highest = ax.get_ylim()
        ax.set_ylim(bottom if bottom > 0 else 0, min(highest, 1.05 * top))
        legend_above(ax, 3)
        return ax
