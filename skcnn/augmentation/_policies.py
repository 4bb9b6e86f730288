"""Augmentations made of others: a random choice, RandAugment, TrivialAugment."""

from abc import abstractmethod
from numbers import Integral, Real
from typing import Any

import numpy as np
from torch import Tensor

from skcnn._data.layouts import InputLayout
from skcnn._utils.compat import Interval, InvalidParameterError
from skcnn.augmentation._affine import RandomRotation, RandomShear, RandomTranslation, RandomZoom
from skcnn.augmentation._base import Augmentation, documented
from skcnn.augmentation._blur_and_stroke import RandomBlur
from skcnn.augmentation._draws import subkeys, uniforms
from skcnn.augmentation._geometric import GEOMETRIC_CONSTRAINTS, check_fill_value
from skcnn.augmentation._intensity import RandomBrightness, RandomContrast, RandomNoise
from skcnn.augmentation._operations import (
    GeometricOperation,
    MixingOperation,
    Motion,
    Operation,
    Params,
    finish,
    join,
    on_rows,
    take_params,
)


class Policy(Augmentation):
    """Base of the augmentations that apply others, a few to each sample."""

    @abstractmethod
    def _options(self, n_axes: int) -> list[Any]:
        """Return the options to choose from; None leaves the sample unchanged."""

    @property
    def _n_rounds(self) -> int:
        """Number of options that are chosen one after another for each sample."""
        return 1

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        options = self._options(len(spatial))
        rounds = []
        for number in range(self._n_rounds):
            here = subkeys(keys, number)
            choice = np.floor(uniforms(subkeys(here, 0), 1)[:, 0] * len(options)).astype(int)
            drawn: list[Params] = []
            for i, option in enumerate(options):
                if option is None:
                    drawn.append({"applied": np.zeros(len(keys), bool)})
                else:
                    drawn.append(option._draw_all(subkeys(here, i + 1), spatial, strength))
            rounds.append({"choice": choice, "options": drawn})
        return {"rounds": rounds}

    def _apply(self, images: Tensor, params: Params, span: float) -> Tensor:
        options = [o and o._less(self._offset) for o in self._options(images.dim() - 2)]
        spatial = tuple(images.shape[2:])
        images = images.clone()
        pending: Motion | None = None  # joined over the rounds until another operation comes
        for chosen in params["rounds"]:
            motions, others = self._chosen(options, chosen, spatial)
            if pending is not None and others:
                changed = np.any([which for _, _, which in others], axis=0)
                images, pending = pending.of(changed).move(images), pending.of(~changed)
            for option, drawn, which in others:
                images = on_rows(which, images, _applying(option, drawn, span), in_place=True)
            for motion in motions:  # flips and crops must not be interpolated
                images, pending = join(images, pending, motion, exactly=True)
        return finish(images, pending)

    @staticmethod
    def _chosen(
        options: list[Any], chosen: Params, spatial: tuple[int, ...]
    ) -> tuple[list[Motion], list[tuple[Operation, Params, np.ndarray]]]:
        """Return a round's motions, and its other operations with the samples they change."""
        motions, others = [], []
        for i, option in enumerate(options):
            if option is None:
                continue
            drawn = chosen["options"][i]
            which = (chosen["choice"] == i) & drawn["applied"]
            if isinstance(option, GeometricOperation):
                motions.append(option._motion({**drawn, "applied": which}, spatial))
            elif which.any():
                others.append((option, drawn, which))
        return motions, others


def _applying(option: Operation, drawn: Params, span: float) -> Any:
    return lambda part, rows: option._apply(part, take_params(drawn, rows), span)


@documented
class RandomChoice(Policy):
    """Apply one of several augmentations to each sample, all equally likely.

    Parameters
    ----------
    augmentations : list of augmentations
        Options to choose from; None among them leaves the sample unchanged. Their own
        `random_state`, `input_shape`, `n_spatial_dims` and `channels` are not used.
    <parameters>

    Attributes
    ----------
    <attributes>

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.augmentation import RandomBrightness, RandomChoice
    >>> X = np.ones((1000, 4))
    >>> halved_or_doubled = RandomChoice(
    ...     [RandomBrightness((0.5, 0.5)), RandomBrightness((2, 2))], random_state=0
    ... )
    >>> values, counts = np.unique(
    ...     halved_or_doubled.fit_transform(X).to_numpy()[:, 0], return_counts=True
    ... )
    >>> values, bool(counts.min() > 450)
    (array([0.5, 2. ]), True)
    """

    def __init__(
        self,
        augmentations: Any,
        *,
        p: float = 1.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.augmentations = augmentations
        self.p = p
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state

    @property
    def _fewest_axes(self) -> int:  # type: ignore[override]
        return max((a._fewest_axes for a in self._options(0) if a is not None), default=1)

    def _options(self, n_axes: int) -> list[Any]:
        return list(self.augmentations)

    def _check_axes(self, layout: InputLayout, owner: str | None = None) -> None:
        super()._check_axes(layout, owner)
        for option in self.augmentations:
            if option is not None:
                option._check_axes(layout, owner)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        options = self.augmentations
        legal = isinstance(options, list | tuple) and len(options) > 0
        if legal:
            legal = all(o is None or _is_single(o) for o in options)
        if not legal:
            raise InvalidParameterError(
                "The 'augmentations' parameter of RandomChoice must be a list of at least one "
                "augmentation that changes samples one by one (not MixUp or CutMix); None in "
                f"the list means no change. Got {options!r} instead."
            )
        for option in options:
            if option is not None:
                option._check_parameters()


def _is_single(option: Any) -> bool:
    return isinstance(option, Augmentation) and not isinstance(option, MixingOperation)


class MenuPolicy(Policy):
    """Base of the policies with a fixed list of operations."""

    _parameter_constraints = GEOMETRIC_CONSTRAINTS
    padding_mode: str
    fill_value: float

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_fill_value(self.padding_mode, self.fill_value, type(self).__name__)

    def _options(self, n_axes: int) -> list[Any]:
        padding: dict[str, Any] = {
            "padding_mode": self.padding_mode,
            "fill_value": self.fill_value,
        }
        menu: list[Any] = [
            None,
            RandomTranslation(0.3, axis=-1, **padding),
            RandomZoom((0.6, 1.6), **padding),
            RandomBrightness((0.2, 1.8)),
            RandomContrast((0.2, 1.8)),
            RandomBlur(1.5),
            RandomNoise(0.2),
        ]
        if n_axes >= 2:
            menu += [
                RandomTranslation(0.3, axis=-2, **padding),
                RandomRotation(45, **padding),
                RandomShear(25, **padding),
                RandomShear(25, axis="vertical", **padding),
            ]
        return menu


@documented
class RandAugment(MenuPolicy):
    """Apply a few random operations of a fixed list, with one common magnitude.

    Parameters
    ----------
    n_operations : int, default=2
        Number of operations for each sample, applied one after another.
    magnitude : float, default=0.5
        Factor of the largest ranges of the list, in [0, 1].
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    TrivialAugment : One operation of random magnitude, without parameters to tune.

    Notes
    -----
    The list has, at magnitude 1: no change, horizontal and vertical translation by up to
    0.3 of the side, rotation up to 45 degrees, zoom by 0.6 to 1.6, horizontal and
    vertical shear up to 25 degrees, brightness and contrast by 0.2 to 1.8, blur up to
    1.5 pixels, noise up to 0.2 of the range of values. Unlike the paper's list it needs
    neither colours nor bytes, so that it suits any number of channels. Rotation, shear
    and vertical translation are left out for signals.

    References
    ----------
    Cubuk, Zoph, Shlens and Le, "RandAugment: Practical automated data augmentation with
    a reduced search space", arXiv:1909.13719.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn.augmentation import RandAugment
    >>> X = load_digits().images
    >>> RandAugment(magnitude=0.3, random_state=0).fit_transform(X).to_numpy().shape
    (1797, 8, 8)
    """

    _parameter_constraints = {
        **GEOMETRIC_CONSTRAINTS,
        "n_operations": [Interval(Integral, 1, None, closed="left")],
        "magnitude": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        n_operations: int = 2,
        *,
        magnitude: float = 0.5,
        p: float = 1.0,
        padding_mode: str = "zeros",
        fill_value: float = 0.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.n_operations = n_operations
        self.magnitude = magnitude
        self.p = p
        self.padding_mode = padding_mode
        self.fill_value = fill_value
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state

    @property
    def _n_rounds(self) -> int:
        return self.n_operations

    def _can_change(self) -> bool:
        return super()._can_change() and self.magnitude > 0

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        return super()._draw(keys, spatial, min(strength * self.magnitude, 1.0))


@documented
class TrivialAugment(MenuPolicy):
    """Apply one random operation of random magnitude, without parameters to tune.

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    RandAugment : Several operations, and the list of them.

    Notes
    -----
    The operations and their largest ranges are those of `RandAugment`. Every draw is
    uniform in the whole range, which makes the magnitude random.

    References
    ----------
    Mueller and Hutter, "TrivialAugment: Tuning-free yet state-of-the-art data
    augmentation", arXiv:2103.10158.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn.augmentation import TrivialAugment
    >>> X = load_digits().images
    >>> TrivialAugment(random_state=0).fit_transform(X).to_numpy().shape
    (1797, 8, 8)
    """

    def __init__(
        self,
        *,
        p: float = 1.0,
        padding_mode: str = "zeros",
        fill_value: float = 0.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.p = p
        self.padding_mode = padding_mode
        self.fill_value = fill_value
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state
