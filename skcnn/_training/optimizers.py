"""Optimizers and learning-rate schedules by name.

Know parameters and progress, no data and no estimator.
"""

from collections.abc import Callable, Mapping
from inspect import unwrap
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim import optimizer as torchs

_ADD_PARAM_GROUP = unwrap(Optimizer.add_param_group)
_ZERO_GRAD = unwrap(Optimizer.zero_grad)
_STATE_DICT = unwrap(Optimizer.state_dict)
_LOAD_STATE_DICT = unwrap(Optimizer.load_state_dict)


class EagerOptimizer(Optimizer):
    """Base of optimizers that are never compiled."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own."""
        _ADD_PARAM_GROUP(self, param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        if not set_to_none:
            _ZERO_GRAD(self, False)
            return
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Return the state as a dict."""
        return _STATE_DICT(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        _LOAD_STATE_DICT(self, state_dict)


def _eager_step(cls: type[Optimizer]) -> Callable[..., Any]:
    """Return the step of `cls` as it is below torch's decorators."""
    return torch.no_grad()(unwrap(cls.step))


class _FusedSteps:
    """Steps of a fused Adam that does not look up its tensors each time.

    A tenth of a millisecond less a step, bit for bit the same: as much as a tenth of the
    step of a network for 8x8 images.
    """

    def __init__(self, optimizer: Optimizer, kernel: Callable[..., Any]) -> None:
        self._optimizer = optimizer
        self._kernel = kernel
        self._state: list[tuple[list[Tensor], ...]] = []

    @torch.no_grad()
    def __call__(self) -> None:
        groups = self._optimizer.param_groups
        gradients = [[p.grad for p in group["params"]] for group in groups]
        if any(g is None for part in gradients for g in part) or not self._collect():
            self._optimizer.step()
            return
        for group, part, (means, squares, steps) in zip(
            groups, gradients, self._state, strict=True
        ):
            torch._foreach_add_(steps, 1)
            beta1, beta2 = group["betas"]
            self._kernel(
                group["params"],
                part,
                means,
                squares,
                [],
                steps,
                lr=group["lr"],
                beta1=beta1,
                beta2=beta2,
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
            )

    def _collect(self) -> bool:
        """Return whether there is a state to go on from, which the first step makes."""
        if not self._state:
            state = self._optimizer.state
            groups = [group["params"] for group in self._optimizer.param_groups]
            if not all(state.get(p) for params in groups for p in params):
                return False
            names = ("exp_avg", "exp_avg_sq", "step")
            self._state = [tuple([state[p][n] for p in ps] for n in names) for ps in groups]
        return True


class Adam(EagerOptimizer, torch.optim.Adam):
    """Adam."""

    step = _eager_step(torch.optim.Adam)


class AdamW(EagerOptimizer, torch.optim.AdamW):
    """Adam with decoupled weight decay."""

    step = _eager_step(torch.optim.AdamW)


_FUSED = {Adam: "_fused_adam_", AdamW: "_fused_adamw_"}


def repeated_step(optimizer: Optimizer) -> Callable[[], Any]:
    """Return what does one step of any `optimizer`, for many of them in a row.

    Valid while parameters, groups, hooks and state stay what they are.
    """
    kernel = getattr(torch, _FUSED.get(type(optimizer), ""), None)
    changed = "step" in vars(optimizer) or any(
        (
            torchs._global_optimizer_pre_hooks,
            torchs._global_optimizer_post_hooks,
            optimizer._optimizer_step_pre_hooks,
            optimizer._optimizer_step_post_hooks,
        )
    )
    kinds = {(p.device, p.dtype) for group in optimizer.param_groups for p in group["params"]}
    if kernel is None or changed or len(kinds) != 1:
        return optimizer.step
    decoupled = isinstance(optimizer, AdamW)
    plain = all(
        group["params"]
        and group["fused"]
        and not group["amsgrad"]
        and not group["maximize"]
        and group.get("decoupled_weight_decay", decoupled) == decoupled
        for group in optimizer.param_groups
    )
    return _FusedSteps(optimizer, kernel) if plain else optimizer.step


class SGD(EagerOptimizer, torch.optim.SGD):
    """Stochastic gradient descent."""

    step = _eager_step(torch.optim.SGD)


class RMSprop(EagerOptimizer, torch.optim.RMSprop):
    """RMSprop."""

    step = _eager_step(torch.optim.RMSprop)


class Adagrad(EagerOptimizer, torch.optim.Adagrad):
    """Adagrad."""

    step = _eager_step(torch.optim.Adagrad)


OPTIMIZERS = ("adam", "adamw", "sgd", "muon", "rmsprop", "adagrad")
BETAS = (0.9, 0.999)
# Rate of Adam's steps beside a rate of 1 of Muon's.
ADAM_SHARE = 1 / 24


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
