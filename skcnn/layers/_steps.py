"""How torch modules compute in predictions and in joint training: a table for each.

A layer registers the modules that it builds, next to their classes. A network with a module
that is not in the table of predictions is predicted by the modules' own forward passes, and
a network with a module that is not in the table of joint training is trained alone.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

Step = Callable[[Tensor], Tensor]
StepOf = Callable[[nn.Module], Step]
Updates = list[tuple[Tensor, Tensor]]  # buffers and their next values
MakeStep = Callable[[Any, StepOf], Step]
MakeJointStep = Callable[[Sequence[Any], Updates], Step]
Make = TypeVar("Make", bound=Callable[..., Step])


class PredictionStep(NamedTuple):
    """How modules of one type predict.

    `make` is None for modules that do nothing. Modules for which `only_if` returns False
    are treated as if their type was not registered.
    """

    make: MakeStep | None
    only_if: Callable[[Any], bool] | None


PREDICTION_STEPS: dict[type, PredictionStep] = {}
JOINT_STEPS: dict[type, MakeJointStep] = {}


def prediction_step(
    *modules: type[nn.Module], only_if: Callable[[Any], bool] | None = None
) -> Callable[[Make], Make]:
    """Register the function that makes the prediction step of modules of exactly these types.

    The function is called with a module and `step_of`, which returns the step of a module
    inside of it. The outputs of the step for a sample must not depend on the other samples
    of the batch, bit for bit. They may depend on their number, because batch sizes are tried
    before they are used.
    """

    def register(make: Make) -> Make:
        PREDICTION_STEPS.update(dict.fromkeys(modules, PredictionStep(make, only_if)))
        return make

    return register


def skip_in_predictions(*modules: type[nn.Module]) -> None:
    """Register modules that return their input in predictions."""
    PREDICTION_STEPS.update(dict.fromkeys(modules, PredictionStep(None, None)))


def own_forward(module: nn.Module, step_of: StepOf) -> Step:
    """Return the module's own forward method, which runs no hooks."""
    return module.forward


def joint_step(*modules: type[nn.Module]) -> Callable[[Make], Make]:
    """Register the function that makes the joint step of modules of exactly these types.

    The function is called with the same module of each network and with `updates`. The
    step takes and returns the networks' channels (or features) side by side,
    (n_samples, n_networks * n_channels, *spatial), and appends to `updates` the buffers
    that a training pass changes.
    """

    def register(make: Make) -> Make:
        JOINT_STEPS.update(dict.fromkeys(modules, make))
        return make

    return register


def channel_by_channel(parts: Sequence[Any], updates: Updates) -> Step:
    """Return the first network's module, which treats every channel by itself."""
    return parts[0]


def join(parts: Sequence[nn.Module], updates: Updates) -> Step:
    """Return the step that computes the same module of all networks."""
    return JOINT_STEPS[type(parts[0])](parts, updates)


def join_each(parts: Sequence[Any], updates: Updates) -> list[Step]:
    """Return the joint steps of the modules in containers of equal length."""
    return [join(same, updates) for same in zip(*parts, strict=True)]


def joined(parts: Sequence[Any], name: str) -> Any:
    """Return the joined parameters of a name, None where there are none."""
    values = [getattr(part, name) for part in parts]
    return None if values[0] is None else torch.cat(values)


def apart(x: Tensor, n_networks: int) -> Tensor:
    """Return (N, k, C, *spatial) of (N, k * C, *spatial)."""
    return x.unflatten(1, (n_networks, -1))
