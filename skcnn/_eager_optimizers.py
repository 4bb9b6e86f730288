"""torch's optimizers without the compiler that they import.

Know parameters only. torch keeps ``torch.compile`` out of an optimizer with decorators
that import the compiler, sympy with it: 800 modules, one second of the first fit of every
process and of every worker of a search. Nobody compiles these steps, so the functions
below the decorators do; where torch has no such decorator they are torch's own.
"""

from collections.abc import Callable
from inspect import unwrap
from typing import Any

import torch
from torch.optim import Optimizer

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
        """Forget the gradients."""
        _ZERO_GRAD(self, set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """Return the state as a dict."""
        return _STATE_DICT(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        _LOAD_STATE_DICT(self, state_dict)


def _eager_step(cls: type[Optimizer]) -> Callable[..., Any]:
    """Return the step of `cls` as it is below torch's decorators."""
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
