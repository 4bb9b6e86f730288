"""Feature maps against plain loops, in every kind of network and of sample."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import correlate
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from torch import nn

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.augmentation import RandomFlip
from skcnn.inspection import feature_maps, filters
from skcnn.layers import Activation, Conv, Dropout, Flatten, Normalize, Pool, Residual
from tests.helpers.device import on_cpu
from tests.helpers.inspected import BLOCKS, LABELS, assert_same_state, fitted, state_of


def test_maps_of_a_convolution_are_its_filters_slid_over_the_sample():
    X, net = fitted((9, 8, 2), architecture=[Conv(3, (3, 5)), Flatten()], standardize=False)
    kernels, bias = filters(net), net.net_.module_.layers.conv_1.bias.detach().cpu().numpy()
    padded = np.pad(X, ((0, 0), (1, 1), (2, 2), (0, 0)))
    maps = feature_maps(net, X, layer="conv_1")
    for i in range(3):
        one_by_one = [correlate(x, kernels[i], mode="valid")[..., 0] + bias[i] for x in padded]
        assert_allclose(maps[..., i], one_by_one, atol=1e-5)


def windows_max(maps, size=2):
    n, height, width, n_maps = maps.shape
    cut = maps[:, : height // size * size, : width // size * size]
    return cut.reshape(n, height // size, size, width // size, size, n_maps).max((2, 4))


FUNCTIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_an_activations_maps_are_those_before_the_pool_after_it(kind):
    """The module itself pools first."""
    X, net = fitted((9, 8), activation=kind)
    order = [name for name, _ in net.net_.module_.layers.named_children()]
    assert order.index("pool_1") < order.index("activation_1")
    normalized, activated, pooled = (
        feature_maps(net, X, layer=layer) for layer in ("normalize_1", "activation_1", "pool_1")
    )
    assert activated.shape == (40, 9, 8, 3)
    assert_allclose(activated, FUNCTIONS[kind](normalized), atol=1e-6)
    assert_allclose(pooled, windows_max(activated), atol=1e-6)


def test_a_convolutions_own_activation_is_part_of_its_value():
    X, net = fitted((9, 8), normalization=None, activation="relu")
    order = [name for name, _ in net.net_.module_.layers.named_children()]
    assert order.index("pool_1") < order.index("conv_1_relu")
    maps = feature_maps(net, X, layer="conv_1")
    assert maps.shape == (40, 9, 8, 3)
    assert (maps >= 0).all()
    assert (maps > 0).any()
    assert_allclose(feature_maps(net, X, layer="pool_1"), windows_max(maps), atol=1e-6)
    assert_array_equal(feature_maps(net, X), maps)


def test_normalisation_is_that_of_a_prediction():
    X, net = fitted((8, 8))
    before, after = (feature_maps(net, X, layer=layer) for layer in ("conv_1", "normalize_1"))
    norm = net.net_.module_.layers.normalize_1
    mean, var, scale, shift = (
        t.detach().cpu().numpy()
        for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    assert_allclose(after, (before - mean) / np.sqrt(var + 1e-5) * scale + shift, atol=1e-5)


def test_every_layer_has_the_shape_of_the_summary(inspected):
    X, net, _ = inspected
    for name, shape in net.summary()["output_shape"].items():
        if net.channels == "first":
            shape = (shape[-1], *shape[:-1])
        maps = feature_maps(net, X[:3], layer=name)
        assert maps.shape == (3, *shape)
        assert maps.dtype == np.float32


def test_the_last_row_is_the_output(inspected):
    X, net, _ = inspected
    expected = net.decision_function(X)
    assert_allclose(feature_maps(net, X, layer="output"), expected, rtol=1e-5, atol=1e-6)
    assert_array_equal(feature_maps(net, X, layer=-1), feature_maps(net, X, layer="output"))


def test_blocks_run_as_in_the_module():
    X, net = fitted((8, 8, 2), architecture=BLOCKS)
    assert_allclose(feature_maps(net, X, layer=-1), net.decision_function(X), rtol=1e-5)
    maps = feature_maps(net, X, layer="concatenate_1")
    assert maps.shape == (40, 8, 8, 3 + 5 + 6)
    assert_array_equal(maps[..., 8:], feature_maps(net, X, layer="residual_1"))


@pytest.mark.parametrize("y", [LABELS, np.column_stack([LABELS, -LABELS])], ids=["one", "two"])
def test_a_regressors_last_row_is_in_units_of_its_training(y):
    X, net = fitted((8, 8), ConvNetRegressor, 10.0 + 5.0 * y)
    scaled = feature_maps(net, X, layer="output").reshape(y.shape)
    assert_allclose(scaled * (5 * y).std(0) + (10.0 + 5 * y).mean(0), net.predict(X), rtol=1e-5)


DEFAULTS = {
    "knobs": ({}, "activation_1"),
    "own activation": ({"normalization": None}, "conv_1"),
    "none at all": ({"architecture": [Conv(3), Flatten()]}, "conv_1"),
    "after a pool": ({"architecture": [Conv(3), Pool(2), Activation(), Flatten()]}, "activation_1"),
    "of the next one": (
        {"architecture": [Conv(3), Conv(4), Activation(), Flatten()]},
        "conv_1",
    ),
    "in a block": (
        {"architecture": [Dropout(0.1), Residual([Conv(3)]), Normalize(), Activation(), Flatten()]},
        "activation_1",
    ),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_default_is_the_first_convolution_after_its_activation(name):
    params, layer = DEFAULTS[name]
    X, net = fitted((8, 8), **params)
    assert_array_equal(feature_maps(net, X), feature_maps(net, X, layer=layer))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("activaton_1", "Got 'activaton_1' instead. Did you mean 'activation_1'"),
        (99, "a number from -15 to 14. Got 99"),
        ("residual_1.body.conv_1", "Got 'residual_1.body.conv_1'"),
    ],
)
def test_unknown_layers_are_named(layer, message):
    X, net = fitted((8, 8))
    with pytest.raises(ValueError, match=r"The 'layer' parameter must be .*" + message):
        feature_maps(net, X, layer=layer)


def test_maps_are_bitwise_independent_of_the_batch(inspected):
    X, net, _ = inspected
    everything = feature_maps(net, X)
    assert_array_equal(feature_maps(net, X[::-1])[::-1], everything)
    assert_array_equal(feature_maps(net, X[17:18]), everything[17:18])


def test_estimator_and_random_states_are_unchanged(inspected):
    X, net, _ = inspected
    before, torch_state = state_of(net), torch.get_rng_state()
    assert all(before["needs"]), "no earlier test has switched gradients off"
    numpy_state = np.random.get_state()[1].copy()
    filters(net)
    feature_maps(net, X)
    assert_same_state(before, state_of(net))
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert_array_equal(np.random.get_state()[1], numpy_state)


def test_a_module_in_training_mode_is_read_as_in_a_prediction():
    X, net = fitted((8, 8), dropout=0.5)
    expected = feature_maps(net, X, layer="output")
    net.net_.module_.train()
    assert_array_equal(feature_maps(net, X, layer="output"), expected)
    assert net.net_.module_.training


def test_a_users_modules_are_found_by_name(wrapped):
    X, net = wrapped
    module = on_cpu(net.net_.module_.module)
    images = torch.from_numpy(X).float().unsqueeze(1)
    with torch.no_grad():
        conv = module.first(images)
        first = conv.clamp(min=0)
        second = module.second(first)
        expected = {
            "first.0": conv,  # though the activation works in place
            "first": conv,
            "relu": first,  # the first of its two runs
            "second": second,
            "pair": 2 * second.clamp(min=0),
            "output": module(images),
        }
    for name, maps in expected.items():
        maps = maps.movedim(1, -1).cpu().numpy()
        assert_allclose(feature_maps(net, X, layer=name), maps, atol=1e-5)
    assert_allclose(feature_maps(net, X, layer="output"), net.decision_function(X), atol=1e-5)
    assert_array_equal(feature_maps(net, X), feature_maps(net, X, layer="relu"))
    assert_array_equal(feature_maps(net, X, layer=0), feature_maps(net, X, layer="first.0"))
    assert list(net.summary().index[:2]) == ["first.0", "relu"]


def test_layers_of_a_users_module_that_give_no_maps(wrapped):
    X, net = wrapped
    with pytest.raises(ValueError, match="layer 'unused' does not run in a prediction"):
        feature_maps(net, X, layer="unused")
    with pytest.raises(ValueError, match="layer 'table' returns dict, not a tensor"):
        feature_maps(net, X, layer="table")
    with pytest.raises(ValueError, match=r"Got 'sekond' instead\. Did you mean 'second'"):
        feature_maps(net, X, layer="sekond")


def test_a_users_module_is_unchanged(wrapped):
    X, net = wrapped
    before = state_of(net)
    assert all(before["needs"])
    feature_maps(net, X, layer="second")
    with pytest.raises(ValueError, match="does not run"):
        feature_maps(net, X, layer="unused")
    assert_same_state(before, state_of(net))


def test_signals_in_a_users_module():
    def architecture(shape, n_outputs):
        return nn.Sequential(
            nn.Conv1d(shape[0], 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(40, n_outputs)
        )

    X, net = fitted((12, 2), n_spatial_dims=1, architecture=architecture)
    assert filters(net).shape == (4, 3, 2)
    assert feature_maps(net, X).shape == (40, 10, 4)
    assert_array_equal(feature_maps(net, X), feature_maps(net, X, layer="1"))


def test_pipelines_and_searches_show_their_network():
    X, y = load_digits(return_X_y=True)
    X, y = X[:120], y[:120] % 3
    net = ConvNetClassifier(
        input_shape=(8, 8), filters=3, hidden_units=(), max_epochs=1, random_state=0
    )
    pipeline = make_pipeline(MinMaxScaler(), RandomFlip(), net).fit(X, y)
    inner = pipeline[-1]
    scaled = pipeline[:1].transform(X)
    assert_array_equal(filters(pipeline), filters(inner))
    assert_array_equal(feature_maps(pipeline, X), feature_maps(inner, scaled))
    search = GridSearchCV(pipeline, {"convnetclassifier__filters": [2]}, cv=2).fit(X, y)
    assert filters(search).shape == (2, 3, 3, 1)
    assert feature_maps(search, X).shape == (120, 8, 8, 2)


def test_maps_of_bytes_are_those_of_floats():
    X = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    net = ConvNetClassifier(filters=3, max_epochs=1, random_state=0).fit(X, LABELS)
    assert_array_equal(feature_maps(net, X), feature_maps(net, X.astype(float)))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_maps_do_not_depend_on_the_callers_mode_of_torch(context):
    X, net = fitted((8, 8))
    with context():
        inside = feature_maps(net, X)
        assert torch.is_inference_mode_enabled() is (context is torch.inference_mode)
    assert_array_equal(inside, feature_maps(net, X))


@pytest.mark.parametrize("function", [filters, lambda e: feature_maps(e, np.ones((2, 8, 8)))])
def test_other_estimators_and_unfitted_ones_are_refused(function):
    with pytest.raises(NotFittedError):
        function(ConvNetClassifier())
    with pytest.raises(TypeError, match=r"must be a fitted ConvNetClassifier .* Got LogisticReg"):
        function(LogisticRegression())


def test_samples_of_another_shape_are_refused():
    _, net = fitted((8, 8))
    with pytest.raises(ValueError, match=r"samples of shape \(9, 8\)"):
        feature_maps(net, np.ones((2, 9, 8)))
