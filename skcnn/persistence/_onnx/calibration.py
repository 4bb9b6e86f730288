"""The calibrators of scikit-learn's CalibratedClassifierCV as a torch module."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skcnn.exceptions import UnsupportedModelError


class Sigmoid(nn.Module):
    """Platt's sigmoid of a score."""

    def __init__(self, calibrator: Any) -> None:
        super().__init__()
        self.slope = float(calibrator.a_)
        self.intercept = float(calibrator.b_)

    def forward(self, score: Tensor) -> Tensor:
        """Return the calibrated values, (n_samples,)."""
        return torch.sigmoid(-(self.slope * score + self.intercept))


class Isotonic(nn.Module):
    """The straight lines between the thresholds of an isotonic regression."""

    places: Tensor
    values: Tensor

    def __init__(self, calibrator: Any) -> None:
        super().__init__()
        places, values = calibrator.X_thresholds_, calibrator.y_thresholds_
        if len(places) == 1:  # a constant
            places, values = np.append(places, places + 1), np.repeat(values, 2)
        self.register_buffer("places", torch.as_tensor(places, dtype=torch.float64))
        self.register_buffer("values", torch.as_tensor(values, dtype=torch.float64))

    def forward(self, score: Tensor) -> Tensor:
        """Return the calibrated values, (n_samples,)."""
        score = score.clamp(float(self.places[0]), float(self.places[-1]))
        inner = self.places[1:-1]
        below = (score[:, None] >= inner[None, :]).long().sum(1)
        left, right = self.places[below], self.places[below + 1]
        low, high = self.values[below], self.values[below + 1]
        return low + (high - low) * (score - left) / (right - left)


CALIBRATORS = {"_SigmoidCalibration": Sigmoid, "IsotonicRegression": Isotonic}


class Calibrated(nn.Module):
    """The mean of what calibrators make of the scores of each classifier.

    Parameters
    ----------
    classifiers : list
        scikit-learn's pairs of a classifier and its calibrators.
    places : list of list of int
        For each classifier, the column of the probabilities that each calibrator gives.
    n_classes : int
        The number of columns.
    """

    def __init__(self, classifiers: list[Any], places: list[list[int]], n_classes: int) -> None:
        super().__init__()
        self.methods = [each.method for each in classifiers]
        self.places = places
        self.n_classes = n_classes
        self.has_scores = [hasattr(each.estimator, "decision_function") for each in classifiers]
        self.parts = nn.ModuleList(nn.ModuleList(_modules(each)) for each in classifiers)
        self.factors = [float(getattr(each.calibrators[0], "beta_", 1.0)) for each in classifiers]

    def forward(self, *scores: Tensor) -> tuple[Tensor, Tensor]:
        """Return the codes of the most probable classes, and the probabilities."""
        each = [self._one(number, score.double()) for number, score in enumerate(scores)]
        mean = torch.stack(each).mean(0)
        return mean.argmax(1), mean.float()

    def _one(self, number: int, scores: Tensor) -> Tensor:
        if self.methods[number] == "temperature":
            return self._tempered(number, scores)
        calibrators: Any = self.parts[number]
        places = self.places[number]
        columns = [part(scores[:, k]) for k, part in enumerate(calibrators)]
        if self.n_classes == 2:
            return torch.stack([1 - columns[0], columns[0]], 1)
        zeros = torch.zeros_like(columns[0])
        by_place = dict(zip(places, columns, strict=True))
        values = torch.stack([by_place.get(k, zeros) for k in range(self.n_classes)], 1)
        total = values.sum(1, keepdim=True)
        shares = values / torch.where(total == 0, torch.ones_like(total), total)
        return torch.where(total == 0, torch.full_like(values, 1 / self.n_classes), shares)

    def _tempered(self, number: int, scores: Tensor) -> Tensor:
        if not self.has_scores[number]:
            if scores.shape[1] == 1:
                scores = torch.cat([1 - scores, scores], 1)
            scores = (scores + torch.finfo(scores.dtype).eps).log()
        elif scores.shape[1] == 1:
            scores = torch.cat([-scores, scores], 1)
        return (self.factors[number] * scores).softmax(1)


def _modules(classifier: Any) -> list[nn.Module]:
    """Return a module for each calibrator of a classifier, none for temperatures."""
    if classifier.method == "temperature":
        return []
    modules = []
    for calibrator in classifier.calibrators:
        name = type(calibrator).__name__
        if name not in CALIBRATORS:
            raise UnsupportedModelError(f"{name}, a calibrator, cannot be exported.")
        modules.append(CALIBRATORS[name](calibrator))
    return modules


def calibrated_module(model: Any) -> Calibrated:
    """Return the module of a fitted CalibratedClassifierCV, of the scores of its classifiers."""
    classes = np.asarray(model.classes_)
    classifiers = model.calibrated_classifiers_
    for each in classifiers:
        _check_fold(each, len(classes))
    places = [np.searchsorted(classes, each.estimator.classes_).tolist() for each in classifiers]
    return Calibrated(classifiers, places, len(classes))


def _check_fold(classifier: Any, n_classes: int) -> None:
    """Check that a fold had samples of all classes, or of enough for the method."""
    n_seen = len(classifier.estimator.classes_)
    needs_all = classifier.method == "temperature" or n_seen == 2  # of two there is one score
    if n_seen < n_classes and needs_all:
        raise UnsupportedModelError(
            f"CalibratedClassifierCV cannot be exported, since a fold had samples of {n_seen} of "
            f"its {n_classes} classes only: take fewer folds, or stratified ones."
        )
