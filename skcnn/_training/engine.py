"""The training engine: a skorch net with an epoch loop that costs next to nothing.

Trains and applies a module on prepared batches; knows no labels, no validation of
input, no estimator. Stock skorch spends 260 microseconds a batch on history, mode
switches and one ``.item()``; here the mode is set once an epoch and the loss stays on the
device until the epoch ends. Batch-level skorch callbacks bring the stock loop back, with
the same weights.
"""

import copy
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import BatchScoring, Callback, EpochScoring, LRScheduler
from torch import Tensor, nn

from skcnn._data.images import Images, chunk_rows
from skcnn._data.samples import SampleSet
from skcnn._network.joint_network import joint_structure
from skcnn._network.modules import ByteDropout
from skcnn._network.prediction import Predictor
from skcnn._training.batches import BatchIterator
from skcnn._training.monitor import NO_VALIDATION, TrainingMonitor
from skcnn._training.optimizers import make_optimizer, repeated_step
from skcnn._training.schedules import Schedule
from skcnn._utils.worker_threads import current_strand, own_seconds
from skcnn.exceptions import TrainingDivergedError

BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class StopTraining(Exception):  # noqa: N818  (no error: a request)
    """A callback asked for the end of the training."""


class ConvNetEngine(NeuralNet):
    """The skorch net that the estimators hold as ``net_``.

    Parameters
    ----------
    module : nn.Module
        The network, weights drawn.
    criterion : nn.Module
        Loss on (outputs, (targets, weights)).
    optimizer_name : str
        One of the names of ``_optimization``.
    lr : float
        The full learning rate.
    momentum, nesterov, weight_decay
        Of the optimizer.
    l1_penalty : float
        Factor of the sum of absolute kernel weights, added to the loss.
    gradient_clip : float or None
        Largest norm of the gradient.
    autocast : torch.dtype or None
        Lower precision of the forward pass in training.
    compile_module : bool
        Whether training runs ``torch.compile(module)``.
    callbacks : list of skorch callbacks or None
        Batch-level ones bring the slower stock loop.
    """

    def __init__(
        self,
        module: nn.Module,
        criterion: nn.Module,
        *,
        optimizer_name: str = "adamw",
        lr: float = 0.003,
        momentum: float = 0.9,
        nesterov: bool = True,
        weight_decay: float = 0.0,
        l1_penalty: float = 0.0,
        gradient_clip: float | None = None,
        autocast: torch.dtype | None = None,
        compile_module: bool = False,
        callbacks: Iterable[Any] | None = None,
        device: str = "cpu",
        **kwargs: Any,
    ) -> None:
        self.optimizer_name = optimizer_name
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay
        self.l1_penalty = l1_penalty
        self.gradient_clip = gradient_clip
        self.autocast = autocast
        self.compile_module = compile_module
        _refuse_callbacks(callbacks or ())
        kwargs.setdefault("verbose", 0)
        kwargs.setdefault("train_split", None)
        super().__init__(module, criterion, lr=lr, callbacks=callbacks, device=device, **kwargs)

    # skorch's building blocks

    @property
    def _default_callbacks(self) -> list[Any]:
        return []  # the loop records what they would

    def initialize_optimizer(self, triggered_directly: bool | None = None) -> "ConvNetEngine":
        """Create the optimizer with weight decay on kernels and matrices only."""
        self.optimizer_ = make_optimizer(
            self.optimizer_name,
            self.module_,
            self.lr,
            self.momentum,
            self.nesterov,
            self.weight_decay,
        )
        trained = {name for name, p in self.module_.named_parameters() if p.requires_grad}
        self.__dict__["_optimized"] = trained
        return self

    def infer(self, x: Tensor, **fit_params: Any) -> Tensor:
        """Return the module's outputs in float32, in training under autocast."""
        if not self.module_.training:
            return self.module_(x, **fit_params)
        with self._autocast():
            outputs = self._training_module()(x, **fit_params)
        return outputs.float() if self.autocast is not None else outputs

    def get_loss(
        self, y_pred: Tensor, y_true: Any, X: Any = None, training: bool = False
    ) -> Tensor:
        """Return the criterion's loss, in training with the L1 penalty."""
        loss = self.criterion_(y_pred, y_true)
        if training and self.l1_penalty > 0:
            weights = (p for p in self.module_.parameters() if p.dim() > 1 and p.requires_grad)
            loss = loss + self.l1_penalty * sum(w.abs().sum() for w in weights)
        return loss

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, Tensor]:
        """Run forward and backward; the module is in training mode already."""
        inputs, target = batch
        outputs = self.infer(inputs, **fit_params)
        loss = self.get_loss(outputs, target, X=inputs, training=True)
        loss.backward()
        self.clip_gradient()
        return {"loss": loss.detach(), "y_pred": outputs}

    def clip_gradient(self) -> None:
        """Shorten a gradient that is too long."""
        if self.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.module_.parameters(), self.gradient_clip)

    def run_single_epoch(
        self,
        iterator: BatchIterator | None,
        training: bool,
        prefix: str,
        step_fn: Callable[..., Any],
        **fit_params: Any,
    ) -> None:
        """Train over `iterator` once, by the fast loop unless callbacks watch batches."""
        if iterator is None:
            return
        self._set_training(training)
        if not training or self._watches_batches():
            super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
            batches = self.history[-1]["batches"]
            sizes = [b[f"{prefix}_batch_size"] for b in batches]
            losses = [b[f"{prefix}_loss"] for b in batches]
            loss = float(np.average(losses, weights=sizes))
        else:
            loss = self._train_pass(iterator)
        self.history.record(f"{prefix}_loss", loss)

    def _train_pass(self, iterator: BatchIterator) -> float:
        """Train over `iterator` once, with networks of other strands where there are any."""
        strand = current_strand()
        if strand is None or not strand.company or self.compile_module:
            return self._run_fast(iterator)
        structure = joint_structure(self.module_)
        if structure is None:
            return self._run_fast(iterator)
        return strand.ask(((structure, self.autocast), self, iterator))

    def _run_fast(self, iterator: BatchIterator) -> float:
        """Train over `iterator` once and return the mean loss."""
        step = repeated_step(self.optimizer_)
        zero = self.optimizer_.zero_grad
        total = torch.zeros((), device=self.device)
        for batch in iterator:
            self._advance_schedule()
            zero(set_to_none=True)
            loss = self.train_step_single(batch)["loss"]
            step()
            total.add_(loss, alpha=len(batch[0]))
        self.history.new_batch()  # some of skorch's epoch-level callbacks look for one
        return total.item() / iterator.n_samples

    def train_step(self, batch: Any, **fit_params: Any) -> Any:
        """Do one step of the stock loop, under the schedule."""
        self._advance_schedule()
        return super().train_step(batch, **fit_params)

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call the callbacks; skorch's way of stopping becomes StopTraining."""
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt:
            if method_name == "on_epoch_end":
                raise StopTraining from None
            raise

    # Training

    def train(
        self,
        batches: BatchIterator,
        schedule: Schedule,
        n_epochs: int,
        monitor: TrainingMonitor,
    ) -> None:
        """Train for `n_epochs`, or until `monitor` or a callback says stop.

        Parameters
        ----------
        batches : BatchIterator
            The training samples.
        schedule : Schedule
            The learning rates.
        n_epochs : int
            Largest number of epochs.
        monitor : TrainingMonitor
            Evaluates and watches every epoch.

        Raises
        ------
        TrainingDivergedError
            If the training loss becomes infinite or NaN.
        """
        self._schedule = schedule
        try:
            self.notify("on_train_begin", X=None, y=None)
            for _ in range(n_epochs):
                if self._train_epoch(batches, monitor):
                    break
        except StopTraining:
            pass
        finally:
            del self._schedule
        self._check_weights()
        self.notify("on_train_end", X=None, y=None)

    def _train_epoch(self, batches: BatchIterator, monitor: TrainingMonitor) -> bool:
        monitor.epoch_begin()
        self.notify("on_epoch_begin", dataset_train=batches, dataset_valid=None)
        start = own_seconds()
        self.run_single_epoch(batches, True, "train", self.train_step)
        seconds = own_seconds() - start
        train_loss = self.history[-1, "train_loss"]
        _check_finite(train_loss, len(self.history), self.lr)
        figures = {"train_loss": train_loss, **monitor.evaluate()}
        figures |= {
            "learning_rate": self._rate,
            "seconds": own_seconds() - start,
            "samples_per_second": batches.n_samples / seconds,
        }
        valid_loss = figures["valid_loss"]
        loss = figures["train_loss"] if np.isnan(valid_loss) else valid_loss
        self._schedule.epoch_done(loss)
        for name, value in figures.items():
            self.history.record(name, value)
        for name in ("train_loss", "valid_loss"):  # what skorch's Checkpoint looks for
            best = all(figures[name] < epoch[name] for epoch in self.history[:-1])
            self.history.record(f"{name}_best", best)
        stop = monitor.epoch_end(figures)
        self.notify("on_epoch_end", dataset_train=batches, dataset_valid=None)
        return stop

    def _check_weights(self) -> None:
        """Find a divergence of the last step, which no loss has shown yet."""
        total = sum(p.detach().abs().sum() for p in self.module_.parameters())
        _check_finite(float(total), len(self.history), self.lr, "sum of absolute weights")

    def _advance_schedule(self) -> None:
        self._rate = self._schedule.next_rate()
        for group in self.optimizer_.param_groups:
            group["lr"] = self._rate

    def _watches_batches(self) -> bool:
        """Return whether any callback has a hook for batches."""
        return any(
            getattr(type(callback), hook) is not getattr(Callback, hook)
            for _, callback in self.callbacks_
            for hook in BATCH_HOOKS
        )

    def _autocast(self) -> Any:
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, self.autocast)

    def _training_module(self) -> Callable[..., Tensor]:
        if not self.compile_module:
            return self.module_
        if "_compiled" not in vars(self):
            self.__dict__["_compiled"] = torch.compile(self.module_)
        return self._compiled

    # Application

    def outputs(
        self, images: Images, views: Sequence[Callable[[Tensor], Tensor]] = ()
    ) -> np.ndarray:
        """Return the module's outputs for all `images`, in input order.

        A sample's outputs are the same bits in any company and any order. With `views`,
        functions of a batch, the outputs for the images and for each view of them are
        averaged.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs), dtype float32
        """
        predictor: Predictor | None = vars(self).get("_predictor")
        device = torch.device(self.device)
        if predictor is None or not predictor.fits(self.module_, device):
            predictor = Predictor(self.module_, images.layout.network_shape, device)
            self.__dict__["_predictor"] = predictor
        return predictor.outputs(images, views).float().cpu().numpy()

    def seed_dropout(self, seed: int) -> None:
        """Give all dropout layers a common generator of their own."""
        generator = torch.Generator(self.device).manual_seed(seed)
        for part in self.module_.modules():
            if isinstance(part, ByteDropout):
                part.generator = generator

    def change_training(self, lr: float, weight_decay: float, **settings: Any) -> None:
        """Take other training settings for a training that goes on."""
        self.lr = lr
        self.__dict__.update(settings)
        self.weight_decay = weight_decay
        for group in self.optimizer_.param_groups:
            decays = group["params"][0].dim() > 1
            group["weight_decay"] = weight_decay if decays else 0.0

    def snapshot(self) -> "ConvNetEngine":
        """Return an engine for prediction that further training does not change."""
        still = object.__new__(type(self))
        still.__dict__.update(vars(self))
        still.__dict__.pop("_predictor", None)
        still.__dict__["module_"] = copy.deepcopy(self.module_).eval()
        return still

    def weights_copy(self) -> dict[str, Tensor]:
        """Return a copy of all parameters and buffers."""
        return {k: v.detach().clone() for k, v in self.module_.state_dict().items()}

    # Pickling: CPU tensors only, the optimizer as its state

    def __getstate__(self) -> dict[str, Any]:
        state = vars(self).copy()
        for cached in ("_compiled", "_predictor"):
            state.pop(cached, None)
        if self.initialized_:
            on_cpu = str(self.device).startswith("cpu")
            module = self.module_ if on_cpu else copy.deepcopy(self.module_).cpu()
            state |= {"module": module, "module_": module, "device": "cpu"}
            optimizer = state.pop("optimizer_")
            state["_optimizer_state"] = _to_cpu(optimizer.state_dict())
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        optimizer_state = state.pop("_optimizer_state", None)
        self.__dict__.update(state)
        if optimizer_state is not None:
            trained = _training_only(self.module_, state["_optimized"])
            with self._current_init_context("optimizer"), trained:
                self.initialize_optimizer()
            self.optimizer_.load_state_dict(optimizer_state)

    def move_to(self, device: torch.device) -> None:
        """Move network and optimizer state to `device`."""
        self.device = str(device)
        self.module_.to(device)
        self.criterion_.to(device)
        self.optimizer_.load_state_dict(self.optimizer_.state_dict())


@contextmanager
def _training_only(module: nn.Module, names: Collection[str]) -> Iterator[None]:
    """Let the parameters `names` train and no others, whatever a callback has frozen since.

    Does nothing where no parameter has such a name.
    """
    before = [(name, p, p.requires_grad) for name, p in module.named_parameters()]
    if any(name in names for name, _, _ in before):
        for name, parameter, _ in before:
            parameter.requires_grad_(name in names)
    try:
        yield
    finally:
        for _, parameter, trains in before:
            parameter.requires_grad_(trains)


def _refuse_callbacks(callbacks: Iterable[Any]) -> None:
    """Refuse skorch callbacks that would silently do nothing here."""
    for entry in callbacks:
        callback = entry[1] if isinstance(entry, tuple) else entry
        name = type(callback).__name__
        if isinstance(callback, LRScheduler):
            raise ValueError(
                f"The 'callbacks' parameter must not contain skorch's {name}: the learning "
                "rate follows the parameter lr_schedule."
            )
        if isinstance(callback, EpochScoring | BatchScoring):
            raise ValueError(
                f"The 'callbacks' parameter must not contain skorch's {name}, which cannot "
                "read these batches: pass X_val and y_val to fit, or set scikit-learn's "
                "ScoringMonitor with set_callbacks."
            )


class Evaluator:
    """The validation figures of an engine's current weights.

    Parameters
    ----------
    engine : ConvNetEngine
        The network in training.
    valid : SampleSet or None
        The validation samples; without any the figures are NaN.
    score : callable
        Takes outputs and samples, returns the score.
    """

    def __init__(
        self,
        engine: ConvNetEngine,
        valid: SampleSet | None,
        score: Callable[[np.ndarray, SampleSet], float],
    ) -> None:
        self.engine = engine
        self.valid = valid
        self.score = score
        if valid is not None:
            self.index = torch.from_numpy(valid.index)
            weights = None if valid.weights is None else torch.from_numpy(valid.weights)
            self.target = (torch.from_numpy(valid.targets), weights)

    def __call__(self) -> dict[str, float]:
        """Return ``valid_loss`` and ``valid_score``."""
        if self.valid is None:
            return NO_VALIDATION
        outputs = self._outputs(self.valid.images)
        epoch, rate = len(self.engine.history), self.engine.lr
        _check_finite(float(np.abs(outputs).max()), epoch, rate, "largest validation output")
        with torch.no_grad():
            loss = self.engine.criterion_(torch.from_numpy(outputs), self.target)
        return {"valid_loss": float(loss), "valid_score": self.score(outputs, self.valid)}

    def _outputs(self, images: Images) -> np.ndarray:
        """Return the outputs for the validation samples, of which few are copied at a time."""
        parts = self.index.split(chunk_rows(images.layout.n_values))
        selected = (Images(images.rows_at(part), images.layout) for part in parts)
        return np.concatenate([self.engine.outputs(each) for each in selected])


def _check_finite(
    value: float, epoch: int, learning_rate: float, what: str = "training loss"
) -> None:
    if not np.isfinite(value):
        raise TrainingDivergedError(
            f"The {what} became {value} in epoch {epoch}. Try a learning_rate below "
            f"{learning_rate:g}, gradient_clip=1.0, or standardize=True."
        )


def _to_cpu(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, dict):
        return {k: _to_cpu(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_to_cpu(v) for v in value)
    return value
