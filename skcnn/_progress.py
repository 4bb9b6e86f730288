"""What ``verbose`` shows during training: a progress bar or a line an epoch.

Reads the epoch's figures, computes none.
"""

from collections.abc import Mapping
from math import isnan
from types import TracebackType
from typing import Any, Self


def format_figures(row: Mapping[str, float]) -> str:
    """Return an epoch's figures as one short text, leaving out what is NaN."""
    shown = {
        "loss": f"{row['train_loss']:.3g}",
        "valid": f"{row['valid_loss']:.3g}",
        "score": f"{row['valid_score']:.4f}",
        "lr": f"{row['learning_rate']:.0e}",
        "samples/s": f"{row['samples_per_second']:.0f}",
    }
    return " ".join(f"{name} {text}" for name, text in shown.items() if text != "nan")


class _Silent:
    def update(self, epoch: int, row: Mapping[str, float]) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Close nothing."""


class _Lines:
    def __init__(self, name: str, last_epoch: int) -> None:
        self.name = name
        self.last_epoch = last_epoch

    def update(self, epoch: int, row: Mapping[str, float]) -> None:
        """Print a line."""
        seconds = row["seconds"]
        took = "" if isnan(seconds) else f"  {seconds:.2f} s"
        print(f"{self.name} epoch {epoch}/{self.last_epoch}  {format_figures(row)}{took}")

    def close(self) -> None:
        """Close nothing."""


class _RichBar:
    def __init__(self, name: str, n_epochs: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as TimeLeft
        from rich.table import Column

        def whole(width: int) -> Column:
            return Column(no_wrap=True, min_width=width)

        columns = (
            TextColumn("{task.description}", table_column=whole(len(name))),
            BarColumn(bar_width=8, table_column=whole(8)),
            MofNCompleteColumn(table_column=whole(2 * len(str(n_epochs)) + 1)),
            TimeLeft(elapsed_when_finished=True, table_column=whole(7)),
            # the figures are cut where the screen is narrow
            TextColumn("{task.fields[figures]}", table_column=Column(no_wrap=True)),
        )
        self.progress = Progress(*columns)
        self.task = self.progress.add_task(name, total=n_epochs, figures="")
        self.progress.start()

    def update(self, epoch: int, row: Mapping[str, float]) -> None:
        """Advance the bar."""
        self.progress.update(self.task, advance=1, figures=format_figures(row))

    def close(self) -> None:
        """Leave the finished bar on the screen."""
        self.progress.stop()


class _TqdmBar:
    def __init__(self, name: str, n_epochs: int) -> None:
        from tqdm.auto import tqdm

        self.bar = tqdm(total=n_epochs, desc=name, unit="epoch")

    def update(self, epoch: int, row: Mapping[str, float]) -> None:
        """Advance the bar."""
        self.bar.set_postfix_str(format_figures(row), refresh=False)
        self.bar.update()

    def close(self) -> None:
        """Leave the finished bar on the screen."""
        self.bar.close()


class ProgressReport:
    """Progress of one training, as a context manager.

    Parameters
    ----------
    verbose : int or bool
        0 silent, 1 a bar (rich if installed, else tqdm), 2 or more a line an epoch.
    name : str
        What is trained.
    first_epoch, last_epoch : int
        Epochs to come, counted from one.
    """

    def __init__(self, verbose: int, name: str, first_epoch: int, last_epoch: int) -> None:
        self.verbose = int(verbose)
        self.name = name
        self.n_epochs = last_epoch - first_epoch + 1
        self.last_epoch = last_epoch
        self._view: Any = _Silent()

    def __enter__(self) -> Self:
        if self.verbose == 1:
            try:
                self._view = _RichBar(self.name, self.n_epochs)
            except ImportError:
                self._view = _TqdmBar(self.name, self.n_epochs)
        elif self.verbose > 1:
            self._view = _Lines(self.name, self.last_epoch)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._view.close()

    def update(self, epoch: int, row: Mapping[str, float]) -> None:
        """Show the figures of a finished epoch."""
        self._view.update(epoch, row)
