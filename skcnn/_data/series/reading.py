"""Validation of signals of unequal length: `X` becomes `Images` with a `SeriesLayout`."""

from typing import Any

import numpy as np
import torch

from skcnn._data.images import Images, as_images
from skcnn._data.layouts import MASK, MISSING_HINT, InputLayout, warn_of_doubtful_axes
from skcnn._data.offsets import channel_offset, usable_offset
from skcnn._data.series.items import signal_arrays, signal_items
from skcnn._data.series.layout import SeriesLayout
from skcnn._data.series.rows import SeriesRows
from skcnn._data.weights import check_weights
from skcnn._utils.validation import is_integer, warn_caller
from skcnn.exceptions import InputLayoutWarning, InputShapeError

LEAST_RATIO = 2  # of a length to the number of channels, where both may be sides of an image


def open_channels(input_shape: object, channels: str) -> int | None:
    """Return the number of channels of an `input_shape` with None for the length.

    None if the length is given, or the shape itself is None.

    Raises
    ------
    InputShapeError
        If None stands elsewhere than for the length of a signal.
    """
    if not isinstance(input_shape, list | tuple) or None not in input_shape:
        return None
    sides = tuple(input_shape) if channels == "last" else tuple(reversed(input_shape))
    legal = len(sides) <= 2 and sides[0] is None
    if not legal or not all(is_integer(side) and side >= 1 for side in sides[1:]):
        place = "(None, n_channels)" if channels == "last" else "(n_channels, None)"
        raise InputShapeError(
            "None in the 'input_shape' parameter stands for any length of a signal: (None,) or "
            f"{place}, with channels={channels!r}. Got {tuple(input_shape)}."
        )
    return int(sides[1]) if len(sides) == 2 else 1


def unequal_items(X: Any, channels: str) -> list[Any] | None:
    """Return the signals of `X` if it is a list or column of arrays that differ in length only.

    Nested lists of numbers are no such signals: they may be rows with a number too few.
    """
    items = signal_items(X)
    if items is None or not all(hasattr(item, "shape") for item in items):
        return None
    shapes = {tuple(item.shape) for item in items}
    place = -1 if channels == "last" else 0
    n_axes = {len(shape) for shape in shapes}
    one_kind = n_axes == {1} or (n_axes == {2} and len({shape[place] for shape in shapes}) == 1)
    return items if len(shapes) > 1 and one_kind else None


def read_series(estimator: Any, items: list[Any], sample_weight: Any, with_offset: bool) -> Images:
    """Return the signals of a fit, and record their layout and offset on `estimator`.

    Raises
    ------
    InputShapeError
        If the parameters describe no signals, or the samples are none.
    """
    channels = estimator.channels
    masks = getattr(estimator, "missing", None) == MASK
    arrays = _arrays_of_fit(estimator, items, channels, masks)
    n_channels = _n_channels(arrays)
    if estimator.input_shape is None and arrays[0].ndim == 2:
        _warn_of_images(arrays, estimator.n_spatial_dims, channels)
    steps, lengths = _joined(arrays)
    weights = check_weights(sample_weight, len(lengths))
    each = None if weights is None else np.repeat(weights, lengths)
    offset = channel_offset(steps, _of_steps(n_channels, masks), each)
    estimator.offset_ = usable_offset(offset, with_offset)
    images = _as_rows(steps, lengths, channels, estimator.offset_, masks)
    estimator._layout = images.layout
    estimator.input_shape_ = estimator._layout.open_shape
    return images


def record_series(estimator: Any, items: list[Any], channels: str, allow_nan: bool) -> None:
    """Check the signals that a step of a Pipeline hands on, and record their layout on it.

    Raises
    ------
    InputShapeError
        If the parameters describe no signals, or the samples are none.
    """
    arrays = _arrays_of_fit(estimator, items, channels, allow_nan)
    longest, n_channels = max(map(len, arrays)), _n_channels(arrays)
    shape = (longest, n_channels) if channels == "last" else (n_channels, longest)
    estimator._layout = SeriesLayout(shape, channels)
    estimator.input_shape_ = estimator._layout.open_shape
    for name in ("n_features_in_", "feature_names_in_"):  # of an earlier fit
        vars(estimator).pop(name, None)


def read_more_series(estimator: Any, items: list[Any]) -> Images:
    """Return signals for an estimator that was fitted on signals of unequal length.

    Raises
    ------
    InputShapeError
        If they have other numbers of channels.
    """
    layout = estimator._layout
    arrays = check_more_series(estimator, items, layout.masks)
    steps, lengths = _joined(arrays)
    return _as_rows(steps, lengths, layout.channels, estimator.offset_, layout.masks)


def check_more_series(estimator: Any, items: list[Any], masks: bool) -> list[np.ndarray]:
    """Return signals as arrays, checked against the channels at the fit of `estimator`.

    Raises
    ------
    InputShapeError
        If they have other numbers of channels.
    """
    layout = estimator._layout
    arrays = _arrays(estimator, items, layout.channels, masks)
    n_channels = _n_channels(arrays)
    if n_channels != layout.n_channels:
        raise InputShapeError(
            f"X has signals of {n_channels} channels, but {type(estimator).__name__} was fitted "
            f"on signals of {layout.n_channels}, with channels={layout.channels!r}."
        )
    return arrays


def steps_of(images: Images, index: np.ndarray) -> tuple[Images, np.ndarray]:
    """Return all time steps as samples of length one, and which of them the rows at `index` have.

    Statistics of channels are those of the steps, so that padding does not count.
    """
    rows = images.source
    assert isinstance(rows, SeriesRows)
    steps = as_images(
        rows.steps, _of_steps(rows.steps.shape[1], images.layout.masks), compact=False
    )
    return steps, rows.steps_of(index)


def _arrays_of_fit(
    estimator: Any, items: list[Any], channels: str, masks: bool
) -> list[np.ndarray]:
    """Return the signals of a fit, checked against the parameters of `estimator`."""
    if estimator.n_spatial_dims not in (None, 1):
        raise InputShapeError(
            "X has samples of several shapes, which can only be signals, but n_spatial_dims="
            f"{estimator.n_spatial_dims}. Crop, pad or resize the samples to one shape, or set "
            "n_spatial_dims=1 for signals of unequal length."
        )
    expected = open_channels(estimator.input_shape, channels)
    if expected is None and estimator.input_shape is not None:
        raise InputShapeError(
            f"X has signals of unequal length, but input_shape={estimator.input_shape} has one. "
            "Leave input_shape out, or write None for the length."
        )
    arrays = _arrays(estimator, items, channels, masks)
    n_channels = _n_channels(arrays)
    if expected is not None and n_channels != expected:
        raise InputShapeError(
            f"X has signals of {n_channels} channels, but input_shape={estimator.input_shape} of "
            f"{type(estimator).__name__} has {expected}, with channels={channels!r}."
        )
    return arrays


def _n_channels(arrays: list[np.ndarray]) -> int:
    return int(arrays[0].shape[1]) if arrays[0].ndim == 2 else 1


def _joined(arrays: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of all signals, (n_steps, n_channels), and the signals' lengths."""
    lengths = np.array([len(array) for array in arrays], np.int64)
    return np.concatenate([array.reshape(len(array), -1) for array in arrays]), lengths


def _arrays(estimator: Any, items: list[Any], channels: str, masks: bool) -> list[np.ndarray]:
    """Return the signals, and name the way out in the error about missing values."""
    try:
        return signal_arrays(items, channels, masks)
    except ValueError as error:
        if hasattr(estimator, "missing") and "contains NaN" in str(error):
            raise ValueError(f"{error} {MISSING_HINT}") from None
        raise


def _of_steps(n_channels: int, masks: bool) -> InputLayout:
    return InputLayout((1, n_channels), "last", masks)


def _as_rows(
    steps: np.ndarray,
    lengths: np.ndarray,
    channels: str,
    offset: np.ndarray | None,
    masks: bool,
) -> Images:
    n_channels, longest = steps.shape[1], int(lengths.max())
    layout = _of_steps(n_channels, masks)
    values = as_images(steps, layout, compact=False, offset=offset).rows.float()
    if masks:
        values = torch.where(values.isnan(), torch.nan, values)  # of one pattern of bits
    shape = (longest, n_channels) if channels == "last" else (n_channels, longest)
    return Images(None, SeriesLayout(shape, channels, masks), SeriesRows(values.numpy(), lengths))


def _warn_of_images(arrays: list[np.ndarray], n_spatial_dims: int | None, channels: str) -> None:
    """Warn if signals with channels seem to be images, or to have their axes swapped."""
    lengths = [len(array) for array in arrays]
    n_channels = arrays[0].shape[1]
    if n_spatial_dims is None and min(lengths) < LEAST_RATIO * n_channels:
        warn_caller(
            f"The samples of X have several shapes and are read as signals of {n_channels} "
            f"channels and {min(lengths)} to {max(lengths)} samples, with channels={channels!r}. "
            "Set n_spatial_dims=1, which ends this warning. Images of several sizes must be "
            "resized instead, as ImageFiles and LoadImages do.",
            InputLayoutWarning,
        )
    elif n_spatial_dims == 1:
        sides = (max(lengths), n_channels)
        warn_of_doubtful_axes(sides if channels == "last" else sides[::-1], channels, 1)
