"""What classifier and regressor share: fit as named steps, outputs, summary.

Does not know what a target means; the subclasses in ``_classifier`` and ``_regressor`` do.
"""

from abc import ABCMeta, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skcnn._convnet.automatic import (
    resolve_batch_size,
    resolve_epochs,
    resolve_learning_rate,
    resolve_weight_decay,
)
from skcnn._convnet.builder import NetworkBuilder
from skcnn._convnet.parameters import SHARED_CONSTRAINTS
from skcnn._data.images import ValueRange
from skcnn._data.samples import SampleSet, canonical_order, channel_statistics, split_validation
from skcnn._data.targets import check_weights
from skcnn._data.validation import check_images, check_training_images
from skcnn._training.batches import BatchIterator
from skcnn._training.engine import ConvNetEngine, Evaluator
from skcnn._training.monitor import CallbackHooks, EarlyStopping, TrainingMonitor
from skcnn._training.schedules import Schedule
from skcnn._training.whitening import set_whitening_kernels
from skcnn._utils.device import (
    ONE_THREAD_MACS,
    exact_kernels,
    resolve_device,
    resolve_precision,
    safe_after_fork,
    torch_threads,
)
from skcnn._utils.memory import kept_memory
from skcnn._utils.progress import ProgressReport
from skcnn._utils.random_state import derive_seeds, draw_seed, private_random_state
from skcnn._utils.validation import check_parameters
from skcnn.augmentation._augmented_array import AugmentedArray, originals
from skcnn.augmentation._augmenter import Augmenter, Operation, Step
from skcnn.augmentation._steps import check_steps, check_views, make_views, training_steps
from skcnn.layers._blocks import total_multiply_accumulates

UNKNOWN_MACS = 2**40  # of a user's module: taken for a large one


class BaseConvNet(CallbackSupportMixin, NetworkBuilder, BaseEstimator, metaclass=ABCMeta):
    """Base of the ConvNet estimators."""

    _parameter_constraints: dict[str, Any] = SHARED_CONSTRAINTS
    # scikit-learn's HTML repr shows a parameter's documentation only beside a link
    _doc_link_module = "skcnn"
    _doc_link_template = "#skcnn.{estimator_name}"
    _value_range: ValueRange  # of X at fit

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...] | None = None,
        channels: str = "last",
        filters: Any = "auto",
        kernel_size: int | tuple[int, ...] = 3,
        stride: int | tuple[int, ...] = 1,
        padding: str | int | tuple[int, ...] = "same",
        padding_mode: str = "zeros",
        pooling: str | None = "max",
        pool_size: int | tuple[int, ...] = 2,
        pool_stride: int | tuple[int, ...] | None = None,
        hidden_units: int | tuple[int, ...] = (128,),
        activation: str = "relu",
        normalization: str | None = "batch",
        dropout: float = 0.25,
        conv_dropout: float = 0.0,
        weight_init: str = "he_normal",
        architecture: Any = None,
        loss: str = "squared_error",
        optimizer: str = "adamw",
        learning_rate: str | float = "auto",
        momentum: float = 0.9,
        nesterov: bool = True,
        weight_decay: str | float = "auto",
        l1_penalty: float = 0.0,
        lr_schedule: str = "one_cycle",
        batch_size: str | int | None = "auto",
        max_epochs: str | int = "auto",
        augmentation: Any = None,
        augmentation_strength: float = 1.0,
        test_time_augmentation: Any = None,
        standardize: bool = True,
        gradient_clip: float | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        callbacks: Any = None,
        device: str = "auto",
        precision: str = "auto",
        n_threads: int | None = None,
        compile: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.input_shape = input_shape
        self.channels = channels
        self.filters = filters
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.padding_mode = padding_mode
        self.pooling = pooling
        self.pool_size = pool_size
        self.pool_stride = pool_stride
        self.hidden_units = hidden_units
        self.activation = activation
        self.normalization = normalization
        self.dropout = dropout
        self.conv_dropout = conv_dropout
        self.weight_init = weight_init
        self.architecture = architecture
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay
        self.l1_penalty = l1_penalty
        self.lr_schedule = lr_schedule
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.augmentation = augmentation
        self.augmentation_strength = augmentation_strength
        self.test_time_augmentation = test_time_augmentation
        self.standardize = standardize
        self.gradient_clip = gradient_clip
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.device = device
        self.precision = precision
        self.n_threads = n_threads
        self.compile = compile
        self.random_state = random_state
        self.verbose = verbose

    # What the subclasses know about targets

    @abstractmethod
    def _read_targets(
        self, y: Any, weights: np.ndarray | None, n_samples: int, classes: Any, fresh: bool
    ) -> np.ndarray:
        """Return y as codes or numbers; with `fresh`, learn classes and outputs."""

    @abstractmethod
    def _finish_targets(self, samples: SampleSet, *, fresh: bool, training: bool) -> SampleSet:
        """Scale targets or weigh classes, once the training samples are known."""

    @abstractmethod
    def _make_loss(self) -> nn.Module:
        """Return the loss module."""

    @abstractmethod
    def _score_outputs(self, outputs: np.ndarray, samples: SampleSet) -> float:
        """Return the validation score of the network's `outputs`."""

    @property
    def _stratified(self) -> bool:
        """Whether the validation split keeps the shares of the targets' codes."""
        return False

    # Training

    @safe_after_fork()
    def _train(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        *,
        classes: Any = None,
        incremental: bool = False,
    ) -> Self:
        """Fit, or with `incremental` do one more epoch on this batch of data."""
        self._check_parameters()
        seed = draw_seed(self.random_state)
        fresh = not (hasattr(self, "net_") and (incremental or self.warm_start))
        steps = self._augmentation_steps(X)
        samples = self._read_samples(X, y, sample_weight, classes, fresh, merge=not steps)
        check_steps(steps, self._layout, X, type(self).__name__)
        make_views(self.test_time_augmentation, self._layout, 1.0, type(self).__name__)
        split_seed = None if incremental else derive_seeds(seed, 0, 4)[3]
        train, valid = self._split(samples, X_val, y_val, fresh, split_seed)
        device = resolve_device(self.device)
        seeds = derive_seeds(seed, 0 if fresh else self.n_iter_, 5)
        augmenter = self._make_augmenter(steps, seeds[4])
        own_state = callable(self.architecture)  # whose module may draw from torch's
        with private_random_state(seeds[0], device) if own_state else nullcontext():
            engine = self._build(train, device, seeds[1]) if fresh else self._resume(device)
            data = {"X": originals(X), "y": y, "metadata": {"sample_weight": sample_weight}}
            engine.seed_dropout(seeds[0])
            self._run(engine, train, valid, data, incremental, seeds[2], augmenter)
        return self

    def _check_parameters(self) -> None:
        check_parameters(self)
        check_views(self.test_time_augmentation, type(self).__name__)

    def _augmentation_steps(self, X: Any) -> list[Step]:
        """Return the Pipeline's augmentations, then the estimator's own."""
        before = X.steps if isinstance(X, AugmentedArray) else ()
        own = training_steps(self.augmentation, type(self).__name__)
        steps = [*before, *own]
        if self.augmentation_strength == 0:  # which only callables do not know
            steps = [step for step in steps if not isinstance(step.augmentation, Operation)]
        return steps

    def _make_augmenter(self, steps: list[Step], seed: int) -> Augmenter | None:
        if not steps:
            return None
        return Augmenter(
            steps,
            self._layout.spatial,
            self._value_range.span,
            seed,
            self.augmentation_strength,
            self.n_outputs_,
        )

    def _read_samples(
        self, X: Any, y: Any, sample_weight: Any, classes: Any, fresh: bool, merge: bool
    ) -> SampleSet:
        """Pass X, y and weights through the gates and put the rows in content order.

        Equal samples are one with the summed weight only where nothing is augmented: each
        is to have draws of its own.
        """
        X = originals(X)
        if fresh:
            self._forget()  # a failing fit must not leave parts of the last one behind
            images = check_training_images(self, X, self.input_shape, self.channels)
        else:
            images = check_images(self, X, compact=True)
            self._value_range.warn_if_rescaled(images)
        given = check_weights(sample_weight, X, len(images))
        targets = self._read_targets(y, given, len(images), classes, fresh)
        index, weights = canonical_order(images, targets, given, merge)
        if fresh:
            self._value_range = ValueRange.of(images, given)
        return SampleSet(images, index, targets[index], weights)

    def _forget(self) -> None:
        """Drop all fitted attributes."""
        for name in [n for n in vars(self) if n.endswith("_") and not n.startswith("_")]:
            del self.__dict__[name]

    def _split(
        self, samples: SampleSet, X_val: Any, y_val: Any, fresh: bool, seed: int | None
    ) -> tuple[SampleSet, SampleSet | None]:
        """Return training and validation samples, targets and weights made final."""
        valid = None
        if (X_val is None) != (y_val is None):
            given, missing = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
            raise ValueError(f"{given} was given without {missing}: pass both or none.")
        if X_val is not None:
            images = check_images(self, originals(X_val))
            self._value_range.warn_if_rescaled(images)
            targets = self._read_targets(y_val, None, len(images), None, fresh=False)
            valid = SampleSet(images, np.arange(len(images)), targets, None)
        elif self.early_stopping and seed is not None:
            samples, valid = split_validation(
                samples, self.validation_fraction, seed, self._stratified
            )
        train = self._finish_targets(samples, fresh=fresh, training=True)
        if valid is not None:
            valid = self._finish_targets(valid, fresh=False, training=False)
        return train, valid

    def _build(self, train: SampleSet, device: torch.device, seed: int) -> ConvNetEngine:
        """Create network, loss and engine for the training samples."""
        layout = train.images.layout
        module, rows = self._make_module(layout, channel_statistics(train, self.standardize), seed)
        self._rows = rows
        self._macs = UNKNOWN_MACS if rows is None else total_multiply_accumulates(rows)
        batch_size = resolve_batch_size(self.batch_size, len(train))
        precision_macs = 0 if rows is None else self._macs * min(batch_size, len(train))
        if rows is not None:
            with torch_threads(self.n_threads, precision_macs):
                set_whitening_kernels(module, train)
        engine = ConvNetEngine(
            module,
            self._make_loss(),
            optimizer_name=self.optimizer,
            lr=resolve_learning_rate(self.learning_rate, self.optimizer),
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=resolve_weight_decay(self.weight_decay, self.optimizer),
            l1_penalty=self.l1_penalty,
            gradient_clip=self.gradient_clip,
            autocast=resolve_precision(self.precision, device, precision_macs, len(layout.spatial)),
            compile_module=self.compile,
            callbacks=None if self.callbacks is None else list(self.callbacks),
            device=str(device),
        )
        return engine.initialize()

    def _resume(self, device: torch.device) -> ConvNetEngine:
        """Return the trained engine, on `device`."""
        if str(device) != self.net_.device:
            self.net_.move_to(device)
        self.net_.change_training(
            lr=resolve_learning_rate(self.learning_rate, self.net_.optimizer_name),
            weight_decay=resolve_weight_decay(self.weight_decay, self.net_.optimizer_name),
            l1_penalty=self.l1_penalty,
            gradient_clip=self.gradient_clip,
        )
        return self.net_

    def _run(
        self,
        engine: ConvNetEngine,
        train: SampleSet,
        valid: SampleSet | None,
        data: dict[str, Any],
        incremental: bool,
        seed: int,
        augmenter: Augmenter | None,
    ) -> None:
        """Train the engine and set what fitting leaves behind, also if interrupted."""
        before = self.history_ if hasattr(self, "net_") else None
        n_before = 0 if before is None else len(before)
        n_epochs = 1 if incremental else resolve_epochs(self.max_epochs, len(train))
        generator = torch.Generator().manual_seed(seed)
        batches = BatchIterator(
            train,
            resolve_batch_size(self.batch_size, len(train)),
            torch.device(engine.device),
            generator,
            augmenter,
            n_before,
        )
        schedule = Schedule(
            "constant" if incremental else self.lr_schedule, engine.lr, len(batches), n_epochs
        )
        stopping = None
        if self.early_stopping and valid is not None and not incremental:
            stopping = EarlyStopping(self.n_iter_no_change, self.tol)
        name = type(self).__name__
        with (
            torch_threads(self.n_threads, self._macs * batches.largest_batch),
            _kept_memory(engine, self._macs * batches.largest_batch),
            exact_kernels(torch.device(engine.device)),
            ProgressReport(self.verbose, name, n_before + 1, n_before + n_epochs) as progress,
        ):
            monitor = TrainingMonitor(
                first_epoch=n_before + 1,
                evaluate=Evaluator(engine, valid, self._score_outputs),
                early_stopping=stopping,
                weights=engine.weights_copy,
                progress=progress,
                callbacks=self._callback_hooks(engine, n_epochs, data, incremental),
            )
            if monitor.callbacks is not None:
                monitor.callbacks.start()
            try:
                engine.train(batches, schedule, n_epochs, monitor)
            except KeyboardInterrupt:
                if monitor.rows:  # what was learned so far is kept
                    self._keep(engine, monitor, stopping, before)
                raise
            except Exception:
                self._forget()  # the weights may be half trained or NaN
                raise
            self._keep(engine, monitor, stopping, before)
        if monitor.callbacks is not None:
            monitor.callbacks.finish()

    def _keep(
        self,
        engine: ConvNetEngine,
        monitor: TrainingMonitor,
        stopping: EarlyStopping | None,
        before: pd.DataFrame | None,
    ) -> None:
        """Set the fitted attributes, with the best weights after early stopping."""
        if stopping is not None and stopping.best_weights is not None:
            engine.module_.load_state_dict(stopping.best_weights)
        engine.module_.eval()
        self.net_ = engine
        self.history_ = monitor.history(before)
        self.n_iter_ = len(self.history_)
        self.best_epoch_ = monitor.best_epoch()
        self.device_ = str(engine.device)
        self.n_parameters_ = sum(p.numel() for p in engine.module_.parameters() if p.requires_grad)

    def _callback_hooks(
        self, engine: ConvNetEngine, n_epochs: int, data: dict[str, Any], incremental: bool
    ) -> CallbackHooks | None:
        if incremental:
            return None
        return CallbackHooks(
            self,
            self._init_callback_context(max_subtasks=n_epochs),
            data,
            lambda: {"net_": engine.snapshot()},
        )

    # Prediction

    @safe_after_fork()
    def _outputs(self, X: Any) -> np.ndarray:
        """Return the network's outputs for validated `X`, float64."""
        if not self.__sklearn_is_fitted__():
            check_is_fitted(self)  # raises; it asks for all tags first
        images = check_images(self, originals(X))
        self._value_range.warn_if_rescaled(images)
        name, span = type(self).__name__, self._value_range.span
        views = make_views(self.test_time_augmentation, self._layout, span, name)
        device = torch.device(self.net_.device)
        with torch_threads(self.n_threads, UNKNOWN_MACS), exact_kernels(device):
            outputs = self.net_.outputs(images, views).astype(np.float64)
        finite = np.isfinite(outputs)
        if not finite.all():
            lost = np.flatnonzero(~finite.all(axis=1))
            raise ValueError(
                f"The network's outputs for {len(lost)} of {len(outputs)} samples, the first "
                f"at index {lost[0]}, are infinite or NaN: their values are far beyond "
                "those of the training samples, or the weights diverged and training needs "
                "a smaller learning_rate."
            )
        return outputs

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether a network was trained."""
        return hasattr(self, "net_")

    def __sklearn_tags__(self) -> Any:
        """Return the estimator's tags."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.target_tags.required = True
        return tags


def _kept_memory(engine: ConvNetEngine, macs_per_batch: int) -> AbstractContextManager[None]:
    """Keep the memory of feature maps where they lie in the process's own."""
    if not engine.device.startswith("cpu"):
        return nullcontext()
    return kept_memory(much=macs_per_batch >= ONE_THREAD_MACS)
