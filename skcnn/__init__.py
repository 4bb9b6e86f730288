"""Convolutional networks as real scikit-learn estimators."""

from skcnn import (
    augmentation,
    comparison,
    datasets,
    exceptions,
    inspection,
    layers,
    model_selection,
    persistence,
    preprocessing,
    recordings,
)
from skcnn._convnet.classifier import ConvNetClassifier
from skcnn._convnet.features import ConvNetFeatures
from skcnn._convnet.recipes import recipe
from skcnn._convnet.regressor import ConvNetRegressor
from skcnn.comparison._compare_models import compare_models
from skcnn.model_selection._search import ConvNetSearchCV
from skcnn.persistence._save_load import load, save

__version__ = "0.1.0"

__all__ = [
    "ConvNetClassifier",
    "ConvNetFeatures",
    "ConvNetRegressor",
    "ConvNetSearchCV",
    "augmentation",
    "compare_models",
    "comparison",
    "datasets",
    "exceptions",
    "inspection",
    "layers",
    "load",
    "model_selection",
    "persistence",
    "preprocessing",
    "recipe",
    "recordings",
    "save",
]
