"""Fits side by side: all folds of a candidate, an epoch of each at a time.

Pruners that compare candidates after few epochs need the mean of all folds at every
epoch: with the folds one after the other they would judge the first fold alone. Networks
of one structure can also be trained together on the way.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from skcnn._convnet.pipelines import convnet_of
from skcnn._training.joint_training import advance_together, joint_training_pays
from skcnn._utils.device import exact_kernels, resolve_device
from skcnn._utils.worker_threads import Strand
from skcnn.model_selection._folds import (
    CrossValidation,
    FoldResult,
    FoldRun,
    Watch,
    check_scores,
    failed_fold,
)


def trains_together(estimator: Any) -> bool:
    """Return whether fits of `estimator` are to be trained together, where they can be.

    Not where a function makes the network, which may be any, and not where a fit shows a
    progress bar of its own.
    """
    net = convnet_of(estimator)
    if net is None or callable(net.architecture) or net.verbose:
        return False
    return joint_training_pays(device_of(net))


def run_side_by_side(
    cv: CrossValidation,
    runs: Sequence[FoldRun],
    watch: Watch,
    contexts: Sequence[Any],
    folds: list[FoldResult],
) -> None:
    """Run all folds in lockstep, appending to `folds` when all are finished.

    Raises
    ------
    EvaluationError
        If a fold fails.
    ValueError
        If a function makes the network: it may draw from torch's global generators, which
        one fit has to itself until its end.
    """
    nets = [convnet_of(run.make_estimator()) for run in runs]
    if any(callable(getattr(net, "architecture", None)) for net in nets):
        raise ValueError(
            "The 'pruner' parameter must be 'median', None or another pruner that takes one "
            "fold after the other where a callable is the architecture."
        )
    company = trains_together(nets[0])
    strands = [
        _FoldStrand(cv, run, context, company) for run, context in zip(runs, contexts, strict=True)
    ]
    # one setting of the process around all, since the fits' own do not end in turn
    with exact_kernels(device_of(nets[0])):
        try:
            _advance_together(strands, watch)
        finally:
            for strand in strands:
                strand.end()
    if watch.verdict:
        return
    folds += [strand.finished() for strand in strands]
    scores = [check_scores(cv, fold, result) for fold, result in enumerate(folds)]
    n_epochs = max(run.n_epochs_seen for run in runs)
    watch.fold_done(0, n_epochs or None, float(np.mean(scores)))


def device_of(net: Any) -> torch.device:
    """Return where a network is trained; the CPU where none or no legal device is given."""
    try:
        return torch.device("cpu") if net is None else resolve_device(net.device)
    except ValueError:  # the fits will tell
        return torch.device("cpu")


def _advance_together(strands: "Sequence[_FoldStrand]", watch: Watch) -> None:
    epoch = 0
    while True:
        for strand in strands:
            strand.wants_score = watch.wants_scores
        advance_together(strands)
        for strand in strands:
            strand.raise_error()
        if all(strand.over for strand in strands):
            return
        score, n_epochs = None, max(strand.n_epochs for strand in strands)
        if watch.wants_scores and epoch + 1 < n_epochs:
            score = float(np.mean([strand.score for strand in strands]))
        if watch.epoch_done(0, epoch, n_epochs, score):
            return
        epoch += 1


class _FoldStrand(Strand):
    """The fit of one fold, which stops after every epoch."""

    def __init__(self, cv: CrossValidation, run: FoldRun, context: Any, company: bool) -> None:
        self.cv = cv
        self.score = np.nan  # the last epoch's, kept where training ends early
        self.n_epochs = 1
        self.wants_score = False
        super().__init__(lambda: run.run(self._on_epoch, context), company)

    def raise_error(self) -> None:
        """Raise what ended the fit, unless it was its end."""
        if self.error is not None and not self._counts_as_score():
            raise self.error

    def finished(self) -> FoldResult:
        """Return the scores."""
        return self.result if self.result is not None else failed_fold(self.error)

    def _counts_as_score(self) -> bool:
        return isinstance(self.error, Exception) and not self.cv.fails_by_error(self.error)

    def _on_epoch(self, epoch: int, n_epochs: int, score: Callable[[], float]) -> bool:
        self.n_epochs = n_epochs
        if self.wants_score and epoch + 1 < n_epochs:
            self.score = score()
        self.pause()
        return self.ending
