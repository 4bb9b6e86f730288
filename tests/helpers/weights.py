"""The weights of fitted networks, and whether they are equal."""

import torch


def weights_of(model):
    """Return a copy, on the CPU, of the weights of a ConvNet, or of the last of a Pipeline."""
    net = model[-1] if hasattr(model, "steps") else model
    return {name: value.cpu().clone() for name, value in net.net_.module_.state_dict().items()}


def assert_same_weights(a, b, rtol=0.0, atol=0.0):
    torch.testing.assert_close(weights_of(a), weights_of(b), rtol=rtol, atol=atol)


def same_weights(a, b):
    """Return whether all weights are the same bits."""
    a, b = weights_of(a), weights_of(b)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
