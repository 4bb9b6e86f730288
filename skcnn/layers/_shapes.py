"""Integer arithmetic of convolution and pooling windows, one axis at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, cast

from skcnn._utils.validation import is_integer
from skcnn.exceptions import ArchitectureError

Padding = tuple[tuple[int, int], ...]


def window_output_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    """Return the number of positions of a window along one axis.

    Parameters
    ----------
    size : int
        Length of the axis, in pixels or samples.
    kernel : int
        Length of the window.
    stride : int, default=1
        Distance between consecutive positions of the window.
    padding : int, default=0
        Values added to the axis, both sides together (``2p`` for ``p`` on each).
    dilation : int, default=1
        Distance between the window's own elements.

    Returns
    -------
    int
        ``floor((size + padding - dilation * (kernel - 1) - 1) / stride) + 1``; zero
        or negative where the window does not fit.

    References
    ----------
    Dumoulin and Visin, "A guide to convolution arithmetic for deep learning",
    arXiv:1603.07285, relationship 6 and 15.
    """
    return (size + padding - dilation * (kernel - 1) - 1) // stride + 1


def same_padding(kernel: int, dilation: int = 1) -> tuple[int, int]:
    """Return the padding (before, after) that keeps the size at stride 1.

    An even window has no centre: the odd value is added after, as in TensorFlow.
    """
    total = dilation * (kernel - 1)
    return total // 2, total - total // 2


def resolve_padding(padding: Any, kernel: Sequence[int], dilation: Sequence[int]) -> Padding:
    """Return the (before, after) padding of each axis.

    `padding` is ``"same"``, ``"valid"``, one integer for all axes, one for each, or a pair for
    each.
    """
    if padding == "valid":
        return tuple((0, 0) for _ in kernel)
    if padding == "same":
        return tuple(same_padding(k, d) for k, d in zip(kernel, dilation, strict=True))
    if are_pairs(padding) and len(padding) == len(kernel):
        return tuple((int(before), int(after)) for before, after in padding)
    each = per_axis(padding, len(kernel), "padding")
    return tuple((p, p) for p in each)


def are_pairs(padding: object) -> bool:
    """Return whether a padding has values of its own for both sides of each axis."""
    is_sequence = isinstance(padding, list | tuple) and len(padding) > 0
    return is_sequence and all(isinstance(pair, list | tuple) for pair in cast(Any, padding))


def ceil_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the padding (before, after) of TensorFlow's "SAME", whatever the stride.

    The window then has ``ceil(size / stride)`` positions. The odd value is added after.
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def per_axis(value: object, n_axes: int, name: str) -> tuple[int, ...]:
    """Return `value` as one integer for each axis.

    Raises
    ------
    ArchitectureError
        If a sequence has another length than the number of axes.
    """
    if isinstance(value, Integral):
        return (int(value),) * n_axes
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not all(map(is_integer, values)) or len(values) != n_axes:
        raise ArchitectureError(
            f"{name} must be an integer or have one for each of the {n_axes} spatial "
            f"axes of the input. Got {value!r}."
        )
    return tuple(int(v) for v in values)


@dataclass(frozen=True)
class Window:
    """A resolved window: one entry for each spatial axis."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...]

    def slide(self, owner: object, spatial: tuple[int, ...]) -> tuple[int, ...]:
        """Return the number of positions along each axis, at least one each."""
        out = tuple(
            window_output_size(n, k, s, before + after, d)
            for n, k, s, (before, after), d in zip(
                spatial, self.size, self.stride, self.padding, self.dilation, strict=True
            )
        )
        if min(out) < 1:
            pads = tuple(before + after for before, after in self.padding)
            axes = list(zip(spatial, self.size, pads, self.dilation, strict=True))
            raise ArchitectureError(
                f"{owner!r} does not fit its input of spatial size {spatial}: window "
                f"{self.size}, stride {self.stride}, padding {pads} (both sides together). "
                f"A window of at most {tuple((n + p - 1) // d + 1 for n, _, p, d in axes)} "
                "would fit, or an input of at least "
                f"{tuple(d * (k - 1) + 1 - p for _, k, p, d in axes)}."
            )
        return out

    def slide_along_last(self, length: int) -> int:
        """Return the number of positions along a last axis of `length`, below 1 if none fits."""
        padding = sum(self.padding[-1])
        return window_output_size(
            length, self.size[-1], self.stride[-1], padding, self.dilation[-1]
        )
