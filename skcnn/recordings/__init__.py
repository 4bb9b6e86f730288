"""Estimators for recordings: fitted on windows, predicting whole recordings."""

from skcnn.recordings._classifier import WindowedClassifier
from skcnn.recordings._regressor import WindowedRegressor

__all__ = ["WindowedClassifier", "WindowedRegressor"]
