"""HookedNetwork: a copy of a fitted network whose layers can be read and changed.

The fitted network itself keeps its mode, hooks and gradients.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from skcnn._convnet.base import BaseConvNet
from skcnn._data.images import Images, padded_rows
from skcnn._data.layouts import InputLayout
from skcnn._network.named_layers import (
    NamedLayer,
    layers_of_module,
    layers_of_specs,
    own_activation,
    pick_layer,
)
from skcnn._utils.device import predict_chunk
from skcnn._utils.out_of_memory import Halving
from skcnn._utils.precision import exact_kernels
from skcnn._utils.threads import torch_threads
from skcnn.layers._base import SIGNAL_DIMS
from skcnn.layers._sequence import TracedLayer

# Takes the output of a layer and returns what the next layer is given.
Hook = Callable[[Tensor], Tensor]
T = TypeVar("T")


def with_channels(maps: np.ndarray, layout: InputLayout) -> np.ndarray:
    """Return maps (n, n_maps, *spatial) with the channel axis where `layout` has it."""
    return np.ascontiguousarray(np.moveaxis(maps, 1, -1)) if layout.channels == "last" else maps


@contextmanager
def prediction_settings(net: BaseConvNet) -> Iterator[None]:
    """Compute with the threads and kernels of a prediction."""
    device = torch.device(net.net_.device)
    macs = net._macs * predict_chunk(device, net._layout.network_shape)
    with torch_threads(net.n_threads, macs), exact_kernels(device):
        yield


def _keeper(found: dict[str, Tensor], name: str) -> Hook:
    """Return a hook that keeps a layer's first output."""

    def keep(value: Tensor) -> Tensor:
        # a copy, since the next layer may work in place
        found.setdefault(name, value.clone())
        return value

    return keep


def _as_torch_hook(name: str, hook: Hook, ran: set[str]) -> Callable[..., Any]:
    """Return a forward hook of torch that applies `hook` and adds `name` to `ran`."""

    def forward_hook(part: nn.Module, inputs: Any, output: Any) -> Any:
        ran.add(name)
        value, *rest = output if isinstance(output, tuple) else (output,)
        if not isinstance(value, Tensor):
            raise ValueError(
                f"The layer {name!r} returns {type(value).__name__}, not a tensor. Name one "
                "of the layers in summary()."
            )
        return (hook(value), *rest) if isinstance(output, tuple) else hook(value)

    return forward_hook


class HookedNetwork:
    """A copy of a fitted network, in evaluation mode, with hooks on its layers.

    Parameters
    ----------
    net : ConvNet
        A fitted estimator.

    Attributes
    ----------
    chunk : int
        Number of samples in every pass, some of which may be padding. It makes a sample's
        values and gradients bitwise independent of the other samples. Passes are smaller where
        there is too little memory, with a warning.
    device : torch.device
        Device of the copy.
    """

    def __init__(self, net: BaseConvNet) -> None:
        self.device = torch.device(net.net_.device)
        self.chunk = predict_chunk(self.device, net._layout.network_shape)
        self._layout = net._layout
        self._rows = net._rows
        self._module = copy.deepcopy(net.net_.module_).eval().requires_grad_(False)

    @cached_property
    def layers(self) -> list[NamedLayer]:
        """The layers in the order of the summary."""
        if self._rows is not None:
            return layers_of_specs(self._rows)
        return layers_of_module(self._module.module, self._layout.traced_shape)

    def name_of(self, layer: str | int) -> str:
        """Return the name of the layer that the user's parameter means."""
        submodules = () if self._rows is not None else dict(self._module.module.named_modules())
        return pick_layer(layer, [each.name for each in self.layers], submodules)

    def run(
        self, rows: Tensor, hooks: Mapping[str, Hook] | None = None, n_rows: int | None = None
    ) -> Tensor:
        """Return the outputs for at most `chunk` samples.

        Parameters
        ----------
        rows : Tensor of shape (n_samples, n_values)
            Samples on the network's device.
        hooks : mapping of str to callable, default=None
            Hooks by the name of their layer. A hook takes the layer's output (n_rows, n_maps,
            *spatial) and returns what the next layer is given.
        n_rows : int or None, default=None
            Size of the pass, None for `chunk`.
        """
        padded = padded_rows(rows, self.chunk if n_rows is None else n_rows)
        batch = Images(padded, self._layout).as_batch(padded)
        if not hooks:
            outputs = self._module(batch)
        elif self._rows is not None:
            outputs = self._run_specs(batch, self._rows, hooks)
        else:
            outputs = self._run_module(batch, hooks)
        return outputs[: len(rows)]

    def values(self, rows: Tensor, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the outputs of layers for all samples, each (n_samples, n_maps, *spatial)."""

        def compute(first: int, n: int, n_rows: int) -> dict[str, Tensor]:
            found: dict[str, Tensor] = {}
            few = rows[first : first + n].to(self.device)
            self.run(few, {name: _keeper(found, name) for name in names}, n_rows)
            return {name: value[:n].float().cpu() for name, value in found.items()}

        with torch.no_grad():
            parts = self.in_passes(compute, len(rows), "the layers' outputs")
        return {name: torch.cat([part[name] for part in parts]).numpy() for name in names}

    def in_passes(self, compute: Callable[[int, int, int], T], n: int, what: str) -> list[T]:
        """Return what `compute` returns for the passes of `n` samples, in order.

        Parameters
        ----------
        compute : callable
            Called with the first sample, the number of samples and the number of rows of a
            pass. It is called again with smaller ones if there is too little memory.
        n : int
            Number of samples.
        what : str
            What is computed, for the warning of too little memory.
        """
        halving = Halving(self.device, what)
        parts: list[T] = []
        for start in range(0, n, self.chunk):
            parts += halving.run(compute, start, min(self.chunk, n - start), self.chunk)
        halving.warn()
        return parts

    def _run_specs(
        self, batch: Tensor, rows: Sequence[TracedLayer], hooks: Mapping[str, Hook]
    ) -> Tensor:
        """Run the layers in the order of their specifications.

        The module's own order may have a max pool before an activation.
        """
        module = self._module
        parts = dict(module.layers.named_children())
        x = module.standardize(batch.unsqueeze(2) if module.is_signal else batch)
        for row in rows:
            x = parts[row.name](x)
            activation = own_activation(row.spec)
            x = x if activation is None else parts[f"{row.name}_{activation}"](x)
            if row.name in hooks:
                # maps (n, n_maps, 1, length)
                lifted = module.is_signal and len(row.output_shape) == SIGNAL_DIMS
                x = hooks[row.name](x.squeeze(2) if lifted else x)
                x = x.unsqueeze(2) if lifted else x
        return x

    def _run_module(self, batch: Tensor, hooks: Mapping[str, Hook]) -> Tensor:
        """Run a user's module with forward hooks of torch."""
        parts = dict(self._module.module.named_modules())
        ran: set[str] = set()
        handles = [
            parts[name].register_forward_hook(_as_torch_hook(name, hook, ran))
            for name, hook in hooks.items()
        ]
        try:
            outputs = self._module(batch)
        finally:
            for handle in handles:
                handle.remove()
        for name in hooks:
            if name not in ran:
                raise ValueError(f"The layer {name!r} does not run in a prediction.")
        return outputs
