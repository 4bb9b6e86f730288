"""The meaning of "auto": filters, batch size, epochs, and the settings of the steps."""

from collections.abc import Callable, Sequence
from math import ceil, log2, prod, sqrt
from typing import Any

from skcnn._architectures.registry import learning_rate_share

# Chosen by results on digits, MNIST, tones, coloured shapes and rotation angles.
FIRST_FILTERS, MOST_FILTERS = 32, 128
SMALLEST_MAP = 7
FEWEST_BLOCKS, MOST_BLOCKS = 2, 8
# Chosen by results on real sets of small images; see docs/performance.md.
LARGEST_MAP = 8
SMALLEST_BATCH, LARGEST_BATCH = 8, 128
# Values that all layers return for a batch: images up to 128x128 have fewer in 128 samples.
MOST_BATCH_VALUES = 2**29
LAYERS_OF_A_BLOCK = 3  # of full size: convolution, normalization, activation
BATCHES_PER_EPOCH = 24
FEWEST_EPOCHS, MOST_EPOCHS = 10, 60
STEPS, MUON_STEPS = (0, 24), (120, 10)  # at least, and for the square root of the samples
AUGMENTED_FACTOR, MUON_AUGMENTED_FACTOR = 3, 4
# Chosen by results on 21 sets of the UCR and UEA archives, for the automatic network of signals.
SERIES_BATCHES = (16, 64)
SERIES_STEPS = 1500
SERIES_EPOCHS = (100, 300)
MOST_SERIES_MACS = 7 * 10**11  # of all forward passes of a fit: a minute of one core
USUAL_MOMENTUM, MUON_MOMENTUM = 0.9, 0.6
PARTIAL_MUON_SHARE = 0.05  # of the learning rate, where no schedule lowers it
# The learning rates of "auto", each the peak of the default one-cycle schedule.
AUTO_LEARNING_RATES = {
    "adam": 0.005,
    "adamw": 0.005,
    "sgd": 0.05,
    "muon": 0.2,
    "rmsprop": 0.001,
    "adagrad": 0.01,
}


# Chosen by results of EfficientNet-Lite0 on few images of CIFAR-10.
PRETRAINED_RATE_SHARE = 0.2  # of the output layer's learning rate
MOST_EPOCHS_OF_TUNING = 20
PRETRAINED_BLOCKS_SHARE = 0.1  # of the learning rate of all layers before the output layer


def auto_filters(spatial: Sequence[int]) -> tuple[int, ...]:
    """Return the filters of ``filters="auto"`` for an input's spatial size.

    The number of blocks is the number of times that the longest side must be halved to be 7
    or less, but at least two and at most eight. The first block has 32 filters, and each
    next one twice as many, up to 128.
    """
    halvings = ceil(log2(max(spatial) / SMALLEST_MAP)) if max(spatial) > SMALLEST_MAP else 0
    n_blocks = min(max(halvings, FEWEST_BLOCKS), MOST_BLOCKS)
    return tuple(min(FIRST_FILTERS * 2**i, MOST_FILTERS) for i in range(n_blocks))


def pooled_filters(spatial: Sequence[int]) -> tuple[int, ...]:
    """Return the filters of the automatic network's convolutions for images and volumes.

    All but the last are followed by pools, where the sides are large enough. There is one more of
    them than the longest side must be halved to be 8 or less, but at least two and at most eight.
    """
    halvings = ceil(log2(max(spatial) / LARGEST_MAP))
    n_pooled = min(max(halvings + 1, FEWEST_BLOCKS), MOST_BLOCKS)
    return tuple(min(FIRST_FILTERS * 2**i, MOST_FILTERS) for i in range(n_pooled + 1))


def auto_batch_size(n_samples: int) -> int:
    """Return the power of two at or below ``n_samples / 24``, from 8 to 128."""
    power = 2 ** max(n_samples // BATCHES_PER_EPOCH, 1).bit_length() // 2
    return min(max(power, SMALLEST_BATCH), LARGEST_BATCH)


def auto_epochs(n_samples: int, is_augmented: bool = False, optimizer: str = "adamw") -> int:
    """Return the epochs that take ``24 sqrt(n_samples)`` steps of `auto_batch_size`, 10 to 60.

    Muon takes ``120 + 10 sqrt(n_samples)`` steps. If each epoch has other draws of augmentations,
    there are three times as many epochs, and four times as many of Muon.
    """
    is_muon = optimizer == "muon"
    least, factor = MUON_STEPS if is_muon else STEPS
    n_steps = least + factor * sqrt(n_samples)
    n_batches = ceil(n_samples / auto_batch_size(n_samples))
    epochs = min(max(ceil(n_steps / n_batches), FEWEST_EPOCHS), MOST_EPOCHS)
    if not is_augmented:
        return epochs
    return (MUON_AUGMENTED_FACTOR if is_muon else AUGMENTED_FACTOR) * epochs


def series_batch_size(n_samples: int) -> int:
    """Return the batch size for the automatic network of signals, a power of two, 16 to 64."""
    return min(max(auto_batch_size(n_samples), SERIES_BATCHES[0]), SERIES_BATCHES[1])


def series_epochs(n_samples: int, batch_size: int, macs: int) -> int:
    """Return the epochs for the automatic network of signals.

    They take 1,500 steps, but are from 100 to 300. They are fewer, but at least 10, if those need
    more than 7e11 multiply-accumulates; `macs` is their number for one signal.
    """
    usual = ceil(SERIES_STEPS / ceil(n_samples / batch_size))
    fewest, most = SERIES_EPOCHS
    affordable = MOST_SERIES_MACS // (n_samples * macs)
    return max(min(max(usual, fewest), most, affordable), FEWEST_EPOCHS)


def auto_weight_decay(optimizer: str) -> float:
    """Return the weight decay for an optimizer's name: larger if it is decoupled."""
    return 0.05 if optimizer in ("adamw", "muon") else 1e-4


def auto_learning_rate(optimizer: str) -> float:
    """Return the full learning rate for an optimizer's name."""
    return AUTO_LEARNING_RATES[optimizer]


def usual_layer_values(network_shape: Sequence[int]) -> int:
    """Return about how many values the layers of an unknown network return for a sample."""
    return max(prod(network_shape), LAYERS_OF_A_BLOCK * FIRST_FILTERS * prod(network_shape[1:]))


def bounded_batch_size(n_samples: int, layer_values: int) -> int:
    """Return `auto_batch_size`, or less for large samples, but at least two.

    `layer_values` is the number of values that all layers return for one sample. A batch has
    at most 2**29 of them: 2 GiB of float32.
    """
    fitting = max(MOST_BATCH_VALUES // layer_values, 2)
    return min(auto_batch_size(n_samples), 2 ** (fitting.bit_length() - 1))


def resolve_batch_size(
    batch_size: Any, n_samples: int, layer_values: Callable[[], int], is_series: bool = False
) -> int:
    """Return the largest batch size for the parameter's value. None is all samples.

    `layer_values` returns how many values all layers return for one sample. `is_series` says
    whether the network is the automatic one for signals.
    """
    if batch_size is None:
        return n_samples
    if batch_size == "auto" and is_series:
        return min(series_batch_size(n_samples), bounded_batch_size(10**6, layer_values()))
    if batch_size == "auto":
        return bounded_batch_size(n_samples, layer_values())
    return int(batch_size)


def resolve_epochs(
    max_epochs: Any,
    n_samples: int,
    fine_tunes: bool = False,
    is_augmented: bool = False,
    optimizer: str = "adamw",
) -> int:
    """Return the number of epochs for the parameter's value.

    `fine_tunes` says whether pretrained layers before the output layer are trained.
    """
    if max_epochs != "auto":
        return int(max_epochs)
    if fine_tunes:
        return min(auto_epochs(n_samples), MOST_EPOCHS_OF_TUNING)
    return auto_epochs(n_samples, is_augmented, optimizer)


def resolve_learning_rate(
    learning_rate: Any,
    optimizer: str,
    architecture: Any = None,
    has_weights: bool = False,
    is_partial: bool = False,
) -> float:
    """Return the full learning rate for the parameter's value.

    `has_weights` says whether the network begins with weights that were trained before.
    `is_partial` says whether it is for single passes, whose rate does not fall.
    """
    if learning_rate == "auto" and optimizer == "muon" and is_partial:
        return auto_learning_rate(optimizer) * PARTIAL_MUON_SHARE
    if learning_rate == "auto" and has_weights:
        return auto_learning_rate(optimizer) * PRETRAINED_RATE_SHARE
    if learning_rate == "auto":
        return auto_learning_rate(optimizer) * learning_rate_share(architecture)
    return float(learning_rate)


def resolve_momentum(momentum: Any, optimizer: str) -> float:
    """Return the momentum for the parameter's value."""
    if momentum == "auto":
        return MUON_MOMENTUM if optimizer == "muon" else USUAL_MOMENTUM
    return float(momentum)


def resolve_weight_decay(weight_decay: Any, optimizer: str) -> float:
    """Return the weight decay for the parameter's value."""
    return auto_weight_decay(optimizer) if weight_decay == "auto" else float(weight_decay)
