"""Optimizers by name."""

from typing import Any

from torch import nn

from skcnn._training.eager_optimizers import SGD, Adagrad, Adam, AdamW, EagerOptimizer, RMSprop
from skcnn._training.muon import Muon, hidden_kernels

OPTIMIZERS = ("adam", "adamw", "sgd", "muon", "rmsprop", "adagrad")


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the parameter groups with and without weight decay: only matrices decay."""
    trained = [p for p in module.parameters() if p.requires_grad]
    decayed = [p for p in trained if p.dim() > 1]
    others = [p for p in trained if p.dim() <= 1]
    groups = ({"params": decayed, "weight_decay": weight_decay}, {"params": others})
    return [g for g in groups if g["params"]]


def make_optimizer(
    name: str,
    module: nn.Module,
    learning_rate: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
) -> EagerOptimizer:
    """Return the optimizer `name` for the trainable parameters of `module`.

    "sgd" and "muon" use `momentum` and `nesterov`, "rmsprop" uses `momentum`.
    """
    groups = parameter_groups(module, weight_decay)
    common: dict[str, Any] = {"lr": learning_rate, "weight_decay": 0.0}
    if name == "sgd":
        nesterov = nesterov and momentum > 0
        return SGD(groups, momentum=momentum, nesterov=nesterov, fused=True, **common)
    if name == "muon":
        return Muon(groups, hidden_kernels(module), learning_rate, momentum, nesterov)
    if name == "rmsprop":
        return RMSprop(groups, momentum=momentum, **common)
    if name == "adagrad":
        return Adagrad(groups, **common)
    cls = AdamW if name == "adamw" else Adam
    return cls(groups, fused=True, **common)
