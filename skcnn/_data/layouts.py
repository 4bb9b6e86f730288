"""How the axes of a sample are read: as an image, a signal or a volume."""

from dataclasses import dataclass
from math import prod

import numpy as np
from torch import Tensor

from skcnn._utils.compat import StrOptions
from skcnn._utils.validation import WholeNumbers, is_integer, warn_caller
from skcnn.exceptions import InputLayoutWarning, InputShapeError

USUAL_CHANNELS = (1, 2, 3, 4)
SIGNAL_RATIO = 8  # of the sides of an image that seems to be a signal, at least
AXES = {1: "length", 2: "height, width", 3: "depth, height, width"}
# by the number of sides, where `n_spatial_dims` is None
USUAL_SPATIAL_DIMS = {1: 1, 2: 2, 3: 2, 4: 3}
# legal values of the parameters
MASK = "mask"
MISSING = [StrOptions({"error", MASK})]
MISSING_HINT = (
    "Or set missing='mask': the network then gets zeros and a channel that marks missing values."
)
CHANNELS = [StrOptions({"last", "first"})]
N_SPATIAL_DIMS = [WholeNumbers({1, 2, 3}), None]


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
    masks : bool, default=False
        Whether values may be missing, which are NaN.
    """

    shape: tuple[int, ...]
    channels: str
    masks: bool = False

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
    def traced_shape(self) -> tuple[int, ...]:
        """One sample as the layers see it: after its channels those of masks, if there are any."""
        return (self.n_channels * (1 + self.masks), *self.spatial)

    @property
    def n_values(self) -> int:
        """The number of values of one sample."""
        return prod(self.shape)

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        """The places of the spatial axes in `shape`."""
        n_axes = len(self.shape) - 1
        return tuple(range(n_axes)) if self.channels == "last" else tuple(range(1, n_axes + 1))

    def batch_of(self, rows: Tensor) -> Tensor:
        """View rows as (n_samples, n_channels, *spatial)."""
        batch = rows.view(-1, *self.shape)
        return batch.movedim(-1, 1) if self.channels == "last" else batch

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


def check_input_shape(input_shape: object) -> tuple[int, ...]:
    """Return the parameter, unless it is None, as a tuple of int."""
    sides = tuple(input_shape) if isinstance(input_shape, list | tuple) else ()
    if not 1 <= len(sides) <= 4 or not all(is_integer(s) and s >= 1 for s in sides):
        raise InputShapeError(
            "The 'input_shape' parameter must be a tuple of 1 to 4 integers >= 1: "
            "(length,), (height, width), (height, width, channels) or (depth, height, "
            f"width, channels). Got {input_shape!r}."
        )
    return tuple(int(s) for s in sides)


def infer_layout(
    sample: tuple[int, ...],
    input_shape: object,
    n_spatial_dims: int | None,
    channels: str,
    name: str,
    *,
    doubt: bool = True,
) -> InputLayout:
    """Return the layout of the samples of `X`.

    Parameters
    ----------
    sample : tuple of int
        The axes of `X` after the first.
    input_shape, n_spatial_dims, channels
        The parameters of the estimator.
    name : str
        The estimator's name.
    doubt : bool, default=True
        Whether to warn if the axes seem to have another meaning.

    Raises
    ------
    InputShapeError
        If the number of axes does not fit `n_spatial_dims`, or the samples do not fit
        `input_shape`.
    """
    if input_shape is None:
        sides = sample
        hint = " Flat rows need input_shape." if len(sample) == 1 else ""
        _check_number_of_axes(
            f"X with samples of shape {sides}", sides, n_spatial_dims, channels, name, hint
        )
        layout = layout_of_shape(sides, channels, n_spatial_dims)
    else:
        sides = check_input_shape(input_shape)
        layout = layout_of_input_shape(sides, n_spatial_dims, channels, name)
        if not layout.accepts(sample):
            dims = "" if n_spatial_dims is None else f"n_spatial_dims={n_spatial_dims} and "
            raise InputShapeError(
                f"X has samples of shape {sample} ({prod(sample)} values), which do not fit "
                f"input_shape={sides} ({prod(sides)} values) of {name} with "
                f"{dims}channels={channels!r}."
            )
    if doubt:
        warn_of_doubtful_axes(sides, channels, n_spatial_dims)
    return layout


def layout_of_shape(
    sides: tuple[int, ...], channels: str, n_spatial_dims: int | None = None
) -> InputLayout:
    """Return the layout of samples with `n_spatial_dims` sides, or one more for the channels.

    Without `n_spatial_dims`, one side is a signal, two are an image of one channel, three an
    image with channels and four a volume with channels.
    """
    if len(sides) == (n_spatial_dims or USUAL_SPATIAL_DIMS[len(sides)]):
        sides = (*sides, 1) if channels == "last" else (1, *sides)
    return InputLayout(sides, channels)


def layout_of_input_shape(
    input_shape: object,
    n_spatial_dims: int | None,
    channels: str,
    name: str,
    *,
    with_channels: bool = False,
) -> InputLayout:
    """Return the layout of samples of the shape `input_shape`.

    Where `n_spatial_dims` is None, `with_channels` says that the channel axis is part of it.
    """
    sides = check_input_shape(input_shape)
    if with_channels and n_spatial_dims is None:
        if len(sides) < 2:
            raise InputShapeError(
                "input_shape must have the channel axis and at least one other, such as "
                f"(28, 28, 1) or (100, 3). Got {input_shape!r}."
            )
        return InputLayout(sides, channels)
    _check_number_of_axes(f"input_shape={sides}", sides, n_spatial_dims, channels, name)
    return layout_of_shape(sides, channels, n_spatial_dims)


def _check_number_of_axes(
    what: str,
    sides: tuple[int, ...],
    n_spatial_dims: int | None,
    channels: str,
    name: str,
    hint: str = "",
) -> None:
    """Raise unless there are as many sides as spatial axes, or one more for the channels."""
    if n_spatial_dims is None or len(sides) - n_spatial_dims in (0, 1):
        return
    axes = AXES[n_spatial_dims]
    with_channels = f"{axes}, channels" if channels == "last" else f"channels, {axes}"
    alone = f"({axes},)" if n_spatial_dims == 1 else f"({axes})"
    raise InputShapeError(
        f"{what} does not fit n_spatial_dims={n_spatial_dims} of {name}: a sample must be "
        f"{alone} or ({with_channels}), with channels={channels!r}.{hint}"
    )


def warn_of_doubtful_axes(
    sides: tuple[int, ...], channels: str, n_spatial_dims: int | None = None
) -> None:
    """Warn if the axes of samples with these sides seem to have another meaning."""
    layout = layout_of_shape(sides, channels, n_spatial_dims)
    if len(sides) == len(layout.shape):
        _warn_of_swapped_channels(layout)
    elif n_spatial_dims is None and len(sides) == 2:
        _warn_of_long_image(sides, channels)


def _warn_of_long_image(sides: tuple[int, ...], channels: str) -> None:
    """Warn if an image of one channel is so long that it seems to be a signal with channels."""
    few, many = min(sides), max(sides)
    if few not in USUAL_CHANNELS or many < SIGNAL_RATIO * few:
        return
    place = "last" if sides[-1] == few else "first"
    turned = "" if place == channels else f" and channels={place!r}"
    plural = "s" if few > 1 else ""
    warn_caller(
        f"Samples of shape {sides} are read as images of one channel. Are they signals of "
        f"length {many} with {few} channel{plural}? Then set n_spatial_dims=1{turned}. For "
        "images set n_spatial_dims=2, which ends this warning.",
        InputLayoutWarning,
    )


def _warn_of_swapped_channels(layout: InputLayout) -> None:
    """Warn if the channels seem to be at the other end of the shape."""
    first, last = layout.shape[0], layout.shape[-1]
    other = "first" if layout.channels == "last" else "last"
    ours, theirs = (last, first) if layout.channels == "last" else (first, last)
    is_signal = len(layout.spatial) == 1  # a single side, which is rarely shorter than channels
    if ours > max(USUAL_CHANNELS) and (theirs < ours if is_signal else theirs in USUAL_CHANNELS):
        warn_caller(
            f"Samples of shape {layout.shape} with channels={layout.channels!r} have "
            f"{ours} channels and a {'length' if is_signal else 'side'} of {theirs}: are the "
            f"channels {other}? Then set channels={other!r}.",
            InputLayoutWarning,
        )
