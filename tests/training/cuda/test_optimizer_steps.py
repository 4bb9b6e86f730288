"""Which optimizers' steps can be recorded, and what they leave as it was."""

import pytest
import torch

from skcnn._training.cuda.optimizer_steps import RecordableStep, can_be_recorded
from skcnn._training.optimizers import OPTIMIZERS, make_optimizer

RECORDABLE = {"adam", "adamw", "sgd", "muon"}


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(), torch.nn.Linear(16, 8), torch.nn.Linear(8, 2)
    )


def optimizer_of(name, module, n_steps=2):
    optimizer = make_optimizer(name, module, 0.1, 0.9, True, 0.01)
    for _ in range(n_steps):
        give_gradients(module)
        optimizer.step()
    return optimizer


def give_gradients(module):
    x = torch.arange(32.0).sin().view(2, 1, 4, 4)
    module.zero_grad()
    module(x).square().mean().backward()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fused_optimizers_and_muon_can_be_recorded(name):
    with torch.random.fork_rng():
        optimizer = optimizer_of(name, network())
    assert can_be_recorded(optimizer) == (name in RECORDABLE)


def test_a_step_with_hooks_or_another_function_is_not_recorded():
    with torch.random.fork_rng():
        hooked, replaced = (optimizer_of("adam", network()) for _ in range(2))
    hooked.register_step_pre_hook(lambda *_: None)
    replaced.step = lambda: None
    assert not can_be_recorded(hooked)
    assert not can_be_recorded(replaced)


@pytest.mark.parametrize("name", sorted(RECORDABLE))
def test_a_recordable_step_follows_the_rates_and_numbers_of_steps(name):
    with torch.random.fork_rng():
        plain, other = network(), network()
    expected, optimizer = optimizer_of(name, plain), optimizer_of(name, other)
    step = RecordableStep(optimizer, torch.device("cpu"), torch.float64)
    for rate in (0.1, 0.03, 0.03):
        for module, one in ((plain, expected), (other, optimizer)):
            give_gradients(module)
            for group in one.param_groups:
                group["lr"] = rate
        expected.step()
        step.load()
        assert step() == []
        step.done()
    tolerance = {"rtol": 1e-5, "atol": 1e-6} if name == "muon" else {"rtol": 0, "atol": 0}
    torch.testing.assert_close([*other.parameters()], [*plain.parameters()], **tolerance)
    settings = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    assert settings == [
        {k: v for k, v in g.items() if k != "params"} for g in expected.param_groups
    ]
    assert all(type(group["lr"]) is float for group in optimizer.param_groups)
    states = zip(optimizer.state.values(), expected.state.values(), strict=True)
    assert all(one.get("step") == two.get("step") for one, two in states)
