"""Blocks of a network, its frozen layers, and the networks before and after them."""

import pytest
import torch

from skcnn import ConvNetClassifier
from skcnn._data.images import Images
from skcnn._network.network import ConvNet, Standardize, initialize_weights
from skcnn._network.prediction import Predictor
from skcnn._network.split import (
    FrozenThenTrained,
    as_feature_rows,
    block_depths,
    blocks_of,
    feature_layout,
    frozen_prefix_length,
    module_depths,
    n_trained_blocks,
    prefix_network,
    suffix_network,
)
from skcnn.exceptions import ArchitectureError
from skcnn.layers import (
    Activation,
    AdaptivePool,
    Concatenate,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalPool,
    Normalize,
    Pool,
    Residual,
    StochasticDepth,
    Whiten,
)
from skcnn.layers._sequence import trace, with_output
from tests.helpers.predicted import CPU, drawn, each_case, samples

SIX = [
    Conv(4, bias=False),  # 0
    Normalize(),
    Activation("relu"),
    Pool(2),  # 3
    Dropout(0.1),
    Conv(6, stride=2, activation="relu"),  # 5
    Residual([Conv(6), Dropout(0.2)]),
    GlobalPool(),  # 7
    Dropout(0.5),
    Dense(5, activation="relu"),  # 9
    Dropout(0.5),
    # the output layer, 11
]


def rows_of(layers, shape=(1, 8, 8), n_outputs=3):
    return trace(with_output(layers, n_outputs), shape)


def network(layers, shape):
    rows = rows_of(layers, shape)
    net = ConvNet(rows, Standardize(torch.zeros(shape[0]), torch.ones(shape[0]) * 2, 2))
    if len(shape) == 4:
        net.standardize = Standardize(torch.zeros(shape[0]), torch.ones(shape[0]) * 2, 3)
    generator = torch.Generator().manual_seed(0)
    initialize_weights(net, "he_normal", generator)
    for name, buffer in net.named_buffers():
        if "running" in name:
            buffer.uniform_(0.5, 2.0, generator=generator)
    return net.eval(), rows


def test_a_block_begins_where_the_maps_become_smaller():
    # the pool has no parameters: it belongs to the block of the convolution after the next dropout
    assert blocks_of(rows_of(SIX)) == [range(3), range(3, 7), range(7, 11)]
    assert block_depths(rows_of(SIX)) == [3] * 3 + [2] * 4 + [1] * 4 + [0]


BLOCKS = {
    "one size": ([Conv(4), Conv(4), GlobalPool()], (1, 8, 8), [range(3)]),
    "no layers": ([], (1, 8, 8), []),
    "no parameters": ([Pool(2), GlobalPool()], (1, 8, 8), []),
    "parameters after layers without": ([Pool(2), Conv(4), Pool(2)], (1, 8, 8), [range(4)]),
    "dense only": ([Flatten(), Dense(4), Dense(5)], (1, 8, 8), [range(3)]),
    "signal": ([Conv(4), Pool(2), Conv(4)], (2, 16), [range(1), range(1, 4)]),
    "volume": ([Conv(4), Conv(4, stride=2)], (1, 4, 4, 4), [range(1), range(1, 3)]),
    "one axis": ([Conv(4), Pool((1, 2)), Conv(4)], (1, 4, 8), [range(1), range(1, 4)]),
    "adaptive": ([Conv(4), AdaptivePool(2), Conv(2)], (1, 8, 8), [range(1), range(1, 4)]),
    "normalised features": ([Conv(4), GlobalPool(), Normalize()], (1, 8, 8), [range(1), range(1, 3)]),
}  # fmt: skip


@pytest.mark.parametrize(("layers", "shape", "expected"), BLOCKS.values(), ids=list(BLOCKS))
def test_blocks(layers, shape, expected):
    assert blocks_of(rows_of(layers, shape)) == expected


# what is trained, the number of blocks, the layers before
EXTENTS = [("all", 3, 0), ("head", 0, 10), ("last_block", 1, 8), (0, 0, 10), (1, 1, 8), (2, 2, 4), (3, 3, 0)]  # fmt: skip


@pytest.mark.parametrize(("trainable", "n_blocks", "k"), EXTENTS)
def test_frozen_layers_end_before_dropout_and_trained_weights(trainable, n_blocks, k):
    rows = rows_of(SIX)
    assert n_trained_blocks(rows, trainable) == n_blocks
    assert frozen_prefix_length(rows, trainable) == k


def test_frozen_layers_go_on_over_fixed_ones():
    rows = rows_of([Conv(4), Activation("relu"), Pool(2), Flatten(), Dense(4)])
    assert frozen_prefix_length(rows, "last_block") == 4
    assert frozen_prefix_length(rows, "head") == 5
    random = rows_of([Conv(4), Residual([Pool(1), StochasticDepth(0.5)]), GlobalPool()])
    assert frozen_prefix_length(random, "head") == 1
    shortcut = rows_of([Conv(4), Residual([Pool(1)], shortcut=[Dropout(0.5)]), GlobalPool()])
    assert frozen_prefix_length(shortcut, "head") == 1
    branches = rows_of([Conv(4), Concatenate([[Pool(1)], [Dropout(0.5)]]), GlobalPool()])
    assert frozen_prefix_length(branches, "head") == 1


def test_nothing_is_frozen_without_parameters_before_the_part():
    assert frozen_prefix_length(rows_of([Pool(2)]), "head") == 0
    assert frozen_prefix_length(rows_of([Pool(2)]), "last_block") == 0
    assert frozen_prefix_length(rows_of([Whiten(2), GlobalPool()]), "last_block") == 0
    assert frozen_prefix_length(rows_of([Whiten(2), GlobalPool()]), "head") == 2


def test_more_blocks_than_there_are_raise_an_error():
    with pytest.raises(ArchitectureError, match="trainable=4 is more than the 3 blocks"):
        n_trained_blocks(rows_of(SIX), 4)


@pytest.mark.parametrize(
    "name", ["resnet18", "mobilenet_v2", "vgg11", "convnext_atto", "googlenet"]
)
def test_parts_of_named_networks_are_nested(name):
    rows = ConvNetClassifier(architecture=name)._trace((3, 64, 64), 10)
    n = len(blocks_of(rows))
    lengths = [frozen_prefix_length(rows, i) for i in range(n + 1)]
    assert n >= 4
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] == 0
    assert all(row.spec.n_parameters(row.input_shape) == 0 for row in rows[lengths[0] : -1])
    assert [i for block in blocks_of(rows) for i in block] == [*range(len(rows) - 1)]


NETWORKS = {
    "image": (SIX, (1, 8, 8)),
    "own activations, pools before them": (
        [Conv(4, activation="relu"), Pool(2), Conv(4, activation="leaky_relu"), Pool(2)], (2, 8, 8)
    ),
    "pools before activations": (
        [Conv(4, bias=False), Normalize(), Activation("relu"), Pool(2), Dense(4)], (1, 8, 8)
    ),
    "signal": ([Conv(4, activation="relu"), Pool(2), Conv(4)], (2, 16)),
    "volume": ([Conv(4), Normalize(), Pool(2), Conv(3)], (1, 4, 4, 4)),
    "branches": ([Concatenate([[Conv(2)], [Conv(3, activation="relu")]]), Pool(2)], (1, 6, 6)),
}  # fmt: skip


@pytest.mark.parametrize(("layers", "shape"), NETWORKS.values(), ids=list(NETWORKS))
def test_layers_before_and_after_any_place_are_the_network(layers, shape):
    net, rows = network(layers, shape)
    x = torch.randn(5, *shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = net(x)
        for k in range(len(rows)):
            features = prefix_network(net, rows, k)(x)
            is_lifted = len(shape) == 2 and features.dim() == 4
            lifted = features.squeeze(2) if is_lifted else features
            assert tuple(lifted.shape[1:]) == rows[k].input_shape
            suffix = suffix_network(net, rows, k)
            assert torch.equal(suffix(features), expected)
            assert torch.equal(FrozenThenTrained(prefix_network(net, rows, k), suffix)(x), expected)
            layout = feature_layout(net, rows, k)
            held = as_feature_rows(features)
            assert held.shape == (5, layout.n_values)
            batch = held.view(-1, *layout.shape)
            batch = batch.movedim(-1, 1) if layout.channels == "last" else batch
            assert torch.equal(batch, features)


def test_the_parts_share_the_modules_of_the_network():
    net, rows = network(SIX, (1, 8, 8))
    inside = [
        *prefix_network(net, rows, 6).parameters(),
        *suffix_network(net, rows, 6).parameters(),
    ]
    assert [id(p) for p in inside] == [id(p) for p in net.parameters()]


def test_frozen_layers_get_no_gradients():
    net, rows = network(SIX, (1, 8, 8))
    prefix, suffix = prefix_network(net, rows, 6), suffix_network(net, rows, 6)
    FrozenThenTrained(prefix, suffix)(torch.ones(2, 1, 8, 8)).sum().backward()
    assert all(p.grad is None for p in prefix.parameters())
    assert all(p.grad is not None for p in suffix.parameters())


def test_modules_know_their_block():
    net, rows = network(SIX, (1, 8, 8))
    depths = {name: depth for (name, _), (_, depth) in zip(net.layers.named_children(), module_depths(net, rows), strict=True)}  # fmt: skip
    assert depths["conv_1"] == 3
    assert depths["conv_2"] == depths["conv_2_relu"] == depths["residual_1"] == 2
    assert (depths["dense_1"], depths["dense_1_relu"], depths["output"]) == (1, 1, 0)


@each_case
def test_predictions_by_parts_have_the_bits_of_the_whole(shape, layers):
    net = drawn(layers, shape)
    rows = trace((*layers, Dense(3)), shape)
    whole = Predictor(net, shape, CPU)
    images = samples(whole.sizes.chunk + 5, shape)
    expected = whole.outputs(images)
    for k in range(len(rows)):
        if any(
            isinstance(a.spec, Conv) and isinstance(b.spec, Normalize)
            for a, b in [rows[k - 1 : k + 1]][: k > 0]
        ):
            continue  # a convolution and its normalisation are one step, and in one block
        prefix = Predictor(prefix_network(net, rows, k), shape, CPU, whole=whole)
        layout = feature_layout(net, rows, k)
        features = Images(prefix.outputs(images, finish=as_feature_rows), layout)
        suffix = Predictor(suffix_network(net, rows, k), layout.network_shape, CPU, whole=whole)
        assert torch.equal(suffix.outputs(features), expected), k
        few = Images(features.rows[3:5].clone(), layout)
        assert torch.equal(suffix.outputs(few), expected[3:5])
