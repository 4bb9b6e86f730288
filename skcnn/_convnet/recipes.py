"""Parameters of ConvNetClassifier for three kinds of images, and for signals."""

from collections.abc import Callable
from typing import Any

from skcnn._utils.validation import check_option
from skcnn.augmentation._affine import RandomAffine, RandomTranslation
from skcnn.augmentation._elastic import RandomElastic
from skcnn.augmentation._flip_and_crop import RandomCrop, RandomFlip
from skcnn.layers._activation import Activation
from skcnn.layers._base import LayerSpec
from skcnn.layers._convolution import Conv
from skcnn.layers._fixed.kernels import Whiten
from skcnn.layers._normalization import Normalize
from skcnn.layers._pooling import GlobalPool, Pool


def _normalized_conv(filters: int, *, pool: bool = False) -> list[LayerSpec]:
    """Return a 3x3 convolution, a pool if wanted, batch normalisation and GELU."""
    pools = [Pool(2)] if pool else []
    return [Conv(filters, bias=False), *pools, Normalize(momentum=0.4), Activation("gelu")]


def _whitened_network(*filters: int) -> list[LayerSpec]:
    """Return a whitening layer, blocks of two convolutions and a pool, and a global maximum."""
    blocks = [
        layer for n in filters for layer in (*_normalized_conv(n, pool=True), *_normalized_conv(n))
    ]
    return [Whiten(2, activation="gelu"), *blocks, GlobalPool(kind="max")]


def _shift(fraction: float) -> RandomTranslation:
    return RandomTranslation((fraction, fraction), padding_mode="mirror")


def _cifar_fast() -> dict[str, Any]:
    views = [_shift(1 / 32), _shift(-1 / 32)]
    return {
        "architecture": _whitened_network(64, 256, 256),
        **_muon(),
        "label_smoothing": 0.2,
        "learning_rate": 0.24,
        "batch_size": 2000,
        "max_epochs": 8,
        "augmentation": [RandomFlip(alternate=True), RandomCrop(2, padding_mode="mirror")],
        "test_time_augmentation": [
            RandomFlip(),
            *views,
            *([RandomFlip(), view] for view in views),
        ],
    }


def _muon() -> dict[str, Any]:
    return {
        "weight_init": "dirac",
        "optimizer": "muon",
        "momentum": 0.6,
        "lr_schedule": "linear",
    }


def _photos() -> dict[str, Any]:
    return {
        "architecture": _whitened_network(32, 64, 128),
        **_muon(),
        "label_smoothing": 0.1,
        "augmentation": [RandomFlip(alternate=True), RandomCrop(0.0625, padding_mode="mirror")],
        "test_time_augmentation": "flip",
    }


def _handwriting() -> dict[str, Any]:
    return {
        **_muon(),
        "augmentation": [
            RandomAffine(10, translation=0.08, zoom=0.1, shear=8),
            RandomElastic(0.03),
        ],
    }


def _signals() -> dict[str, Any]:
    return {"n_spatial_dims": 1, "batch_size": 16, "max_epochs": 200}


def _eeg() -> dict[str, Any]:
    return {"architecture": "eegnet", "n_spatial_dims": 1, "batch_size": 16, "max_epochs": 60}


RECIPES: dict[str, Callable[[], dict[str, Any]]] = {
    "cifar-fast": _cifar_fast,
    "photos": _photos,
    "handwriting": _handwriting,
    "signals": _signals,
    "eeg": _eeg,
}
OF_IMAGES = ("cifar-fast", "photos", "handwriting")


def recipe(name: str) -> dict[str, Any]:
    """Return parameters of ConvNetClassifier for a kind of images, or for signals.

    Parameters
    ----------
    name : {"cifar-fast", "photos", "handwriting", "signals", "eeg"}
        "cifar-fast" is for tens of thousands of colour images of 32x32 pixels: after a
        whitening layer, three blocks of two convolutions with 64, 256 and 256 filters, trained
        by Muon in eight epochs with batches of 2,000. "photos" is a lighter version for some
        thousand images with sides of 16 to 64 pixels whose mirror images have the same labels.
        "handwriting" is for images of written or printed signs with sides of 8 to 64 pixels:
        the default network, trained by Muon. The images are slightly rotated, shifted, zoomed,
        sheared and bent, with new draws in every epoch. "signals" is for some tens to some
        hundreds of time series of any kind, with tens to hundreds of time steps, also of
        unequal length: the default network for signals, a small InceptionTime, trained for 200
        epochs with batches of 16, however long that takes. "eeg" is for some hundred
        electroencephalograms of one length, best at 128 samples a second: EEGNet, trained for
        60 epochs with batches of 16. The parameters serve ConvNetRegressor, too.

    Returns
    -------
    dict
        A new dict in every call, so that it may be changed.

    Raises
    ------
    ValueError
        If there is no recipe with that name.

    See Also
    --------
    ConvNetClassifier : The meaning of the parameters.

    References
    ----------
    Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv:2404.00498, for
    "cifar-fast". Fawaz et al., "InceptionTime: finding AlexNet for time series
    classification", arXiv:1909.04939, for "signals". Lawhern et al., "EEGNet: a compact
    convolutional neural network for EEG-based brain-computer interfaces", arXiv:1611.08024, for
    "eeg".

    Examples
    --------
    >>> from skcnn import ConvNetClassifier, recipe
    >>> model = ConvNetClassifier(**recipe("cifar-fast"), random_state=0)
    >>> model.optimizer, model.max_epochs
    ('muon', 8)
    >>> sorted(recipe("handwriting"))
    ['augmentation', 'lr_schedule', 'momentum', 'optimizer', 'weight_init']
    """
    check_option("name", name, RECIPES)
    return RECIPES[name]()
