"""The first layers of a network as a network."""

import numpy as np
import pytest
import torch

from skcnn._network.first_layers import first_layers
from skcnn.layers import Activation, Conv, Dense, Flatten, GlobalPool, Normalize, Pool, Residual
from tests.helpers.bases import net

LAYERS = (
    Conv(4, activation="relu"),
    Pool(2),
    Normalize(),
    Pool(2),
    Activation("relu"),
    Residual([Conv(4)]),
    GlobalPool(),
    Dense(5),
)


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(24, 16, 16)), np.arange(24) % 2
    return net(architecture=LAYERS).fit(X, y)


@pytest.mark.parametrize("k", range(1, len(LAYERS) + 2))
def test_a_prefix_returns_what_the_layer_returns_in_the_network(model, k):
    # one layer after another by torch, without the order that the network computes in
    x = torch.randn(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    parts, right = dict(model.net_.module_.layers.named_children()), None
    with torch.no_grad():
        right = model.net_.module_.standardize(x)
        for row in model._rows[:k]:
            right = parts[row.name](right)
            if getattr(row.spec, "activation", "identity") not in ("identity", None):
                right = torch.relu(right)
        got = first_layers(model.net_.module_, model._rows, k)(x)
    assert got.shape == (3, *model._rows[k - 1].output_shape)
    torch.testing.assert_close(got, right)


def test_a_prefix_has_weights_of_its_own(model):
    part = first_layers(model.net_.module_, model._rows, 3)
    assert not part.training
    ours = {p.data_ptr() for p in part.state_dict().values()}
    assert not ours & {p.data_ptr() for p in model.net_.module_.state_dict().values()}


def test_a_prefix_of_a_network_of_signals(model):
    X, y = np.random.default_rng(0).normal(size=(24, 20)), np.arange(24) % 2
    signals = net(architecture=(Conv(3), Flatten())).fit(X, y)
    part = first_layers(signals.net_.module_, signals._rows, 1)
    assert part(torch.zeros(2, 1, 20)).shape == (2, 3, 1, 20)
