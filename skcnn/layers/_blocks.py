"""Layers made of layers, and the way of a shape through a whole network.

Builds no tensor: a network that does not fit is found out in plain integers.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from skcnn.exceptions import ArchitectureError
from skcnn.layers._base import LayerSpec, Shape
from skcnn.layers._basic import Dense, Flatten, GlobalPool
from skcnn.layers._windows import Conv


def _as_layers(value: object, owner: str) -> tuple[LayerSpec, ...]:
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


@dataclass(frozen=True, repr=False)
class Residual(LayerSpec):
    """Layers whose input is added to their output.

    Parameters
    ----------
    layers : sequence of LayerSpec
        The body.
    shortcut : "auto" or sequence of LayerSpec, default="auto"
        What the input goes through before it is added. "auto" is the identity where
        the shapes agree, else a 1x1 convolution with the stride that makes them agree.

    References
    ----------
    He et al., "Deep residual learning for image recognition", arXiv:1512.03385.

    Examples
    --------
    >>> from skcnn.layers import Activation, Conv, Residual
    >>> block = Residual([Conv(32, activation="relu"), Conv(32)])
    >>> block.output_shape((32, 14, 14))
    (32, 14, 14)
    """

    layers: tuple[LayerSpec, ...]
    shortcut: Any = field(default="auto", kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", _as_layers(self.layers, "Residual layers"))
        if not isinstance(self.shortcut, str):
            object.__setattr__(self, "shortcut", _as_layers(self.shortcut, "Residual shortcut"))
        elif self.shortcut != "auto":
            raise ArchitectureError(
                "The 'shortcut' of Residual must be 'auto' or a sequence of layers. "
                f"Got {self.shortcut!r}."
            )

    def resolve_shortcut(self, shape: Shape) -> tuple[LayerSpec, ...]:
        """Return the layers of the shortcut, empty for the identity."""
        if not isinstance(self.shortcut, str):
            return self.shortcut
        target = follow(self.layers, shape)
        if target == shape:
            return ()
        if len(target) != len(shape):
            raise ArchitectureError(
                f"{self!r} turns {shape} into {target}: a shortcut cannot be added to it. "
                "Keep Flatten, GlobalPool and Dense out of the body."
            )
        if len(shape) == 1:
            return (Dense(target[0], bias=False),)
        stride = tuple(max(1, -(-n // m)) for n, m in zip(shape[1:], target[1:], strict=True))
        return (Conv(target[0], 1, stride=stride, padding="valid", bias=False),)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the body's output shape."""
        out = follow(self.layers, shape)
        short = follow(self.resolve_shortcut(shape), shape)
        if out != short:
            raise ArchitectureError(
                f"{self!r}: body and shortcut give different shapes, {out} and {short}, "
                f"for an input of {shape}. Give a shortcut that matches the body."
            )
        return out

    def n_parameters(self, shape: Shape) -> int:
        """Return the parameters of body and shortcut."""
        return _total("n_parameters", (self.layers, self.resolve_shortcut(shape)), shape)

    def n_multiply_accumulates(self, shape: Shape) -> int:
        """Return the multiply-accumulates of body and shortcut."""
        paths = (self.layers, self.resolve_shortcut(shape))
        return _total("n_multiply_accumulates", paths, shape)


@dataclass(frozen=True, repr=False)
class Concatenate(LayerSpec):
    """Parallel branches on the same input, their channels put one after another.

    Parameters
    ----------
    branches : sequence of (sequence of LayerSpec)
        The branches; an empty one passes the input on. All must give the same
        spatial size.

    References
    ----------
    Szegedy et al., "Going deeper with convolutions", arXiv:1409.4842.

    Examples
    --------
    >>> from skcnn.layers import Concatenate, Conv
    >>> Concatenate([[Conv(16, 1)], [Conv(16, 3)], [Conv(8, 5)]]).output_shape((3, 32, 32))
    (40, 32, 32)
    """

    branches: tuple[tuple[LayerSpec, ...], ...]

    def __post_init__(self) -> None:
        if not isinstance(self.branches, Iterable):
            raise ArchitectureError(
                "The 'branches' of Concatenate must be a sequence of sequences of layers. "
                f"Got {self.branches!r}."
            )
        branches = tuple(_as_layers(b, "Concatenate branches") for b in self.branches)
        if not branches:
            raise ArchitectureError("The 'branches' of Concatenate must not be empty.")
        object.__setattr__(self, "branches", branches)

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(sum of the branches' channels, *spatial)``."""
        outs = [follow(branch, shape) for branch in self.branches]
        if len({out[1:] for out in outs}) > 1:
            raise ArchitectureError(
                f"{self!r}: the branches must agree in spatial size. Got shapes {outs} "
                f"for an input of {shape}."
            )
        return (sum(out[0] for out in outs), *outs[0][1:])

    def n_parameters(self, shape: Shape) -> int:
        """Return the parameters of all branches."""
        return _total("n_parameters", self.branches, shape)

    def n_multiply_accumulates(self, shape: Shape) -> int:
        """Return the multiply-accumulates of all branches."""
        return _total("n_multiply_accumulates", self.branches, shape)


@dataclass(frozen=True)
class TracedLayer:
    """One layer of a traced network: its name, specification and integer figures."""

    name: str
    spec: LayerSpec
    input_shape: Shape
    output_shape: Shape


def follow(layers: Iterable[LayerSpec], shape: Shape) -> Shape:
    """Return the shape after all `layers`."""
    for layer in layers:
        shape = layer.output_shape(shape)
    return shape


def _total(figure: str, paths: Iterable[Iterable[LayerSpec]], shape: Shape) -> int:
    """Return the sum of a layer figure over parallel paths from `shape`."""
    total = 0
    for path in paths:
        here = shape
        for layer in path:
            total += getattr(layer, figure)(here)
            here = layer.output_shape(here)
    return total


def _flattens(layer: LayerSpec) -> bool:
    """Return whether `layer` turns feature maps into a vector."""
    if isinstance(layer, Residual):
        return any(map(_flattens, layer.layers))
    if isinstance(layer, Concatenate):
        return any(_flattens(inner) for branch in layer.branches for inner in branch)
    return isinstance(layer, Flatten | GlobalPool | Dense)


def with_output(layers: Iterable[LayerSpec], n_outputs: int) -> tuple[LayerSpec, ...]:
    """Return `layers` closed by a dense layer of `n_outputs`.

    Flatten is put before the first Dense layer (the closing one included) that
    would otherwise meet feature maps.
    """
    closed: list[LayerSpec] = []
    flat = False
    for layer in (*_as_layers(layers, "The 'architecture'"), Dense(n_outputs)):
        if isinstance(layer, Dense) and not flat:
            closed.append(Flatten())
        closed.append(layer)
        flat = flat or _flattens(layer) or isinstance(layer, Dense)
    return tuple(closed)


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
