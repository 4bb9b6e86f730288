"""TrainingHistoryDisplay: curves, scales, legend, and which trainings overfit."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.inspection import TrainingHistoryDisplay
from tests.helpers.figures import legend_of

SMALL = {"filters": 2, "hidden_units": (), "max_epochs": 2, "random_state": 0}


@pytest.fixture
def data():
    X = np.random.default_rng(0).normal(size=(24, 9))
    return X, np.arange(24) % 2


def make_history(train, valid=None, score=None, first=1):
    n = len(train)
    nan = [np.nan] * n
    return pd.DataFrame(
        {"train_loss": train, "valid_loss": valid or nan, "valid_score": score or nan},
        index=pd.RangeIndex(first, first + n, name="epoch"),
    )


def plot(history, best_epoch=1, **settings):
    return TrainingHistoryDisplay(history=history, best_epoch=best_epoch, **settings).plot()


def test_curves_are_those_of_the_history():
    history = make_history([3.0, 2.0, 1.0], [3.5, 2.5, 2.6], [0.1, 0.6, 0.5])
    display = plot(history, best_epoch=2, score_name="accuracy")
    train, valid, best = display.ax_.get_lines()
    np.testing.assert_array_equal(train.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(train.get_ydata(), [3.0, 2.0, 1.0])
    np.testing.assert_array_equal(valid.get_ydata(), [3.5, 2.5, 2.6])
    np.testing.assert_array_equal(best.get_xdata(), [2, 2])
    (score,) = display.score_ax_.get_lines()
    np.testing.assert_array_equal(score.get_ydata(), [0.1, 0.6, 0.5])
    assert legend_of(display) == [
        "training loss",
        "validation loss",
        "validation accuracy",
        "best epoch (2)",
    ]


def test_axes_are_labelled_and_epochs_are_whole_numbers():
    display = plot(make_history([3.0, 2.0], [3.0, 2.0], [0.1, 0.2]))
    assert display.ax_.get_xlabel() == "epoch"
    assert display.ax_.get_ylabel() == "loss"
    assert display.score_ax_.get_ylabel() == "validation score"
    assert all(tick == int(tick) for tick in display.ax_.get_xticks())


def test_without_validation_only_the_training_loss_is_drawn():
    display = plot(make_history([3.0, 2.0]), best_epoch=2)
    assert display.score_ax_ is None
    assert legend_of(display) == ["training loss"]
    assert len(display.figure_.axes) == 1


def test_validation_loss_without_score_has_no_right_axis():
    display = plot(make_history([3.0, 2.0], [3.0, 2.5]), best_epoch=2)
    assert display.score_ax_ is None
    assert legend_of(display) == ["training loss", "validation loss", "best epoch (2)"]


def test_epochs_without_validation_are_left_out_of_its_curve():
    history = make_history([4.0, 3.0, 2.0], [np.nan, 3.0, 2.5], [np.nan, 0.5, 0.6])
    display = plot(history, best_epoch=3)
    np.testing.assert_array_equal(display.ax_.get_lines()[1].get_xdata(), [2, 3])


@pytest.mark.parametrize(
    ("losses", "scale"),
    [([3.0, 1.0], "linear"), ([3.0, 0.1], "log"), ([3.0, 0.0], "linear"), ([3.0, -1.0], "linear")],
)
def test_losses_that_fall_far_get_a_logarithmic_axis(losses, scale):
    assert plot(make_history(losses)).ax_.get_yscale() == scale


def test_logarithmic_axis_has_plain_numbers():
    display = plot(make_history([3.0, 0.002]))
    display.figure_.canvas.draw()
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["0.01", "0.1", "1"]


@pytest.mark.parametrize("low", [0.28, 0.1, 0.02, 3e-5])
def test_all_labels_of_a_logarithmic_axis_are_plain_numbers(low):
    display = plot(make_history([3.0, low], [2.9, 2.0]))
    display.figure_.canvas.draw()
    shown = [*display.ax_.get_yticklabels(), *display.ax_.get_yticklabels(minor=True)]
    labels = [label.get_text() for label in shown if label.get_visible() and label.get_text()]
    bottom, top = display.ax_.get_ylim()
    assert len(labels) >= 3
    assert all(bottom <= float(label) <= top for label in labels)


def test_legend_lies_above_the_lines():
    display = plot(make_history([3.0, 2.0, 1.0], [3.5, 2.5, 2.6], [0.1, 0.6, 0.5]))
    display.figure_.canvas.draw()
    legend = display.ax_.get_legend().get_window_extent()
    axes = display.ax_.get_window_extent()
    assert legend.y0 >= axes.y1
    assert legend.y1 <= display.figure_.bbox.y1
    assert legend.x0 >= 0
    assert legend.x1 <= display.figure_.bbox.x1


def test_a_single_epoch_is_visible():
    (line,) = plot(make_history([3.0])).ax_.get_lines()
    assert line.get_marker() == "."


def rising(n=20, best=6, top=0.9, low=0.3):
    """Return losses of a network that overfits: training falls, validation rises again."""
    train = list(np.geomspace(2.0, 0.01, n))
    valid = [*np.linspace(2.0, low, best), *np.linspace(low, top, n - best)]
    return train, valid


def overfitting_of(train, valid):
    return plot(make_history(train, valid)).overfitting_


def test_overfitting_is_named():
    display = plot(make_history(*rising()))
    assert display.overfitting_.startswith("overfitting: validation loss 0.3")
    assert display.overfitting_.endswith("at the end")
    # the medians around the minimum, and of the last five of 14 epochs
    low, epoch, high = re.findall(r"[\d.]+", display.overfitting_)
    assert (low, epoch) == (f"{0.3 + 0.6 / 13:.3g}", "6")
    assert float(high) == pytest.approx(0.9 - 2 * 0.6 / 13, abs=5e-4)
    title = display.ax_.get_legend().get_title()
    assert title.get_text() == display.overfitting_


def test_after_early_stopping_the_text_says_that_the_best_weights_were_kept():
    plain = plot(make_history(*rising()), best_epoch=4).overfitting_
    display = plot(make_history(*rising()), best_epoch=4, restored=True)
    assert display.overfitting_ == f"{plain}; weights of epoch 4 kept"
    title = display.ax_.get_legend().get_title().get_text()
    assert title.replace("\n", " ") == display.overfitting_
    assert plot(make_history([2.0, 1.0], [2.0, 1.0]), restored=True).overfitting_ is None


@pytest.mark.parametrize("early_stopping", [True, False])
def test_from_estimator_reads_whether_weights_were_restored(early_stopping, data):
    X, y = data
    settings = {"early_stopping": early_stopping, "n_iter_no_change": 9, "max_epochs": 8}
    model = ConvNetClassifier(**{**SMALL, **settings}).fit(X, y, X_val=X, y_val=y)
    model.history_[["train_loss", "valid_loss"]] = np.column_stack(rising(8, 2))
    display = TrainingHistoryDisplay.from_estimator(model)
    kept = f"; weights of epoch {model.best_epoch_} kept"
    assert display.overfitting_.endswith(kept) == early_stopping


@pytest.mark.parametrize("restored", [False, True])
def test_the_text_on_overfitting_lies_above_the_lines(restored):
    history = make_history(*rising(), [0.5] * 20, first=10_000)
    history[["train_loss", "valid_loss"]] *= 1.234e-5  # the longest numbers
    display = plot(history, best_epoch=10_010, restored=restored)
    display.figure_.canvas.draw()
    title = display.ax_.get_legend().get_title().get_window_extent()
    texts = [text.get_window_extent() for text in display.ax_.get_legend().get_texts()]
    assert not any(title.overlaps(text) for text in texts)
    assert title.y0 > display.ax_.get_window_extent().y1
    assert title.x0 >= 0
    assert title.x1 <= display.figure_.bbox.x1
    assert title.y1 <= display.figure_.bbox.y1


noise = np.random.default_rng(0).normal(size=40)
NO_OVERFITTING = {
    "falls": rising(top=0.3),
    "rises a little": rising(top=0.4),
    "training does not fall": ([2.0, 1.0, 0.5, 0.4, 0.3, *[0.3] * 15], rising()[1]),
    "ends too soon": ([2.0, 1.0, 0.5, 0.2, 0.1], [2.0, 1.0, 0.5, 0.9, 1.0]),
    "an outlier": (rising()[0], [*np.linspace(2, 0.3, 18), 5.0, 0.3]),
    "noise of a small loss": (
        list(np.geomspace(2, 1e-3, 40)),
        list(np.abs(np.geomspace(2, 0.01, 40) + 0.02 * noise)),
    ),
    "one epoch": ([2.0], [2.0]),
}


@pytest.mark.parametrize("case", NO_OVERFITTING)
def test_other_histories_do_not_overfit(case):
    assert overfitting_of(*NO_OVERFITTING[case]) is None


def test_without_validation_there_is_no_overfitting():
    display = plot(make_history([3.0, 2.0, 1.0, 0.5, 0.2, 0.1]), best_epoch=6)
    assert display.overfitting_ is None
    assert display.ax_.get_legend().get_title().get_text() == ""


def test_a_noisy_rise_is_overfitting():
    train, valid = rising(n=40)
    assert overfitting_of(train, list(valid * np.exp(0.1 * noise))) is not None


def test_real_trainings():
    X, y = load_digits(return_X_y=True)
    noisy = X + 8 * np.random.default_rng(0).normal(size=X.shape)
    params = {"input_shape": (8, 8), "filters": 8, "hidden_units": 32, "random_state": 0}
    long = {"dropout": 0.0, "weight_decay": 0.0, "max_epochs": 30, "lr_schedule": "constant"}
    found = []
    for samples, settings in ((noisy, long), (X, {})):
        net = ConvNetClassifier(**params, **settings)
        net.fit(samples[:64], y[:64], X_val=samples[64:160], y_val=y[64:160])
        found.append(TrainingHistoryDisplay.from_estimator(net).overfitting_)
    assert found[0] is not None
    assert found[1] is None


@pytest.mark.parametrize(
    ("cls", "label"),
    [(ConvNetClassifier, "validation accuracy"), (ConvNetRegressor, "validation R²")],
)
def test_from_estimator_takes_history_and_name_of_the_score(cls, label, data):
    X, y = data
    model = cls(**SMALL).fit(X, y, X_val=X, y_val=y)
    display = TrainingHistoryDisplay.from_estimator(model)
    assert display.history is model.history_
    assert display.best_epoch == model.best_epoch_
    assert display.score_ax_.get_ylabel() == label


def test_from_estimator_takes_a_pipeline(data):
    pipeline = make_pipeline(StandardScaler(), ConvNetClassifier(**SMALL)).fit(*data)
    figure, ax = pyplot.subplots()
    display = TrainingHistoryDisplay.from_estimator(pipeline, ax=ax)
    assert display.history is pipeline[-1].history_
    assert display.figure_ is figure


def test_from_estimator_takes_a_search(data):
    search = GridSearchCV(ConvNetClassifier(**SMALL), {"dropout": [0.1]}, cv=2).fit(*data)
    display = TrainingHistoryDisplay.from_estimator(search)
    assert display.history is search.best_estimator_.history_
