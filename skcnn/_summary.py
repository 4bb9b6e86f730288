"""A network as a table: layers, shapes, parameters, multiply-accumulates.

Reads traced layers or a module's leaves; builds nothing.
"""

from collections.abc import Sequence
from math import prod

import pandas as pd
import torch
from torch import nn

from skcnn._blocks import TracedLayer
from skcnn._layers import Shape

COLUMNS = (
    "layer",
    "type",
    "output_shape",
    "output_size",
    "kernel",
    "parameters",
    "multiply_accumulates",
)


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
        )
        for row in rows
    ]
    return _as_table(table)


def summarize_module(module: nn.Module, input_shape: Shape) -> pd.DataFrame:
    """Return one row a leaf of a user's module, in the order of their first call.

    Multiply-accumulates are counted for convolutions and linear layers.
    """
    table: list[tuple] = []
    names = {leaf: name for name, leaf in module.named_modules() if not list(leaf.children())}

    def record(leaf: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        shape = tuple(output.shape[1:])
        n_parameters = sum(p.numel() for p in leaf.parameters() if p.requires_grad)
        weight = getattr(leaf, "weight", None)
        windowed = hasattr(leaf, "kernel_size")
        macs = 0
        if weight is not None and weight.dim() > 1:
            positions = prod(shape[1:]) if windowed else prod(shape[:-1])
            macs = weight.numel() * positions
        kernel = leaf.kernel_size if windowed else None
        kernel = (kernel,) * max(len(shape) - 1, 1) if isinstance(kernel, int) else kernel
        table.append(
            (
                names[leaf],
                type(leaf).__name__,
                channels_last(shape),
                prod(shape),
                kernel,
                n_parameters,
                macs,
            )
        )

    hooks = [leaf.register_forward_hook(record) for leaf in names]
    training = module.training
    module.eval()
    try:
        device = next((p.device for p in module.parameters()), torch.device("cpu"))
        with torch.no_grad():
            module(torch.zeros((1, *input_shape), device=device))
    finally:
        module.train(training)
        for hook in hooks:
            hook.remove()
    return _as_table(table)


def _as_table(rows: list[tuple]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.set_index("layer")
