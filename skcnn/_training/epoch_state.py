"""The state of a network in training after its last finished epoch, to go back to."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from skcnn._utils.compat import copy_to_each


class EpochState:
    """Keeps weights and optimizer state at the beginning of each epoch.

    The copies are written into the same tensors in every epoch.

    Parameters
    ----------
    engine : ConvNetEngine
        The network in training, with its optimizer.
    is_fresh : bool
        Whether the network is not trained yet. There is nothing to go back to in the first
        epoch then.
    """

    def __init__(self, engine: Any, is_fresh: bool) -> None:
        self._engine = engine
        self._n_epochs = len(engine.history)
        self._is_trained = not is_fresh
        self._in_epoch = False
        self._tensors: list[Tensor] = []
        self._copies: list[Tensor] = []
        self._buffers: list[tuple[nn.Module, str, Tensor]] = []
        self._optimizer: Any = None
        self._optimizer_state: dict[Any, dict[str, Any]] = {}

    def epoch_begin(self) -> None:
        """Keep the current state, and expect it to change."""
        if self._is_trained:
            self._save()
        self._in_epoch = True

    def epoch_done(self) -> None:
        """Take the current state as that of a finished epoch."""
        self._in_epoch = False
        self._is_trained = True
        self._n_epochs += 1

    def resume(self, n_epochs: int) -> None:
        """Take the current state as that after so many epochs of an earlier process."""
        self._is_trained = True
        self._n_epochs = n_epochs

    def go_back(self) -> None:
        """Return to the state after the last finished epoch, also of the engine's history."""
        if self._in_epoch and self._is_trained:
            self._restore()
        self._in_epoch = False
        del self._engine.history[self._n_epochs :]

    @contextmanager
    def before_last_epoch(self) -> Iterator[None]:
        """Set the state at the beginning of the last epoch, which is finished, for a while.

        Raises
        ------
        RuntimeError
            If it is not known.
        """
        same = all(getattr(part, name) is buffer for part, name, buffer in self._buffers)
        if not same or not self._tensors or self._engine.optimizer_ is not self._optimizer:
            raise RuntimeError("the state before the last epoch is not known")
        now = [tensor.detach().clone() for tensor in self._tensors]
        state = dict(self._optimizer.state)
        try:
            self._restore()
            yield
        finally:
            with torch.no_grad():
                _copy(self._tensors, now)
            self._optimizer.state.clear()
            self._optimizer.state.update(state)

    def _save(self) -> None:
        self._optimizer = self._engine.optimizer_
        self._optimizer_state = {
            parameter: {
                name: value if isinstance(value, Tensor) else copy.deepcopy(value)
                for name, value in state.items()
            }
            for parameter, state in self._optimizer.state.items()
        }
        module = self._engine.trained_module
        tensors = [*module.parameters(), *module.buffers()]
        self._buffers = [
            (part, name, buffer)
            for part in module.modules()
            for name, buffer in part.named_buffers(recurse=False)
        ]
        for state in self._optimizer_state.values():
            tensors += [value for value in state.values() if isinstance(value, Tensor)]
        with torch.no_grad():
            if [*map(id, tensors)] == [*map(id, self._tensors)]:
                _copy(self._copies, tensors)
            else:
                self._copies = [tensor.detach().clone() for tensor in tensors]
                self._tensors = tensors

    def _restore(self) -> None:
        with torch.no_grad():
            _copy(self._tensors, self._copies)
        for part, name, buffer in self._buffers:  # a module may have put others in their place
            if getattr(part, name) is not buffer:
                setattr(part, name, buffer)
        if self._engine.optimizer_ is not self._optimizer:  # a callback put another in place
            self._engine.optimizer_ = self._optimizer
        self._optimizer.state.clear()
        for parameter, state in self._optimizer_state.items():
            self._optimizer.state[parameter] = dict(state)


def _copy(targets: list[Tensor], sources: list[Tensor]) -> None:
    if targets:
        copy_to_each(targets, sources)
