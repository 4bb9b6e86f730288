"""Copies and pickles of fitted estimators."""

import copy
import io
import pickle

import joblib
import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, Freezer

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._convnet import fitted_network
from skcnn._data.validation import check_images
from skcnn.layers import Conv, Whiten
from tests.helpers.small_fits import WatchEpochs, data, tiny
from tests.helpers.weights import assert_same_weights, weights_of


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
    before, proba = weights_of(model), model.predict_proba(X)
    other = duplicate(model).partial_fit(X, y)
    torch.testing.assert_close(weights_of(model), before, rtol=0, atol=0)
    np.testing.assert_array_equal(model.predict_proba(X), proba)
    assert not np.array_equal(other.predict_proba(X), proba)


@copied
@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_copy_continues_with_warm_start(cls, duplicate):
    X, y = data()
    model = tiny(cls, warm_start=True, early_stopping=True).fit(X, y)
    other = duplicate(model).fit(X, y)
    model.fit(X, y)
    assert_same_weights(other, model)


@copied
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_copy_of_a_model_with_frozen_layers_continues(optimizer, duplicate):
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
def test_copy_of_a_model_with_fixed_kernels_continues(duplicate):
    X, y = data()
    model = tiny(architecture=[Whiten(), Conv(4, activation="relu")], warm_start=True).fit(X, y)
    other = duplicate(model)
    trains = [p.requires_grad for p in other.net_.module_.parameters()]
    assert trains == [p.requires_grad for p in model.net_.module_.parameters()]
    assert not all(trains)
    assert_same_weights(other.fit(X, y), model.fit(X, y))


@pytest.mark.cpu
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


def test_unfitted_estimator_pickles():
    model = pickle.loads(pickle.dumps(tiny(filters=(3, 5))))
    assert model.filters == (3, 5)


@pytest.mark.parametrize("params", [{}, {"early_stopping": True}, {"callbacks": [WatchEpochs()]}])
def test_pickle_holds_no_training_data(params):
    sizes = []
    for n in (50, 2000):
        model = tiny(max_epochs=1, batch_size=None, **params).fit(*data(16, 16, n=n))
        sizes.append(len(pickle.dumps(model)))
    n_hash_bytes = 8 * (2000 - 50) if "early_stopping" in params else 0  # of seen samples
    assert abs(sizes[1] - sizes[0] - n_hash_bytes) < 1000
    n_bytes = 4 * model.n_parameters_
    assert sizes[1] < 4 * n_bytes + 30_000  # weights, two moments, the rest


def test_pickle_holds_every_weight_once():
    model = tiny(hidden_units=(512,), max_epochs=1, optimizer="sgd", momentum=0.0).fit(*data())
    assert len(pickle.dumps(model)) < 1.2 * 4 * model.n_parameters_ + 20_000


def test_pickled_tensors_are_on_the_cpu():
    model = tiny().fit(*data())
    module = model.net_.module_
    model.net_.device = "cuda"  # pretend; the tensors stay on the CPU
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


@pytest.mark.cpu
def test_a_network_from_cuda_is_pickled_with_the_memory_order_of_its_weights():
    # on the same kind of device it then computes with the same kernels, to the same bits
    X, y = data()
    model = tiny(filters=(4, 8)).fit(X, y)
    expected = model.predict_proba(X)
    strides = {k: v.stride() for k, v in model.net_.module_.state_dict().items()}
    model.net_.device = "cuda:0"
    again = pickle.loads(pickle.dumps(model))
    assert again.net_.device == "cpu"
    assert {k: v.stride() for k, v in again.net_.module_.state_dict().items()} == strides
    np.testing.assert_array_equal(again.predict_proba(X), expected)


def test_an_unpickled_network_goes_to_the_automatic_device(monkeypatch):
    X, y = data()
    model = tiny(filters=(4, 8), device="auto").fit(X, y)
    pickled = pickle.dumps(model)
    strides = {k: v.stride() for k, v in model.net_.module_.state_dict().items()}
    meta = torch.device("meta")  # stands for a GPU
    monkeypatch.setattr(fitted_network, "resolve_device", lambda device: meta)
    again = pickle.loads(pickled)
    state = again.net_.module_.state_dict()
    assert again.net_.device == "meta"
    assert {k: v.stride() for k, v in state.items()} == strides
    assert {t.device.type for t in state.values()} == {"meta"}
    assert again.net_.predictor(again._layout).device == meta
