"""A network's layers as functions for prediction, with batch normalisation folded in."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from skcnn._network.network import ConvNet, MaskMissing, Standardize
from skcnn._utils.compat import are_plain_float32, has_global_forward_hooks
from skcnn.layers._convolution import CONVOLUTIONS, convolve
from skcnn.layers._normalization import BatchNorm
from skcnn.layers._steps import PREDICTION_STEPS, Step, own_forward, prediction_step

# Larger weights take longer to compare, before every prediction, than the normalisation after
# their convolution takes, which has few values for so many weights.
MOST_FOLDED_WEIGHTS = 2**17

Watch = Callable[[nn.Module, Tensor], None]

# The steps of what is inside of a container are made one by one.
prediction_step(ConvNet, Standardize, MaskMissing, nn.Sequential, nn.ModuleList)(own_forward)


class FoldedConvolution:
    """A convolution and the batch normalisation after it as one convolution."""

    def __init__(self, conv: nn.Conv2d | nn.Conv3d, norm: BatchNorm) -> None:
        self.conv = conv
        self.norm = norm
        self.state: tuple[list[Tensor], Tensor, Tensor] | None = None
        self.eps = norm.eps

    def refresh(self) -> None:
        """Fold again if any number has changed.

        The numbers are compared, because torch's version counters miss changes made through
        ``.data``.
        """
        norm, conv = self.norm, self.conv
        sources = [conv.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var]
        sources += [] if conv.bias is None else [conv.bias]
        same = self.state is not None and self.eps == norm.eps
        if same and all(map(torch.equal, sources, cast(Any, self.state)[0])):
            return
        self.eps = norm.eps
        scale = norm.weight.double() * (norm.running_var.double() + norm.eps).rsqrt()
        offset = 0.0 if conv.bias is None else conv.bias.double()
        bias = (offset - norm.running_mean.double()) * scale + norm.bias.double()
        weight = conv.weight.double() * scale.view(-1, *(1,) * (conv.weight.dim() - 1))
        self.state = [each.clone() for each in sources], weight.float(), bias.float()

    def __call__(self, x: Tensor) -> Tensor:
        if self.state is None:
            self.refresh()
        _, weight, bias = cast(tuple[list[Tensor], Tensor, Tensor], self.state)
        return convolve(self.conv, x, weight, bias)


def has_prediction_steps(parts: Sequence[nn.Module], device: torch.device) -> bool:
    """Return whether all modules of a network have prediction steps, as the package made them."""
    return type(parts[0]) is ConvNet and inner_have_steps(parts, device)


def inner_have_steps(parts: Sequence[nn.Module], device: torch.device) -> bool:
    """Return whether all modules but the first, the network, have prediction steps."""
    return bool(
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and torch.backends.mkldnn.enabled
        and not has_global_forward_hooks()
        and are_plain_float32(parts)  # a user may have changed them
        and all(map(_has_step, parts[1:]))
    )


def _has_step(part: nn.Module) -> bool:
    """Return whether a module has a step. Called for every module at every prediction."""
    step = PREDICTION_STEPS.get(type(part))
    return step is not None and (step.only_if is None or step.only_if(part))


def prediction_network(
    module: ConvNet, folded: list[FoldedConvolution], watch: Watch | None = None
) -> Step:
    """Return the function of the network; `watch` is called with the output of every layer.

    The convolutions that have a normalisation folded in are appended to `folded`.
    """
    steps = [*_steps(module.standardize, folded, watch), *_steps(module.layers, folded, watch)]

    def run(x: Tensor) -> Tensor:
        return _through(steps, _in_memory_order(x.unsqueeze(2) if module.is_signal else x))

    return run


def inner_step(module: nn.Module) -> Step:
    """Return the step of a module inside of a network that does not convolve feature vectors."""
    return partial(_through, _steps(module, [], None))


def _in_memory_order(x: Tensor) -> Tensor:
    """Return a float32 copy whose strides follow from its shape alone, as kernels do."""
    if x.dim() == 4:
        n, c, h, w = x.shape
        empty = torch.empty((n, h, w, c), dtype=torch.float32, device=x.device)
        return empty.permute(0, 3, 1, 2).copy_(x)
    return torch.empty(x.shape, dtype=torch.float32, device=x.device).copy_(x)


def _through(steps: Sequence[Step], x: Tensor) -> Tensor:
    for step in steps:
        x = step(x)
    return x


def _steps(module: nn.Module, folded: list[FoldedConvolution], watch: Watch | None) -> list[Step]:
    """Return the steps of `module`; a convolution and the normalisation after it are one."""

    def step_of(inner: nn.Module) -> Step:
        return partial(_through, _steps(inner, folded, watch))

    leaves = _flat(module)
    steps: list[Step] = []
    for i, leaf in enumerate(leaves):
        after = leaves[i + 1] if i + 1 < len(leaves) else None
        step: Step
        if _is_folded(leaf, after):
            step = FoldedConvolution(cast(Any, leaf), cast(Any, after))
            folded.append(step)
        elif i > 0 and _is_folded(leaves[i - 1], leaf):
            continue
        else:
            step = cast(Any, PREDICTION_STEPS[type(leaf)].make)(leaf, step_of)
        steps.append(step if watch is None else partial(_watched, step, leaf, watch))
    return steps


def _is_folded(leaf: nn.Module, after: nn.Module | None) -> bool:
    """Return whether a convolution and the batch normalisation after it are one step."""
    return (
        isinstance(leaf, CONVOLUTIONS)
        and isinstance(after, BatchNorm)
        and leaf.weight.numel() <= MOST_FOLDED_WEIGHTS
    )


def _watched(step: Step, leaf: nn.Module, watch: Watch, x: Tensor) -> Tensor:
    out = step(x)
    watch(leaf, out)
    return out


def _flat(module: nn.Module) -> list[nn.Module]:
    """Return the modules that run one after another, without those that do nothing."""
    if isinstance(module, nn.Sequential):
        return [leaf for part in module for leaf in _flat(part)]
    return [] if PREDICTION_STEPS[type(module)].make is None else [module]
