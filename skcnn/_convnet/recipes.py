"""Parameters of ConvNetClassifier that reach a good score in little time.

Trains nothing; whoever reads a recipe can change any part of it.
"""

from collections.abc import Callable
from typing import Any

from skcnn._utils.validation import check_option
from skcnn.augmentation._affine import RandomAffine, RandomTranslation
from skcnn.augmentation._geometric import RandomCrop, RandomElastic, RandomFlip
from skcnn.layers._base import LayerSpec
from skcnn.layers._basic import Activation, GlobalPool, Normalize
from skcnn.layers._windows import Conv, Pool, Whiten


def _normalized_conv(filters: int, *, pool: bool = False) -> list[LayerSpec]:
    """Return a 3x3 convolution, a pool or none, batch normalisation and GELU."""
    pools = [Pool(2)] if pool else []
    return [Conv(filters, bias=False), *pools, Normalize(momentum=0.4), Activation("gelu")]


def _whitened_network(*filters: int) -> list[LayerSpec]:
    """Return a whitening layer, two convolutions and a pool a block, and a global maximum."""
    blocks = [
        layer for n in filters for layer in (*_normalized_conv(n, pool=True), *_normalized_conv(n))
    ]
    return [Whiten(2, activation="gelu"), *blocks, GlobalPool(kind="max")]


def _shift(fraction: float) -> RandomTranslation:
    return RandomTranslation((fraction, fraction), fill="mirror")


def _cifar_fast() -> dict[str, Any]:
    views = [_shift(1 / 32), _shift(-1 / 32)]
    return {
        "architecture": _whitened_network(64, 256, 256),
        "weight_init": "dirac",
        "label_smoothing": 0.2,
        "optimizer": "muon",
        "learning_rate": 0.24,
        "momentum": 0.6,
        "lr_schedule": "linear",
        "batch_size": 2000,
        "max_epochs": 8,
        "augmentation": [RandomFlip(alternate=True), RandomCrop(2, fill="mirror")],
        "test_time_augmentation": [
            RandomFlip(),
            *views,
            *([RandomFlip(), view] for view in views),
        ],
    }


def _small_images() -> dict[str, Any]:
    return {
        "architecture": _whitened_network(32, 64, 128),
        "weight_init": "dirac",
        "label_smoothing": 0.1,
        "optimizer": "muon",
        "momentum": 0.6,
        "lr_schedule": "linear",
        "augmentation": [RandomFlip(alternate=True), RandomCrop(0.0625, fill="mirror")],
        "test_time_augmentation": "flip",
    }


def _digits() -> dict[str, Any]:
    return {
        "filters": (32, 64, 128),
        "hidden_units": (256,),
        "augmentation": [
            RandomAffine(10, translation=0.08, zoom=0.1, shear=8),
            RandomElastic(0.03),
        ],
    }


RECIPES: dict[str, Callable[[], dict[str, Any]]] = {
    "cifar-fast": _cifar_fast,
    "small-images": _small_images,
    "digits": _digits,
}


def recipe(name: str) -> dict[str, Any]:
    """Return parameters of ConvNetClassifier for a kind of images.

    Parameters
    ----------
    name : {"cifar-fast", "small-images", "digits"}
        "cifar-fast" is for tens of thousands of colour images of 32x32 pixels: two
        convolutions of 64, 256 and 256 filters a block behind a whitened first layer,
        trained by Muon in eight epochs of batches of 2,000. "small-images" is its lighter
        kin for some thousand images with sides of 16 to 64 pixels that mean the same when
        mirrored. "digits" is for handwritten signs, grey, with sides of 8 to 32 pixels:
        slightly turned, shifted, zoomed, sheared and bent afresh in every epoch.

    Returns
    -------
    dict
        Made anew in every call: to be changed and passed on.

    Raises
    ------
    ValueError
        If there is no recipe of that name.

    See Also
    --------
    ConvNetClassifier : What the parameters mean.

    References
    ----------
    Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv:2404.00498, for
    "cifar-fast".

    Examples
    --------
    >>> from skcnn import ConvNetClassifier, recipe
    >>> model = ConvNetClassifier(**recipe("cifar-fast"), random_state=0)
    >>> model.optimizer, model.max_epochs
    ('muon', 8)
    >>> sorted(recipe("digits"))
    ['augmentation', 'filters', 'hidden_units']
    """
    check_option("name", name, RECIPES)
    return RECIPES[name]()
