"""Layer specifications from the architecture parameters."""

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

from skcnn._architectures.parts import Stack
from skcnn._architectures.series import compact_inception
from skcnn._convnet.automatic import auto_filters, pooled_filters
from skcnn._utils.validation import is_integer
from skcnn.exceptions import ArchitectureError
from skcnn.layers._activation import Activation
from skcnn.layers._base import LayerSpec, Shape
from skcnn.layers._convolution import Conv
from skcnn.layers._dense import Dense, Flatten
from skcnn.layers._dropout import Dropout
from skcnn.layers._normalization import Normalize
from skcnn.layers._pooling import GlobalPool, Pool
from skcnn.layers._sequence import trace
from skcnn.layers._shapes import per_axis

AUTO = "auto"
SHORTEST_SERIES = 32
# What the parameters must be for signals to get the network of their own.
OF_SERIES = {
    **dict.fromkeys(("filters", "kernel_size", "pooling", "pool_size", "hidden_units"), AUTO),
    "stride": 1,
    "padding": "same",
    "padding_mode": "zeros",
    "pool_stride": None,
    "global_pooling": AUTO,
    "conv_dropout": 0.0,
}
# What they must be for images and volumes to get a network of their own.
OF_IMAGES = {
    **dict.fromkeys(("filters", "pool_size", "hidden_units"), AUTO),
    "stride": 1,
    "padding": "same",
    "pool_stride": None,
}
# To which sides of the automatic network's feature maps are pooled at least: in front of a global
# pool, and of a dense layer, whose weights are fewer for smaller maps.
SMALLEST_GLOBAL, SMALLEST_DENSE = 4, 3


def _filters_of_blocks(filters: object, spatial: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the convolutions' filters, one tuple for each block."""
    if isinstance(filters, str) and filters == "auto":
        filters = auto_filters(spatial)
    blocks = filters if isinstance(filters, Iterable) else (filters,)
    listed = [tuple(b) if isinstance(b, list | tuple) else (b,) for b in blocks]
    for block in listed:
        if not block or not all(_is_count(f) for f in block):
            raise ArchitectureError(
                "The 'filters' parameter must be 'auto', an integer >= 1 or a tuple with "
                "one entry per block, an integer for one convolution or a tuple of "
                f"integers for several, such as (32, (64, 64)). Got {filters!r}."
            )
    return listed


def _is_count(value: Any) -> bool:
    return is_integer(value) and value >= 1


def _units_of_layers(hidden_units: object) -> tuple[int, ...]:
    units = tuple(hidden_units) if isinstance(hidden_units, Iterable) else (hidden_units,)
    if not all(_is_count(u) for u in units):
        raise ArchitectureError(
            "The 'hidden_units' parameter must be an integer >= 1 or a tuple of them, "
            f"one for each hidden dense layer, () for none. Got {hidden_units!r}."
        )
    return units


def _pool_of_long_axes(
    spatial: Shape, size: object, stride: object, kind: str | None
) -> Pool | None:
    """Return a pool that leaves out axes of length one, None if there is none."""
    if kind is None:
        return None
    sizes = per_axis(size, len(spatial), "pool_size")
    strides = sizes if stride is None else per_axis(stride, len(spatial), "pool_stride")
    if max(spatial) == 1:
        return None
    return Pool(
        tuple(k if n > 1 else 1 for k, n in zip(sizes, spatial, strict=True)),
        stride=tuple(s if n > 1 else 1 for s, n in zip(strides, spatial, strict=True)),
        kind=kind,
    )


def _pool_of_large_axes(spatial: Shape, smallest: int, kind: str) -> Pool | None:
    """Return a pool that halves axes but to no less than `smallest`, None if there are none."""
    windows = tuple(2 if side // 2 >= smallest else 1 for side in spatial)
    return Pool(windows, kind=kind) if max(windows) > 1 else None


def _normalized(
    kind: type[Conv | Dense], size: int, *, normalization: str | None, activation: str, **how: Any
) -> tuple[LayerSpec, ...]:
    """Return a layer with weights, its normalisation unless None, and its activation."""
    if normalization is None:
        return (kind(size, activation=activation, **how),)
    # normalisation has a bias of its own
    return (kind(size, bias=False, **how), Normalize(kind=normalization), Activation(activation))


def takes_series_network(input_shape: Shape, any_length: bool, knobs: Mapping[str, Any]) -> bool:
    """Return whether samples are signals, and no parameter says how their blocks are.

    Short rows are more often columns of a table.

    Parameters
    ----------
    input_shape : tuple of int
        ``(n_channels, *spatial)``.
    any_length : bool
        Whether signals have unequal lengths.
    knobs : mapping
        The keyword arguments of `from_knobs`.
    """
    is_series = len(input_shape) == 2 and (any_length or input_shape[1] >= SHORTEST_SERIES)
    return is_series and _are(knobs, OF_SERIES)


def takes_image_network(input_shape: Shape, knobs: Mapping[str, Any]) -> bool:
    """Return whether samples are images or volumes, and no parameter says how their blocks are.

    Parameters
    ----------
    input_shape : tuple of int
        ``(n_channels, *spatial)``.
    knobs : mapping
        The keyword arguments of `from_knobs`.
    """
    n_spatial_dims, stride = len(input_shape) - 1, knobs["stride"]
    if n_spatial_dims < 2 or knobs["pooling"] is None or not _are(knobs, OF_IMAGES):
        return False
    return not isinstance(stride, tuple | list) or len(stride) == n_spatial_dims


def head_of(
    input_shape: Shape, any_length: bool, of_classes: bool, knobs: Mapping[str, Any]
) -> tuple[str | None, tuple[int, ...]]:
    """Return the global pool behind the blocks, None for flattened maps, and the hidden units.

    Parameters
    ----------
    input_shape, any_length, of_classes
        As for `from_knobs`.
    knobs : mapping
        The keyword arguments of `from_knobs`.
    """
    given, units = knobs["global_pooling"], knobs["hidden_units"]
    is_image = takes_image_network(input_shape, knobs)
    pool = given
    if given == AUTO and is_image:
        pool = "max" if of_classes else None
    elif given == AUTO:
        pool = "average" if any_length else None
    if isinstance(units, str) and units == AUTO:
        units = () if pool is not None and (is_image or given != AUTO) else (128,)
    return pool, _units_of_layers(units)


def _are(knobs: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether parameters have values, also as NumPy's scalars or one for each axis."""
    return all(_is(knobs[name], value) for name, value in wanted.items())


def _is(value: Any, wanted: Any) -> bool:
    if isinstance(value, tuple | list) and isinstance(wanted, int):
        return len(value) > 0 and all(_is(each, wanted) for each in value)
    if wanted is None or isinstance(wanted, str):
        return value is wanted or (isinstance(value, str) and value == wanted)
    return isinstance(value, Real) and value == wanted


class _Network(Stack):
    """Blocks and dense layers that are added one after another, as the parameters say.

    Parameters
    ----------
    input_shape : tuple of int
        ``(n_channels, *spatial)``.
    knobs : mapping
        The keyword arguments of `from_knobs`.
    """

    def __init__(self, input_shape: Shape, knobs: Mapping[str, Any]) -> None:
        super().__init__(input_shape)
        self._input_shape = input_shape
        self._knobs = knobs
        self._pooling = "max" if knobs["pooling"] == AUTO else knobs["pooling"]
        dropout = knobs["dropout"]
        self.before_dense = (Dropout(dropout),) if dropout > 0 else ()

    def add(self, *layers: LayerSpec) -> None:
        """Add layers at the end."""
        try:
            super().add(*layers)
        except ArchitectureError:
            trace((*self.layers, Flatten()), self._input_shape)  # raises it with the layer's name

    def add_given_blocks(self) -> None:
        """Add the blocks of `filters`, each with its pool."""
        knobs = self._knobs
        size = 2 if knobs["pool_size"] == AUTO else knobs["pool_size"]
        how = (size, knobs["pool_stride"], self._pooling)
        for block in _filters_of_blocks(knobs["filters"], self._input_shape[1:]):
            for n_filters in block:
                self._add_convolution(n_filters, knobs["stride"])
            self._end_block(_pool_of_long_axes(self.shape[1:], *how))

    def add_automatic_blocks(self, smallest: int) -> None:
        """Add the convolutions of the automatic network for images, and pools to that side."""
        *pooled, last = pooled_filters(self._input_shape[1:])
        for n_filters in pooled:
            self._add_convolution(n_filters)
            self._end_block(_pool_of_large_axes(self.shape[1:], smallest, self._pooling))
        self._add_convolution(last)

    def add_head(self, pool: str | None, units: Sequence[int]) -> None:
        """Add a global pool, or flatten the maps if it is None, and the hidden dense layers."""
        if pool is None:
            self.add(*self.before_dense, Flatten())
        else:
            self.add(GlobalPool(kind=pool), *self.before_dense)
        for n_units in units:
            self._add_normalized(Dense, n_units)
            self.add(*self.before_dense)

    def _add_convolution(self, n_filters: int, stride: Any = 1) -> None:
        knobs = self._knobs
        size = 3 if knobs["kernel_size"] == AUTO else knobs["kernel_size"]
        how = {name: knobs[name] for name in ("padding", "padding_mode")}
        self._add_normalized(Conv, n_filters, kernel_size=size, stride=stride, **how)

    def _end_block(self, pool: Pool | None) -> None:
        if pool is not None:
            self.add(pool)
        if self._knobs["conv_dropout"] > 0:
            self.add(Dropout(self._knobs["conv_dropout"], channels=True))

    def _add_normalized(self, kind: type[Conv | Dense], size: int, **how: Any) -> None:
        how |= {name: self._knobs[name] for name in ("normalization", "activation")}
        self.add(*_normalized(kind, size, **how))


def from_knobs(
    input_shape: Shape,
    any_length: bool = False,
    of_classes: bool = True,
    *,
    filters: object,
    kernel_size: str | int | tuple[int, ...],
    stride: int | tuple[int, ...],
    padding: str | int | tuple[int, ...],
    padding_mode: str,
    pooling: str | None,
    pool_size: str | int | tuple[int, ...],
    pool_stride: int | tuple[int, ...] | None,
    global_pooling: str | None,
    hidden_units: object,
    activation: str,
    normalization: str | None,
    dropout: float,
    conv_dropout: float,
) -> tuple[LayerSpec, ...]:
    """Return the layers that the estimators' architecture parameters describe.

    A block is one or several convolutions, a pool and channel dropout. The hidden dense
    layers follow the blocks. Each convolution and hidden dense layer is followed by
    normalisation and activation. Dropout acts on the input of every dense layer, including
    the last. Signals whose blocks are all "auto" get a network of their own.

    Parameters
    ----------
    input_shape : tuple of int
        ``(n_channels, *spatial)``.
    any_length : bool, default=False
        Whether signals have unequal lengths, so that maps cannot be flattened.
    of_classes : bool, default=True
        Whether the outputs are of classes. The largest values of feature maps tell what there is,
        but less well where or how much.

    Returns
    -------
    tuple of LayerSpec
        Without the last dense layer.
    """
    knobs = dict(locals())
    network = _Network(input_shape, knobs)
    if takes_series_network(input_shape, any_length, knobs):
        normalize = None if normalization is None else Normalize(kind=normalization)
        network.add(*compact_inception(input_shape, any_length, normalize, activation))
        network.add(*network.before_dense)
        return tuple(network.layers)
    pool, units = head_of(input_shape, any_length, of_classes, knobs)
    if takes_image_network(input_shape, knobs):
        network.add_automatic_blocks(SMALLEST_DENSE if pool is None else SMALLEST_GLOBAL)
    else:
        network.add_given_blocks()
    network.add_head(pool, units)
    return tuple(network.layers)
