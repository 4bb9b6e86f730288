"""Optimizers by name."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from skcnn._training.eager_optimizers import SGD, Adagrad, Adam, AdamW, EagerOptimizer, RMSprop
from skcnn._training.muon import Muon, hidden_kernels

OPTIMIZERS = ("adam", "adamw", "sgd", "muon", "rmsprop", "adagrad")
# What they keep for each parameter: in each option all of the names.
KEPT_STATES = {
    "adam": [{"step", "exp_avg", "exp_avg_sq"}],
    "adamw": [{"step", "exp_avg", "exp_avg_sq"}],
    "sgd": [{"momentum_buffer"}],
    "muon": [{"momentum_buffer"}, {"step", "exp_avg", "exp_avg_sq"}],
    "rmsprop": [{"step", "square_avg"}, {"step", "square_avg", "momentum_buffer"}],
    "adagrad": [{"step", "sum"}],
}


def parameter_groups(
    module: nn.Module, weight_decay: float, rate_shares: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """Return the parameter groups with and without weight decay: only matrices decay.

    `rate_shares` are factors of the learning rate, by the names of parameters that have another
    one than the full rate. Parameters with the same factor make groups of their own, with the
    factor as "rate_share".
    """
    shares = rate_shares or {}
    by_share: dict[float, list[nn.Parameter]] = {1.0: []}
    for name, p in module.named_parameters():
        if p.requires_grad:
            by_share.setdefault(shares.get(name, 1.0), []).append(p)
    groups: list[dict[str, Any]] = []
    for share, trained in sorted(by_share.items(), reverse=True):
        how = {} if share == 1 else {"rate_share": share}
        decayed = [p for p in trained if p.dim() > 1]
        others = [p for p in trained if p.dim() <= 1]
        groups += ({"params": decayed, "weight_decay": weight_decay, **how},)
        groups += ({"params": others, **how},)
    return [g for g in groups if g["params"]]


def make_optimizer(
    name: str,
    module: nn.Module,
    learning_rate: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
    rate_shares: Mapping[str, float] | None = None,
) -> EagerOptimizer:
    """Return the optimizer `name` for the trainable parameters of `module`.

    "sgd" and "muon" use `momentum` and `nesterov`, "rmsprop" uses `momentum`. For
    `rate_shares` see `parameter_groups`.
    """
    groups = parameter_groups(module, weight_decay, rate_shares)
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


def keep_state(optimizer: Optimizer, before: Optimizer) -> None:
    """Give an optimizer the state of the parameters that another of its kind has trained, too."""
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    known = [p for p in trained if p in before.state]
    for parameter in known:
        optimizer.state[parameter] = before.state[parameter]
    if known and isinstance(optimizer, SGD) and optimizer.defaults["momentum"] > 0:
        # torch's fused step takes momenta of all parameters or of none; zeros are as good as none
        for parameter in trained:
            optimizer.state[parameter].setdefault("momentum_buffer", torch.zeros_like(parameter))
