"""The run of a fit's plan: an engine trained with its threads, memory, progress and callbacks."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from skcnn._data.samples import SampleSet
from skcnn._network.split import Trainable
from skcnn._network.trained_part import PartSchedule
from skcnn._training.batches import BatchIterator
from skcnn._training.callbacks import CallbackHooks, check_monitors
from skcnn._training.checkpointing.checkpoint import Checkpoint
from skcnn._training.checkpointing.training_state import TrainingState
from skcnn._training.early_stopping import EarlyStopping
from skcnn._training.engine import ConvNetEngine
from skcnn._training.epoch_state import EpochState
from skcnn._training.evaluation import Evaluator
from skcnn._training.fit_plan import FitPlan
from skcnn._training.monitor import TrainingMonitor
from skcnn._training.part_training import PartTraining
from skcnn._training.schedules import Schedule
from skcnn._utils.memory import kept_memory
from skcnn._utils.precision import exact_kernels
from skcnn._utils.progress import ProgressReport
from skcnn._utils.threads import ONE_THREAD_MACS, torch_threads
from skcnn._utils.time_limit import TimeLimit
from skcnn._utils.validation import warn_caller
from skcnn.exceptions import TrainingDivergedError


class FitRun:
    """One training of an engine.

    Parameters
    ----------
    engine : ConvNetEngine
        The network to train.
    plan : FitPlan
        What to train on and how.
    macs : int
        Multiply-accumulates of the network for one sample.
    score : callable
        Takes the outputs for the validation samples and these samples, returns the score.
    progress : ProgressReport
        Shown during the run.
    parts : PartSchedule
        Which part of the network is trained when.
    checkpoint : Checkpoint or None, default=None
        Keeps the state in a file, from which a killed training goes on.

    Attributes
    ----------
    parts : PartTraining
        What was trained so far.
    monitor : TrainingMonitor
        The figures of the finished epochs.
    """

    def __init__(
        self,
        engine: ConvNetEngine,
        plan: FitPlan,
        macs: int,
        score: Callable[[np.ndarray, SampleSet], float],
        progress: ProgressReport,
        parts: PartSchedule,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.engine = engine
        self.plan = plan
        self._batches = BatchIterator(
            plan.train,
            plan.batch_size,
            plan.device,
            torch.Generator().manual_seed(plan.seeds.order),
            plan.augmenter,
            plan.n_epochs_before,
        )
        self._schedule = Schedule(plan.lr_schedule, engine.lr, len(self._batches), plan.n_epochs)
        self._state = EpochState(engine, plan.is_fresh)
        self._macs_per_batch = macs * self._batches.largest_batch
        self._early_stopping = (
            None
            if plan.n_iter_no_change is None
            else EarlyStopping(plan.n_iter_no_change, plan.tol)
        )
        evaluator = Evaluator(engine, plan.valid, score)
        self.parts = PartTraining(engine, parts, self._batches, evaluator, plan)
        self._time_limit = self._new_time_limit()
        self.monitor = TrainingMonitor(
            first_epoch=plan.n_epochs_before + 1,
            evaluate=evaluator,
            early_stopping=self._early_stopping,
            must_go_on=self.parts.change_later,
            weights=engine.weights_copy,
            progress=progress,
            time_limit=self._time_limit,
        )
        self._checkpoint = checkpoint
        if checkpoint is not None:
            checkpoint.connect(
                TrainingState(
                    engine,
                    self._batches,
                    self._schedule,
                    self._state,
                    self._early_stopping,
                    self.parts,
                    self.monitor,
                )
            )

    def _new_time_limit(self) -> TimeLimit | None:
        plan = self.plan
        if plan.max_seconds is None:
            return None
        parts = self.parts
        return TimeLimit(
            plan.max_seconds,
            plan.began,
            plan.n_epochs,
            self._shorten,
            lambda: len(parts.trained),
            share=plan.share_of_seconds,
        )

    def _shorten(self, n_done: int, n_epochs: int) -> None:
        """Come to the end of this training after fewer epochs than were planned."""
        before = self.plan.n_epochs_before
        if n_epochs > n_done:
            self._schedule.shorten(n_done, n_epochs)
            self.parts.shorten(before + n_done, before + n_epochs)
        self.monitor.progress.shorten(before + n_epochs)
        if self.monitor.callbacks is not None:
            self.monitor.callbacks.shorten(n_epochs)

    @contextmanager
    def resources(self) -> Iterator[None]:
        """Set threads, memory and kernels for the training, and show its progress."""
        with (
            torch_threads(self.plan.n_threads, self._macs_per_batch),
            self._kept_memory(),
            exact_kernels(self.plan.device),
            self.monitor.progress,
        ):
            yield

    def _kept_memory(self) -> AbstractContextManager[None]:
        """Keep freed memory in the process, if the network is trained on the CPU."""
        if self.plan.device.type != "cpu":
            return nullcontext()
        return kept_memory(much=self._macs_per_batch >= ONE_THREAD_MACS)

    def begin(self, callbacks: CallbackHooks | None) -> None:
        """Check skorch's callbacks, and call scikit-learn's at the beginning of the fit."""
        if self.plan.valid is None:
            check_monitors(callback for _, callback in self.engine.callbacks_)
        self.monitor.callbacks = callbacks
        if callbacks is not None:
            callbacks.fit_begin()

    def train(self) -> None:
        """Train the engine."""
        n_epochs = self.plan.n_epochs
        if not self.plan.is_fresh:
            self.monitor.begin(self.plan.weights_epoch)
        if self._time_limit is not None:
            self._time_limit.begin()
        self.engine.train(
            self._batches,
            self._schedule,
            n_epochs,
            self.monitor,
            self._state,
            self.parts,
            self._checkpoint,
        )

    def go_back(self, error: BaseException) -> None:
        """Return to the state after the last finished epoch, also one of an earlier call.

        After an `error` the state is kept in the file of the checkpoint, but for one that would
        come again.
        """
        self._state.go_back()
        # an error may come after an epoch is recorded and before it counts as finished
        del self.monitor.rows[len(self.engine.history) - self.plan.n_epochs_before :]
        if self._checkpoint is None:
            return
        if isinstance(error, TrainingDivergedError):
            self._checkpoint.remove()
        else:
            self._checkpoint.save_last()

    def has_finite_weights(self) -> bool:
        """Return whether no weight is infinite or NaN. A callback may have changed them."""
        state = self.engine.module_.state_dict().values()
        return all(bool(torch.isfinite(value).all()) for value in state)

    def finish_network(self) -> bool:
        """Leave the training mode, and return whether the best weights were restored."""
        self.parts.end()
        stopping = self._early_stopping
        best = None if stopping is None else stopping.best_weights
        if best is not None:
            self.engine.module_.load_state_dict(best)
        self.engine.module_.eval()
        return best is not None

    def trained_parts(self, before: dict[int, Trainable], n_epochs: int) -> dict[int, Trainable]:
        """Return what was trained in `n_epochs`, by the number of epochs done when it began.

        `before` is the same of an earlier training.
        """
        trained = dict(before)
        for n_done, trainable in self.parts.trained.items():
            if n_done < n_epochs and trainable != [None, *trained.values()][-1]:
                trained[n_done] = trainable
        return trained

    def end(self) -> None:
        """Call scikit-learn's callbacks at the end of the fit, and warn if its time was short."""
        if self.monitor.callbacks is not None:
            self.monitor.callbacks.fit_end()
        shortfall = "" if self._time_limit is None else self._time_limit.shortfall()
        if shortfall:
            warn_caller(shortfall, ConvergenceWarning)
