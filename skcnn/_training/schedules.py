"""Learning-rate schedules by name."""

from collections.abc import Callable
from math import cos, pi, sqrt

SCHEDULES = ("constant", "step", "cosine", "linear", "one_cycle", "plateau", "inverse_scaling")
WARM_UP = 0.25
LINEAR_WARM_UP = 0.05
PLATEAU_PATIENCE = 5
PLATEAU_FACTOR = 0.2
PLATEAU_TOLERANCE = 1e-4


def _step(progress: float) -> float:
    return 0.1 ** ((progress >= 0.5) + (progress >= 0.75))


def _cosine(progress: float) -> float:
    return 0.5 * (1 + cos(pi * progress))


def _linear(progress: float) -> float:
    if progress < LINEAR_WARM_UP:
        return 0.04 + 0.96 * progress / LINEAR_WARM_UP
    return max(1 - progress, 0.0) / (1 - LINEAR_WARM_UP)


def _one_cycle(progress: float) -> float:
    if progress < WARM_UP:
        return 0.04 + 0.96 * progress / WARM_UP
    return 1e-4 + (1 - 1e-4) * _cosine((progress - WARM_UP) / (1 - WARM_UP))


# Factors of the learning rate, as functions of the share of the training that is done.
_BY_PROGRESS: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "step": _step,
    "cosine": _cosine,
    "linear": _linear,
    "one_cycle": _one_cycle,
}


class Schedule:
    """The learning rate of every step.

    Parameters
    ----------
    kind : {"constant", "step", "cosine", "linear", "one_cycle", "plateau", "inverse_scaling"}
        "step" multiplies by 0.1 at half and at three quarters of the epochs; "cosine"
        falls from full to zero; "linear" rises from 4 % to full over the first twentieth
        and falls in a straight line to zero; "one_cycle" rises from 4 % to full over the first
        quarter and falls as a cosine; "plateau" multiplies by 0.2 after 5 epochs
        without a loss lower by 1e-4; "inverse_scaling" divides by the square root of
        the epoch's number.
    learning_rate : float
        The full learning rate.
    steps_per_epoch : int
        Number of batches in an epoch.
    n_epochs : int
        Number of planned epochs.

    References
    ----------
    Smith and Topin, arXiv:1708.07120 (one cycle); Loshchilov and Hutter,
    arXiv:1608.03983 (cosine).
    """

    def __init__(
        self, kind: str, learning_rate: float, steps_per_epoch: int, n_epochs: int
    ) -> None:
        self.kind = kind
        self.learning_rate = learning_rate
        self.steps_per_epoch = steps_per_epoch
        self.n_steps = max(1, steps_per_epoch * n_epochs)
        self.steps_done = 0
        self._from = 0, 0.0  # a step and its progress, from which on it grows evenly to one
        self._factor = 1.0
        self._best = float("inf")
        self._epochs_since_best = 0

    def next_rate(self) -> float:
        """Return the rate of the next step."""
        if self.kind == "inverse_scaling":
            factor = 1 / sqrt(1 + self.steps_done // self.steps_per_epoch)
        elif self.kind == "plateau":
            factor = self._factor
        else:
            factor = _BY_PROGRESS[self.kind](self._progress(self.steps_done))
        self.steps_done += 1
        return self.learning_rate * factor

    def _progress(self, step: int) -> float:
        """Return the share of the training that is done before a step."""
        start, done = self._from
        return done + (1 - done) * ((step - start) / (self.n_steps - start))

    def shorten(self, n_epochs_done: int, n_epochs: int) -> None:
        """Come to the end after `n_epochs` in all, from where the schedule is, without a jump.

        The rates of "plateau" and "inverse_scaling" stay the same.
        """
        step = n_epochs_done * self.steps_per_epoch
        self._from = step, self._progress(step)
        self.n_steps = self.steps_per_epoch * n_epochs

    def epoch_done(self, loss: float) -> None:
        """Record an epoch's loss: the validation loss if there is one."""
        if loss < self._best - PLATEAU_TOLERANCE:
            self._best = loss
            self._epochs_since_best = 0
        else:
            self._epochs_since_best += 1
        if self._epochs_since_best >= PLATEAU_PATIENCE:
            self._factor *= PLATEAU_FACTOR
            self._epochs_since_best = 0
