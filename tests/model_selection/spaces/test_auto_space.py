"""The automatic space: first trials, names, and networks that fit."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.augmentation import RandomTranslation
from skcnn.layers import Conv, Dense, Flatten
from skcnn.model_selection._spaces.auto_space import AutoSpace
from skcnn.model_selection._spaces.networks import BlockNetworks
from tests.helpers.spaces import search_of, small


def auto_space(own=None, spatial=(8, 8), n_samples=60, augmented=False, initial=(), prefix=""):
    net = ConvNetClassifier(**own or {})
    networks = BlockNetworks(spatial, n_samples, augmented)
    return AutoSpace(prefix, networks, net.get_params(deep=False), initial, None)


def test_first_trial_has_the_estimators_own_parameters(digits):
    X, y = digits
    net = small(filters=((4, 4), 8), kernel_size=(3, 1), dropout=0.1, learning_rate=0.02)
    search = search_of(net, n_trials=1, refit=True).fit(X, y)
    first = search.cv_results_["params"][0]
    assert first == {name: getattr(net, name) for name in first}
    assert_array_equal(search.predict_proba(X), net.fit(X, y).predict_proba(X))


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"filters": ()},
        {"filters": 8},
        {"hidden_units": ()},
        {"hidden_units": 16},
        {"pooling": None, "stride": 2},
        {"pool_size": (2, 1), "pool_stride": 1},
        {"stride": (2, 1), "kernel_size": (3, 5)},
        {"activation": "identity"},
        {"optimizer": "rmsprop", "learning_rate": 10.0, "weight_decay": 0.0},
        {"batch_size": None},
        {"batch_size": 7, "dropout": 0.9, "normalization": "group"},
    ],
    ids=str,
)
def test_any_estimator_is_a_place_in_the_space(own):
    ConvNetClassifier(**own).summary(input_shape=(8, 8, 1), n_outputs=3)  # a legal network
    space = auto_space(own)
    values = space.values_of(0)
    assert set(values) == set(space.distributions)
    for name, value in values.items():
        distribution = space.distributions[name]
        assert distribution._contains(distribution.to_internal_repr(value)), name
    net = ConvNetClassifier(**own)
    first = space.params_of(values, 0)
    assert first == {name: getattr(net, name) for name in first}


@pytest.mark.parametrize(
    ("net", "X", "expected"),
    [
        (ConvNetClassifier(), (8, 8), ("muon", "max", 0)),
        (ConvNetClassifier(learning_rate=0.01), (8, 8), ("adamw", "max", 0)),
        (ConvNetClassifier(filters=8), (8, 8), ("muon", "flat", 1)),
        (ConvNetClassifier(filters=8, global_pooling="average"), (8, 8), ("muon", "average", 0)),
        (ConvNetRegressor(), (8, 8), ("muon", "flat", 1)),
        (ConvNetClassifier(n_spatial_dims=1, filters=8), (20, 2), ("adamw", "flat", 1)),
        (ConvNetClassifier(input_shape=(None, 2), filters=8), (20, 2), ("adamw", "average", 1)),
    ],
    ids=str,
)
def test_the_first_place_is_what_auto_stands_for(net, X, expected):
    samples, y = np.random.default_rng(0).random((20, *X)), np.arange(20) % 2
    net = net.set_params(max_epochs=1, random_state=0)
    search = search_of(net, n_trials=1, cv=2).fit(samples, y)
    seen = search.study_.trials[0].params
    assert (seen["optimizer"], seen["head"], seen["n_hidden"]) == expected


def test_names_have_the_prefix_of_the_step():
    params = auto_space(prefix="net__").params_of(auto_space().values_of(0))
    assert all(name.startswith("net__") for name in params)
    assert params["net__kernel_size"] == 3


def test_given_architecture_leaves_training_parameters(digits):
    net = small(architecture=[Conv(4), Flatten(), Dense(8)])
    search = search_of(net, n_trials=3).fit(*digits)
    names = {name for params in search.cv_results_["params"] for name in params}
    assert names == {"optimizer", "learning_rate", "weight_decay", "batch_size"}
    assert set(search.cv_results_["state"]) == {"COMPLETE"}


@pytest.mark.parametrize(
    "estimator",
    [
        small(augmentation=[RandomTranslation(0.1)]),
        make_pipeline(RandomTranslation(0.1), small()),
        make_pipeline(StandardScaler(), make_pipeline(RandomTranslation(0.1), small())),
    ],
    ids=["parameter", "pipeline", "nested"],
)
def test_strength_of_an_augmentation_is_searched(digits, estimator):
    search = search_of(estimator, n_trials=3, sampler="random").fit(*digits)
    results = search.cv_results_
    names = [name for name in results["params"][0] if name.endswith("augmentation_strength")]
    assert len(names) == 1
    strengths = results[f"param_{names[0]}"]
    assert strengths[0] == 1.0
    assert len(set(strengths)) == 3
    assert set(results["state"]) == {"COMPLETE"}


def test_without_augmentation_there_is_no_strength(digits):
    search = search_of(make_pipeline(StandardScaler(), small()), n_trials=2).fit(*digits)
    assert not any("augmentation" in name for name in search.cv_results_["params"][1])


@pytest.mark.parametrize(
    "shape",
    [(30,), (8, 8), (5, 41), (6, 6, 6), (6, 6, 3), (5, 4, 4, 2), (1,), (2, 3), (1, 20, 2)],
    ids=str,
)
@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_no_trial_fails_for_its_shape(shape, cls):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(24, *shape)), np.arange(24) % 2
    net = cls(input_shape=shape, max_epochs=1, random_state=0)
    constraints = {"multiply_accumulates": 3_000_000}
    search = search_of(net, n_trials=5, constraints=constraints, error_score="raise")
    search.fit(X.reshape(24, -1), y if cls is ConvNetClassifier else y.astype(float))
    assert {*search.cv_results_["state"]} <= {"COMPLETE", "INFEASIBLE"}
    assert search.cv_results_["state"].tolist().count("COMPLETE") >= 3


def test_images_and_their_flat_rows_are_searched_alike():
    rng = np.random.default_rng(0)
    X, y = rng.random((30, 6, 6, 3)), np.arange(30) % 3
    net = ConvNetClassifier(max_epochs=1, random_state=0)
    images = search_of(net, n_trials=2).fit(X, y)
    rows = search_of(net.set_params(input_shape=(6, 6, 3)), n_trials=2).fit(X.reshape(30, -1), y)
    assert images.cv_results_["params"] == rows.cv_results_["params"]
    first = search_of(net.set_params(input_shape=None, channels="first"), n_trials=2)
    first.fit(np.moveaxis(X, -1, 1), y)
    assert first.cv_results_["params"] == images.cv_results_["params"]


def test_signals_with_channels_are_searched_as_signals():
    rng = np.random.default_rng(0)
    X, y = rng.random((30, 20, 3)), np.arange(30) % 3
    net = ConvNetClassifier(n_spatial_dims=1, max_epochs=1, random_state=0)
    signals = search_of(net, n_trials=3, error_score="raise").fit(X, y)
    rows = search_of(net.set_params(input_shape=(20, 3)), n_trials=3).fit(X.reshape(30, -1), y)
    assert signals.cv_results_["params"] == rows.cv_results_["params"]
    scores = [search.cv_results_["mean_test_score"] for search in (signals, rows)]
    assert_array_equal(*scores)
    flat = search_of(net.set_params(n_spatial_dims=None), n_trials=3).fit(X.reshape(30, -1), y)
    assert not np.array_equal(*(s.cv_results_["n_parameters"] for s in (flat, rows)))


def test_space_is_for_the_output_of_the_steps_before():
    rng = np.random.default_rng(0)
    X, y = rng.random((40, 64)), np.arange(40) % 2
    model = make_pipeline(PCA(n_components=12, random_state=0), ConvNetClassifier(max_epochs=1))
    search = search_of(model, n_trials=3, error_score="raise").fit(X, y)
    assert set(search.cv_results_["state"]) == {"COMPLETE"}


@pytest.mark.slow
def test_naive_spaces_fail_where_the_automatic_does_not():
    rng = np.random.default_rng(0)
    X, y = rng.random((40, 5, 41)), np.arange(40) % 2
    net = ConvNetClassifier(max_epochs=1, random_state=0)
    naive = {
        "filters": [(4,), (4, 8), (4, 8, 8)],
        "kernel_size": (2, 7),
        "padding": ["valid"],
        "stride": (1, 3),
        "pool_size": (2, 3),
    }
    with pytest.warns(FitFailedWarning, match="of 25 trials failed"):
        failed = search_of(net, naive, n_trials=25, sampler="random").fit(X, y)
    auto = search_of(net, n_trials=25, constraints={"multiply_accumulates": 3_000_000}).fit(X, y)
    assert np.mean(failed.cv_results_["state"] == "FAIL") > 0.5
    assert "FAIL" not in auto.cv_results_["state"]


@pytest.mark.parametrize(
    "own",
    [{"padding": "valid"}, {"padding": 0}, {"padding_mode": "mirror"}, {"stride": 2}],
    ids=str,
)
def test_networks_fit_whatever_the_estimators_own_borders(own):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(24, 5, 9)), np.arange(24) % 2
    net = ConvNetClassifier(filters=(4,), hidden_units=(), max_epochs=1, random_state=0, **own)
    bound = {"multiply_accumulates": 300_000}
    search = search_of(net, n_trials=8, sampler="random", error_score="raise", constraints=bound)
    results = search.fit(X, y).cv_results_
    assert set(results["state"]) == {"COMPLETE"}
    if "padding" in own:
        assert [p["padding"] for p in results["params"]] == [own["padding"]] + ["same"] * 7


def test_strength_is_searched_with_an_augmentation_around_the_search(digits):
    search = search_of(small(input_shape=(8, 8)), n_trials=2)
    model = make_pipeline(RandomTranslation(0.1, input_shape=(8, 8)), search).fit(*digits)
    assert "augmentation_strength" in model[-1].cv_results_["params"][1]
