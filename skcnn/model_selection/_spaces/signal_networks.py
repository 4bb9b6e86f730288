"""What the automatic space draws for signals: small networks like InceptionTime."""

from collections.abc import Iterator, Mapping
from math import log2
from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from skcnn._architectures.series import compact_inception, longest_kernel
from skcnn._convnet.automatic import (
    AUTO_LEARNING_RATES,
    auto_weight_decay,
    series_batch_size,
    series_epochs,
)
from skcnn.layers._base import LayerSpec, Shape
from skcnn.layers._dropout import Dropout
from skcnn.layers._normalization import Normalize
from skcnn.layers._sequence import total_multiply_accumulates, trace
from skcnn.model_selection._spaces.latents import (
    LATENTS,
    OPTIMIZERS_OF_LAYERS,
    SHRINKAGE,
    TRAINING_LATENTS,
)

SMALLEST_BATCH = 8
SHORTEST, LONGEST = 9, 159  # of the longest kernels, in samples
FILTERS_STEP = 4
MOST_EPOCHS = 600

SIGNAL_LATENTS: dict[str, BaseDistribution] = {
    "n_blocks": IntDistribution(1, 3),
    "n_modules": IntDistribution(1, 3),
    "width": IntDistribution(8, 40, log=True),
    "kernel": FloatDistribution(0.0, 1.0),
    "n_kernels": IntDistribution(1, 4),
    "epochs": FloatDistribution(0.25, 4.0, log=True),
    **{
        name: LATENTS[name]
        for name in ("normalization", "activation", "dropout", *TRAINING_LATENTS)
    },
    "optimizer": OPTIMIZERS_OF_LAYERS,
}
DEFAULTS: dict[str, Any] = {
    "n_blocks": 2,
    "n_modules": 3,
    "width": 16,
    "n_kernels": 3,
    "epochs": 1.0,
    "normalization": "batch",
    "activation": "relu",
    "dropout": 0.25,
    "optimizer": "adamw",
    "learning_rate": 1.0,
    "weight_decay": 1.0,
    "augmentation_strength": 1.0,
}
USUAL_KERNEL = 39


class SignalNetworks:
    """Residual blocks of modules with long kernels side by side, and the means over time.

    Parameters
    ----------
    input_shape : tuple of int
        ``(n_channels, length)`` of the network's input.
    any_length : bool
        Whether signals have unequal lengths.
    n_samples : int
        Number of training samples of a fold.
    augmented : bool
        Whether there is an augmentation, whose strength is searched.
    searches_epochs : bool
        Whether the number of epochs is searched, too.
    """

    def __init__(
        self,
        input_shape: Shape,
        any_length: bool,
        n_samples: int,
        augmented: bool,
        searches_epochs: bool,
    ) -> None:
        self.input_shape = input_shape
        self.any_length = any_length
        self.n_samples = n_samples
        self.augmented = augmented
        self.searches_epochs = searches_epochs
        left_out = {"augmentation_strength": not augmented, "epochs": not searches_epochs}
        self.distributions = {n: d for n, d in SIGNAL_LATENTS.items() if not left_out.get(n)}

    def decode(self, latents: Mapping[str, Any]) -> dict[str, Any]:
        """Return parameters of a ConvNet that fits the input."""
        layers = self._layers(latents)
        batch_size = self._batch_size(latents["batch_size"])
        optimizer = latents["optimizer"]
        params = {
            "architecture": layers,
            "optimizer": optimizer,
            "learning_rate": AUTO_LEARNING_RATES[optimizer] * latents["learning_rate"],
            "weight_decay": auto_weight_decay(optimizer) * latents["weight_decay"],
            "batch_size": batch_size,
        }
        if self.searches_epochs:
            macs = total_multiply_accumulates(trace(layers, self.input_shape))
            usual = series_epochs(self.n_samples, batch_size, macs)
            params["max_epochs"] = min(max(round(usual * latents["epochs"]), 1), MOST_EPOCHS)
        if self.augmented:
            params["augmentation_strength"] = float(latents["augmentation_strength"])
        return params

    def _layers(self, latents: Mapping[str, Any]) -> tuple[LayerSpec, ...]:
        kind = latents["normalization"]
        network = compact_inception(
            self.input_shape,
            self.any_length,
            None if kind is None else Normalize(kind=kind),
            latents["activation"],
            filters=max(round(latents["width"] / FILTERS_STEP), 1) * FILTERS_STEP,
            kernel_sizes=self._kernel_sizes(latents["kernel"], latents["n_kernels"]),
            n_blocks=latents["n_blocks"],
            n_modules=latents["n_modules"],
        )
        dropout = float(latents["dropout"])
        return (*network, Dropout(dropout)) if dropout > 0 else network

    def _kernel_sizes(self, share: float, n_kernels: int) -> tuple[int, ...]:
        """Return odd lengths, each about half of the one before, at least three samples."""
        first, last = self._range()
        longest = first * (last / first) ** share
        sizes = [2 * int(longest / 2**i / 2) + 1 for i in range(n_kernels)]
        return tuple(dict.fromkeys(max(size, 3) for size in sizes))

    def _range(self) -> tuple[int, int]:
        """Return the least and the largest length of the longest kernels."""
        last = min(longest_kernel(self.input_shape[1]), LONGEST)
        return min(SHORTEST, last), last

    def _batch_size(self, share: float) -> int:
        """Return a power of two, from 8 to twice the automatic one."""
        exponents = range(int(log2(SMALLEST_BATCH)), int(log2(2 * self._usual_batch())) + 1)
        return int(2 ** exponents[min(int(share * len(exponents)), len(exponents) - 1)])

    def _usual_batch(self) -> int:
        return series_batch_size(self.n_samples)

    def encode(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the latents whose decoding is nearest to parameters.

        The estimator's own architecture and epochs are the automatic ones.
        """
        given = {name: value for name, value in params.items() if value != "auto"}
        latents = dict(DEFAULTS)
        first, last = self._range()
        usual = min(max(USUAL_KERNEL, first), last)
        latents["kernel"] = log2(usual / first) / log2(last / first) if last > first else 0.5
        optimizer = given.get("optimizer", latents["optimizer"])
        if optimizer in OPTIMIZERS_OF_LAYERS.choices:
            latents["optimizer"] = optimizer
            for name, scale in (
                ("learning_rate", AUTO_LEARNING_RATES[optimizer]),
                ("weight_decay", auto_weight_decay(optimizer)),
            ):
                latents[name] = given.get(name, scale) / scale
        batch_size = given.get("batch_size", self._usual_batch()) or self.n_samples
        shares = [(i + 0.5) / 16 for i in range(16)]
        latents["batch_size"] = min(
            shares, key=lambda share: abs(log2(self._batch_size(share) / batch_size))
        )
        if "augmentation_strength" in given:
            latents["augmentation_strength"] = given["augmentation_strength"]
        return {name: _within(value, name) for name, value in latents.items()}

    def smaller(self, latents: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the latents of smaller and smaller networks of the same kind."""
        small = dict(latents)
        while small["width"] > FILTERS_STEP:
            small["width"] = max(small["width"] * SHRINKAGE, FILTERS_STEP)
            yield dict(small)
        for name, least in (("n_blocks", 1), ("n_modules", 1), ("n_kernels", 1), ("kernel", 0.0)):
            small[name] = least
            yield dict(small)

    def description(self) -> str:
        """Return what the family depends on, for the fingerprint of a search."""
        lengths = " and shorter" if self.any_length else ""
        return f"signals {self.input_shape}{lengths}, {self.n_samples} samples"


def _within(value: Any, name: str) -> Any:
    """Return the value of a latent that is nearest to `value`."""
    latent: Any = SIGNAL_LATENTS[name]
    if hasattr(latent, "choices"):
        return value
    clipped = min(max(value, latent.low), latent.high)
    return round(clipped) if isinstance(latent, IntDistribution) else float(clipped)
