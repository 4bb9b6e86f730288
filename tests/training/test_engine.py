"""The training engine: its two loops, callbacks, penalties, prediction, failure, pickling."""

import copy
import io
import pickle
import shutil

import joblib
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, Freezer, GradientNormClipping
from torch import nn

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._data.samples import SampleSet, canonical_order
from skcnn._data.validation import check_images
from skcnn._training.batches import BatchIterator
from skcnn._utils.device import torch_threads
from skcnn._utils.random_state import derive_seeds
from skcnn.exceptions import TrainingDivergedError
from skcnn.layers import Conv, Dense, GlobalPool, Residual, Whiten

N = 40


def data(*shape, n=N):
    X = np.random.default_rng(0).random((n, *(shape or (6, 6))))
    return X, (X.reshape(n, -1).mean(1) > 0.5).astype(int)


def tiny(cls=ConvNetClassifier, **params):
    small = {
        "filters": (4,), "hidden_units": (8,), "max_epochs": 3, "batch_size": 16,
        "random_state": 0, "device": "cpu", "n_threads": 1,
    }  # fmt: skip
    return cls(**small | params)


def weights(model):
    return {name: value.clone() for name, value in model.net_.module_.state_dict().items()}


def assert_same_weights(a, b, **tolerance):
    tolerance = tolerance or {"rtol": 0, "atol": 0}
    torch.testing.assert_close(weights(a), weights(b), **tolerance)


class WatchBatches(Callback):
    """Brings the stock loop by its hook alone."""

    def __init__(self):
        self.sizes = []

    def on_batch_end(self, net, batch=None, **kwargs):
        self.sizes.append(len(batch[0]))


class WatchEpochs(Callback):
    """Notes what an epoch-level callback can see."""

    def __init__(self):
        self.calls = []
        self.rows = []

    def on_train_begin(self, net, **kwargs):
        self.calls.append("train begin")

    def on_epoch_begin(self, net, **kwargs):
        self.calls.append("epoch begin")

    def on_epoch_end(self, net, **kwargs):
        self.calls.append("epoch end")
        self.rows.append(dict(net.history[-1]))

    def on_train_end(self, net, **kwargs):
        self.calls.append("train end")


# The two loops

CONFIGURATIONS = {
    "default": {},
    "no dropout": {"dropout": 0.0},
    "channel dropout": {"conv_dropout": 0.3},
    "sgd": {"optimizer": "sgd", "learning_rate": 0.05},
    "rmsprop, step": {"optimizer": "rmsprop", "lr_schedule": "step"},
    "adagrad, plateau": {"optimizer": "adagrad", "lr_schedule": "plateau"},
    "adam, inverse scaling": {"optimizer": "adam", "lr_schedule": "inverse_scaling"},
    "penalties": {"l1_penalty": 0.01, "weight_decay": 0.1},
    "clipped": {"gradient_clip": 0.1},
    "full batch": {"batch_size": None},
    "batches of one": {"batch_size": 1, "max_epochs": 1},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 1, "max_epochs": 5},
    "bfloat16": {"precision": "bfloat16"},
}


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
@pytest.mark.parametrize("params", list(CONFIGURATIONS.values()), ids=list(CONFIGURATIONS))
def test_fast_and_stock_loop_give_the_same_bits(params, cls):
    X, y = data()
    watch = WatchBatches()
    fast = tiny(cls, **params).fit(X, y)
    stock = tiny(cls, **params, callbacks=[watch]).fit(X, y)
    assert watch.sizes  # it was the stock loop
    assert_same_weights(fast, stock)
    timeless = ["train_loss", "valid_loss", "valid_score", "learning_rate"]
    np.testing.assert_allclose(fast.history_[timeless], stock.history_[timeless], rtol=1e-5)


@pytest.mark.parametrize("hook", ["on_batch_begin", "on_batch_end", "on_grad_computed"])
@pytest.mark.parametrize("wrap", [lambda cb: cb, lambda cb: ("watch", cb)], ids=["bare", "named"])
def test_batch_level_callbacks_are_called_for_every_batch(hook, wrap):
    calls = []
    watch = type("Watch", (Callback,), {hook: lambda self, net, *args, **kw: calls.append(1)})()
    tiny(callbacks=[wrap(watch)]).fit(*data())
    assert len(calls) == 9  # three epochs of three batches


def test_epoch_level_callbacks_keep_the_fast_loop(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the stock loop ran")

    monkeypatch.setattr("skorch.NeuralNet.run_single_epoch", refuse)
    tiny(callbacks=[WatchEpochs()]).fit(*data())


def test_train_loss_is_the_mean_over_samples():
    X, y = data()
    model = tiny(
        learning_rate=1e-12, dropout=0.0, normalization=None, batch_size=13, max_epochs=1
    ).fit(X, y)  # batches of 10: weights as good as constant
    expected = -np.log(model.predict_proba(X)[np.arange(N), y]).mean()
    np.testing.assert_allclose(model.history_["train_loss"], expected, rtol=1e-5)


# A plain torch loop


def plain_net(n_inputs, n_outputs):
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(n_inputs, 4, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(144, n_outputs)
    )


def plain_loop(net, X, y, batch_size, epochs, learning_rate, seed):
    """Train by gradient descent as a textbook does it."""
    probe = tiny(max_epochs=1, architecture=lambda shape, n: plain_net(shape[0], n)).fit(X, y)
    images = check_images(probe, X)
    index, _ = canonical_order(images, y, None)
    samples = SampleSet(images, index, y[index], None)
    generator = torch.Generator().manual_seed(seed)
    batches = BatchIterator(samples, batch_size, torch.device("cpu"), generator)
    for _ in range(epochs):
        for inputs, (targets, _) in batches:
            net.zero_grad()
            F.cross_entropy(net(inputs), targets).backward()
            with torch.no_grad():
                for p in net.parameters():
                    p -= learning_rate * p.grad
    return net


def test_training_equals_a_plain_torch_loop():
    X, y = data()
    with torch.random.fork_rng():
        model = tiny(
            architecture=lambda shape, n: plain_net(shape[0], n), standardize=False,
            optimizer="sgd", momentum=0.0, weight_decay=0.0, learning_rate=0.1,
            lr_schedule="constant", random_state=5,
        ).fit(X, y)  # fmt: skip
        seed = derive_seeds(5, 0, 3)[2]
        expected = plain_loop(plain_net(1, 2), X, y, 16, 3, 0.1, seed)
        start = plain_net(1, 2)
    got = model.net_.module_.module
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(got.state_dict()[name], value, rtol=1e-5, atol=1e-6)
        assert not torch.allclose(value, start.state_dict()[name], atol=1e-3)


# skorch callbacks


def test_skorch_early_stopping_stops_and_says_nothing(capsys):
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
            seen.append(net.weights_copy())

    model = tiny(callbacks=[Keep()]).fit(*data())
    torch.testing.assert_close(seen[-1], weights(model), rtol=0, atol=0)
    assert not torch.equal(seen[0]["layers.output.weight"], seen[1]["layers.output.weight"])


def test_skorch_checkpoint_saves_every_epoch(tmp_path):
    checkpoint = Checkpoint(monitor=None, dirname=tmp_path, f_history="history.json")
    model = tiny(callbacks=[checkpoint]).fit(*data())
    saved = torch.load(tmp_path / "params.pt", weights_only=True)
    torch.testing.assert_close(dict(saved), weights(model), rtol=0, atol=0)
    assert (tmp_path / "optimizer.pt").exists()
    assert (tmp_path / "history.json").exists()


def test_gradient_norm_clipping_equals_gradient_clip():
    X, y = data()
    by_callback = tiny(callbacks=[GradientNormClipping(0.05)]).fit(X, y)
    by_parameter = tiny(gradient_clip=0.05).fit(X, y)
    assert_same_weights(by_callback, by_parameter)
    assert not torch.equal(
        *(m.net_.module_.closing.weight for m in (by_parameter, tiny().fit(X, y)))
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


# Clipping, penalties, rates


class GradientNorms(Callback):
    """Records the gradient's norm at every step."""

    def __init__(self):
        self.norms = []

    def on_grad_computed(self, net, named_parameters, **kwargs):
        squares = [p.grad.square().sum() for _, p in named_parameters if p.grad is not None]
        self.norms.append(float(sum(squares)) ** 0.5)


def test_gradient_clip_bounds_the_norm():
    X, y = data()
    free, clipped = GradientNorms(), GradientNorms()
    tiny(callbacks=[free]).fit(X, y)
    tiny(callbacks=[clipped], gradient_clip=0.05).fit(X, y)
    assert min(free.norms) > 0.05
    np.testing.assert_allclose(clipped.norms, 0.05, rtol=1e-4)


def test_gradient_clip_leaves_small_gradients_alone():
    X, y = data()
    assert_same_weights(tiny(gradient_clip=1e6).fit(X, y), tiny().fit(X, y))


def matrices(model):
    return [p for p in model.net_.module_.parameters() if p.dim() > 1]


@pytest.mark.parametrize("penalty", [{"l1_penalty": 0.05}, {"weight_decay": 5.0}])
def test_penalty_shrinks_the_weights(penalty):
    X, y = data()
    plain = tiny(max_epochs=10, weight_decay=0.0).fit(X, y)
    shrunk = tiny(max_epochs=10, **{"weight_decay": 0.0} | penalty).fit(X, y)
    size, smaller = (sum(w.abs().sum() for w in matrices(m)).item() for m in (plain, shrunk))
    assert smaller < 0.8 * size


def test_l1_penalty_is_in_the_training_loss_only():
    X, y = data()
    how = {"learning_rate": 1e-12, "dropout": 0.0, "normalization": None, "max_epochs": 1}
    model = tiny(**how, l1_penalty=0.5).fit(X, y, X_val=X, y_val=y)
    (row,) = model.history_.to_dict("records")
    expected = 0.5 * sum(w.abs().sum() for w in matrices(model)).item()
    assert row["train_loss"] - row["valid_loss"] == pytest.approx(expected, rel=1e-4)


def test_history_has_the_rate_of_the_last_batch():
    model = tiny(lr_schedule="step", learning_rate=0.01, max_epochs=4).fit(*data())
    np.testing.assert_allclose(model.history_["learning_rate"], [0.01, 0.01, 0.001, 0.0001])


def test_warm_start_takes_a_new_learning_rate():
    X, y = data()
    model = tiny(warm_start=True, learning_rate=0.01, lr_schedule="constant", max_epochs=1)
    model.fit(X, y).set_params(learning_rate=0.0001).fit(X, y)
    np.testing.assert_allclose(model.history_["learning_rate"], [0.01, 0.0001])


def test_warm_start_takes_new_penalties():
    X, y = data()
    model = tiny(warm_start=True, weight_decay=0.1, max_epochs=1).fit(X, y)
    model.set_params(weight_decay=0.5, l1_penalty=0.3, gradient_clip=2.0).fit(X, y)
    assert [group["weight_decay"] for group in model.net_.optimizer_.param_groups] == [0.5, 0.0]
    assert (model.net_.l1_penalty, model.net_.gradient_clip) == (0.3, 2.0)


# Precision and compilation


def test_bfloat16_trains_close_to_float32_and_predicts_in_float32():
    X, y = data()
    exact = tiny(precision="float32", dropout=0.0).fit(X, y)
    rough = tiny(precision="bfloat16", dropout=0.0).fit(X, y)
    assert not torch.equal(matrices(exact)[0], matrices(rough)[0])
    assert {p.dtype for p in rough.net_.module_.parameters()} == {torch.float32}
    assert rough.net_.outputs(check_images(rough, X)).dtype == np.float32
    np.testing.assert_allclose(rough.predict_proba(X), exact.predict_proba(X), atol=0.03)
    logits = rough.decision_function(X)
    in_bfloat16 = torch.from_numpy(logits).bfloat16().double().numpy()
    assert not np.array_equal(logits, in_bfloat16)


def test_bfloat16_reaches_the_network_in_training_only():
    seen = {True: set(), False: set()}

    class Probe(nn.Module):
        def __init__(self, n_outputs):
            super().__init__()
            self.dense = nn.Linear(36, n_outputs)

        def forward(self, x):
            out = self.dense(x.flatten(1))
            seen[self.training].add(out.dtype)
            return out

    X, y = data()
    tiny(precision="bfloat16", architecture=lambda shape, n: Probe(n)).fit(X, y).predict(X)
    assert seen == {True: {torch.bfloat16}, False: {torch.float32}}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings(
    "ignore:.*torch.jit.*:DeprecationWarning",
    "ignore:The .grad attribute:UserWarning",  # inside torch, hidden unless it is an error
)
def test_compiled_training_gives_nearly_the_same_weights():
    X, y = data()
    compiled = tiny(compile=True).fit(X, y)
    assert_same_weights(compiled, tiny().fit(X, y), rtol=1e-3, atol=1e-4)
    again = pickle.loads(pickle.dumps(compiled))
    np.testing.assert_array_equal(again.predict_proba(X), compiled.predict_proba(X))


# Outputs

NETS = {
    "default": ((8, 8), {"filters": "auto"}),
    "flat": ((30,), {}),
    "colour": ((7, 5, 3), {}),
    "colour, first": ((3, 7, 5), {"channels": "first"}),
    "volumes": ((4, 4, 4, 2), {}),
    "group": ((8, 8), {"normalization": "group"}),
    "no normalisation": ((8, 8), {"normalization": None, "padding": "valid"}),
    "average pools": ((9, 9), {"pooling": "average", "padding_mode": "mirror"}),
    "strided": ((9, 9), {"pooling": None, "stride": 2, "activation": "gelu"}),
    "lenet5": ((12, 12), {"architecture": "lenet5"}),
    "wide": ((6, 6), {"filters": (16, 32), "hidden_units": (256, 64)}),
    "one dense layer": ((6, 6), {"architecture": [Dense(7)]}),
    "residual": ((6, 6), {"architecture": [Conv(8), Residual([Conv(8)]), GlobalPool()]}),
    "callable": ((6, 6), {"architecture": lambda shape, n: plain_net(shape[0], n)}),
}


@pytest.mark.parametrize(("shape", "params"), list(NETS.values()), ids=list(NETS))
def test_outputs_do_not_depend_on_company_or_order(shape, params):
    X, y = data(*shape, n=100)
    with torch.random.fork_rng():
        model = tiny(max_epochs=1, batch_size=50, **params).fit(X, y)
    order = np.random.default_rng(1).permutation(100)
    parts = [np.arange(n) for n in (1, 31, 32, 33, 100)]
    with torch_threads(1, 0):
        expected = model.net_.outputs(check_images(model, X))
        assert expected.shape == (100, 2)
        for rows in (*parts, np.array([99]), np.arange(67, 100), order, order[:33]):
            got = model.net_.outputs(check_images(model, X[rows]))
            np.testing.assert_array_equal(got, expected[rows])


def test_outputs_of_two_threads_do_not_depend_on_company():
    shape, params = NETS["wide"]
    X, y = data(*shape, n=100)
    model = tiny(max_epochs=1, **params).fit(X, y)
    with torch_threads(2, 0):
        expected = model.net_.outputs(check_images(model, X))
        for rows in (slice(1), slice(99, 100), slice(40, 73)):
            got = model.net_.outputs(check_images(model, X[rows]))
            np.testing.assert_array_equal(got, expected[rows])


def test_outputs_of_bytes_and_floats_are_the_same():
    X = (255 * data()[0]).astype(np.uint8)
    model = tiny().fit(X, data()[1])
    expected = model.net_.outputs(check_images(model, X))
    for dtype in (np.int64, np.float32, np.float64):
        got = model.net_.outputs(check_images(model, X.astype(dtype)))
        np.testing.assert_array_equal(got, expected)


def test_prediction_leaves_the_network_as_it_is():
    X, y = data()
    model = tiny().fit(X, y)
    before = weights(model)
    assert not model.net_.module_.training
    model.predict(X)
    assert not model.net_.module_.training
    torch.testing.assert_close(weights(model), before, rtol=0, atol=0)


def test_outputs_return_to_training_mode():
    model = tiny().fit(*data())
    model.net_.module_.train()
    model.net_.outputs(check_images(model, data()[0]))
    assert model.net_.module_.training


# Failure


HOPELESS = {
    "optimizer": "sgd", "momentum": 0.0, "learning_rate": 1e5, "lr_schedule": "constant",
    "normalization": None, "batch_size": None, "max_epochs": 20,
}  # fmt: skip


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_divergence_names_the_learning_rate(cls):
    match = r"loss became (nan|inf) in epoch \d+\. Try a learning_rate below 100000"
    with pytest.raises(TrainingDivergedError, match=match):
        tiny(cls, **HOPELESS).fit(*data())


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_diverged_estimator_does_not_predict(cls):
    model = tiny(cls, **HOPELESS)
    with pytest.raises(TrainingDivergedError, match="learning_rate"):
        model.fit(*data())
    with pytest.raises(NotFittedError):
        model.predict(data()[0])


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_divergence_of_the_last_step_is_found_at_the_latest_by_predict(cls):
    X, y = data()
    model = tiny(cls, **HOPELESS | {"max_epochs": 1, "learning_rate": 1e20})
    with pytest.raises(ValueError, match="learning_rate"):
        model.fit(X, y).predict(X)


def test_divergence_with_early_stopping_keeps_finite_weights():
    X, y = data()
    model = tiny(**HOPELESS, early_stopping=True)
    with pytest.raises(TrainingDivergedError, match="learning_rate"):
        model.fit(X, y)
    if hasattr(model, "net_"):
        assert all(torch.isfinite(w).all() for w in model.net_.module_.state_dict().values())


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


def test_interrupt_propagates_and_keeps_the_epochs_done():
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


def test_interrupted_training_goes_on_with_warm_start():
    X, y = data()
    model = tiny(max_epochs=4, warm_start=True).set_callbacks(Interrupt(after=2))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    model.set_callbacks().fit(X, y)
    assert model.n_iter_ == 6


# Pickling


def by_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


COPIES = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "deepcopy": copy.deepcopy,
    "joblib": by_joblib,
}
copied = pytest.mark.parametrize("duplicate", list(COPIES.values()), ids=list(COPIES))


@copied
@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", "rmsprop", "adagrad"])
def test_copy_predicts_and_trains_on_like_the_original(optimizer, duplicate):
    X, y = data()
    model = tiny(optimizer=optimizer).fit(X, y)
    other = duplicate(model)
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    for _ in range(2):
        model.partial_fit(X, y)
        other.partial_fit(X, y)
    assert_same_weights(other, model)
    assert other.history_["train_loss"].tolist() == model.history_["train_loss"].tolist()


@copied
def test_copy_is_independent_of_the_original(duplicate):
    X, y = data()
    model = tiny().fit(X, y)
    before, proba = weights(model), model.predict_proba(X)
    other = duplicate(model).partial_fit(X, y)
    torch.testing.assert_close(weights(model), before, rtol=0, atol=0)
    np.testing.assert_array_equal(model.predict_proba(X), proba)
    assert not np.array_equal(other.predict_proba(X), proba)


@copied
@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_copy_goes_on_by_warm_start(cls, duplicate):
    X, y = data()
    model = tiny(cls, warm_start=True, early_stopping=True).fit(X, y)
    other = duplicate(model).fit(X, y)
    model.fit(X, y)
    assert_same_weights(other, model)


@copied
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_copy_of_a_model_with_frozen_layers_goes_on(optimizer, duplicate):
    X, y = data()
    freezer = Freezer("layers.conv*")
    model = tiny(callbacks=[freezer], optimizer=optimizer, warm_start=True).fit(X, y)
    trains = {n: p.requires_grad for n, p in model.net_.module_.named_parameters()}
    assert len(set(trains.values())) == 2
    other = duplicate(model)
    assert {n: p.requires_grad for n, p in other.net_.module_.named_parameters()} == trains
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    assert_same_weights(other.fit(X, y), model.fit(X, y))


@copied
def test_copy_of_a_model_with_fixed_kernels_goes_on(duplicate):
    X, y = data()
    model = tiny(architecture=[Whiten(), Conv(4, activation="relu")], warm_start=True).fit(X, y)
    other = duplicate(model)
    trains = [p.requires_grad for p in other.net_.module_.parameters()]
    assert trains == [p.requires_grad for p in model.net_.module_.parameters()]
    assert not all(trains)
    assert_same_weights(other.fit(X, y), model.fit(X, y))


@copied
def test_copy_of_a_snapshot_predicts(duplicate):
    X, y = data()
    model = tiny().fit(X, y)
    images = check_images(model, X)
    expected = model.net_.outputs(images)
    np.testing.assert_array_equal(duplicate(model.net_.snapshot()).outputs(images), expected)


class ExchangesModule(Callback):
    def on_train_end(self, net, **kwargs):
        net.module_ = copy.deepcopy(net.module_)


@copied
def test_copy_of_a_model_whose_module_a_callback_exchanged(duplicate):
    X, y = data()
    model = tiny(callbacks=[ExchangesModule()]).fit(X, y)
    np.testing.assert_array_equal(duplicate(model).predict_proba(X), model.predict_proba(X))


class OwnOptimizer(Callback):
    def on_train_begin(self, net, **kwargs):
        net.optimizer_ = torch.optim.SGD(net.module_.parameters(), lr=0.1)


def test_a_callback_may_put_an_optimizer_in_place():
    X, y = data()
    model = tiny(callbacks=[OwnOptimizer()], max_epochs=1).fit(X, y)
    assert type(model.net_.optimizer_) is torch.optim.SGD
    assert len(model.net_.optimizer_.state) == 0  # no momentum: steps were its own
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


def test_unfitted_estimator_pickles():
    model = pickle.loads(pickle.dumps(tiny(filters=(3, 5))))
    assert model.filters == (3, 5)


@pytest.mark.parametrize("params", [{}, {"early_stopping": True}, {"callbacks": [WatchEpochs()]}])
def test_pickle_holds_no_training_data(params):
    sizes = []
    for n in (50, 2000):
        model = tiny(max_epochs=1, batch_size=None, **params).fit(*data(16, 16, n=n))
        sizes.append(len(pickle.dumps(model)))
    assert abs(sizes[1] - sizes[0]) < 1000
    n_bytes = 4 * model.n_parameters_
    assert sizes[1] < 4 * n_bytes + 30_000  # weights, two moments, the rest


def test_pickle_holds_every_weight_once():
    model = tiny(hidden_units=(512,), max_epochs=1, optimizer="sgd", momentum=0.0).fit(*data())
    assert len(pickle.dumps(model)) < 1.2 * 4 * model.n_parameters_ + 20_000


def test_state_is_that_of_the_cpu_wherever_training_was():
    model = tiny().fit(*data())
    module = model.net_.module_
    model.net_.device = "cuda"  # as if; the tensors stay where they are
    state = model.net_.__getstate__()
    assert state["device"] == "cpu"
    assert state["module_"] is not module
    assert state["module"] is state["module_"]
    tensors = [*state["module_"].state_dict().values()]
    for slots in state["_optimizer_state"]["state"].values():
        tensors += [v for v in slots.values() if isinstance(v, torch.Tensor)]
    assert {t.device.type for t in tensors} == {"cpu"}
    assert "optimizer_" not in state


def test_pickling_leaves_the_original_able_to_train():
    X, y = data()
    model, untouched = tiny().fit(X, y), tiny().fit(X, y)
    pickle.dumps(model)
    assert_same_weights(model.partial_fit(X, y), untouched.partial_fit(X, y))


def test_snapshot_does_not_follow_further_training():
    X, y = data()
    model = tiny().fit(X, y)
    still = model.net_.snapshot()
    expected = model.net_.outputs(check_images(model, X))
    model.partial_fit(X, y)
    images = check_images(model, X)
    np.testing.assert_array_equal(still.outputs(images), expected)
    assert not np.array_equal(model.net_.outputs(images), expected)


def test_moving_to_the_same_device_changes_nothing():
    X, y = data()
    model, other = tiny().fit(X, y), tiny().fit(X, y)
    model.net_.move_to(torch.device("cpu"))
    assert model.net_.device == "cpu"
    assert_same_weights(model.partial_fit(X, y), other.partial_fit(X, y))
