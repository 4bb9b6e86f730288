"""What is called after epochs and folds: watches of candidates, and scikit-learn's callbacks."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from skcnn._utils.compat import callback_context


class Watch:
    """Decides after every epoch and fold whether a candidate continues. The base never stops it.

    Attributes
    ----------
    wants_scores : bool
        Whether epochs are scored on the test samples of their fold.
    state : str
        The state of a candidate that was stopped, "" while it continues.
    reason : str
        Why it was stopped.
    """

    wants_scores = False
    state = ""
    reason = ""

    def epoch_done(self, fold: int, epoch: int, n_epochs: int, score: float | None) -> bool:
        """Take the mean score so far after an epoch; return whether to stop."""
        return bool(self.state)

    def fold_done(self, fold: int, n_epochs: int | None, score: float) -> bool:
        """Take the mean score of all finished folds; return whether to stop."""
        return bool(self.state)


class EpochWatcher:
    """scikit-learn's fit callback that calls a function after every epoch.

    Parameters
    ----------
    listener : callable
        Takes the epoch, counted from zero, the number of epochs planned and a snapshot of
        the estimator, None for epochs that an earlier process has trained; returns whether to
        stop.

    Attributes
    ----------
    scores : dict of int to float
        The scores that the listener has computed, by epoch.
    cuts_short : bool
        Whether the listener has stopped the fit, whose result nobody needs then.
    """

    def __init__(self, listener: Callable[[int, int, Any], bool]) -> None:
        self.listener = listener
        self.cuts_short = False
        self.scores: dict[int, float] = {}

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing before the fit."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing after the fit."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing before an epoch."""

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any) -> bool:
        """Call the listener after an epoch."""
        if context.task_name != "epoch":
            return False
        n_epochs = context.parent.max_subtasks
        self.cuts_short = self.listener(context.task_id, n_epochs, fitted_estimator)
        return self.cuts_short

    def _checkpoint_state(self) -> dict[int, float]:
        """Return what a checkpoint of the fit keeps."""
        return {epoch: float(score) for epoch, score in self.scores.items()}

    def _restore_checkpoint(self, state: dict[int, float], n_done: int, n_epochs: int) -> bool:
        """Tell the listener of the epochs before a checkpoint; return whether to stop."""
        self.scores = {epoch: score for epoch, score in state.items() if isinstance(score, float)}
        self.cuts_short = any(self.listener(epoch, n_epochs, None) for epoch in range(n_done))
        return self.cuts_short


def go_on(epoch: int, n_epochs: int, snapshot: Any) -> bool:
    """Return False, as a listener that never stops a fit."""
    return False


class FoldContext:
    """scikit-learn's callbacks of a search, for one fit inside it.

    Parameters
    ----------
    context : CallbackContext
        The fit's place in the tree of tasks.
    caller : estimator
        The search.
    data : dict
        ``X``, ``y`` and ``metadata`` of the search.
    """

    def __init__(self, context: Any, caller: Any, data: Mapping[str, Any]) -> None:
        self.context = context
        self.caller = caller
        self.data = data

    @contextmanager
    def around(self, estimator: Any) -> Iterator[None]:
        """Call the callbacks before and after the fit, and hand them to the estimator."""
        with self.context.propagate_callback_context(estimator):
            self.context.call_on_fit_task_begin(estimator=self.caller, **self.data)
            try:
                yield
            finally:
                self.context.call_on_fit_task_end(estimator=self.caller, **self.data)


class SearchContext:
    """scikit-learn's callbacks of the search: a subtask for each fold and for the refit.

    Parameters
    ----------
    search : ConvNetSearchCV
        The search that has the callbacks.
    data : dict
        ``X``, ``y`` and ``metadata`` of the fit.
    """

    def __init__(self, search: Any, data: dict[str, Any]) -> None:
        self.search = search
        self.data = data
        self.root = callback_context(search, 1 + (search.refit is not False))
        self.root.call_on_fit_task_begin(estimator=search, **data)
        self.trials = self.root.subcontext(
            task_name="search", max_subtasks=None, sequential_subtasks=False
        )
        self.trials.call_on_fit_task_begin(estimator=search, **data)
        self._n_folds = 0

    def of_trial(self, n_folds: int) -> list[FoldContext]:
        """Return a context for each fold of the next trial."""
        first, self._n_folds = self._n_folds, self._n_folds + n_folds
        return [
            FoldContext(
                self.trials.subcontext(task_name="fold", task_id=first + i), self.search, self.data
            )
            for i in range(n_folds)
        ]

    def of_refit(self) -> FoldContext:
        """Return the context of the refit."""
        self.trials.call_on_fit_task_end(estimator=self.search, **self.data)
        return FoldContext(
            self.root.subcontext(task_name="refit-with-best-params"), self.search, self.data
        )

    def finish(self) -> None:
        """Call the callbacks after the whole fit."""
        if self.search.refit is False:
            self.trials.call_on_fit_task_end(estimator=self.search, **self.data)
        self.root.call_on_fit_task_end(estimator=self.search, **self.data)
