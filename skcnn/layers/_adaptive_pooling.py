"""Pools to a given number of windows."""

from dataclasses import dataclass, field

from torch import nn

from skcnn.layers._base import LayerSpec, Shape, check_spatial, with_height
from skcnn.layers._fields import check_choice, check_integers
from skcnn.layers._on_cuda.pools import (
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
)
from skcnn.layers._pooling import POOLINGS
from skcnn.layers._shapes import per_axis
from skcnn.layers._steps import channel_by_channel, joint_step, own_forward, prediction_step

MODULES: dict[str, tuple[type[nn.Module], type[nn.Module]]] = {
    "average": (AdaptiveAvgPool2d, AdaptiveAvgPool3d),
    "max": (AdaptiveMaxPool2d, AdaptiveMaxPool3d),
}


@dataclass(frozen=True, repr=False)
class AdaptivePool(LayerSpec):
    """Maximum or average of windows that are as large as a number of them needs.

    A network with it in front of its dense layers takes images of any size with the same
    number of weights.

    Parameters
    ----------
    size : int or tuple of int
        Largest number of windows, for all axes or one for each. Shorter axes are kept.
    kind : {"average", "max"}, default="average"
        What is taken of each window.

    Notes
    -----
    Along an axis of length n, window i of k holds the values from ``floor(i n / k)`` to
    ``ceil((i + 1) n / k)``, without the last. Neighbouring windows overlap where k does not
    divide n. torch's adaptive pools do the same for n >= k.

    Examples
    --------
    >>> from skcnn.layers import AdaptivePool
    >>> AdaptivePool(7).output_shape((512, 16, 4))
    (512, 7, 4)
    """

    size: int | tuple[int, ...]
    kind: str = field(default="average", kw_only=True)

    def __post_init__(self) -> None:
        check_integers(self, "size", 1)
        check_choice(self, "kind", POOLINGS)

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(n_channels, *spatial)`` with axes of at most `size`."""
        check_spatial(self, shape)
        sizes = per_axis(self.size, len(shape) - 1, "size")
        return (shape[0], *(min(k, n) for k, n in zip(sizes, shape[1:], strict=True)))

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return torch's adaptive pool, or a module that does nothing for small maps."""
        target = self.output_shape(shape)
        if target == shape:
            return nn.Identity()
        sides = with_height(target[1:], is_signal, 1)
        return MODULES[self.kind][len(sides) == 3](sides)


_ALL = [module for pair in MODULES.values() for module in pair]
prediction_step(*_ALL)(own_forward)
joint_step(*_ALL)(channel_by_channel)
