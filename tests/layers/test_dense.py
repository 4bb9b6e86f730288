"""Dense layers against a naive float64 loop; the order of flattened features."""

import numpy as np
import pytest
import torch

from skcnn.layers import Dense, Flatten
from tests.helpers.layer_modules import TOLERANCE, apply, build


def test_dense_equals_the_naive_loop():
    x = np.random.default_rng(1).normal(size=(3, 4))
    net = build([Dense(2)], (4,))
    weight, bias = (p.detach().numpy() for p in net.parameters())
    expected = [[bias[j] + sum(weight[j] * row) for j in range(2)] for row in x]
    np.testing.assert_allclose(apply(net, x), expected, **TOLERANCE)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 5), (3, 2, 4, 5)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_flatten_lets_channels_vary_fastest(shape, memory_format):
    x = np.random.default_rng(1).normal(size=(2, *shape))
    net = build([Flatten()], shape)
    tensor = torch.from_numpy(x)
    tensor = tensor.unsqueeze(2) if len(shape) == 2 else tensor
    if tensor.dim() == 4:
        tensor = tensor.to(memory_format=memory_format)
    expected = np.moveaxis(x, 1, -1).reshape(2, -1)
    np.testing.assert_array_equal(net(tensor).numpy(), expected)


def test_flatten_leaves_vectors_alone():
    x = np.random.default_rng(1).normal(size=(2, 5))
    np.testing.assert_array_equal(apply(build([Flatten()], (5,)), x), x)
