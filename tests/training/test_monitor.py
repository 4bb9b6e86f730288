"""The best epoch, and the table of the history."""

import numpy as np
import pytest

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._training.early_stopping import EarlyStopping
from skcnn._training.monitor import COLUMNS, TrainingMonitor
from skcnn._utils.progress import ProgressReport
from tests.helpers.small_fits import data, tiny

NAN = float("nan")


def figures(loss, **others):
    return dict.fromkeys(COLUMNS, 0.5) | {"train_loss": loss} | others


def monitor(first_epoch=1, early_stopping=None):
    return TrainingMonitor(
        first_epoch=first_epoch,
        evaluate=dict,
        early_stopping=early_stopping,
        weights=dict,
        progress=ProgressReport(0, "Net", first_epoch, first_epoch + 9),
    )


def best_epoch(scores, losses, first=1):
    watch = monitor(first_epoch=first)
    for score, loss in zip(scores, losses, strict=True):
        watch.record(figures(1.0, valid_score=score, valid_loss=loss))
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
    [
        [(0.3, 1.0), (0.5, 1.0), (0.5, 1.0), (0.4, 1.0)],
        [(0.5, 3.0), (0.5, 1.0), (0.5, 2.0)],
        [(NAN, 2.0), (NAN, 1.0), (NAN, 3.0)],
    ],
)
def test_best_epoch_is_the_one_whose_weights_are_kept(epochs):
    stopping = EarlyStopping(99, 0.0)
    watch = monitor(early_stopping=stopping)
    watch.weights = lambda: {"of epoch": len(watch.rows) + 1}
    for score, loss in epochs:
        watch.record(figures(1.0, valid_score=score, valid_loss=loss))
    assert stopping.best_weights == {"of epoch": watch.best_epoch()}


def test_monitor_collects_one_row_an_epoch():
    watch = monitor()
    assert watch.record(figures(0.3, other=9)) is False
    watch.record(figures(0.2))
    table = watch.history(None)
    assert tuple(table.columns) == COLUMNS
    assert table.index.tolist() == [1, 2]
    assert table.index.name == "epoch"
    assert table["train_loss"].tolist() == [0.3, 0.2]
    assert set(table.dtypes) == {np.dtype(float)}


def test_monitor_appends_to_an_earlier_history():
    first, second = monitor(), monitor(first_epoch=3)
    for watch in (first, second):
        watch.record(figures(0.3))
        watch.record(figures(0.2))
    before = first.history(None)
    table = second.history(before)
    assert table.index.tolist() == [1, 2, 3, 4]
    assert table.index.name == "epoch"
    assert len(before) == 2


def test_monitor_updates_early_stopping():
    watch = monitor(early_stopping=EarlyStopping(1, 0.0))
    assert not watch.record(figures(0.3))
    assert watch.record(figures(0.3))


def test_monitor_shows_every_epoch(capsys):
    watch = monitor(first_epoch=4)
    watch.progress = ProgressReport(2, "Net", 4, 5)
    with watch.progress:
        for loss in (0.3, 0.2):
            watch.record(figures(loss))
            assert watch.epoch_end() is False
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["Net epoch 4/5", "Net epoch 5/5"]


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


def test_histories_of_partial_and_warm_fits_are_joined():
    X, y = data()
    model = tiny(warm_start=True).partial_fit(X, y, classes=[0, 1])
    model.fit(X, y, X_val=X, y_val=y)
    assert 2 <= model.best_epoch_ <= 4
    model.partial_fit(X, y)
    assert model.history_.index.tolist() == [1, 2, 3, 4, 5]
    assert model.history_["valid_loss"].isna().tolist() == [True, False, False, False, True]
    assert (model.n_iter_, model.best_epoch_) == (5, 5)
