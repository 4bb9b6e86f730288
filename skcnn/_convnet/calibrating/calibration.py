"""Finds the temperature of a network: by validation samples, or by those of a second network."""

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.base import clone

from skcnn._convnet.calibrating.rules import (
    AUTO,
    FEWEST,
    HELD_BACK,
    asks_for_calibration,
    is_worthwhile,
    may_train_second,
    n_distinct,
    needs_second_network,
    share_of_first,
)
from skcnn._convnet.calibrating.temperature import best_temperature
from skcnn._convnet.resuming.opening import opened_checkpoint
from skcnn._data.images import Images, chunk_rows
from skcnn._data.samples import SampleSet
from skcnn._data.validation_split import split_validation
from skcnn._data.weights import class_weight_per_code
from skcnn._training.checkpointing.checkpoint import Checkpoint
from skcnn._training.fit_plan import FitPlan, FitSeeds
from skcnn._utils.random_state import named_seed
from skcnn._utils.validation import warn_caller
from skcnn.augmentation._batch_augmenter import Step
from skcnn.exceptions import CalibrationWarning, TrainingDivergedError

# What a fit reads of its data, which is the same for both networks.
READ = (
    *("_layout", "_targets", "_value_range", "classes_", "feature_names_in_", "input_shape_"),
    *("n_features_in_", "n_outputs_", "offset_", "temperature_"),
)
Parts = tuple[SampleSet, SampleSet]  # trained on, and held back


@contextmanager
def calibrated(
    net: Any,
    plan: FitPlan,
    samples: SampleSet,
    steps: Sequence[Step],
    seed: int,
    checkpoint: Checkpoint | None,
) -> Iterator[FitPlan]:
    """Find the temperature of the network that is trained inside the block.

    Yields the plan of its training, which may leave time for a second one.

    Parameters
    ----------
    net : ConvNetClassifier
        The estimator, which has read its data.
    plan : FitPlan
        What its network is trained on and how.
    samples : SampleSet
        All samples of the fit, with the user's weights.
    steps : sequence of Step
        The augmentations.
    seed : int
        The seed of the fit.
    checkpoint : Checkpoint or None
        Of the training. The second network has a file of its own.
    """
    parts: Parts | None = None
    asked = asks_for_calibration(net, plan)
    if asked and plan.valid is None and plan.is_fresh and may_train_second(net, len(plan.train)):
        parts = _split(net, plan.train, named_seed(seed, "calibration"))
    if parts is not None:
        plan = replace(plan, share_of_seconds=share_of_first(net))
        if checkpoint is not None:
            checkpoint.outlasts_training = True
    yield plan
    temperature = None
    if asked and is_worthwhile(net):
        if plan.valid is not None:
            held_back = _weighted_as_trained(net, plan.train, plan.valid, samples)
            temperature = _temperature_of(net, held_back)
        elif parts is not None and needs_second_network(net, plan):
            temperature = _temperature_of_second(net, plan, parts, steps, seed, checkpoint)
    if temperature is not None:
        net.temperature_ = temperature


def _split(net: Any, train: SampleSet, seed: int) -> Parts | None:
    """Return samples to train on and to hold back, None if there are too few.

    There is a warning then, if the calibration was not left to "auto".
    """
    try:
        with _no_warnings():
            parts = split_validation(train, HELD_BACK, seed, net._stratified)
    except ValueError:  # no sample can be held back
        n_held_back = 0
    else:
        n_held_back = n_distinct(parts[1])
    if n_held_back >= FEWEST[net.calibration]:
        return parts
    if net.calibration != AUTO:
        warn_caller(
            f"calibration='temperature' would hold back {n_held_back} of {len(train)} distinct "
            f"samples, and needs {FEWEST[net.calibration]}: temperature_ stays 1. Give more "
            "samples, of classes with at least two each, or X_val and y_val.",
            CalibrationWarning,
        )
    return None


def _weighted_as_trained(
    net: Any, train: SampleSet, valid: SampleSet, samples: SampleSet
) -> SampleSet:
    """Return the validation samples with the class weights of the training samples too."""
    if net.class_weight is None:
        return valid
    trained = samples.select(np.flatnonzero(np.isin(samples.index, train.index)))
    with _no_warnings():  # which the fit has given
        factors = class_weight_per_code(
            net.class_weight, net._targets, trained.targets, trained.weights
        )
    assert factors is not None
    weights = factors[valid.targets]
    return SampleSet(
        valid.images,
        valid.index,
        valid.targets,
        weights if valid.weights is None else weights * valid.weights,
    )


def _temperature_of_second(
    net: Any,
    plan: FitPlan,
    parts: Parts,
    steps: Sequence[Step],
    seed: int,
    checkpoint: Checkpoint | None,
) -> float:
    """Return the temperature of a network that is trained without the samples held back."""
    train, held_back = parts
    seed = named_seed(seed, "second network")
    try:
        with _no_warnings():  # those about data and settings were given in the first training
            second = _second_network(net, plan, train, steps, seed, checkpoint)
        return _temperature_of(second, held_back)
    except (TrainingDivergedError, MemoryError) as error:  # the first network is ready
        what = (
            "its training diverged" if isinstance(error, TrainingDivergedError) else "that failed"
        )
        warn_caller(
            f"calibration={net.calibration!r} trains a second network without a fifth of the "
            f"samples, and {what}: {str(error) or type(error).__name__} temperature_ stays 1.",
            CalibrationWarning,
        )
        return 1.0


def _second_network(
    net: Any,
    plan: FitPlan,
    train: SampleSet,
    steps: Sequence[Step],
    seed: int,
    checkpoint: Checkpoint | None,
) -> Any:
    """Return another estimator, trained on fewer samples for as many epochs.

    It gets no callbacks, which could write into the files of the first training.
    """
    n_planned = plan.n_epochs
    if plan.max_seconds is not None:  # which may have made it less
        n_planned = int(net.history_["planned_epochs"].iloc[-1])
    without = copy.copy(net)
    without.callbacks = None  # which may have no copies
    second = clone(without)
    vars(second).update(  # no set_params, which a subclass with fewer parameters refuses
        batch_size=None if net.batch_size is None else plan.batch_size,
        calibration=None,
        max_epochs=n_planned,
        max_seconds=None,
        unfreezing=_unfreezing_of(net, n_planned == plan.n_epochs),
        random_state=seed,
        warm_start=False,
        _shown_role=" (calibration)",
    )
    ended = [] if net.n_iter_ == n_planned else [EndAfter(net.n_iter_)]
    second.set_callbacks(*ended)
    vars(second).update({name: value for name, value in vars(net).items() if name in READ})
    train = train.with_weights(train.weights)  # of mean one again
    seeds = FitSeeds.derive(seed, 0)
    how = (train, None, steps, seed, False)
    with opened_checkpoint(second, *how, first=checkpoint) as own_checkpoint:
        own = second._plan(train, None, list(steps), seeds, True, False)
        second._train_plan(own, {}, own_checkpoint)
    return second


def _unfreezing_of(net: Any, is_as_planned: bool) -> Any:
    """Return when more of the second network is trained: in the same epochs as of the first."""
    if is_as_planned or net.unfreezing is None:
        return net.unfreezing
    return dict(net.unfreezing_)


def _temperature_of(net: Any, held_back: SampleSet) -> float:
    """Return the best temperature of a network's predictions for samples held back from it."""
    images, index = held_back.images, torch.from_numpy(held_back.index)
    parts = index.split(chunk_rows(images.layout.n_values))
    outputs = []
    for part, after in zip(parts, [*parts[1:], None], strict=True):
        selected = Images(images.rows_at(part), images.layout)
        if after is not None:
            images.expect(after)
        outputs.append(net._computed(selected))
    logits = np.concatenate(outputs).astype(np.float64)
    return best_temperature(logits, held_back.targets, held_back.weights)


class EndAfter:
    """scikit-learn's fit callback that ends a training after some epochs, as another one ended.

    Parameters
    ----------
    n_epochs : int
        Number of epochs.
    """

    def __init__(self, n_epochs: int) -> None:
        self.n_epochs = n_epochs

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing before the fit."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing after the fit."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing before an epoch."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        """Return whether it was the last epoch."""
        return context.task_name == "epoch" and context.task_id + 1 >= self.n_epochs


@contextmanager
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
