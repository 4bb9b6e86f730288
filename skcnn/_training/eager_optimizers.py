"""torch's optimizers without the compiler that they import, and a faster repeated Adam step.

torch excludes the methods of an optimizer from ``torch.compile`` by decorators, which import
the compiler in the first fit of every process. These steps are never compiled, so the
functions that the decorators wrap are called instead. If a version of torch has no such
decorators, these are torch's own methods.
"""

from collections.abc import Callable
from inspect import unwrap
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from skcnn._utils.compat import add_to_each, fused_kernel, has_optimizer_hooks

_ADD_PARAM_GROUP = unwrap(Optimizer.add_param_group)
_ZERO_GRAD = unwrap(Optimizer.zero_grad)
_STATE_DICT = unwrap(Optimizer.state_dict)
_LOAD_STATE_DICT = unwrap(Optimizer.load_state_dict)


class EagerOptimizer(Optimizer):
    """Base of optimizers that are never compiled."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own."""
        _ADD_PARAM_GROUP(self, param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients to None, or to zeros."""
        if not set_to_none:
            _ZERO_GRAD(self, False)
            return
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Return the state as a dict."""
        return _STATE_DICT(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state that `state_dict` returned."""
        _LOAD_STATE_DICT(self, state_dict)


def _eager_step(cls: type[Optimizer]) -> Callable[..., Any]:
    """Return the step of `cls` without torch's decorators."""
    return torch.no_grad()(unwrap(cls.step))


class Adam(EagerOptimizer, torch.optim.Adam):
    """Adam."""

    step = _eager_step(torch.optim.Adam)


class AdamW(EagerOptimizer, torch.optim.AdamW):
    """Adam with decoupled weight decay."""

    step = _eager_step(torch.optim.AdamW)


class SGD(EagerOptimizer, torch.optim.SGD):
    """Stochastic gradient descent."""

    step = _eager_step(torch.optim.SGD)


class RMSprop(EagerOptimizer, torch.optim.RMSprop):
    """RMSprop."""

    step = _eager_step(torch.optim.RMSprop)


class Adagrad(EagerOptimizer, torch.optim.Adagrad):
    """Adagrad."""

    step = _eager_step(torch.optim.Adagrad)


class _FusedSteps:
    """The steps of torch's fused Adam, bit for bit, which look up their tensors only once."""

    def __init__(self, optimizer: Optimizer, kernel: Callable[..., Any]) -> None:
        self._optimizer = optimizer
        self._kernel = kernel
        self._state: list[tuple[list[Tensor], ...]] = []

    @torch.no_grad()
    def __call__(self) -> None:
        groups = self._optimizer.param_groups
        gradients = [[p.grad for p in group["params"]] for group in groups]
        if any(g is None for part in gradients for g in part) or not self._collect():
            self._optimizer.step()
            return
        for group, part, (means, squares, steps) in zip(
            groups, gradients, self._state, strict=True
        ):
            add_to_each(steps, 1)
            beta1, beta2 = group["betas"]
            self._kernel(
                group["params"],
                part,
                means,
                squares,
                [],
                steps,
                lr=group["lr"],
                beta1=beta1,
                beta2=beta2,
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
            )

    def _collect(self) -> bool:
        """Look up the state once. Return False before the first step, which creates the state."""
        if not self._state:
            state = self._optimizer.state
            groups = [group["params"] for group in self._optimizer.param_groups]
            if not all(state.get(p) for params in groups for p in params):
                return False
            names = ("exp_avg", "exp_avg_sq", "step")
            self._state = [tuple([state[p][n] for p in ps] for n in names) for ps in groups]
        return True


_FUSED = {Adam: "adam", AdamW: "adamw"}


def repeated_step(optimizer: Optimizer) -> Callable[[], Any]:
    """Return a function that does one step of `optimizer`, fast if it is called repeatedly.

    It is valid as long as parameters, groups, hooks and state are not replaced.
    """
    kernel = fused_kernel(_FUSED.get(type(optimizer), ""))
    changed = "step" in vars(optimizer) or has_optimizer_hooks(optimizer)
    kinds = {(p.device, p.dtype) for group in optimizer.param_groups for p in group["params"]}
    if kernel is None or changed or len(kinds) != 1:
        return optimizer.step
    decoupled = isinstance(optimizer, AdamW)
    plain = all(
        group["params"]
        and group["fused"]
        and not group["amsgrad"]
        and not group["maximize"]
        and group.get("decoupled_weight_decay", decoupled) == decoupled
        for group in optimizer.param_groups
    )
    return _FusedSteps(optimizer, kernel) if plain else optimizer.step
