"""Fits that are interrupted, or end by an error."""

import os
import signal
import sys
import time
from contextlib import suppress

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback

from skcnn._training.engine import ConvNetEngine
from skcnn._training.epoch_state import EpochState
from skcnn._training.fit_run import FitRun
from skcnn.exceptions import TrainingDivergedError
from tests.helpers.processes import LONGEST, Child, tell_parent
from tests.helpers.small_fits import data, tiny
from tests.helpers.weights import assert_same_weights


class Interrupt:
    """A scikit-learn callback that behaves like Ctrl-C after some epochs."""

    def __init__(self, after):
        self.left = after
        self.torn_down = False

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        self.torn_down = True

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.left -= context.task_name == "epoch"
        if self.left == 0:
            raise KeyboardInterrupt


def test_interrupt_propagates_and_keeps_the_finished_epochs():
    X, y = data()
    interrupt = Interrupt(after=2)
    model = tiny(max_epochs=9, lr_schedule="constant").set_callbacks(interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert interrupt.torn_down
    assert model.n_iter_ == len(model.history_) == 2
    full = tiny(max_epochs=2, lr_schedule="constant").fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), full.predict_proba(X))


def test_interrupt_with_early_stopping_keeps_the_best_epoch():
    X, y = data()
    model = tiny(max_epochs=9, early_stopping=True).set_callbacks(Interrupt(after=3))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, 1 - y, X_val=X, y_val=y)
    assert model.score(X, y) == model.history_["valid_score"].max()


def test_interrupt_before_the_first_epochs_end_leaves_nothing():
    class InterruptFirst(Interrupt):
        def on_fit_task_begin(self, estimator, context):
            if context.task_name == "epoch":
                raise KeyboardInterrupt

    model = tiny().fit(*data()).set_callbacks(InterruptFirst(after=0))
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data())
    with pytest.raises(NotFittedError):
        check_is_fitted(model)


def test_interrupted_training_continues_with_warm_start():
    X, y = data()
    model = tiny(max_epochs=4, warm_start=True).set_callbacks(Interrupt(after=2))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    model.set_callbacks().fit(X, y)
    assert model.n_iter_ == 6


class RaiseAt(Callback):
    """Calls a function in a batch, counted from one over all batches of a call."""

    def __init__(self, batch, raises):
        self.batch = batch
        self.raises = raises

    def on_train_begin(self, net, **kwargs):
        self.n_batches = 0

    def on_batch_end(self, net, training=None, **kwargs):
        self.n_batches += 1
        if self.n_batches == self.batch:
            self.raises()


def ctrl_c():
    signal.raise_signal(signal.SIGINT)


def fail():
    raise RuntimeError("broken callback")


def raise_in_step(monkeypatch, step, raises):
    """Let the fast loop raise in a step, counted from one over all steps."""
    advance, count = ConvNetEngine.advance_schedule, iter(range(1, 1000))

    def advance_or_raise(self):
        advance(self)
        if next(count) == step:
            raises()

    monkeypatch.setattr(ConvNetEngine, "advance_schedule", advance_or_raise)


def optimizer_state(model):
    return model.net_.optimizer_.state_dict()["state"]


def assert_same_training(model, other):
    """Check weights, optimizer and history, and that further training is the same, too."""
    assert not any(part.training for part in model.net_.module_.modules())
    assert model.n_iter_ == len(model.history_) == len(model.net_.history) == other.n_iter_
    assert model.best_epoch_ == other.best_epoch_
    X, y = data()
    for _ in range(2):
        torch.testing.assert_close(optimizer_state(model), optimizer_state(other), rtol=0, atol=0)
        assert_same_weights(model, other)
        np.testing.assert_array_equal(model.history_["train_loss"], other.history_["train_loss"])
        for each in (model, other):
            each.partial_fit(X, y)


OPTIMIZER = pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon", "rmsprop", "adagrad"])


@OPTIMIZER
def test_interrupt_in_mid_epoch_keeps_the_last_finished_one(optimizer, monkeypatch):
    X, y = data()
    how = {"lr_schedule": "constant", "optimizer": optimizer}
    expected = tiny(max_epochs=2, **how).fit(X, y)
    model = tiny(max_epochs=9, **how)
    raise_in_step(monkeypatch, 8, ctrl_c)  # the second of three steps of epoch 3
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert_same_training(model, expected)


def test_interrupt_in_mid_epoch_of_the_stock_loop_keeps_the_last_finished_one():
    X, y = data()
    how = {"lr_schedule": "constant"}
    expected = tiny(max_epochs=2, callbacks=[RaiseAt(99, ctrl_c)], **how).fit(X, y)
    model = tiny(max_epochs=9, callbacks=[RaiseAt(8, ctrl_c)], **how)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert_same_training(model, expected)


def test_interrupt_in_the_first_epoch_leaves_nothing(monkeypatch):
    model = tiny().fit(*data())
    raise_in_step(monkeypatch, 2, ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data())
    with pytest.raises(NotFittedError):
        check_is_fitted(model)


WAYS_ON = {
    "warm start": lambda model, X, y: model.set_params(warm_start=True).fit(X, y),
    "partial_fit": lambda model, X, y: model.partial_fit(X, y),
}


@pytest.mark.parametrize("raises", [ctrl_c, fail, sys.exit], ids=["ctrl-c", "error", "exit"])
@pytest.mark.parametrize("go_on", list(WAYS_ON.values()), ids=list(WAYS_ON))
def test_first_epoch_of_a_continued_training_is_taken_back(go_on, raises, monkeypatch):
    X, y = data()
    model, expected = tiny().fit(X, y), tiny().fit(X, y)
    with monkeypatch.context() as patch:
        raise_in_step(patch, 2, raises)
        with pytest.raises((KeyboardInterrupt, RuntimeError, SystemExit)):
            go_on(model, X, 1 - y)
    assert_same_training(model, expected)


@pytest.mark.parametrize("raises", [ctrl_c, fail], ids=["ctrl-c", "error"])
def test_later_epoch_of_a_warm_start_keeps_the_last_finished_one(raises, monkeypatch):
    X, y = data()
    how = {"warm_start": True, "lr_schedule": "constant"}
    model, expected = (tiny(max_epochs=n, **how).fit(X, y) for n in (3, 3))
    expected.set_params(max_epochs=1).fit(X, y)
    with monkeypatch.context() as patch:
        raise_in_step(patch, 5, raises)  # in the second epoch
        with pytest.raises((KeyboardInterrupt, RuntimeError)):
            model.fit(X, y)
    assert_same_training(model, expected)


def test_error_of_a_new_training_leaves_nothing(monkeypatch):
    model = tiny()
    raise_in_step(monkeypatch, 5, fail)
    with pytest.raises(RuntimeError, match="broken callback"):
        model.fit(*data())
    with pytest.raises(NotFittedError):
        check_is_fitted(model)


def test_diverging_warm_start_keeps_the_finite_network():
    X, y = data()
    model, expected = tiny(warm_start=True).fit(X, y), tiny().fit(X, y)
    model.set_params(learning_rate=1e30, lr_schedule="constant")
    with pytest.raises(TrainingDivergedError, match="learning_rate"):
        model.fit(X, y)
    assert model.n_iter_ == len(model.history_) == 3
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


class InEpochEnd(Callback):
    def __init__(self, raises):
        self.raises = raises

    def on_epoch_end(self, net, **kwargs):
        self.raises()


def test_interrupt_inside_on_epoch_end_of_skorch_is_not_swallowed():
    X, y = data()
    model = tiny(callbacks=[InEpochEnd(ctrl_c)])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.n_iter_ == len(model.net_.history) == 1
    assert not model.net_.module_.training


def test_callback_of_skorch_may_still_stop_the_training():
    def stop():
        raise KeyboardInterrupt

    assert tiny(callbacks=[InEpochEnd(stop)]).fit(*data()).n_iter_ == 1


def test_second_interrupt_does_not_disturb_the_first(monkeypatch):
    X, y = data()
    model, expected = tiny().fit(X, y), tiny().fit(X, y)
    go_back = EpochState.go_back

    def interrupted_again(self):
        ctrl_c()
        go_back(self)
        ctrl_c()

    monkeypatch.setattr(EpochState, "go_back", interrupted_again)
    raise_in_step(monkeypatch, 2, ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(X, 1 - y)
    monkeypatch.undo()
    assert_same_training(model, expected)


def test_interrupt_while_the_attributes_are_set_leaves_them_complete(monkeypatch):
    X, y = data()
    finish = FitRun.finish_network

    def interrupted(self):
        ctrl_c()
        finish(self)

    monkeypatch.setattr(FitRun, "finish_network", interrupted)
    model = tiny(warm_start=True)
    for n_calls in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, y)
        assert model.history_.index.tolist() == list(range(1, 3 * n_calls + 1))
    assert model.best_epoch_ == model.n_iter_ == 6


def test_interrupt_with_early_stopping_in_mid_epoch_keeps_the_best_epoch(monkeypatch):
    X, y = data()
    model = tiny(max_epochs=9, early_stopping=True, n_iter_no_change=9, learning_rate=0.03)
    raise_in_step(monkeypatch, 17, ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, 1 - y, X_val=X, y_val=y)
    best = model.history_.loc[model.best_epoch_]
    assert model.n_iter_ == 5
    assert model.score(X, y) == best["valid_score"] == model.history_["valid_score"].max()


def interrupted_child():
    """Go on with a training that the parent interrupts; return what is left of it."""
    X, y = data()
    model = tiny().fit(X, y)
    before = model.predict_proba(X)
    says = [lambda: tell_parent(os.getpid()), lambda: time.sleep(LONGEST)]
    model.net_.callbacks_ = [("wait", RaiseAt(2, lambda: [say() for say in says]))]
    with suppress(KeyboardInterrupt):
        model.partial_fit(X, 1 - y)
    return model.n_iter_, bool(np.array_equal(model.predict_proba(X), before))


def test_a_signal_from_another_process_in_mid_epoch_takes_the_epoch_back():
    child = Child(interrupted_child)
    os.kill(child.hear(), signal.SIGINT)
    assert child.hear() == (3, True)


SKORCH_HOOKS = [
    "initialize", "on_train_begin", "on_epoch_begin", "on_batch_begin", "on_grad_computed",
    "on_batch_end", "on_epoch_end", "on_train_end",
]  # fmt: skip


def failing_callback(hook, call):
    """Return a skorch callback whose hook raises an error when it is called that often."""
    left = call

    def raises(self, *args, **kwargs):
        nonlocal left
        left -= 1
        if left == 0:
            fail()

    return type("Failing", (Callback,), {hook: raises})()


@pytest.mark.parametrize("hook", SKORCH_HOOKS)
def test_an_error_in_any_hook_of_skorch_leaves_a_new_estimator_unfitted(hook):
    call = 1 if hook in ("initialize", "on_train_begin", "on_train_end") else 2
    model = tiny(callbacks=[failing_callback(hook, call)])
    with pytest.raises(RuntimeError, match="broken callback"):
        model.fit(*data())
    with pytest.raises(NotFittedError):
        check_is_fitted(model)


@pytest.mark.parametrize("hook", SKORCH_HOOKS[1:])
def test_an_error_in_any_hook_of_skorch_keeps_the_finished_epochs(hook):
    X, y = data()
    call = 1 if hook in ("on_train_begin", "on_train_end") else 2
    how = {"warm_start": True, "lr_schedule": "constant", "max_epochs": 2}
    model, expected = (tiny(**how).fit(X, y) for _ in range(2))
    model.net_.callbacks_ = [("failing", failing_callback(hook, call))]
    with pytest.raises(RuntimeError, match="broken callback"):
        model.fit(X, y)
    model.net_.callbacks_ = []
    n_done = {"on_epoch_begin": 1, "on_epoch_end": 2, "on_train_end": 2}.get(hook, 0)
    if n_done:
        expected.set_params(max_epochs=n_done).fit(X, y)
    assert_same_training(model, expected)


class FailingTask:
    """A callback of scikit-learn that fails at the beginning or the end of a task."""

    def __init__(self, method, task):
        self.fails_in = method, task

    def setup(self, estimator, context):
        self._at("setup", context)

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self._at("begin", context)

    def on_fit_task_end(self, estimator, context):
        self._at("end", context)

    def _at(self, method, context):
        if (method, context.task_name) == self.fails_in:
            fail()


@pytest.mark.parametrize(
    "place", [("setup", "fit"), ("begin", "fit"), ("begin", "epoch"), ("end", "epoch")]
)
def test_an_error_in_a_callback_of_scikit_learn_leaves_a_new_estimator_unfitted(place):
    model = tiny().set_callbacks(FailingTask(*place))
    with pytest.raises(RuntimeError, match="broken callback"):
        model.fit(*data())
    with pytest.raises(NotFittedError):
        check_is_fitted(model)


def test_an_error_at_the_end_of_the_fit_keeps_the_whole_training():
    X, y = data()
    model = tiny().set_callbacks(FailingTask("end", "fit"))
    with pytest.raises(RuntimeError, match="broken callback"):
        model.fit(X, y)
    assert_same_training(model, tiny().fit(X, y))
