"""Convolutional networks as real scikit-learn estimators."""

from skcnn import exceptions, layers
from skcnn._affine import RandomAffine, RandomRotation, RandomShear, RandomTranslation, RandomZoom
from skcnn._architecture_display import ArchitectureDisplay
from skcnn._augmentation import expected_failed_checks
from skcnn._augmentation_display import AugmentationDisplay
from skcnn._augmented import Augmented
from skcnn._classifier import ConvNetClassifier
from skcnn._comparison import compare_models
from skcnn._comparison_display import ModelComparisonDisplay
from skcnn._dataset_comparison import DatasetComparison, RankTest, compare_datasets
from skcnn._datasets import make_noughts_and_crosses
from skcnn._displays import TrainingHistoryDisplay
from skcnn._geometric import RandomCrop, RandomElastic, RandomFlip
from skcnn._inspection import feature_maps, filters
from skcnn._inspection_display import FeatureMapsDisplay, FiltersDisplay
from skcnn._intensity import (
    RandomBlur,
    RandomBrightness,
    RandomContrast,
    RandomErasing,
    RandomNoise,
    RandomStroke,
)
from skcnn._kernel_filter import KernelFilter
from skcnn._learning_rate_display import LearningRateDisplay
from skcnn._mixing import CutMix, MixUp
from skcnn._model_comparison import ModelComparison
from skcnn._policies import RandAugment, RandomChoice, TrivialAugment
from skcnn._recipes import recipe
from skcnn._regressor import ConvNetRegressor
from skcnn._robustness_display import RobustnessDisplay
from skcnn._saliency import saliency
from skcnn._saliency_display import SaliencyDisplay
from skcnn._search import ConvNetSearchCV
from skcnn._search_display import SearchDisplay
from skcnn._top_losses_display import TopLossesDisplay

__version__ = "0.1.0"

__all__ = [
    "ArchitectureDisplay",
    "AugmentationDisplay",
    "Augmented",
    "ConvNetClassifier",
    "ConvNetRegressor",
    "ConvNetSearchCV",
    "CutMix",
    "DatasetComparison",
    "FeatureMapsDisplay",
    "FiltersDisplay",
    "KernelFilter",
    "LearningRateDisplay",
    "MixUp",
    "ModelComparison",
    "ModelComparisonDisplay",
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
    "RankTest",
    "RobustnessDisplay",
    "SaliencyDisplay",
    "SearchDisplay",
    "TopLossesDisplay",
    "TrainingHistoryDisplay",
    "TrivialAugment",
    "compare_datasets",
    "compare_models",
    "exceptions",
    "expected_failed_checks",
    "feature_maps",
    "filters",
    "layers",
    "make_noughts_and_crosses",
    "recipe",
    "saliency",
]
