"""The optimizers do torch's steps, and bring no compiler."""

import pytest
import torch
from torch import nn

from skcnn import _eager_optimizers as eager

OPTIONS = [
    ("Adam", {"lr": 0.01, "weight_decay": 0.1, "fused": True}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.1, "fused": True}),
    ("SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True, "fused": True}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.9}),
    ("Adagrad", {"lr": 0.01}),
]


def trained(cls, options, n_steps=4):
    """Return weights and optimizer after some steps, the optimizer's state reloaded midway."""
    generator = torch.Generator().manual_seed(0)
    weight = nn.Parameter(torch.randn(3, 4, generator=generator))
    optimizer = cls([weight], **options)
    for step in range(n_steps):
        optimizer.zero_grad()
        (weight * torch.randn(3, 4, generator=generator)).square().sum().backward()
        optimizer.step()
        if step == 1:
            state = optimizer.state_dict()
            optimizer = cls([weight], **options)
            optimizer.load_state_dict(state)
    return weight, optimizer


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_steps_are_the_bits_of_torchs_own(name, options):
    ours, optimizer = trained(getattr(eager, name), options)
    theirs, _ = trained(getattr(torch.optim, name), options)
    assert torch.equal(ours, theirs)
    assert isinstance(optimizer, getattr(torch.optim, name))


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_step_takes_a_closure_and_leaves_gradients_on(name, options):
    weight, optimizer = trained(getattr(eager, name), options)

    def closure():
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        return loss

    expected = weight.detach().square().sum().item()
    assert optimizer.step(closure).item() == pytest.approx(expected)
    assert torch.is_grad_enabled()
    assert weight.grad is not None


def test_step_hooks_are_called():
    weight = nn.Parameter(torch.ones(2))
    optimizer = eager.AdamW([weight], lr=0.1)
    seen = []
    optimizer.register_step_post_hook(lambda *args: seen.append(1))
    weight.sum().backward()
    optimizer.step()
    assert seen == [1]


def test_zero_grad_forgets():
    weight = nn.Parameter(torch.ones(2))
    optimizer = eager.SGD([weight], lr=0.1)
    weight.sum().backward()
    optimizer.zero_grad()
    assert weight.grad is None
