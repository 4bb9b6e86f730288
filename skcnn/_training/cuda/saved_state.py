"""What a training step changes, to go back to it."""

from typing import Any

import torch
from torch import Tensor

from skcnn._utils.compat import copy_to_each
from skcnn.layers._dropout import dropout_generator


class SavedState:
    """A copy of weights, statistics, the optimizer's state and the generator of dropout.

    Parameters
    ----------
    engine : ConvNetEngine
        The network in training.
    """

    def __init__(self, engine: Any) -> None:
        module = engine.module_
        self._weights: list[Tensor] = [*module.parameters(), *module.buffers()]
        self._optimizer = engine.optimizer_
        self._numbers = [
            (state, name, value)
            for state in self._optimizer.state.values()
            for name, value in state.items()
            if not isinstance(value, Tensor)
        ]
        kept = (value for state in self._optimizer.state.values() for value in state.values())
        self._tensors = [*self._weights, *(v for v in kept if isinstance(v, Tensor))]
        self._copies = [tensor.detach().clone() for tensor in self._tensors]
        self._generator = dropout_generator(module)
        self._draws = None if self._generator is None else self._generator.get_state()

    def restore(self) -> None:
        """Write everything back, into the same memory."""
        with torch.no_grad():
            copy_to_each(self._tensors, self._copies)
        for state, name, value in self._numbers:
            state[name] = value
        if self._generator is not None and self._draws is not None:
            self._generator.set_state(self._draws)

    def weights_now(self) -> list[Tensor]:
        """Return copies of the weights and statistics as they are now."""
        return [tensor.detach().clone() for tensor in self._weights]

    @property
    def weights(self) -> list[Tensor]:
        """The weights and statistics that were saved."""
        return self._copies[: len(self._weights)]


def largest_difference(
    found: list[Tensor], expected: list[Tensor], scale_of: list[Tensor] | None = None
) -> float:
    """Return the norm of a difference of tensors, relative to that of a scale.

    Parameters
    ----------
    found, expected : list of Tensor
        What is compared, as one long vector.
    scale_of : list of Tensor or None, default=None
        `expected` is relative to these: the scale is what has changed since. None is zeros.

    Returns
    -------
    float
        Infinite if `found` is not finite where `expected` is; 0 if both are equal.
    """
    pairs = [(a.double(), b.double()) for a, b in zip(found, expected, strict=True)]
    away = _norm([a - b for a, b in pairs])
    wanted = [b for _, b in pairs]
    if scale_of is not None:
        wanted = [b - origin.double() for b, origin in zip(wanted, scale_of, strict=True)]
    scale = _norm(wanted)
    if away == 0:
        return 0.0
    relative = away / scale if scale > 0 else float("inf")
    return relative if relative == relative else float("inf")


def _norm(tensors: list[Tensor]) -> float:
    return float(sum(((t**2).sum() for t in tensors), torch.zeros((), dtype=torch.float64)) ** 0.5)
