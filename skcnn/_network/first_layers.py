"""The first layers of a network as a network with weights of its own."""

from collections.abc import Sequence

import torch

from skcnn._network.network import ConvNet
from skcnn.layers._sequence import TracedLayer


def first_layers(convnet: ConvNet, rows: Sequence[TracedLayer], k: int) -> ConvNet:
    """Return a network of the first `k` layers, with copies of their weights.

    Parameters
    ----------
    convnet : ConvNet
        The whole network.
    rows : sequence of TracedLayer
        All of its layers.
    k : int
        How many of them, at least one.
    """
    # built afresh: a module may depend on the one after it, which is not there at the end
    kind = type(convnet.standardize)
    blank = kind(torch.zeros(1), torch.ones(1), n_axes=1)
    prefix = type(convnet)(rows[:k], blank)
    for name in ("scale", "shift"):
        setattr(blank, name, getattr(convnet.standardize, name).clone())
    weights = convnet.layers.state_dict()
    prefix.layers.load_state_dict({name: weights[name] for name in prefix.layers.state_dict()})
    return prefix.eval()
