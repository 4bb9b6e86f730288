"""The part of a network that is trained: what is frozen, and at which rates the blocks learn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from skcnn._data.feature_cache import FeatureCache
from skcnn._data.images import Images
from skcnn._network.network import ConvNet
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
from skcnn.layers._sequence import TracedLayer


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
    cache : FeatureCache or None
        Keeps features between fits.
    """

    rows: Sequence[TracedLayer] | None = None
    trainable: Mapping[int, Trainable] = field(default_factory=lambda: {0: "all"})
    rate_decay: float = 1.0
    cache: FeatureCache | None = None

    def at(self, n_epochs_done: int) -> Trainable:
        """Return what is trained in the next epoch."""
        return self.trainable[max(n for n in self.trainable if n <= n_epochs_done)]

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
    device : torch.device
        Where the network is.

    Attributes
    ----------
    frozen : nn.Module or None
        What is in evaluation mode in training.
    trained : nn.Module
        What contains all weights and statistics that change.
    features : bool
        Whether batches hold outputs of the frozen layers instead of samples.
    frozen_names : set of str
        Parameters that are not trained.
    rate_shares : dict of str to float
        Factors of the learning rate by the parameters' names, those that are not one.

    Raises
    ------
    ArchitectureError
        If a user's module has no last linear layer to train alone.
    """

    def __init__(
        self,
        network: nn.Module,
        rows: Sequence[TracedLayer] | None,
        trainable: Trainable,
        rate_decay: float,
        device: torch.device,
    ) -> None:
        self.network = network
        self.device = device
        self.frozen: nn.Module | None = None
        self.trained = network
        self.prefix: ConvNet | None = None
        self.suffix: ConvNet | None = None
        self.features = False
        self.rate_shares: dict[str, float] = {}
        names = {id(p): name for name, p in network.named_parameters()}
        frozen: list[nn.Parameter] = []
        if isinstance(network, ConvNet) and rows is not None:
            self._split(network, rows, frozen_prefix_length(rows, trainable))
            frozen = [] if self.prefix is None else list(self.prefix.parameters())
            if rate_decay != 1:
                self.rate_shares = {
                    names[id(p)]: rate_decay**depth
                    for part, depth in module_depths(network, rows)
                    for p in part.parameters()
                    if depth > 0
                }
        elif trainable == "head":
            self.frozen = network
            head = last_linear(network)
            kept = {id(p) for p in head.parameters()}
            frozen = [p for p in network.parameters() if id(p) not in kept]
        self.frozen_names = {names[id(p)] for p in frozen}

    def _split(self, network: ConvNet, rows: Sequence[TracedLayer], k: int) -> None:
        if k == 0:
            return
        self.frozen = self.prefix = prefix_network(network, rows, k)
        self.trained = self.suffix = suffix_network(network, rows, k)
        self.through = FrozenThenTrained(self.prefix, self.suffix)
        self.layout = feature_layout(network, rows, k)
        self.layers_key = repr([(type(r.spec).__module__, r.spec, r.input_shape) for r in rows[:k]])
        self._predictor: Predictor | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is frozen."""
        return self.frozen is None

    @property
    def module(self) -> nn.Module:
        """What is called with a training batch."""
        if self.suffix is None:
            return self.network
        return self.suffix if self.features else self.through

    def outputs(self, features: Images) -> np.ndarray:
        """Return the network's outputs for samples whose features are given."""
        assert self.suffix is not None
        if self._predictor is None:
            shape = features.layout.network_shape
            self._predictor = Predictor(self.suffix, shape, self.device)
        outputs: Tensor = self._predictor.outputs(features)
        return outputs.float().cpu().numpy()


def last_linear(network: nn.Module) -> nn.Linear:
    """Return the linear layer that is defined last.

    Raises
    ------
    ArchitectureError
        If there is none.
    """
    linear = [part for part in network.modules() if isinstance(part, nn.Linear)]
    if not linear:
        raise ArchitectureError(
            "trainable='head' trains the last torch.nn.Linear of the module that 'architecture' "
            "makes, and it has none: use trainable='all'."
        )
    return linear[-1]
