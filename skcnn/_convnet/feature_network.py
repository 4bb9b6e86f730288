"""The part of a network that ends at a layer, with that layer's outputs pooled to features."""

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from skcnn._convnet.fitted_base import last_linear
from skcnn._data.images import Images
from skcnn._network.first_layers import first_layers
from skcnn._network.named_layers import layers_of_module, pick_layer
from skcnn._network.network import ConvNet, WrappedNet
from skcnn._network.prediction import Predictor
from skcnn._network.series_net import SeriesNet
from skcnn._network.series_prediction import SeriesPredictor
from skcnn.layers._base import SIGNAL_DIMS, LayerSpec, Shape
from skcnn.layers._concatenate import Concatenate
from skcnn.layers._dense import Flatten
from skcnn.layers._pooling import GlobalPool
from skcnn.layers._sequence import TracedLayer

POOLINGS = ("average", "max", "both")
# Of the largest activation of a pass. Deep networks have few that are so large, and as many
# calls of kernels in a small pass as in a large one.
MOST_BYTES = 2**24


class FeatureNetwork:
    """A network that returns features, and its predictor, which is not pickled.

    Parameters
    ----------
    module : nn.Module
        Returns (n_samples, n_features).
    sample_shape : tuple of int
        One sample, ``(n_channels, *spatial)``.
    device : torch.device
        Where it is computed.
    """

    def __init__(self, module: nn.Module, sample_shape: Shape, device: torch.device) -> None:
        self.module = module.to(device).eval().requires_grad_(False)
        self.sample_shape = sample_shape
        self.device = device
        self._predictor: Predictor | SeriesPredictor | None = None

    @cached_property
    def n_features(self) -> int:
        """The number of features."""
        of_any_length = isinstance(self.module, SeriesNet)
        n_channels, *spatial = self.sample_shape
        sample = torch.ones((1, n_channels + of_any_length, *spatial), device=self.device)
        with torch.inference_mode():
            return self.module(sample).shape[1]

    def __call__(self, images: Images) -> np.ndarray:
        """Return the features of all `images`, batch-independent bit for bit, as float32."""
        predictor = self._predictor
        if predictor is None or not predictor.fits(self.module, self.device):
            if isinstance(self.module, SeriesNet):
                predictor = SeriesPredictor(self.module, self.sample_shape, self.device)
            else:
                predictor = Predictor(self.module, self.sample_shape, self.device, MOST_BYTES)
            self._predictor = predictor
        return predictor.outputs(images).float().cpu().numpy()

    def __getstate__(self) -> dict[str, Any]:
        module, cpu = self.module, torch.device("cpu")
        if self.device != cpu:
            module = copy.deepcopy(module).cpu()
        return {**vars(self), "module": module, "device": cpu, "_predictor": None}


def feature_network(
    net: nn.Module,
    rows: Sequence[TracedLayer] | None,
    input_shape: Shape,
    layer: str | int | None,
    pooling: str | None,
) -> tuple[nn.Module, str]:
    """Return a module from samples to features, and the name of the layer they are from.

    Parameters
    ----------
    net : ConvNet or WrappedNet
        The whole network.
    rows : sequence of TracedLayer or None
        Its layers; None if it is a user's module.
    input_shape : tuple of int
        One sample, ``(n_channels, *spatial)``.
    layer : str, int or None
        The layer by its name or number in the summary. None is the one before the output layer.
    pooling : {"average", "max", "both"} or None
        What is taken of each map.

    Raises
    ------
    ValueError
        If there is no such layer, or it is the output layer.
    """
    if rows is None:
        return _of_module(cast(WrappedNet, net), input_shape, layer, pooling)
    names = [row.name for row in rows]
    name = names[-2] if layer is None else pick_layer(layer, names)
    if name == names[-1]:
        raise _no_features(layer, names[:-1])
    k = names.index(name) + 1
    return with_pooling(first_layers(cast(ConvNet, net), rows, k), rows[:k], pooling), name


def with_pooling(part: ConvNet, rows: Sequence[TracedLayer], pooling: str | None) -> ConvNet:
    """Return the network of all `rows`, with a module that makes features of the last maps."""
    shape = rows[-1].output_shape
    if len(shape) > 1:
        is_signal = part.is_signal and len(shape) == SIGNAL_DIMS
        if pooling is None and isinstance(part, SeriesNet):
            raise ValueError(
                "The 'pooling' parameter must not be None for signals of unequal length, whose "
                f"maps in the layer {rows[-1].name!r} have unequal sizes."
            )
        part.layers.add_module("features", _pool(pooling).build(shape, is_signal))
    return part


def _no_features(layer: Any, names: Sequence[str]) -> ValueError:
    return ValueError(
        f"The 'layer' parameter must be a layer before the output layer, one of {list(names)}. "
        f"Got {layer!r}, which returns predictions."
    )


def _pool(pooling: str | None) -> LayerSpec:
    """Return the layer that makes features of maps."""
    if pooling is None:
        return Flatten()
    if pooling == "both":
        return Concatenate([[GlobalPool()], [GlobalPool(kind="max")]])  # type: ignore[arg-type]
    return GlobalPool(kind=pooling)


# Modules of the user


class ReachedError(Exception):
    """The layer with the features is reached, so that nothing after it is computed.

    The exception carries the values, because the same module may run in several threads.
    """

    def __init__(self, values: Any) -> None:
        super().__init__()
        self.values = values


def _stop_before(part: nn.Module, inputs: tuple) -> None:
    raise ReachedError(inputs[0])


def _stop_after(part: nn.Module, inputs: tuple, output: Any) -> None:
    raise ReachedError(output[0] if isinstance(output, tuple) else output)


class FeaturesOfModule(nn.Module):
    """A user's module up to one of its parts.

    Parameters
    ----------
    module : nn.Module
        The user's module, which gets a hook.
    part : str
        Name of a submodule.
    before : bool
        Whether the features are its input and not its output.
    pooling : {"average", "max", "both"} or None
        What is taken of each map.
    """

    def __init__(self, module: nn.Module, part: str, before: bool, pooling: str | None) -> None:
        super().__init__()
        self.module = module
        self.part = part
        self.pooling = pooling
        stop = module.get_submodule(part)
        if before:
            stop.register_forward_pre_hook(_stop_before)
        else:
            stop.register_forward_hook(_stop_after)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features, (n_samples, n_features)."""
        try:
            self.module(x)
        except ReachedError as reached:
            return self._pooled(reached.values)
        raise ValueError(f"The layer {self.part!r} does not run in a prediction.")

    def _pooled(self, values: Any) -> Tensor:
        if not isinstance(values, Tensor) or values.dim() < 2:
            got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise ValueError(
                f"The layer {self.part!r} must return one tensor, of one row a sample. Got {got}."
            )
        if values.dim() == 2:
            return values
        axes = tuple(range(2, values.dim()))
        if self.pooling is None:
            return values.movedim(1, -1).flatten(1)
        pooled = [values.mean(axes)] if self.pooling != "max" else []
        pooled += [values.amax(axes)] if self.pooling != "average" else []
        return torch.cat(pooled, 1)


def _of_module(
    net: WrappedNet, input_shape: Shape, layer: str | int | None, pooling: str | None
) -> tuple[nn.Module, str]:
    output = last_linear(net.module, input_shape)
    if layer is None:
        if output is None:
            raise ValueError(
                "The 'layer' parameter must be set for a module that does not end with a "
                "torch.nn.Linear. None takes the input of that one."
            )
        name, before = output, True
    else:
        names = [each.name for each in layers_of_module(net.module, input_shape)]
        submodules = [name for name, _ in net.module.named_modules() if name]
        name, before = pick_layer(layer, names, submodules), False
        if name == output:
            raise _no_features(layer, [each for each in names if each != output])
    net.module = FeaturesOfModule(net.module, name, before, pooling)
    with torch.no_grad():
        net.eval()(torch.zeros((1, *input_shape)))  # raises if the layer does not run
    return net, name
