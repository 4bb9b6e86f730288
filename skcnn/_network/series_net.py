"""SeriesNet: a network for signals of unequal length, and which layers it may have."""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, nn

from skcnn._data.layouts import InputLayout
from skcnn._data.series.layout import SeriesLayout
from skcnn._network.network import ConvNet, Standardize
from skcnn._network.padded import Ends, Padded, RunLeaf, run_padded
from skcnn.exceptions import ArchitectureError, InputShapeError
from skcnn.layers._dense import Flatten
from skcnn.layers._normalization import GroupNorm
from skcnn.layers._sequence import TracedLayer, length_after, trace


def check_no_module(layout: InputLayout, architecture: object) -> None:
    """Check that samples are no signals of unequal length, whose ends a module does not know.

    Raises
    ------
    ArchitectureError
        If they are.
    """
    if isinstance(layout, SeriesLayout):
        raise ArchitectureError(
            "Signals of unequal length need a network of skcnn.layers, which leaves the padding "
            f"out. The 'architecture' parameter is {architecture!r}, whose module would take the "
            "padding for values. Give the layers, a name such as 'inception_time' or None, or "
            "make the signals equally long, as PadSignals does."
        )


def check_lengths(rows: Sequence[TracedLayer], lengths: Iterable[int]) -> None:
    """Check that the layers are for signals of unequal length, and these long enough for them.

    Parameters
    ----------
    rows : sequence of TracedLayer
        The layers of the network, traced for the longest signal.
    lengths : iterable of int
        The length of each signal.

    Raises
    ------
    ArchitectureError
        If a layer needs signals of one length.
    InputShapeError
        If a signal is too short.
    """
    lengths = list(lengths)
    for row in rows:  # the reason that a network cannot be changed for comes first
        if isinstance(row.spec, Flatten):
            _length_after(row, 1)
    for length in sorted(set(lengths)):
        at = length
        for row in rows:
            at = _length_after(row, at)
            if at < 1:
                raise InputShapeError(
                    f"The signal in row {lengths.index(length)} of X has the length {length}, "
                    f"which is too short for the layer {row.name!r}: {row.spec!r}. Make its "
                    "window smaller, set padding='same', or leave such signals out."
                )


def _length_after(row: TracedLayer, length: int) -> int:
    try:
        return length_after([row.spec], length, row.input_shape)
    except ArchitectureError as error:
        raise ArchitectureError(f"Layer {row.name!r}: {error}") from None


class SeriesNet(ConvNet):
    """A network for signals of unequal length, built from layer specifications.

    Its input has one channel more than the signals, which is 1 inside of a signal and 0 in the
    padding after it. The outputs for a signal are those of a `ConvNet` for the signal alone, to
    rounding, and batch normalisation takes the statistics of all places but the padding.

    Parameters
    ----------
    rows : sequence of TracedLayer
        The layers with their shapes for the longest signal, the output layer last.
    standardize : Standardize
        First step of the forward pass.

    Raises
    ------
    ArchitectureError
        If a layer needs signals of one length.
    """

    def __init__(self, rows: Sequence[TracedLayer], standardize: Standardize) -> None:
        check_lengths(rows, [rows[0].input_shape[-1]])
        super().__init__(rows, standardize)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs (logits), (n_signals, n_outputs).

        Parameters
        ----------
        x : Tensor of shape (n_signals, n_channels + 1, width)
            Padded signals, and where they are no padding.
        """
        return self.outputs(x, _call)

    def outputs(self, x: Tensor, leaf: RunLeaf) -> Any:
        """Return the outputs, with `leaf` to compute the modules that have no inner ones."""
        lengths = x[:, -1].sum(1).long()
        maps = self.standardize(x[:, :-1].unsqueeze(2))  # (N, C, 1, width)
        return run_padded(
            self.layers, Padded(maps, Ends(lengths, maps.shape[3]), is_zero=False), leaf
        )


def net_of_length(
    net: SeriesNet, rows: Sequence[TracedLayer], length: int
) -> tuple[ConvNet, list[TracedLayer]]:
    """Return the network for signals of one length, and its layers, with the weights of `net`.

    Parameters
    ----------
    net : SeriesNet
        The network, whose weights are copied.
    rows : sequence of TracedLayer
        Its layers.
    length : int
        Length of the signals.

    Raises
    ------
    ArchitectureError
        If a layer does not fit signals of this length.
    """
    n_channels = rows[0].input_shape[0]
    traced = trace([row.spec for row in rows], (n_channels, length))
    alone = ConvNet(traced, copy.deepcopy(net.standardize))
    alone.load_state_dict(net.state_dict())
    for own, part in zip(alone.modules(), net.modules(), strict=False):
        if isinstance(part, GroupNorm):  # whose number of groups may depend on the length
            own.num_groups = part.num_groups  # type: ignore[assignment]
    device = net.standardize.scale.device
    return alone.to(device).train(net.training), traced


def _call(module: nn.Module, x: Tensor) -> Tensor:
    return module(x)
