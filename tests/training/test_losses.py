"""Losses against NumPy formulas, and their gradients."""

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax

from skcnn._training.losses import BrierScore, CrossEntropy, RegressionLoss, classification_loss

N, K = 7, 4
WEIGHTS = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 0.25, 1.75])


def rng():
    return np.random.default_rng(0)


def logits():
    return 3 * rng().normal(size=(N, K))


def one_hot(codes):
    return np.eye(K)[codes]


def cross_entropy(z, expected, smooth):
    expected = expected * (1 - smooth) + smooth / K
    return -(expected * np.log(softmax(z, axis=1))).sum(1)


def binary_cross_entropy(z, expected, smooth):
    expected = expected * (1 - smooth) + smooth / 2
    return -(expected * np.log(expit(z)) + (1 - expected) * np.log(expit(-z))).mean(1)


def brier(z, expected, smooth):
    return ((softmax(z, axis=1) - (expected * (1 - smooth) + smooth / K)) ** 2).sum(1)


def multilabel_brier(z, expected, smooth):
    return ((expit(z) - (expected * (1 - smooth) + smooth / 2)) ** 2).mean(1)


def huber(errors):
    return np.where(np.abs(errors) <= 1, errors**2 / 2, np.abs(errors) - 0.5)


CLASSIFICATION = {
    ("cross_entropy", False): cross_entropy,
    ("cross_entropy", True): binary_cross_entropy,
    ("squared_error", False): brier,
    ("squared_error", True): multilabel_brier,
}
REGRESSION = {"squared_error": np.square, "absolute_error": np.abs, "huber": huber}
weights_or_none = pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])


def targets(multilabel):
    """Return targets for the loss, and the probabilities that they mean."""
    if multilabel:
        indicators = rng().integers(0, 2, (N, K)).astype(float)
        return torch.from_numpy(indicators), indicators
    codes = rng().integers(0, K, N)
    return torch.from_numpy(codes), one_hot(codes)


def as_tensor(weights):
    return None if weights is None else torch.from_numpy(weights)


def mean(each, weights):
    """Return the weighted mean; the package's weights have a mean of one."""
    return each.mean() if weights is None else (each * weights).mean()


@weights_or_none
@pytest.mark.parametrize("smooth", [0.0, 0.2])
@pytest.mark.parametrize(("kind", "multilabel"), list(CLASSIFICATION))
def test_classification_loss_equals_the_formula(kind, multilabel, smooth, weights):
    target, expected = targets(multilabel)
    loss = classification_loss(kind, multilabel, smooth)
    got = loss(torch.from_numpy(logits()), (target, as_tensor(weights)))
    each = CLASSIFICATION[kind, multilabel](logits(), expected, smooth)
    assert got.shape == ()
    np.testing.assert_allclose(got, mean(each, weights), rtol=1e-12)


@weights_or_none
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("kind", list(REGRESSION))
def test_regression_loss_equals_the_formula(kind, n_outputs, weights):
    outputs = 2 * rng().normal(size=(N, n_outputs))  # both of Huber's branches
    expected = np.zeros((N, n_outputs))
    got = RegressionLoss(kind)(
        torch.from_numpy(outputs), (torch.from_numpy(expected), as_tensor(weights))
    )
    errors = np.abs(outputs)
    assert errors.min() < 1 < errors.max()
    np.testing.assert_allclose(got, mean(REGRESSION[kind](errors).mean(1), weights), rtol=1e-12)


@pytest.mark.parametrize("kind", list(REGRESSION))
def test_regression_loss_pairs_a_column_of_outputs_with_one_axis_of_targets(kind):
    outputs, expected = torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 1.0])
    # broadcasting (2, 1) against (2,) would compare every output with every target
    got = RegressionLoss(kind)(outputs, (expected, None))
    assert got == REGRESSION[kind](np.array([0.0, 2.0])).mean()


@pytest.mark.parametrize(
    ("error", "loss", "slope"),
    [(0.0, 0.0, 0.0), (0.5, 0.125, 0.5), (1.0, 0.5, 1.0), (3.0, 2.5, 1.0), (-3.0, 2.5, -1.0)],
)
def test_huber_is_quadratic_then_linear(error, loss, slope):
    output = torch.tensor([[error]], requires_grad=True)
    got = RegressionLoss("huber")(output, (torch.zeros(1), None))
    got.backward()
    assert got.item() == loss
    assert output.grad.item() == slope


@weights_or_none
@pytest.mark.parametrize("smooth", [0.0, 0.2])
@pytest.mark.parametrize(("kind", "multilabel"), list(CLASSIFICATION))
def test_classification_loss_has_the_right_gradient(kind, multilabel, smooth, weights):
    target, _ = targets(multilabel)
    loss = classification_loss(kind, multilabel, smooth)
    z = torch.from_numpy(logits()).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss(z, (target, as_tensor(weights))), z)


@weights_or_none
@pytest.mark.parametrize("kind", list(REGRESSION))
def test_regression_loss_has_the_right_gradient(kind, weights):
    outputs = torch.from_numpy(2 * rng().normal(size=(N, 3))).requires_grad_()
    target = (torch.zeros(N, 3, dtype=torch.float64), as_tensor(weights))
    assert torch.autograd.gradcheck(lambda out: RegressionLoss(kind)(out, target), outputs)


@pytest.mark.parametrize(("kind", "multilabel"), list(CLASSIFICATION))
def test_unit_weights_change_nothing(kind, multilabel):
    target, _ = targets(multilabel)
    loss = classification_loss(kind, multilabel, 0.1)
    z = torch.from_numpy(logits())
    torch.testing.assert_close(loss(z, (target, torch.ones(N))), loss(z, (target, None)))


@pytest.mark.parametrize(("kind", "multilabel"), list(CLASSIFICATION))
def test_loss_of_extreme_logits_is_finite(kind, multilabel):
    target, _ = targets(multilabel)
    z = torch.from_numpy(logits() * 1e4).float().requires_grad_()
    target = target.float() if multilabel else target
    loss = classification_loss(kind, multilabel, 0.0)(z, (target, None))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize(
    ("kind", "multilabel", "expected"),
    [
        ("cross_entropy", False, np.log(K)),
        ("cross_entropy", True, np.log(2)),
        ("squared_error", False, 1 - 1 / K),
        ("squared_error", True, 0.25),
    ],
)
def test_loss_of_undecided_logits_is_the_textbook_value(kind, multilabel, expected):
    target, _ = targets(multilabel)
    loss = classification_loss(kind, multilabel, 0.0)
    zeros = torch.zeros(N, K, dtype=torch.float64)
    np.testing.assert_allclose(loss(zeros, (target, None)), expected)


@pytest.mark.parametrize(
    ("kind", "cls"), [("cross_entropy", CrossEntropy), ("squared_error", BrierScore)]
)
def test_classification_loss_is_found_by_name(kind, cls):
    loss = classification_loss(kind, multilabel=True, label_smoothing=0.3)
    assert type(loss) is cls
    assert (loss.multilabel, loss.label_smoothing) == (True, 0.3)


@weights_or_none
@pytest.mark.parametrize("smooth", [0.0, 0.1])
@pytest.mark.parametrize("kind", ["cross_entropy", "squared_error"])
def test_shares_of_classes_are_targets_too(kind, smooth, weights):
    z = logits()
    shares = softmax(rng().normal(size=(N, K)), axis=1)
    each = CLASSIFICATION[kind, False](z, shares, smooth)
    expected = each.mean() if weights is None else (each * weights).mean()
    tensor_weights = None if weights is None else torch.from_numpy(weights)
    loss = classification_loss(kind, False, smooth)
    value = loss(torch.from_numpy(z), (torch.from_numpy(shares), tensor_weights))
    np.testing.assert_allclose(value, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["cross_entropy", "squared_error"])
def test_whole_shares_are_the_codes(kind):
    z, codes = torch.from_numpy(logits()), np.arange(N) % K
    loss = classification_loss(kind, False, 0.1)
    by_code = loss(z, (torch.from_numpy(codes), None))
    by_share = loss(z, (torch.from_numpy(one_hot(codes)), None))
    np.testing.assert_allclose(by_code, by_share, rtol=1e-6)
