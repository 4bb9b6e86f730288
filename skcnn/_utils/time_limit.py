"""TimeLimit: how many epochs a training has time for, by the pace of those that are done."""

from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from math import floor, isfinite
from statistics import median
from typing import Any

from skcnn._utils.validation import is_integer, is_number
from skcnn._utils.worker_threads import own_seconds
from skcnn.exceptions import ModelFileError

RECENT = 5  # epochs whose median is the pace
ENOUGH = 3  # epochs of which it is known while there is time
RESERVE = 0.5  # epochs that a shorter plan leaves free, so that a slow one does not break it
TOLERANCE = 0.1  # epochs by which a plan may exceed the limit, as paces vary
SHORTEST = 1e-9  # seconds of an epoch, on a clock that stood still


class TimeLimit:
    """Makes the number of planned epochs smaller if the time that is left does not hold them.

    Parameters
    ----------
    seconds : float
        The limit.
    start : float
        When the time begins to count, by the clock `own_seconds`.
    n_epochs : int
        Number of planned epochs.
    shorten : callable
        Takes the number of epochs done and the new number of planned epochs.
    part : callable
        Returns what is trained at present. Epochs of another part have another pace.
    share : float, default=1.0
        Share of the seconds that this training has, if another one follows.

    Attributes
    ----------
    n_planned : int
        Number of epochs that are planned now, those that are done included.
    n_done : int
        Number of finished epochs.

    Notes
    -----
    The pace is the median of the last epochs of the present part, without its first one, which
    may also decode files, compute features or compile the network. It is known well enough to
    shorten the plan after three such epochs, or after one if half of the time is over. After the
    first one alone the training ends only if the time does not hold another one like it.
    """

    def __init__(
        self,
        seconds: float,
        start: float,
        n_epochs: int,
        shorten: Callable[[int, int], None],
        part: Callable[[], Hashable],
        share: float = 1.0,
    ) -> None:
        self.limit = float(seconds)
        self.seconds = self.limit * share
        self.n_planned = n_epochs
        self.n_done = 0
        self._start = start
        self._shorten = shorten
        self._part = part
        self._cuts: list[tuple[int, int]] = []  # epochs done, and planned from then on
        self._n_epochs = n_epochs
        self._paced: Hashable = None
        self._durations: list[float] = []
        self._last = start

    def begin(self) -> None:
        """Begin to measure the first epoch."""
        self._last = own_seconds()

    def epoch_done(self) -> bool:
        """Count a finished epoch, plan fewer if necessary, and return whether it was the last."""
        now = own_seconds()
        if self._part() != self._paced:
            self._durations, self._paced = [], self._part()
        self._durations.append(now - self._last)
        self._last = now
        self.n_done += 1
        left = self.n_planned - self.n_done
        fitting = self._fitting(left)
        if fitting < left:
            self._plan(self.n_done, self.n_done + fitting)
        return self.n_done >= self.n_planned

    def _fitting(self, left: int) -> int:
        """Return how many of the epochs that are left the time holds."""
        first, *later = self._durations
        pace = max(median(later[-RECENT:] or [first]), SHORTEST)
        epochs = (self.seconds - self._elapsed) / pace
        if epochs >= left - TOLERANCE:
            return left
        holds_another = epochs >= 1 - TOLERANCE
        is_early = len(later) < ENOUGH and self._elapsed < self.seconds / 2
        if holds_another and (is_early or not later):
            return left
        return max(floor(epochs - RESERVE), int(holds_another))

    def _plan(self, n_done: int, n_planned: int) -> None:
        self._cuts.append((n_done, n_planned))
        self.n_planned = n_planned
        self._shorten(n_done, n_planned)

    @property
    def _elapsed(self) -> float:
        """The seconds up to the end of the last epoch."""
        return self._last - self._start

    def shortfall(self) -> str:
        """Return how the time was too short for what was planned, "" if it was not."""
        plans = [self._n_epochs, *(n_planned for _, n_planned in self._cuts)]
        is_cut_off = self._cuts[-1:] == [(self.n_done, self.n_done)]
        if not is_cut_off and (self.n_done != 1 or self._elapsed <= self.seconds):
            return ""
        of_first = f" ({self.seconds:g} for the first of two networks)"
        limit = f"max_seconds={self.limit:g}{of_first if self.seconds < self.limit else ''}"
        return (
            f"{limit} was too short: the training ended after {self.n_done} of "
            f"{plans[-2 if is_cut_off else -1]} planned epochs, {self._elapsed:.3g} seconds "
            "after the fit began. The first epoch is always finished. A training that is cut off "
            "does not reach the low learning rates at the end of its schedule: raise max_seconds "
            "or lower max_epochs."
        )

    def state(self) -> dict[str, Any]:
        """Return what another process needs to go on from the last finished epoch."""
        return {"seconds": self._elapsed, "cuts": list(self._cuts)}

    def resume(self, state: Any, n_done: int) -> None:
        """Go on from the `state` of a training that was at so many epochs.

        Its seconds count. Its pace does not: it may be that of another machine.

        Raises
        ------
        ModelFileError
            If it is not the state of such a training.
        """
        if not _is_state(state, n_done, self.n_planned):
            raise ModelFileError("its time limit is not that of this training")
        self._start -= state["seconds"]
        for cut in state["cuts"]:
            self._plan(*cut)
        self.n_done = n_done


def _is_state(state: Any, n_done: int, n_epochs: int) -> bool:
    """Return whether a state is that of a training at `n_done` of first `n_epochs` epochs."""
    if type(state) is not dict or state.keys() != {"seconds", "cuts"}:
        return False
    seconds, cuts = state["seconds"], state["cuts"]
    if not is_number(seconds) or not isfinite(seconds) or seconds < 0 or type(cuts) is not list:
        return False
    return _are_cuts(cuts, n_done, n_epochs)


def _are_cuts(cuts: Sequence[Any], n_done: int, n_epochs: int) -> bool:
    """Return whether each plan was made after the one before it, and is shorter."""
    if not all(type(cut) is tuple and len(cut) == 2 and all(map(is_integer, cut)) for cut in cuts):
        return False
    every = [(0, n_epochs), *cuts, (n_done + 1, n_done - 1)]
    return all(a < b and m > n for (a, m), (b, n) in pairwise(every))
