"""Named architectures in the estimators: training, predictions, searches, what "auto" means."""

import pickle
from math import prod

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.estimator_checks import check_estimator

from skcnn import ConvNetClassifier, ConvNetRegressor, ConvNetSearchCV
from skcnn._architectures.registry import NAMED, NamedArchitecture
from skcnn._convnet.automatic import bounded_batch_size, resolve_learning_rate
from skcnn._data.layouts import layout_of_input_shape
from skcnn.exceptions import ArchitectureError
from skcnn.inspection import feature_maps, filters, saliency
from skcnn.layers import Concatenate, Conv, GlobalPool, Residual

LIGHT = (
    "lenet5",
    "resnet20",
    "mobilenet_v2",
    "efficientnet_lite0",
    "convnext_atto",
)
SIGNALS = [name for name in NAMED if NAMED[name].n_axes == 1]
IMAGES = [name for name in NAMED if name not in SIGNALS]
EACH_NAME = [pytest.param(name, marks=[] if name in LIGHT else pytest.mark.slow) for name in IMAGES]
SMALL = pytest.mark.parametrize("name", ["lenet5", "resnet20"])
N_CHECKS = {ConvNetClassifier: 67, ConvNetRegressor: 60}


def colours(n, side):
    """Return noisy images whose channel 0 is brighter in class 1."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    X = rng.random((n, side, side, 3), dtype=np.float32)
    X[..., 0] += y[:, None, None]
    return X, y


def least_side(name):
    return max(NAMED[name].least_side, 4)


def net(name, cls=ConvNetClassifier, **params):
    return cls(architecture=name, **{"max_epochs": 1, "random_state": 0, **params})


@pytest.mark.parametrize("name", EACH_NAME)
def test_each_network_trains_and_predicts_samples_independently(name):
    X, y = colours(6, least_side(name))
    model = net(name).fit(X, y)
    probabilities = model.predict_proba(X)
    assert np.isfinite(probabilities).all()
    assert model.n_parameters_ == int(model.summary()["parameters"].sum())
    for rows in (slice(0, 1), slice(1, 4), slice(5, None, -1)):
        np.testing.assert_array_equal(model.predict_proba(X[rows]), probabilities[rows])
    for parameter in model.net_.module_.parameters():
        assert parameter.isfinite().all()


@pytest.mark.parametrize("name", SIGNALS)
def test_each_network_for_signals_trains_and_predicts_samples_independently(name):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(8, 80, 3)).astype(np.float32), np.arange(8) % 2
    model = net(name, n_spatial_dims=1).fit(X, y)
    probabilities = model.predict_proba(X)
    assert model.n_parameters_ == int(model.summary()["parameters"].sum())
    for rows in (slice(0, 1), slice(1, 4), slice(5, None, -1)):
        np.testing.assert_array_equal(model.predict_proba(X[rows]), probabilities[rows])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), probabilities)


def test_feature_maps_of_a_network_that_makes_rows_of_channels():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(6, 80, 3)).astype(np.float32), np.arange(6) % 2
    model = net("eegnet", n_spatial_dims=1).fit(X, y)
    assert feature_maps(model, X, layer="channelsasrows_1").shape == (6, 3, 80, 1)
    assert feature_maps(model, X, layer="conv_1").shape == (6, 3, 80, 8)
    assert feature_maps(model, X, layer="conv_2").shape == (6, 1, 80, 16)
    assert filters(model, layer="conv_1").shape == (8, 1, 64, 1)
    assert filters(model, layer="conv_2").shape == (16, 3, 1, 1)
    assert saliency(model, X).shape == X.shape


@pytest.mark.parametrize("name", LIGHT)
def test_fitted_networks_are_pickled(name):
    X, y = colours(6, least_side(name))
    model = net(name).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@SMALL
def test_fits_are_reproducible(name):
    X, y = colours(6, 12)
    first, second = (net(name).fit(X, y).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_deep_network_learns_with_automatic_values():
    X, y = colours(64, 6)
    model = net("resnet20", max_epochs=12).fit(X[:48], y[:48])
    assert model.score(X[48:], y[48:]) > 0.9, model.history_


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["alexnet", "vgg16", "mobilenet_v2", "efficientnet_lite0", "convnext_atto", "googlenet"]
)
def test_other_kinds_of_networks_learn_with_automatic_values(name):
    X, y = colours(192, max(least_side(name), 6))
    model = net(name, max_epochs=10).fit(X[:160], y[:160])
    assert model.score(X[160:], y[160:]) > 0.9, model.history_


def test_regressors_have_named_architectures():
    X, _ = colours(24, 6)
    model = net("resnet20", ConvNetRegressor).fit(X, X.mean((1, 2, 3)))
    assert model.predict(X).shape == (24,)


@pytest.mark.slow
@pytest.mark.parametrize("cls", N_CHECKS)
def test_check_estimator_passes_on_a_named_architecture(cls):
    results = check_estimator(
        cls(architecture="resnet20", max_epochs=8), on_skip=None, on_fail=None
    )
    assert [r for r in results if r["status"] != "passed"] == []
    assert len(results) == N_CHECKS[cls]


def test_grid_search_over_names():
    X, y = colours(24, 12)
    grid = {"architecture": [None, "lenet5", "resnet20"]}
    search = GridSearchCV(ConvNetClassifier(max_epochs=1, random_state=0), grid, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_["architecture"] in grid["architecture"]


def test_search_over_names():
    X, y = colours(24, 12)
    search = ConvNetSearchCV(
        ConvNetClassifier(max_epochs=1, random_state=0),
        {"architecture": ["lenet5", "resnet20"]},
        n_trials=2,
        cv=2,
        random_state=0,
    ).fit(X, y)
    assert {*search.cv_results_["param_architecture"]} == {"lenet5", "resnet20"}
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_names_survive_clone():
    assert clone(net("resnet50")).architecture == "resnet50"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet51", r"'architecture' parameter .*'resnet50'.* Did you mean 'resnet5[06]'\?$"),
        ("mobilenet", r"'timm:NAME' or 'torchvision:NAME'.* Did you mean 'mobilenet_v2'\?$"),
        ("tim:resnet18", r"Got 'tim:resnet18' instead\."),
    ],
)
def test_unknown_names_are_named_with_all_others(name, message):
    X, y = colours(6, 4)
    with pytest.raises(InvalidParameterError, match=message):
        net(name).fit(X, y)


def test_inputs_that_are_too_small_are_named():
    X, y = colours(6, 8)
    with pytest.raises(ArchitectureError, match=r"^architecture='inception_v3' needs at least 15"):
        net("inception_v3").fit(X, y)
    with pytest.raises(ArchitectureError, match=r"^architecture='inception_v3' is for images"):
        net("inception_v3").fit(X.reshape(6, -1), y)


@pytest.mark.parametrize(
    ("architecture", "rate"), [("vgg16", 0.0005), ("resnet18", 0.005), (None, 0.005)]
)
def test_automatic_learning_rate_is_smaller_without_normalization(architecture, rate):
    assert resolve_learning_rate("auto", "adamw", architecture) == pytest.approx(rate)
    assert resolve_learning_rate(0.3, "adamw", architecture) == 0.3


def test_fits_take_the_learning_rate_of_the_architecture(monkeypatch):
    X, y = colours(6, 4)
    rates = []
    for share in (1.0, 0.1):
        named = NamedArchitecture(lambda shape: (Conv(2), GlobalPool()), rate_share=share)
        monkeypatch.setitem(NAMED, "lenet5", named)
        model = net("lenet5", max_epochs=3, lr_schedule="constant", warm_start=True).fit(X, y)
        rates += [model.history_["learning_rate"].max(), model.net_.lr]
        rates.append(model.fit(X, y).net_.lr)
    assert rates == pytest.approx([0.005] * 3 + [0.0005] * 3)


def test_automatic_batches_count_the_values_inside_of_blocks():
    shape = (3, 16, 16)
    inside = [Conv(8), Conv(4)]
    residual = Residual(inside, shortcut=[Conv(4, 1)])
    assert residual.n_output_values(shape) == (8 + 4 + 4 + 4) * 256
    assert Residual(inside).n_output_values((4, 16, 16)) == (8 + 4 + 4) * 256
    assert Concatenate([inside, []]).n_output_values(shape) == (8 + 4 + 7) * 256
    model = ConvNetClassifier(architecture=[residual, Conv(2), GlobalPool()])
    model.n_outputs_ = 3
    layout = layout_of_input_shape((16, 16, 3), None, "last", "ConvNetClassifier")
    assert model._layer_values(layout) == (20 + 2) * 256 + 2 + 3


@pytest.mark.parametrize(("name", "least"), [("resnet50", 8), ("resnet18", 32), ("vgg16", 8)])
def test_automatic_batches_of_large_images_fit_into_memory(name, least):
    model = ConvNetClassifier(architecture=name)
    model.n_outputs_ = 1000
    layout = layout_of_input_shape((224, 224, 3), None, "last", "ConvNetClassifier")
    values = model._layer_values(layout)
    assert values > prod((224, 224, 3))
    assert bounded_batch_size(100_000, values) >= least
    assert bounded_batch_size(100_000, values) * values <= 2**29
