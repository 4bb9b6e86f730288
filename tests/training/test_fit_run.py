"""Fits that are interrupted."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from tests.helpers.small_fits import data, tiny


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
