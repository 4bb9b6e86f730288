"""Random changes of training samples, for networks and other estimators."""

from skcnn.augmentation._affine import (
    RandomAffine,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from skcnn.augmentation._augmented import Augmented
from skcnn.augmentation._base import expected_failed_checks
from skcnn.augmentation._blur_and_stroke import RandomBlur, RandomStroke
from skcnn.augmentation._elastic import RandomElastic
from skcnn.augmentation._flip_and_crop import RandomCrop, RandomFlip
from skcnn.augmentation._intensity import (
    RandomBrightness,
    RandomContrast,
    RandomErasing,
    RandomNoise,
)
from skcnn.augmentation._masks.axis_masks import RandomFrequencyMask, RandomTimeMask
from skcnn.augmentation._masks.channel_dropout import RandomChannelDropout
from skcnn.augmentation._mixing import CutMix, MixUp
from skcnn.augmentation._policies import RandAugment, RandomChoice, TrivialAugment

__all__ = [
    "Augmented",
    "CutMix",
    "MixUp",
    "RandAugment",
    "RandomAffine",
    "RandomBlur",
    "RandomBrightness",
    "RandomChannelDropout",
    "RandomChoice",
    "RandomContrast",
    "RandomCrop",
    "RandomElastic",
    "RandomErasing",
    "RandomFlip",
    "RandomFrequencyMask",
    "RandomNoise",
    "RandomRotation",
    "RandomShear",
    "RandomStroke",
    "RandomTimeMask",
    "RandomTranslation",
    "RandomZoom",
    "TrivialAugment",
    "expected_failed_checks",
]
