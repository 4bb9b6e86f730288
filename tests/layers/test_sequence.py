"""Layers one after another: the output layer, names, shapes, pools before activations."""

import numpy as np
import pytest
from torch import nn

from skcnn import ConvNetClassifier
from skcnn.exceptions import ArchitectureError
from skcnn.layers import (
    Activation,
    Concatenate,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalPool,
    Normalize,
    Pool,
    Residual,
)
from skcnn.layers._activation import MONOTONE
from skcnn.layers._sequence import follow, trace, with_output
from tests.helpers.layer_modules import TOLERANCE, apply, build, naive_activation, naive_pool

# layers given, layers with an output layer of three outputs
COMPLETE = [
    ([], [Flatten(), Dense(3)]),
    (Conv(8), [Conv(8), Flatten(), Dense(3)]),
    ([Conv(8), Pool(2)], [Conv(8), Pool(2), Flatten(), Dense(3)]),
    ([Conv(8), Dense(5)], [Conv(8), Flatten(), Dense(5), Dense(3)]),
    ((Conv(8), Flatten(), Dense(5)), [Conv(8), Flatten(), Dense(5), Dense(3)]),
    ([Flatten(), Dropout(), Dense(5)], [Flatten(), Dropout(), Dense(5), Dense(3)]),
    ([Conv(8), GlobalPool()], [Conv(8), GlobalPool(), Dense(3)]),
    ([Dense(5), Dense(4)], [Flatten(), Dense(5), Dense(4), Dense(3)]),
    ([Residual([Conv(8)])], [Residual([Conv(8)]), Flatten(), Dense(3)]),
    (
        [Residual([GlobalPool()], shortcut=[GlobalPool()])],
        [Residual([GlobalPool()], shortcut=[GlobalPool()]), Dense(3)],
    ),
    (
        [Concatenate([[GlobalPool()], [Conv(2), GlobalPool()]])],
        [Concatenate([[GlobalPool()], [Conv(2), GlobalPool()]]), Dense(3)],
    ),
    ([Concatenate([[Conv(4)], []])], [Concatenate([[Conv(4)], []]), Flatten(), Dense(3)]),
]
# layers, input shape, message: name, number, specification, sizes, and what would fit
DOES_NOT_FIT = [
    (
        [Conv(8), Pool(4), Conv(8, 3, padding="valid"), Dense(2)],
        (1, 8, 9),
        r"^Layer 'conv_2' \(number 3\): Conv\(8, 3, padding='valid'\) does not fit its input of "
        r"spatial size \(2, 2\): window \(3, 3\), stride \(1, 1\), padding \(0, 0\) \(both sides "
        r"together\)\. A window of at most \(2, 2\) would fit, or an input of at least "
        r"\(3, 3\)\.$",
    ),
    (
        [Conv(8, 5, stride=2, padding=1), Pool(3, stride=2), Pool(3), Flatten()],
        (3, 12),
        r"^Layer 'pool_2' \(number 3\): Pool\(3\) does not fit its input of spatial size \(2,\): "
        r"window \(3,\), stride \(3,\), padding \(0,\) .* at most \(2,\) would fit, or an input "
        r"of at least \(3,\)\.$",
    ),
    ([Conv(8), Dense(2)], (1, 8), r"^Layer 'output' \(number 2\): Dense\(2\) needs a flat input"),
    ([Flatten(), Conv(8), Dense(2)], (1, 8), r"^Layer 'conv_1' \(number 2\): Conv\(8, 3\) needs"),
    (
        [Conv(8), Residual([Conv(8, (3, 3))]), Flatten()],
        (1, 8),
        r"^Layer 'residual_1' \(number 2\): kernel_size must be .* the 1 spatial axes",
    ),
    ([Conv(6, groups=2), Flatten()], (3, 8), r"^Layer 'conv_1' \(number 1\): .* divide"),
]


@pytest.mark.parametrize(("layers", "complete"), COMPLETE)
def test_with_output_adds_flatten_and_the_output_layer(layers, complete):
    assert with_output(layers, 3) == tuple(complete)


@pytest.mark.parametrize(("layers", "complete"), COMPLETE)
def test_complete_layers_give_the_outputs(layers, complete):
    assert follow(with_output(layers, 3), (2, 8, 8)) == (3,)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("lenet5", r"^The 'architecture' must be made of skcnn\.layers.* Got 'lenet5' of type str"),
        ([nn.ReLU()], r"^The 'architecture' must be .* Got ReLU\(\) of type ReLU"),
        ([Conv(8), 3], r"^The 'architecture' must be .* Got 3 of type int"),
        (None, r"^The 'architecture' must be .* Got None of type NoneType"),
    ],
)
def test_with_output_raises_for_other_objects(layers, message):
    with pytest.raises(ArchitectureError, match=message):
        with_output(layers, 3)


def test_trace_counts_names_by_kind_and_calls_the_last_output():
    layers = [
        Conv(4),
        Normalize(),
        Activation(),
        Residual([Conv(4)]),
        Conv(4),
        Pool(2),
        Concatenate([[], []]),
        Dropout(),
        GlobalPool(),
        Dense(5),
        Dense(2),
    ]
    assert [row.name for row in trace(layers, (1, 8, 8))] == [
        "conv_1",
        "normalize_1",
        "activation_1",
        "residual_1",
        "conv_2",
        "pool_1",
        "concatenate_1",
        "dropout_1",
        "globalpool_1",
        "dense_1",
        "output",
    ]


def test_trace_links_the_shapes_of_consecutive_layers():
    layers = with_output([Conv(4, stride=2), Pool(2), Dense(5)], 3)
    rows = trace(layers, (2, 9, 8))
    assert [row.spec for row in rows] == list(layers)
    assert [row.input_shape for row in rows] == [(2, 9, 8), (4, 5, 4), (4, 2, 2), (16,), (5,)]
    assert [row.output_shape for row in rows] == [(4, 5, 4), (4, 2, 2), (16,), (5,), (3,)]
    assert rows[-1].output_shape == follow(layers, (2, 9, 8))


@pytest.mark.parametrize(("layers", "shape", "message"), DOES_NOT_FIT)
def test_trace_names_the_layer_that_does_not_fit(layers, shape, message):
    with pytest.raises(ArchitectureError, match=message):
        trace(layers, shape)


@pytest.mark.parametrize(
    "parameters",
    [
        {"architecture": [Conv(8), Pool(4), Conv(8, padding="valid")]},
        {"filters": (8, 8), "pool_size": 4, "padding": "valid", "normalization": None},
    ],
)
def test_fit_names_the_layer_before_any_module_is_made(monkeypatch, parameters):
    def fail(self, *args, **kwargs):
        raise AssertionError("a module was made")

    monkeypatch.setattr(nn.Module, "__init__", fail)
    X = [[[0.0] * 8] * 8] * 4
    with pytest.raises(ArchitectureError, match=r"^Layer 'conv_2' \(number 3\): .* would fit"):
        ConvNetClassifier(**parameters).fit(X, [0, 1, 0, 1])


def module_names(net):
    names = [type(m).__name__ for m in net.modules() if not list(m.children())]
    return ["MaxPool2d" if name == "MaxPoolByPairs" else name for name in names]


@pytest.mark.parametrize("separate", [True, False])
@pytest.mark.parametrize("pool", [Pool(2), Pool(3, stride=2, padding=1)])
@pytest.mark.parametrize("kind", sorted(MONOTONE - {"identity"}))
def test_max_pool_goes_before_a_monotone_activation_with_the_same_result(kind, pool, separate):
    shape = (2, 6, 6)
    layers = [Conv(3), Activation(kind)] if separate else [Conv(3, activation=kind)]
    net = build([*layers, pool], shape)
    names = module_names(net)
    assert names.index("MaxPool2d") < len(names) - 1
    x = np.random.default_rng(1).normal(size=(2, *shape))
    plain = apply(build([Conv(3)], shape), x)
    expected = naive_pool(naive_activation(plain, kind), pool)
    np.testing.assert_allclose(apply(net, x), expected, **TOLERANCE)


@pytest.mark.parametrize(
    ("kind", "pool"),
    [
        ("gelu", Pool(2)),
        ("silu", Pool(2)),
        ("relu", Pool(2, kind="average")),
        ("tanh", Pool(2, kind="average")),
    ],
)
def test_other_pools_and_activations_keep_their_order(kind, pool):
    shape = (2, 6, 6)
    net = build([Conv(3, activation=kind), pool], shape)
    assert module_names(net)[-1].endswith("Pool2d")
    x = np.random.default_rng(1).normal(size=(2, *shape))
    plain = apply(build([Conv(3)], shape), x)
    expected = naive_pool(naive_activation(plain, kind), pool)
    np.testing.assert_allclose(apply(net, x), expected, **TOLERANCE)


def test_two_max_pools_both_go_before_the_activation():
    net = build([Conv(3, activation="relu"), Pool(2), Pool(2)], (1, 8, 8))
    assert module_names(net) == ["Conv2d", "MaxPool2d", "MaxPool2d", "ReLU"]
