"""The blocks of a network, its frozen layers, and the networks before and after them."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeGuard

import torch
from torch import Tensor, nn

from skcnn._data.layouts import InputLayout
from skcnn._network.network import ConvNet
from skcnn._utils.validation import is_integer
from skcnn.exceptions import ArchitectureError
from skcnn.layers._sequence import TracedLayer

Trainable = str | int
EXTENTS = ("all", "head", "last_block")


def is_trainable(value: object) -> TypeGuard[Trainable]:
    """Return whether `value` names a part of a network."""
    if isinstance(value, str):
        return value in EXTENTS
    return is_integer(value) and value >= 0


def blocks_of(rows: Sequence[TracedLayer]) -> list[range]:
    """Return the blocks of a network in the order of its layers, each as the range of its rows.

    A block works on maps of one spatial size: the next one begins at the layer that makes them
    smaller. Layers between the one that flattens the maps and the output layer are the last block.
    Layers without parameters make no block of their own: they belong to the next block or, at
    the end, to the last one. The output layer belongs to none.
    """
    n = len(rows) - 1
    starts = [0, *(i for i in range(1, n) if _begins_block(rows[i]))]
    ranges = [range(*bounds) for bounds in pairwise([*starts, n])]
    blocks: list[range] = []
    start = 0
    for part in ranges:
        if any(_has_parameters(rows[i]) for i in part):
            blocks.append(range(start, part.stop))
            start = part.stop
    if blocks:
        blocks[-1] = range(blocks[-1].start, n)
    return blocks


def _begins_block(row: TracedLayer) -> bool:
    before, after = row.input_shape[1:], row.output_shape[1:]
    if len(before) != len(after):
        return True
    return any(a < b for a, b in zip(after, before, strict=True))


def _has_parameters(row: TracedLayer) -> bool:
    return row.spec.n_parameters(row.input_shape) > 0


def n_trained_blocks(rows: Sequence[TracedLayer], trainable: Trainable) -> int:
    """Return how many of the last blocks `trainable` names: "head" is 0, "last_block" 1.

    Raises
    ------
    ArchitectureError
        If the network has fewer blocks.
    """
    n_blocks = len(blocks_of(rows))
    if trainable == "all":
        return n_blocks
    wanted = {"head": 0, "last_block": min(1, n_blocks)}.get(str(trainable), trainable)
    if int(wanted) > n_blocks:
        raise ArchitectureError(
            f"trainable={trainable!r} is more than the {n_blocks} blocks of the network before "
            f"its output layer: use a whole number up to {n_blocks}, or 'all'."
        )
    return int(wanted)


def block_depths(rows: Sequence[TracedLayer]) -> list[int]:
    """Return for each row the number of its block from the end: 0 is the head, 1 the last block.

    Layers after the last block that have parameters are the head's, others the block's.
    """
    depths = [0] * len(rows)
    for depth, block in enumerate(reversed(blocks_of(rows)), 1):
        for i in block:
            depths[i] = depth
    return depths


def frozen_prefix_length(rows: Sequence[TracedLayer], trainable: Trainable) -> int:
    """Return the number of layers before the first one that is trained.

    It is the place after the last frozen layer with parameters, moved on over layers without
    parameters that draw no random numbers. Dropout before a trained layer is not frozen, then. 0
    if no layer with parameters is frozen.
    """
    n_trained = n_trained_blocks(rows, trainable)
    frozen = [
        i
        for i, depth in enumerate(block_depths(rows))
        if depth > n_trained and _has_parameters(rows[i])
    ]
    if not frozen:
        return 0
    k = frozen[-1] + 1
    while not _has_parameters(rows[k]) and not rows[k].spec.draws:
        k += 1
    return k


def prefix_network(net: ConvNet, rows: Sequence[TracedLayer], k: int) -> ConvNet:
    """Return the first `k` layers of `net` as a network that shares its modules.

    Its outputs are feature maps (n_samples, n_channels, *spatial), of a signal (n_samples,
    n_channels, 1, length), or vectors (n_samples, n_features).
    """
    inside = (part for owner, part in _owned(net, rows) if owner < k)
    return _network(net.standardize, inside, net.is_signal)


def suffix_network(net: ConvNet, rows: Sequence[TracedLayer], k: int) -> ConvNet:
    """Return the layers after the first `k` as a network that shares the modules of `net`.

    It takes the outputs of `prefix_network`.
    """
    inside = (part for owner, part in _owned(net, rows) if owner >= k)
    return _network(nn.Identity(), inside, is_signal=False)


def _owned(
    net: ConvNet, rows: Sequence[TracedLayer]
) -> Iterator[tuple[int, tuple[str, nn.Module]]]:
    """Yield each module of `net` with its name and the number of its row."""
    owners: dict[str, int] = {}
    for i, row in enumerate(rows):
        activation = getattr(row.spec, "activation", None)  # has a module of its own
        owners |= {row.name: i, f"{row.name}_{activation}": i}
    for name, part in net.layers.named_children():
        yield owners[name], (name, part)


def _network(
    standardize: nn.Module, parts: Iterator[tuple[str, nn.Module]], is_signal: bool
) -> ConvNet:
    network = ConvNet.__new__(ConvNet)
    nn.Module.__init__(network)
    network.standardize = standardize  # type: ignore[assignment]
    network.is_signal = is_signal
    network.layers = nn.Sequential()
    for name, part in parts:
        network.layers.add_module(name, part)
    return network


def module_depths(net: ConvNet, rows: Sequence[TracedLayer]) -> list[tuple[nn.Module, int]]:
    """Return each module of `net` with the number of its block from the end."""
    depths = block_depths(rows)
    return [(part, depths[owner]) for owner, (_, part) in _owned(net, rows)]


def feature_layout(net: ConvNet, rows: Sequence[TracedLayer], k: int) -> InputLayout:
    """Return how a row of `as_feature_rows` is an input of `suffix_network`."""
    shape = rows[k].input_shape
    if len(shape) == 4:  # volumes are channels first in memory
        return InputLayout(shape, "first")
    if len(shape) == 2 and net.is_signal:
        shape = (shape[0], 1, shape[1])
    return InputLayout((*shape[1:], shape[0]), "last")


def as_feature_rows(outputs: Tensor) -> Tensor:
    """Return the outputs of `prefix_network` as one row for each sample, in memory's order."""
    if outputs.dim() == 4:
        outputs = outputs.permute(0, 2, 3, 1)
    return outputs.flatten(1)


class FrozenThenTrained(nn.Module):
    """A network whose first layers are frozen: no gradients are computed for them."""

    def __init__(self, prefix: ConvNet, suffix: ConvNet) -> None:
        super().__init__()
        self.prefix = prefix
        self.suffix = suffix

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs (logits) for images `x`."""
        with torch.no_grad():
            features = self.prefix(x)
        return self.suffix(features)
