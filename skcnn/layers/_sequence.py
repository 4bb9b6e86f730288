"""Layers one after another: their shapes, their names and their torch module."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from skcnn.exceptions import ArchitectureError
from skcnn.layers._activation import MONOTONE, Activation
from skcnn.layers._base import SIGNAL_DIMS, LayerSpec, Shape
from skcnn.layers._dense import Dense, Flatten
from skcnn.layers._pair_pooling import MaxPoolByPairs
from skcnn.layers._pooling import Pool
from skcnn.layers._steps import Step, Updates, join_each, joint_step


@dataclass(frozen=True)
class TracedLayer:
    """One layer of a traced network: its name, specification and shapes."""

    name: str
    spec: LayerSpec
    input_shape: Shape
    output_shape: Shape


def as_layers(value: object, owner: str) -> tuple[LayerSpec, ...]:
    """Return a layer or a sequence of layers as a tuple."""
    layers = (value,) if isinstance(value, LayerSpec) else value
    if isinstance(layers, str) or not isinstance(layers, Iterable):
        layers = (layers,)
    layers = tuple(layers)
    for layer in layers:
        if not isinstance(layer, LayerSpec):
            raise ArchitectureError(
                f"{owner} must be made of skcnn.layers, such as Conv(32). Got {layer!r} "
                f"of type {type(layer).__name__}."
            )
    return layers


def follow(layers: Iterable[LayerSpec], shape: Shape) -> Shape:
    """Return the shape after all `layers`."""
    for layer in layers:
        shape = layer.output_shape(shape)
    return shape


def length_after(layers: Iterable[LayerSpec], length: int, shape: Shape) -> int:
    """Return the length of the maps of a signal after all `layers`, below 1 if it is too short.

    Parameters
    ----------
    layers : iterable of LayerSpec
        The layers, in a network for signals of unequal length.
    length : int
        Length of the signal.
    shape : tuple of int
        The longest signal, ``(n_channels, length)``.
    """
    for layer in layers:
        length = layer.output_length(length, shape)
        shape = layer.output_shape(shape)
    return length


def common_length(owner: LayerSpec, lengths: Iterable[int], length: int) -> int:
    """Return the one of `lengths` that parallel paths give.

    Raises
    ------
    ArchitectureError
        If they differ.
    """
    different = sorted(set(lengths))
    if len(different) > 1:
        raise ArchitectureError(
            f"{owner!r}: its paths give maps of the lengths {different} for a signal of length "
            f"{length}. Signals of unequal length need paths that agree for every length."
        )
    return different[0]


def sum_over_paths(method: str, paths: Iterable[Iterable[LayerSpec]], shape: Shape) -> int:
    """Return the sum of the results of a method of all layers in parallel paths."""
    total = 0
    for path in paths:
        here = shape
        for layer in path:
            total += getattr(layer, method)(here)
            here = layer.output_shape(here)
    return total


def with_output(layers: Iterable[LayerSpec], n_outputs: int) -> tuple[LayerSpec, ...]:
    """Return `layers` with the output layer, a dense layer of `n_outputs`.

    Flatten is put before the first Dense layer, which may be the output layer, if its input
    would be feature maps.
    """
    complete: list[LayerSpec] = []
    flat = False
    for layer in (*as_layers(layers, "The 'architecture'"), Dense(n_outputs)):
        if isinstance(layer, Dense) and not flat:
            complete.append(Flatten())
        complete.append(layer)
        flat = flat or layer.flattens
    return tuple(complete)


def trace(layers: Sequence[LayerSpec], shape: Shape) -> list[TracedLayer]:
    """Follow `shape` through `layers` and name each of them.

    Raises
    ------
    ArchitectureError
        If a layer does not fit, naming it by kind and position.
    """
    seen: Counter[str] = Counter()
    rows = []
    for position, layer in enumerate(layers):
        kind = type(layer).__name__.lower()
        seen[kind] += 1
        name = "output" if position == len(layers) - 1 else f"{kind}_{seen[kind]}"
        try:
            out = layer.output_shape(shape)
        except ArchitectureError as error:
            raise ArchitectureError(f"Layer {name!r} (number {position + 1}): {error}") from None
        rows.append(TracedLayer(name, layer, shape, out))
        shape = out
    return rows


def total_multiply_accumulates(rows: Iterable[TracedLayer]) -> int:
    """Return the multiply-accumulates of one sample through all layers."""
    return sum(row.spec.n_multiply_accumulates(row.input_shape) for row in rows)


def build_sequence(rows: Sequence[TracedLayer], is_signal: bool) -> nn.Sequential:
    """Build modules in order, with a max pool moved before a monotone activation.

    The result is the same, and the activation has fewer values to compute.
    """
    named: list[tuple[str, nn.Module, object]] = []
    for row in rows:
        activation = getattr(row.spec, "activation", None)
        # a layer may turn a signal with several channels into an image
        lifted = is_signal and len(row.input_shape) == SIGNAL_DIMS
        named.append((row.name, row.spec.build(row.input_shape, lifted), row.spec))
        if activation not in (None, "identity"):
            spec = Activation(activation)
            named.append((f"{row.name}_{activation}", spec.build(row.output_shape, lifted), spec))
    for i in range(len(named) - 1):
        if _commute(named[i][2], named[i + 1][2]):
            named[i], named[i + 1] = named[i + 1], named[i]
        module, follower = named[i][1], named[i + 1][1]
        if isinstance(module, MaxPoolByPairs):
            module.rectified = isinstance(follower, nn.ReLU)
    sequence = nn.Sequential()
    for name, module, _ in named:
        sequence.add_module(name, module)
    return sequence


def _commute(first: object, second: object) -> bool:
    """Return whether `second` is a max pool and commutes with `first`, a monotone function."""
    monotone = isinstance(first, Activation) and first.kind in MONOTONE
    return monotone and isinstance(second, Pool) and second.kind == "max"


def build_path(layers: Sequence[LayerSpec], shape: Shape, is_signal: bool) -> nn.Module:
    """Build the layers of one path inside a block."""
    if not layers:
        return nn.Identity()
    rows = trace((*layers, Flatten()), shape)[:-1]  # the last row would be named "output"
    return build_sequence(rows, is_signal)


@joint_step(nn.Sequential)
def _join_sequence(parts: Sequence[Any], updates: Updates) -> Step:
    steps = join_each(parts, updates)

    def run(x: Tensor) -> Tensor:
        for step in steps:
            x = step(x)
        return x

    return run
