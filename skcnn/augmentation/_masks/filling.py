"""What comes into the parts of samples that an augmentation fills."""

from numbers import Real
from typing import Any

import torch
from torch import Tensor

from skcnn._utils.compat import Interval, StrOptions
from skcnn.augmentation._image_ops import per_channel, sample_sums
from skcnn.augmentation._operations import Operation

FILL_VALUE: list[Any] = [
    Interval(Real, None, None, closed="neither"),
    StrOptions({"mean"}),
    None,
]


def filled(operation: Operation, fill_value: Any, inside: Tensor, images: Tensor) -> Tensor:
    """Return images with a value in some places.

    Parameters
    ----------
    operation : Operation
        Knows the offset that was subtracted from the images.
    fill_value : float, "mean" or None
        A number in the units of the data, the sample's mean, or zero of the images.
    inside : Tensor of bool, which broadcasts to the shape of `images`
        The places.
    images : Tensor of shape (n_samples, n_channels, *spatial)
        The samples.
    """
    if fill_value == "mean":
        means = sample_sums(images) / images[0].numel()
        fill = means.view(-1, *(1,) * (images.dim() - 1))
    else:
        value = 0.0 if fill_value is None else operation._in_images(float(fill_value))
        fill = per_channel(value, images)
    return torch.where(inside, fill, images)
