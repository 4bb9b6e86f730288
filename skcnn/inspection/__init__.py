"""What a network looks at, what it gets wrong, how its training went."""

from skcnn.inspection._feature_maps import feature_maps, filters
from skcnn.inspection._plot.architecture import ArchitectureDisplay
from skcnn.inspection._plot.augmentation import AugmentationDisplay
from skcnn.inspection._plot.feature_maps import FeatureMapsDisplay, FiltersDisplay
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
