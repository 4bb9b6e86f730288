"""What is in front of a pretrained base: the colours, size and scale of its own images."""

from math import ceil
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skcnn._architectures.pretrained import PretrainedBase
from skcnn._data.images import Images
from skcnn._data.layouts import MASK
from skcnn._data.value_range import MOST_BYTE, ValueRange
from skcnn._utils.validation import is_integer, warn_caller
from skcnn.exceptions import ArchitectureError, InputScaleWarning
from skcnn.layers import Rescale, Resize, ToRGB
from skcnn.layers._base import LayerSpec, Shape

TWO, RGB, RGBA = 2, 3, 4
# Chosen by features of EfficientNet-Lite0 for digits, Fashion-MNIST and CIFAR-10.
MOST_ENLARGED, LEAST_AUTO_SIDE, SIDE_STEP = 5, 96, 32
FEWEST_BYTES = 32  # bytes below it count as numbers of another range, such as 0 to 16


def check_no_masks(missing: str) -> None:
    """Check that no channels mark missing values, which a pretrained base does not know.

    Raises
    ------
    ArchitectureError
        If they do.
    """
    if missing == MASK:
        raise ArchitectureError(
            "A network with pretrained weights takes no channels that mark missing values: fill "
            f"them and set missing='error', or set pretrained=False. Got missing={missing!r}."
        )


def is_pretrained(pretrained: object) -> bool:
    """Return whether the parameter `pretrained` asks for weights."""
    return not isinstance(pretrained, bool | np.bool_) or bool(pretrained)


def source_of(pretrained: Any) -> Any:
    """Return the parameter as True or a path."""
    return True if isinstance(pretrained, np.bool_) else pretrained


def input_layers(
    owner: str, base: PretrainedBase, shape: Shape, image_size: Any, standardize: bool
) -> tuple[LayerSpec, ...]:
    """Return the layers that bring values in [0, 1] to those that a base was trained on.

    Parameters
    ----------
    owner : str
        The network, as messages name it.
    base : PretrainedBase
        Its size, mean and standard deviation.
    shape : tuple of int
        A sample, ``(n_channels, height, width)``.
    image_size : "auto", None, int or (int, int)
        The size that the base gets; None is that of the sample.
    standardize : bool
        Whether there is a `Rescale`.

    Raises
    ------
    ArchitectureError
        If a sample is no image, or has two channels.
    """
    if len(shape) != RGB:
        raise ArchitectureError(
            f"{owner} with pretrained weights is for images, with two spatial axes. Got "
            f"{len(shape) - 1} of sizes {shape[1:]}: use pretrained=False."
        )
    n_channels = shape[0]
    if n_channels == TWO:
        raise ArchitectureError(
            f"{owner} with pretrained weights takes images of 1 (grey), 3 (red, green, blue), 4 "
            "(with opacity) or more channels. Got 2: take one of them, add a third such as their "
            "mean, or use pretrained=False."
        )
    if n_channels == RGBA and not standardize:
        raise ArchitectureError(
            f"{owner} with pretrained weights takes images with opacity, of 4 channels, only with "
            "standardize=True. Got standardize=False: blend the images with a background before."
        )
    layers: list[LayerSpec] = [ToRGB()] if n_channels <= RGBA and n_channels != RGB else []
    size = resolve_image_size(image_size, base, shape[1:])
    if size != shape[1:]:
        layers.append(Resize(size))
    if standardize:
        mean, std = base.mean, base.std
        if n_channels > RGBA:
            mean, std = ((sum(values) / RGB,) * n_channels for values in (mean, std))
        layers.append(Rescale(mean, std))
    return tuple(layers)


def auto_image_side(base: PretrainedBase, longest: int) -> int:
    """Return the side of ``image_size="auto"`` for images whose longest side is given.

    Five times that side, as a multiple of 32 that is not smaller, but at least 96 and at most
    the published side. Small images that are enlarged more lose accuracy, and cost more. A base
    that is made for no smaller side gets the published one.
    """
    enlarged = ceil(MOST_ENLARGED * longest / SIDE_STEP) * SIDE_STEP
    side = max(LEAST_AUTO_SIDE, enlarged)
    return base.side if side < base.least_side else min(side, base.side)


def resolve_image_size(image_size: Any, base: PretrainedBase, spatial: Shape) -> Shape:
    """Return height and width for the parameter's value."""
    if image_size is None:
        return spatial
    if isinstance(image_size, str):
        side = auto_image_side(base, max(spatial))
        return (side, side)
    sides = tuple(image_size) if isinstance(image_size, list | tuple) else (image_size,) * TWO
    if len(sides) != TWO or not all(is_integer(n) and n >= 1 for n in sides):
        raise ArchitectureError(
            "The 'image_size' parameter must be 'auto', None, an integer >= 1 or a tuple of two, "
            f"(height, width). Got {image_size!r}."
        )
    return tuple(map(int, sides))


def unit_limits(value_range: ValueRange, images: Images) -> tuple[float, float]:
    """Return the values that become 0 and 1.

    Bytes are divided by 255, and values in [0, 1] kept. Others are scaled by their own range,
    with a warning: so are bytes that are all below 32, which must be numbers such as 0 to 16.
    """
    low, high = value_range.low, value_range.high
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if images.dtype == torch.uint8 and high >= FEWEST_BYTES:
        return 0.0, float(MOST_BYTE)
    warn_caller(
        f"The values of X lie in [{low:g}, {high:g}], and a pretrained network is for bytes or "
        "for values in [0, 1]. They are brought to [0, 1] by their smallest and largest value. "
        "Scale X so that 0 is black and 1 white, or give bytes.",
        InputScaleWarning,
    )
    return low, low + value_range.span


def unit_statistics(limits: tuple[float, float], n_channels: int) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel that bring `limits` to 0 and 1."""
    low, high = limits
    return torch.full((n_channels,), low), torch.full((n_channels,), high - low)


def check_prepared(images: Images) -> None:
    """Raise ValueError if values that a pretrained base gets unchanged are bytes."""
    if images.dtype == torch.uint8:
        raise ValueError(
            "standardize=False with pretrained weights is for images with the mean and the "
            "standard deviation that the network was trained on. Got bytes, or whole numbers "
            "from 0 to 255: use standardize=True."
        )


def check_opacity(images: Images, limits: tuple[float, float]) -> None:
    """Raise ValueError if the fourth channel, the opacity, is not in the range of its values."""
    layout = images.layout
    if layout.n_channels != RGBA or (images.dtype == torch.uint8 and limits == (0.0, MOST_BYTE)):
        return
    axis = -1 if layout.channels == "last" else 1
    low, high = np.inf, -np.inf
    for rows in images.parts():
        alpha = rows.numpy().reshape(len(rows), *layout.shape).take(3, axis=axis)
        low, high = min(low, float(alpha.min())), max(high, float(alpha.max()))
    most = limits[1] if limits in ((0.0, 1.0), (0.0, float(MOST_BYTE))) else 1.0
    if low < 0 or high > most:
        raise ValueError(
            "The fourth channel of X is the opacity for a pretrained network, and must lie in "
            f"[0, 1], or be bytes. Got values in [{low:g}, {high:g}] where the images lie in "
            f"[{limits[0]:g}, {limits[1]:g}]: leave it out, or scale it."
        )
