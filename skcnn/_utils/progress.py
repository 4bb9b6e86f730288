"""What ``verbose`` shows of a training, a search or a comparison: a progress bar, or lines."""

from collections.abc import Mapping
from math import isnan
from types import TracebackType
from typing import Any, Self


def format_figures(row: Mapping[str, float]) -> str:
    """Return an epoch's figures as one short text without those that are NaN."""
    shown = {
        "loss": f"{row['train_loss']:.3g}",
        "valid": f"{row['valid_loss']:.3g}",
        "score": f"{row['valid_score']:.4f}",
        "lr": f"{row['learning_rate']:.0e}",
        "samples/s": f"{row['samples_per_second']:.0f}",
    }
    return " ".join(f"{name} {text}" for name, text in shown.items() if text != "nan")


class _Silent:
    def advance(self, n: int, text: str) -> None:
        """Show nothing."""

    def set_total(self, total: int) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Close nothing."""


class _RichBar:
    def __init__(self, name: str, total: int | None) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as TimeLeft
        from rich.table import Column

        def whole(width: int) -> Column:
            return Column(no_wrap=True, min_width=width)

        columns = (
            TextColumn("{task.description}", table_column=whole(len(name)), markup=False),
            BarColumn(bar_width=8, table_column=whole(8)),
            MofNCompleteColumn(table_column=whole(2 * len(str(total or "?")) + 1)),
            TimeLeft(elapsed_when_finished=True, table_column=whole(7)),
            # figures are cut if the screen is narrow
            TextColumn("{task.fields[figures]}", table_column=Column(no_wrap=True), markup=False),
        )
        self.progress = Progress(*columns)
        self.task = self.progress.add_task(name, total=total, figures="")
        self.progress.start()

    def advance(self, n: int, text: str) -> None:
        """Advance the bar."""
        self.progress.update(self.task, advance=n, figures=text)

    def set_total(self, total: int) -> None:
        """Set the number of steps."""
        self.progress.update(self.task, total=total)

    def close(self) -> None:
        """Leave the finished bar on the screen."""
        self.progress.stop()


class _TqdmBar:
    def __init__(self, name: str, total: int | None, unit: str) -> None:
        from tqdm.auto import tqdm

        self.bar = tqdm(total=total, desc=name, unit=unit)

    def advance(self, n: int, text: str) -> None:
        """Advance the bar."""
        self.bar.set_postfix_str(text, refresh=n == 0)
        self.bar.update(n)

    def set_total(self, total: int) -> None:
        """Set the number of steps."""
        self.bar.total = total

    def close(self) -> None:
        """Leave the finished bar on the screen."""
        self.bar.close()


def _make_bar(name: str, total: int | None, unit: str) -> Any:
    """Return rich's bar if rich is installed, else tqdm's."""
    try:
        return _RichBar(name, total)
    except ImportError:
        return _TqdmBar(name, total, unit)


class _Report:
    """A progress bar as a context manager, shown if ``verbose`` is 1."""

    def __init__(self, verbose: int, name: str, total: int | None, unit: str) -> None:
        self.verbose = int(verbose)
        self.name = name
        self.total = total
        self._unit = unit
        self._bar: Any = _Silent()

    def __enter__(self) -> Self:
        if self.verbose == 1:
            self._bar = _make_bar(self.name, self.total, self._unit)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.close()


class ProgressReport(_Report):
    """Progress of one training, as a context manager.

    Parameters
    ----------
    verbose : int or bool
        0 silent, 1 a bar (rich if installed, else tqdm), 2 or more a line an epoch.
    name : str
        Name of the estimator.
    first_epoch, last_epoch : int
        First and last epoch of this training, counted from one.
    """

    def __init__(self, verbose: int, name: str, first_epoch: int, last_epoch: int) -> None:
        super().__init__(verbose, name, last_epoch - first_epoch + 1, "epoch")
        self.first_epoch = first_epoch
        self.last_epoch = last_epoch

    def shorten(self, last_epoch: int) -> None:
        """Show that the training is planned to end earlier than before."""
        before, self.last_epoch = self.last_epoch, last_epoch
        self._bar.set_total(last_epoch - self.first_epoch + 1)
        if self.verbose > 1:
            print(f"{self.name} plans {last_epoch} epochs instead of {before}: max_seconds")

    def update(self, epoch: int, row: Mapping[str, float]) -> None:
        """Show the figures of a finished epoch."""
        if self.verbose == 0:
            return
        self._bar.advance(1, format_figures(row))
        if self.verbose > 1:
            seconds = row["seconds"]
            took = "" if isnan(seconds) else f"  {seconds:.2f} s"
            print(f"{self.name} epoch {epoch}/{self.last_epoch}  {format_figures(row)}{took}")


class SearchProgress(_Report):
    """Progress of a search, as a context manager.

    Parameters
    ----------
    verbose : int or bool
        0 silent, 1 a bar (rich if installed, else tqdm), 2 or more a line a trial.
    name : str
        Name of the search.
    n_trials : int or None
        Number of trials, None if it is unknown.
    n_folds : int
        Number of folds of a trial.
    """

    def __init__(self, verbose: int, name: str, n_trials: int | None, n_folds: int) -> None:
        super().__init__(verbose, name, n_trials, "trial")
        self.n_folds = n_folds
        self._n_done = 0
        self._best = ""

    def begin(self, n_done: int, best: float | None) -> None:
        """Show the trials of earlier calls."""
        self._count(n_done, best)

    def epoch(self, trial: int, fold: int, epoch: int, n_epochs: int) -> None:
        """Show the current fold and epoch of a trial."""
        place = f"trial {trial} fold {fold + 1}/{self.n_folds} epoch {epoch}/{n_epochs}"
        self._bar.advance(0, f"{self._best}{place}")

    def trial_ended(
        self,
        trial: int,
        state: str,
        value: float | None,
        n_done: int,
        best: float | None,
        reason: str = "",
    ) -> None:
        """Show the value of a trial or why it failed, and the best value so far."""
        self._count(n_done, best)
        if self.verbose > 1:
            shown = "" if value is None else f" {value:.4f}"
            of = "" if self.total is None else f"/{self.total}"
            why = f" ({reason})" if reason else ""
            text = f"trial {trial} {state.lower()}{shown}{why}  {self._best}"
            print(f"{self.name} {n_done}{of}  {text.rstrip()}")

    def _count(self, n_done: int, best: float | None) -> None:
        self._best = "" if best is None else f"best {best:.4f} "
        self._bar.advance(n_done - self._n_done, self._best)
        self._n_done = n_done


class ComparisonProgress(_Report):
    """Progress of a comparison, as a context manager.

    Parameters
    ----------
    verbose : int or bool
        0 silent, 1 a bar (rich if installed, else tqdm), 2 or more a line a fit.
    name : str
        Name of the comparison.
    n_fits : int
        Number of fits.
    """

    def __init__(self, verbose: int, name: str, n_fits: int) -> None:
        super().__init__(verbose, name, n_fits, "fit")
        self._n_done = 0

    def fit_ended(
        self, model: str, split: int, scores: Mapping[str, float], seconds: float, error: str
    ) -> None:
        """Show the scores of a fit, or why it failed."""
        self._n_done += 1
        figures = "  ".join(f"{metric} {score:.4f}" for metric, score in scores.items())
        text = f"{model} split {split}  {error or figures}"
        self._bar.advance(1, text)
        if self.verbose > 1:
            print(f"{self.name} {self._n_done}/{self.total}  {text}  {seconds:.2f} s")


class FileProgress(_Report):
    """Progress of predictions for files, as a context manager.

    Parameters
    ----------
    verbose : int or bool
        0 silent, 1 a bar (rich if installed, else tqdm).
    n_files : int
        Number of files.
    """

    def __init__(self, verbose: int, n_files: int) -> None:
        super().__init__(verbose, "skcnn predict", n_files, "file")

    def advance(self, n: int) -> None:
        """Count files that are done."""
        self._bar.advance(n, "")
