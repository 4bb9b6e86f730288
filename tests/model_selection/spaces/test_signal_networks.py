"""The automatic space of signals: networks that fit, first trials, sizes."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from optuna import create_study

from skcnn import ConvNetClassifier, ConvNetSearchCV
from skcnn.layers import Deviations, GlobalPool, LayerSpec
from skcnn.model_selection._spaces.auto_space import AutoSpace
from skcnn.model_selection._spaces.signal_networks import SIGNAL_LATENTS, SignalNetworks

RNG = np.random.default_rng(0)
TIME = np.arange(40)


def tones(n=40):
    y = np.arange(n) % 2
    phases = RNG.uniform(0, 6, n)
    X = np.sin(TIME * (0.3 + 0.4 * y)[:, None] + phases[:, None])
    return X + 0.3 * RNG.normal(size=X.shape), y


def family(shape=(1, 40), any_length=False, n_samples=30, augmented=False, searches_epochs=True):
    return SignalNetworks(shape, any_length, n_samples, augmented, searches_epochs)


def draws(networks, n):
    study = create_study(sampler=None)
    for _ in range(n):
        trial = study.ask(networks.distributions)
        yield {name: trial.params[name] for name in networks.distributions}


@pytest.mark.parametrize("any_length", [False, True])
@pytest.mark.parametrize("shape", [(1, 20), (3, 40), (2, 3000)])
def test_every_draw_fits_its_signals(shape, any_length):
    networks = family(shape, any_length)
    lengths = set()
    for latents in draws(networks, 25):
        params = networks.decode(latents)
        net = ConvNetClassifier(n_spatial_dims=1, **params)
        table = net.summary((shape[1], shape[0]), 3)
        assert isinstance(params["architecture"], tuple)
        assert all(isinstance(layer, LayerSpec) for layer in params["architecture"])
        assert any(isinstance(layer, Deviations) for layer in params["architecture"]) != any_length
        assert any(isinstance(layer, GlobalPool) for layer in params["architecture"])
        assert table["parameters"].sum() > 0
        assert 1 <= params["max_epochs"] <= 600
        lengths.add(max(networks._kernel_sizes(latents["kernel"], latents["n_kernels"])))
    assert max(lengths) <= min(shape[1], 159)
    assert len(lengths) > 3


def test_default_latents_are_the_default_network():
    networks = family((1, 60))
    latents = networks.encode({})
    assert networks._kernel_sizes(latents["kernel"], latents["n_kernels"]) == (39, 19, 9)
    net = ConvNetClassifier(n_spatial_dims=1)
    decoded = networks.decode(latents)
    assert tuple(net._layers((1, 60))) == decoded["architecture"]
    assert decoded["batch_size"] == 16
    assert decoded["max_epochs"] == 300


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"batch_size": None},
        {"optimizer": "muon", "learning_rate": 0.1},
        {"optimizer": "sgd", "learning_rate": 100.0, "weight_decay": 0.0},
        {"augmentation_strength": 0.7},
    ],
    ids=str,
)
def test_any_estimator_is_a_place_in_the_space(own):
    net = ConvNetClassifier(**own)
    space = AutoSpace("", family(augmented=True), net.get_params(deep=False), (), None)
    values = space.values_of(0)
    assert set(values) == set(SIGNAL_LATENTS) == set(space.distributions)
    for name, value in values.items():
        distribution = space.distributions[name]
        assert distribution._contains(distribution.to_internal_repr(value)), name


def test_epochs_that_are_given_are_kept():
    X, y = tones()
    net = ConvNetClassifier(n_spatial_dims=1, max_epochs=2, random_state=0)
    search = ConvNetSearchCV(net, n_trials=2, cv=2, random_state=0, refit=False).fit(X, y)
    params = search.cv_results_["params"]
    assert all("max_epochs" not in each for each in params)
    assert "architecture" in params[1]


def test_a_search_of_signals_begins_with_the_network_itself():
    X, y = tones()
    net = ConvNetClassifier(n_spatial_dims=1, max_epochs=3, random_state=0)
    search = ConvNetSearchCV(net, n_trials=1, cv=2, random_state=0).fit(X, y)
    assert search.best_params_["architecture"] is None
    assert_array_equal(search.predict_proba(X), net.fit(X, y).predict_proba(X))


def test_blocks_of_the_users_are_searched_as_blocks():
    X, y = tones()
    net = ConvNetClassifier(n_spatial_dims=1, filters=(4,), max_epochs=1, random_state=0)
    search = ConvNetSearchCV(net, n_trials=2, cv=2, random_state=0, refit=False).fit(X, y)
    assert all("filters" in each for each in search.cv_results_["params"])


def test_smaller_networks_end_with_one_module():
    networks = family()
    latents = networks.encode({})
    sizes = [
        int(
            ConvNetClassifier(n_spatial_dims=1, architecture=networks.decode(each)["architecture"])
            .summary((40, 1), 2)["multiply_accumulates"]
            .sum()
        )
        for each in (latents, *networks.smaller(latents))
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0] / 100
