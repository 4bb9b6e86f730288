"""Convolutional networks as real scikit-learn estimators."""

from skcnn import exceptions, layers
from skcnn._classifier import ConvNetClassifier
from skcnn._displays import TrainingHistoryDisplay
from skcnn._regressor import ConvNetRegressor

__version__ = "0.1.0"

__all__ = [
    "ConvNetClassifier",
    "ConvNetRegressor",
    "TrainingHistoryDisplay",
    "exceptions",
    "layers",
]
