"""Kernels of every kind of network, by name and by number."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from torch import nn

from skcnn.inspection import feature_maps, filters
from skcnn.layers import Flatten
from tests.helpers.inspected import BLOCKS, fitted


def first_conv(net):
    kinds = nn.Conv1d | nn.Conv2d | nn.Conv3d
    return next(part for part in net.net_.module_.modules() if isinstance(part, kinds))


def test_filters_are_the_weights_in_the_estimators_order_of_channels(inspected):
    _, net, (n_filters, n_channels, *kernel) = inspected
    found = filters(net)
    assert found.dtype == np.float32
    weight = first_conv(net).weight.detach().cpu().numpy()
    if net.channels == "first":
        assert found.shape == (n_filters, n_channels, *kernel)
        assert_array_equal(found.ravel(), weight.ravel())
    else:
        assert found.shape == (n_filters, *kernel, n_channels)
        for i in range(n_filters):
            for j in range(n_channels):
                assert_array_equal(found[i, ..., j].ravel(), weight[i, j].ravel())


def test_filters_are_a_copy():
    _, net = fitted((8, 8))
    before = net.decision_function(np.ones((1, 8, 8)))
    filters(net)[:] = 7
    assert_array_equal(net.decision_function(np.ones((1, 8, 8))), before)


def test_filters_are_found_by_name_and_number():
    _, net = fitted((8, 8), filters=(3, (4, 5)))
    assert filters(net, layer="conv_3").shape == (5, 3, 3, 4)
    assert_array_equal(filters(net, layer=2), filters(net, layer="conv_3"))
    assert_array_equal(filters(net, layer=np.int64(-2)), filters(net, layer="conv_2"))
    assert_array_equal(filters(net), filters(net, layer="conv_1"))


BLOCK_FILTERS = {
    "conv_1": (4, 3, 3, 2),
    "residual_1.body.conv_1": (6, 2, 2, 4),
    "residual_1.body.conv_2": (6, 3, 3, 6),
    "residual_1.shortcut.conv_1": (6, 1, 1, 4),
    "concatenate_1.branches.0.conv_1": (3, 1, 1, 6),
    "concatenate_1.branches.1.conv_1": (5, 3, 3, 6),
}


def test_convolutions_inside_of_blocks_have_dotted_names():
    _, net = fitted((8, 8, 2), architecture=BLOCKS)
    for number, (name, shape) in enumerate(BLOCK_FILTERS.items()):
        assert filters(net, layer=name).shape == shape
        assert_array_equal(filters(net, layer=name), filters(net, layer=number))
    with pytest.raises(ValueError, match="a number from -6 to 5"):
        filters(net, layer=6)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("conv_9", r"one of \['conv_1', 'conv_2'\] or .* Got 'conv_9' instead"),
        ("Conv_2", r"Got 'Conv_2' instead\. Did you mean 'conv_2'\?"),
        ("pool_1", "Got 'pool_1'"),
        (2, "a number from -2 to 1. Got 2 instead"),
        (-3, "Got -3"),
        (1.0, "Got 1.0"),
        (True, "Got True"),
        (["conv_1"], r"Got \['conv_1'\]"),
    ],
)
def test_unknown_convolutions_are_named(layer, message):
    _, net = fitted((8, 8))
    with pytest.raises(ValueError, match=r"The 'layer' parameter must be .*" + message):
        filters(net, layer=layer)


def test_a_network_without_convolutions_has_no_filters():
    X, net = fitted((8, 8), architecture=[Flatten()])
    with pytest.raises(ValueError, match="no convolution, and so no filters"):
        filters(net)
    with pytest.raises(ValueError, match=r"Name a layer, one of \['flatten_1', 'output'\]"):
        feature_maps(net, X)
    assert feature_maps(net, X, layer="flatten_1").shape == (40, 64)


def test_filters_of_a_users_module(wrapped):
    _, net = wrapped
    assert filters(net).shape == (4, 3, 3, 1)
    weight = net.net_.module_.module.second.weight.detach().cpu().numpy()
    assert_array_equal(filters(net, layer="second"), np.moveaxis(weight, 1, -1))
    assert_array_equal(filters(net, layer=1), filters(net, layer="second"))
