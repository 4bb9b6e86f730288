"""One candidate on all folds: what became of it, failures and warnings included.

Knows no sampler and no study.
"""

import importlib
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skcnn._convnet.pipelines import convnet_of
from skcnn.model_selection._folds import (
    CrossValidation,
    EvaluationError,
    FoldResult,
    FoldRun,
    Watch,
    check_scores,
    failed_fold,
)
from skcnn.model_selection._lockstep import run_side_by_side
from skcnn.model_selection._step_cache import StepCache

MOST_WARNING_KINDS = 20  # counted for one candidate
NUMBER = re.compile(r"[-+]?\d+(\.\d*)?(e[-+]?\d+)?")


@dataclass
class Outcome:
    """What became of a candidate.

    Attributes
    ----------
    state : {"COMPLETE", "PRUNED", "FAIL", "INTERRUPTED"}
        The last is a candidate that ran out of the search's time.
    folds : list of FoldResult
        The finished folds, in order.
    n_epochs : int or None
        Epochs trained in all folds, also the unfinished one; None without a ConvNet.
    n_parameters : int or None
        Of the network; None without one.
    reason : str
        Why it failed: a traceback or a message.
    warnings : list of (category, message, count)
        What its fits warned of.
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
    lockstep: bool = False,
    contexts: Sequence[Any] | None = None,
) -> Outcome:
    """Fit and score a candidate on all folds, as long as `watch` lets it.

    Parameters
    ----------
    cv : CrossValidation
        Data, splits and scorer.
    params : mapping
        What the candidate sets on the estimator.
    watch : Watch
        Told of every epoch and fold.
    cache : StepCache
        Fitted steps of earlier candidates.
    lockstep : bool, default=False
        Whether all folds are trained side by side, an epoch of each at a time, instead
        of one fold after the other.
    contexts : sequence of FoldContext or None, default=None
        One a fold.

    Returns
    -------
    Outcome
        A candidate that fails is recorded, not raised, unless ``error_score="raise"``.
    """
    outcome = Outcome()
    runs = [FoldRun(cv, params, fold, cache) for fold in range(len(cv.splits))]
    contexts = contexts or [None] * len(runs)
    with counted_warnings(outcome.warnings):
        try:
            run = run_side_by_side if lockstep else _run_in_turn
            run(cv, runs, watch, contexts, outcome.folds)
        except EvaluationError as error:
            outcome.state, outcome.reason = "FAIL", str(error)
    if watch.verdict:
        outcome.state, outcome.reason = watch.verdict, watch.reason
    if convnet_of(cv.estimator) is not None:
        outcome.n_epochs = sum(run.n_epochs_seen for run in runs)
        sizes = [run.n_parameters for run in runs if run.n_parameters is not None]
        outcome.n_parameters = sizes[0] if sizes else None
    return outcome


def _run_in_turn(
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
            if watch.wants_scores and epoch + 1 < n_epochs:  # after the last comes the fold's
                mean = float(np.mean([*finished, score()]))
            return watch.epoch_done(fold, epoch, n_epochs, mean)

        try:
            result = run.run(on_epoch, contexts[fold])
        except EvaluationError as error:
            if cv.fails_by_error(error):
                raise
            result = failed_fold(error)
        if watch.verdict:  # the fit was cut short: its scores mean nothing
            return
        folds.append(result)
        finished.append(check_scores(cv, fold, result))
        if watch.fold_done(fold, run.n_epochs_seen or None, float(np.mean(finished))):
            return


@contextmanager
def counted_warnings(counts: list[tuple[str, str, int]]) -> Iterator[None]:
    """Catch what would be shown inside the block and append (category, message, count).

    Warnings that the user's filters ignore stay ignored, those that they turn into errors
    stay errors. Python's filters are the process's: blocks in several threads disturb each
    other.
    """
    with warnings.catch_warnings(record=True) as caught:
        filters: Any = warnings.filters
        filters[:] = [
            (action if action in ("ignore", "error") else "always", *rest)
            for action, *rest in filters
        ]
        try:
            yield
        finally:
            counts += _counted(caught)


def _counted(caught: Sequence[warnings.WarningMessage]) -> list[tuple[str, str, int]]:
    seen: dict[tuple[str, str], int] = {}
    for warning in caught:
        category = f"{warning.category.__module__}.{warning.category.__qualname__}"
        key = category, str(warning.message)
        seen[key] = seen.get(key, 0) + 1
    told = [(*key, n) for key, n in list(seen.items())[:MOST_WARNING_KINDS]]
    n_more = len(seen) - len(told)
    return told + ([("builtins.UserWarning", f"{n_more} other warnings", 1)] if n_more else [])


def merged_warnings(
    of_runs: Sequence[Sequence[tuple[str, str, int]]], runs: str
) -> list[tuple[type[Warning], str]]:
    """Return what several runs warned of, each once, with how often.

    Messages that differ in their numbers only are one: the first is told.

    Parameters
    ----------
    of_runs : sequence of sequences of (category, message, count)
        As `counted_warnings` gives them, one a run.
    runs : str
        What the runs are, in the plural.
    """
    first: dict[tuple[str, str], str] = {}
    seen: dict[tuple[str, str], dict[int, int]] = {}
    for run, counts in enumerate(of_runs):
        for category, message, count in counts:
            key = category, NUMBER.sub("", message)
            first.setdefault(key, message)
            of_run = seen.setdefault(key, {})
            of_run[run] = of_run.get(run, 0) + count
    return [
        (
            warning_named(key[0]),
            f"{first[key]} (counted {sum(counts.values())} times in {len(counts)} of "
            f"{len(of_runs)} {runs})",
        )
        for key, counts in seen.items()
    ]


def warning_named(name: str) -> type[Warning]:
    """Return the category of a dotted name, UserWarning where there is none."""
    module, _, qualname = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), qualname)
    except (ImportError, AttributeError, ValueError):
        return UserWarning
    return found if isinstance(found, type) and issubclass(found, Warning) else UserWarning


def error_line(text: str) -> str:
    """Return the line of a traceback that has the exception and the begin of its message."""
    lines = text.strip().splitlines() or [""]
    frames = [i for i, line in enumerate(lines) if line.startswith('  File "')]
    after = lines[frames[-1] + 1 :] if frames else lines[-1:]
    return next((line for line in after if line and not line.startswith(" ")), lines[-1])
