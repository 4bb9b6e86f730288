"""From an estimator's parameters to its network, and the network as a table."""

from inspect import signature
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.exceptions import NotFittedError
from torch import Tensor, nn

from skcnn._architectures.registry import named_architecture
from skcnn._convnet.architectures import from_knobs
from skcnn._convnet.automatic import usual_layer_values
from skcnn._convnet.fitted_base import (
    base_layers,
    copy_base,
    fitted_base,
    makes_module,
    module_maker,
)
from skcnn._convnet.network_parameters import NetworkParameters
from skcnn._data.layouts import InputLayout, layout_of_input_shape
from skcnn._network.network import (
    ConvNet,
    Standardize,
    call_architecture,
    initialize_weights,
    wrap_callable,
)
from skcnn._network.summary import summarize_layers, summarize_module
from skcnn._utils.random_state import private_random_state
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn.layers._base import LayerSpec, Shape
from skcnn.layers._sequence import TracedLayer, trace, with_output

KNOBS = [*signature(from_knobs).parameters][1:]  # the parameters that describe a network


class NetworkBuilder(NetworkParameters):
    """Builds and summarises the network that the parameters describe."""

    n_outputs_: int
    net_: Any
    offset_: np.ndarray | None
    _layout: InputLayout
    _rows: list[TracedLayer] | None

    def _check_parameters(self) -> None:
        raise NotImplementedError  # the estimator's

    def __sklearn_is_fitted__(self) -> bool:
        raise NotImplementedError  # the estimator's

    def _layers(self, input_shape: Shape) -> tuple[LayerSpec, ...]:
        """Return the specifications of the layers, without the last dense layer."""
        if isinstance(self.architecture, str):
            return named_architecture(self.architecture, input_shape)
        base = fitted_base(self.architecture)
        if base is not None:
            return base_layers(base, input_shape)
        if self.architecture is not None:
            return tuple(self.architecture)
        return from_knobs(input_shape, **{name: getattr(self, name) for name in KNOBS})

    def _trace(self, input_shape: Shape, n_outputs: int) -> list[TracedLayer]:
        return trace(with_output(self._layers(input_shape), n_outputs), input_shape)

    def _layer_values(self, layout: InputLayout) -> int:
        """Return how many values all layers return for a sample, an estimate for a callable."""
        shape = layout.network_shape
        if makes_module(self.architecture):
            return usual_layer_values(shape)
        rows = self._trace(shape, self.n_outputs_)
        return sum(row.spec.n_output_values(row.input_shape) for row in rows)

    def _make_module(
        self, layout: InputLayout, statistics: tuple[Tensor, Tensor], seed: int
    ) -> tuple[nn.Module, list[TracedLayer] | None]:
        """Return the module and its traced layers, or None if a callable made it."""
        module, rows = self._new_module(layout, statistics, seed)
        base = fitted_base(self.architecture)
        if base is not None:
            copy_base(module, base, self.offset_)
        return module, rows

    def _new_module(
        self, layout: InputLayout, statistics: tuple[Tensor, Tensor], seed: int
    ) -> tuple[nn.Module, list[TracedLayer] | None]:
        """Return the module with initial weights."""
        shape = layout.network_shape
        if makes_module(self.architecture):
            standardize = Standardize(*statistics, n_axes=len(layout.spatial))
            make = module_maker(self.architecture)
            module = wrap_callable(make, shape, self.n_outputs_, standardize)
            return module, None
        rows = self._trace(shape, self.n_outputs_)
        net = ConvNet(rows, Standardize(*statistics, n_axes=max(len(layout.spatial), 2)))
        generator = torch.Generator().manual_seed(seed)
        initialize_weights(net, self.weight_init, generator)
        return net, rows

    @in_standard_torch_state
    def summary(
        self, input_shape: tuple[int, ...] | None = None, n_outputs: int | None = None
    ) -> pd.DataFrame:
        """Return the network as a table.

        Parameters
        ----------
        input_shape : tuple of int or None, default=None
            Shape of a sample with its channel axis at the position `channels`: (28, 28,
            1), or (100, 3) for signals. With `n_spatial_dims`, the axis of a single channel
            may be missing. None takes the fitted shape, and before fitting the parameter
            `input_shape`.
        n_outputs : int or None, default=None
            Number of outputs. None takes the number in the fitted network.

        Returns
        -------
        DataFrame
            Indexed by layer, with the columns type, output_shape (``(*spatial,
            n_channels)``), output_size (values of a sample), kernel, parameters
            (trainable ones) and multiply_accumulates (of one sample).

        Raises
        ------
        NotFittedError
            If the estimator is not fitted and `input_shape` or `n_outputs` is missing.
        InputShapeError
            If `input_shape` has no channel axis, or does not fit `n_spatial_dims`.
        """
        self._check_parameters()
        fitted = self.__sklearn_is_fitted__()
        layout = self._summary_layout(input_shape)
        n_outputs = n_outputs or (self.n_outputs_ if fitted else None)
        if layout is None or n_outputs is None:
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet: summary needs "
                "input_shape, with the channel axis, and n_outputs."
            )
        network_shape = layout.network_shape
        if fitted and input_shape is None and n_outputs == self.n_outputs_:
            if self._rows is not None:
                return summarize_layers(self._rows)
            return summarize_module(self.net_.module_.module, network_shape)
        return self._table(network_shape, n_outputs)

    def _table(self, network_shape: Shape, n_outputs: int) -> pd.DataFrame:
        """Return a new network as a table."""
        if not makes_module(self.architecture):
            return summarize_layers(self._trace(network_shape, n_outputs))
        with private_random_state(0, torch.device("cpu")):
            make = module_maker(self.architecture)
            module = call_architecture(make, network_shape, n_outputs)
        return summarize_module(module, network_shape)

    def _summary_layout(self, input_shape: tuple[int, ...] | None) -> InputLayout | None:
        """Return the layout of the samples that `summary` describes, None if it is not known."""
        how = (self.n_spatial_dims, self.channels, type(self).__name__)
        if input_shape is not None:
            return layout_of_input_shape(input_shape, *how, with_channels=True)
        if self.__sklearn_is_fitted__():
            return self._layout
        if self.input_shape is not None:
            return layout_of_input_shape(self.input_shape, *how)
        return None
