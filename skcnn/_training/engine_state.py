"""How an engine is pickled: tensors on the CPU, the optimizer as its state."""

import copy
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

NOT_PICKLED = ("_captured", "_compiled", "_part", "_predictor")  # made again where they are needed


def state_on_cpu(engine: Any) -> dict[str, Any]:
    """Return the attributes of an engine, with all tensors on the CPU."""
    state = {name: value for name, value in vars(engine).items() if name not in NOT_PICKLED}
    if engine.initialized_:
        on_cpu = str(engine.device).startswith("cpu")
        module = engine.module_ if on_cpu else copy.deepcopy(engine.module_).cpu()
        state |= {"module": module, "module_": module, "device": "cpu"}
        optimizer = state.pop("optimizer_")
        state["_optimizer_state"] = _to_cpu(optimizer.state_dict())
    return state


def _to_cpu(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, dict):
        return {k: _to_cpu(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_to_cpu(v) for v in value)
    return value


def without_inference_tensors(state: dict[str, Any]) -> dict[str, Any]:
    """Return attributes whose tensors can be trained, also if read in ``inference_mode``."""
    tensors = state["module"].state_dict().values()
    return copy.deepcopy(state) if any(t.is_inference() for t in tensors) else state


@contextmanager
def training_only(module: nn.Module, names: Collection[str]) -> Iterator[None]:
    """Make the parameters `names` trainable and no others, whatever a callback has frozen.

    Does nothing if no parameter has such a name.
    """
    before = [(name, p, p.requires_grad) for name, p in module.named_parameters()]
    if any(name in names for name, _, _ in before):
        for name, parameter, _ in before:
            parameter.requires_grad_(name in names)
    try:
        yield
    finally:
        for _, parameter, trains in before:
            parameter.requires_grad_(trains)
