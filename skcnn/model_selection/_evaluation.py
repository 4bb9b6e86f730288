"""One candidate on all folds: its outcome, with failures and warnings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skcnn._convnet.pipelines import find_convnet
from skcnn.model_selection._callbacks import Watch
from skcnn.model_selection._cross_validation import (
    CrossValidation,
    EvaluationError,
    FitPrunedError,
    FoldResult,
    check_scores,
    failed_fold,
)
from skcnn.model_selection._fit_messages import counted_warnings
from skcnn.model_selection._fold_run import FoldRun
from skcnn.model_selection._joint_folds import run_folds_together
from skcnn.model_selection._step_cache import StepCache


@dataclass
class Outcome:
    """The state and the scores of an evaluated candidate.

    Attributes
    ----------
    state : {"COMPLETE", "PRUNED", "FAIL", "INFEASIBLE", "INTERRUPTED"}
        "INFEASIBLE" is a candidate that is larger than the bounds and was not trained,
        "INTERRUPTED" one that does not count and may be tried again.
    folds : list of FoldResult
        The finished folds, in order.
    n_epochs : int or None
        Epochs trained in all folds, also in the unfinished one; None without a ConvNet.
    n_parameters : int or None
        Parameters of the network; None without a ConvNet.
    reason : str
        Why it failed: a traceback or a message.
    warnings : list of (category, message, count)
        The warnings of its fits.
    """

    state: str = "COMPLETE"
    folds: list[FoldResult] = field(default_factory=list)
    n_epochs: int | None = None
    n_parameters: int | None = None
    reason: str = ""
    warnings: list[tuple[str, str, int]] = field(default_factory=list)


def evaluate(
    cv: CrossValidation,
    params: Mapping[str, Any],
    watch: Watch,
    cache: StepCache,
    *,
    together: bool,
    contexts: Sequence[Any] | None,
) -> Outcome:
    """Fit and score a candidate on all folds, until `watch` stops it.

    Parameters
    ----------
    cv : CrossValidation
        Data, splits and scorer.
    params : mapping
        What the candidate sets on the estimator.
    watch : Watch
        Called after every epoch and fold.
    cache : StepCache
        Fitted steps of earlier candidates.
    together : bool
        Whether all folds are trained together, an epoch of each at a time, instead of one
        fold after the other.
    contexts : sequence of FoldContext or None
        One for each fold.

    Returns
    -------
    Outcome
        Also of a candidate that fails, unless ``error_score="raise"``.
    """
    outcome = Outcome()
    runs = [FoldRun(cv, params, fold, cache) for fold in range(len(cv.splits))]
    contexts = contexts or [None] * len(runs)
    with counted_warnings(outcome.warnings):
        try:
            run_all = run_folds_together if together else _run_folds_in_turn
            run_all(cv, runs, watch, contexts, outcome.folds)
        except FitPrunedError as pruned:
            outcome.state, outcome.reason = "PRUNED", pruned.reason
        except EvaluationError as error:
            outcome.state, outcome.reason = "FAIL", str(error)
    if watch.state:
        outcome.state, outcome.reason = watch.state, watch.reason
    if find_convnet(cv.estimator) is not None:
        outcome.n_epochs = sum(run.n_epochs_seen for run in runs)
        sizes = [run.n_parameters for run in runs if run.n_parameters is not None]
        outcome.n_parameters = sizes[0] if sizes else None
    return outcome


def _run_folds_in_turn(
    cv: CrossValidation,
    runs: Sequence[FoldRun],
    watch: Watch,
    contexts: Sequence[Any],
    folds: list[FoldResult],
) -> None:
    """Run one fold after the other, appending to `folds`."""
    finished: list[float] = []
    for fold, run in enumerate(runs):

        def on_epoch(epoch: int, n_epochs: int, score: Any, fold: int = fold) -> bool:
            mean = None
            if watch.wants_scores and epoch + 1 < n_epochs:  # the last one's score is the fold's
                mean = float(np.mean([*finished, score()]))
            return watch.epoch_done(fold, epoch, n_epochs, mean)

        try:
            result = run.run(on_epoch, contexts[fold])
        except EvaluationError as error:
            if cv.fails_by_error(error):
                raise
            result = failed_fold(error)
        if watch.state:  # the fit was stopped, and its scores are not valid
            return
        folds.append(result)
        finished.append(check_scores(cv, fold, result))
        if watch.fold_done(fold, run.n_epochs_seen or None, float(np.mean(finished))):
            return
