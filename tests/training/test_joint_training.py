"""Fits of one architecture trained together have the results and failures of fits alone."""

import time

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, EarlyStopping, Freezer
from torch import nn

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._network.joint_network import JointNetwork
from skcnn._training import joint_training
from skcnn._utils.worker_threads import WorkerThread
from skcnn.augmentation import MixUp, RandomFlip, RandomRotation
from skcnn.exceptions import TrainingDivergedError
from skcnn.layers import (
    Concatenate,
    Conv,
    Deviations,
    GlobalPool,
    Normalize,
    Pool,
    Residual,
    Whiten,
)
from tests.helpers.small_nets import small

SIZES = (61, 62, 60)  # of the folds: 8, 8 and 7.5 samples a batch
CLOSE = {"rtol": 1e-3, "atol": 2e-4}
OTHERS = ["train_loss", "valid_loss", "valid_score", "learning_rate"]
# the gradient of a bias before batch normalisation is only rounding, which Adam enlarges
BLOCK = Residual([Conv(4, bias=False), Normalize(), Conv(4)])
BRANCHES = Concatenate(
    [[Conv(2, 1)], [Conv(3, activation="relu")], [Pool(3, stride=1, padding="same")]]
)


def samples(seed, *shape):
    rng = np.random.default_rng(seed)
    X = rng.random((SIZES[seed % 3], *(shape or (8, 8)))).astype(np.float32)
    means = X.reshape(len(X), -1).mean(1)
    y = np.digitize(means, np.quantile(means, [0.3, 0.6]))
    return X, y


def fit_together(models, data, fit_params=({}, {}, {})):
    """Fit in worker threads, and return the errors."""

    def work(model, X, y, params):
        return lambda: model.fit(X, y, **params)

    threads = [
        WorkerThread(work(model, *xy, params), trains_jointly=True)
        for model, xy, params in zip(models, data, fit_params, strict=False)
    ]
    joint_training.advance_together(threads)
    assert all(thread.over for thread in threads)
    return [thread.error for thread in threads]


@pytest.fixture
def groups(monkeypatch):
    """The number of networks in every joint step."""
    sizes = []
    own = JointNetwork.__call__

    def call(self, inputs):
        sizes.append(self.n_networks)
        return own(self, inputs)

    monkeypatch.setattr(JointNetwork, "__call__", call)
    return sizes


def net(cls=ConvNetClassifier, **params):
    settings = {"input_shape": None, "max_epochs": 3, "batch_size": 8, "device": "cpu"}
    return small(cls, **{**settings, **params})


def nets(**params):
    return [net(**{**params, "random_state": seed}) for seed in range(3)]


def weights(model):
    return {name: value.clone() for name, value in model.net_.module_.state_dict().items()}


def assert_as_alone(models, data, fit_params=({}, {}, {}), close=None):
    """Compare models fitted together with clones fitted alone."""
    close = close or CLOSE
    for model, (X, y), params in zip(models, data, fit_params, strict=False):
        alone = clone(model).fit(X, y, **params)
        torch.testing.assert_close(weights(model), weights(alone), **close)
        ours, theirs = model.history_[OTHERS], alone.history_[OTHERS]
        np.testing.assert_allclose(ours, theirs, **close)
        assert (model.n_iter_, model.best_epoch_) == (alone.n_iter_, alone.best_epoch_)


CASES = {
    "plain": {},
    "colour": {"shape": (6, 6, 3), "input_shape": (6, 6, 3)},
    "signal": {"shape": (12,), "input_shape": (12,)},
    "signal of channels": {"shape": (12, 3), "n_spatial_dims": 1},
    "volume": {"shape": (4, 4, 4), "n_spatial_dims": 3, "pooling": None},
    "residual": {"architecture": [Conv(4), BLOCK, Pool(2)]},
    "branches": {"architecture": [Conv(4), BRANCHES, GlobalPool()]},
    "group norm": {"normalization": "group"},
    "dropout": {"dropout": 0.5, "conv_dropout": 0.3},
    "sgd": {"optimizer": "sgd", "learning_rate": 0.02},
    "rmsprop": {"optimizer": "rmsprop", "learning_rate": 0.001},
    "penalty": {"l1_penalty": 1e-3, "weight_decay": 0.1},
    "clipping": {"gradient_clip": 0.1},
    "stopping": {"early_stopping": True, "n_iter_no_change": 1, "max_epochs": 6},
    "plateau": {"lr_schedule": "plateau", "early_stopping": True},
    "augmented": {"augmentation": [RandomRotation(10)]},
    "mixed": {"augmentation": [MixUp()]},
    "smooth": {"label_smoothing": 0.1, "loss": "squared_error"},
    "balanced": {"class_weight": "balanced"},
    "whole": {"batch_size": None, "seeds": (0, 3, 6)},  # of one size
    "muon": {"optimizer": "muon", "learning_rate": 0.02},
    "linear": {"lr_schedule": "linear", "weight_init": "dirac"},
    "whitened": {"architecture": [Whiten(activation="gelu"), Conv(4, bias=False), Normalize()]},
    "deviations": {"architecture": [Deviations(), Conv(4, activation="relu"), Pool()]},
    "flips": {"augmentation": [RandomFlip(alternate=True)]},
    "one": {"batch_size": 1, "max_epochs": 1, "learning_rate": 1e-4},
}


@pytest.mark.parametrize("name", CASES)
def test_fits_together_equal_fits_alone(name, groups):
    case = dict(CASES[name])
    shape, seeds = case.pop("shape", ()), case.pop("seeds", range(3))
    models, data = nets(**case), [samples(seed, *shape) for seed in seeds]
    assert fit_together(models, data) == [None] * 3
    assert max(groups) > 1
    assert_as_alone(models, data)


def test_different_rates_train_together(groups):
    models = [net(learning_rate=rate, weight_decay=rate) for rate in (1e-4, 1e-3, 1e-2)]
    data = [samples(0)] * 3
    assert fit_together(models, data) == [None] * 3
    assert set(groups) == {3}
    assert_as_alone(models, data)
    assert len({float(model.history_["train_loss"].iloc[-1]) for model in models}) == 3


def test_weighted_fits(groups):
    data = [samples(seed) for seed in range(3)]
    params = [{"sample_weight": np.arange(len(X)) % 3} for X, _ in data]
    models = nets()
    assert fit_together(models, data, params) == [None] * 3
    assert_as_alone(models, data, params)


def test_validation_samples(groups):
    data = [samples(seed) for seed in range(3)]
    params = [{"X_val": X[:9], "y_val": y[:9]} for X, y in data[::-1]]
    models = nets()
    assert fit_together(models, data, params) == [None] * 3
    assert_as_alone(models, data, params)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_regression(loss, groups):
    data = [(X, np.c_[X.mean((1, 2)), X[:, 0, 0]]) for X, _ in map(samples, range(3))]
    models = nets(cls=ConvNetRegressor, loss=loss)
    assert fit_together(models, data) == [None] * 3
    assert max(groups) > 1
    assert_as_alone(models, data)


def test_multilabel(groups):
    data = [(X, (X[:, 0, :3] > 0.5).astype(int)) for X, _ in map(samples, range(3))]
    models = nets()
    assert fit_together(models, data) == [None] * 3
    assert_as_alone(models, data)


def test_bytes_and_floats_together(groups):
    X, y = samples(0)
    data = [((X * 255).astype(np.uint8), y), (X, y)]
    models = nets()[:2]
    assert fit_together(models, data) == [None] * 2
    assert_as_alone(models, data)


def test_bfloat16_is_near(groups):
    models, data = nets(precision="bfloat16"), [samples(seed) for seed in range(3)]
    assert fit_together(models, data) == [None] * 3
    assert max(groups) > 1
    assert_as_alone(models, data, close={"rtol": 0.1, "atol": 0.1})


def test_pipelines(groups):
    data = [(X.reshape(len(X), -1), y) for X, y in map(samples, range(3))]
    models = [make_pipeline(StandardScaler(), each) for each in nets(input_shape=(8, 8))]
    assert fit_together(models, data) == [None] * 3
    assert max(groups) > 1
    for model, (X, y) in zip(models, data, strict=True):
        expected = clone(model).fit(X, y).predict_proba(X)
        np.testing.assert_allclose(model.predict_proba(X), expected, **CLOSE)


def test_epoch_callbacks_of_skorch(groups):
    calls = [
        [EarlyStopping("train_loss", patience=1, threshold=10)],
        [Freezer("layers.conv*")],
        None,
    ]
    models = [net(callbacks=callbacks, random_state=i) for i, callbacks in enumerate(calls)]
    data = [samples(seed) for seed in range(3)]
    assert fit_together(models, data) == [None] * 3
    assert models[0].n_iter_ < 3
    assert max(groups) > 1
    assert_as_alone(models, data)


def test_training_continues_alone(groups):
    models, data = nets(warm_start=True), [samples(seed) for seed in range(3)]
    assert fit_together(models, data) == [None] * 3
    n_steps = len(groups)
    for model, (X, y) in zip(models, data, strict=True):
        alone = clone(model).fit(X, y).fit(X, y)
        model.fit(X, y)
        torch.testing.assert_close(weights(model), weights(alone), **CLOSE)
    assert len(groups) == n_steps


def test_more_batches_and_epochs_than_others(groups):
    models = [net(max_epochs=n, batch_size=size) for n, size in ((1, 8), (4, 8), (2, 20))]
    data = [samples(seed) for seed in range(3)]
    assert fit_together(models, data) == [None] * 3
    assert_as_alone(models, data)


def test_other_sizes_of_images_are_apart(groups):
    layers = [Conv(4), GlobalPool()]
    models = [net(architecture=layers, random_state=i) for i in range(2)]
    data = [samples(0, 8, 8), samples(0, 8, 6)]
    assert fit_together(models, data) == [None] * 2
    assert set(groups) == {1}
    assert_as_alone(models, data)


def test_other_networks_are_apart(groups):
    models = [net(filters=(filters,), random_state=i) for i, filters in enumerate((4, 5, 4))]
    data = [samples(seed) for seed in range(3)]
    assert fit_together(models, data) == [None] * 3
    assert max(groups) == 2
    assert_as_alone(models, data)


class WatchBatches(Callback):
    def on_batch_end(self, net, **kwargs):
        pass


def own_module(shape, n_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), n_outputs))


@pytest.mark.parametrize(
    "params",
    [{"architecture": own_module}, {"callbacks": [WatchBatches()]}],
    ids=["own", "batches"],
)
def test_networks_that_cannot_be_joined_are_trained_alone(params, groups):
    models, data = nets(**params), [samples(seed) for seed in range(3)]
    assert fit_together(models, data) == [None] * 3
    assert groups == []
    for model, (X, y) in zip(models, data, strict=True):
        torch.testing.assert_close(weights(model), weights(clone(model).fit(X, y)), rtol=0, atol=0)


def test_order_of_the_models_does_not_matter(groups):
    data = [samples(seed) for seed in range(3)]
    models, others = nets(), nets()
    fit_together(models, data)
    fit_together(others[::-1], data[::-1])
    for model, other in zip(models, others, strict=True):
        torch.testing.assert_close(weights(model), weights(other), **CLOSE)


def test_divergence_is_of_one_model(groups):
    models = [net(learning_rate=rate) for rate in (1e-3, 1e30, 1e-2)]
    data = [samples(0)] * 3
    errors = fit_together(models, data)
    assert [type(error) for error in errors] == [type(None), TrainingDivergedError, type(None)]
    assert_as_alone(models[::2], data[::2])
    with pytest.raises(TrainingDivergedError) as alone:
        clone(models[1]).fit(*data[1])
    assert str(errors[1]) == str(alone.value)


class FailsAfter:
    """An augmentation that fails in a batch."""

    def __init__(self, n):
        self.n = n

    def __call__(self, images):
        self.n -= 1
        if self.n < 0:
            raise RuntimeError("no more")
        return images


def test_failing_batches_are_of_one_model(groups):
    models = [net(augmentation=[FailsAfter(n)], random_state=n) for n in (1000, 11, 1000)]
    data = [samples(seed) for seed in range(3)]
    errors = fit_together(models, data)
    assert [str(error) for error in errors] == ["None", "no more", "None"]
    assert not hasattr(models[1], "net_")
    for model in models[::2]:
        assert model.n_iter_ == 3


def test_failing_step_ends_its_group_only(monkeypatch):
    own = JointNetwork.__call__

    def call(self, inputs):
        if self.n_networks == 2:
            raise RuntimeError("no such kernel")
        return own(self, inputs)

    monkeypatch.setattr(JointNetwork, "__call__", call)
    models = [net(filters=(filters,)) for filters in (4, 5, 4)]
    errors = fit_together(models, [samples(0)] * 3)
    assert [str(error) for error in errors] == ["no such kernel", "None", "no such kernel"]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_too_little_memory_for_all_at_once(most, groups, monkeypatch):
    own = JointNetwork.__call__

    def call(self, inputs):
        outputs = own(self, inputs)  # draws the dropout masks
        if self.n_networks > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return outputs

    monkeypatch.setattr(JointNetwork, "__call__", call)
    models = [net(dropout=0.5, random_state=i) for i in range(4)]
    data = [samples(0)] * 4
    assert fit_together(models, data, [{}] * 4) == [None] * 4
    assert max(groups) == 4
    assert groups.count(4) == 3  # once in each epoch
    assert_as_alone(models, data, [{}] * 4)


def test_too_little_memory_for_one(monkeypatch):
    def call(self, inputs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(JointNetwork, "__call__", call)
    errors = fit_together(nets(), [samples(0)] * 3)
    assert [type(error) for error in errors] == [torch.OutOfMemoryError] * 3


def test_seconds_are_shared_out(groups):
    models, data = nets(), [samples(seed) for seed in range(3)]
    start = time.perf_counter()
    fit_together(models, data)
    seconds = time.perf_counter() - start
    own = [model.history_["seconds"].sum() for model in models]
    assert min(own) > 0
    assert sum(own) <= seconds


@pytest.mark.parametrize("n_threads", [1, 2])
def test_threads_are_as_in_the_fits(n_threads, groups, monkeypatch):
    seen = []
    own = joint_training.train_pass

    def train_pass(requests):
        seen.append(torch.get_num_threads())
        return own(requests)

    monkeypatch.setattr(joint_training, "train_pass", train_pass)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3 - n_threads)
        fit_together(nets(n_threads=n_threads), [samples(seed) for seed in range(3)])
        assert torch.get_num_threads() == 3 - n_threads
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {n_threads}


@pytest.mark.parametrize(("device", "pays"), [("cpu", False), ("cuda", True), ("mps", True)])
def test_joint_training_is_for_accelerators(device, pays):
    assert joint_training.joint_training_pays(torch.device(device)) == pays
