"""The Muon optimizer."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from skcnn._training.eager_optimizers import EagerOptimizer

BETAS = (0.9, 0.999)  # of Adam's steps
# Learning rate of Adam's steps, relative to that of the kernels.
ADAM_SHARE = 1 / 24


def orthogonalized(matrices: Tensor) -> Tensor:
    """Return matrices with the same singular vectors and singular values near one.

    An odd polynomial is applied to each matrix three times. Singular values become 0.5 to
    1.2, except for those below 1/80 of the matrix norm, which become smaller. It is the product
    of the matrix and an even polynomial of it, which is computed from the product with its
    transpose. For kernels, which have many more columns than rows, that takes half of the time.

    Parameters
    ----------
    matrices : Tensor of shape (n_matrices, n_rows, n_columns)
    """
    linear, cubic, quintic = 3.4445, -4.7750, 2.0315
    is_wide = matrices.shape[-2] <= matrices.shape[-1]
    wide = matrices if is_wide else matrices.mT
    gram = wide @ wide.mT
    diagonal = gram.diagonal(dim1=-2, dim2=-1)
    square_norm = diagonal.sum(-1, keepdim=True).unsqueeze(-1).clamp_min(1e-24)
    gram = gram / square_norm
    factors: list[Tensor] = []
    for _ in range(3):
        if factors:
            gram = factors[-1] @ gram @ factors[-1]
        factor = torch.baddbmm(gram, gram, gram, beta=cubic, alpha=quintic)
        factor.diagonal(dim1=-2, dim2=-1).add_(linear)
        factors.append(factor)
    result = factors[2] @ factors[1] @ (factors[0] / square_norm.sqrt()) @ wide
    return result if is_wide else result.mT


def hidden_kernels(module: nn.Module) -> dict[int, int]:
    """Return {id: groups} of the weights of convolutions and dense layers except the last."""
    kinds = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear
    parts = [p for p in module.modules() if isinstance(p, kinds) and p.weight.requires_grad]
    return {id(part.weight): getattr(part, "groups", 1) for part in parts[:-1]}


class Muon(EagerOptimizer):
    """Orthogonalised updates for kernels, Adam's for all other parameters.

    The momentum of a kernel is a matrix with one row per filter. Three Newton-Schulz steps
    make its singular values nearly equal. Each group of a grouped convolution is a matrix of
    its own. Before each step the kernel is scaled so that the root mean square of its
    filters' norms is one. The learning rate is therefore relative to the kernel. Other
    parameters take Adam's steps with a learning rate 24 times smaller; those of them that
    are matrices have decoupled weight decay.

    Parameters
    ----------
    groups : list of dict
        From `parameter_groups`.
    kernels : dict of int to int
        From `hidden_kernels`: the `id` of each kernel, and the number of groups of its
        filters.
    learning_rate, momentum, nesterov
        Settings of the kernels' steps.

    Notes
    -----
    The original takes five Newton-Schulz steps in bfloat16, decays kernels instead of scaling
    them and leaves the other parameters to another optimizer. The scaling is that of the
    CIFAR-10 speed runs.

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
            for n_groups in (*sorted(set(kernels.values())), 0):  # 0: not kernels
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
        kernel.add_(update.reshape(kernel.shape) * -group["lr"])  # of a recorded step: a tensor

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
        parameter.add_(mean / root * (-rate / (1 - BETAS[0] ** state["step"])))
