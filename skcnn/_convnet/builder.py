"""From an estimator's parameters to its network, and the network as a table."""

from dataclasses import replace
from inspect import signature
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from sklearn.exceptions import NotFittedError
from torch import Tensor, nn

from skcnn._architectures.packages import MakeModule
from skcnn._architectures.pretrained import load_weights, pretrained_base, published_architecture
from skcnn._architectures.registry import named_architecture
from skcnn._convnet.architectures import (
    from_knobs,
    head_of,
    takes_image_network,
    takes_series_network,
)
from skcnn._convnet.automatic import usual_layer_values
from skcnn._convnet.choice import chosen_parameters
from skcnn._convnet.fitted_base import (
    base_layers,
    check_masks,
    copy_base,
    fitted_base,
    makes_module,
    module_maker,
)
from skcnn._convnet.network_parameters import NetworkParameters
from skcnn._convnet.pretrained_input import (
    check_no_masks,
    check_opacity,
    check_prepared,
    input_layers,
    is_pretrained,
    resolve_image_size,
    source_of,
    unit_limits,
    unit_statistics,
)
from skcnn._convnet.pretrained_module import package_base, pretrained_module_maker
from skcnn._data.channel_statistics import channel_statistics
from skcnn._data.images import Images
from skcnn._data.layouts import MASK, InputLayout, layout_of_input_shape
from skcnn._data.samples import SampleSet
from skcnn._data.series.layout import SeriesLayout
from skcnn._data.series.reading import open_channels
from skcnn._data.value_range import ValueRange
from skcnn._network.network import (
    ConvNet,
    call_architecture,
    initialize_weights,
    make_standardize,
    wrap_callable,
)
from skcnn._network.series_net import SeriesNet, check_no_module
from skcnn._network.summary import summarize_layers, summarize_module
from skcnn._utils.random_state import private_random_state
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn.layers._base import LayerSpec, Shape
from skcnn.layers._normalization import fix_statistics
from skcnn.layers._sequence import TracedLayer, follow, trace, with_output

KNOBS = [*signature(from_knobs).parameters][3:]  # the parameters that describe a network


class NetworkBuilder(NetworkParameters):
    """Builds and summarises the network that the parameters describe."""

    n_outputs_: int
    net_: Any
    offset_: np.ndarray | None
    standardize: bool
    _value_range: ValueRange  # of X in fit
    _limits: tuple[float, float] | None = None  # of X, which a pretrained base gets as 0 and 1
    _layout: InputLayout
    _rows: list[TracedLayer] | None
    _of_classes: ClassVar[bool] = True  # whether the outputs are of classes

    def _check_parameters(self) -> None:
        raise NotImplementedError  # the estimator's

    def __sklearn_is_fitted__(self) -> bool:
        raise NotImplementedError  # the estimator's

    def _layers(self, input_shape: Shape) -> tuple[LayerSpec, ...]:
        """Return the specifications of the layers, without the last dense layer."""
        if is_pretrained(self.pretrained):
            return self._pretrained_layers(input_shape)
        if isinstance(self.architecture, str):
            return named_architecture(self.architecture, input_shape)
        base = fitted_base(self.architecture)
        if base is not None:
            return base_layers(base, input_shape)
        if self.architecture is not None:
            return tuple(self.architecture)
        how = (self._takes_any_length, self._of_classes)
        return from_knobs(input_shape, *how, **self._knobs())

    def _has_series_network(self, input_shape: Shape, any_length: bool) -> bool:
        """Return whether the network is the automatic one for signals."""
        if self.architecture is not None or is_pretrained(self.pretrained):
            return False
        return takes_series_network(input_shape, any_length, self._knobs())

    def _has_image_network(self, input_shape: Shape) -> bool:
        """Return whether the parameters ask for the automatic network for images and volumes."""
        return takes_image_network(input_shape, self._knobs())

    def _head(self, input_shape: Shape, any_length: bool) -> tuple[str | None, tuple[int, ...]]:
        """Return the global pool and hidden units of the network that the parameters describe."""
        return head_of(input_shape, any_length, self._of_classes, self._knobs())

    def _knobs(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in KNOBS}

    @property
    def _takes_any_length(self) -> bool:
        """Whether the network is one for signals of unequal length."""
        if open_channels(self.input_shape, self.channels) is not None:
            return True
        return isinstance(getattr(self, "_layout", None), SeriesLayout)

    def _pretrained_layers(self, input_shape: Shape) -> tuple[LayerSpec, ...]:
        """Return the layers that prepare images for a pretrained base, and those of the base."""
        name = self.architecture
        base = pretrained_base(name)
        check_no_masks(self.missing)
        owner = f"architecture={name!r}"
        first = input_layers(owner, base, input_shape, self.image_size, self.standardize)
        return (*first, *published_architecture(name, follow(first, input_shape)))

    def _input_statistics(self, train: SampleSet) -> tuple[Tensor, Tensor]:
        """Return what is subtracted from the values of each channel, and what divides them.

        A pretrained base gets values in [0, 1], which layers of its own scale further. The
        standardisation of a fitted base is copied later.
        """
        self._limits = None
        fitted = fitted_base(self.architecture)
        if fitted is not None:
            self._limits = fitted._limits
            self._check_opacity(train.images)
            return channel_statistics(train, standardize=False)
        if is_pretrained(self.pretrained):
            check_no_masks(self.missing)
            find_base = package_base if makes_module(self.architecture) else pretrained_base
            find_base(self.architecture)  # raises if there is none, before warnings about values
        if is_pretrained(self.pretrained) and self.standardize:
            self._limits = unit_limits(self._value_range, train.images)
            self._check_opacity(train.images)
            return unit_statistics(self._limits, train.images.layout.n_channels)
        if is_pretrained(self.pretrained):
            check_prepared(train.images)
        return channel_statistics(train, self.standardize)

    def _check_opacity(self, images: Images) -> None:
        """Check the opacity of images for a pretrained base."""
        if self._limits is not None:
            check_opacity(images, self._limits)

    def _module_maker(self) -> MakeModule:
        """Return the callable that makes a module, with pretrained weights if asked for."""
        if not is_pretrained(self.pretrained):
            return module_maker(self.architecture)
        source = source_of(self.pretrained)
        how = (self.image_size, self.standardize)
        return pretrained_module_maker(self.architecture, source, *how)

    def _trace(self, input_shape: Shape, n_outputs: int) -> list[TracedLayer]:
        return trace(with_output(self._layers(input_shape), n_outputs), input_shape)

    def _layer_values(self, layout: InputLayout) -> int:
        """Return how many values all layers return for a sample, an estimate for a callable."""
        shape = layout.traced_shape
        if makes_module(self.architecture):
            return usual_layer_values(self._module_shape(shape))
        rows = self._trace(shape, self.n_outputs_)
        return sum(row.spec.n_output_values(row.input_shape) for row in rows)

    def _module_shape(self, shape: Shape) -> Shape:
        """Return the shape of the images that a module of timm or torchvision gets."""
        if not is_pretrained(self.pretrained):
            return shape
        base = package_base(self.architecture)
        return (shape[0], *resolve_image_size(self.image_size, base, shape[1:]))

    def _make_module(
        self, layout: InputLayout, statistics: tuple[Tensor, Tensor], seed: int
    ) -> tuple[nn.Module, list[TracedLayer] | None]:
        """Return the module and its traced layers, or None if a callable made it."""
        base = fitted_base(self.architecture)
        if base is not None:
            check_masks(base, layout)
        module, rows = self._new_module(layout, statistics, seed)
        if base is not None:
            copy_base(module, base, self.offset_)
        return module, rows

    def _new_module(
        self, layout: InputLayout, statistics: tuple[Tensor, Tensor], seed: int
    ) -> tuple[nn.Module, list[TracedLayer] | None]:
        """Return the module with initial weights."""
        shape = layout.traced_shape
        if makes_module(self.architecture):
            check_no_module(layout, self.architecture)
            standardize = make_standardize(*statistics, layout)
            module = wrap_callable(self._module_maker(), shape, self.n_outputs_, standardize)
            return module, None
        rows = self._trace(shape, self.n_outputs_)
        of_any_length = isinstance(layout, SeriesLayout)
        standardize = make_standardize(*statistics, layout, least_axes=2)
        net = (SeriesNet if of_any_length else ConvNet)(rows, standardize)
        generator = torch.Generator().manual_seed(seed)
        initialize_weights(net, self.weight_init, generator)
        if is_pretrained(self.pretrained):
            load_weights(net.layers, self.architecture, source_of(self.pretrained))
            fix_statistics(net.layers)
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
            (trainable ones, also if `trainable` freezes them), multiply_accumulates (of one
            sample) and block (its number from the end, as counted by `trainable`: 0 for the
            output layer, 1 for the last block; missing for modules of callables).

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
        network_shape = layout.traced_shape
        if fitted and input_shape is None and n_outputs == self.n_outputs_:
            if self._rows is not None:
                return summarize_layers(self._rows)
            return summarize_module(self.net_.module_.module, network_shape)
        return self._table(network_shape, n_outputs)

    def _table(self, network_shape: Shape, n_outputs: int) -> pd.DataFrame:
        """Return a new network as a table."""
        if not makes_module(self.architecture):
            with chosen_parameters(self):
                return summarize_layers(self._trace(network_shape, n_outputs))
        with private_random_state(0, torch.device("cpu")):
            module = call_architecture(self._module_maker(), network_shape, n_outputs)
        return summarize_module(module, network_shape)

    def _summary_layout(self, input_shape: tuple[int, ...] | None) -> InputLayout | None:
        """Return the layout of the samples that `summary` describes, None if it is not known."""
        how = (self.n_spatial_dims, self.channels, type(self).__name__)
        masks = self.missing == MASK
        if input_shape is not None:
            layout = layout_of_input_shape(input_shape, *how, with_channels=True)
            return replace(layout, masks=masks)
        if self.__sklearn_is_fitted__():
            return self._layout
        if self.input_shape is not None and None not in self.input_shape:
            return replace(layout_of_input_shape(self.input_shape, *how), masks=masks)
        return None
