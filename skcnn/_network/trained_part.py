"""The part of a network that is trained: what is frozen, and at which rates the blocks learn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import torch
from torch import nn

from skcnn._data.feature_cache import FeatureCache
from skcnn._data.images import Images
from skcnn._data.layouts import InputLayout
from skcnn._network.module_head import BeforeLinear, last_linear
from skcnn._network.network import ConvNet, WrappedNet
from skcnn._network.prediction import Predictor
from skcnn._network.split import (
    FrozenThenTrained,
    Trainable,
    feature_layout,
    frozen_prefix_length,
    module_depths,
    prefix_network,
    suffix_network,
)
from skcnn.exceptions import ArchitectureError
from skcnn.layers._base import LayerSpec
from skcnn.layers._sequence import TracedLayer, total_multiply_accumulates


@dataclass(frozen=True)
class PartSchedule:
    """Which part of a network is trained in each epoch.

    Attributes
    ----------
    rows : sequence of TracedLayer or None
        The layers, None for a user's module.
    trainable : mapping of int to "all", "head", "last_block" or int
        The part that is trained once so many epochs are done; 0 is among the keys.
    rate_decay : float
        Factor of the learning rate from a block to the one before it.
    blocks_share : float
        Factor of the learning rate of all layers before the output layer.
    cache : FeatureCache or None
        Keeps features between fits.
    """

    rows: Sequence[TracedLayer] | None = None
    trainable: Mapping[int, Trainable] = field(default_factory=lambda: {0: "all"})
    rate_decay: float = 1.0
    blocks_share: float = 1.0
    cache: FeatureCache | None = None

    def at(self, n_epochs_done: int) -> Trainable:
        """Return what is trained in the next epoch."""
        return self.trainable[max(n for n in self.trainable if n <= n_epochs_done)]

    def changes(self, n_epochs_done: int, n_epochs: int) -> bool:
        """Return whether another part than in the last epoch comes before `n_epochs` are done."""
        now = self.at(n_epochs_done - 1)
        coming = [v for n, v in self.trainable.items() if n_epochs_done <= n < n_epochs]
        return any(value != now for value in coming)

    def shortened(self, n_epochs_done: int, n_epochs: int, n_epochs_now: int) -> Self:
        """Return the schedule of a training that now ends after fewer epochs than `n_epochs`.

        Changes come at the same shares of the epochs that are left, and before the last one.
        """
        share = (n_epochs_now - n_epochs_done) / (n_epochs - n_epochs_done)
        trainable = {n: v for n, v in self.trainable.items() if not n_epochs_done < n < n_epochs}
        for n in sorted(self.trainable.keys() - trainable.keys()):
            moved = n_epochs_done + round(share * (n - n_epochs_done))
            trainable[min(moved, n_epochs_now - 1)] = self.trainable[n]
        return replace(self, trainable=trainable)

    def fewest_frozen(self) -> int:
        """Return how many layers are frozen in all epochs, 0 for a user's module.

        Raises
        ------
        ArchitectureError
            If the network has no such part.
        """
        values = self.trainable.values()
        if self.rows is None:
            return 0
        return min(frozen_prefix_length(self.rows, value) for value in values)


class TrainedPart:
    """A part of a network in training; the layers before it are frozen.

    Parameters
    ----------
    network : nn.Module
        The whole network.
    rows : sequence of TracedLayer or None
        Its layers, None for a user's module.
    trainable : "all", "head", "last_block" or int
        The part.
    rate_decay : float
        Factor of the learning rate from a block to the one before it.
    blocks_share : float
        Factor of the learning rate of all layers before the output layer.
    device : torch.device
        Where the network is.

    Attributes
    ----------
    frozen : nn.Module or None
        What is in evaluation mode in training, None if nothing is frozen.
    trained : nn.Module
        What contains all weights and statistics that change. It takes features, which are the
        outputs of the frozen layers.
    through : nn.Module
        What takes samples, without gradients of the frozen layers.
    prefix : nn.Module
        The frozen layers.
    layout : InputLayout
        How a row of features is an input of `trained`.
    layers_key : str or None
        A description of the frozen layers, None if code of the user is in them, which may change.
    macs : int
        Multiply-accumulates of `trained` for a sample.
    on_features : bool
        Whether batches hold features instead of samples.
    frozen_names : set of str
        Parameters that are not trained.
    rate_shares : dict of str to float
        Factors of the learning rate by the parameters' names, those that are not one.

    Raises
    ------
    ArchitectureError
        If a user's module has no last linear layer to train alone.
    """

    prefix: nn.Module
    layout: InputLayout
    layers_key: str | None
    macs: int

    def __init__(
        self,
        network: nn.Module,
        rows: Sequence[TracedLayer] | None,
        trainable: Trainable,
        rate_decay: float,
        blocks_share: float,
        device: torch.device,
    ) -> None:
        self.device = device
        self.frozen: nn.Module | None = None
        self.trained = self.through = network
        self.on_features = False
        self.rate_shares: dict[str, float] = {}
        self._predictor: Predictor | None = None
        if isinstance(network, ConvNet) and rows is not None:
            k = frozen_prefix_length(rows, trainable)
            if k > 0:
                self._freeze_layers(network, rows, k)
            if rate_decay != 1 or blocks_share != 1:
                self.rate_shares = _rate_shares(network, rows, rate_decay, blocks_share)
        elif isinstance(network, WrappedNet) and trainable == "head":
            self._freeze_module(network)
        elif isinstance(network, WrappedNet) and blocks_share != 1:
            self.rate_shares = _module_rate_shares(network, blocks_share)
        trained = {id(p) for p in self.trained.parameters()}
        self.frozen_names = {n for n, p in network.named_parameters() if id(p) not in trained}

    def _freeze_layers(self, network: ConvNet, rows: Sequence[TracedLayer], k: int) -> None:
        prefix, suffix = prefix_network(network, rows, k), suffix_network(network, rows, k)
        self.frozen = self.prefix = prefix
        self.trained = suffix
        self.through = FrozenThenTrained(prefix, suffix)
        self.layout = feature_layout(network, rows, k)
        self.layers_key = _layers_key(rows[:k])
        self.macs = total_multiply_accumulates(rows[k:])

    def _freeze_module(self, network: WrappedNet) -> None:
        head = last_linear(network)
        self.frozen = network.module  # a linear layer works alike in both modes
        self.trained = head
        self.prefix = BeforeLinear(network, head)
        self.layout = InputLayout((head.in_features,), "last")
        self.macs = head.weight.numel()
        self.layers_key = None  # the code of its methods may change

    @property
    def is_whole(self) -> bool:
        """Whether nothing is frozen."""
        return self.frozen is None

    @property
    def module(self) -> nn.Module:
        """What is called with a training batch."""
        return self.trained if self.on_features else self.through

    def outputs(self, features: Images, whole: Predictor) -> np.ndarray:
        """Return the outputs for samples whose features are given.

        They have the bits of `whole`, the predictor of the whole network.
        """
        if self._predictor is None:
            shape = features.layout.network_shape
            self._predictor = Predictor(self.trained, shape, self.device, whole=whole)
        return self._predictor.outputs(features).float().cpu().numpy()


def _layers_key(rows: Sequence[TracedLayer]) -> str | None:
    if not all(_is_own(row.spec) for row in rows):
        return None  # the code of other classes may change
    return repr([(type(row.spec).__module__, row.spec, row.input_shape) for row in rows])


def _is_own(spec: LayerSpec) -> bool:
    """Return whether a layer and all layers inside of it are of classes of this package."""
    is_own = type(spec).__module__.startswith(f"{LayerSpec.__module__.partition('.')[0]}.")
    return is_own and all(_is_own(layer) for layer in spec.inner_layers())


def _rate_shares(
    network: ConvNet, rows: Sequence[TracedLayer], rate_decay: float, blocks_share: float
) -> dict[str, float]:
    names = {id(p): name for name, p in network.named_parameters()}
    return {
        names[id(p)]: blocks_share * rate_decay**depth
        for part, depth in module_depths(network, rows)
        for p in part.parameters()
        if depth > 0
    }


def _module_rate_shares(network: WrappedNet, blocks_share: float) -> dict[str, float]:
    try:
        head = {id(p) for p in last_linear(network).parameters()}
    except ArchitectureError:  # its output layer is not known
        return {}
    return {n: blocks_share for n, p in network.named_parameters() if id(p) not in head}
