"""optimizer="auto": Muon for the networks of the parameters, AdamW for all others."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits

from skcnn import ConvNetClassifier, ConvNetRegressor, load, save
from skcnn._convnet.automatic import auto_epochs
from skcnn.layers import Conv, GlobalPool, Normalize

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(24, 6, 6)).astype(np.float32)
VOLUMES = RNG.normal(size=(24, 4, 4, 4)).astype(np.float32)
SIGNALS = RNG.normal(size=(24, 1, 40)).astype(np.float32)
Y = np.arange(24) % 2
SMALL = {"filters": (4,), "hidden_units": (3,), "max_epochs": 2, "random_state": 0}


def fitted(X=IMAGES, y=Y, **params):
    return ConvNetClassifier(**{**SMALL, **params}).fit(X, y)


def optimizer_of(model):
    """Return the optimizer's name, momentum and first learning rate."""
    net = model.net_
    return net.optimizer_name, net.momentum, net.lr


@pytest.mark.parametrize(
    ("X", "params"),
    [
        (IMAGES, {}),
        (IMAGES, {"filters": "auto", "hidden_units": "auto"}),
        (IMAGES, {"normalization": "group", "batch_size": 5, "max_epochs": 3}),
        (IMAGES, {"dropout": 0.1, "early_stopping": True, "augmentation": "auto"}),
        (VOLUMES, {"n_spatial_dims": 3}),
    ],
)
def test_networks_of_the_parameters_for_images_and_volumes_are_trained_by_muon(X, params):
    assert optimizer_of(fitted(X, **params)) == ("muon", 0.6, 0.2)
    regressor = ConvNetRegressor(**{**SMALL, **params}).fit(X, Y + 0.5)
    assert optimizer_of(regressor)[0] == "muon"


@pytest.mark.parametrize(
    ("X", "params"),
    [
        (SIGNALS, {"n_spatial_dims": 1, "channels": "first"}),
        (SIGNALS, {"n_spatial_dims": 1, "channels": "first", "filters": "auto"}),
        (IMAGES, {"architecture": [Conv(4, bias=False), Normalize(), GlobalPool()]}),
        (IMAGES, {"normalization": None}),
        (IMAGES, {"weight_decay": 0.01}),
        (IMAGES, {"l1_penalty": 1e-4}),
        (IMAGES, {"lr_schedule": "constant"}),
        (IMAGES, {"lr_schedule": "plateau"}),
        (IMAGES, {"architecture": fitted()}),
    ],
)
def test_others_are_trained_by_adamw(X, params):
    name, momentum, rate = optimizer_of(fitted(X, **params))
    assert (name, momentum) == ("adamw", 0.9)
    assert rate == (0.001 if hasattr(params.get("architecture"), "net_") else 0.005)


@pytest.mark.parametrize("rate", [0.001, 0.2])
def test_a_number_is_the_learning_rate_of_adamw(rate):
    by_number = fitted(learning_rate=rate)
    assert optimizer_of(by_number) == ("adamw", 0.9, rate)
    named = fitted(learning_rate=rate, optimizer="adamw")
    assert np.array_equal(by_number.predict_proba(IMAGES), named.predict_proba(IMAGES))


def test_muon_by_name_trains_as_muon_by_auto():
    named = fitted(optimizer="muon")
    assert np.array_equal(named.predict_proba(IMAGES), fitted().predict_proba(IMAGES))
    assert optimizer_of(fitted(optimizer="muon", learning_rate=0.1)) == ("muon", 0.6, 0.1)
    assert optimizer_of(fitted(optimizer="muon", momentum=0.0)) == ("muon", 0.0, 0.2)
    assert optimizer_of(fitted(optimizer="sgd")) == ("sgd", 0.9, 0.05)


def test_single_passes_are_trained_by_adamw_and_continue_as_they_began():
    partial = ConvNetClassifier(**SMALL).partial_fit(IMAGES, Y, classes=[0, 1])
    assert optimizer_of(partial) == ("adamw", 0.9, 0.005)
    assert partial.fit(IMAGES, Y).net_.optimizer_name == "muon"
    assert partial.partial_fit(IMAGES, Y).net_.optimizer_name == "muon"
    warm = fitted(warm_start=True)
    assert warm.set_params(weight_decay=0.1).fit(IMAGES, Y).net_.optimizer_name == "muon"


def test_epochs_of_a_continued_fit_are_those_of_its_optimizer():
    X, y = RNG.normal(size=(400, 4, 4)).astype(np.float32), np.arange(400) % 2
    net = ConvNetClassifier(**{**SMALL, "max_epochs": "auto"}, warm_start=True)
    net.partial_fit(X, y, classes=[0, 1]).fit(X, y)
    assert (net.net_.optimizer_name, net.n_iter_) == ("adamw", 1 + 20)
    net = ConvNetClassifier(**{**SMALL, "max_epochs": "auto"}, warm_start=True).fit(X, y)
    assert net.set_params(learning_rate=0.01).fit(X, y).n_iter_ == 13 + 13
    assert net.net_.lr == 0.01


def test_single_passes_after_a_fit_keep_what_it_learned():
    X, y = load_digits(return_X_y=True)
    X = X.reshape(-1, 8, 8)
    model = ConvNetClassifier(filters=(8, 16), random_state=0).fit(X[:200], y[:200])
    before = model.score(X[400:], y[400:])
    for _ in range(3):
        model.partial_fit(X[200:220], y[200:220])
    assert before > 0.75  # other writers
    assert model.score(X[400:], y[400:]) > before - 0.02
    assert model.net_.lr == pytest.approx(0.01)


def test_automatic_epochs_are_those_of_the_optimizer():
    X, y = RNG.normal(size=(400, 4, 4)).astype(np.float32), np.arange(400) % 2
    net = ConvNetClassifier(**{**SMALL, "max_epochs": "auto", "calibration": None})
    assert net.fit(X, y).n_iter_ == auto_epochs(400, optimizer="muon") == 13
    assert net.set_params(optimizer="adamw").fit(X, y).n_iter_ == auto_epochs(400) == 20


def test_a_model_file_keeps_the_optimizer(tmp_path):
    model = fitted(warm_start=True)
    save(model, tmp_path / "model.skcnn")
    again = load(tmp_path / "model.skcnn")
    assert optimizer_of(again) == ("muon", 0.6, 0.2)
    assert again.optimizer == "auto"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again.fit(IMAGES, Y)
    assert np.array_equal(again.predict_proba(IMAGES), model.fit(IMAGES, Y).predict_proba(IMAGES))
