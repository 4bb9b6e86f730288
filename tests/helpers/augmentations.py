"""The table of all augmentations; a new one is a new row."""

import numpy as np
import pytest

from skcnn.augmentation import (
    CutMix,
    MixUp,
    RandAugment,
    RandomAffine,
    RandomBlur,
    RandomBrightness,
    RandomChannelDropout,
    RandomChoice,
    RandomContrast,
    RandomCrop,
    RandomElastic,
    RandomErasing,
    RandomFlip,
    RandomFrequencyMask,
    RandomNoise,
    RandomRotation,
    RandomShear,
    RandomStroke,
    RandomTimeMask,
    RandomTranslation,
    RandomZoom,
    TrivialAugment,
)
from skcnn.augmentation._base import Augmentation
from tests.helpers.public import PUBLIC_CLASSES

# Every augmentation, with ranges that change a sample visibly. A draw may leave a sample
# unchanged (no flip, or a policy's choice of no change); the tests allow for it.
EVERY = {
    "translation": lambda **k: RandomTranslation(0.3, **k),
    "translation, edge": lambda **k: RandomTranslation(0.3, padding_mode="edge", **k),
    "translation, mirror": lambda **k: RandomTranslation(0.3, padding_mode="mirror", **k),
    "translation, filled": lambda **k: RandomTranslation(
        0.3, padding_mode="constant", fill_value=3.5, **k
    ),
    "translation, wrap": lambda **k: RandomTranslation(0.3, padding_mode="wrap", **k),
    "rotation": lambda **k: RandomRotation(90, **k),
    "zoom": lambda **k: RandomZoom((0.5, 2), **k),
    "shear": lambda **k: RandomShear(40, axis=("horizontal", "vertical"), **k),
    "affine": lambda **k: RandomAffine(90, zoom=(0.5, 2), shear=20, **k),
    "affine, mirror": lambda **k: RandomAffine(90, zoom=(0.5, 2), padding_mode="mirror", **k),
    "flip": lambda **k: RandomFlip(("horizontal", "vertical"), **k),
    "crop": lambda **k: RandomCrop(3, **k),
    "crop, filled": lambda **k: RandomCrop(3, padding_mode="constant", fill_value=2, **k),
    "elastic": lambda **k: RandomElastic((0.1, 0.2), **k),
    "brightness": lambda **k: RandomBrightness((0.3, 2), **k),
    "gain": lambda **k: RandomBrightness(gain_db=9, **k),
    "contrast": lambda **k: RandomContrast((0.3, 2), **k),
    "noise": lambda **k: RandomNoise((0.1, 0.5), **k),
    "noise, decibels": lambda **k: RandomNoise(snr_db=(0, 10), **k),
    "blur": lambda **k: RandomBlur((0.5, 3), **k),
    "erasing": lambda **k: RandomErasing((0.2, 0.5), **k),
    "erasing, mean": lambda **k: RandomErasing((0.2, 0.5), fill_value="mean", **k),
    "time mask": lambda **k: RandomTimeMask(0.6, **k),
    "time mask, mean": lambda **k: RandomTimeMask(0.6, n_masks=3, fill_value="mean", **k),
    "frequency mask": lambda **k: RandomFrequencyMask(0.6, **k),
    "channel dropout": lambda **k: RandomChannelDropout((0.5, 0.5), **k),
    "stroke": lambda **k: RandomStroke(2.5, **k),
    "mixup": lambda **k: MixUp(1.0, **k),
    "cutmix": lambda **k: CutMix(1.0, **k),
    "choice": lambda **k: RandomChoice(
        [RandomRotation(90), RandomNoise((0.2, 0.3), p=0.5), RandomBlur((1, 2)), None], **k
    ),
    "choice of choices": lambda **k: RandomChoice(
        [RandomChoice([RandomStroke(2), RandomFlip()]), RandAugment()], **k
    ),
    "rand augment": lambda **k: RandAugment(3, magnitude=1.0, **k),
    "trivial augment": lambda **k: TrivialAugment(**k),
}
MIXING = {"mixup", "cutmix"}  # change only a ConvNet's batches
CHANNELS = {"channel dropout"}  # leaves samples of one channel as they are
MASKS = {"time mask", "time mask, mean", "frequency mask"}  # of whole pixels
IMAGES_ONLY = {"rotation", "shear", "affine", "affine, mirror", "choice", "frequency mask"}
WHOLE = {"flip", "crop", "crop, filled"}
EACH = pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
EACH_THAT_CHANGES = pytest.mark.parametrize(
    "make",
    [v for k, v in EVERY.items() if k not in MIXING | CHANNELS],
    ids=[k for k in EVERY if k not in MIXING | CHANNELS],
)
EACH_FOR_SIGNALS = pytest.mark.parametrize(
    "make",
    [v for k, v in EVERY.items() if k not in IMAGES_ONLY | CHANNELS | {"flip"}],
    ids=[k for k in EVERY if k not in IMAGES_ONLY | CHANNELS | {"flip"}],
)
DTYPES = ["uint8", "int16", "int64", "bool", "float16", "float32", "float64"]


def pictures(*shape, dtype="uint8", seed=0):
    values = np.random.default_rng(seed).integers(0, 200, shape)
    return values > 100 if dtype == "bool" else values.astype(dtype)


def names_of_public_augmentations():
    return {cls.__name__ for cls in PUBLIC_CLASSES if issubclass(cls, Augmentation)}
