"""Tools to inspect a network: its layers, its training, its predictions and its errors."""

from skcnn.inspection._feature_maps import feature_maps
from skcnn.inspection._filters import filters
from skcnn.inspection._plot.architecture import ArchitectureDisplay
from skcnn.inspection._plot.augmentation import AugmentationDisplay
from skcnn.inspection._plot.feature_maps import FeatureMapsDisplay
from skcnn.inspection._plot.filters import FiltersDisplay
from skcnn.inspection._plot.history import TrainingHistoryDisplay
from skcnn.inspection._plot.learning_rate import LearningRateDisplay
from skcnn.inspection._plot.robustness import RobustnessDisplay
from skcnn.inspection._plot.saliency import SaliencyDisplay
from skcnn.inspection._plot.top_losses import TopLossesDisplay
from skcnn.inspection._saliency import saliency

__all__ = [
    "ArchitectureDisplay",
    "AugmentationDisplay",
    "FeatureMapsDisplay",
    "FiltersDisplay",
    "LearningRateDisplay",
    "RobustnessDisplay",
    "SaliencyDisplay",
    "TopLossesDisplay",
    "TrainingHistoryDisplay",
    "feature_maps",
    "filters",
    "saliency",
]
