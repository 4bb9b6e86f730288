"""A network as a table: layers, shapes, parameters, multiply-accumulates."""

from collections.abc import Sequence
from math import prod
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from skcnn._network.split import block_depths
from skcnn.layers._base import Shape
from skcnn.layers._sequence import TracedLayer

COLUMNS = (
    "layer",
    "type",
    "output_shape",
    "output_size",
    "kernel",
    "parameters",
    "multiply_accumulates",
    "block",
)
MACS = COLUMNS.index("multiply_accumulates")


def channels_last(shape: Shape) -> Shape:
    """Return ``(*spatial, n_channels)`` for ``(n_channels, *spatial)``."""
    return (*shape[1:], shape[0])


def summarize_layers(rows: Sequence[TracedLayer]) -> pd.DataFrame:
    """Return one row a layer for a network built from specifications."""
    table = [
        (
            row.name,
            type(row.spec).__name__,
            channels_last(row.output_shape),
            prod(row.output_shape),
            row.spec.kernel(row.input_shape),
            row.spec.n_parameters(row.input_shape),
            row.spec.n_multiply_accumulates(row.input_shape),
            block,
        )
        for row, block in zip(rows, block_depths(rows), strict=True)
    ]
    return _as_table(table)


def summarize_module(module: nn.Module, input_shape: Shape) -> pd.DataFrame:
    """Return one row a leaf of a user's module, in the order of their first call.

    Multiply-accumulates are counted for convolutions and linear layers, every call;
    parameters once. Modules with children that own parameters have rows of their own. Blocks
    are not known.
    """
    table: dict[str, list] = {}
    counted: set[int] = set()

    def n_new_parameters(owner: nn.Module) -> int:
        new = [p for p in owner.parameters(recurse=False) if id(p) not in counted]
        counted.update(id(p) for p in new)
        return sum(p.numel() for p in new if p.requires_grad)

    def record(leaf: nn.Module, inputs: tuple, output: Any) -> None:
        out = output[0] if isinstance(output, tuple) else output
        if not isinstance(out, Tensor) or out.dim() == 0:  # a row below for its parameters
            return
        shape = tuple(out.shape[1:])
        kernel, macs = _window_and_macs(leaf, shape)
        if names[leaf] in table:
            table[names[leaf]][MACS] += macs
            return
        kind, n_parameters = type(leaf).__name__, n_new_parameters(leaf)
        last = channels_last(shape)
        table[names[leaf]] = [
            names[leaf],
            kind,
            last,
            prod(shape),
            kernel,
            n_parameters,
            macs,
            None,
        ]

    names = {leaf: name for name, leaf in module.named_modules() if not list(leaf.children())}
    run_once(module, input_shape, dict.fromkeys(names, record))
    for name, part in module.named_modules():
        n_parameters = n_new_parameters(part)
        if n_parameters:
            kind = type(part).__name__
            table[name] = [name or "module", kind, (), 0, None, n_parameters, 0, None]
    return _as_table(list(table.values()))


def _window_and_macs(leaf: nn.Module, shape: Shape) -> tuple[Shape | None, int]:
    """Return a leaf's kernel and the multiply-accumulates of one call giving `shape`."""
    kernel: Any = getattr(leaf, "kernel_size", None)
    if isinstance(kernel, int):
        kernel = (kernel,) * max(len(shape) - 1, 1)
    weight = getattr(leaf, "weight", None)
    if weight is None or weight.dim() < 2:
        return kernel, 0
    positions = prod(shape[1:]) if kernel is not None else prod(shape[:-1])
    return kernel, weight.numel() * positions


def run_once(module: nn.Module, input_shape: Shape, hooks: dict[nn.Module, Any]) -> Any:
    """Return the outputs of `module` for one sample, in evaluation mode with forward hooks."""
    handles = [leaf.register_forward_hook(hook) for leaf, hook in hooks.items()]
    training = module.training
    module.eval()
    try:
        device = next((p.device for p in module.parameters()), torch.device("cpu"))
        with torch.no_grad():
            return module(torch.zeros((1, *input_shape), device=device))
    finally:
        module.train(training)
        for handle in handles:
            handle.remove()


def _as_table(rows: list) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"block": "Int64"}).set_index("layer")
