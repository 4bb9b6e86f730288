"""The layers of a network by name or number, and those that have feature maps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from torch import nn

from skcnn._network.summary import summarize_module
from skcnn._utils.validation import did_you_mean, is_integer
from skcnn.layers._activation import Activation
from skcnn.layers._base import LayerSpec, Shape
from skcnn.layers._sequence import TracedLayer

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class NamedLayer:
    """A layer of a network.

    Attributes
    ----------
    name : str
        Name in the summary.
    shape : tuple of int
        Shape of its output, ``(n_channels, *spatial)``.
    convolves : bool
        Whether it is or contains a convolution.
    activates : bool
        Whether it is or ends with an activation.
    """

    name: str
    shape: Shape
    convolves: bool
    activates: bool


def pick_layer(layer: str | int, names: Sequence[str], also: Iterable[str] = ()) -> str:
    """Return the name that the user's `layer` is, or is the number of.

    Parameters
    ----------
    layer : str or int
        The user's parameter.
    names : sequence of str
        Names that are numbered, and listed in the message.
    also : iterable of str, default=()
        Other legal names.

    Raises
    ------
    ValueError
        If there is no such layer.
    """
    if isinstance(layer, str) and (layer in names or layer in also):
        return layer
    if is_integer(layer) and -len(names) <= layer < len(names):
        return names[int(layer)]
    raise ValueError(
        f"The 'layer' parameter must be one of {list(names)} or a number from "
        f"{-len(names)} to {len(names) - 1}. Got {layer!r} instead.{did_you_mean(layer, names)}"
    )


def check_spatial_axes(parameter: str, name: str, shape: Sequence[int], n_axes: int) -> None:
    """Raise an error unless a layer's output of `shape` is a feature map with `n_axes` axes."""
    if len(shape) != 1 + n_axes:
        raise ValueError(
            f"The {parameter!r} parameter needs feature maps with {n_axes} spatial axes. Got "
            f"{name!r}, whose output has the shape {tuple(shape)}."
        )


def own_activation(spec: LayerSpec) -> str | None:
    """Return the activation that is part of a convolution or a dense layer."""
    kind = getattr(spec, "activation", None)
    return None if kind == "identity" else kind


def layers_of_specs(rows: Sequence[TracedLayer]) -> list[NamedLayer]:
    """Return the layers of a network that was made from specifications."""
    return [
        NamedLayer(
            row.name,
            row.output_shape,
            row.spec.convolves,
            isinstance(row.spec, Activation) or own_activation(row.spec) is not None,
        )
        for row in rows
    ]


def layers_of_module(module: nn.Module, input_shape: Shape) -> list[NamedLayer]:
    """Return the layers of a user's module, in the order in which they run."""
    parts = dict(module.named_modules())
    shapes = summarize_module(module, input_shape)["output_shape"]
    return [
        NamedLayer(
            name,
            (shape[-1], *shape[:-1]),  # the summary has channels last
            isinstance(parts[name], CONVOLUTIONS),
            type(parts[name]).__module__ == nn.ReLU.__module__,
        )
        for name, shape in shapes.items()
        if shape  # rows without a shape only own parameters
    ]


def feature_map_layers(layers: Sequence[NamedLayer]) -> list[str]:
    """Return for each convolution the activation that follows it, or else the convolution.

    In a user's module the activation is the next one of torch's that runs.

    Raises
    ------
    ValueError
        If no convolution returns feature maps.
    """
    names: list[str] = []
    is_open = False  # whether the last convolution is still without its activation
    for layer in layers:
        if layer.convolves and len(layer.shape) > 1:
            names.append(layer.name)
            is_open = not layer.activates
        elif layer.activates and is_open and len(layer.shape) > 1:
            names[-1] = layer.name
            is_open = False
    if not names:
        raise ValueError(
            "The network has no convolution that returns feature maps. Name a layer, one of "
            f"{[layer.name for layer in layers]}."
        )
    return names


def last_map_layer(layers: Sequence[NamedLayer]) -> str:
    """Return the last of `feature_map_layers` whose maps have more than one place.

    A map of one place says nothing of where. If all maps have one place, it is the last layer.
    """
    names = feature_map_layers(layers)
    shapes = {layer.name: layer.shape for layer in layers}
    with_places = [name for name in names if prod(shapes[name][1:]) > 1]
    return (with_places or names)[-1]
