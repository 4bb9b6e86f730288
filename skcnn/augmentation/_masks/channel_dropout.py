"""RandomChannelDropout: whole channels of a sample are filled."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from skcnn._utils.device import copied_to
from skcnn.augmentation._base import COMMON_CONSTRAINTS, Augmentation, documented
from skcnn.augmentation._draws import subkeys, uniforms
from skcnn.augmentation._masks.filling import FILL_VALUE, filled
from skcnn.augmentation._operations import Params
from skcnn.augmentation._ranges import Range


@documented
class RandomChannelDropout(Augmentation):
    """Fill random channels, such as sensors or electrodes that fail.

    One channel of each sample is always kept, so samples of a single channel stay as they
    are.

    Parameters
    ----------
    share : float or (low, high), default=0.2
        Probability of each channel to be filled; a number `r` means 0 to r, drawn for each
        sample.
    fill_value : float, "mean" or None, default=None
        Value of the channels: a number in the units of the data, the sample's mean over all
        channels, or with None zero. Where a ConvNet subtracts an `offset_` from `X`, None is
        the offset.
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    RandomTimeMask : Fills stretches of time in all channels.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.augmentation import RandomChannelDropout
    >>> X = np.ones((3, 50, 4))  # signals of length 50 with four channels
    >>> dropout = RandomChannelDropout((0.5, 0.5), n_spatial_dims=1, random_state=0)
    >>> dropout.fit_transform(X).to_numpy().max(axis=1)
    array([[0., 0., 1., 1.],
           [0., 0., 0., 1.],
           [0., 0., 1., 0.]])
    """

    _parameter_constraints = {**COMMON_CONSTRAINTS, "fill_value": FILL_VALUE}
    _ranges = {"share": Range(0.0, False, 0.0, 1.0)}

    def __init__(
        self,
        share: float | tuple[float, float] = 0.2,
        *,
        fill_value: float | str | None = None,
        p: float = 1.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.share = share
        self.fill_value = fill_value
        self.p = p
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state

    def _keeps_padding(self) -> bool:
        return self.fill_value != "mean"

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        shares = uniforms(subkeys(keys, 0), 1)[:, 0]
        return {"share": self._scaled("share", shares, strength), "channel_key": subkeys(keys, 1)}

    def _apply(self, images: Tensor, params: Params, span: float) -> Tensor:
        draws = uniforms(params["channel_key"], images.shape[1])  # (n_samples, n_channels)
        dropped = draws < params["share"][:, None]
        dropped &= draws < draws.max(axis=1, keepdims=True)  # one is kept
        inside = copied_to(torch.from_numpy(dropped), images.device)
        inside = inside.view(*dropped.shape, *(1,) * (images.dim() - 2))
        return filled(self, self.fill_value, inside, images)
