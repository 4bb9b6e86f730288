"""Tensors of modules, and states of optimizers, in few values."""

import copy

import pytest
import torch
from torch import nn

from skcnn._training.checkpointing.tensors import (
    digest_of,
    optimizer_state,
    other_state,
    packed,
    set_optimizer_state,
    set_packed,
    tensors_of,
)
from skcnn._training.checkpointing.values import decoded, encoded
from skcnn._training.eager_optimizers import EagerOptimizer
from skcnn._training.optimizers import OPTIMIZERS, make_optimizer
from skcnn.exceptions import ModelFileError, UnsupportedModelError


def network(seed=0):
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 2))
    module.register_buffer("hidden", torch.arange(4), persistent=False)
    return module.to(memory_format=torch.channels_last)


def trained(name, module, n_steps=3, momentum=0.9):
    optimizer = make_optimizer(name, module, 0.1, momentum, True, 0.01)
    for step in range(n_steps):
        train(optimizer, module, step)
    return optimizer


def train(optimizer, module, step):
    optimizer.zero_grad()
    inputs = torch.full((4, 1, 3, 3), step + 1.0) * torch.arange(4.0).view(4, 1, 1, 1)
    module(inputs).square().sum().backward()
    optimizer.step()


def test_packed_tensors_are_set_in_place():
    source, target = network(0), network(1)
    assert digest_of(source) != digest_of(target)
    kept = packed(tensors_of(source))
    assert {name: len(each) for name, each in kept["values"].items()} == {
        "torch.float32": 27 + 3 + 4 * 3 + 6 + 2,
        "torch.int64": 1 + 4,
    }
    places = [each.data_ptr() for each in tensors_of(target).values()]
    set_packed(tensors_of(target), kept, "weights")
    assert digest_of(source) == digest_of(target)
    assert places == [each.data_ptr() for each in tensors_of(target).values()]
    for name, each in tensors_of(source).items():
        assert torch.equal(tensors_of(target)[name], each)


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: kept.update(like="another"),
        lambda kept: kept["values"].pop("torch.int64"),
        lambda kept: kept["values"].update({"torch.int64": torch.zeros(6, dtype=torch.int64)}),
        lambda kept: kept["values"].update({"torch.int64": torch.zeros(5)}),
        lambda kept: kept["values"].update({"torch.int64": 5}),
    ],
)
def test_tensors_of_another_network_are_refused(change):
    kept = packed(tensors_of(network()))
    change(kept)
    with pytest.raises(ModelFileError, match="its weights have other names or shapes"):
        set_packed(tensors_of(network()), kept, "weights")


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_an_optimizer_goes_on(name, momentum):
    module = network()
    optimizer = trained(name, module, momentum=momentum)
    other = copy.deepcopy(module)
    state = optimizer_state(optimizer, name)
    node, arrays = encoded(state)
    resumed = make_optimizer(name, other, 0.1, momentum, True, 0.01)
    set_optimizer_state(resumed, name, decoded(node, dict(arrays)))
    for step in range(3, 6):
        train(optimizer, module, step)
        train(resumed, other, step)
    assert digest_of(module) == digest_of(other)


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: kept["groups"].pop(),
        lambda kept: kept["groups"][0].pop("lr"),
        lambda kept: kept["groups"][0].update(lr="fast"),
        lambda kept: kept["groups"][0].update(betas=(0.9,)),
        lambda kept: kept["groups"][0].update(fused=False),
        lambda kept: kept["keys"].clear(),
        lambda kept: kept["keys"].__setitem__(0, [["exp_avg"], kept["keys"][0][1]]),
        lambda kept: kept["plain"].append([0, "exp_avg", 5]),
        lambda kept: kept["plain"].append([0, "step", "many"]),
        lambda kept: kept["tensors"].update(like=""),
    ],
)
def test_states_of_another_optimizer_are_refused(change):
    module = network()
    kept = copy.deepcopy(optimizer_state(trained("adamw", module), "adamw"))
    change(kept)
    optimizer = make_optimizer("adamw", module, 0.1, 0.9, True, 0.01)
    with pytest.raises(ModelFileError, match="its optimizer's state"):
        set_optimizer_state(optimizer, "adamw", kept)
    assert not optimizer.state


def test_an_optimizer_of_a_callback_is_not_kept():
    class Other(EagerOptimizer):
        pass

    optimizer = Other(network().parameters(), {"lr": 0.1})
    with pytest.raises(UnsupportedModelError, match="the optimizer is Other, not adamw"):
        optimizer_state(optimizer, "adamw")


def test_attributes_of_own_modules_are_noticed():
    class Counts(nn.Module):
        n_calls = 0

        def forward(self, x):
            self.n_calls += 1
            return x

    module = nn.Sequential(nn.ReLU(), Counts())
    before = other_state(module)
    assert other_state(module.train(False)) == before
    module(torch.zeros(1))
    assert other_state(module) != before
