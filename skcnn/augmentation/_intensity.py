"""Augmentations that change values in place: brightness, contrast, noise, erased boxes."""

from typing import Any

import numpy as np
from torch import Tensor

from skcnn.augmentation._base import COMMON_CONSTRAINTS, Augmentation, documented
from skcnn.augmentation._draws import noise_field, subkeys, uniforms
from skcnn.augmentation._image_ops import inside_boxes, per_sample, sample_sums
from skcnn.augmentation._masks.filling import FILL_VALUE, filled
from skcnn.augmentation._operations import Params
from skcnn.augmentation._ranges import Range

_FACTOR = Range(1.0, True, 0.0, 1000.0)


@documented
class RandomBrightness(Augmentation):
    """Multiply all values of a sample by a random factor; for signals this is the gain.

    Parameters
    ----------
    factor : float or (low, high), default=0.2
        Factor; a number `r` means 1 - r to 1 + r.
    gain_db : float, (low, high) or None, default=None
        The factor in decibels instead, ``10 ** (gain_db / 20)``; a number `r` means -r
        to r.
    <parameters>

    Attributes
    ----------
    <attributes>

    Notes
    -----
    Values are not clipped in training; arrays of whole numbers stay within their type.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.augmentation import RandomBrightness
    >>> X = np.array([[100, 200]], dtype=np.uint8)
    >>> RandomBrightness((1.5, 1.5)).fit_transform(X).to_numpy()
    array([[150, 255]], dtype=uint8)
    >>> RandomBrightness(gain_db=(20, 20)).fit_transform(X / 255).to_numpy().round(2)
    array([[3.92, 7.84]])
    """

    _ranges = {"factor": _FACTOR, "gain_db": Range(0.0, True, -120.0, 120.0, optional=True)}

    def __init__(
        self,
        factor: float | tuple[float, float] = 0.2,
        *,
        gain_db: float | tuple[float, float] | None = None,
        p: float = 1.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.factor = factor
        self.gain_db = gain_db
        self.p = p
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state

    def _keeps_padding(self) -> bool:
        return True

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        shares = uniforms(keys, 1)[:, 0]
        if self.gain_db is not None:
            return {"factor": 10 ** (self._scaled("gain_db", shares, strength) / 20)}
        return {"factor": self._scaled_factor("factor", shares, strength)}

    def _apply(self, images: Tensor, params: Params, span: float) -> Tensor:
        return images * per_sample(params["factor"], images)


@documented
class RandomContrast(Augmentation):
    """Spread or squeeze the values of a sample about its mean by a random factor.

    Parameters
    ----------
    factor : float or (low, high), default=0.2
        Factor of the distance from the sample's mean over all pixels and channels; a
        number `r` means 1 - r to 1 + r.
    <parameters>

    Attributes
    ----------
    <attributes>

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.augmentation import RandomContrast
    >>> X = np.array([[1.0, 2.0, 3.0]])
    >>> RandomContrast((2, 2)).fit_transform(X).to_numpy()
    array([[0., 2., 4.]])
    """

    _ranges = {"factor": _FACTOR}

    def __init__(
        self,
        factor: float | tuple[float, float] = 0.2,
        *,
        p: float = 1.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.factor = factor
        self.p = p
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        shares = uniforms(keys, 1)[:, 0]
        return {"factor": self._scaled_factor("factor", shares, strength)}

    def _apply(self, images: Tensor, params: Params, span: float) -> Tensor:
        means = sample_sums(images) / images[0].numel()
        shift = means.view(-1, *(1,) * (images.dim() - 1))
        # x + (f - 1)(x - mean), so that a factor of one changes no bit
        return images + (images - shift) * per_sample(params["factor"] - 1, images)


@documented
class RandomNoise(Augmentation):
    """Add Gaussian white noise.

    Parameters
    ----------
    std : float or (low, high), default=0.1
        Standard deviation as a fraction of the range of values of the training data
        (largest minus smallest); a number `r` means 0 to r.
    snr_db : float, (low, high) or None, default=None
        Signal-to-noise ratio in decibels instead, relative to the mean square of the
        sample, as usual for sound; a number means exactly that ratio.
    <parameters>

    Attributes
    ----------
    <attributes>

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.augmentation import RandomNoise
    >>> tone = np.sin(np.arange(10_000.0))[None]
    >>> noisy = RandomNoise(snr_db=20, random_state=0).fit_transform(tone).to_numpy()
    >>> power = np.mean(tone**2) / np.mean((noisy - tone) ** 2)
    >>> print(f"{10 * np.log10(power):.0f} dB")
    20 dB
    """

    _ranges = {
        "std": Range(0.0, False, 0.0, 100.0),
        "snr_db": Range(None, False, -200.0, 200.0, optional=True),
    }

    def __init__(
        self,
        std: float | tuple[float, float] = 0.1,
        *,
        snr_db: float | tuple[float, float] | None = None,
        p: float = 1.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.std = std
        self.snr_db = snr_db
        self.p = p
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state

    def _keeps_padding(self) -> bool:
        return self.snr_db is None  # else the power of the whole sample counts

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        shares = uniforms(subkeys(keys, 0), 1)[:, 0]
        noise_keys = subkeys(keys, 1)
        if self.snr_db is None:
            return {"std": self._scaled("std", shares, strength), "noise_key": noise_keys}
        legal = self._ranges["snr_db"]
        # the strength multiplies the amplitude; one of zero changes no sample anyway
        softer = 20 * np.log10(strength) if strength > 0 else 0.0
        louder_limits = (legal.low + softer, legal.high + softer)
        low, high = np.clip(self._limits("snr_db"), *louder_limits)
        snr_db = np.clip(low + (high - low) * shares - softer, legal.low, legal.high)
        return {"snr_db": snr_db, "noise_key": noise_keys}

    def _apply(self, images: Tensor, params: Params, span: float) -> Tensor:
        if "std" in params:
            scale = per_sample(params["std"] * span, images)
        else:
            power = sample_sums(images.square()) / images[0].numel()
            ratio = per_sample(10 ** (-params["snr_db"] / 20), images)
            scale = power.sqrt().view(ratio.shape) * ratio
        shape = tuple(images.shape[1:])
        noise = noise_field(params["noise_key"], shape, images.device).to(images.dtype)
        return images + noise.mul_(scale)


@documented
class RandomErasing(Augmentation):
    """Fill a random box of the sample, all channels (cutout).

    Parameters
    ----------
    area : float or (low, high), default=(0.02, 0.2)
        Fraction of the sample that is erased; a number `r` means 0 to r.
    aspect : float or (low, high), default=(0.5, 2.0)
        Height of the box over its width, relative to that of the image; a number `r`
        means 1 to r. Drawn on a logarithmic scale. Not used for signals and volumes, whose
        boxes take the same fraction of every side.
    fill_value : float, "mean" or None, default=None
        Value of the box: a number in the units of the data, the sample's mean, or with
        None zero. Where a ConvNet subtracts an `offset_` from `X`, None is the offset.
    <parameters>

    Attributes
    ----------
    <attributes>

    References
    ----------
    DeVries and Taylor, arXiv:1708.04552 (cutout); Zhong et al., arXiv:1708.04896 (random
    erasing).

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.augmentation import RandomErasing
    >>> X = np.ones((1, 8, 8))
    >>> a_quarter = RandomErasing((0.25, 0.25), aspect=(1, 1), p=1.0)
    >>> erased = a_quarter.fit_transform(X).to_numpy()
    >>> int(np.sum(erased == 0))
    16
    """

    _parameter_constraints = {
        **COMMON_CONSTRAINTS,
        "fill_value": FILL_VALUE,
    }
    _ranges = {"area": Range(0.0, False, 0.0, 1.0), "aspect": Range(1.0, False, 0.01, 100.0)}
    _beside = ("aspect",)

    def __init__(
        self,
        area: float | tuple[float, float] = (0.02, 0.2),
        *,
        aspect: float | tuple[float, float] = (0.5, 2.0),
        fill_value: float | str | None = None,
        p: float = 0.5,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.area = area
        self.aspect = aspect
        self.fill_value = fill_value
        self.p = p
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        n_axes = len(spatial)
        shares = uniforms(keys, 2 + n_axes)
        areas = self._scaled("area", shares[:, 0], strength)
        sides = np.repeat(areas[:, None] ** (1 / n_axes), n_axes, axis=1)
        if n_axes == 2:
            low, high = np.log(self._limits("aspect"))
            stretch = np.exp((low + (high - low) * shares[:, 1]) / 2)
            # a box must not be higher or wider than the image, so that it keeps its area
            most = 1 / np.sqrt(np.maximum(areas, 1e-12))
            stretch = np.clip(stretch, 1 / most, most)
            sides *= np.column_stack([stretch, 1 / stretch])
        sizes = np.minimum(np.rint(sides * spatial).astype(int), spatial)
        lows = np.floor(shares[:, 2:] * (np.array(spatial) - sizes + 1)).astype(int)
        return {"low": lows, "high": lows + sizes}

    def _apply(self, images: Tensor, params: Params, span: float) -> Tensor:
        inside = inside_boxes(params["low"], params["high"], images)
        return filled(self, self.fill_value, inside, images)
