"""Early stopping: which epoch is the best, and when training stops."""

from collections.abc import Callable
from math import isnan

import numpy as np
from torch import Tensor


def merit(score: float, loss: float) -> tuple[float, float]:
    """Return the key by which epochs are compared; the largest is the best.

    It is the score, or minus the loss if the score is NaN. Of equal scores the lower loss is
    better.
    """
    return (-loss if isnan(score) else score, -loss)


class EarlyStopping:
    """Keeps the best weights and decides when to stop.

    The best epoch has the highest score, and of equal scores the lowest loss.

    Parameters
    ----------
    n_iter_no_change : int
        Number of epochs without an improvement after which to stop.
    tol : float
        Smallest rise of the validation score that counts as an improvement.

    Attributes
    ----------
    best_weights : dict of str to Tensor, or None
        The weights of the best epoch so far.
    """

    def __init__(self, n_iter_no_change: int, tol: float) -> None:
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.best_weights: dict[str, Tensor] | None = None
        self._best = (-np.inf, -np.inf)
        self._threshold = -np.inf
        self._epochs_without = 0

    def begin(self, score: float, loss: float, weights: Callable[[], dict[str, Tensor]]) -> bool:
        """Take the score and loss before the first epoch, and return whether they count.

        The weights at the beginning are kept unless an epoch is better. The score is no
        threshold, because the learning rate may rise at first.
        """
        this = merit(score, loss)
        if this > self._best:
            self.best_weights = weights()
            self._best = this
        return self.best_weights is not None

    def update(
        self,
        score: float,
        loss: float,
        weights: Callable[[], dict[str, Tensor]],
        must_go_on: bool = False,
    ) -> bool:
        """Take an epoch's validation score and loss, and return whether to stop.

        `weights` returns a copy of the current weights, and is called only in the best epoch.
        Epochs with `must_go_on` do not count as epochs without an improvement.
        """
        score, _ = this = merit(score, loss)
        if this > self._best:
            self.best_weights = weights()
            self._best = this
        if score > self._threshold + self.tol:
            self._threshold = score
            self._epochs_without = 0
        elif not must_go_on:
            self._epochs_without += 1
        return self._epochs_without >= self.n_iter_no_change
