"""The temperature of held-back logits, compared with a search over a grid."""

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax
from sklearn.metrics import log_loss

from skcnn._convnet.calibrating import temperature
from skcnn._convnet.calibrating.temperature import COLDEST, HOTTEST, best_temperature

GRID = np.geomspace(COLDEST, HOTTEST, 601)
STEP = GRID[1] / GRID[0] - 1


def drawn(n, n_classes=4, factor=3.0, seed=0):
    """Return logits that are too large by a factor, and classes."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, n_classes)) * 2
    codes = np.array([rng.choice(n_classes, p=p) for p in softmax(logits, axis=1)])
    return factor * logits, codes


def prior(t):
    """Return the penalty of a temperature, from the formula of the docstring."""
    return 5 * (1 / t + np.log(t))


def best_on_grid(sum_of_losses):
    return GRID[np.argmin([sum_of_losses(t) + prior(t) for t in GRID])]


@pytest.mark.parametrize(("n", "factor"), [(12, 1.0), (60, 3.0), (60, 0.3), (800, 1.7)])
def test_temperature_is_the_best_of_a_grid(n, factor):
    logits, codes = drawn(n, factor=factor)

    def losses(t):
        return -log_softmax(logits / t, axis=1)[np.arange(n), codes].sum()

    found = best_temperature(logits, codes)
    assert found == pytest.approx(best_on_grid(losses), rel=STEP)
    expected = log_loss(codes, softmax(logits / found, axis=1), normalize=False, labels=range(4))
    assert losses(found) == pytest.approx(expected)


def test_weights_weigh_the_losses_and_are_scaled_to_a_mean_of_one():
    logits, codes = drawn(90)
    weights = np.random.default_rng(1).integers(1, 5, 90).astype(float)
    each = weights / weights.mean()

    def losses(t):
        return -each @ log_softmax(logits / t, axis=1)[np.arange(90), codes]

    found = best_temperature(logits, codes, weights)
    assert found == pytest.approx(best_on_grid(losses), rel=STEP)
    assert found == pytest.approx(best_temperature(logits, codes, 1e6 * weights), rel=1e-9)
    assert abs(found - best_temperature(logits, codes)) > STEP


def test_samples_of_weight_zero_and_without_finite_logits_do_not_count():
    logits, codes = drawn(50)
    more = np.vstack([logits, [[np.nan, 0, 0, 0]], [[np.inf, 0, 0, 0]], 9 * logits[:3]])
    weights = np.r_[np.ones(52), np.zeros(3)]
    found = best_temperature(more, np.r_[codes, 0, 0, codes[:3]], weights)
    assert found == best_temperature(logits, codes)


def test_one_temperature_of_several_labels():
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(200, 3))
    indicators = (rng.random((200, 3)) < expit(logits)).astype(np.uint8)

    def losses(t):
        return np.logaddexp(0, np.where(indicators == 1, -1, 1) * 2.5 * logits / t).sum()

    found = best_temperature(2.5 * logits, indicators)
    assert found == pytest.approx(best_on_grid(losses), rel=STEP)


def test_an_offset_of_a_sample_s_logits_changes_nothing():
    logits, codes = drawn(100)
    moved = logits + np.random.default_rng(0).normal(size=(100, 1)) * 50
    assert best_temperature(moved, codes) == pytest.approx(best_temperature(logits, codes))


@pytest.mark.parametrize("n", [1, 10, 1000])
def test_samples_that_are_all_right_make_a_little_more_confident(n):
    logits = np.tile([4.0, 0.0, 0.0], (n, 1))
    found = best_temperature(logits, np.zeros(n, int))
    assert 0.3 < found < 1.0


def test_what_is_beyond_the_bounds_is_at_them(monkeypatch):
    right, wrong = np.zeros(4000, int), np.ones(4000, int)
    logits = np.tile([0.01, 0.0], (4000, 1))
    assert best_temperature(logits, right) == COLDEST
    monkeypatch.setattr(temperature, "PSEUDO_SAMPLES", 0.0)
    assert best_temperature(100 * logits, wrong) == HOTTEST


def test_few_samples_leave_probabilities_nearly_as_they_are():
    logits, codes = drawn(4, factor=1.0, seed=3)
    assert 0.5 < best_temperature(logits, codes) < 2


def test_no_samples_leave_the_logits_as_they_are():
    assert best_temperature(np.empty((0, 3)), np.empty(0, int)) == 1.0
    assert best_temperature(np.full((2, 3), np.nan), np.zeros(2, int)) == 1.0
