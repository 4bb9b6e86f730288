"""PartTraining: chooses the part of a network that is trained in each epoch, and its samples."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from skcnn._network.frozen_features import FrozenFeatures
from skcnn._network.trained_part import PartSchedule, Trainable, TrainedPart
from skcnn._training.batches import BatchIterator
from skcnn._training.fit_plan import FitPlan
from skcnn._utils.interrupts import deferred_interrupts
from skcnn._utils.threads import torch_threads
from skcnn.exceptions import ModelFileError


class PartTraining:
    """Chooses the part of a network that is trained in each epoch of a training.

    Where layers are frozen, their outputs for all samples are computed in the first epoch and
    take the place of the samples. Training samples that are augmented go through the whole
    network instead, and so do samples that have too many features to be kept.

    Parameters
    ----------
    engine : ConvNetEngine
        The network.
    schedule : PartSchedule
        What is trained when.
    batches : BatchIterator
        The training batches.
    evaluator : Evaluator
        Evaluates the validation samples.
    plan : FitPlan
        What the fit trains on.

    Attributes
    ----------
    trained : dict of int to "all", "head", "last_block" or int
        What was trained, by the number of epochs done when it began.
    """

    def __init__(
        self,
        engine: Any,
        schedule: PartSchedule,
        batches: BatchIterator,
        evaluator: Any,
        plan: FitPlan,
    ) -> None:
        self.trained: dict[int, Trainable] = {}
        self._engine = engine
        self._schedule = schedule
        self._batches = batches
        self._evaluator = evaluator
        self._train = plan.train
        self._n_threads = plan.n_threads
        self._n_done = plan.n_epochs_before
        self._n_last = plan.n_epochs_before + plan.n_epochs
        self._current: Trainable | None = None
        self._is_new = False

    def epoch_begin(self) -> None:
        """Freeze what is not trained in the next epoch."""
        trainable = self._schedule.at(self._n_done)
        if trainable != self._current:
            self._change_to(trainable)

    def _change_to(self, trainable: Trainable) -> None:
        part = TrainedPart(
            self._engine.module_,
            self._schedule.rows,
            trainable,
            self._schedule.rate_decay,
            self._schedule.blocks_share,
            torch.device(self._engine.device),
        )
        with deferred_interrupts():
            if self._engine.part is not None and self._engine.part.on_features:
                self._batches.read_from(self._train)
            self._engine.train_part(part)
            self._evaluator.features = None
            self._current, self._is_new = trainable, True
            self.trained[self._n_done] = trainable

    def state(self) -> dict[str, Any]:
        """Return what was trained when, and what the optimizer has states of."""
        return {"current": self._current, "trained": dict(self.trained)}

    def resume(self, n_done: int, state: dict[str, Any]) -> None:
        """Go on from the `state` of a training that was at so many epochs.

        Raises
        ------
        ModelFileError
            If it does not follow from the schedule.
        """
        legal = {n: self._schedule.at(n) for n in range(self._n_last + 1)}
        trained, current = state["trained"], state["current"]
        if any(legal.get(n) != value for n, value in trained.items()):
            raise ModelFileError("its trained parts are not those of this training")
        if current not in trained.values():
            raise ModelFileError("its trained part is not one of this training")
        self._change_to(current)
        self.trained = trained
        self._n_done = n_done

    def compute_features(self) -> None:
        """Compute the features of the frozen layers, unless they are known."""
        part: TrainedPart | None = self._engine.part
        if not self._is_new or part is None:
            return
        whole = self._engine.predictor(self._train.images.layout)
        frozen = FrozenFeatures(part, self._schedule.cache, whole)
        valid = self._evaluator.valid
        features = frozen.of(self._train) if self._batches.augmenter is None else None
        if features is not None:
            self._batches.read_from(features)
            part.on_features = True
        features = None if valid is None else frozen.of(valid)
        if features is not None:
            self._evaluator.features = features.images
        self._is_new = False

    def threads(self) -> AbstractContextManager[None]:
        """Return the context of the training steps: one thread if few layers are trained."""
        part: TrainedPart | None = self._engine.part
        if part is None or not part.on_features:
            return nullcontext()
        return torch_threads(self._n_threads, part.macs * self._batches.largest_batch)

    def change_later(self) -> bool:
        """Return whether another part than in the epoch that now ends is still to be trained."""
        return self._schedule.changes(self._n_done + 1, self._n_last)

    def shorten(self, n_epochs_done: int, n_epochs: int) -> None:
        """Move the changes of a training that now ends after fewer epochs, earlier fits included.

        Those of later fits, which are after its end, stay.
        """
        self._schedule = self._schedule.shortened(n_epochs_done, self._n_last, n_epochs)
        self._n_last = n_epochs

    def epoch_done(self) -> None:
        """Count a finished epoch."""
        self._n_done += 1

    def end(self) -> None:
        """Let go of the features."""
        self._engine.__dict__.pop("_part", None)
        self._evaluator.features = None
