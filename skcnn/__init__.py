"""Convolutional networks as real scikit-learn estimators."""

from skcnn import exceptions, layers
from skcnn._affine import RandomAffine, RandomRotation, RandomShear, RandomTranslation, RandomZoom
from skcnn._augmentation import expected_failed_checks
from skcnn._augmentation_display import AugmentationDisplay
from skcnn._augmented import Augmented
from skcnn._classifier import ConvNetClassifier
from skcnn._datasets import make_noughts_and_crosses
from skcnn._displays import TrainingHistoryDisplay
from skcnn._geometric import RandomCrop, RandomElastic, RandomFlip
from skcnn._intensity import (
    RandomBlur,
    RandomBrightness,
    RandomContrast,
    RandomErasing,
    RandomNoise,
    RandomStroke,
)
from skcnn._kernel_filter import KernelFilter
from skcnn._mixing import CutMix, MixUp
from skcnn._policies import RandAugment, RandomChoice, TrivialAugment
from skcnn._regressor import ConvNetRegressor
from skcnn._search import ConvNetSearchCV
from skcnn._search_display import SearchDisplay

__version__ = "0.1.0"

__all__ = [
    "AugmentationDisplay",
    "Augmented",
    "ConvNetClassifier",
    "ConvNetRegressor",
    "ConvNetSearchCV",
    "CutMix",
    "KernelFilter",
    "MixUp",
    "RandAugment",
    "RandomAffine",
    "RandomBlur",
    "RandomBrightness",
    "RandomChoice",
    "RandomContrast",
    "RandomCrop",
    "RandomElastic",
    "RandomErasing",
    "RandomFlip",
    "RandomNoise",
    "RandomRotation",
    "RandomShear",
    "RandomStroke",
    "RandomTranslation",
    "RandomZoom",
    "SearchDisplay",
    "TrainingHistoryDisplay",
    "TrivialAugment",
    "exceptions",
    "expected_failed_checks",
    "layers",
    "make_noughts_and_crosses",
]
