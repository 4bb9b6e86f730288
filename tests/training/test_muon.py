"""The Muon optimizer against its formula."""

import pytest
import torch
from torch import nn

from skcnn._training.muon import ADAM_SHARE, orthogonalized
from skcnn._training.optimizers import make_optimizer


def muon(net, *, lr=0.1, momentum=0.9, decay=0.0):
    return make_optimizer("muon", net, lr, momentum, True, decay)


def kernels_of(optimizer):
    """Return the `id` of the parameters in each group that takes orthogonal steps."""
    groups = [g["params"] for g in optimizer.param_groups if g["kernel_groups"]]
    return [[id(p) for p in group] for group in groups]


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (8, 8), (1, 5), (5, 1)])
def test_orthogonalized_has_the_same_singular_vectors_and_equal_values(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u, values, v = torch.linalg.svd(matrix, full_matrices=False)
    got = u.T @ orthogonalized(matrix[None])[0] @ v.T  # diagonal where the vectors are the same
    diagonal = got.diagonal()
    assert (got - torch.diag(diagonal)).abs().max() < 1e-10
    kept = values > 0.05 * matrix.norm()
    assert ((diagonal > 0.5) & (diagonal < 1.25))[kept].all()
    # the polynomial of each singular value by itself
    expected = values / values.norm()
    for _ in range(3):
        expected = 3.4445 * expected - 4.775 * expected**3 + 2.0315 * expected**5
    assert torch.allclose(diagonal, expected, rtol=1e-9)


def test_muon_step_equals_the_formula():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2, bias=False)).double()
    kernel, last = net[0].weight.detach().clone(), net[2].weight.detach().clone()
    optimizer = muon(net, lr=0.3, momentum=0.5, decay=0.1)
    buffer = torch.zeros_like(kernel)
    adam = torch.nn.Parameter(last)
    theirs = torch.optim.AdamW([adam], lr=0.3 * ADAM_SHARE, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        net(torch.randn(5, 3, 3, 3, dtype=torch.float64)).square().sum().backward()
        gradient = net[0].weight.grad.clone()
        buffer = 0.5 * buffer + gradient
        kernel = kernel / kernel.square().sum().sqrt() * 2  # four filters
        update = orthogonalized((gradient + 0.5 * buffer).reshape(1, 4, 27)).reshape(4, 3, 3, 3)
        kernel = kernel - 0.3 * update
        adam.grad = net[2].weight.grad.clone()
        theirs.step()
        optimizer.step()
        assert torch.allclose(net[0].weight, kernel, atol=1e-12)
        assert torch.allclose(net[2].weight, adam, atol=1e-9)


def test_muon_takes_each_group_of_filters_as_a_matrix():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.Flatten(), nn.Linear(6, 2)).double()
    kernel = net[0].weight.detach().clone()
    optimizer = muon(net, lr=0.3, momentum=0.0)
    net(torch.randn(5, 4, 3, 3, dtype=torch.float64)).square().sum().backward()
    optimizer.step()
    halves = [orthogonalized(half.reshape(1, 3, 18)) for half in net[0].weight.grad.split(3)]
    kernel = kernel / kernel.square().sum().sqrt() * 6**0.5
    expected = kernel - 0.3 * torch.cat(halves).view(kernel.shape)
    assert torch.allclose(net[0].weight, expected, atol=1e-12)


def test_muon_leaves_the_last_matrix_and_vectors_to_adam():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 3))
    assert kernels_of(muon(net)) == [[id(net[0].weight)]]


def test_muon_takes_kernels_and_matrices_of_layers_only():
    net = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm((2, 8)), nn.Linear(8, 2))
    assert kernels_of(muon(net)) == [[id(net[0].weight)]]


def test_muon_step_is_independent_of_the_scale_of_the_gradient():
    ends = []
    for scale in (1.0, 1000.0):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 2)).double()
        optimizer = muon(net)
        (scale * net(torch.ones(1, 6, dtype=torch.float64)).square().sum()).backward()
        optimizer.step()
        ends.append(net[0].weight.detach())
    assert torch.allclose(*ends, atol=1e-9)
