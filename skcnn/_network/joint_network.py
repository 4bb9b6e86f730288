"""Several networks of one structure computed as one: their channels side by side.

Each network keeps its weights and running statistics, and gradients flow back to its weights:
a convolution is one grouped convolution of the joined kernels, a dense layer one batched
product. It pays on accelerators, which launch each kernel at a fixed cost.
"""

from collections.abc import Hashable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from skcnn._network.network import ConvNet, Standardize
from skcnn._utils.compat import copy_to_each, has_hooks
from skcnn.layers._steps import JOINT_STEPS, Updates, apart, join


def joint_structure(module: nn.Module) -> Hashable:
    """Return a value equal for networks that can be computed as one, None for others.

    Hooks are not called in a joint pass, so a network that has any is computed alone. Whether
    weights are frozen makes no difference.
    """
    parts = list(module.modules())
    known = {ConvNet, Standardize, nn.ModuleList, *JOINT_STEPS}
    if type(module) is not ConvNet or not all(type(part) in known for part in parts):
        return None
    if any(map(has_hooks, parts)):
        return None
    tensors = [(name, *t.shape, t.dtype, t.device) for name, t in module.state_dict().items()]
    return repr(module), tuple(tensors), tuple(part.training for part in parts)


class JointNetwork:
    """Networks of equal `joint_structure` as one program.

    Parameters
    ----------
    networks : sequence of ConvNet
        The networks; their weights are not copied.

    Notes
    -----
    Inside, the axis of channels (or features) has those of the first network, then those of
    the second, and so on: (N, n_networks * C, H, W).
    """

    def __init__(self, networks: Sequence[ConvNet]) -> None:
        self.n_networks = len(networks)
        self.is_signal = networks[0].is_signal
        scales = [network.standardize for network in networks]
        self._scale = torch.cat([each.scale for each in scales], 1)
        self._shift = torch.cat([each.shift for each in scales], 1)
        self._updates: Updates = []
        self._layers = join([network.layers for network in networks], self._updates)

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Return each network's outputs, (n_samples, n_outputs), for its own batch.

        Parameters
        ----------
        inputs : sequence of Tensor of shape (n_samples, n_channels, *spatial)
            One batch for each network, all of one size.
        """
        self._updates.clear()  # of a pass that was not completed
        x = torch.cat(list(inputs), 1)
        if self.is_signal:
            x = x.unsqueeze(2)  # (N, k * C, 1, length)
        channels_last = {"memory_format": torch.channels_last} if x.dim() == 4 else {}
        x = cast(Any, x).to(self._scale.dtype, **channels_last)
        outputs = self._layers(torch.addcmul(self._shift, x, self._scale))
        return list(apart(outputs, self.n_networks).unbind(1))

    def keep_statistics(self) -> None:
        """Copy the running statistics of the last training pass to the networks."""
        if self._updates:
            buffers, values = zip(*self._updates, strict=True)
            copy_to_each(buffers, values)
            self._updates.clear()
