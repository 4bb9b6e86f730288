"""Validation of ``X``: every accepted form becomes an array with a layout, or `Images`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import assert_all_finite, check_array
from sklearn.utils.validation import validate_data

from skcnn._data.containers import as_array, check_no_paths
from skcnn._data.epochs import epochs_array
from skcnn._data.image_files.file_rows import file_images
from skcnn._data.image_files.image_files import ImageFiles
from skcnn._data.images import Images, as_images, row_parts
from skcnn._data.layouts import (
    CHANNELS,
    MASK,
    MISSING_HINT,
    N_SPATIAL_DIMS,
    InputLayout,
    check_input_shape,
    infer_layout,
)
from skcnn._data.mapped_rows import MappedRows
from skcnn._data.offsets import channel_offset, usable_offset
from skcnn._data.series.items import signal_arrays, signal_items
from skcnn._data.series.layout import SeriesLayout
from skcnn._data.series.reading import (
    check_more_series,
    open_channels,
    read_more_series,
    read_series,
    record_series,
    unequal_items,
)
from skcnn._data.signal_windows import SignalWindows
from skcnn._data.weights import check_weights
from skcnn._utils.compat import check_feature_names, validate_parameter_constraints
from skcnn.exceptions import InputShapeError

MOST_PLAIN_VALUES = 2**16


def check_training_images(
    estimator: Any,
    X: Any,
    *,
    min_samples: int = 1,
    sample_weight: Any = None,
    with_offset: bool = True,
) -> Images:
    """Validate `X` at fit and record its layout for predict.

    The layout follows from the parameters `input_shape`, `n_spatial_dims` and `channels`.
    Sets ``_layout``, ``n_features_in_``, ``feature_names_in_`` (for DataFrames with string
    columns), ``input_shape_`` and ``offset_`` on `estimator`.

    Parameters
    ----------
    estimator : estimator
        Has the parameters, is named in messages and gets the fitted attributes.
    X : array-like or Tensor
        Samples in one of the forms that the user guide lists.
    min_samples : int, default=1
        Fewer samples raise ValueError.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Samples of weight zero do not count for the offset.
    with_offset : bool, default=True
        Whether an offset may be subtracted. If it is needed nonetheless, warn.
    """
    items = series_to_fit(estimator, X, min_samples)
    if items is not None:
        return read_series(estimator, items, sample_weight, with_offset)
    array, layout = check_sample_array(estimator, X, reset=True, min_samples=min_samples, lazy=True)
    if isinstance(array, ImageFiles):  # whose bytes and 16-bit integers float32 holds
        estimator.offset_ = None
        return file_images(array, layout, compact=True, offset=None)
    weights = check_weights(sample_weight, len(array))
    if isinstance(array, SignalWindows):
        estimator.offset_ = usable_offset(array.offset(layout, weights), with_offset)
        return array.images(layout, estimator.offset_, compact=True, weights=weights)
    offset = usable_offset(channel_offset(array, layout, weights), with_offset)
    estimator.offset_ = offset
    return as_images(array, layout, compact=True, offset=offset, weights=weights)


def check_images(estimator: Any, X: Any, *, compact: bool = False) -> Images:
    """Validate `X` against what `estimator` was fitted on.

    With ``compact=True``, for more training data, whole numbers become bytes as at fit.
    """
    layout = estimator._layout
    if isinstance(layout, SeriesLayout):
        items = _series_of(estimator, X, layout.channels, layout.masks, reset=False)
        return read_more_series(estimator, items)
    if unequal_items(X, estimator._layout.channels) is not None:
        raise InputShapeError(
            f"X has samples of several shapes, but {type(estimator).__name__} was fitted on "
            f"samples of shape {estimator._layout.shape}. For signals of unequal length fit it on "
            "such signals, or set input_shape=(None,) or (None, n_channels) before fit."
        )
    array, layout = check_sample_array(estimator, X, reset=False, lazy=True)
    if isinstance(array, ImageFiles):
        return file_images(array, layout, compact=compact, offset=estimator.offset_)
    if isinstance(array, SignalWindows):
        return array.images(layout, estimator.offset_, compact)
    return as_images(array, layout, compact=compact, offset=estimator.offset_)


def check_sample_array(
    estimator: Any,
    X: Any,
    *,
    reset: bool,
    min_samples: int = 1,
    doubt: bool = True,
    lazy: bool = False,
    allow_nan: bool = False,
) -> tuple[Any, InputLayout]:
    """Validate `X` without changing its dtype.

    With `reset` the layout follows from the estimator's parameters `input_shape`,
    `n_spatial_dims` and `channels`, and is recorded on it as by `check_training_images`;
    without it, `X` must fit the recorded layout. With `doubt`, warn if the axes seem to have
    another meaning. With `lazy`, ImageFiles and SignalWindows are returned as they are. With
    `allow_nan`, values may be missing, whatever the estimator's parameter `missing`.

    Returns
    -------
    array : ndarray of shape (n_samples, ...), ImageFiles or SignalWindows
        Finite real numbers.
    layout : InputLayout
        How a sample is an image.
    """
    if isinstance(X, ImageFiles | SignalWindows):
        shape_alone = np.broadcast_to(X.dtype.type(0), X.shape)  # takes no memory
        if isinstance(X, SignalWindows):
            pass
        elif reset:
            _check_axes_of_files(estimator.channels, estimator.n_spatial_dims)
        else:
            _check_axes_of_files(estimator._layout.channels, len(estimator._layout.spatial))
        _, layout = check_sample_array(
            estimator, shape_alone, reset=reset, min_samples=min_samples, doubt=doubt
        )
        return X if lazy else np.asarray(X), layout
    channels = estimator.channels if reset else estimator._layout.channels
    epochs = epochs_array(estimator, X, channels, reset)
    if epochs is not None:
        X, doubt = epochs, False
    if reset:
        if estimator.input_shape is not None:
            check_input_shape(estimator.input_shape)
        masks = getattr(estimator, "missing", None) == MASK
        array = _check_array(estimator, X, True, min_samples, masks or allow_nan)
        layout = infer_layout(
            array.shape[1:],
            estimator.input_shape,
            estimator.n_spatial_dims or (None if epochs is None else 1),
            estimator.channels,
            type(estimator).__name__,
            doubt=doubt,
        )
        layout = replace(layout, masks=True) if masks else layout
        estimator.n_features_in_ = layout.n_values
        estimator.input_shape_ = layout.shape
        estimator._layout = layout
        return array, layout
    layout = estimator._layout  # not the parameters, which may have changed since fit
    array = _check_array(estimator, X, False, min_samples, layout.masks or allow_nan)
    if not layout.accepts(array.shape[1:]):
        raise InputShapeError(_wrong_shape_message(estimator, layout, array.shape))
    return array, layout


def series_to_fit(estimator: Any, X: Any, min_samples: int = 1) -> list[Any] | None:
    """Return signals of unequal length, or of any length by `input_shape`; None for all else."""
    if open_channels(estimator.input_shape, estimator.channels) is not None:
        masks = getattr(estimator, "missing", None) == MASK
        return _series_of(estimator, X, estimator.channels, masks, min_samples, reset=True)
    return unequal_items(X, estimator.channels)


def series_to_pass(estimator: Any, X: Any, allow_nan: bool) -> list[np.ndarray] | None:
    """Return signals of unequal length that a step of a Pipeline hands on; None for all else.

    With ``channels="last"``, the default, they may have their channels first: the next step
    knows. Sets ``_layout`` and ``input_shape_`` on `estimator`.
    """
    channels = estimator.channels
    if open_channels(estimator.input_shape, channels) is not None:
        items: Any = _series_of(estimator, X, channels, allow_nan, reset=True)
    else:
        items, channels = _unequal_either_way(X, channels)
    if items is None:
        return None
    record_series(estimator, items, channels, allow_nan)
    return [np.asarray(item) for item in items]


def check_passed_series(estimator: Any, X: Any, allow_nan: bool) -> bool:
    """Return whether `X` are signals of any length for a fitted step that hands them on.

    After a fit on signals of one length, others are left to the next step.
    """
    layout = estimator._layout
    if isinstance(layout, SeriesLayout):
        items: Any = _series_of(estimator, X, layout.channels, allow_nan, reset=False)
        check_more_series(estimator, items, allow_nan)
    else:
        items, channels = _unequal_either_way(X, layout.channels)
        if items is not None:
            signal_arrays(items, channels, allow_nan)
    return items is not None


def _unequal_either_way(X: Any, channels: str) -> tuple[list[Any] | None, str]:
    """Return signals of unequal length, with channels at the place given or else first."""
    items = unequal_items(X, channels)
    return (unequal_items(X, "first"), "first") if items is None else (items, channels)


def _series_of(
    estimator: Any, X: Any, channels: str, masks: bool, min_samples: int = 1, *, reset: bool
) -> list[Any]:
    """Return the signals in a list, in a column or in an array of signals of one length."""
    epochs = epochs_array(estimator, X, channels, reset)
    X = X if epochs is None else epochs
    items = signal_items(X)
    if items is None:
        with _way_out(estimator):
            items = [*_check_array(_NoNames.of(estimator), X, True, min_samples, masks)]
    return items


class _NoNames(BaseEstimator):
    """Takes the place of an estimator of signals of any length, which have no feature names."""

    @classmethod
    def of(cls, estimator: Any) -> Any:
        """Return one that messages call by the estimator's name."""
        return type(type(estimator).__name__, (cls,), {})()


class _Reader(BaseEstimator):
    """Has the parameters of a layout and gets the fitted attributes."""

    def __init__(self, input_shape: object, n_spatial_dims: int | None, channels: str) -> None:
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels


def _check_axes_of_files(channels: str, n_spatial_dims: int | None) -> None:
    """Check that an estimator expects the axes that ImageFiles have.

    Raises
    ------
    InputShapeError
        If an estimator expects the channels elsewhere, or takes them for a spatial axis.
    """
    if channels != "last":
        raise InputShapeError(
            "ImageFiles have their channels last, but channels='first' is set. Set channels='last'."
        )
    if n_spatial_dims == 3:
        raise InputShapeError(
            "ImageFiles are images with channels, but n_spatial_dims=3 expects volumes. Set "
            "n_spatial_dims=2, or pass the array np.asarray(X)."
        )


def read_samples(
    X: Any,
    input_shape: object,
    n_spatial_dims: int | None,
    channels: str,
    owner: str,
    *,
    doubt: bool = True,
    flat: bool = True,
) -> tuple[np.ndarray, InputLayout]:
    """Return samples and their layout where there is no estimator to record it.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
        Samples; flat rows without `input_shape` are signals.
    input_shape : tuple of int or None
        Shape of one sample.
    n_spatial_dims : {1, 2, 3} or None
        How many axes are spatial.
    channels : {"last", "first"}
        Where the channel axis is.
    owner : str
        Named in messages.
    doubt : bool, default=True
        Whether to warn if the axes seem to have another meaning.
    flat : bool, default=True
        Whether flat rows without `input_shape` and `n_spatial_dims` are accepted as signals.

    Raises
    ------
    InvalidParameterError
        If `n_spatial_dims` or `channels` has no legal value.
    InputShapeError
        If `X` does not fit the parameters, or flat rows have none and `flat` is False.
    """
    given = {"n_spatial_dims": n_spatial_dims, "channels": channels}
    legal = {"n_spatial_dims": N_SPATIAL_DIMS, "channels": CHANNELS}
    validate_parameter_constraints(legal, given, owner)
    reader = type(owner, (_Reader,), {})(input_shape, n_spatial_dims, channels)
    array, layout = check_sample_array(reader, X, reset=True, doubt=doubt)
    if not flat and input_shape is None and n_spatial_dims is None and array.ndim == 2:
        raise InputShapeError(
            f"X has flat rows of {array.shape[1]} values. Pass input_shape=(height, width) or "
            "(height, width, channels), or n_spatial_dims=1 for signals."
        )
    return array, layout


def _check_array(
    estimator: Any, X: Any, reset: bool, min_samples: int, masks: bool = False
) -> np.ndarray:
    """Return `X` as a real array of two or more axes, finite but for NaN with `masks`."""
    if not reset and _is_plainly_fine(X) and not hasattr(estimator, "feature_names_in_"):
        return X
    X = as_array(X)
    check_no_paths(X)
    in_file = isinstance(X, np.ndarray) and X.ndim > 1 and X.dtype.kind == "f"
    mapped = MappedRows.of(X) if in_file else None  # checked for finite numbers in parts
    finite: Any = "allow-nan" if masks else True
    how = {
        "ensure_min_samples": min_samples,
        "ensure_all_finite": finite if mapped is None else False,
    }
    with _way_out(estimator):
        if getattr(X, "ndim", 2) > 2:
            array = check_array(X, allow_nd=True, estimator=estimator, input_name="X", **how)
            check_feature_names(estimator, X, reset=reset)
        else:
            array = validate_data(estimator, X, reset=reset, skip_check_array=False, **how)
        if mapped is not None:
            name = type(estimator).__name__
            for part in row_parts(array.reshape(len(array), -1), mapped):
                assert_all_finite(part, estimator_name=name, input_name="X", allow_nan=masks)
    if min(array.shape) < 1:
        raise InputShapeError(
            f"Found array with an empty axis (shape={array.shape}) while every axis "
            f"must have at least one value for {type(estimator).__name__}."
        )
    if array.ndim > 5:
        raise InputShapeError(
            f"X has {array.ndim} axes (shape={array.shape}), but {type(estimator).__name__} "
            "accepts 2 to 5: (n, features), (n, height, width), (n, height, width, "
            "channels) or (n, depth, height, width, channels)."
        )
    return array


@contextmanager
def _way_out(estimator: Any) -> Iterator[None]:
    """Name the parameter that allows missing values in the error about them."""
    try:
        yield
    except ValueError as error:
        if hasattr(estimator, "missing") and "contains NaN" in str(error):
            raise ValueError(f"{error}\n{MISSING_HINT}") from None
        raise


def _is_plainly_fine(X: Any) -> bool:
    """Return whether `X` is a small array that check_array would return unchanged.

    Skipping it makes predictions of single images faster.
    """
    return (
        type(X) is np.ndarray
        and 3 <= X.ndim <= 5
        and 0 < X.size <= MOST_PLAIN_VALUES
        and (X.dtype == np.uint8 or (X.dtype == np.float32 and bool(np.isfinite(X).all())))
    )


def _wrong_shape_message(estimator: Any, layout: InputLayout, got: tuple[int, ...]) -> str:
    name = type(estimator).__name__
    sample = got[1:]
    message = (
        f"X has samples of shape {sample}, but {name} was fitted on samples of shape "
        f"{layout.shape} (channels {layout.channels})."
    )
    swapped = (sample[-1:] + sample[:-1], sample[1:] + sample[:1])
    if len(sample) > 1 and layout.shape in swapped:
        message += " The channel axis is at the other end: move it with numpy.moveaxis."
    return message
