"""The latents of the automatic space: numbers of fixed ranges, decoded to networks that fit.

Samplers learn most if every trial has the same few values with the same ranges. So a search
draws the latents below, and :func:`decode` turns them into parameters for an input of some
shape. If kernel sizes, strides and pools were drawn directly, most networks would not fit.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import floor, log2
from numbers import Integral, Real
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from skcnn._convnet.automatic import (
    AUTO_LEARNING_RATES,
    MOST_BATCH_VALUES,
    auto_batch_size,
    auto_filters,
    auto_weight_decay,
    usual_layer_values,
)
from skcnn.layers._shapes import window_output_size

MOST_BLOCKS = 6
MOST_FILTERS = 512
LARGEST_KERNEL = 7
SMALLEST_BATCH, LARGEST_BATCH = 8, 256
FILTERS_STEP = 4  # channels are multiples of it
FEWEST_UNITS = 8
# Factor of the learning rates of plain gradient descent without normalization, which diverges
# at the rates for normalized networks.
UNNORMALIZED_SGD = 0.2
SHRINKAGE = 0.8

LATENTS: dict[str, BaseDistribution] = {
    "depth": FloatDistribution(0.0, 1.0),
    "n_convolutions": IntDistribution(1, 3),
    "width": IntDistribution(8, 128, log=True),
    "growth": FloatDistribution(1.0, 2.0),
    "kernel": FloatDistribution(0.0, 1.0),
    "shrinking": CategoricalDistribution(("max", "average", "stride")),
    "pool_size": IntDistribution(2, 3),
    "overlap": CategoricalDistribution((False, True)),
    "head": CategoricalDistribution(("flat", "max", "average")),
    "n_hidden": IntDistribution(0, 2),
    "n_units": IntDistribution(16, 512, log=True),
    "normalization": CategoricalDistribution(("batch", "group", None)),
    "activation": CategoricalDistribution(("relu", "leaky_relu", "elu", "gelu", "silu", "tanh")),
    "dropout": FloatDistribution(0.0, 0.6),
    "conv_dropout": FloatDistribution(0.0, 0.3),
    "optimizer": CategoricalDistribution(("muon", "adamw", "sgd")),
    "learning_rate": FloatDistribution(0.1, 10.0, log=True),
    "weight_decay": FloatDistribution(0.01, 10.0, log=True),
    "batch_size": FloatDistribution(0.0, 1.0),
    "augmentation_strength": FloatDistribution(0.0, 1.5),
}

# For networks of layers, as of an `architecture`, which Muon's steps may not suit.
OPTIMIZERS_OF_LAYERS = CategoricalDistribution(("adamw", "adam", "sgd"))
# What is searched where the estimator has an `architecture`.
TRAINING_LATENTS = (
    "optimizer",
    "learning_rate",
    "weight_decay",
    "batch_size",
    "augmentation_strength",
)
# The latents of the estimators' own defaults, where these do not depend on the input.
DEFAULTS: dict[str, Any] = {
    "depth": 0.0,
    "n_convolutions": 1,
    "width": 32,
    "growth": 2.0,
    "kernel": 0.0,
    "shrinking": "max",
    "pool_size": 2,
    "overlap": False,
    "head": "flat",
    "n_hidden": 1,
    "n_units": 128,
    "normalization": "batch",
    "activation": "relu",
    "dropout": 0.25,
    "conv_dropout": 0.0,
    "optimizer": "adamw",
    "learning_rate": 1.0,
    "weight_decay": 1.0,
    "batch_size": 0.0,
    "augmentation_strength": 1.0,
}


def decode(
    latents: Mapping[str, Any], spatial: Sequence[int], n_samples: int, augmented: bool = False
) -> dict[str, Any]:
    """Return parameters of a ConvNet that fits an input of this shape.

    Parameters
    ----------
    latents : mapping
        A value for every name in `LATENTS`, within its range.
    spatial : sequence of int
        Sides of the input, one to three.
    n_samples : int
        Number of training samples, for the batch size.
    augmented : bool, default=False
        Whether there is an augmentation, whose strength is decoded too.

    Returns
    -------
    dict
        Keyword arguments of the estimators' constructors.
    """
    optimizer = latents["optimizer"]
    if optimizer == "muon" and latents["normalization"] is None:  # which its steps need
        optimizer = "adamw"
    params = {
        **_shrinking(latents, spatial),
        "kernel_size": _kernel_size(latents["kernel"], spatial),
        "global_pooling": None if latents["head"] == "flat" else latents["head"],
        "hidden_units": tuple(
            max(latents["n_units"] // 2**i, FEWEST_UNITS) for i in range(latents["n_hidden"])
        ),
        "normalization": latents["normalization"],
        "activation": latents["activation"],
        "dropout": float(latents["dropout"]),
        "conv_dropout": float(latents["conv_dropout"]),
        "optimizer": optimizer,
        "learning_rate": _usual_rate(optimizer, latents)
        * latents["learning_rate"] ** _exponent(optimizer),
        "weight_decay": auto_weight_decay(optimizer) * latents["weight_decay"],
        "batch_size": _batch_size(latents["batch_size"], n_samples, spatial),
    }
    if augmented:
        params["augmentation_strength"] = float(latents["augmentation_strength"])
    return params


def _usual_rate(optimizer: str, latents: Mapping[str, Any]) -> float:
    """Return the learning rate whose multiples the latent "learning_rate" draws."""
    plain = optimizer == "sgd" and latents["normalization"] is None
    return AUTO_LEARNING_RATES[optimizer] * (UNNORMALIZED_SGD if plain else 1.0)


def _exponent(optimizer: str) -> float:
    """Return the exponent of the latent "learning_rate": Muon bears smaller factors."""
    return 0.5 if optimizer == "muon" else 1.0


def smaller(latents: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the latents of smaller and smaller networks of the same kind.

    First the numbers of filters and hidden units shrink together, then hidden layers and
    the second and third convolutions of blocks are left out, then blocks.
    """
    narrow = dict(latents)
    while narrow["width"] > FILTERS_STEP or narrow["n_units"] > FEWEST_UNITS:
        narrow["width"] = max(narrow["width"] * SHRINKAGE, FILTERS_STEP)
        narrow["n_units"] = max(int(narrow["n_units"] * SHRINKAGE), FEWEST_UNITS)
        yield dict(narrow)
    for plain in ({"n_hidden": 0}, {"n_convolutions": 1}, {"growth": 1.0}, {"kernel": 0.0}):
        narrow |= plain
        yield dict(narrow)
    for depth in (0.5, 0.0, 1.0):  # more pools leave fewer values for the last layer
        yield {**narrow, "depth": depth}


def _at_share(share: float, n_steps: int) -> int:
    """Return the index of the part that `share` is in, if [0, 1] has `n_steps` equal parts."""
    return min(floor(share * n_steps), n_steps - 1)


def _shrinking(latents: Mapping[str, Any], spatial: Sequence[int]) -> dict[str, Any]:
    """Return the parameters of the blocks; their pools leave at least one position."""
    by_stride = latents["shrinking"] == "stride"
    size = 2 if by_stride else latents["pool_size"]
    stride = 2 if latents["overlap"] or by_stride else size
    deepest = n_fitting_blocks(spatial, 1 if by_stride else size, stride)
    if deepest == 0:  # a window of three does not fit a side of two
        size = stride = 2
        deepest = n_fitting_blocks(spatial, size, stride)
    n_blocks = 1 + _at_share(latents["depth"], min(max(deepest, 1), MOST_BLOCKS))
    return {
        "filters": _filters(latents, n_blocks, 1 if by_stride else latents["n_convolutions"]),
        "stride": 2 if by_stride and deepest else 1,
        "pooling": None if by_stride or deepest == 0 else latents["shrinking"],
        "pool_size": size,
        "pool_stride": None if stride == size else stride,
    }


def n_fitting_blocks(spatial: Sequence[int], window: int, stride: int) -> int:
    """Return how many times a window can shrink all axes of the input longer than one.

    Parameters
    ----------
    spatial : sequence of int
        Sides of the input.
    window : int
        Length of the pool's window; 1 for a strided convolution, which fits every input.
    stride : int
        Distance between its positions.

    Returns
    -------
    int
        Zero where some side is longer than one and shorter than the window, or where all
        sides are one.
    """
    sides, n_blocks = list(spatial), 0
    while max(sides) > 1 and all(side == 1 or side >= window for side in sides):
        sides = [1 if side == 1 else window_output_size(side, window, stride) for side in sides]
        n_blocks += 1
    return n_blocks


def _filters(latents: Mapping[str, Any], n_blocks: int, n_convolutions: int) -> tuple[Any, ...]:
    """Return an entry for each block, growing by a factor, in multiples of `FILTERS_STEP`."""
    blocks: list[Any] = []
    for i in range(n_blocks):
        exact = latents["width"] * latents["growth"] ** i
        filters = min(max(round(exact / FILTERS_STEP), 1) * FILTERS_STEP, MOST_FILTERS)
        blocks.append(filters if n_convolutions == 1 else (filters,) * n_convolutions)
    return tuple(blocks)


def _kernel_size(share: float, spatial: Sequence[int]) -> int:
    """Return an odd kernel size of at least 3, larger ones only up to the longest side."""
    largest = max(min(LARGEST_KERNEL, max(spatial)), 3)
    return 3 + 2 * _at_share(share, (largest - 3) // 2 + 1)


def _batch_size(share: float, n_samples: int, spatial: Sequence[int]) -> int:
    """Return a power of two, at most an eighth of the samples where there are enough.

    Large samples have smaller batches, as far as they can be known without a network.
    """
    fitting = MOST_BATCH_VALUES // usual_layer_values((1, *spatial))
    most = min(max(n_samples // 8, auto_batch_size(n_samples)), LARGEST_BATCH, fitting)
    first, last = int(log2(SMALLEST_BATCH)), int(log2(max(most, SMALLEST_BATCH)))
    return int(2 ** (first + _at_share(share, last - first + 1)))


def encode(params: Mapping[str, Any], spatial: Sequence[int], n_samples: int) -> dict[str, Any]:
    """Return the latents whose decoding is nearest to `params`.

    Samplers learn from them about networks that the space did not draw. Values without a
    latent, such as a tuple of kernel sizes, count as the default.

    Parameters
    ----------
    params : mapping
        Keyword arguments of the estimators' constructors, a selection of those that `decode`
        returns. Missing and "auto" values count as the default.
    spatial : sequence of int
        Sides of the input, one to three.
    n_samples : int
        Number of training samples.

    Returns
    -------
    dict
        A value for every name in `LATENTS`, within its range.
    """
    given = {name: value for name, value in params.items() if value != "auto"}
    latents = {**DEFAULTS, **_encode_blocks(given, spatial), **_encode_dense(given)}
    for name in ("normalization", "activation", "optimizer", "dropout", "conv_dropout"):
        latents[name] = given.get(name, latents[name])
    if "global_pooling" in given:
        latents["head"] = given["global_pooling"] or "flat"
    latents["augmentation_strength"] = given.get("augmentation_strength", 1.0)
    latents["optimizer"] = _within(latents["optimizer"], "optimizer")
    if latents["optimizer"] != given.get("optimizer", latents["optimizer"]):
        for name in ("learning_rate", "weight_decay"):  # given for another optimizer
            given.pop(name, None)
    optimizer = latents["optimizer"]
    rate, decay = _usual_rate(optimizer, latents), auto_weight_decay(optimizer)
    latents["learning_rate"] = (given.get("learning_rate", rate) / rate) ** (
        1 / _exponent(optimizer)
    )
    latents["weight_decay"] = given.get("weight_decay", decay) / decay
    batch_size = given.get("batch_size", auto_batch_size(n_samples)) or n_samples
    sizes = [_batch_size((i + 0.5) / 16, n_samples, spatial) for i in range(16)]
    latents["batch_size"] = _nearest_share([log2(size / batch_size) for size in sizes])
    if isinstance(given.get("kernel_size"), Integral):
        sizes = [_kernel_size((i + 0.5) / 12, spatial) for i in range(12)]
        latents["kernel"] = _nearest_share([size - given["kernel_size"] for size in sizes])
    return {name: _within(latents[name], name) for name in LATENTS}


def _nearest_share(differences: Sequence[float]) -> float:
    """Return the middle of the parts with the smallest differences, one for each part of [0, 1]."""
    least = min(abs(d) for d in differences)
    best = [i for i, d in enumerate(differences) if abs(d) == least]
    return (best[0] + best[-1] + 1) / (2 * len(differences))


def _encode_blocks(given: Mapping[str, Any], spatial: Sequence[int]) -> dict[str, Any]:
    filters: Any = given.get("filters", auto_filters(spatial))
    filters = (filters,) if isinstance(filters, Integral) else tuple(filters)
    filters = filters or auto_filters(spatial)
    blocks = [(b,) if isinstance(b, Integral) else tuple(b) for b in filters]
    by_stride = given.get("pooling", "max") is None and given.get("stride", 1) != 1
    given_size: Any = given.get("pool_size", 2)
    size = min(max(int(given_size), 2), 3) if isinstance(given_size, Integral) else 2
    stride = given.get("pool_stride", None) or size
    window, distance = (1, 2) if by_stride else (size, 2 if stride != size else size)
    deepest = n_fitting_blocks(spatial, window, distance) or n_fitting_blocks(spatial, 2, 2)
    deepest = min(max(deepest, 1), MOST_BLOCKS)
    first, last = max(blocks[0][0], 1), max(blocks[-1][0], 1)
    growth = (last / first) ** (1 / (len(blocks) - 1)) if len(blocks) > 1 else 2.0
    return {
        "depth": min((len(blocks) - 0.5) / deepest, 1.0),
        "n_convolutions": max(len(block) for block in blocks),
        "width": first,
        "growth": growth,
        "shrinking": "stride" if by_stride else given.get("pooling") or "max",
        "pool_size": size,
        "overlap": stride != size,
    }


def _encode_dense(given: Mapping[str, Any]) -> dict[str, Any]:
    units = given.get("hidden_units", (128,))
    units = (units,) if isinstance(units, Integral) else tuple(units)
    return {"n_hidden": len(units), "n_units": units[0] if units else DEFAULTS["n_units"]}


def _within(value: Any, name: str) -> Any:
    """Return the value of a latent that is nearest to `value`."""
    latent: Any = LATENTS[name]
    if isinstance(latent, CategoricalDistribution):
        return value if value in latent.choices else DEFAULTS[name]
    if not isinstance(value, Real):
        return DEFAULTS[name]
    clipped: Any = min(max(value, latent.low), latent.high)
    return round(clipped) if isinstance(latent, IntDistribution) else float(clipped)
