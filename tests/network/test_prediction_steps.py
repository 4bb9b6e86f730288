"""Prediction steps against the modules, and changes of the network, which are followed."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from skcnn import ConvNetClassifier, layers
from skcnn._data.validation import check_images
from skcnn._network import prediction_steps
from skcnn._network.prediction import Predictor
from skcnn.layers._fixed.kernels import WhiteningConv2d
from tests.helpers.predicted import CASES, CPU, drawn, each_case, fitted_small_net, samples


@each_case
def test_outputs_are_those_of_the_module(shape, layers):
    net = drawn(layers, shape)
    images = samples(20, shape)
    exact = copy.deepcopy(net).double()
    with torch.no_grad():
        expected = exact(images.as_batch(images.rows).double())
    got = Predictor(net, shape, CPU).outputs(images).double()
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_every_layer_has_a_case():
    def kinds(specs):
        for spec in specs:
            yield type(spec).__name__
            yield from kinds(spec.inner_layers())

    tested = {kind for _, specs in CASES.values() for kind in kinds(specs)}
    assert tested == set(layers.__all__) - {"LayerSpec"}


@pytest.fixture(params=["folded", "apart"])
def model(request, monkeypatch):
    if request.param == "apart":
        monkeypatch.setattr(prediction_steps, "MOST_FOLDED_WEIGHTS", 35)  # of 4 * 3 * 3
    X = np.random.default_rng(0).random((40, 6, 6))
    y = (X.mean((1, 2)) > 0.5).astype(int)
    return ConvNetClassifier(filters=(4,), max_epochs=1, random_state=0).fit(X, y), X


def expected_outputs(model, X):
    images = check_images(model, X)
    return Predictor(model.net_.module_, (1, 6, 6), CPU).outputs(images).double().numpy()


def whitening(**how):
    layer = WhiteningConv2d(1, 4, 3, **{"padding": 1, **how})
    return layer.requires_grad_(False)


CHANGES = {
    "weight.data": lambda m: m.layers.conv_1.weight.data.mul_(2),
    "numpy": lambda m: np.negative(
        m.layers.conv_1.weight.detach().numpy(), out=m.layers.conv_1.weight.detach().numpy()
    ),
    "running mean": lambda m: m.layers.normalize_1.running_mean.add_(1),
    "another parameter": lambda m: setattr(
        m.layers.conv_1, "weight", nn.Parameter(m.layers.conv_1.weight.detach() + 0.5)
    ),
    "dense": lambda m: m.output_layer.weight.data.neg_(),
    "another layer": lambda m: setattr(m.layers, "activation_1", nn.Tanh()),
    "another module": lambda m: setattr(m.layers, "activation_1", nn.Softplus()),
    "padding": lambda m: setattr(
        m.layers, "conv_1", nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular")
    ),
    "a whitening layer": lambda m: setattr(m.layers, "conv_1", whitening(padding_mode="reflect")),
    "a whitening layer of the same size": lambda m: setattr(
        m.layers, "conv_1", whitening(padding="same")
    ),
    "gelu": lambda m: setattr(m.layers, "activation_1", nn.GELU("tanh")),
    "state_dict": lambda m: m.load_state_dict({k: v + 1 for k, v in m.state_dict().items()}),
}


@pytest.mark.parametrize("change", list(CHANGES.values()), ids=list(CHANGES))
def test_changes_of_the_network_are_followed(model, change):
    model, X = model
    before = model.decision_function(X)
    change(model.net_.module_)
    after = model._outputs(X)
    exact = copy.deepcopy(model.net_.module_).double().eval()
    with torch.no_grad():
        expected = exact(torch.from_numpy(X.astype(np.float32)).double().unsqueeze(1))
    np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5)
    assert not np.array_equal(after[:, 1] - after[:, 0], before)


def test_large_weights_are_not_compared_before_predictions():
    specs = [layers.Conv(300), layers.Normalize(), layers.Conv(4), layers.Normalize()]
    net = drawn([*specs, layers.Flatten()], (200, 2))
    predictor = Predictor(net, (200, 2), CPU)
    predictor.outputs(samples(2, (200, 2)))
    assert [folded.conv for folded in predictor.folded] == [net.layers.conv_2]


def test_hooks_are_called(model):
    model, X = model
    model.predict(X)
    seen = []
    hook = model.net_.module_.layers.conv_1.register_forward_hook(lambda *a: seen.append(1))
    model.predict(X)
    assert seen
    hook.remove()
    seen.clear()
    model.predict(X)
    assert not seen


def test_predictors_are_neither_pickled_nor_copied(model):
    model, X = model
    size = len(pickle.dumps(model))
    model.predict(X)
    assert len(pickle.dumps(model)) == size
    again = copy.deepcopy(model)
    again.net_.module_.layers.conv_1.weight.data.mul_(2)
    np.testing.assert_array_equal(again._outputs(X), expected_outputs(again, X))
    np.testing.assert_array_equal(model._outputs(X), expected_outputs(model, X))


def test_predictions_do_not_change_the_module(model):
    model, X = model
    names = [name for name, _ in model.net_.module_.named_modules()]
    state = {k: v.clone() for k, v in model.net_.module_.state_dict().items()}
    model.predict(X)
    assert [name for name, _ in model.net_.module_.named_modules()] == names
    torch.testing.assert_close(dict(model.net_.module_.state_dict()), state, rtol=0, atol=0)


def test_a_changed_epsilon_changes_predictions():
    model, X = fitted_small_net()
    plain = model.decision_function(X)
    for part in model.net_.module_.modules():
        if hasattr(part, "running_var"):
            part.eps = 1.0
    assert np.abs(model.decision_function(X) - plain).max() > 1e-3


def test_a_replaced_forward_is_called():
    model, X = fitted_small_net()
    output = model.net_.module_.output_layer
    output.forward = lambda x: torch.ones(len(x), output.out_features)
    assert (model.decision_function(X) == model.decision_function(X)[0]).all()
