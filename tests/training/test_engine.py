"""The training engine: its two loops, penalties, precision and outputs."""

import pickle
import shutil

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from skorch.callbacks import Callback
from torch import nn

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._data.samples import SampleSet, canonical_order
from skcnn._data.validation import check_images
from skcnn._training.batches import BatchIterator
from skcnn._utils.random_state import derive_seeds
from skcnn._utils.threads import torch_threads
from skcnn.layers import Conv, Dense, GlobalPool, Residual
from tests.helpers.device import on_cpu
from tests.helpers.small_fits import N, WatchBatches, data, matrices, tiny
from tests.helpers.weights import assert_same_weights, weights_of

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
    assert watch.sizes  # the stock loop ran
    assert_same_weights(fast, stock)
    timeless = ["train_loss", "valid_loss", "valid_score", "learning_rate"]
    np.testing.assert_allclose(fast.history_[timeless], stock.history_[timeless], rtol=1e-5)


def test_train_loss_is_the_mean_over_samples():
    X, y = data()
    model = tiny(
        learning_rate=1e-12, dropout=0.0, normalization=None, batch_size=13, max_epochs=1
    ).fit(X, y)  # batches of 10, nearly constant weights
    expected = -np.log(model.predict_proba(X)[np.arange(N), y]).mean()
    np.testing.assert_allclose(model.history_["train_loss"], expected, rtol=1e-5)


def plain_net(n_inputs, n_outputs):
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(n_inputs, 4, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(144, n_outputs)
    )


def plain_loop(net, X, y, batch_size, epochs, learning_rate, seed):
    """Train by plain gradient descent."""
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
    got = on_cpu(model.net_.module_.module)
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(got.state_dict()[name], value, rtol=1e-5, atol=1e-6)
        assert not torch.allclose(value, start.state_dict()[name], atol=1e-3)


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


@pytest.mark.real_device
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


@pytest.mark.real_device
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
def test_outputs_are_independent_of_batch_and_order(shape, params):
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


def test_outputs_of_two_threads_are_batch_independent():
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
    before = weights_of(model)
    assert not model.net_.module_.training
    model.predict(X)
    assert not model.net_.module_.training
    torch.testing.assert_close(weights_of(model), before, rtol=0, atol=0)


def test_outputs_return_to_training_mode():
    model = tiny().fit(*data())
    model.net_.module_.train()
    model.net_.outputs(check_images(model, data()[0]))
    assert model.net_.module_.training


def test_snapshot_does_not_follow_further_training():
    X, y = data()
    model = tiny().fit(X, y)
    still = model.net_.snapshot()
    expected = model.net_.outputs(check_images(model, X))
    model.partial_fit(X, y)
    images = check_images(model, X)
    np.testing.assert_array_equal(still.outputs(images), expected)
    assert not np.array_equal(model.net_.outputs(images), expected)


@pytest.mark.cpu
def test_moving_to_the_same_device_changes_nothing():
    X, y = data()
    model, other = tiny().fit(X, y), tiny().fit(X, y)
    model.net_.move_to(torch.device("cpu"))
    assert model.net_.device == "cpu"
    assert_same_weights(model.partial_fit(X, y), other.partial_fit(X, y))
