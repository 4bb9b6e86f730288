"""Early stopping, the best epoch, the history's table and scikit-learn's callbacks."""

import numpy as np
import pytest
import torch

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._training.monitor import COLUMNS, EarlyStopping, TrainingMonitor
from skcnn._utils.progress import ProgressReport

NAN = float("nan")


def follow(epochs, n_iter_no_change=3, tol=0.0):
    """Return (number of epochs run, epoch of the kept weights) for (score, loss) pairs."""
    stopping = EarlyStopping(n_iter_no_change, tol)
    for epoch, (score, loss) in enumerate(epochs, start=1):
        if stopping.update(score, loss, lambda epoch=epoch: {"w": torch.tensor(epoch)}):
            break
    kept = stopping.best_weights
    return epoch, None if kept is None else kept["w"].item()


def by_score(*scores):
    return [(score, 1.0) for score in scores]


def by_loss(*losses):
    return [(NAN, loss) for loss in losses]


# Early stopping


@pytest.mark.parametrize(
    ("epochs", "how", "n_run", "kept"),
    [
        (by_score(0.1, 0.2, 0.3, 0.4, 0.5), {}, 5, 5),
        (by_score(0.5, 0.4, 0.4, 0.4, 0.9), {}, 4, 1),  # three without a gain: the end
        (by_score(0.5, 0.4, 0.4, 0.6, 0.5, 0.5, 0.5, 0.9), {}, 7, 4),
        (by_score(0.5, 0.4), {"n_iter_no_change": 1}, 2, 1),
        (by_score(0.5, 0.5, 0.5, 0.5), {}, 4, 1),
        # equal scores: the lowest loss is kept, but is no improvement
        ([(0.5, 1.0), (0.5, 0.8), (0.5, 0.9), (0.5, 0.7)], {}, 4, 4),
        ([(0.5, 1.0), (0.6, 2.0), (0.6, 3.0)], {}, 3, 2),
        # steps below tol keep their weights, but do not count
        (by_score(0.50, 0.51, 0.52, 0.53), {"tol": 0.1}, 4, 4),
        (by_score(0.50, 0.54, 0.58, 0.62, 0.63), {"tol": 0.1}, 5, 5),  # together they do
        (by_score(-3.0, -2.0, -1.0), {}, 3, 3),
        # without a score the loss decides
        (by_loss(3.0, 2.0, 1.0), {}, 3, 3),
        (by_loss(1.0, 2.0, 3.0, 4.0), {}, 4, 1),
        (by_loss(1.0, 1.0, 0.5), {}, 3, 3),
        # nothing to compare: nothing to keep
        (by_loss(NAN, NAN, NAN), {}, 3, None),
        ([(NAN, NAN), (0.5, 1.0), (0.4, 1.0)], {}, 3, 2),
    ],
)
def test_early_stopping_keeps_the_best_and_stops(epochs, how, n_run, kept):
    assert follow(epochs, **how) == (n_run, kept)


def test_early_stopping_copies_weights_only_when_better():
    copies = []
    stopping = EarlyStopping(5, 0.0)
    for score in (0.3, 0.2, 0.4, 0.4):
        stopping.update(score, 1.0, lambda score=score: copies.append(score) or {})
    assert copies == [0.3, 0.4]


# The best epoch


def best_epoch(scores, losses, first=1):
    watch = monitor(first_epoch=first)
    for score, loss in zip(scores, losses, strict=True):
        watch.epoch_end(figures(1.0, valid_score=score, valid_loss=loss))
    return watch.best_epoch()


@pytest.mark.parametrize(
    ("scores", "losses", "best"),
    [
        ([0.1, 0.9, 0.5], [1.0, 1.0, 1.0], 2),
        ([0.9, 0.9, 0.5], [1.0, 0.5, 0.1], 2),  # ties by loss
        ([0.9, 0.9, 0.9], [1.0, 1.0, 1.0], 1),  # ties in both: the first
        ([NAN, NAN, NAN], [3.0, 1.0, 2.0], 2),
        ([NAN, NAN, NAN], [NAN, NAN, NAN], 3),
        ([NAN, 0.2, 0.1], [NAN, 1.0, 1.0], 2),  # an epoch of partial_fit before
        ([-5.0, -1.0], [1.0, 2.0], 2),
    ],
)
def test_best_epoch(scores, losses, best):
    assert best_epoch(scores, losses) == best
    assert best_epoch(scores, losses, first=11) == best + 10


@pytest.mark.parametrize(
    "epochs",
    [by_score(0.3, 0.5, 0.5, 0.4), [(0.5, 3.0), (0.5, 1.0), (0.5, 2.0)], by_loss(2.0, 1.0, 3.0)],
)
def test_best_epoch_is_the_one_whose_weights_are_kept(epochs):
    scores, losses = zip(*epochs, strict=True)
    assert follow(epochs, n_iter_no_change=99)[1] == best_epoch(scores, losses)


# The history


def figures(loss, **others):
    return dict.fromkeys(COLUMNS, 0.5) | {"train_loss": loss} | others


def monitor(first_epoch=1, early_stopping=None):
    return TrainingMonitor(
        first_epoch=first_epoch,
        evaluate=dict,
        early_stopping=early_stopping,
        weights=dict,
        progress=ProgressReport(0, "Net", first_epoch, first_epoch + 9),
        callbacks=None,
    )


def test_monitor_collects_one_row_an_epoch():
    watch = monitor()
    assert watch.epoch_end(figures(0.3, other=9)) is False
    watch.epoch_end(figures(0.2))
    table = watch.history(None)
    assert tuple(table.columns) == COLUMNS
    assert table.index.tolist() == [1, 2]
    assert table.index.name == "epoch"
    assert table["train_loss"].tolist() == [0.3, 0.2]
    assert set(table.dtypes) == {np.dtype(float)}


def test_monitor_appends_to_an_earlier_history():
    first, second = monitor(), monitor(first_epoch=3)
    for watch in (first, second):
        watch.epoch_end(figures(0.3))
        watch.epoch_end(figures(0.2))
    before = first.history(None)
    table = second.history(before)
    assert table.index.tolist() == [1, 2, 3, 4]
    assert table.index.name == "epoch"
    assert len(before) == 2


def test_monitor_asks_early_stopping():
    watch = monitor(early_stopping=EarlyStopping(1, 0.0))
    assert not watch.epoch_end(figures(0.3))
    assert watch.epoch_end(figures(0.3))


def test_monitor_shows_every_epoch(capsys):
    watch = monitor(first_epoch=4)
    watch.progress = ProgressReport(2, "Net", 4, 5)
    with watch.progress:
        watch.epoch_end(figures(0.3))
        watch.epoch_end(figures(0.2))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["Net epoch 4/5", "Net epoch 5/5"]


# Estimators


def data(n=40):
    X = np.random.default_rng(0).random((n, 6))
    return X, (X[:, 0] > 0.5).astype(int)


def tiny(cls=ConvNetClassifier, **params):
    small = {"filters": (2,), "hidden_units": (), "max_epochs": 3, "random_state": 0}
    return cls(**small | params)


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_fit_leaves_a_history(cls):
    model = tiny(cls).fit(*data())
    assert tuple(model.history_.columns) == COLUMNS
    assert model.history_.index.tolist() == [1, 2, 3]
    assert model.n_iter_ == 3
    assert model.best_epoch_ == 3
    assert model.history_[["valid_loss", "valid_score"]].isna().all(axis=None)
    others = model.history_.drop(columns=["valid_loss", "valid_score"])
    assert (np.isfinite(others) & (others > 0)).all(axis=None)


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_validation_data_fill_the_history(cls):
    X, y = data()
    model = tiny(cls).fit(X, y, X_val=X[:10], y_val=y[:10])
    assert np.isfinite(model.history_).all(axis=None)
    last = model.score(X[:10], y[:10])
    if cls is ConvNetClassifier:
        assert model.history_["valid_score"].iloc[-1] == last
    else:
        assert model.history_["valid_score"].iloc[-1] == pytest.approx(last, rel=1e-4, abs=1e-5)


def test_histories_of_partial_and_warm_fits_are_joined():
    X, y = data()
    model = tiny(warm_start=True).partial_fit(X, y, classes=[0, 1])
    model.fit(X, y, X_val=X, y_val=y)
    assert 2 <= model.best_epoch_ <= 4
    model.partial_fit(X, y)
    assert model.history_.index.tolist() == [1, 2, 3, 4, 5]
    assert model.history_["valid_loss"].isna().tolist() == [True, False, False, False, True]
    assert (model.n_iter_, model.best_epoch_) == (5, 5)


# scikit-learn's callbacks


class Recorder:
    """A scikit-learn callback that notes its calls."""

    def __init__(self):
        self.calls = []
        self.data = []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.calls.append(f"begin {context.task_name}")
        self.data.append((X, y, metadata["sample_weight"]))

    def on_fit_task_end(self, estimator, context):
        self.calls.append(f"end {context.task_name}")


def test_callback_is_told_of_every_epoch():
    recorder = Recorder()
    X, y = data()
    weights = np.ones(len(y))
    tiny(max_epochs=2).set_callbacks(recorder).fit(X, y, sample_weight=weights)
    assert recorder.calls == [
        "setup", "begin fit", "begin epoch", "end epoch", "begin epoch", "end epoch", "end fit",
        "teardown",
    ]  # fmt: skip
    for given in recorder.data:
        assert all(a is b for a, b in zip(given, (X, y, weights), strict=True))


def test_partial_fit_tells_callbacks_nothing():
    recorder = Recorder()
    tiny().set_callbacks(recorder).partial_fit(*data(), classes=[0, 1])
    assert recorder.calls == []
