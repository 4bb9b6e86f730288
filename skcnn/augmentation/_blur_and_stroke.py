"""RandomBlur and RandomStroke: values mixed with those of their neighbours."""

from math import ceil
from typing import Any

import numpy as np
from torch import Tensor

from skcnn.augmentation._base import Augmentation, documented
from skcnn.augmentation._draws import uniforms
from skcnn.augmentation._image_ops import blur, dilate
from skcnn.augmentation._operations import Params
from skcnn.augmentation._ranges import Range

_MOST_PIXELS = 100.0
_TRUNCATE = 3  # standard deviations of a Gaussian kernel on each side


@documented
class RandomBlur(Augmentation):
    """Blur by a Gaussian of random width.

    Parameters
    ----------
    sigma : float or (low, high), default=1.0
        Standard deviation in pixels (samples of a signal); a number `r` means 0 to r.
    <parameters>

    Attributes
    ----------
    <attributes>

    Notes
    -----
    The Gaussian is cut off at three standard deviations of the widest. Outside the sample
    is its border value.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.augmentation import RandomBlur
    >>> X = np.array([[0.0, 0.0, 1.0, 0.0, 0.0]])
    >>> RandomBlur((0.5, 0.5)).fit_transform(X).to_numpy().round(3)
    array([[0.   , 0.106, 0.787, 0.106, 0.   ]])
    """

    _ranges = {"sigma": Range(0.0, False, 0.0, _MOST_PIXELS)}

    def __init__(
        self,
        sigma: float | tuple[float, float] = 1.0,
        *,
        p: float = 1.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.sigma = sigma
        self.p = p
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        sigmas = self._scaled("sigma", uniforms(keys, 1)[:, 0], strength)
        widest = min(self._limits("sigma")[1] * strength, _MOST_PIXELS)
        radius = np.full(len(keys), ceil(_TRUNCATE * widest))
        return {"sigma": sigmas, "radius": radius}

    def _apply(self, images: Tensor, params: Params, span: float) -> Tensor:
        return blur(images, params["sigma"], int(params["radius"].max()))


@documented
class RandomStroke(Augmentation):
    """Make bright strokes thicker (dilation) or thinner (erosion) by a random amount.

    Parameters
    ----------
    pixels : float or (low, high), default=1.0
        Growth of the bright parts on each side in pixels; a number `r` means -r to r.
        Positive values make bright strokes on a dark ground thicker and dark ones
        thinner. Fractions blend two whole numbers of pixels.
    <parameters>

    Attributes
    ----------
    <attributes>

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.augmentation import RandomStroke
    >>> X = np.zeros((1, 3, 5))
    >>> X[0, :, 2] = 1
    >>> RandomStroke((1, 1)).fit_transform(X).to_numpy()[0, 1]
    array([0., 1., 1., 1., 0.])
    """

    _ranges = {"pixels": Range(0.0, True, -_MOST_PIXELS, _MOST_PIXELS)}

    def __init__(
        self,
        pixels: float | tuple[float, float] = 1.0,
        *,
        p: float = 1.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.pixels = pixels
        self.p = p
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        return {"pixels": self._scaled("pixels", uniforms(keys, 1)[:, 0], strength)}

    def _apply(self, images: Tensor, params: Params, span: float) -> Tensor:
        amounts = params["pixels"]
        return dilate(images, amounts, ceil(np.abs(amounts).max()))
