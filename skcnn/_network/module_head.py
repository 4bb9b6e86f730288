"""The last linear layer of a user's module, and the module before it."""

from typing import Any

import torch
from torch import Tensor, nn

from skcnn.exceptions import ArchitectureError


class NotLastError(Exception):
    """A module does not return what its last linear layer returns."""


def last_linear(network: nn.Module) -> nn.Linear:
    """Return the linear layer that is defined last.

    Raises
    ------
    ArchitectureError
        If there is none.
    """
    linear = [part for part in network.modules() if isinstance(part, nn.Linear)]
    if not linear:
        raise ArchitectureError(
            "trainable='head' trains the last torch.nn.Linear of the module that 'architecture' "
            "makes, and it has none: use trainable='all'."
        )
    return linear[-1]


class BeforeLinear(nn.Module):
    """What a module computes before its last linear layer.

    Parameters
    ----------
    network : nn.Module
        The module, which is run whole.
    head : nn.Linear
        A layer of it.
    """

    def __init__(self, network: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.network = network
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Return the input of the linear layer, (n_samples, n_features).

        Raises
        ------
        NotLastError
            If the module does not return that layer's output, once computed.
        """
        seen: list[Tensor] = []

        def keep(_: nn.Module, inputs: tuple[Any, ...]) -> None:
            seen.append(inputs[0])

        handle = self.head.register_forward_pre_hook(keep)
        try:
            outputs = self.network(x)
        finally:
            handle.remove()
        if len(seen) != 1 or not torch.equal(self.head(seen[0]), outputs):
            raise NotLastError
        return seen[0]
