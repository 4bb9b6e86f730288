"""Deviations from the mean of the training samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from skcnn._utils.validation import is_number
from skcnn.exceptions import ArchitectureError
from skcnn.layers._base import LayerSpec, Shape, check_spatial, with_height
from skcnn.layers._steps import Step, Updates, apart, joint_step, own_forward, prediction_step


class DeviationChannels(nn.Module):
    """The input, and its scaled deviations from a mean that is set from data, as channels."""

    scale: Tensor
    shift: Tensor

    def __init__(self, shape: tuple[int, ...], largest_share: float) -> None:
        super().__init__()
        self.largest_share = largest_share
        self.register_buffer("scale", torch.ones(shape[0], *(1,) * (len(shape) - 1)))
        self.register_buffer("shift", torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        """Return (n_samples, 2 * n_channels, *spatial)."""
        return torch.cat([x, torch.addcmul(self.shift, x, self.scale)], 1)


@dataclass(frozen=True, repr=False)
class Deviations(LayerSpec):
    r"""The values, and beside them their deviations from the training samples' mean, as channels.

    The mean is that of all training samples at the same channel and place, and the deviations
    are divided by their standard deviation in the channel. They bring out what differs between
    samples that are much alike, as spectra or heartbeats that begin at the same moment. Nothing
    in it is trained. It is meant for the first layer, and for signals or images of one size.

    Parameters
    ----------
    largest_share : float, default=1.0
        Deviations that are more than this share of the channel's variance are left out, and
        zeros are in their place: a network sees them anyway, and the mean of few samples is
        nothing but another noise.

    Notes
    -----
    For the value :math:`x_{icp}` of sample i, channel c and place p, and the weights
    :math:`w_i` of the samples with the sum 1, the new channel is
    :math:`(x_{icp} - m_{cp}) / s_c` with :math:`m_{cp} = \sum_i w_i x_{icp}` and
    :math:`s_c^2` the mean over p of :math:`\sum_i w_i (x_{icp} - m_{cp})^2`. A channel without
    deviations is not divided. They are taken from 5,000 samples at most.

    Examples
    --------
    >>> from skcnn.layers import Deviations
    >>> Deviations().output_shape((3, 150))
    (6, 150)
    >>> Deviations().n_parameters((3, 150))
    0
    """

    largest_share: float = 1.0

    def __post_init__(self) -> None:
        share = self.largest_share
        if not is_number(share) or not 0 < share <= 1:
            raise ArchitectureError(
                f"The 'largest_share' of Deviations must be a float in (0, 1]. Got {share!r}."
            )

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(2 * n_channels, *spatial)``."""
        check_spatial(self, shape)
        return (2 * shape[0], *shape[1:])

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the module, whose mean is 0 until it is set from the training samples."""
        check_spatial(self, shape)
        return DeviationChannels(
            (shape[0], *with_height(shape[1:], is_signal, 1)), self.largest_share
        )


prediction_step(DeviationChannels)(own_forward)


@joint_step(DeviationChannels)
def _join_deviations(parts: Sequence[Any], updates: Updates) -> Step:
    scale, shift = (torch.stack([getattr(part, n) for part in parts]) for n in ("scale", "shift"))

    def step(x: Tensor) -> Tensor:
        each = apart(x, len(parts))
        return torch.cat([each, torch.addcmul(shift, each, scale)], 2).flatten(1, 2)

    return step
