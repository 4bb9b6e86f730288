"""Residual and Concatenate, the closing layer, and the trace that names what does not fit."""

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
from skcnn.layers._blocks import follow, trace, with_output

# block, input shape, layers of the shortcut, output shape, parameters, multiply-accumulates
RESIDUALS = [
    (Residual([Conv(8)]), (8, 5, 5), (), (8, 5, 5), 584, 72 * 8 * 25),
    (Residual([]), (8, 5, 5), (), (8, 5, 5), 0, 0),
    (Residual(Conv(8)), (8, 5, 5), (), (8, 5, 5), 584, 72 * 8 * 25),
    (
        Residual([Conv(8, activation="relu"), Normalize(), Conv(8)]),
        (8, 5, 5),
        (),
        (8, 5, 5),
        584 + 16 + 584,
        2 * 72 * 8 * 25,
    ),
    (
        Residual([Conv(16)]),
        (8, 5, 5),
        (Conv(16, 1, stride=(1, 1), padding="valid", bias=False),),
        (16, 5, 5),
        16 * 73 + 128,
        (72 + 8) * 16 * 25,
    ),
    (
        Residual([Conv(16, stride=2)]),
        (8, 5, 6),
        (Conv(16, 1, stride=(2, 2), padding="valid", bias=False),),
        (16, 3, 3),
        16 * 73 + 128,
        (72 + 8) * 16 * 9,
    ),
    (
        Residual([Conv(8, stride=(1, 3))]),
        (8, 5, 7),
        (Conv(8, 1, stride=(1, 3), padding="valid", bias=False),),
        (8, 5, 3),
        584 + 64,
        (72 + 8) * 8 * 15,
    ),
    (
        Residual([Conv(8, stride=2), Conv(4, stride=2)]),
        (8, 8),
        (Conv(4, 1, stride=(4,), padding="valid", bias=False),),
        (4, 2),
        8 * 25 + 4 * 25 + 32,
        24 * 8 * 4 + 24 * 4 * 2 + 8 * 4 * 2,
    ),
    (
        Residual([Conv(2), Pool(2)]),
        (3, 4, 4, 4),
        (Conv(2, 1, stride=(2, 2, 2), padding="valid", bias=False),),
        (2, 2, 2, 2),
        2 * 82 + 6,
        81 * 2 * 64 + 6 * 8,
    ),
    (Residual([Dense(7)]), (7,), (), (7,), 56, 49),
    (Residual([Dense(5)]), (7,), (Dense(5, bias=False),), (5,), 40 + 35, 70),
    (
        Residual([Conv(4)], shortcut=[Conv(4, 1)]),
        (4, 6),
        (Conv(4, 1),),
        (4, 6),
        4 * 13 + 4 * 5,
        (12 + 4) * 4 * 6,
    ),
    (Residual([Conv(4)], shortcut=Conv(4, 1)), (4, 6), (Conv(4, 1),), (4, 6), 72, 16 * 24),
    (Residual([Conv(4)], shortcut=[]), (4, 6), (), (4, 6), 52, 12 * 24),
    (
        Residual([Conv(4), GlobalPool()], shortcut=[GlobalPool(), Dense(4)]),
        (3, 6),
        (GlobalPool(), Dense(4)),
        (4,),
        40 + 16,
        9 * 24 + 12,
    ),
    (
        Residual([Residual([Conv(6)]), Conv(4)]),
        (3, 6),
        (Conv(4, 1, stride=(1,), padding="valid", bias=False),),
        (4, 6),
        60 + 18 + 76 + 12,
        (9 * 6 + 3 * 6 + 18 * 4 + 3 * 4) * 6,
    ),
]

# block, input shape, output shape, parameters, multiply-accumulates
CONCATENATES = [
    (Concatenate([[Conv(4)], [Conv(6, 1)]]), (3, 5, 5), (10, 5, 5), 112 + 24, 2700 + 450),
    (Concatenate([[Conv(4)], []]), (3, 5, 5), (7, 5, 5), 112, 2700),
    (Concatenate([[], []]), (3, 5), (6, 5), 0, 0),
    (Concatenate([Conv(4), Conv(6, 1)]), (3, 5, 5), (10, 5, 5), 136, 3150),
    (
        Concatenate([[Conv(4, stride=2)], [Pool(2, padding="same"), Conv(2, 1)]]),
        (3, 5, 5),
        (6, 3, 3),
        112 + 8,
        27 * 4 * 9 + 3 * 2 * 9,
    ),
    (Concatenate([[GlobalPool()], [GlobalPool(kind="max")]]), (3, 5, 5), (6,), 0, 0),
    (Concatenate([[Dense(4)], [Dense(5)]]), (3,), (9,), 16 + 20, 27),
    (Concatenate([[Conv(2), Conv(3)]]), (1, 4, 4, 4), (3, 4, 4, 4), 56 + 165, (54 + 162) * 64),
]

BAD_BLOCKS = [
    (
        lambda: Residual([Conv]),
        r"^Residual layers must be made of skcnn\.layers, such as Conv\(32\)\. Got <class .*Conv'> "
        r"of type type\.$",
    ),
    (lambda: Residual("relu"), r"^Residual layers must be .* Got 'relu' of type str\.$"),
    (lambda: Residual(3), r"^Residual layers must be .* Got 3 of type int\.$"),
    (lambda: Residual([Conv(3), None]), r"^Residual layers must be .* of type NoneType\.$"),
    (lambda: Residual([[Conv(3)]]), r"^Residual layers must be .* of type list\.$"),
    (
        lambda: Residual([Conv(3)], shortcut="identity"),
        r"^The 'shortcut' of Residual must be 'auto' or a sequence of layers\. Got 'identity'\.$",
    ),
    (
        lambda: Residual([Conv(3)], shortcut=None),
        r"^Residual shortcut must be made of skcnn\.layers.* Got None of type NoneType\.$",
    ),
    (lambda: Concatenate([]), r"^The 'branches' of Concatenate must not be empty\.$"),
    (lambda: Concatenate([["relu"]]), r"^Concatenate branches must be .* Got 'relu' of type str"),
    (lambda: Concatenate([8, 16]), r"^Concatenate branches must be .* Got 8 of type int"),
    (lambda: Concatenate(8), r"Concatenate"),
    (lambda: Concatenate(Conv(8)), r"Concatenate"),
]

# block, input shape, message
BLOCKS_THAT_DO_NOT_FIT = [
    (
        Residual([Conv(8)], shortcut=[Conv(4, 1)]),
        (8, 5, 5),
        r"^Residual\(\(Conv\(8, 3\),\), shortcut=\(Conv\(4, 1\),\)\): body and shortcut give "
        r"different shapes, \(8, 5, 5\) and \(4, 5, 5\), for an input of \(8, 5, 5\)\. Give a "
        r"shortcut that matches the body\.$",
    ),
    (Residual([Conv(8)], shortcut=()), (4, 5, 5), r"\(8, 5, 5\) and \(4, 5, 5\)"),
    (
        Residual([Conv(8, padding="valid")]),
        (8, 6, 6),
        r"different shapes, \(8, 4, 4\) and \(8, 3, 3\), for an input of \(8, 6, 6\)",
    ),
    (Residual([Conv(8, padding=2)]), (8, 6), r"different shapes, \(8, 8\) and \(8, 6\)"),
    (
        Residual([Conv(8), GlobalPool()]),
        (8, 6, 6),
        r"^Residual\(\(Conv\(8, 3\), GlobalPool\(\)\)\) turns \(8, 6, 6\) into \(8,\): a shortcut "
        r"cannot be added to it\. Keep Flatten, GlobalPool and Dense out of the body\.$",
    ),
    (Residual([Dense(8)]), (8, 6, 6), r"^Dense\(8\) needs a flat input"),
    (
        Concatenate([[Conv(4)], [Conv(4, stride=2)]]),
        (3, 5, 5),
        r"the branches must agree in spatial size\. Got shapes \[\(4, 5, 5\), \(4, 3, 3\)\] for "
        r"an input of \(3, 5, 5\)\.$",
    ),
    (Concatenate([[Conv(4)], [GlobalPool()]]), (3, 5), r"Got shapes \[\(4, 5\), \(3,\)\]"),
    (Concatenate([[Conv(4)], [Pool(6)]]), (3, 5), r"^Pool\(6\) does not fit its input"),
]

# layers given, layers closed with three outputs
CLOSED = [
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


@pytest.mark.parametrize(
    ("block", "shape", "shortcut", "output_shape", "n_parameters", "macs"), RESIDUALS
)
def test_residual_figures_are_exact(block, shape, shortcut, output_shape, n_parameters, macs):
    assert block.resolve_shortcut(shape) == shortcut
    assert block.output_shape(shape) == output_shape
    assert block.n_parameters(shape) == n_parameters
    assert block.n_multiply_accumulates(shape) == macs


@pytest.mark.parametrize(("block", "shape", "output_shape", "n_parameters", "macs"), CONCATENATES)
def test_concatenate_figures_are_exact(block, shape, output_shape, n_parameters, macs):
    assert block.output_shape(shape) == output_shape
    assert block.n_parameters(shape) == n_parameters
    assert block.n_multiply_accumulates(shape) == macs


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("size", range(1, 13))
def test_residual_projection_follows_every_stride(size, stride):
    block = Residual([Conv(8), Conv(6, stride=stride)])
    assert block.output_shape((8, size, 12)) == (6, -(-size // stride), -(-12 // stride))


@pytest.mark.parametrize(("make", "message"), BAD_BLOCKS)
def test_bad_block_raises_an_architecture_error(make, message):
    with pytest.raises(ArchitectureError, match=message):
        make()


@pytest.mark.parametrize(("block", "shape", "message"), BLOCKS_THAT_DO_NOT_FIT)
def test_block_that_does_not_fit_says_why(block, shape, message):
    with pytest.raises(ArchitectureError, match=message):
        block.output_shape(shape)


def test_blocks_store_sequences_as_tuples():
    assert Residual([Conv(8)]) == Residual((Conv(8),)) == Residual(iter([Conv(8)]))
    assert Concatenate([[Conv(8)], []]) == Concatenate(((Conv(8),), ()))
    assert hash(Residual([Conv(8)], shortcut=[])) == hash(Residual((Conv(8),), shortcut=()))


@pytest.mark.parametrize(("layers", "closed"), CLOSED)
def test_with_output_adds_flatten_and_the_closing_layer(layers, closed):
    assert with_output(layers, 3) == tuple(closed)


@pytest.mark.parametrize(("layers", "closed"), CLOSED)
def test_closed_layers_give_the_outputs(layers, closed):
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
def test_with_output_rejects_what_is_no_layer(layers, message):
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
