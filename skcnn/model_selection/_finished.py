"""NewlyFinished: reads each finished trial of a study once, however often it is asked."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


class NewlyFinished:
    """Tells which trials of a study have finished since the last call.

    A finished trial does not change any more, also not in a storage that several processes
    share. So only trials that were not finished, and new ones, are looked at again.

    Attributes
    ----------
    unfinished : list of FrozenTrial
        The waiting and the running trials at the last call, by number.
    """

    def __init__(self) -> None:
        self.unfinished: list[FrozenTrial] = []
        self._n_seen = 0

    def among(self, trials: "Sequence[FrozenTrial]") -> "list[FrozenTrial]":
        """Return those that have finished since the last call, by number.

        Parameters
        ----------
        trials : sequence of FrozenTrial
            All trials of the study, by number.
        """
        before = [trials[trial.number] for trial in self.unfinished]
        read = [*before, *trials[self._n_seen :]]
        self._n_seen = len(trials)
        self.unfinished = [trial for trial in read if not trial.state.is_finished()]
        return [trial for trial in read if trial.state.is_finished()]
