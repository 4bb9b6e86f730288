"""LearningRateDisplay: losses, averages and the suggestion of a range test."""

import numpy as np
from matplotlib import pyplot
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import ConvNetClassifier
from skcnn.inspection import LearningRateDisplay
from skcnn.inspection._learning_rate_range import range_test
from tests.helpers.figures import legend_of

X, y = load_digits(return_X_y=True)
RATES = {"low": 1e-5, "high": 1.0, "n_steps": 60}


def make_display(losses=(2.0, 2.1, 1.0, 9.0), averages=(2.0, 2.05, 1.5, 7.0), suggestion=0.01):
    return LearningRateDisplay(
        rates=np.geomspace(1e-4, 1, len(losses)),
        losses=np.array(losses),
        averages=np.array(averages),
        suggestion=suggestion,
    )


def test_losses_averages_and_suggestion_are_drawn():
    display = make_display().plot()
    losses, averages, mark = display.ax_.get_lines()
    assert_array_equal(losses.get_xdata(), np.geomspace(1e-4, 1, 4))
    assert_array_equal(losses.get_ydata(), [2.0, 2.1, 1.0, 9.0])
    assert_array_equal(averages.get_ydata(), [2.0, 2.05, 1.5, 7.0])
    assert_array_equal(mark.get_xdata(), [0.01, 0.01])
    assert losses.get_alpha() < 0.5
    assert legend_of(display) == ["batch", "average", "suggestion (0.01)"]
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_xlabel() == "learning rate"
    assert display.ax_.get_ylabel() == "training loss"


def test_without_a_suggestion_no_rate_is_marked():
    display = make_display(suggestion=None).plot()
    assert legend_of(display) == ["batch", "average"]
    assert len(display.ax_.get_lines()) == 2


def test_a_diverging_loss_does_not_squash_the_descent():
    display = make_display(losses=(2.0, 2.1, 1.0, 1e6), averages=(2.0, 2.05, 1.5, 5e4)).plot()
    bottom, top = display.ax_.get_ylim()
    assert bottom == 0
    assert 4 * 1.5 <= top < 7
    start = make_display(losses=(2.0, 2.1, 0.1, 99.0), averages=(2.0, 2.05, 0.1, 50.0)).plot()
    assert 2.05 < start.ax_.get_ylim()[1] < 3


def test_from_estimator_draws_the_range_test():
    model = make_pipeline(
        StandardScaler(), ConvNetClassifier(input_shape=(8, 8), filters=4, hidden_units=())
    )
    weight = np.arange(200) % 2 + 1.0
    ax = pyplot.subplots()[1]
    display = LearningRateDisplay.from_estimator(
        model, X[:200], y[:200], sample_weight=weight, **RATES, random_state=3, ax=ax
    )
    seen = range_test(model, X[:200], y[:200], weight, **RATES, random_state=3)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert_array_equal(display.rates, seen.rates)
    assert_array_equal(display.losses, seen.losses)
    assert_array_equal(display.averages, seen.averages)
    assert display.suggestion == seen.suggestion()
