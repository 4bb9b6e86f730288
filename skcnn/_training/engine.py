"""The training engine: a skorch net with a fast epoch loop.

Stock skorch sets the mode, records the history and reads the loss from the device for every
batch. Here the mode is set once an epoch, and the loss stays on the device until the epoch
ends. If a skorch callback has a batch-level hook, the stock loop runs and gives the same
weights.
"""

import copy
from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from torch import Tensor, nn

from skcnn._data.images import Images
from skcnn._data.layouts import InputLayout
from skcnn._network.gradient_parts import Batch, GradientParts
from skcnn._network.joint_network import joint_structure
from skcnn._network.prediction import Predictor
from skcnn._network.series_net import SeriesNet
from skcnn._network.series_prediction import SeriesPredictor
from skcnn._network.trained_part import TrainedPart
from skcnn._training.batches import BatchIterator
from skcnn._training.callbacks import check_skorch_callbacks, has_batch_hook
from skcnn._training.checkpointing.checkpoint import Checkpoint
from skcnn._training.cuda.steps import captured_steps_of
from skcnn._training.divergence import BatchLosses, WeightCheck, check_losses
from skcnn._training.eager_optimizers import repeated_step
from skcnn._training.engine_state import state_on_cpu, training_only, without_inference_tensors
from skcnn._training.epoch_state import EpochState
from skcnn._training.monitor import TrainingMonitor
from skcnn._training.optimizers import keep_state, make_optimizer
from skcnn._training.part_training import PartTraining
from skcnn._training.schedules import Schedule
from skcnn._utils.compat import context_of_creation, set_training
from skcnn._utils.interrupts import deferred_interrupts, noticed_interrupts
from skcnn._utils.precision import low_precision
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn._utils.worker_threads import current_worker_thread, own_seconds
from skcnn.layers._dropout import ByteDropout, draw_in_compiled_graphs


class StopTraining(Exception):  # noqa: N818  (not an error)
    """A skorch callback asks to end the training."""


class ConvNetEngine(NeuralNet):
    """The skorch net that the estimators hold as ``net_``.

    Parameters
    ----------
    module : nn.Module
        The network, with its initial weights.
    criterion : nn.Module
        Loss on (outputs, (targets, weights)).
    optimizer_name : str
        One of the names in ``optimizers.OPTIMIZERS``.
    lr : float
        The full learning rate.
    momentum, nesterov, weight_decay
        Settings of the optimizer.
    l1_penalty : float
        Factor of the sum of absolute kernel weights, added to the loss.
    gradient_clip : float or None
        Largest norm of the gradient.
    autocast : torch.dtype or None
        Lower precision of the forward pass in training, None for float32.
    compile_module : bool
        Whether training runs ``torch.compile(module)``.
    callbacks : list of skorch callbacks or None
        Callbacks with batch-level hooks make training use skorch's slower loop.
    device : str
        Where the network is trained and applied.
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
        check_skorch_callbacks(callbacks or ())
        kwargs.setdefault("verbose", 0)
        kwargs.setdefault("train_split", None)
        super().__init__(module, criterion, lr=lr, callbacks=callbacks, device=device, **kwargs)

    # skorch's building blocks

    @property
    def _default_callbacks(self) -> list[Any]:
        return []  # the loop records what skorch's default callbacks would record

    def initialize_optimizer(self, triggered_directly: bool | None = None) -> "ConvNetEngine":
        """Create the optimizer with weight decay on kernels and matrices only."""
        self.optimizer_ = make_optimizer(
            self.optimizer_name,
            self.module_,
            self.lr,
            self.momentum,
            self.nesterov,
            self.weight_decay,
            vars(self).get("_rate_shares"),
        )
        trained = {name for name, p in self.module_.named_parameters() if p.requires_grad}
        self.__dict__["_optimized"] = trained
        return self

    def infer(self, x: Tensor, **fit_params: Any) -> Tensor:
        """Return the module's outputs in float32. In training they are computed under autocast."""
        if not self.module_.training:
            return self.module_(x, **fit_params)
        with self.autocast_context():
            outputs = self._training_module()(x, **fit_params)
        return outputs.float() if self.autocast is not None else outputs

    def get_loss(
        self, y_pred: Tensor, y_true: Any, X: Any = None, training: bool = False
    ) -> Tensor:
        """Return the criterion's loss, plus the L1 penalty in training."""
        loss = self.criterion_(y_pred, y_true)
        if training and self.l1_penalty > 0:
            weights = (p for p in self.module_.parameters() if p.dim() > 1 and p.requires_grad)
            loss = loss + self.l1_penalty * sum(w.abs().sum() for w in weights)
        return loss

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, Tensor]:
        """Run forward and backward; the module is in training mode already."""

        def forward(part: Batch) -> tuple[Tensor, Tensor]:
            inputs, target = part
            outputs = self.infer(inputs, **fit_params)
            return self.get_loss(outputs, target, X=inputs, training=True), outputs

        module = self.module_ if self.part is None else self.part.module
        loss, outputs = self._gradient_parts.add(forward, batch, module)
        self.clip_gradient()
        return {"loss": loss, "y_pred": outputs}

    def clip_gradient(self) -> None:
        """Scale the gradient down if its norm is larger than `gradient_clip`."""
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
        """Train over `iterator` once, with the fast loop unless a callback has a batch hook."""
        if iterator is None:
            return
        set_training(self, training)
        if training and self.part is not None and self.part.frozen is not None:
            self.part.frozen.eval()
        if not training or any(has_batch_hook(each) for _, each in self.callbacks_):
            super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
            batches = self.history[-1]["batches"]
            sizes = [b[f"{prefix}_batch_size"] for b in batches]
            losses = [b[f"{prefix}_loss"] for b in batches]
            check_losses(losses, self)
            loss = float(np.average(losses, weights=sizes))
        else:
            loss = self._train_pass(iterator)
        self.history.record(f"{prefix}_loss", loss)

    def _train_pass(self, iterator: BatchIterator) -> float:
        """Train over `iterator` once, together with the networks of other worker threads."""
        thread = current_worker_thread()
        alone = self.compile_module or self.part is not None
        if thread is None or not thread.trains_jointly or alone:
            return self._run_fast(iterator)
        structure = joint_structure(self.module_)
        if structure is None:
            return self._run_fast(iterator)
        return thread.ask(((structure, self.autocast), self, iterator))

    def _run_fast(self, iterator: BatchIterator) -> float:
        """Train over `iterator` once and return the mean loss."""
        step = repeated_step(self.optimizer_)
        zero = self.optimizer_.zero_grad
        losses = BatchLosses(len(iterator), self.device)
        captured = captured_steps_of(self)
        for batch in iterator:
            self.advance_schedule()
            loss = None if captured is None else captured.run(batch)
            if loss is None:
                zero(set_to_none=True)
                loss = self.train_step_single(batch)["loss"]
                step()
            losses.add(loss, len(batch[0]))
        self.history.new_batch()  # some of skorch's epoch-level callbacks need one
        return losses.mean(iterator.n_samples, self)

    def train_step(self, batch: Any, **fit_params: Any) -> Any:
        """Do one step of the stock loop at the schedule's rate."""
        self.advance_schedule()
        return super().train_step(batch, **fit_params)

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call skorch's callbacks. They stop training by a KeyboardInterrupt after an epoch."""
        if method_name != "on_epoch_end":
            super().notify(method_name, **cb_kwargs)
            return
        with noticed_interrupts() as is_real:
            try:
                super().notify(method_name, **cb_kwargs)
            except KeyboardInterrupt:
                if is_real():
                    raise
                raise StopTraining from None

    # Training

    def train(
        self,
        batches: BatchIterator,
        schedule: Schedule,
        n_epochs: int,
        monitor: TrainingMonitor,
        state: EpochState,
        parts: PartTraining,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Train for `n_epochs`, or until `monitor` or a callback asks to stop.

        Parameters
        ----------
        batches : BatchIterator
            The training samples.
        schedule : Schedule
            The learning rates.
        n_epochs : int
            Largest number of epochs.
        monitor : TrainingMonitor
            Evaluates and records every epoch.
        state : EpochState
            Keeps the state after the last finished epoch.
        parts : PartTraining
            Chooses the part of the network that is trained in each epoch.
        checkpoint : Checkpoint or None, default=None
            Keeps the state in a file, from which a killed training goes on.

        Raises
        ------
        TrainingDivergedError
            If the training loss, a weight or a statistic becomes infinite or NaN.
        """
        self._schedule, self._rates = schedule, array("d")
        self._gradient_parts = GradientParts(torch.device(self.device))
        try:
            self.notify("on_train_begin", X=None, y=None)
            n_done, over = 0, False
            self._weight_check = WeightCheck(self)
            if checkpoint is not None:
                n_done, over = checkpoint.begin(n_epochs, self._precision)
            while n_done < n_epochs and not over:
                over = self._train_epoch(batches, monitor, state, parts)
                n_done += 1
                if checkpoint is not None:
                    checkpoint.epoch_done(over or n_done == n_epochs)
        except StopTraining:
            pass
        finally:
            del self._schedule, self._gradient_parts, self._rates
            for name in ("_weight_check", "_captured"):
                self.__dict__.pop(name, None)
        self.notify("on_train_end", X=None, y=None)

    def _train_epoch(
        self,
        batches: BatchIterator,
        monitor: TrainingMonitor,
        state: EpochState,
        parts: PartTraining,
    ) -> bool:
        monitor.epoch_begin()
        parts.epoch_begin()
        state.epoch_begin()
        self.notify("on_epoch_begin", dataset_train=batches, dataset_valid=None)
        self._rates = array("d")
        start = own_seconds()
        parts.compute_features()
        with parts.threads():
            self.run_single_epoch(batches, True, "train", self.train_step)
        seconds = own_seconds() - start
        figures = {"train_loss": self.history[-1, "train_loss"], **monitor.evaluate()}
        self._weight_check()
        figures |= {
            "learning_rate": self.rates[-1],
            "seconds": own_seconds() - start,
            "samples_per_second": batches.n_samples / seconds,
        }
        valid_loss = figures["valid_loss"]
        loss = figures["train_loss"] if np.isnan(valid_loss) else valid_loss
        self._schedule.epoch_done(loss)
        known = {name: value for name, value in figures.items() if not np.isnan(value)}
        for name, value in known.items():  # as in skorch, there is no validation loss without data
            self.history.record(name, value)
        for name in known.keys() & {"train_loss", "valid_loss"}:  # read by skorch's Checkpoint
            best = all(known[name] < epoch.get(name, np.inf) for epoch in self.history[:-1])
            self.history.record(f"{name}_best", best)
        with deferred_interrupts():
            stop = monitor.record(figures)
            state.epoch_done()
            parts.epoch_done()
        stop = monitor.epoch_end() or stop
        self.notify("on_epoch_end", dataset_train=batches, dataset_valid=None)
        return stop

    def advance_schedule(self) -> None:
        """Set the learning rate of the next step."""
        rate = self._schedule.next_rate()
        self._rates.append(rate)
        for group in self.optimizer_.param_groups:
            group["lr"] = rate * group.get("rate_share", 1.0)

    @property
    def rates(self) -> Sequence[float]:
        """The learning rates of the batches of the present epoch so far."""
        return vars(self).get("_rates", ())

    @property
    def _precision(self) -> str:
        return "float32" if self.autocast is None else str(self.autocast).removeprefix("torch.")

    def autocast_context(self) -> Any:
        """Return the context of the forward pass in training."""
        if self.autocast is None:
            return nullcontext()
        return low_precision(torch.device(self.device), self.autocast)

    def _training_module(self) -> Callable[..., Tensor]:
        module = self.module_ if self.part is None else self.part.module
        if not self.compile_module:
            return module
        of, compiled = vars(self).get("_compiled", (None, None))
        if of is not module:
            draw_in_compiled_graphs(module)
            compiled = torch.compile(module)
            self.__dict__["_compiled"] = module, compiled
        return compiled

    # A part of the network

    @property
    def part(self) -> TrainedPart | None:
        """The part that is trained, None for the whole network."""
        return vars(self).get("_part")

    @property
    def trained_module(self) -> nn.Module:
        """What contains all weights and statistics that training changes."""
        return self.module_ if self.part is None else self.part.trained

    @property
    def frozen_names(self) -> frozenset[str]:
        """The parameters that are frozen because another part is trained."""
        return vars(self).get("_frozen_names", frozenset())

    @property
    def n_parameters(self) -> int:
        """The number of parameters that can be trained, with those that are frozen for a part."""
        parameters, frozen = self.module_.named_parameters(), self.frozen_names
        return sum(p.numel() for name, p in parameters if p.requires_grad or name in frozen)

    def train_part(self, part: TrainedPart) -> None:
        """Train only this part from now on. Its parameters keep the optimizer's state."""
        before, now = self.frozen_names, set()
        for name, parameter in self.module_.named_parameters():
            if name in part.frozen_names and (parameter.requires_grad or name in before):
                now.add(name)
                parameter.requires_grad_(False)
                parameter.grad = None
            elif name in before:
                parameter.requires_grad_(True)
        shares = vars(self).get("_rate_shares", {})
        self.__dict__["_part"] = None if part.is_whole else part
        self.__dict__["_frozen_names"] = frozenset(now)
        self.__dict__["_rate_shares"] = part.rate_shares
        if now != before or shares != part.rate_shares:
            optimizer = self.optimizer_
            with context_of_creation(self, "optimizer"):
                self.initialize_optimizer()
            keep_state(self.optimizer_, optimizer)

    # Application

    def outputs(
        self,
        images: Images,
        views: Sequence[Callable[[Tensor], Tensor]] = (),
        finish: Callable[[Tensor], Tensor] | None = None,
    ) -> np.ndarray:
        """Return the module's outputs for all `images`, in input order.

        The outputs are batch-independent, bit for bit. With `views`, functions of a batch,
        the outputs for the images and for each view of them are averaged.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs), dtype float32
            With `finish`, what it returns for the outputs of some samples at a time, joined.
        """
        predictor = self.predictor(images.layout)
        if finish is not None:
            return predictor.outputs(images, views, finish).cpu().numpy()
        return predictor.outputs(images, views).float().cpu().numpy()

    def predictor(self, layout: InputLayout) -> Any:
        """Return the predictor of the module, for samples of this layout."""
        predictor: Any = vars(self).get("_predictor")
        device = torch.device(self.device)
        if predictor is None or not predictor.fits(self.module_, device):
            of_any_length = isinstance(self.module_, SeriesNet)
            make = SeriesPredictor if of_any_length else Predictor
            predictor = make(self.module_, layout.network_shape, device)
            self.__dict__["_predictor"] = predictor
        return predictor

    def seed_dropout(self, seed: int) -> None:
        """Give all dropout layers one common generator."""
        generator = torch.Generator(self.device).manual_seed(seed)
        for part in self.module_.modules():
            if isinstance(part, ByteDropout):
                part.generator = generator

    def change_training(self, lr: float, weight_decay: float, **settings: Any) -> None:
        """Change the training settings before training continues."""
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
        for name in ("_predictor", "_part", "_captured"):  # which hold the modules of this engine
            still.__dict__.pop(name, None)
        still.__dict__["module_"] = copy.deepcopy(self.module_).eval()
        return still

    def weights_copy(self) -> dict[str, Tensor]:
        """Return a copy of all parameters and buffers."""
        return {k: v.detach().clone() for k, v in self.module_.state_dict().items()}

    # Pickling

    @in_standard_torch_state
    def __getstate__(self) -> dict[str, Any]:
        return state_on_cpu(self)

    @in_standard_torch_state
    def __setstate__(self, state: dict[str, Any]) -> None:
        state = without_inference_tensors(state)
        optimizer_state = state.pop("_optimizer_state", None)
        self.__dict__.update(state)
        if optimizer_state is not None:
            trained = training_only(self.module_, state["_optimized"])
            with context_of_creation(self, "optimizer"), trained:
                self.initialize_optimizer()
            self.optimizer_.load_state_dict(optimizer_state)

    def move_to(self, device: torch.device) -> None:
        """Move network and optimizer state to `device`."""
        self.device = str(device)
        self.module_.to(device)
        self.criterion_.to(device)
        self.optimizer_.load_state_dict(self.optimizer_.state_dict())
