"""What the automatic space draws for images, volumes and short signals: networks of blocks."""

from collections.abc import Iterator, Mapping, Sequence
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
    optimizer : str, default="adamw"
        What ``optimizer="auto"`` stands for, if learning rate and weight decay are "auto", too.
    """

    def __init__(
        self, spatial: Sequence[int], n_samples: int, augmented: bool, optimizer: str = "adamw"
    ) -> None:
        self.spatial = tuple(spatial)
        self.n_samples = n_samples
        self.augmented = augmented
        self.optimizer = optimizer
        names = [n for n in LATENTS if augmented or n != "augmentation_strength"]
        self.distributions = {name: LATENTS[name] for name in names}

    def decode(self, latents: Mapping[str, Any]) -> dict[str, Any]:
        """Return parameters of a ConvNet that fits the input."""
        return decode(latents, self.spatial, self.n_samples, self.augmented)

    def encode(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the latents whose decoding is nearest to parameters."""
        given = {name: value for name, value in params.items() if value != "auto"}
        has_numbers = not given.keys().isdisjoint(("learning_rate", "weight_decay"))
        usual = "adamw" if has_numbers else self.optimizer
        return encode({"optimizer": usual, **given}, self.spatial, self.n_samples)

    def smaller(self, latents: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the latents of smaller and smaller networks of the same kind."""
        return smaller(latents)

    def description(self) -> str:
        """Return what the family depends on, for the fingerprint of a search."""
        return f"{self.spatial}, {self.n_samples} samples"
