"""Loss functions as modules on (outputs, (targets, weights)).

Weights have a mean of one over the training set. Targets of a classifier are class codes, or
class probabilities of shape (n_samples, n_classes) if samples were mixed.
"""

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor, nn

CLASSIFICATION_LOSSES = ("cross_entropy", "squared_error")
REGRESSION_LOSSES = ("squared_error", "absolute_error", "huber")


def _weighted_mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """Return the mean over samples of the mean over outputs."""
    if values.dim() > 1:
        values = values.flatten(1).mean(1)
    return values.mean() if weights is None else (values * weights).mean()


class CrossEntropy(nn.Module):
    """Negative log-likelihood of the softmax of logits, or of their sigmoids.

    Parameters
    ----------
    multilabel : bool
        Whether the targets are an indicator matrix: binary cross-entropy, averaged
        over the labels.
    label_smoothing : float, default=0.0
        Share of the target probability spread evenly over all classes (both values of
        a label).

    References
    ----------
    Szegedy et al., arXiv:1512.00567, for label smoothing.
    """

    def __init__(self, multilabel: bool, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.multilabel = multilabel
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, target: tuple[Tensor, Tensor | None]) -> Tensor:
        """Return the loss, a scalar."""
        expected, weights = target
        if self.multilabel:
            smooth = self.label_smoothing
            expected = expected * (1 - smooth) + smooth / 2
            each = F.binary_cross_entropy_with_logits(logits, expected, reduction="none")
            return _weighted_mean(each, weights)
        if weights is None:
            return F.cross_entropy(logits, expected, label_smoothing=self.label_smoothing)
        each = F.cross_entropy(
            logits, expected, reduction="none", label_smoothing=self.label_smoothing
        )
        return _weighted_mean(each, weights)


class BrierScore(nn.Module):
    """Squared error between predicted probabilities and one-hot (or indicator) targets.

    Summed over classes, averaged over the labels of multilabel targets.

    References
    ----------
    Brier, "Verification of forecasts expressed in terms of probability", 1950.
    """

    def __init__(self, multilabel: bool, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.multilabel = multilabel
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, target: tuple[Tensor, Tensor | None]) -> Tensor:
        """Return the loss, a scalar."""
        expected, weights = target
        smooth = self.label_smoothing
        if self.multilabel:
            expected = expected * (1 - smooth) + smooth / 2
            return _weighted_mean((torch.sigmoid(logits) - expected).square(), weights)
        n_classes = logits.shape[1]
        if not expected.is_floating_point():
            expected = F.one_hot(expected, n_classes)
        shares = expected.to(logits.dtype) * (1 - smooth) + smooth / n_classes
        return _weighted_mean((logits.softmax(1) - shares).square().sum(1), weights)


class RegressionLoss(nn.Module):
    """Squared, absolute or Huber error of standardised targets.

    Parameters
    ----------
    kind : {"squared_error", "absolute_error", "huber"}
        Huber's changes from squared to absolute at one standard deviation of the
        training targets.

    References
    ----------
    Huber, "Robust estimation of a location parameter", 1964.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, outputs: Tensor, target: tuple[Tensor, Tensor | None]) -> Tensor:
        """Return the loss, a scalar."""
        expected, weights = target
        expected = expected.reshape(outputs.shape)
        if self.kind == "squared_error":
            each = (outputs - expected).square()
        elif self.kind == "absolute_error":
            each = (outputs - expected).abs()
        else:
            each = F.huber_loss(outputs, expected, reduction="none", delta=1.0)
        return _weighted_mean(each, weights)


def classification_loss(kind: str, multilabel: bool, label_smoothing: float) -> nn.Module:
    """Return the loss module of a classifier."""
    cls = CrossEntropy if kind == "cross_entropy" else BrierScore
    return cls(multilabel, label_smoothing)
