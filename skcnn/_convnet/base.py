"""The base of ConvNetClassifier and ConvNetRegressor: validation and training."""

from abc import ABCMeta, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from sklearn.callback import CallbackSupportMixin
from torch import nn

from skcnn._convnet.augmenting.choice import train_augmented
from skcnn._convnet.automatic import (
    resolve_batch_size,
    resolve_momentum,
)
from skcnn._convnet.choice import chooses, train_chosen
from skcnn._convnet.fitted_base import (
    KeepsFittedBase,
    check_masks,
    fitted_base,
    makes_module,
    standardizes,
    warn_of_other_scale,
)
from skcnn._convnet.fitted_network import UNKNOWN_MACS, FittedNetwork
from skcnn._convnet.resuming.opening import check_checkpoint, mark_clone, opened_checkpoint
from skcnn._convnet.transfer_parameters import (
    check_trained_whole,
    check_transfer_parameters,
    part_schedule,
)
from skcnn._data.images import Images
from skcnn._data.layouts import MASK
from skcnn._data.offsets import check_range
from skcnn._data.samples import SampleSet, canonical_order
from skcnn._data.seen_samples import SeenSamples, warn_of_trained_samples
from skcnn._data.series.layout import SeriesLayout
from skcnn._data.targets import naming_y_val
from skcnn._data.validation import check_images, check_training_images
from skcnn._data.validation_split import split_validation
from skcnn._data.value_range import ValueRange
from skcnn._data.weights import check_weights
from skcnn._network.series_prediction import check_signals
from skcnn._network.trained_part import PartSchedule
from skcnn._training.callbacks import CallbackHooks
from skcnn._training.checkpointing.checkpoint import Checkpoint
from skcnn._training.engine import ConvNetEngine
from skcnn._training.fit_plan import FitPlan, FitSeeds, autocast_of
from skcnn._training.fit_run import FitRun
from skcnn._training.fixed_layers import set_fixed_layers
from skcnn._utils.compat import callback_context
from skcnn._utils.device import resolve_device
from skcnn._utils.interrupts import deferred_interrupts
from skcnn._utils.progress import ProgressReport
from skcnn._utils.random_state import draw_seed, private_random_state
from skcnn._utils.threads import torch_threads
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn._utils.validation import check_parameters
from skcnn._utils.worker_threads import own_seconds
from skcnn.augmentation._augmented_array import AugmentedArray, originals
from skcnn.augmentation._batch_augmenter import BatchAugmenter, Step
from skcnn.augmentation._estimator_parameters import (
    changing_steps,
    check_steps,
    check_views,
    copied,
    entries_of,
    is_auto,
    make_views,
    training_steps,
)
from skcnn.exceptions import TrainingDivergedError
from skcnn.layers._sequence import total_multiply_accumulates


class BaseConvNet(KeepsFittedBase, CallbackSupportMixin, FittedNetwork, metaclass=ABCMeta):
    """Base of the ConvNet estimators."""

    _parameter_constraints: dict[str, Any]
    # scikit-learn's HTML repr shows the documentation of a parameter only with a link
    _doc_link_module = "skcnn"
    _doc_link_template = "#skcnn.{estimator_name}"
    history_: pd.DataFrame
    augmentation_: list[Any]
    augmentation_choice_: pd.DataFrame | None
    choice_: pd.DataFrame | None
    _seen: SeenSamples | None  # of all calls
    _weights_epoch: int  # of which the network has the weights
    _shown_role: str = ""  # in the progress of a fit, of another network than the estimator's
    _uncalibrated: ClassVar[dict[str, float]] = {}  # attributes of a network in training

    # What classifier and regressor do with targets

    @abstractmethod
    def _read_targets(
        self, y: Any, weights: np.ndarray | None, n_samples: int, classes: Any, fresh: bool
    ) -> np.ndarray:
        """Return y as codes or numbers. With `fresh`, learn classes and number of outputs."""

    @abstractmethod
    def _finish_targets(self, samples: SampleSet, *, fresh: bool, training: bool) -> SampleSet:
        """Scale the targets, or weigh the classes, of the training or validation samples."""

    @abstractmethod
    def _make_loss(self) -> nn.Module:
        """Return the loss module."""

    @abstractmethod
    def _score_outputs(self, outputs: np.ndarray, samples: SampleSet) -> float:
        """Return the validation score of the network's `outputs`."""

    def _compare_targets(self, train: SampleSet, valid: SampleSet) -> None:
        """Warn if the given validation samples have other targets than the training samples."""

    @property
    def _stratified(self) -> bool:
        """Whether the validation split keeps the shares of the classes."""
        return False

    # Training

    @in_standard_torch_state
    def _train(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        *,
        classes: Any = None,
        is_partial: bool = False,
        began: float | None = None,
    ) -> Self:
        """Fit, or with `is_partial` train for one more epoch on this part of the data.

        `began` is when the fit began, by the clock `own_seconds`; None is now.
        """
        began = own_seconds() if began is None else began
        self._check_parameters()
        check_checkpoint(self, is_partial, chooses(self))
        validation = {"X_val": X_val, "y_val": y_val, "sample_weight_val": sample_weight_val}
        how = {"classes": classes, **validation}
        if is_auto(self.augmentation):
            return train_augmented(self, X, y, sample_weight, is_partial, began=began, **how)
        if chooses(self):
            return train_chosen(self, X, y, sample_weight, is_partial, **how)
        seed = draw_seed(self.random_state)
        fresh = not (hasattr(self, "net_") and (is_partial or self.warm_start))
        steps, samples = self._read(X, y, sample_weight, classes, fresh)
        given = self._read_validation(X_val, y_val, sample_weight_val)
        data = {"X": originals(X), "y": y, "metadata": {"sample_weight": sample_weight}}
        with opened_checkpoint(self, samples, given, steps, seed, is_partial) as checkpoint:
            seed = seed if checkpoint is None else checkpoint.seed
            seeds = FitSeeds.derive(seed, 0 if fresh else self.n_iter_)
            split_seed = None if is_partial else seeds.validation
            train, valid = self._split(samples, given, fresh, split_seed)
            plan = self._plan(train, valid, steps, seeds, fresh, is_partial, began)
            with self._calibrated(plan, samples, steps, seed, checkpoint) as own_plan:
                self._train_plan(own_plan, data, checkpoint)
        return self

    def _calibrated(
        self,
        plan: FitPlan,
        samples: SampleSet,
        steps: list[Step],
        seed: int,
        checkpoint: Checkpoint | None,
    ) -> AbstractContextManager[FitPlan]:
        """Return a context with a plan, which calibrates the network that is trained inside it."""
        return nullcontext(plan)

    def _train_plan(
        self, plan: FitPlan, data: dict[str, Any], checkpoint: Checkpoint | None
    ) -> None:
        """Build the network, or take the one that is there, and train it."""
        fresh = plan.is_fresh
        own_state = makes_module(self.architecture)  # the module may use torch's generators
        with private_random_state(plan.seeds.dropout, plan.device) if own_state else nullcontext():
            with nullcontext() if fresh else deferred_interrupts():
                engine = self._build(plan) if fresh else self._resume(plan)
            for each in (plan.train, *(() if plan.valid is None else (plan.valid,))):
                check_signals(self._rows, each.images)
            self._run(engine, plan, data, checkpoint)

    def _check_parameters(self) -> None:
        check_parameters(self)
        fitted_base(self.architecture)  # raises if it is not fitted
        check_views(self.test_time_augmentation, type(self).__name__)
        check_transfer_parameters(self)

    def _augmentation_steps(self, X: Any) -> list[Step]:
        """Return the augmentations of the Pipeline, then those of the estimator.

        They are none if they can change no sample.
        """
        before = X.steps if isinstance(X, AugmentedArray) else ()
        own = training_steps(self.augmentation, type(self).__name__)
        return changing_steps([*before, *own], self.augmentation_strength)

    def _read(
        self, X: Any, y: Any, sample_weight: Any, classes: Any, fresh: bool
    ) -> tuple[list[Step], SampleSet]:
        """Validate X, y and weights; return the augmentations and the samples in content order.

        Equal samples are merged and their weights summed. If they are augmented, they are
        not merged, because each has draws of its own.
        """
        steps = self._augmentation_steps(X)
        images = self._read_images(originals(X), sample_weight, fresh)
        name = type(self).__name__
        given = check_weights(sample_weight, len(images))
        targets = self._read_targets(y, given, len(images), classes, fresh)
        index, weights = canonical_order(images, targets, given, merge=not steps)
        if fresh:
            warn_of_other_scale(self.architecture, images)
            self._value_range = ValueRange.of(images, given)
            check_range(self._value_range.low, self._value_range.high)
        base = fitted_base(self.architecture)
        if base is not None:
            check_masks(base, self._layout)
        if isinstance(self._layout, SeriesLayout):
            check_trained_whole(self)
        check_steps(steps, self._layout, X, name)
        make_views(self.test_time_augmentation, self._layout, 1.0, name)
        return steps, SampleSet(images, index, targets[index], weights)

    def _read_images(self, X: Any, sample_weight: Any, fresh: bool) -> Images:
        if fresh:
            self._forget()  # a failed fit must not leave attributes of an earlier one
            return check_training_images(
                self,
                X,
                sample_weight=sample_weight,
                with_offset=standardizes(self),
            )
        images = check_images(self, X, compact=True)
        self._value_range.warn_if_rescaled(images)
        return images

    def _forget(self) -> None:
        """Drop all fitted attributes."""
        with deferred_interrupts():  # a part of them would be a model of no fit
            for name in [n for n in vars(self) if n.endswith("_") and not n.startswith("_")]:
                del self.__dict__[name]

    def _read_validation(self, X: Any, y: Any, sample_weight: Any) -> SampleSet | None:
        """Return the given validation samples, without those of weight zero."""
        if (X is None) != (y is None):
            given, missing = ("X_val", "y_val") if y is None else ("y_val", "X_val")
            raise ValueError(f"{given} was given without {missing}: pass both or none.")
        if X is None:
            if sample_weight is not None:
                raise ValueError(
                    "sample_weight_val was given without X_val and y_val: pass all three, or "
                    "leave sample_weight_val out. Validation samples that are split off have "
                    "their weights from sample_weight."
                )
            return None
        images = check_images(self, originals(X))
        self._value_range.warn_if_rescaled(images)
        weights = check_weights(sample_weight, len(images), "sample_weight_val")
        with naming_y_val():
            targets = self._read_targets(y, weights, len(images), None, fresh=False)
        every = SampleSet(images, np.arange(len(images)), targets, weights)
        return every if weights is None else every.select(np.flatnonzero(weights))

    def _split(
        self, samples: SampleSet, valid: SampleSet | None, fresh: bool, seed: int | None
    ) -> tuple[SampleSet, SampleSet | None]:
        """Return training and validation samples with their final targets and weights.

        `valid` are the validation samples that `fit` was given.
        """
        if valid is not None:
            self._compare_targets(samples, valid)
        elif self.early_stopping and seed is not None:
            how = (self.validation_fraction, seed, self._stratified)
            if not fresh and self._seen is not None:
                samples, valid = self._seen.split(samples, *how)
            else:
                if not fresh:
                    warn_of_trained_samples(
                        "samples of an earlier call, which are kept only with early_stopping=True "
                        "or warm_start=True in that call"
                    )
                samples, valid = split_validation(samples, *how)
        train = self._finish_targets(samples, fresh=fresh, training=True)
        if valid is not None:
            valid = self._finish_targets(valid, fresh=False, training=False)
        return train, valid

    def _plan(
        self,
        train: SampleSet,
        valid: SampleSet | None,
        steps: list[Step],
        seeds: FitSeeds,
        fresh: bool,
        is_partial: bool,
        began: float | None = None,
    ) -> FitPlan:
        """Return what the fit trains on and how, with every "auto" resolved.

        `began` is when the fit began, by the clock `own_seconds`; None is now.
        """
        device = resolve_device(self.device)
        shape = train.images.layout.traced_shape
        stops_early = self.early_stopping and valid is not None and not is_partial
        optimizer = self._optimizer_name(shape, is_partial) if fresh else self.net_.optimizer_name
        return FitPlan(
            train=train,
            valid=valid,
            seen=self._all_seen(train, valid, fresh),
            device=device,
            optimizer_name=optimizer,
            seeds=seeds,
            augmenter=self._make_augmenter(steps, seeds.augmentation),
            is_fresh=fresh,
            is_partial=is_partial,
            n_epochs_before=0 if fresh else self.n_iter_,
            weights_epoch=0 if fresh else self._weights_epoch,
            n_epochs=1 if is_partial else self._n_epochs(len(train), shape, bool(steps), optimizer),
            batch_size=resolve_batch_size(
                self.batch_size,
                len(train),
                lambda: self._layer_values(train.images.layout),
                is_series=self._has_series_network(shape, self._takes_any_length),
            ),
            lr_schedule="constant" if is_partial else self.lr_schedule,
            n_iter_no_change=self.n_iter_no_change if stops_early else None,
            tol=self.tol,
            n_threads=self.n_threads,
            max_seconds=None if is_partial else self.max_seconds,
            began=own_seconds() if began is None else began,
        )

    def _all_seen(
        self, train: SampleSet, valid: SampleSet | None, fresh: bool
    ) -> SeenSamples | None:
        """Return all samples so far, None if they cannot be needed or are not known."""
        if fresh:
            is_kept = self.early_stopping or self.warm_start
            return SeenSamples.of(train, valid) if is_kept else None
        return None if self._seen is None else self._seen.and_of(train, valid)

    def _make_augmenter(self, steps: list[Step], seed: int) -> BatchAugmenter | None:
        if not steps:
            return None
        return BatchAugmenter(
            steps,
            self._layout.spatial,
            self._value_range.span,
            seed,
            self.augmentation_strength,
            self.n_outputs_,
            self.offset_,
            isinstance(self._layout, SeriesLayout),
        )

    def _build(self, plan: FitPlan) -> ConvNetEngine:
        """Create network, loss and engine for the training samples."""
        train = plan.train
        layout = train.images.layout
        has_base = fitted_base(self.architecture) is not None
        statistics = self._input_statistics(train)
        module, rows = self._make_module(layout, statistics, plan.seeds.weights)
        self._rows = rows
        self._macs = UNKNOWN_MACS if rows is None else total_multiply_accumulates(rows)
        if rows is not None and not has_base:
            macs_per_batch = self._macs * min(plan.batch_size, len(train))
            with torch_threads(plan.n_threads, macs_per_batch):
                set_fixed_layers(module, train)
        engine = ConvNetEngine(
            module,
            self._make_loss(),
            optimizer_name=plan.optimizer_name,
            momentum=resolve_momentum(self.momentum, plan.optimizer_name),
            nesterov=self.nesterov,
            **self._step_settings(plan.optimizer_name, plan.is_partial),
            autocast=self._autocast(plan),
            compile_module=self.compile,
            callbacks=None if self.callbacks is None else list(self.callbacks),
            device=str(plan.device),
        )
        return engine.initialize()

    def _autocast(self, plan: FitPlan) -> torch.dtype | None:
        n_frozen = self._part_schedule(plan).fewest_frozen()
        return autocast_of(self.precision, plan, self._rows, n_frozen)

    def _part_schedule(self, plan: FitPlan) -> PartSchedule:
        return part_schedule(self, self._rows, plan.n_epochs_before, plan.n_epochs)

    def _resume(self, plan: FitPlan) -> ConvNetEngine:
        """Return the trained engine, on the plan's device."""
        if str(plan.device) != self.net_.device:
            self.net_.move_to(plan.device)
        self.net_.change_training(**self._step_settings(plan.optimizer_name, plan.is_partial))
        if self.precision != "auto" or plan.device.type != torch.device(self.device_).type:
            self.net_.autocast = self._autocast(plan)
        return self.net_

    def _run(
        self,
        engine: ConvNetEngine,
        plan: FitPlan,
        data: dict[str, Any],
        checkpoint: Checkpoint | None,
    ) -> None:
        """Train the engine and set the fitted attributes, also if it ends by an exception."""
        engine.seed_dropout(plan.seeds.dropout)
        first, last = plan.n_epochs_before + 1, plan.n_epochs_before + plan.n_epochs
        name = type(self).__name__ + self._shown_role
        progress = ProgressReport(self.verbose, name, first, last)
        parts = self._part_schedule(plan)
        run = FitRun(engine, plan, self._macs, self._score_outputs, progress, parts, checkpoint)
        before = None if plan.is_fresh else self.history_
        with run.resources():
            try:
                run.begin(self._callback_hooks(engine, plan, data))
                run.train()
                with deferred_interrupts():
                    self._keep(run, before)
            except BaseException as error:
                with deferred_interrupts():
                    self._end_early(run, before, error)
                raise
        run.end()

    def _end_early(self, run: FitRun, before: pd.DataFrame | None, error: BaseException) -> None:
        """Keep the finished epochs. Those of a new network are not kept after most errors.

        They are after an interrupt, and if the training diverged later.
        """
        run.go_back(error)
        diverged = isinstance(error, TrainingDivergedError) and run.has_finite_weights()
        has_failed = isinstance(error, Exception) and not diverged
        if run.plan.is_fresh and (has_failed or not run.monitor.rows):
            self._forget()
        else:
            self._keep(run, before)

    def _keep(self, run: FitRun, before: pd.DataFrame | None) -> None:
        """Set the fitted attributes, with the best weights after early stopping.

        `before` is the history of the earlier training.
        """
        has_best_weights = run.finish_network()
        engine = run.engine
        self.net_ = engine
        self.augmentation_ = [copied(each) for each in entries_of(self.augmentation)]
        self.augmentation_choice_ = None  # set after the training that augmentation="auto" chose
        self.choice_ = None  # set after the training that pretrained="auto" chose
        if run.monitor.rows:
            self.history_ = run.monitor.history(before)
            self.n_iter_ = len(self.history_)
            self.best_epoch_ = run.monitor.best_epoch()
            self._weights_epoch = self.best_epoch_ if has_best_weights else self.n_iter_
            self._seen = run.plan.seen
            earlier = {} if run.plan.is_fresh else self.unfreezing_
            self.unfreezing_ = run.trained_parts(earlier, self.n_iter_)
        self.device_ = str(engine.device)
        self.n_parameters_ = engine.n_parameters

    def _callback_hooks(
        self, engine: ConvNetEngine, plan: FitPlan, data: dict[str, Any]
    ) -> CallbackHooks | None:
        if plan.is_partial:
            return None
        return CallbackHooks(
            self,
            callback_context(self, plan.n_epochs),
            data,
            lambda: {"net_": engine.snapshot(), **self._uncalibrated},
        )

    def __sklearn_clone__(self) -> Any:
        """Return an unfitted copy, whose fits have checkpoints of their own."""
        return mark_clone(super().__sklearn_clone__(), self)

    def __sklearn_tags__(self) -> Any:
        """Return the estimator's tags."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.missing == MASK
        tags.target_tags.required = True
        return tags
