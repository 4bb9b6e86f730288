"""Layer specifications from the architecture parameters."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from numbers import Real
from typing import Any

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
from skcnn.layers._sequence import follow, trace
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


def _are(knobs: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether parameters have values, also as NumPy's scalars or one for each axis."""
    return all(_is(knobs[name], value) for name, value in wanted.items())


def _is(value: Any, wanted: Any) -> bool:
    if isinstance(value, tuple | list) and isinstance(wanted, int):
        return len(value) > 0 and all(_is(each, wanted) for each in value)
    if wanted is None or isinstance(wanted, str):
        return value is wanted or (isinstance(value, str) and value == wanted)
    return isinstance(value, Real) and value == wanted


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
        Whether signals have unequal lengths. The means of the feature maps then take the
        place of their values in front of the dense layers.
    of_classes : bool, default=True
        Whether the outputs are of classes. The largest values of feature maps tell what there is,
        but less well where or how much.

    Returns
    -------
    tuple of LayerSpec
        Without the last dense layer.
    """
    before_dense = (Dropout(dropout),) if dropout > 0 else ()
    if takes_series_network(input_shape, any_length, locals()):
        normalize = None if normalization is None else Normalize(kind=normalization)
        network = compact_inception(input_shape, any_length, normalize, activation)
        return (*network, *before_dense)
    is_automatic = takes_image_network(input_shape, locals())
    kernel_size = 3 if kernel_size == AUTO else kernel_size
    pooling = "max" if pooling == AUTO else pooling
    pool_size = 2 if pool_size == AUTO else pool_size
    shape = input_shape
    layers: list[LayerSpec] = []

    def add(*new: LayerSpec) -> None:
        nonlocal shape
        layers.extend(new)
        try:
            shape = follow(new, shape)
        except ArchitectureError:
            trace((*layers, Flatten()), input_shape)  # raises it with the layer's name

    normalized = partial(_normalized, normalization=normalization, activation=activation)
    window: dict[str, Any] = {
        "kernel_size": kernel_size,
        "stride": 1 if is_automatic else stride,
        "padding": padding,
        "padding_mode": padding_mode,
    }

    def add_block(block: tuple[int, ...], pool_of: Callable[[Shape], Pool | None]) -> None:
        for n_filters in block:
            add(*normalized(Conv, n_filters, **window))
        pool = pool_of(shape[1:])
        if pool is not None:
            add(pool)
        if conv_dropout > 0:
            add(Dropout(conv_dropout, channels=True))

    if is_automatic:
        *blocks, last = pooled_filters(input_shape[1:])
        least = SMALLEST_GLOBAL if of_classes else SMALLEST_DENSE
        for n_filters in blocks:
            add_block((n_filters,), lambda sides: _pool_of_large_axes(sides, least, str(pooling)))
        add(*normalized(Conv, last, **window))
        if of_classes:
            return (*layers, GlobalPool(kind="max"), *before_dense)
    else:
        for block in _filters_of_blocks(filters, input_shape[1:]):
            add_block(block, lambda s: _pool_of_long_axes(s, pool_size, pool_stride, pooling))
    units = _units_of_layers((128,) if hidden_units == AUTO else hidden_units)
    add(*((GlobalPool(), *before_dense) if any_length else (*before_dense, Flatten())))
    for n_units in units:
        add(*normalized(Dense, n_units), *before_dense)
    return tuple(layers)
