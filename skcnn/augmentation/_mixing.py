"""MixUp and CutMix: samples and targets mixed with others of their batch.

They need a ConvNet, whose loss takes shares of classes; other estimators get the samples
unmixed.
"""

from abc import abstractmethod
from numbers import Real
from typing import Any

import numpy as np
import torch
from scipy.special import betaincinv
from torch import Tensor

from skcnn._utils.compat import Interval
from skcnn._utils.device import copied_to
from skcnn.augmentation._base import COMMON_CONSTRAINTS, Augmentation, documented
from skcnn.augmentation._draws import permutation, subkeys, uniforms
from skcnn.augmentation._image_ops import inside_boxes, per_sample
from skcnn.augmentation._operations import MixingOperation, Params


class MixingAugmentation(MixingOperation, Augmentation):
    """Base of the augmentations that mix samples."""

    _parameter_constraints = {
        **COMMON_CONSTRAINTS,
        "alpha": [Interval(Real, 0, None, closed="neither")],
    }
    alpha: float

    def _draw(self, keys: np.ndarray, spatial: tuple[int, ...], strength: float) -> Params:
        shares = uniforms(subkeys(keys, 0), 1)[:, 0]
        # neighbours in a ring of random order: no sample is its own partner
        order = permutation(subkeys(keys, 1))
        partners = np.empty_like(order)
        partners[order] = np.roll(order, 1)
        taken = self._taken(betaincinv(self.alpha, self.alpha, shares))
        kept = 1 - taken * min(strength, 1.0)
        return {"partner": partners, "kept": kept, **self._place(subkeys(keys, 2), kept, spatial)}

    def _taken(self, beta: np.ndarray) -> np.ndarray:
        """Return the shares of the partners for draws of the beta distribution."""
        return beta

    def _place(self, keys: np.ndarray, kept: np.ndarray, spatial: tuple[int, ...]) -> Params:
        """Return further parameters."""
        return {}

    def _mix(self, images: Tensor, params: Params) -> tuple[Tensor, np.ndarray, np.ndarray]:
        partners, kept = params["partner"], np.where(params["applied"], params["kept"], 1.0)
        others = images.index_select(0, copied_to(torch.from_numpy(partners), images.device))
        return self._blend(images, others, kept, params), partners, kept

    @abstractmethod
    def _blend(self, images: Tensor, others: Tensor, kept: np.ndarray, params: Params) -> Tensor:
        """Return images mixed with others; `kept` is the share that each keeps of itself."""


@documented
class MixUp(MixingAugmentation):
    """Average each sample, and its target, with another one of its batch.

    Parameters
    ----------
    alpha : float, default=0.2
        Both parameters of the beta distribution of the shares: small values mix
        little, 1 is uniform.
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    CutMix : A box of the other sample instead of an average.

    Notes
    -----
    Targets are averaged with the samples' shares (and weights), class labels as
    probabilities. Only a ConvNet can do this: other estimators get the samples unmixed. A
    sample is always the larger part of its own mixture, which does not change the
    distribution of mixtures.

    References
    ----------
    Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond empirical risk minimization",
    arXiv:1710.09412.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import ConvNetClassifier
    >>> from skcnn.augmentation import MixUp
    >>> X, y = load_digits(return_X_y=True)
    >>> model = ConvNetClassifier(
    ...     input_shape=(8, 8), augmentation=[MixUp()], max_epochs=5, random_state=0
    ... )
    >>> model.fit(X, y).score(X, y) > 0.95
    True
    """

    def __init__(
        self,
        alpha: float = 0.2,
        *,
        p: float = 1.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.alpha = alpha
        self.p = p
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state

    def _taken(self, beta: np.ndarray) -> np.ndarray:
        return np.minimum(beta, 1 - beta)

    def _blend(self, images: Tensor, others: Tensor, kept: np.ndarray, params: Params) -> Tensor:
        return images + (others - images) * per_sample(1 - kept, images)


@documented
class CutMix(MixingAugmentation):
    """Replace a box of each sample by that of another one, and share the targets by area.

    Parameters
    ----------
    alpha : float, default=1.0
        Both parameters of the beta distribution of the areas: small values cut little,
        1 is uniform.
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    MixUp : An average instead of a box.

    Notes
    -----
    Targets are averaged as for `MixUp`, with the area of the box in whole pixels. The box
    may have any size up to the whole sample.

    References
    ----------
    Yun et al., "CutMix: Regularization strategy to train strong classifiers with
    localizable features", arXiv:1905.04899.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import ConvNetClassifier
    >>> from skcnn.augmentation import CutMix
    >>> X, y = load_digits(return_X_y=True)
    >>> model = ConvNetClassifier(
    ...     input_shape=(8, 8), augmentation=[CutMix(p=0.5)], max_epochs=5, random_state=0
    ... )
    >>> model.fit(X, y).score(X, y) > 0.95
    True
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        p: float = 1.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.alpha = alpha
        self.p = p
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state

    def _place(self, keys: np.ndarray, kept: np.ndarray, spatial: tuple[int, ...]) -> Params:
        sides = np.array(spatial)
        sizes = np.rint((1 - kept)[:, None] ** (1 / len(spatial)) * sides).astype(int)
        lows = np.floor(uniforms(keys, len(spatial)) * (sides - sizes + 1)).astype(int)
        return {"kept": 1 - np.prod(sizes / sides, axis=1), "low": lows, "high": lows + sizes}

    def _blend(self, images: Tensor, others: Tensor, kept: np.ndarray, params: Params) -> Tensor:
        inside = inside_boxes(params["low"], params["high"], images)
        inside &= per_sample(params["applied"], images) > 0
        return torch.where(inside, others, images)
