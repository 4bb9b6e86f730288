"""Steps of optimizers that can be recorded: learning rates and numbers of steps on the device."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from skcnn._training.eager_optimizers import SGD, Adam, AdamW
from skcnn._training.muon import Muon
from skcnn._utils.compat import has_optimizer_hooks


def can_be_recorded(optimizer: Optimizer) -> bool:
    """Return whether a step does everything on the device, but for rates and numbers of steps."""
    if has_optimizer_hooks(optimizer) or "step" in vars(optimizer):
        return False
    if type(optimizer) is Muon:
        return True
    fused = type(optimizer) in (Adam, AdamW, SGD)
    return fused and all(group.get("fused") for group in optimizer.param_groups)


class RecordableStep:
    """One step of an optimizer, as a function of what is in the device's memory.

    Parameters
    ----------
    optimizer : Optimizer
        One that `can_be_recorded`, with a state of each parameter.
    device : torch.device
        Where its parameters are.
    rate_dtype : torch.dtype
        Of the learning rates.
    """

    def __init__(self, optimizer: Any, device: torch.device, rate_dtype: torch.dtype) -> None:
        self._optimizer = optimizer
        self._groups = list(optimizer.param_groups)
        self._rates = [torch.zeros((), dtype=rate_dtype, device=device) for _ in self._groups]
        self._known: list[float | None] = [None] * len(self._groups)
        # Muon's numbers of steps are Python's; torch's fused steps keep theirs on the device
        self._counted = [s for s in optimizer.state.values() if isinstance(s.get("step"), int)]
        self._counts = [torch.zeros((), dtype=torch.float64, device=device) for _ in self._counted]

    def load(self) -> None:
        """Write the present learning rates and numbers of steps to the device."""
        for i, (rate, group) in enumerate(zip(self._rates, self._groups, strict=True)):
            if group["lr"] != self._known[i]:
                rate.fill_(group["lr"])
                self._known[i] = group["lr"]
        for count, state in zip(self._counts, self._counted, strict=True):
            count.fill_(state["step"])

    def done(self) -> None:
        """Count a step that was replayed."""
        for state in self._counted:
            state["step"] += 1

    def __call__(self) -> list[Tensor]:
        with self._on_device():
            self._optimizer.step()
        return []

    @contextmanager
    def _on_device(self) -> Iterator[None]:
        """Put tensors in the place of the numbers that change from step to step."""
        before = [dict(group) for group in self._groups]
        steps = [state["step"] for state in self._counted]
        try:
            for group, rate in zip(self._groups, self._rates, strict=True):
                group["lr"] = rate
                if "capturable" in group:
                    group["capturable"] = True
            for state, count in zip(self._counted, self._counts, strict=True):
                state["step"] = count
            yield
        finally:
            for group, old in zip(self._groups, before, strict=True):
                group.update(old)
            for state, step in zip(self._counted, steps, strict=True):
                state["step"] = step
