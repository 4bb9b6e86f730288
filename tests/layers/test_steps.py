"""A new layer in one module: the specification, the torch module and its steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from skcnn import ConvNetClassifier
from skcnn._network.joint_network import JointNetwork, joint_structure
from skcnn._network.prediction import Predictor
from skcnn.layers import Activation, Concatenate, Conv, GlobalPool, LayerSpec, Normalize, Residual
from skcnn.layers import _steps as steps
from skcnn.layers._base import Shape
from skcnn.layers._steps import (
    JOINT_STEPS,
    PREDICTION_STEPS,
    Step,
    Updates,
    joined,
    joint_step,
    own_forward,
    prediction_step,
    skip_in_predictions,
)
from tests.helpers.predicted import CPU, drawn, samples

SHAPE = (3, 8, 8)


class ChannelOffset(nn.Module):
    """A learned offset for each channel."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n_channels))

    def forward(self, x):
        return x + self.bias.view(-1, *(1,) * (x.dim() - 2))


@dataclass(frozen=True, repr=False)
class Offset(LayerSpec):
    """A learned offset for each channel."""

    def n_parameters(self, shape: Shape) -> int:
        return shape[0]

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        return ChannelOffset(shape[0])


def join_offsets(parts: Sequence[ChannelOffset], updates: Updates) -> Step:
    def run(x):
        return x + joined(parts, "bias").view(-1, *(1,) * (x.dim() - 2))

    return run


LAYERS = [Conv(4), Offset(), Residual([Conv(4), Offset(), Activation("gelu")]), GlobalPool()]


@pytest.fixture
def tables(monkeypatch):
    """Tables of steps whose changes end with the test."""
    for name in ("PREDICTION_STEPS", "JOINT_STEPS"):
        table = getattr(steps, name)
        for kind in (ChannelOffset, nn.Softplus):
            monkeypatch.setitem(table, kind, None)  # restored, that is removed, afterwards
            del table[kind]


@pytest.fixture
def registered(tables):
    prediction_step(ChannelOffset)(own_forward)
    joint_step(ChannelOffset)(join_offsets)


def outputs_in_parts(predictor, images):
    parts = [images.part(i, i + n) for i, n in ((0, 1), (3, 2), (7, 5))]
    return [predictor.outputs(type(images)(part, images.layout)) for part in parts]


def check_predictions(net):
    predictor = Predictor(net, SHAPE, CPU)
    images = samples(12, SHAPE)
    outputs = predictor.outputs(images)
    with torch.no_grad():
        torch.testing.assert_close(outputs, net(images.as_batch(images.rows)))
    expected = [outputs[i : i + n] for i, n in ((0, 1), (3, 2), (7, 5))]
    assert all(map(torch.equal, outputs_in_parts(predictor, images), expected))
    return predictor


def test_layer_without_steps_is_built_counted_and_predicted(tables):
    predictor = check_predictions(drawn(LAYERS, SHAPE))
    assert not predictor.has_steps
    assert joint_structure(predictor.module) is None


def test_layer_with_steps_is_predicted_by_them(registered):
    assert check_predictions(drawn(LAYERS, SHAPE)).has_steps


def test_layer_with_steps_is_trained_jointly(registered):
    networks = [drawn(LAYERS, SHAPE).double() for _ in range(2)]
    with torch.no_grad():
        networks[1].layers.offset_1.bias.add_(1)
    assert joint_structure(networks[0]) == joint_structure(networks[1]) is not None
    inputs = [torch.randn(5, *SHAPE, dtype=torch.float64) for _ in networks]
    expected = [network(x) for network, x in zip(networks, inputs, strict=True)]
    outputs = JointNetwork(networks)(inputs)
    torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-12)
    outputs[1].sum().backward()
    first, second = (network.layers.offset_1.bias.grad for network in networks)
    assert not first.any()
    assert second.all()


@pytest.mark.parametrize("fixture", ["tables", "registered"])
def test_estimator_trains_and_summarizes_a_new_layer(fixture, request):
    request.getfixturevalue(fixture)
    X = np.random.default_rng(0).normal(size=(40, 8, 8, 3)).astype(np.float32)
    model = ConvNetClassifier(architecture=LAYERS, max_epochs=1, random_state=0)
    model.fit(X, np.arange(40) % 2)
    table = model.summary()
    assert list(table["type"]) == ["Conv", "Offset", "Residual", "GlobalPool", "Dense"]
    assert table["parameters"]["offset_1"] == 4
    assert table["parameters"].sum() == model.n_parameters_
    assert model.net_.module_.layers.offset_1.bias.abs().max() > 0
    np.testing.assert_array_equal(model.predict_proba(X)[5:8], model.predict_proba(X[5:8]))


def test_only_if_leaves_out_modules_with_other_settings(tables):
    assert PREDICTION_STEPS[nn.GELU].only_if(nn.GELU())
    net = drawn([Conv(4, activation="gelu"), GlobalPool()], SHAPE)
    assert Predictor(net, SHAPE, CPU).has_steps
    net.layers[1].approximate = "tanh"
    assert not Predictor(net, SHAPE, CPU).has_steps


def test_skipped_modules_are_not_called_in_predictions(tables):
    skip_in_predictions(nn.Softplus)
    net = drawn([Conv(4), GlobalPool()], SHAPE)
    images = samples(3, SHAPE)
    expected = Predictor(net, SHAPE, CPU).outputs(images)
    net.layers.conv_1 = nn.Sequential(net.layers.conv_1, nn.Softplus())
    assert torch.equal(Predictor(net, SHAPE, CPU).outputs(images), expected)


def test_steps_are_registered_for_exact_types(registered):
    class Other(ChannelOffset):
        pass

    assert Other not in PREDICTION_STEPS
    assert Other not in JOINT_STEPS


@pytest.mark.parametrize(
    ("spec", "flattens", "convolves"),
    [
        (Conv(4), False, True),
        (GlobalPool(), True, False),
        (Residual([Activation(), Conv(4)]), False, True),
        (Concatenate([[GlobalPool()], [Conv(4), GlobalPool()]]), True, True),
        (Residual([Normalize()], shortcut=[Conv(4)]), False, False),
        (Offset(), False, False),
    ],
    ids=str,
)
def test_blocks_flatten_and_convolve_as_their_layers_do(spec, flattens, convolves):
    assert spec.flattens is flattens
    assert spec.convolves is convolves
