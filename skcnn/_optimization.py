"""Optimizers and learning-rate schedules by name.

Know parameters and progress, no data and no estimator.
"""

from collections.abc import Callable, Mapping
from math import cos, pi, sqrt
from typing import Any

import torch
from torch import Tensor, nn

from skcnn._eager_optimizers import SGD, Adagrad, Adam, AdamW, EagerOptimizer, RMSprop

OPTIMIZERS = ("adam", "adamw", "sgd", "muon", "rmsprop", "adagrad")
SCHEDULES = ("constant", "step", "cosine", "linear", "one_cycle", "plateau", "inverse_scaling")
WARM_UP = 0.25
BETAS = (0.9, 0.999)
LINEAR_WARM_UP = 0.05
# Rate of Adam's steps beside a rate of 1 of Muon's.
ADAM_SHARE = 1 / 24
PLATEAU_PATIENCE = 5
PLATEAU_FACTOR = 0.2
PLATEAU_TOLERANCE = 1e-4


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return groups with and without weight decay: only kernels and matrices decay."""
    trained = [p for p in module.parameters() if p.requires_grad]
    decayed = [p for p in trained if p.dim() > 1]
    others = [p for p in trained if p.dim() <= 1]
    groups = ({"params": decayed, "weight_decay": weight_decay}, {"params": others})
    return [g for g in groups if g["params"]]


class Muon(EagerOptimizer):
    """Steps of orthogonal matrices for kernels, Adam's for all other parameters.

    The momentum of a kernel, as a matrix of one row a filter, is replaced by the nearest
    matrix with equal singular values (nearly: by three Newton-Schulz steps; each group of
    a grouped convolution by itself), and the kernel is scaled to a root mean square length
    of one a filter before each step, so that the learning rate is a share of it. Other
    parameters take Adam's steps at a rate 24 times smaller, matrices with decoupled weight
    decay.

    Parameters
    ----------
    groups : list of dict
        As of `parameter_groups`.
    kernels : dict of int to int
        The `id` of each parameter that is a kernel, and in how many groups its filters are.
    learning_rate, momentum, nesterov
        Of the kernels' steps.

    Notes
    -----
    The original makes five Newton-Schulz steps in bfloat16, decays kernels instead of scaling
    them and leaves the other parameters to an optimizer of their own. The scaling is that of
    the CIFAR-10 speed runs.

    References
    ----------
    Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; Jordan,
    "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv:2404.00498.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        kernels: Mapping[int, int],
        learning_rate: float,
        momentum: float,
        nesterov: bool,
    ) -> None:
        parted = []
        for group in groups:
            for n_groups in (*sorted(set(kernels.values())), 0):  # 0: no kernels
                params = [p for p in group["params"] if kernels.get(id(p), 0) == n_groups]
                if params:
                    parted.append({**group, "params": params, "kernel_groups": n_groups})
        defaults = {"lr": learning_rate, "weight_decay": 0.0}
        super().__init__(parted, {**defaults, "momentum": momentum, "nesterov": nesterov})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Do one step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            step = self._orthogonal_step if group["kernel_groups"] else self._adam_step
            for parameter in group["params"]:
                if parameter.grad is not None:
                    step(parameter, parameter.grad, self.state[parameter], group)
        return loss

    def _orthogonal_step(
        self, kernel: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        if not state:
            state["momentum_buffer"] = torch.zeros_like(kernel)
        momentum = state["momentum_buffer"].mul_(group["momentum"]).add_(gradient)
        if group["nesterov"]:
            momentum = gradient.add(momentum, alpha=group["momentum"])
        kernel.mul_(len(kernel) ** 0.5 / kernel.norm().clamp_min(1e-12))
        n_groups = group["kernel_groups"]
        update = orthogonalized(momentum.reshape(n_groups, len(momentum) // n_groups, -1))
        kernel.add_(update.reshape(kernel.shape), alpha=-group["lr"])

    def _adam_step(
        self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        if not state:
            state["step"] = 0
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1
        rate = group["lr"] * ADAM_SHARE
        mean = state["exp_avg"].lerp_(gradient, 1 - BETAS[0])
        square = state["exp_avg_sq"].lerp_(gradient.square(), 1 - BETAS[1])
        root = (square / (1 - BETAS[1] ** state["step"])).sqrt_().add_(1e-8)
        parameter.mul_(1 - rate * group["weight_decay"])
        parameter.addcdiv_(mean, root, value=-rate / (1 - BETAS[0] ** state["step"]))


def _hidden_kernels(module: nn.Module) -> dict[int, int]:
    """Return the `id` and groups of each weight of convolutions and dense layers but the last."""
    kinds = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear
    parts = [p for p in module.modules() if isinstance(p, kinds) and p.weight.requires_grad]
    return {id(part.weight): getattr(part, "groups", 1) for part in parts[:-1]}


def orthogonalized(matrices: Tensor) -> Tensor:
    """Return matrices of the same singular vectors whose singular values are near one.

    By an odd polynomial of each matrix, applied three times: singular values come out
    between 0.5 and 1.2, those under an eightieth of the norm smaller.

    Parameters
    ----------
    matrices : Tensor of shape (..., n_rows, n_columns)
    """
    linear, cubic, quintic = 3.4445, -4.7750, 2.0315
    is_wide = matrices.shape[-2] <= matrices.shape[-1]
    wide = matrices if is_wide else matrices.mT
    result = wide / torch.linalg.matrix_norm(wide, keepdim=True).clamp_min(1e-12)
    for _ in range(3):
        gram = result @ result.mT
        result = linear * result + (cubic * gram + quintic * gram @ gram) @ result
    return result if is_wide else result.mT


def make_optimizer(
    name: str,
    module: nn.Module,
    learning_rate: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
) -> EagerOptimizer:
    """Return the optimizer `name` for the trainable parameters of `module`.

    `momentum` and `nesterov` act in "sgd", "muon" and, without Nesterov, "rmsprop".
    """
    groups = parameter_groups(module, weight_decay)
    common: dict[str, Any] = {"lr": learning_rate, "weight_decay": 0.0}
    if name == "sgd":
        nesterov = nesterov and momentum > 0
        return SGD(groups, momentum=momentum, nesterov=nesterov, fused=True, **common)
    if name == "muon":
        return Muon(groups, _hidden_kernels(module), learning_rate, momentum, nesterov)
    if name == "rmsprop":
        return RMSprop(groups, momentum=momentum, **common)
    if name == "adagrad":
        return Adagrad(groups, **common)
    cls = AdamW if name == "adamw" else Adam
    return cls(groups, fused=True, **common)


def _step(progress: float) -> float:
    return 0.1 ** ((progress >= 0.5) + (progress >= 0.75))


def _cosine(progress: float) -> float:
    return 0.5 * (1 + cos(pi * progress))


def _linear(progress: float) -> float:
    if progress < LINEAR_WARM_UP:
        return 0.04 + 0.96 * progress / LINEAR_WARM_UP
    return max(1 - progress, 0.0) / (1 - LINEAR_WARM_UP)


def _one_cycle(progress: float) -> float:
    if progress < WARM_UP:
        return 0.04 + 0.96 * progress / WARM_UP
    return 1e-4 + (1 - 1e-4) * _cosine((progress - WARM_UP) / (1 - WARM_UP))


# Factor on the learning rate against the share of the training that is done.
_BY_PROGRESS: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "step": _step,
    "cosine": _cosine,
    "linear": _linear,
    "one_cycle": _one_cycle,
}


class Schedule:
    """The learning rate of every step.

    Parameters
    ----------
    kind : {"constant", "step", "cosine", "linear", "one_cycle", "plateau", "inverse_scaling"}
        "step" multiplies by 0.1 at half and at three quarters of the epochs; "cosine"
        falls from full to zero; "linear" rises from 4 % to full over the first twentieth
        and falls in a straight line to zero; "one_cycle" rises from 4 % to full over the first
        quarter and falls as a cosine; "plateau" multiplies by 0.2 after 5 epochs
        without a loss lower by 1e-4; "inverse_scaling" divides by the square root of
        the epoch's number.
    learning_rate : float
        The full rate.
    steps_per_epoch : int
        Batches of an epoch.
    n_epochs : int
        Planned epochs.

    References
    ----------
    Smith and Topin, arXiv:1708.07120 (one cycle); Loshchilov and Hutter,
    arXiv:1608.03983 (cosine).
    """

    def __init__(
        self, kind: str, learning_rate: float, steps_per_epoch: int, n_epochs: int
    ) -> None:
        self.kind = kind
        self.learning_rate = learning_rate
        self.steps_per_epoch = steps_per_epoch
        self.n_steps = max(1, steps_per_epoch * n_epochs)
        self.steps_done = 0
        self._factor = 1.0
        self._best = float("inf")
        self._epochs_since_best = 0

    def next_rate(self) -> float:
        """Return the rate of the next step."""
        if self.kind == "inverse_scaling":
            factor = 1 / sqrt(1 + self.steps_done // self.steps_per_epoch)
        elif self.kind == "plateau":
            factor = self._factor
        else:
            factor = _BY_PROGRESS[self.kind](self.steps_done / self.n_steps)
        self.steps_done += 1
        return self.learning_rate * factor

    def epoch_done(self, loss: float) -> None:
        """Take note of an epoch's loss: validation's where there is any."""
        if loss < self._best - PLATEAU_TOLERANCE:
            self._best = loss
            self._epochs_since_best = 0
        else:
            self._epochs_since_best += 1
        if self._epochs_since_best >= PLATEAU_PATIENCE:
            self._factor *= PLATEAU_FACTOR
            self._epochs_since_best = 0
