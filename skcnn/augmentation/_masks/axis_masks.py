"""RandomTimeMask and RandomFrequencyMask: stripes of a spectrogram or a signal are filled."""

from inspect import cleandoc
from numbers import Integral, Real
from textwrap import indent
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from skcnn._utils.compat import Interval
from skcnn.augmentation._base import COMMON_CONSTRAINTS, Augmentation, documented
from skcnn.augmentation._draws import uniforms
from skcnn.augmentation._image_ops import inside_boxes
from skcnn.augmentation._masks.filling import FILL_VALUE, filled
from skcnn.augmentation._operations import Params

SIDES = {-1: "width", -2: "height"}  # of a mask along an axis
MASKS = cleandoc(
    """
    n_masks : int, default=2
        Number of masks. The <side> of each is uniform from 0 to the largest, so that some
        may have no <side>, and they may overlap.
    fill_value : float, "mean" or None, default=None
        Value of the masks: a number in the units of the data, the sample's mean, or with
        None zero. Where a ConvNet subtracts an `offset_` from `X`, None is the offset.
    """
)
REFERENCES = cleandoc(
    """
    References
    ----------
    Park et al., "SpecAugment: A simple data augmentation method for automatic speech
    recognition", arXiv:1904.08779.
    """
)
T = TypeVar("T", bound=type["AxisMask"])


def _documented_mask(cls: T) -> T:
    """Add the documentation that the masks share to the docstring of `cls`."""
    if cls.__doc__:  # None under python -OO
        masks = MASKS.replace("<side>", SIDES[cls._axis])
        for mark, text in (("<masks>", masks), ("<references>", REFERENCES)):
            cls.__doc__ = cls.__doc__.replace(f"    {mark}", indent(text, "    "))
    return cls


class AxisMask(Augmentation):
    """Base of the augmentations that fill stripes across one spatial axis, in all channels."""

    _parameter_constraints = {
        **COMMON_CONSTRAINTS,
        "max_share": [Interval(Real, 0, 1, closed="both")],
        "n_masks": [Interval(Integral, 1, None, closed="left")],
        "fill_value": FILL_VALUE,
    }
    _axis: ClassVar[int]  # number of the spatial axis, from the last one
    max_share: float
    n_masks: int
    fill_value: float | str | None

    def _can_change(self) -> bool:
        return super()._can_change() and self.max_share > 0

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        side = spatial[self._axis]
        most = np.floor(min(self.max_share * strength, 1.0) * side + 1e-9)
        shares = uniforms(keys, 2 * self.n_masks).reshape(len(keys), self.n_masks, 2)
        widths = np.floor(shares[..., 0] * (most + 1)).astype(int)
        lows = np.floor(shares[..., 1] * (side - widths + 1)).astype(int)
        return {"low": lows, "high": lows + widths}

    def _apply(self, images: Tensor, params: Params, span: float) -> Tensor:
        spatial = images.shape[2:]
        axis = len(spatial) + self._axis
        inside = torch.zeros((), dtype=torch.bool, device=images.device)
        for number in range(self.n_masks):
            lows = np.zeros((len(images), len(spatial)), int)
            highs = np.tile(np.array(spatial), (len(images), 1))
            lows[:, axis] = params["low"][:, number]
            highs[:, axis] = params["high"][:, number]
            inside = inside | inside_boxes(lows, highs, images)
        return filled(self, self.fill_value, inside, images)


@documented
@_documented_mask
class RandomTimeMask(AxisMask):
    """Fill random stretches of time: of a signal, or of the frames of a spectrogram.

    Parameters
    ----------
    max_share : float, default=0.1
        Largest width of a mask as a share of the last spatial axis, in [0, 1]: the length
        of a signal, the width of an image.
    <masks>
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    RandomFrequencyMask : The same for the bands of a spectrogram.
    RandomErasing : A box, or one stretch of a signal of a given share.

    <references>

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.augmentation import RandomTimeMask
    >>> masked = RandomTimeMask(0.5, n_masks=1, random_state=0).fit_transform(np.ones((2, 10)))
    >>> masked.to_numpy()
    array([[1., 1., 1., 1., 1., 1., 0., 0., 1., 1.],
           [1., 1., 1., 1., 0., 0., 1., 1., 1., 1.]])
    """

    _axis = -1

    def __init__(
        self,
        max_share: float = 0.1,
        *,
        n_masks: int = 2,
        fill_value: float | str | None = None,
        p: float = 1.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.max_share = max_share
        self.n_masks = n_masks
        self.fill_value = fill_value
        self.p = p
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state


@documented
@_documented_mask
class RandomFrequencyMask(AxisMask):
    """Fill random ranges of the bands of a spectrogram, which are the rows of an image.

    Parameters
    ----------
    max_share : float, default=0.2
        Largest height of a mask as a share of the last spatial axis but one, in [0, 1]:
        the bands of `Spectrogram`, the height of an image.
    <masks>
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    RandomTimeMask : The same along the time of a spectrogram or a signal.

    <references>

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.augmentation import RandomFrequencyMask
    >>> mask = RandomFrequencyMask(0.5, n_masks=1, random_state=3)
    >>> mask.fit_transform(np.ones((1, 6, 2))).to_numpy()[0].T
    array([[0., 0., 1., 1., 1., 1.],
           [0., 0., 1., 1., 1., 1.]])
    """

    _axis = -2
    _fewest_axes = 2

    def __init__(
        self,
        max_share: float = 0.2,
        *,
        n_masks: int = 2,
        fill_value: float | str | None = None,
        p: float = 1.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.max_share = max_share
        self.n_masks = n_masks
        self.fill_value = fill_value
        self.p = p
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state
