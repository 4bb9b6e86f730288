"""What happens before and after each epoch: history, early stopping, progress, callbacks."""

from collections.abc import Callable
from math import isnan

import pandas as pd
from torch import Tensor

from skcnn._training.callbacks import CallbackHooks
from skcnn._training.early_stopping import EarlyStopping, merit
from skcnn._utils.progress import ProgressReport
from skcnn._utils.time_limit import TimeLimit

COLUMNS = (
    "train_loss",
    "valid_loss",
    "valid_score",
    "learning_rate",
    "seconds",
    "samples_per_second",
)
PLANNED = "planned_epochs"  # a further column, with a time limit


class TrainingMonitor:
    """Collects the figures of each epoch of one training.

    Parameters
    ----------
    first_epoch : int
        Number of the first epoch, counted from one.
    evaluate : callable
        Returns ``valid_loss`` and ``valid_score``.
    early_stopping : EarlyStopping or None
        Updated after every epoch.
    must_go_on : callable
        Returns whether early stopping has to wait, as another part of the network is still to be
        trained.
    weights : callable
        Returns a copy of the current weights.
    progress : ProgressReport
        Updated after every epoch.
    time_limit : TimeLimit or None, default=None
        Updated after every epoch.

    Attributes
    ----------
    callbacks : CallbackHooks or None
        scikit-learn's callbacks.
    rows : list of dict
        The figures of each finished epoch.
    """

    def __init__(
        self,
        *,
        first_epoch: int,
        evaluate: Callable[[], dict[str, float]],
        early_stopping: EarlyStopping | None,
        must_go_on: Callable[[], bool] = lambda: False,
        weights: Callable[[], dict[str, Tensor]],
        progress: ProgressReport,
        time_limit: TimeLimit | None = None,
    ) -> None:
        self.first_epoch = first_epoch
        self.evaluate = evaluate
        self.early_stopping = early_stopping
        self.must_go_on = must_go_on
        self.weights = weights
        self.progress = progress
        self.time_limit = time_limit
        self.callbacks: CallbackHooks | None = None
        self.rows: list[dict[str, float]] = []
        self._merits: dict[int, tuple[float, float]] = {}  # of the weights at the beginning

    def begin(self, epoch: int) -> None:
        """Let early stopping keep the weights at the beginning, which are those of `epoch`."""
        if self.early_stopping is not None:
            figures = self.evaluate()
            score, loss = figures["valid_score"], figures["valid_loss"]
            if self.early_stopping.begin(score, loss, self.weights):
                self._merits[epoch] = merit(score, loss)

    def epoch_begin(self) -> None:
        """Call the callbacks."""
        if self.callbacks is not None:
            self.callbacks.epoch_begin()

    def record(self, figures: dict[str, float]) -> bool:
        """Record the figures of a finished epoch, and return whether it is the last.

        That is by early stopping, or by the time limit.
        """
        stop = False
        row = {name: figures[name] for name in COLUMNS}
        if self.time_limit is not None:
            row[PLANNED] = float(self.first_epoch - 1 + self.time_limit.n_planned)
            stop = self.time_limit.epoch_done()
        if self.early_stopping is not None:
            stop |= self.early_stopping.update(
                figures["valid_score"], figures["valid_loss"], self.weights, self.must_go_on()
            )
        self.rows.append(row)
        return stop

    def epoch_end(self) -> bool:
        """Show the recorded epoch and call the callbacks; return whether they ask to stop."""
        self.progress.update(self.first_epoch + len(self.rows) - 1, self.rows[-1])
        return self.callbacks is not None and self.callbacks.epoch_end()

    def best_epoch(self) -> int:
        """Return the epoch with the best validation score, without validation the last.

        With early stopping it may be the one whose weights the training began with.
        """
        merits = self._merits | {
            epoch: merit(row["valid_score"], row["valid_loss"])
            for epoch, row in enumerate(self.rows, self.first_epoch)
            if not isnan(row["valid_loss"])
        }
        if not merits:
            return self.first_epoch + len(self.rows) - 1
        return max(merits, key=merits.__getitem__)

    @property
    def columns(self) -> tuple[str, ...]:
        """The figures of an epoch."""
        return COLUMNS if self.time_limit is None else (*COLUMNS, PLANNED)

    def history(self, before: pd.DataFrame | None) -> pd.DataFrame:
        """Return one row per epoch, after those of an earlier training."""
        index = pd.RangeIndex(self.first_epoch, self.first_epoch + len(self.rows), name="epoch")
        rows = pd.DataFrame(self.rows, index=index, columns=list(self.columns), dtype=float)
        return rows if before is None else pd.concat([before, rows])
