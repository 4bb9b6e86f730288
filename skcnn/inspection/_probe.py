"""What a fitted network has learned: its kernels, and what its layers give for samples.

Explains no prediction, which ``_saliency`` does, and draws nothing. What runs layers here
runs those of a copy: the fitted network keeps its mode, hooks and gradients.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skcnn._convnet.base import BaseConvNet
from skcnn._data.images import Images, InputLayout, padded_rows
from skcnn._network.modules import Pad
from skcnn._network.network import ConvNet
from skcnn._network.summary import summarize_module
from skcnn._utils.device import exact_kernels, predict_chunk, torch_threads
from skcnn._utils.validation import did_you_mean
from skcnn.layers._base import LayerSpec, Shape
from skcnn.layers._basic import Activation
from skcnn.layers._blocks import Concatenate, Residual, TracedLayer
from skcnn.layers._windows import Conv, Whiten

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
# Takes the output of a layer and returns what goes on from there.
Tap = Callable[[Tensor], Tensor]


def with_channels(maps: np.ndarray, layout: InputLayout) -> np.ndarray:
    """Return maps (n, n_maps, *spatial) with their channel axis as in `layout`."""
    return np.ascontiguousarray(np.moveaxis(maps, 1, -1)) if layout.channels == "last" else maps


# Kernels


def filters_of(net: BaseConvNet, layer: str | int | None) -> tuple[str, np.ndarray]:
    """Return a convolution's name and its kernels (n_filters, n_channels, *kernel)."""
    module = net.net_.module_
    inner = module.layers if isinstance(module, ConvNet) else module.module
    found = dict(_convolutions(inner))
    if not found:
        raise ValueError("The network has no convolution, and so no filters.")
    name = _pick(0 if layer is None else layer, list(found))
    weight = found[name].weight.detach().float().cpu()
    if isinstance(module, ConvNet) and module.is_signal:
        weight = weight.squeeze(2)  # signals run as images of height one
    return name, weight.numpy().copy()


def _convolutions(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield names and modules of the convolutions, in their order."""
    parts = dict(module.named_modules())
    for name, part in parts.items():
        if isinstance(part, CONVOLUTIONS):
            owner, _, last = name.rpartition(".")
            around = parts[owner]
            padded = isinstance(around, nn.Sequential) and isinstance(around[0], Pad)
            yield (owner if padded and last == "1" else name), part


def _pick(layer: str | int, names: Sequence[str], also: Iterable[str] = ()) -> str:
    """Return the name that `layer` is or is the number of; `also` are further names."""
    if isinstance(layer, str) and (layer in names or layer in also):
        return layer
    whole = isinstance(layer, Integral) and not isinstance(layer, bool)
    if whole and -len(names) <= layer < len(names):  # type: ignore[operator]
        return names[int(layer)]
    raise ValueError(
        f"The 'layer' parameter must be one of {list(names)} or a number from "
        f"{-len(names)} to {len(names) - 1}. Got {layer!r} instead.{did_you_mean(layer, names)}"
    )


# Layers at work


@contextmanager
def computing(net: BaseConvNet) -> Iterator[None]:
    """Compute as a prediction does, but with gradients, whatever the caller's mode is."""
    device = torch.device(net.net_.device)
    macs = net._macs * predict_chunk(device)
    with (
        torch_threads(net.n_threads, macs),
        exact_kernels(device),
        torch.inference_mode(False),
    ):
        yield


@dataclass(frozen=True)
class _Layer:
    """A layer of the network, its output's shape (n_channels, *spatial)."""

    name: str
    shape: Shape
    convolves: bool
    activates: bool


class NetworkProbe:
    """A copy of a fitted network, in evaluation mode, whose layers can be tapped.

    Parameters
    ----------
    net : ConvNet
        A fitted estimator.

    Attributes
    ----------
    chunk : int
        Number of samples in every pass, of which some may be padding: a sample's values
        and gradients are then the same bits in any company.
    device : torch.device
        Where the copy is.
    """

    def __init__(self, net: BaseConvNet) -> None:
        self.device = torch.device(net.net_.device)
        self.chunk = predict_chunk(self.device)
        self._layout = net._layout
        self._rows = net._rows
        self._module = copy.deepcopy(net.net_.module_).eval().requires_grad_(False)

    @cached_property
    def layers(self) -> list[_Layer]:
        """The layers in the order of the summary."""
        if self._rows is not None:
            return _traced_layers(self._rows)
        return _module_layers(self._module.module, self._layout.network_shape)

    def name_of(self, layer: str | int) -> str:
        """Return the name of the layer that the user means."""
        names = [each.name for each in self.layers]
        submodules = () if self._rows is not None else dict(self._module.module.named_modules())
        return _pick(layer, names, submodules)

    def blocks(self) -> list[str]:
        """Return the name of each convolution's activation, of the convolution without one.

        Of a user's module the activation is the next one of torch's that runs.

        Raises
        ------
        ValueError
            If no convolution gives feature maps.
        """
        ends: list[str] = []
        waiting = False  # for the activation of the last convolution
        for layer in self.layers:
            if layer.convolves and len(layer.shape) > 1:
                ends.append(layer.name)
                waiting = not layer.activates
            elif layer.activates and waiting and len(layer.shape) > 1:
                ends[-1] = layer.name
                waiting = False
        if not ends:
            raise ValueError(
                "The network has no convolution that gives feature maps: name a layer, one of "
                f"{[layer.name for layer in self.layers]}."
            )
        return ends

    def run(self, rows: Tensor, taps: Mapping[str, Tap] | None = None) -> Tensor:
        """Return the outputs for at most `chunk` samples.

        Parameters
        ----------
        rows : Tensor of shape (n_samples, n_values)
            On the network's device.
        taps : mapping of str to callable, default=None
            For the names of layers, what is done to their values (chunk, n_maps,
            *spatial), and returns what goes on to the next layer.
        """
        padded = padded_rows(rows, self.chunk)
        batch = Images(padded, self._layout).as_batch(padded)
        if not taps:
            outputs = self._module(batch)
        elif self._rows is not None:
            outputs = self._walk(batch, self._rows, taps)
        else:
            outputs = self._run_hooked(batch, taps)
        return outputs[: len(rows)]

    def values(self, rows: Tensor, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the values of layers for all samples, each (n_samples, n_maps, *spatial)."""
        parts: dict[str, list[Tensor]] = {name: [] for name in names}
        with torch.no_grad():
            for few in rows.split(self.chunk):
                found: dict[str, Tensor] = {}
                self.run(few.to(self.device), {name: _keeper(found, name) for name in names})
                for name in names:
                    parts[name].append(found[name][: len(few)].float().cpu())
        return {name: torch.cat(values).numpy() for name, values in parts.items()}

    def _walk(self, batch: Tensor, rows: Sequence[TracedLayer], taps: Mapping[str, Tap]) -> Tensor:
        """Run the layers in the order of their specifications.

        The module's own order may have a max pool before an activation.
        """
        module = self._module
        parts = dict(module.layers.named_children())
        x = module.standardize(batch.unsqueeze(2) if module.is_signal else batch)
        for row in rows:
            x = parts[row.name](x)
            own = _own_activation(row.spec)
            x = x if own is None else parts[f"{row.name}_{own}"](x)
            if row.name in taps:
                lifted = module.is_signal and x.dim() == 4
                x = taps[row.name](x.squeeze(2) if lifted else x)
                x = x.unsqueeze(2) if lifted else x
        return x

    def _run_hooked(self, batch: Tensor, taps: Mapping[str, Tap]) -> Tensor:
        """Run a user's module, whose order of layers only it knows."""
        parts = dict(self._module.module.named_modules())
        ran: set[str] = set()
        handles = [
            parts[name].register_forward_hook(_as_hook(name, tap, ran))
            for name, tap in taps.items()
        ]
        try:
            outputs = self._module(batch)
        finally:
            for handle in handles:
                handle.remove()
        for name in taps:
            if name not in ran:
                raise ValueError(f"The layer {name!r} has no part in a prediction.")
        return outputs


def _keeper(found: dict[str, Tensor], name: str) -> Tap:
    """Return a tap that keeps a layer's first value."""

    def keep(value: Tensor) -> Tensor:
        # a copy, since the next layer may work in place
        found.setdefault(name, value.clone())
        return value

    return keep


def _as_hook(name: str, tap: Tap, ran: set[str]) -> Callable[..., Any]:
    def hook(part: nn.Module, inputs: Any, output: Any) -> Any:
        ran.add(name)
        value, *rest = output if isinstance(output, tuple) else (output,)
        if not isinstance(value, Tensor):
            raise ValueError(
                f"The layer {name!r} returns {type(value).__name__}, not a tensor: name one "
                "of the layers in summary()."
            )
        return (tap(value), *rest) if isinstance(output, tuple) else tap(value)

    return hook


def _traced_layers(rows: Sequence[TracedLayer]) -> list[_Layer]:
    return [
        _Layer(
            row.name,
            row.output_shape,
            _convolves(row.spec),
            isinstance(row.spec, Activation) or _own_activation(row.spec) is not None,
        )
        for row in rows
    ]


def _own_activation(spec: LayerSpec) -> str | None:
    """Return the activation that a convolution or dense layer brings itself."""
    kind = getattr(spec, "activation", None)
    return None if kind == "identity" else kind


def _convolves(spec: LayerSpec) -> bool:
    if isinstance(spec, Residual):
        return any(map(_convolves, spec.layers))
    if isinstance(spec, Concatenate):
        return any(_convolves(layer) for branch in spec.branches for layer in branch)
    return isinstance(spec, Conv | Whiten)


def _module_layers(module: nn.Module, input_shape: Shape) -> list[_Layer]:
    parts = dict(module.named_modules())
    shapes = summarize_module(module, input_shape)["output_shape"]
    return [
        _Layer(
            name,
            (shape[-1], *shape[:-1]),  # the table has channels last
            isinstance(parts[name], CONVOLUTIONS),
            type(parts[name]).__module__ == nn.ReLU.__module__,
        )
        for name, shape in shapes.items()
        if shape  # others only own parameters
    ]
