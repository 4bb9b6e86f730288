"""The callbacks of skorch and of scikit-learn."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, GradientNormClipping

from tests.helpers.small_fits import N, WatchEpochs, data, digit_net, digits, tiny
from tests.helpers.weights import assert_same_weights, weights_of


@pytest.mark.parametrize("hook", ["on_batch_begin", "on_batch_end", "on_grad_computed"])
@pytest.mark.parametrize("wrap", [lambda cb: cb, lambda cb: ("watch", cb)], ids=["bare", "named"])
def test_batch_level_callbacks_are_called_for_every_batch(hook, wrap):
    calls = []
    watch = type("Watch", (Callback,), {hook: lambda self, net, *args, **kw: calls.append(1)})()
    tiny(callbacks=[wrap(watch)]).fit(*data())
    assert len(calls) == 9  # three epochs of three batches


def test_epoch_level_callbacks_keep_the_fast_loop(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("the stock loop ran")

    monkeypatch.setattr("skorch.NeuralNet.run_single_epoch", fail)
    tiny(callbacks=[WatchEpochs()]).fit(*data())


def test_skorch_early_stopping_stops_silently(capsys):
    X, y = data()
    stop = EarlyStopping(monitor="valid_loss", patience=2, threshold=10.0)
    model = tiny(max_epochs=20, callbacks=[stop]).fit(X, y, X_val=X[:9], y_val=y[:9])
    assert model.n_iter_ == len(model.history_) == 3
    assert capsys.readouterr().out == ""


def test_skorch_early_stopping_restores_the_best_weights():
    X, y = data()
    stop = EarlyStopping(monitor="valid_loss", patience=4, load_best=True, sink=lambda text: None)
    model = tiny(max_epochs=12, learning_rate=0.05, callbacks=[stop])
    model.fit(X, 1 - y, X_val=X, y_val=y)
    assert stop.best_epoch_ < model.n_iter_
    loss = -np.log(model.predict_proba(X)[np.arange(N), y]).mean()
    np.testing.assert_allclose(loss, model.history_["valid_loss"].min(), rtol=1e-4)


@pytest.mark.parametrize(
    ("callback", "name", "instead"),
    [
        (EarlyStopping(), "EarlyStopping", "train_loss"),
        (EarlyStopping(monitor="valid_score"), "EarlyStopping", "train_loss"),
        (Checkpoint(load_best=True), "Checkpoint", "train_loss_best"),
    ],
)
def test_callback_of_skorch_that_monitors_validation_needs_validation_samples(
    callback, name, instead
):
    X, y = data()
    match = f"{name} with monitor='valid_.*', but there are no validation.*monitor '{instead}'"
    for model in (tiny(callbacks=[callback]), tiny(callbacks=[("named", callback)])):
        with pytest.raises(ValueError, match=match):
            model.fit(X, y)
        with pytest.raises(ValueError, match=match):
            model.partial_fit(X, y, classes=[0, 1])
        assert not hasattr(model, "net_")


def test_missing_validation_samples_of_a_later_call_leave_the_network():
    X, y = data()
    model = tiny(warm_start=True, callbacks=[EarlyStopping()]).fit(X, y, X_val=X, y_val=y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="no validation samples"):
        model.fit(X, y)
    assert model.n_iter_ == 3
    assert_array_equal(model.predict_proba(X), before)


def test_checkpoint_monitors_the_samples_that_early_stopping_splits_off(tmp_path):
    checkpoint = Checkpoint(dirname=tmp_path)
    tiny(callbacks=[checkpoint], early_stopping=True).fit(*data())
    assert (tmp_path / "params.pt").exists()


def test_history_of_skorch_has_a_validation_loss_only_with_validation_samples():
    X, y = data()
    model = tiny(warm_start=True, max_epochs=1).fit(X, y)
    model.fit(X, y, X_val=X, y_val=y)
    names = {"valid_loss", "valid_loss_best", "valid_score"}
    without, with_validation = model.net_.history
    assert not names & without.keys()
    assert names < with_validation.keys()
    assert with_validation["valid_loss_best"]


def test_epoch_level_callbacks_see_every_figure():
    X, y = data()
    watch = WatchEpochs()
    model = tiny(callbacks=[watch]).fit(X, y, X_val=X, y_val=y)
    assert watch.calls == ["train begin", *["epoch begin", "epoch end"] * 3, "train end"]
    assert [row["epoch"] for row in watch.rows] == [1, 2, 3]
    for row, (_, figures) in zip(watch.rows, model.history_.iterrows(), strict=True):
        assert {name: row[name] for name in figures.index} == figures.to_dict()


def test_callback_sees_the_weights_of_its_epoch():
    seen = []

    class Keep(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append({k: v.cpu() for k, v in net.weights_copy().items()})

    model = tiny(callbacks=[Keep()]).fit(*data())
    torch.testing.assert_close(seen[-1], weights_of(model), rtol=0, atol=0)
    assert not torch.equal(seen[0]["layers.output.weight"], seen[1]["layers.output.weight"])


@pytest.mark.real_device
def test_skorch_checkpoint_saves_every_epoch(tmp_path):
    checkpoint = Checkpoint(monitor=None, dirname=tmp_path, f_history="history.json")
    model = tiny(callbacks=[checkpoint]).fit(*data())
    saved = torch.load(tmp_path / "params.pt", weights_only=True)
    torch.testing.assert_close(dict(saved), weights_of(model), rtol=0, atol=0)
    assert (tmp_path / "optimizer.pt").exists()
    assert (tmp_path / "history.json").exists()


def test_gradient_norm_clipping_equals_gradient_clip():
    X, y = data()
    by_callback = tiny(callbacks=[GradientNormClipping(0.05)]).fit(X, y)
    by_parameter = tiny(gradient_clip=0.05).fit(X, y)
    assert_same_weights(by_callback, by_parameter)
    assert not torch.equal(
        *(m.net_.module_.output_layer.weight for m in (by_parameter, tiny().fit(X, y)))
    )
    assert len(by_callback.net_.history[-1]["batches"]) == 3


def test_error_in_a_callback_propagates():
    class Fail(Callback):
        def on_epoch_begin(self, net, **kwargs):
            raise RuntimeError("broken callback")

    model = tiny(callbacks=[Fail()])
    with pytest.raises(RuntimeError, match="broken callback"):
        model.fit(*data())
    with pytest.raises(NotFittedError):
        model.predict(data()[0])


class OwnOptimizer(Callback):
    def on_train_begin(self, net, **kwargs):
        net.optimizer_ = torch.optim.SGD(net.module_.parameters(), lr=0.1)


def test_a_callback_may_put_an_optimizer_in_place():
    X, y = data()
    model = tiny(callbacks=[OwnOptimizer()], max_epochs=1).fit(X, y)
    assert type(model.net_.optimizer_) is torch.optim.SGD
    assert len(model.net_.optimizer_.state) == 0  # no momentum, as in the callback's optimizer
    assert not np.array_equal(model.predict_proba(X), tiny(max_epochs=1).fit(X, y).predict_proba(X))


class CountsSteps(Callback):
    def on_train_begin(self, net, **kwargs):
        self.n_steps, step = 0, net.optimizer_.step

        def counting(*args):
            self.n_steps += 1
            return step(*args)

        net.optimizer_.step = counting


def test_a_callback_may_wrap_the_optimizers_step():
    X, y = data()
    counter = CountsSteps()
    tiny(callbacks=[counter], max_epochs=2, batch_size=8).fit(X, y)
    assert counter.n_steps == 2 * -(-len(X) // 8)


class Recorder:
    """A scikit-learn callback that records its calls."""

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


def test_callback_is_called_for_every_epoch():
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


def test_partial_fit_calls_no_callbacks():
    recorder = Recorder()
    tiny().set_callbacks(recorder).partial_fit(*data(), classes=[0, 1])
    assert recorder.calls == []


def test_progress_bar_of_scikit_learn_is_nested(capsys):
    X, y = digits()
    pipeline = make_pipeline(StandardScaler(), digit_net(input_shape=(8, 8)))
    search = GridSearchCV(pipeline, {"convnetclassifier__filters": [4, 8]}, cv=2, n_jobs=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None))
    search.fit(X.reshape(300, 64), y)
    shown = capsys.readouterr().out
    for name in ("GridSearchCV", "Pipeline", "ConvNetClassifier"):
        assert name in shown


def test_scoring_monitor_sees_every_epoch():
    X, y = digits()
    monitor = ScoringMonitor(scoring="accuracy")
    model = digit_net().set_callbacks(monitor).fit(X, y)
    log = monitor.get_logs().data_as_pandas
    epochs = log[log["task_name"] == "epoch"]
    assert len(epochs) == 4
    assert epochs["accuracy"].iloc[-1] == model.score(X, y)
    assert epochs["accuracy"].iloc[-1] > epochs["accuracy"].iloc[0]


class StopAfter:
    """A callback that ends training after some epochs and keeps the fitted copies."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs
        self.copies = []

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        if context.task_name == "epoch":
            self.copies.append(fitted_estimator.predict_proba(X))
            self.last = fitted_estimator
            return len(self.copies) >= self.n_epochs
        return False


def test_callback_stops_training_and_gets_independent_copies():
    X, y = digits()
    callback = StopAfter(2)
    model = digit_net(max_epochs=9, calibration=None).set_callbacks(callback).fit(X, y)
    assert len(model.history_) == 2
    assert not np.array_equal(callback.copies[0], callback.copies[1])
    assert_array_equal(callback.copies[1], model.predict_proba(X))
    model.partial_fit(X, y)
    assert_array_equal(callback.last.predict_proba(X), callback.copies[1])


def test_callbacks_do_not_change_the_result():
    X, y = digits()
    assert_same_weights(digit_net().fit(X, y), digit_net().set_callbacks(StopAfter(99)).fit(X, y))
