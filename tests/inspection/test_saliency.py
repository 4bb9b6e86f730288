"""Saliency of every method: a patch that it must find, parameters, and invariances."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import ConvNetClassifier
from skcnn.inspection import feature_maps, saliency
from skcnn.layers import Activation, Conv, Flatten, GlobalPool, Normalize
from tests.helpers.explained import METHODS
from tests.helpers.inspected import LABELS, Shared, assert_same_state, fitted, state_of
from tests.helpers.small_nets import small
from tests.helpers.steps import Double, RepeatFirstClass, sampling_pipeline


def stripes_in_noise(n, seed):
    """Return noise with a striped patch anywhere; its direction is the class."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(scale=0.2, size=(n, 20, 20)), np.arange(n) % 2
    inside = np.zeros(X.shape, bool)
    stripes = np.where(np.arange(6) % 2, 2.0, -2.0) * np.ones((6, 1))
    for i, (row, column) in enumerate(rng.integers(0, 15, (n, 2))):
        box = (i, slice(row, row + 6), slice(column, column + 6))
        X[box] += stripes.T if y[i] else stripes
        inside[box] = True
    return X, y, inside


@pytest.fixture(scope="module")
def patch():
    X, y, _ = stripes_in_noise(240, 0)
    specs = [Conv(8), Normalize(), Activation(), GlobalPool(kind="max")]
    net = ConvNetClassifier(architecture=specs, max_epochs=12, random_state=0).fit(X, y)
    X, y, inside = stripes_in_noise(40, 1)
    assert net.score(X, y) == 1
    return X, net, inside


@pytest.mark.parametrize("method", METHODS)
def test_the_patch_that_decides_holds_most_of_the_saliency(patch, method):
    X, net, inside = patch
    assert inside.mean() == 0.09
    maps = np.abs(saliency(net, X, method=method)[..., 0])
    shares = (maps * inside).sum((1, 2)) / maps.sum((1, 2))
    assert shares.mean() > 0.5


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"method": "gradcam"}, r"'method' .* one of \['gradient', .*Did you mean 'grad_cam'"),
        ({"method": None}, r"The 'method' parameter must be one of .* Got None instead\.$"),
        (
            {"layer": "conv_1"},
            "'layer' parameter is for method='grad_cam' only. Got layer='conv_1'",
        ),
        ({"window": 3}, "'window' parameter is for method='occlusion' only"),
        ({"method": "grad_cam", "layer": "conv_7"}, "'layer' .* Got 'conv_7'"),
        ({"method": "grad_cam", "layer": "dense_1"}, r"2 spatial axes. Got 'dense_1', .* \(5,\)"),
        ({"n_steps": 0}, "n_steps == 0, must be >= 1"),
        ({"method": "occlusion", "window": 8}, r"'window' .* sample \(8, 7\). Got 8 instead"),
        ({"method": "occlusion", "window": 0}, "'window' .* Got 0"),
        ({"method": "occlusion", "window": (2, 2, 2)}, r"'window' .* Got \(2, 2, 2\)"),
        ({"method": "occlusion", "window": 2.5}, "'window' .* Got 2.5"),
        ({"baseline": [1.0, 2.0]}, r"'baseline' .* shape \(8, 7, 1\). Got \[1.0, 2.0\]"),
        ({"baseline": np.ones((7, 8))}, r"'baseline' .* Got an array of shape \(7, 8\)"),
        ({"baseline": "mean"}, "'baseline' .* Got 'mean'"),
        ({"baseline": np.inf}, "'baseline' .* Got inf"),
        ({"baseline": None}, "'baseline' .* Got None"),
    ],
)
def test_bad_parameters_are_named(params, message):
    X, net = fitted((8, 7), max_epochs=1)
    with pytest.raises(ValueError, match=message):
        saliency(net, X, **params)


@pytest.mark.parametrize("method", ["gradient", "grad_cam"])
def test_a_baseline_or_steps_of_another_method_are_ignored(method):
    X, net = fitted((8, 7), max_epochs=1)
    found = saliency(net, X, method=method, baseline=3.0, n_steps=2)
    assert_array_equal(found, saliency(net, X, method=method))


def test_n_steps_must_be_whole():
    X, net = fitted((8, 7), max_epochs=1)
    with pytest.raises(TypeError, match="n_steps must be an instance of"):
        saliency(net, X, n_steps=2.0)


def test_a_baseline_may_have_any_shape_of_a_sample():
    X, net = fitted((8, 7, 2), max_epochs=1)
    mean = X.mean(0)
    first = saliency(net, X, method="integrated_gradients", baseline=mean)
    flat = saliency(net, X, method="integrated_gradients", baseline=mean.ravel())
    assert_array_equal(first, flat)
    colour = saliency(net, X, method="occlusion", baseline=[0.5, -0.5])
    full = saliency(net, X, method="occlusion", baseline=np.ones((8, 7, 2)) * [0.5, -0.5])
    assert_array_equal(colour, full)


def test_networks_without_what_a_method_needs():
    X, net = fitted((8, 7), architecture=[Flatten()])
    with pytest.raises(ValueError, match="no convolution that returns feature maps"):
        saliency(net, X, method="grad_cam")
    assert saliency(net, X, method="occlusion").shape == (40, 8, 7, 1)


def test_saliency_that_is_not_finite_is_an_error():
    X, net = fitted((8, 7), architecture=[Conv(3), Activation("elu"), Flatten()])
    with pytest.raises(ValueError, match="method='occlusion' gave infinite values or NaN"):
        saliency(net, X, method="occlusion", baseline=3e38)


@pytest.mark.parametrize("method", METHODS)
def test_saliency_is_bitwise_independent_of_the_batch(explained, method):
    X, net, target = explained
    if np.ndim(target):
        target = 2
    everything = saliency(net, X, method=method, target=target)
    backwards = saliency(net, X[::-1], method=method, target=target)[::-1]
    assert_array_equal(backwards, everything)
    alone = saliency(net, X[17:18], method=method, target=target)
    assert_array_equal(alone, everything[17:18])


@pytest.mark.parametrize("method", METHODS)
def test_estimator_and_random_state_are_unchanged(explained, method):
    X, net, target = explained
    before, torch_state = state_of(net), torch.get_rng_state()
    assert all(before["needs"]), "no earlier test has switched gradients off"
    saliency(net, X, method=method, target=target)
    assert_same_state(before, state_of(net))
    assert torch.equal(torch.get_rng_state(), torch_state)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_saliency_does_not_depend_on_the_callers_mode_of_torch(context, method):
    X, net = fitted((8, 7), max_epochs=1)
    with context():
        inside = saliency(net, X, method=method)
    assert_array_equal(inside, saliency(net, X, method=method))


@pytest.mark.parametrize("method", METHODS)
def test_a_users_module_that_works_in_place(method):
    X, net = fitted((8, 8), architecture=Shared)
    maps = saliency(net, X, method=method)
    assert maps.shape == (40, 8, 8, 1)
    assert np.abs(maps).max() > 0
    if method == "grad_cam":  # the activation ran after the first convolution, too
        assert_array_equal(maps, saliency(net, X, method=method, layer="second"))


@pytest.mark.parametrize("method", METHODS)
def test_pipelines_explain_what_reaches_the_network(method):
    X = np.random.default_rng(0).normal(3, 2, (40, 64))
    net = ConvNetClassifier(input_shape=(8, 8), filters=3, max_epochs=1, random_state=0)
    pipeline = make_pipeline(StandardScaler(), net)
    search = GridSearchCV(pipeline, {"convnetclassifier__filters": [2]}, cv=2).fit(X, LABELS)
    best = search.best_estimator_
    expected = saliency(best[-1], best[:-1].transform(X), method=method)
    assert_array_equal(saliency(best, X, method=method), expected)
    assert_array_equal(saliency(search, X, method=method), expected)


@pytest.mark.parametrize("method", METHODS)
def test_saliency_of_bytes_is_that_of_floats(method):
    X = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    net = ConvNetClassifier(filters=3, max_epochs=1, random_state=0).fit(X, LABELS)
    found = saliency(net, X, method=method)
    assert_allclose(found, saliency(net, X.astype(float), method=method), rtol=1e-5)


def test_test_time_augmentation_is_not_applied():
    X, net = fitted((8, 7), max_epochs=1)
    _, viewing = fitted((8, 7), max_epochs=1, test_time_augmentation="flip")
    assert (net.decision_function(X) != viewing.decision_function(X)).any()
    assert_array_equal(saliency(viewing, X), saliency(net, X))


def test_other_estimators_and_unfitted_ones_are_refused():
    with pytest.raises(NotFittedError):
        saliency(ConvNetClassifier(), np.ones((2, 8, 8)))
    with pytest.raises(TypeError, match=r"must be a fitted ConvNetClassifier .* Got LogisticReg"):
        saliency(LogisticRegression(), np.ones((2, 8)))


@pytest.mark.parametrize("explain", [saliency, feature_maps])
def test_steps_without_fitted_attributes_and_samplers_are_walked_as_in_predict(digits, explain):
    X, y = digits
    for steps in ([Double()], [Double(), RepeatFirstClass()]):
        model = sampling_pipeline(*steps, small()).fit(X, y)
        assert_array_equal(explain(model, X[:3]), explain(model[-1], 2 * X[:3]))
