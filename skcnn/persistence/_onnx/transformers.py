"""Transformers of skcnn as torch modules that read rows of values."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor, nn

from skcnn._data.layouts import InputLayout
from skcnn.augmentation._base import Augmentation
from skcnn.exceptions import UnsupportedModelError
from skcnn.preprocessing import (
    CropSignals,
    KernelFilter,
    LoadImages,
    PadSignals,
    ResampleSignals,
    ResizeImages,
    Spectrogram,
    StandardizeSignals,
)
from skcnn.preprocessing._filter_bank import NUMPY_PAD_MODES
from skcnn.preprocessing._resampling import FIXED_BITS, Axis, _nearest, _weights, axes_of
from skcnn.preprocessing._signals.lengths import MODES, cropped

TRANSFORMERS = (
    Augmentation,
    CropSignals,
    KernelFilter,
    PadSignals,
    ResizeImages,
    StandardizeSignals,
)
REFUSED = (LoadImages, ResampleSignals, Spectrogram)


@dataclass(frozen=True)
class Form:
    """What a graph's rows are at a step.

    Attributes
    ----------
    shape : tuple of int
        One sample; ``(n_values,)`` for flat rows.
    is_bytes : bool, default=False
        Whether the values are whole numbers from 0 to 255 of the dtype uint8.
    """

    shape: tuple[int, ...]
    is_bytes: bool = False

    @property
    def n_values(self) -> int:
        """The number of values of a row."""
        return prod(self.shape)


def transformer_module(step: Any, form: Form) -> tuple[nn.Module, Form]:
    """Return the module of a fitted transformer, from rows to rows, and the form of its results.

    Raises
    ------
    UnsupportedModelError
        If it cannot be exported, or the shape of its samples is not known.
    """
    if isinstance(step, Augmentation):
        return nn.Identity(), form  # in predictions
    if isinstance(step, KernelFilter):
        return _filter(step, form)
    if isinstance(step, ResizeImages):
        return _resize(step, form)
    if isinstance(step, StandardizeSignals | PadSignals | CropSignals):
        return _signals(step, form)
    raise UnsupportedModelError(
        f"{type(step).__name__} cannot be exported. Transform the samples before, and export the "
        "steps after it."
    )


class Reordered(nn.Module):
    """Rows as arrays (n_samples, n_channels, *spatial) for a module, and its results as rows.

    Parameters
    ----------
    inner : nn.Module
        Works on arrays with the channels first.
    shape : tuple of int
        A sample with its channel axis.
    channels : {"last", "first"}
        Where that axis is.
    """

    def __init__(self, inner: nn.Module, shape: tuple[int, ...], channels: str) -> None:
        super().__init__()
        self.inner = inner
        self.shape = shape
        self.last = channels == "last"

    def forward(self, rows: Tensor) -> Tensor:
        """Return (n_samples, n_values)."""
        x = rows.reshape(-1, *self.shape).float()
        axis = len(self.shape)  # the last: ONNX takes no negative number here
        x = self.inner(x.movedim(axis, 1) if self.last else x)
        return (x.movedim(1, axis) if self.last else x).flatten(1)


def _layout(step: Any, form: Form, n_channels: int) -> InputLayout:
    """Return the layout of images or signals in front of a transformer without a fixed one."""
    n_spatial = step.n_spatial_dims or 2
    own = getattr(step, "_layout", None)  # of flat rows
    if own is not None and form.n_values == own.n_values:
        if len(own.spatial) == n_spatial:
            return own
        axis = 0 if own.channels == "last" else 1  # rows are images of height one
        return InputLayout((*own.shape[:axis], 1, *own.shape[axis:]), own.channels)
    if len(form.shape) == n_spatial + 1:
        return InputLayout(form.shape, step.channels)
    if len(form.shape) == n_spatial and n_channels == 1:
        shape = (*form.shape, 1) if step.channels == "last" else (1, *form.shape)
        return InputLayout(shape, step.channels)
    raise UnsupportedModelError(
        f"The shape of the samples in front of {type(step).__name__} is not known: pass X, some "
        "samples in the form that predict takes."
    )


def _as_given(form: Form, spatial: tuple[int, ...], n_channels: int, channels: str) -> Form:
    """Return the form of results that have the form of the input."""
    if len(form.shape) == 1 and len(spatial) > 1:
        return Form((prod(spatial) * n_channels,), form.is_bytes)
    if len(form.shape) == len(spatial) and n_channels == 1:
        return Form(spatial, form.is_bytes)
    shape = (*spatial, n_channels) if channels == "last" else (n_channels, *spatial)
    return Form(shape, form.is_bytes)


# Kernels


def _taken(x: Tensor, axis: int, places: np.ndarray) -> Tensor:
    return x.index_select(axis, torch.from_numpy(np.ascontiguousarray(places)))


def _padded(x: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    """Return `x` with values before and after those of an axis, as numpy.pad has them."""
    if before == after == 0:
        return x
    if mode == "constant":
        around = [0, 0] * (x.dim() - 1 - axis) + [before, after]
        return F.pad(x, around)
    return _taken(x, axis, np.pad(np.arange(x.shape[axis]), (before, after), mode=mode))  # type: ignore[call-overload]


class Filters(nn.Module):
    """The results of a KernelFilter."""

    def __init__(self, bank: Any) -> None:
        super().__init__()
        self.bank = bank

    def forward(self, x: Tensor) -> Tensor:
        """Return the originals, if they are kept, and the results of each kernel."""
        kept = [x] if self.bank.keep_original else []
        return torch.cat([*kept, *(self._correlated(x, k) for k in self.bank.kernels)], 1)

    def _correlated(self, x: Tensor, kernel: np.ndarray) -> Tensor:
        mode = NUMPY_PAD_MODES[self.bank.padding_mode]
        for axis, (before, after) in enumerate(self.bank._around(kernel), start=2):
            x = _padded(x, axis, before, after, mode)
        n_channels, *spatial = x.shape[1:]
        weight = torch.from_numpy(np.ascontiguousarray(kernel)).float()[None, None]
        convolve = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[kernel.ndim]
        y = convolve(x.reshape(-1, 1, *spatial), weight, stride=self.bank.strides)
        return y.reshape(-1, n_channels, *y.shape[2:])


def _filter(step: KernelFilter, form: Form) -> tuple[nn.Module, Form]:
    layout = step._layout
    inner = Filters(step._bank)
    last = layout.channels == "last"
    n_channels = step.output_shape_[-1 if last else 0]
    spatial = step.output_shape_[:-1] if last else step.output_shape_[1:]
    module = Reordered(inner, layout.shape, layout.channels)
    shape = step.output_shape_
    if len(form.shape) == 1:
        shape = (prod(shape),)
    elif len(form.shape) == len(layout.shape) - 1 and n_channels == 1:
        shape = spatial
    return module, Form(tuple(shape))


# Sizes of images


class Resampling(nn.Module):
    """Images of another size by products with the matrices of ResizeImages."""

    down: Tensor
    across: Tensor

    def __init__(
        self, down: np.ndarray, across: np.ndarray, is_bytes: bool, around: list[int]
    ) -> None:
        super().__init__()
        self.register_buffer("down", torch.from_numpy(down))
        self.register_buffer("across", torch.from_numpy(across))
        self.is_bytes = is_bytes
        self.around = around

    def forward(self, x: Tensor) -> Tensor:
        """Return (n_samples, n_channels, *size)."""
        x = self._whole(x.double() @ self.across.T)  # the width first
        x = self._whole(self.down @ x)
        return F.pad(x.float(), self.around)

    def _whole(self, x: Tensor) -> Tensor:
        return torch.floor(x + 0.5).clamp(0, 255) if self.is_bytes else x


def _matrix(axis: Axis, interpolation: str, is_bytes: bool) -> np.ndarray:
    """Return the matrix from the old values of an axis to the new ones, float64."""
    if (axis.start, axis.stop, axis.n_inner) == (0, axis.n, axis.n):
        return np.eye(axis.n)
    if interpolation == "nearest":
        return np.eye(axis.n)[_nearest(axis)]
    matrix = _weights(axis, interpolation, is_bytes).toarray()
    return matrix / 2**FIXED_BITS if is_bytes else matrix


def _resize(step: ResizeImages, form: Form) -> tuple[nn.Module, Form]:
    layout = _layout(step, form, step.n_channels_)
    down, across = axes_of(layout.spatial, step.image_size_, step.resize)  # type: ignore[arg-type]
    how = (step.interpolation, form.is_bytes)
    around = [across.n_before, across.n_after, down.n_before, down.n_after]
    inner = Resampling(_matrix(down, *how), _matrix(across, *how), form.is_bytes, around)
    module = Reordered(inner, layout.shape, layout.channels)
    return module, _as_given(form, step.image_size_, step.n_channels_, step.channels)


# Signals


class Standardization(nn.Module):
    """Each signal with the mean 0 and the variance 1, or zeros if it is constant."""

    def __init__(self, per_channel: bool) -> None:
        super().__init__()
        self.axes = (2,) if per_channel else (1, 2)
        self.per_channel = per_channel

    def forward(self, x: Tensor) -> Tensor:
        """Return (n_samples, n_channels, length)."""
        x = x.double()
        x = x - (x[:, :, :1] if self.per_channel else x[:, :1, :1])
        x = x - x.mean(self.axes, keepdim=True)
        deviation = x.square().mean(self.axes, keepdim=True).sqrt()
        # a constant signal has no deviation at all, since its first value was subtracted
        return (x / torch.where(deviation > 0, deviation, torch.ones_like(deviation))).float()


class TimeSteps(nn.Module):
    """Time steps of signals, and constants where a number is negative."""

    def __init__(self, places: np.ndarray, value: float) -> None:
        super().__init__()
        self.places = places
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        """Return (n_samples, n_channels, n_places)."""
        inside = np.flatnonzero(self.places >= 0)
        x = _taken(x, 2, self.places[inside])
        around = [int(inside[0]), int(len(self.places) - 1 - inside[-1])]
        return F.pad(x, around, value=self.value)


def _signals(step: Any, form: Form) -> tuple[nn.Module, Form]:
    layout = _layout(step, form, step.n_channels_)
    length = layout.spatial[0]
    if isinstance(step, StandardizeSignals):
        inner: nn.Module = Standardization(step.per_channel)
    else:
        places = np.arange(length)[None, :, None]
        if isinstance(step, PadSignals):
            inner = TimeSteps(_pad_places(step, places), float(step.fill_value))
        else:
            inner = TimeSteps(_crop_places(step, places), 0.0)
        length = len(inner.places)
    is_bytes = form.is_bytes and not isinstance(step, StandardizeSignals)
    module = Reordered(inner, layout.shape, layout.channels)
    result = _as_given(form, (length,), step.n_channels_, step.channels)
    if len(form.shape) == 1:
        result = Form((length * step.n_channels_,))
    return module, Form(result.shape, is_bytes)


def _pad_places(step: PadSignals, places: np.ndarray) -> np.ndarray:
    """Return the time step that each one of the padded signals has, -1 for constants."""
    constant = MODES[step.padding_mode] == "constant"
    plain = PadSignals(
        step.length_,
        where=step.where,
        padding_mode="constant" if constant else step.padding_mode,
        fill_value=-1 if constant else 0,
        longer=step.longer,
    )
    plain.length_ = step.length_
    _check_length(places.shape[1] > step.length_ and step.longer == "raise", step, places)
    return plain._padded(places)[0, :, 0]


def _crop_places(step: CropSignals, places: np.ndarray) -> np.ndarray:
    _check_length(places.shape[1] < step.length_ and step.shorter == "raise", step, places)
    return cropped(places, step.length_, step.where)[0, :, 0]


def _check_length(is_wrong: bool, step: Any, places: np.ndarray) -> None:
    if is_wrong:
        raise UnsupportedModelError(
            f"{type(step).__name__} with length_={step.length_} takes no signals of length "
            f"{places.shape[1]}: pass X with the signals that predict takes."
        )
