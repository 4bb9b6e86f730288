"""What one fit trains on and how, decided before it begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch

from skcnn._data.samples import SampleSet
from skcnn._data.seen_samples import SeenSamples
from skcnn._utils.precision import resolve_precision
from skcnn._utils.random_state import derive_seeds
from skcnn.augmentation._batch_augmenter import BatchAugmenter
from skcnn.layers._sequence import TracedLayer, total_multiply_accumulates


class FitSeeds(NamedTuple):
    """One seed for each random part of a fit."""

    dropout: int  # and for a user's module that draws from torch's own generators
    weights: int
    order: int
    validation: int
    augmentation: int

    @classmethod
    def derive(cls, seed: int, n_epochs_before: int) -> Self:
        """Return independent seeds for a training that begins after some epochs.

        All calls of `fit` with ``warm_start=True`` have the same seed of the validation split.
        """
        first = cls(*derive_seeds(seed, 0, 5))
        return cls(*derive_seeds(seed, n_epochs_before, 5))._replace(validation=first.validation)


@dataclass(frozen=True, kw_only=True)
class FitPlan:
    """What one fit trains on and how.

    Attributes
    ----------
    train : SampleSet
        The training samples.
    valid : SampleSet or None
        The validation samples.
    seen : SeenSamples or None
        All samples so far, these included; None if they are not kept.
    device : torch.device
        Where the network is trained.
    optimizer_name : str
        Name of the optimizer.
    seeds : FitSeeds
        The seeds of the random parts.
    augmenter : BatchAugmenter or None
        Augments the training batches.
    is_fresh : bool
        Whether training starts with a new network.
    is_partial : bool
        Whether this is a call of `partial_fit`, which calls no callbacks.
    n_epochs_before : int
        Number of epochs that the network was trained before.
    weights_epoch : int
        Epoch of which the network has the weights at the beginning.
    n_epochs : int
        Largest number of epochs to train.
    batch_size : int
        Largest number of samples in a batch.
    lr_schedule : str
        Name of the learning-rate schedule.
    n_iter_no_change : int or None
        Number of epochs without an improvement after which training stops, None for never.
    tol : float
        Smallest rise of the validation score that counts as an improvement.
    n_threads : int or None
        CPU threads. None takes one for small networks and torch's current number for others.
    max_seconds : float or None
        Time that the fit has from `began` on, None without a limit.
    share_of_seconds : float
        Share of it that this training has. The rest is for a second one.
    began : float
        When the fit began, by the clock `own_seconds`.
    """

    train: SampleSet
    valid: SampleSet | None
    seen: SeenSamples | None
    device: torch.device
    optimizer_name: str
    seeds: FitSeeds
    augmenter: BatchAugmenter | None
    is_fresh: bool
    is_partial: bool
    n_epochs_before: int
    weights_epoch: int
    n_epochs: int
    batch_size: int
    lr_schedule: str
    n_iter_no_change: int | None
    tol: float
    n_threads: int | None
    max_seconds: float | None
    began: float
    share_of_seconds: float = 1.0


def autocast_of(
    precision: str, plan: FitPlan, rows: Sequence[TracedLayer] | None, n_frozen: int
) -> torch.dtype | None:
    """Return the dtype of autocast in training, None for plain float32.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
        The parameter of the estimator.
    plan : FitPlan
        What is trained on, and on which device.
    rows : sequence of TracedLayer or None
        The layers, None for a user's module.
    n_frozen : int
        Number of first layers that are never trained.
    """
    macs = 0
    if rows is not None:
        # the features of frozen layers are computed once, if samples are not augmented
        running = rows[n_frozen:] if plan.augmenter is None else rows
        macs = total_multiply_accumulates(running) * min(plan.batch_size, len(plan.train))
    n_axes = len(plan.train.images.layout.spatial)
    return resolve_precision(precision, plan.device, macs, n_axes)
