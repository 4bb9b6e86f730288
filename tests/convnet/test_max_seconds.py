"""max_seconds: fewer epochs in which the schedule comes to its end, and what it goes with."""

import pickle
import warnings
from math import cos, pi

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

import skcnn
from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._training.fit_run import FitRun
from skcnn._training.monitor import COLUMNS, PLANNED
from skcnn.exceptions import CheckpointError
from skcnn.inspection._learning_rate_range import range_test
from tests.helpers.searches import search_of
from tests.helpers.small_fits import data, tiny
from tests.helpers.small_nets import small
from tests.helpers.stopped_fits import assert_same, count_epochs, result_of, stopped
from tests.helpers.tiny_base import NAME, install_tiny_base
from tests.helpers.training_clock import set_clock

X, y = data()
STEPS = 3  # in an epoch
# After four epochs of a second, six are left for 10.2 seconds. Half of one stays free.
LIMITED = {"max_epochs": 60, "max_seconds": 10.2}
PLANS = [60, 60, 60, 60, 9, 9, 9, 9, 9]


class Rates(Callback):
    """Keeps the learning rate of each step."""

    def on_train_begin(self, net, **kwargs):
        self.rates = []

    def on_epoch_end(self, net, **kwargs):
        self.rates += net.rates


def plans(model):
    return model.history_[PLANNED].tolist()


def one_cycle(progress):
    if progress < 0.25:
        return 0.04 + 0.96 * progress / 0.25
    return 1e-4 + (1 - 1e-4) * 0.5 * (1 + cos(pi * (progress - 0.25) / 0.75))


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_a_limit_that_is_not_reached_changes_no_bit(cls):
    free, limited = tiny(cls).fit(X, y), tiny(cls, max_seconds=1e6).fit(X, y)
    assert plans(limited) == [3, 3, 3]
    assert PLANNED not in free.history_
    expected = result_of(free)
    limited.history_ = limited.history_[[*COLUMNS]]
    assert_same(limited, expected)


def test_the_schedule_comes_to_its_end_in_the_epochs_that_are_left(monkeypatch):
    set_clock(monkeypatch, 1)
    rates = Rates()
    model = tiny(callbacks=[rates], learning_rate=0.5, **LIMITED).fit(X, y)
    assert (model.n_iter_, plans(model)) == (9, PLANS)
    before = [step / (60 * STEPS) for step in range(4 * STEPS)]
    done, left = 4 / 60, 5 * STEPS
    after = [done + (1 - done) * step / left for step in range(left)]
    expected = [0.5 * one_cycle(progress) for progress in before + after]
    np.testing.assert_allclose(rates.rates, expected, rtol=1e-12)
    np.testing.assert_array_equal(model.history_["learning_rate"], rates.rates[STEPS - 1 :: STEPS])


def test_time_is_counted_from_the_beginning_of_fit_with_validation(monkeypatch):
    clock = set_clock(monkeypatch, 1)
    read, score = ConvNetClassifier._read, ConvNetClassifier._score_outputs

    def slow_read(self, *args):
        clock.now += 3
        return read(self, *args)

    def slow_score(self, *args):
        clock.now += 1
        return score(self, *args)

    monkeypatch.setattr(ConvNetClassifier, "_read", slow_read)
    monkeypatch.setattr(ConvNetClassifier, "_score_outputs", slow_score)
    model = tiny(max_epochs=60, max_seconds=17.2).fit(X, y, X_val=X, y_val=y)
    assert plans(model) == [60, 60, 60, 6, 6, 6]  # of two seconds, from the third on


@pytest.mark.parametrize(
    ("params", "seconds", "found"),
    [
        ({"max_seconds": 1e-3}, [0.5], "after 1 of 3 planned epochs, 0.5 seconds after the fit"),
        ({"max_seconds": 6, "max_epochs": 9}, [1, 1, 1, 9], "after 4 of 5 planned epochs, 12 sec"),
        ({"max_seconds": 2, "max_epochs": 1}, [3], "after 1 of 1 planned epochs, 3 seconds"),
    ],
)
def test_a_training_that_is_cut_off_warns_and_is_kept(params, seconds, found, monkeypatch):
    set_clock(monkeypatch, *seconds)
    with pytest.warns(ConvergenceWarning, match=f"max_seconds=.* was too short: .*{found}"):
        model = tiny(**params).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = tiny(**params)
        with pytest.raises(ConvergenceWarning):
            again.fit(X, y)
    assert model.n_iter_ == len(seconds)
    assert_same(again, result_of(model))


def test_verbose_says_so(monkeypatch, capsys):
    set_clock(monkeypatch, 1)
    tiny(verbose=2, **LIMITED).fit(X, y)
    lines = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    message = "ConvNetClassifier plans 9 epochs instead of 60: max_seconds"
    epochs = [f"ConvNetClassifier epoch {n}/{9 if n > 3 else 60}" for n in range(1, 10)]
    assert lines == [*epochs[:3], message, *epochs[3:]]


def test_each_warm_start_has_a_limit_of_its_own(monkeypatch):
    set_clock(monkeypatch, 1)
    model = tiny(warm_start=True, **LIMITED).fit(X, y)
    model.fit(X, y)
    assert plans(model) == [*PLANS, *[69] * 4, *[18] * 5]
    model.set_params(max_seconds=None, max_epochs=1).fit(X, y)
    model.partial_fit(X, y)
    assert model.history_.index.tolist() == [*range(1, 21)]
    assert np.isnan(plans(model)[-2:]).all()
    other = tiny(warm_start=True, max_epochs=1).fit(X, y).set_params(**LIMITED).fit(X, y)
    np.testing.assert_array_equal(plans(other), [np.nan, *(each + 1 for each in PLANS)])


def test_partial_fit_has_no_limit(monkeypatch):
    set_clock(monkeypatch, 1)
    model = tiny(max_seconds=1e-3).partial_fit(X, y, classes=[0, 1])
    assert [*model.history_.columns] == [*COLUMNS]


@pytest.mark.parametrize(
    ("unfreezing", "trained"),
    [
        ({7: "all"}, {0: "head", 5: "all"}),  # three of the eight epochs that were left remain
        ({2: "all"}, {0: "head", 2: "all"}),
        ({3: "last_block", 9: "all"}, {0: "head", 3: "last_block", 6: "all"}),
        ({20: "all"}, {0: "head"}),
        ("auto", {0: "head", 2: "all"}),
    ],
)
def test_unfreezing_keeps_its_shares_of_the_epochs(unfreezing, trained, monkeypatch):
    set_clock(monkeypatch, 1)
    trainable = "all" if unfreezing == "auto" else "head"
    model = tiny(
        filters=(4, 4), trainable=trainable, unfreezing=unfreezing, max_epochs=12, max_seconds=8.2
    ).fit(X, y)
    assert model.unfreezing_ == trained
    assert plans(model)[3:6:2] == [12, 7]  # lowered by one of the epochs between
    assert model.n_iter_ == 7


def test_a_later_part_has_a_pace_of_its_own(monkeypatch):
    set_clock(monkeypatch, 1, 1, 1, 8)
    model = tiny(
        filters=(4, 4), trainable="head", unfreezing={3: "all"}, max_epochs=12, max_seconds=42
    ).fit(X, y)
    assert model.unfreezing_ == {0: "head", 3: "all"}
    assert plans(model) == [12] * 6 + [7]


def test_early_stopping_may_come_first_and_keeps_the_best_weights(monkeypatch):
    set_clock(monkeypatch, 1)
    model = tiny(early_stopping=True, n_iter_no_change=2, tol=1, **LIMITED)
    model.fit(X, y, X_val=X, y_val=y)
    assert plans(model) == PLANS[: model.n_iter_]
    model.set_params(n_iter_no_change=20).fit(X, y, X_val=X, y_val=y)
    assert plans(model) == PLANS
    assert model.score(X, y) == model.history_["valid_score"].max()


def test_early_stopping_does_not_wait_for_a_part_beyond_the_plan(monkeypatch):
    set_clock(monkeypatch, 1)
    model = tiny(filters=(4, 4), trainable="head", unfreezing={20: "all"}, early_stopping=True,
                 n_iter_no_change=2, tol=1, **LIMITED)  # fmt: skip
    model.fit(X, y, X_val=X, y_val=y)
    # the change comes in proportion, and the epochs after it count
    assert (model.unfreezing_, model.n_iter_) == ({0: "head", 5: "all"}, 7)


def test_the_automatic_number_of_epochs_is_the_first_plan(monkeypatch):
    set_clock(monkeypatch, 1)
    signals = np.random.default_rng(0).normal(size=(24, 20))
    model = ConvNetClassifier(n_spatial_dims=1, random_state=0)
    n_epochs = clone(model).fit(signals, np.arange(24) % 2).n_iter_
    model.set_params(max_seconds=4.2).fit(signals, np.arange(24) % 2)
    assert plans(model) == [n_epochs, n_epochs, n_epochs, 4]


class Seen:
    """A callback of scikit-learn that looks at the number of epochs."""

    def __init__(self):
        self.totals = []

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch":
            self.totals.append(context.parent.max_subtasks)


def test_callbacks_of_scikit_learn_see_the_plan(monkeypatch, capsys):
    set_clock(monkeypatch, 1)
    seen = Seen()
    tiny(**LIMITED).set_callbacks(seen, ProgressBar()).fit(X, y)
    assert seen.totals == [60, 60, 60, *[9] * 6]
    assert "ConvNetClassifier" in capsys.readouterr().out


def test_a_resumed_fit_goes_on_with_the_plan(tmp_path, monkeypatch):
    set_clock(monkeypatch, 1)
    whole = tiny(**LIMITED).fit(X, y)
    path = tmp_path / "fit.ckpt"
    seen = Seen()
    limited = tiny(checkpoint=path, checkpoint_seconds=0, **LIMITED).set_callbacks(Seen())
    stopped(monkeypatch, limited, 4 * STEPS + 1, X, y)
    with pytest.raises(CheckpointError, match=r"max_seconds was 10\.2, is now 11"):
        tiny(checkpoint=path, checkpoint_seconds=0, **LIMITED | {"max_seconds": 11}).fit(X, y)
    with monkeypatch.context() as patched:
        epochs = count_epochs(patched)
        again = tiny(checkpoint=path, checkpoint_seconds=0, **LIMITED).set_callbacks(seen)
        again.fit(X, y)
    assert len(epochs) == 5
    assert seen.totals == [60, 60, 60, *[9] * 6]  # it remembers those that the first one saw
    assert plans(again) == PLANS
    assert_same(again, result_of(whole))


def test_a_resumed_fit_with_parts_goes_on_with_the_plan(tmp_path, monkeypatch):
    set_clock(monkeypatch, 1)
    how = {"filters": (4, 4), "trainable": "head", "unfreezing": {10: "last_block", 30: "all"}}
    whole = tiny(**how, **LIMITED).fit(X, y)
    assert whole.unfreezing_ == {0: "head", 5: "last_block", 6: "all"}
    limited = tiny(checkpoint=tmp_path / "fit.ckpt", checkpoint_seconds=0, **how, **LIMITED)
    stopped(monkeypatch, limited, 4 * STEPS + 1, X, y)
    assert_same(
        clone(limited).set_params(checkpoint=limited.checkpoint).fit(X, y), result_of(whole)
    )


def test_the_time_of_a_killed_process_counts(tmp_path, monkeypatch):
    set_clock(monkeypatch, *[1] * 5, 2)
    limited = tiny(checkpoint=tmp_path / "fit.ckpt", checkpoint_seconds=0, **LIMITED)
    stopped(monkeypatch, limited, 4 * STEPS + 1, X, y)
    assert plans(limited.fit(X, y)) == [*PLANS[:6], 7]  # 3.2 seconds are left after the sixth


def test_model_files_and_pickles_keep_the_plans(tmp_path, monkeypatch):
    set_clock(monkeypatch, 1)
    model = tiny(warm_start=True, **LIMITED).fit(X, y)
    skcnn.save(model, tmp_path / "model")
    for again in (skcnn.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        assert again.get_params() == model.get_params()
        pd.testing.assert_frame_equal(again.history_, model.history_)
        assert [*again.net_.history[-1]] == [*model.net_.history[-1]]
        again.partial_fit(X, y)
        np.testing.assert_array_equal(plans(again), [*PLANS, np.nan])
        skcnn.save(again, tmp_path / "again")
        pd.testing.assert_frame_equal(skcnn.load(tmp_path / "again").history_, again.history_)


def test_the_race_of_pretrained_auto_has_no_limit(tmp_path, monkeypatch):
    install_tiny_base(monkeypatch, tmp_path)
    set_clock(monkeypatch, 1)
    limits = []
    begin = FitRun.begin

    def watched(self, callbacks):
        limits.append(self.plan.max_seconds)
        begin(self, callbacks)

    monkeypatch.setattr(FitRun, "begin", watched)
    images = np.random.default_rng(0).integers(0, 200, (30, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(30) % 2
    model = ConvNetClassifier(
        architecture=NAME, pretrained="auto", max_epochs=12, max_seconds=6.2, batch_size=8,
        precision="float32", random_state=0,
    ).fit(images, labels)  # fmt: skip
    assert len(limits) > 2
    assert limits == [None] * (len(limits) - 1) + [6.2]
    assert plans(model) == [12, 12, 12, 12, 5]


def test_a_learning_rate_range_test_has_no_limit():
    how = {"low": 1e-6, "high": 1.0, "n_steps": 50}
    limited, free = (range_test(tiny(max_seconds=each), X, y, **how) for each in (1e-6, None))
    np.testing.assert_array_equal(limited.losses, free.losses)


@pytest.mark.parametrize("pruner", [None, "median", "hyperband"])
def test_each_fold_of_a_search_has_the_time_for_itself(pruner, digits, monkeypatch):
    set_clock(monkeypatch, 1)
    net = small(max_epochs=12, max_seconds=6.2)
    search = search_of(net, {"dropout": (0.0, 0.5)}, n_trials=3, pruner=pruner).fit(*digits)
    complete = search.cv_results_["state"] == "COMPLETE"
    assert complete.any()
    assert set(search.cv_results_["n_epochs"][complete]) == {2 * 5}
    assert plans(search.best_estimator_) == [12, 12, 12, 12, 5]
