"""CapturedSteps: training steps that are replayed, after they were compared with eager ones."""

import warnings
from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor

from skcnn._network.gradient_parts import KNOWN_PACKAGES, Batch
from skcnn._network.network import ConvNet
from skcnn._training.cuda import switch
from skcnn._training.cuda.graph import Capture, GraphCapture
from skcnn._training.cuda.optimizer_steps import RecordableStep, can_be_recorded
from skcnn._training.cuda.saved_state import SavedState, largest_difference
from skcnn._utils.compat import has_hooks
from skcnn._utils.out_of_memory import is_out_of_memory
from skcnn.layers._dropout import dropout_generator

# How steps are captured, by the type of the device.
CAPTURES: dict[str, type[Capture]] = {"cuda": GraphCapture}
# An epoch's batches have two sizes at most; a part that is trained later has two more.
MOST_CAPTURES = 6
FIRST_STEPS = 2  # done eagerly: they make the optimizer's state
# Largest difference of a replayed step from an eager one, relative to the gradient.
ROUNDING = {None: 1e-3, torch.bfloat16: 3e-2, torch.float16: 1e-2}


def captured_steps_of(engine: Any) -> "CapturedSteps | None":
    """Return what captures the steps of an engine in training, None if they are all eager."""
    kind = CAPTURES.get(torch.device(engine.device).type) if switch.ENABLED else None
    if kind is None or not _can_be_captured(engine):
        return None
    key = _network_key(engine)
    steps: CapturedSteps | None = vars(engine).get("_captured")
    if steps is None or steps.key != key:
        steps = CapturedSteps(engine, kind, key)
        engine.__dict__["_captured"] = steps
    return steps


def _can_be_captured(engine: Any) -> bool:
    """Return whether all that a step computes is the package's own, and happens on the device."""
    parts = list(engine.module_.modules())
    return bool(
        type(engine.module_) is ConvNet
        and not engine.compile_module
        and engine.l1_penalty == 0
        and all(type(part).__module__.partition(".")[0] in KNOWN_PACKAGES for part in parts)
        and not any(map(has_hooks, parts))
    )


def _network_key(engine: Any) -> Hashable:
    """Return what a recorded step depends on and a callback or a later part may change."""
    module, part = engine.module_, engine.part
    tensors = [*module.parameters(), *module.buffers()]
    return (
        id(engine.optimizer_),
        id(part),
        part is not None and part.on_features,
        engine.autocast,
        engine.gradient_clip,
        tuple((id(each), each.data_ptr(), each.requires_grad) for each in tensors),
        tuple((id(each), _settings(vars(each))) for each in module.modules()),
        tuple((id(each), _settings(vars(each))) for each in engine.criterion_.modules()),
        tuple(_settings(group) for group in engine.optimizer_.param_groups),
    )


def _settings(values: dict[str, Any]) -> Hashable:
    """Return the plain values that a recorded step has for ever, without the learning rate."""
    plain = (bool, int, float, str, tuple, type(None))
    return tuple((k, repr(v)) for k, v in values.items() if k != "lr" and isinstance(v, plain))


class CapturedSteps:
    """The steps of one network and optimizer, each size of batch captured once.

    Before a captured step is used, it is done captured and eagerly from the same state. If the
    results differ by more than rounding, or a step cannot be captured, all steps are eager, with
    a warning.

    Parameters
    ----------
    engine : ConvNetEngine
        The network in training.
    kind : type
        A `Capture`.
    key : object
        What the recorded steps depend on.
    """

    def __init__(self, engine: Any, kind: type[Capture], key: Hashable) -> None:
        self.key = key
        self._alive = engine.optimizer_, engine.part  # so that no other gets their identities
        self._engine = engine
        self._kind = kind
        self._recorded: dict[Hashable, _RecordedStep] = {}
        self._n_seen = 0
        self._gives_up = False

    def run(self, batch: Batch) -> Tensor | None:
        """Do the step of a batch, and return its loss; return None to leave it to the caller."""
        loss = self._run(batch)
        switch.COUNTS["eager" if loss is None else "captured"] += 1
        return loss

    def _run(self, batch: Batch) -> Tensor | None:
        self._n_seen += 1
        in_parts = vars(self._engine)["_gradient_parts"].most is not None
        if self._gives_up or self._n_seen <= FIRST_STEPS or in_parts:
            return None
        kind = _kind_of(batch)
        step = self._recorded.get(kind)
        if step is not None:
            return step.replay(batch)
        if len(self._recorded) >= MOST_CAPTURES:
            return None
        return self._first(batch, kind)

    def _first(self, batch: Batch, kind: Hashable) -> Tensor | None:
        """Record the step of a batch, compare it with an eager one, and keep the eager result."""
        engine = self._engine
        before = SavedState(engine)
        try:
            step = _RecordedStep(engine, self._kind, batch, before)
            loss, difference = step.compare(batch, before)
        except Exception as error:
            before.restore()
            engine.optimizer_.zero_grad(set_to_none=True)
            self._gives_up = True
            if not is_out_of_memory(error):
                _warn(f"cannot be captured ({type(error).__name__}: {error})")
            return None
        if difference > ROUNDING[engine.autocast]:
            self._gives_up = True
            _warn(f"differ from the same steps done one by one by {difference:.2g} of the gradient")
        else:
            self._recorded[kind] = step
        return loss


def _kind_of(batch: Batch) -> Hashable:
    """Return the sizes, types and memory order of a batch."""
    inputs, (targets, weights) = batch
    return tuple(
        None if each is None else (each.shape, each.stride(), each.dtype)
        for each in (inputs, targets, weights)
    )


def _warn(what: str) -> None:
    warnings.warn(
        f"Captured training steps {what}. Training goes on without captures, which is slower. "
        "Please report this as a bug of skcnn.",
        UserWarning,
        stacklevel=2,
    )


class _RecordedStep:
    """The recorded step of one size of batch: gradients, and the optimizer's step if it can be."""

    def __init__(self, engine: Any, kind: type[Capture], batch: Batch, before: SavedState) -> None:
        self._engine = engine
        inputs, (targets, weights) = batch
        self._inputs: list[Tensor] = [t for t in (inputs, targets, weights) if t is not None]
        self._inputs = [torch.empty_like(t).copy_(t) for t in self._inputs]
        shown = self._inputs[2] if weights is not None else None
        self._batch: Batch = (self._inputs[0], (self._inputs[1], shown))
        device = torch.device(engine.device)
        generator = dropout_generator(engine.module_)
        self._gradients = kind(device, [] if generator is None else [generator])
        self._trained = [p for group in engine.optimizer_.param_groups for p in group["params"]]
        self._loss, *self._static = self._gradients.record(self._compute)
        before.restore()
        self._with_gradient = [p for p in self._trained if p.grad is not None]
        self._bind()
        self._step: RecordableStep | None = None
        self._update: Capture | None = None
        if can_be_recorded(engine.optimizer_):
            self._step = RecordableStep(engine.optimizer_, device, kind.rate_dtype)
            self._update = kind(device, [])
            self._step.load()
            self._update.record(self._step)
            before.restore()

    def _compute(self) -> list[Tensor]:
        for parameter in self._engine.module_.parameters():
            parameter.grad = None
        loss = self._engine.train_step_single(self._batch)["loss"]
        return [loss, *(p.grad for p in self._trained if p.grad is not None)]

    def _bind(self) -> None:
        """Let the recorded gradients be those of the parameters; an eager step has made others."""
        for parameter, gradient in zip(self._with_gradient, self._static, strict=True):
            parameter.grad = gradient

    def replay(self, batch: Batch) -> Tensor:
        """Do the step of a batch of the same size, and return its loss, which the next changes."""
        self._replay_gradients(batch)
        if self._update is None:
            self._engine.optimizer_.step()
        else:
            self._replay_update()
        return self._loss

    def _replay_gradients(self, batch: Batch) -> None:
        inputs, (targets, weights) = batch
        given = [inputs, targets] if weights is None else [inputs, targets, weights]
        for static, new in zip(self._inputs, given, strict=True):
            static.copy_(new)
        self._gradients.replay()
        self._bind()

    def _replay_update(self) -> None:
        assert self._step is not None
        assert self._update is not None
        self._step.load()
        self._update.replay()
        self._step.done()

    def compare(self, batch: Batch, before: SavedState) -> tuple[Tensor, float]:
        """Do the step captured, then eagerly from the same state, which it leaves.

        Returns
        -------
        loss : Tensor
            Of the eager step.
        difference : float
            The largest of loss, gradients, statistics and the optimizer's step, relative to them.
        """
        engine = self._engine
        self._replay_gradients(batch)
        found = [self._loss.detach().clone()], [g.detach().clone() for g in self._static]
        statistics = before.weights_now()
        before.restore()
        engine.optimizer_.zero_grad(set_to_none=True)
        loss = engine.train_step_single(batch)["loss"]
        gradients = [p.grad for p in self._with_gradient]
        n_missing = sum(p.grad is not None for p in self._trained) - len(gradients)
        if n_missing or any(g is None for g in gradients):
            return self._eager_rest(loss), float("inf")
        differences = [
            largest_difference(found[0], [loss]),
            largest_difference(found[1], gradients),
            largest_difference(statistics, before.weights_now(), before.weights),
        ]
        if self._update is None:
            return self._eager_rest(loss), max(differences)
        between = SavedState(engine)
        with torch.no_grad():
            for static, gradient in zip(self._static, gradients, strict=True):
                static.copy_(gradient)
        eager = [p.grad for p in self._trained]
        self._bind()
        self._replay_update()
        updated = between.weights_now()
        between.restore()
        for parameter, gradient in zip(self._trained, eager, strict=True):
            parameter.grad = gradient
        loss = self._eager_rest(loss)
        differences.append(largest_difference(updated, between.weights_now(), between.weights))
        return loss, max(differences)

    def _eager_rest(self, loss: Tensor) -> Tensor:
        self._engine.optimizer_.step()
        return loss
