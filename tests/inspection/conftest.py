"""Fitted networks that several test modules inspect."""

import copy

import numpy as np
import pytest
import torch

from tests.helpers.explained import CAPTUM_NETS, EXPLAINED_NETS
from tests.helpers.inspected import NETS, Shared, fitted


@pytest.fixture(scope="module", params=NETS)
def inspected(request):
    """Return samples, a network, and the shape of its first kernels."""
    shape, params, kernels = NETS[request.param]
    X, net = fitted(shape, **params)
    return X, net, kernels


@pytest.fixture(scope="module")
def wrapped():
    """Return samples and a network with a user's module."""
    return fitted((8, 8), architecture=Shared, standardize=False)


@pytest.fixture(scope="module", params=EXPLAINED_NETS)
def explained(request):
    """Return samples, a network, and the target to explain."""
    shape, cls, y, params, target = EXPLAINED_NETS[request.param]
    X, net = fitted(shape, cls, y, **params)
    return X, net, target


@pytest.fixture(scope="module", params=CAPTUM_NETS)
def beside_captum(request):
    """Return samples, a network, its module, samples for the module, and predicted classes."""
    X, net = fitted((9, 8, 2), **CAPTUM_NETS[request.param])
    module = copy.deepcopy(net.net_.module_)
    images = torch.from_numpy(np.moveaxis(X, -1, 1)).float().requires_grad_()
    with torch.no_grad():
        codes = module(images).argmax(1)
    return X, net, module, images, codes
