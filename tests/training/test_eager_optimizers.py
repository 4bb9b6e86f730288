"""The eager optimizers take torch's steps."""

import pytest
import torch
from torch import nn
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from skcnn._training import eager_optimizers as eager
from skcnn._training.eager_optimizers import repeated_step

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


def test_zero_grad_drops_the_gradients():
    weight = nn.Parameter(torch.ones(2))
    optimizer = eager.SGD([weight], lr=0.1)
    weight.sum().backward()
    optimizer.zero_grad()
    assert weight.grad is None


def small_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


def groups_of(net):
    return [
        {"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": 0.1},
        {"params": [p for p in net.parameters() if p.dim() == 1]},
    ]


def train(net, optimizer, step, n_steps=5):
    generator = torch.Generator().manual_seed(1)
    for number in range(n_steps):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 / (1 + number)
        optimizer.zero_grad()
        net(torch.randn(6, 4, generator=generator)).square().sum().backward()
        step()


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_repeated_steps_are_the_bits_of_single_ones(name):
    nets = small_net(), small_net()
    options = {"lr": 0.01, "weight_decay": 0.0, "fused": True, "betas": (0.8, 0.95), "eps": 1e-3}
    ours, theirs = (getattr(m, name)(groups_of(net), **options)
                    for m, net in zip((eager, torch.optim), nets, strict=True))  # fmt: skip
    step = repeated_step(ours)
    assert step != ours.step
    train(nets[0], ours, step)
    train(nets[1], theirs, theirs.step)
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(a, b)
    train(nets[0], ours, repeated_step(ours))  # continues from the state, as in a next epoch
    train(nets[1], theirs, theirs.step)
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(ours.state[a]["step"], theirs.state[b]["step"])


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_repeated_steps_pass_over_parameters_without_gradient(name):
    nets = small_net(), small_net()
    optimizers = []
    for m, net in zip((eager, torch.optim), nets, strict=True):
        optimizer = getattr(m, name)(groups_of(net), lr=0.01, fused=True)
        step = repeated_step(optimizer) if m is eager else optimizer.step
        net[2].weight.requires_grad_(False)
        train(net, optimizer, step, 2)
        net[2].weight.requires_grad_(True)
        train(net, optimizer, step, 2)
        net[0].weight.requires_grad_(False)
        train(net, optimizer, step, 2)
        optimizers.append(optimizer)
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "prepare",
    [
        lambda o: o.register_step_pre_hook(lambda *args: None),
        lambda o: o.register_step_post_hook(lambda *args: None),
        lambda o: o.param_groups[0].update(amsgrad=True),
        lambda o: o.param_groups[0].update(maximize=True),
        lambda o: o.param_groups[0].update(fused=None),
        lambda o: o.param_groups[0].update(decoupled_weight_decay=False),
        lambda o: o.param_groups[0]["params"].clear(),
        lambda o: setattr(o, "step", lambda: None),
        lambda o: o.add_param_group({"params": [nn.Parameter(torch.ones(2).double())]}),
    ],
)
def test_other_settings_take_single_steps(prepare):
    optimizer = eager.AdamW([nn.Parameter(torch.ones(2))], lr=0.1, fused=True)
    prepare(optimizer)
    assert repeated_step(optimizer) == optimizer.step


@pytest.mark.parametrize(
    "register", [register_optimizer_step_pre_hook, register_optimizer_step_post_hook]
)
def test_global_hooks_are_called(register):
    optimizer = eager.AdamW([nn.Parameter(torch.ones(2))], lr=0.1, fused=True)
    handle = register(lambda *args: None)
    try:
        assert repeated_step(optimizer) == optimizer.step
    finally:
        handle.remove()
    assert repeated_step(optimizer) != optimizer.step


@pytest.mark.parametrize("cls", [torch.optim.Adam, torch.optim.SGD, eager.SGD])
def test_steps_of_other_optimizers_are_their_own(cls):
    optimizer = cls([nn.Parameter(torch.ones(2))], lr=0.1)
    assert repeated_step(optimizer) == optimizer.step
