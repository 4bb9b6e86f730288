"""Values added around the spatial axes: their numbers, their modes, the module."""

from typing import Any

import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor, nn

from skcnn._utils.validation import is_integer
from skcnn.exceptions import ArchitectureError
from skcnn.layers._fields import check_choice, check_integers
from skcnn.layers._on_cuda.gradients import adds_in_any_order, padded
from skcnn.layers._shapes import Padding, are_pairs
from skcnn.layers._steps import channel_by_channel, joint_step, own_forward, prediction_step

PADDINGS = ("same", "valid")
# torch's name of each mode
PADDING_MODES = {
    "zeros": "constant",
    "mirror": "reflect",
    "edge": "replicate",
    "wrap": "circular",
}


def check_padding(owner: object) -> None:
    """Check a padding's name or its integers."""
    value = getattr(owner, "padding")  # noqa: B009  (the owner is any windowed layer)
    if isinstance(value, str):
        check_choice(owner, "padding", PADDINGS)
    elif are_pairs(value):
        _check_pairs(owner, value)
    else:
        check_integers(owner, "padding", 0)


def _check_pairs(owner: object, value: Any) -> None:
    """Check a pair of whole numbers for each axis, and store them as tuples."""
    if not all(len(pair) == 2 and all(is_integer(v) and v >= 0 for v in pair) for pair in value):
        raise ArchitectureError(
            f"The 'padding' of {type(owner).__name__} must be an integer >= 0, a tuple of one "
            f"for each spatial axis, or of one pair (before, after) for each. Got {value!r}."
        )
    plain = tuple((int(before), int(after)) for before, after in value)
    object.__setattr__(owner, "padding", plain)


class Pad(nn.Module):
    """Values added around the spatial axes."""

    def __init__(self, padding: Padding, mode: str, value: float = 0.0) -> None:
        super().__init__()
        self.padding = tuple(p for pair in reversed(padding) for p in pair)
        self.mode = mode
        self.value = value

    def extra_repr(self) -> str:
        """Return padding and mode."""
        return f"{self.padding}, mode={self.mode!r}"

    def forward(self, x: Tensor) -> Tensor:
        """Return the padded `x`."""
        if self.mode == "constant":
            return F.pad(x, self.padding, value=self.value)
        if self.mode != "circular" and adds_in_any_order(x):
            return padded(x, self.padding, self.mode)
        return F.pad(x, self.padding, mode=self.mode)


prediction_step(Pad)(own_forward)
joint_step(Pad)(channel_by_channel)
