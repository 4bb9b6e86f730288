"""What the automatic space draws for images, volumes and short signals: networks of blocks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from optuna.distributions import BaseDistribution

from skcnn.model_selection._spaces.latents import (
    LATENTS,
    decode,
    encode,
    smaller,
)


class Networks(Protocol):
    """A family of networks: the latents that describe one, and their parameters."""

    distributions: dict[str, BaseDistribution]

    def decode(self, latents: Mapping[str, Any]) -> dict[str, Any]:
        """Return parameters of a ConvNet that fits the input."""

    def encode(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the latents whose decoding is nearest to parameters."""

    def smaller(self, latents: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the latents of smaller and smaller networks of the same kind."""

    def description(self) -> str:
        """Return what the family depends on, for the fingerprint of a search."""


class BlockNetworks:
    """Blocks of convolutions and a pool, and dense layers.

    Parameters
    ----------
    spatial : sequence of int
        Sides of the network's input.
    n_samples : int
        Number of training samples of a fold.
    augmented : bool
        Whether there is an augmentation, whose strength is searched.
    any_length : bool, default=False
        Whether signals have unequal lengths, so that maps cannot be flattened.
    resolved : callable or None, default=None
        Returns parameters with the meaning of "auto" for this estimator in the place of some of
        them. None knows none.
    """

    def __init__(
        self,
        spatial: Sequence[int],
        n_samples: int,
        augmented: bool,
        any_length: bool = False,
        resolved: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
    ) -> None:
        self.spatial = tuple(spatial)
        self.n_samples = n_samples
        self.augmented = augmented
        self.any_length = any_length
        self.resolved = resolved
        names = [n for n in LATENTS if augmented or n != "augmentation_strength"]
        self.distributions = {name: LATENTS[name] for name in names}

    def decode(self, latents: Mapping[str, Any]) -> dict[str, Any]:
        """Return parameters of a ConvNet that fits the input."""
        if self.any_length and latents["head"] == "flat":
            latents = {**latents, "head": "average"}
        return decode(latents, self.spatial, self.n_samples, self.augmented)

    def encode(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the latents whose decoding is nearest to parameters."""
        known = params if self.resolved is None else self.resolved(params)
        return encode(known, self.spatial, self.n_samples)

    def smaller(self, latents: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the latents of smaller and smaller networks of the same kind."""
        return smaller(latents)

    def description(self) -> str:
        """Return what the family depends on, for the fingerprint of a search."""
        return f"{self.spatial}, {self.n_samples} samples"
