"""How the axes of a sample are read: as an image, a signal or a volume."""

from dataclasses import dataclass
from math import prod

import numpy as np

from skcnn._utils.validation import is_integer, warn_caller
from skcnn.exceptions import InputLayoutWarning, InputShapeError

USUAL_CHANNELS = (1, 2, 3, 4)


@dataclass(frozen=True)
class InputLayout:
    """How a row of values is an image, a signal or a volume.

    Attributes
    ----------
    shape : tuple of int
        One sample with its channel axis: ``(*spatial, n_channels)`` for
        ``channels="last"``, ``(n_channels, *spatial)`` for ``"first"``.
    channels : {"last", "first"}
        Where the channel axis is.
    """

    shape: tuple[int, ...]
    channels: str

    @property
    def spatial(self) -> tuple[int, ...]:
        """The spatial axes' lengths."""
        return self.shape[:-1] if self.channels == "last" else self.shape[1:]

    @property
    def n_channels(self) -> int:
        """The number of channels."""
        return self.shape[-1] if self.channels == "last" else self.shape[0]

    @property
    def network_shape(self) -> tuple[int, ...]:
        """One sample as the network sees it, ``(n_channels, *spatial)``."""
        return (self.n_channels, *self.spatial)

    @property
    def n_values(self) -> int:
        """The number of values of one sample."""
        return prod(self.shape)

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        """The places of the spatial axes in `shape`."""
        n_axes = len(self.shape) - 1
        return tuple(range(n_axes)) if self.channels == "last" else tuple(range(1, n_axes + 1))

    def row_of(self, channels: np.ndarray) -> np.ndarray:
        """Return one row of values, at each place the value of its channel."""
        n_positions = self.n_values // self.n_channels
        if self.channels == "last":
            return np.tile(channels, n_positions)
        return np.repeat(channels, n_positions)

    def accepts(self, sample_shape: tuple[int, ...]) -> bool:
        """Return whether samples of this shape have this layout.

        Samples may be flat, and may lack the axis of a single channel.
        """
        squeezed = self.spatial if self.n_channels == 1 else self.shape
        return sample_shape in (self.shape, squeezed, (self.n_values,))


def check_input_shape(input_shape: object) -> tuple[int, ...] | None:
    """Return the parameter as a tuple of int, or None."""
    if input_shape is None:
        return None
    sides = tuple(input_shape) if isinstance(input_shape, list | tuple) else ()
    if not 1 <= len(sides) <= 4 or not all(is_integer(s) and s >= 1 for s in sides):
        raise InputShapeError(
            "The 'input_shape' parameter must be a tuple of 1 to 4 integers >= 1: "
            "(length,), (height, width), (height, width, channels) or (depth, height, "
            f"width, channels). Got {input_shape!r}."
        )
    return tuple(int(s) for s in sides)


def infer_layout(
    shape: tuple[int, ...], given: tuple[int, ...] | None, channels: str, name: str
) -> InputLayout:
    """Return the layout of an `X` of this shape, where `input_shape` is `given`."""
    if given is None:
        return layout_of_shape(shape[1:], channels)
    return _layout_with_input_shape(shape[1:], given, channels, name)


def layout_of_shape(input_shape: tuple[int, ...], channels: str) -> InputLayout:
    """Return the layout of samples of this shape; one or two sides get a channel axis."""
    sides = tuple(input_shape)
    if len(sides) <= 2:
        sides = (*sides, 1) if channels == "last" else (1, *sides)
    return InputLayout(sides, channels)


def layout_with_channels(input_shape: object, channels: str) -> InputLayout:
    """Return the layout of a shape that includes the channel axis."""
    sides = check_input_shape(input_shape)
    if sides is None or len(sides) < 2:
        raise InputShapeError(
            "input_shape must have the channel axis and at least one other, such as "
            f"(28, 28, 1) or (100, 3). Got {input_shape!r}."
        )
    return InputLayout(sides, channels)


def _layout_with_input_shape(
    sample: tuple[int, ...], given: tuple[int, ...], channels: str, name: str
) -> InputLayout:
    flat = len(sample) == 1
    if len(given) == 1 or flat:
        layout = layout_of_shape(given, channels)
    else:
        layout = InputLayout(given, channels)
    fits = sample == (prod(given),) if flat else layout.accepts(sample)
    if not fits:
        raise InputShapeError(
            f"X has samples of shape {sample} ({prod(sample)} values), which do not fit "
            f"input_shape={given} ({prod(given)} values) of {name} with "
            f"channels={channels!r}."
        )
    if len(given) == 2 and not flat and 2 * layout.n_channels >= layout.spatial[0]:
        warn_caller(
            f"input_shape={given} with three-dimensional X means signals of length "
            f"{layout.spatial[0]} with {layout.n_channels} channels. For grey images leave "
            f"input_shape=None or write input_shape={(*given, 1)}.",
            InputLayoutWarning,
        )
    return layout


def warn_of_swapped_channels(layout: InputLayout) -> None:
    """Warn if the channels of images seem to be at the other end of the shape."""
    if len(layout.spatial) < 2:
        return
    first, last = layout.shape[0], layout.shape[-1]
    other = "first" if layout.channels == "last" else "last"
    ours, theirs = (last, first) if layout.channels == "last" else (first, last)
    if theirs in USUAL_CHANNELS and ours > max(USUAL_CHANNELS):
        warn_caller(
            f"Samples of shape {layout.shape} with channels={layout.channels!r} have "
            f"{ours} channels and a side of {theirs}: are the channels {other}? Then set "
            f"channels={other!r}.",
            InputLayoutWarning,
        )
