"""The input gate: every accepted ``X`` becomes rows of bytes or float32 plus a layout.

After the gate nothing asks again what ``X`` was. Targets and weights have their own
gate in ``_targets``.
"""

import warnings
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import assert_all_finite, check_array
from sklearn.utils.validation import _check_feature_names, validate_data
from torch import Tensor

from skcnn._data.images import Images, InputLayout, chunk_rows
from skcnn._data.mapped_rows import MappedRows
from skcnn._utils.validation import warn_caller
from skcnn.exceptions import InputLayoutWarning, InputShapeError

USUAL_CHANNELS = (1, 2, 3, 4)
MOST_PLAIN_VALUES = 2**16


def check_training_images(
    estimator: Any, X: Any, input_shape: object, channels: str, min_samples: int = 1
) -> Images:
    """Validate `X` at fit and record what predict will be compared with.

    Sets ``_layout``, ``n_features_in_``, ``feature_names_in_`` (for DataFrames with string columns)
    and ``input_shape_`` on `estimator`.

    Parameters
    ----------
    estimator : estimator
        For the names in messages and the fitted attributes.
    X : array-like or Tensor
        Any of the forms of the user guide's table.
    input_shape : tuple of int or None
        The estimator's parameter.
    channels : {"last", "first"}
        The estimator's parameter.
    min_samples : int, default=1
        Fewer raise ValueError.
    """
    array, layout = check_sample_array(
        estimator, X, input_shape, channels, reset=True, min_samples=min_samples
    )
    return _as_images(array, layout, compact=True)


def check_images(estimator: Any, X: Any, *, compact: bool = False) -> Images:
    """Validate `X` against what `estimator` was fitted on.

    With ``compact=True`` (more training data) whole numbers become bytes as at fit.
    """
    array, layout = check_sample_array(estimator, X, reset=False)
    return _as_images(array, layout, compact=compact)


def check_sample_array(
    estimator: Any,
    X: Any,
    input_shape: object = None,
    channels: str = "last",
    *,
    reset: bool,
    min_samples: int = 1,
    doubt: bool = True,
) -> tuple[np.ndarray, InputLayout]:
    """Validate `X` without changing its dtype.

    With `reset` the layout follows from `input_shape` and `channels` and is recorded on
    `estimator` as by `check_training_images`; else `X` must fit what is recorded there.
    With `doubt` there is a warning where channels seem to be at the other end.

    Returns
    -------
    array : ndarray of shape (n_samples, ...)
        Finite real numbers.
    layout : InputLayout
        How a sample is an image.
    """
    X = _from_torch(X)
    if reset:
        given = _check_input_shape(input_shape)
        array = _check_array(estimator, X, reset=True, min_samples=min_samples)
        layout = _infer_layout(array.shape, given, channels, type(estimator).__name__)
        if doubt:
            warn_of_swapped_channels(layout)
        estimator.n_features_in_ = layout.n_values
        estimator.input_shape_ = layout.shape
        estimator._layout = layout
        return array, layout
    layout = estimator._layout  # not the parameters, which may have changed since fit
    array = _check_array(estimator, X, reset=False, min_samples=min_samples)
    if not layout.accepts(array.shape[1:]):
        raise InputShapeError(_wrong_shape_message(estimator, layout, array.shape))
    return array, layout


def read_samples(
    X: Any,
    input_shape: object,
    channels: str,
    owner: str,
    *,
    doubt: bool = True,
    flat: bool = True,
) -> tuple[np.ndarray, InputLayout]:
    """Return samples that no estimator reads, and how they are images.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
        Samples; flat rows without `input_shape` are signals.
    input_shape : tuple of int or None
        Shape of one sample.
    channels : {"last", "first"}
        Where the channel axis is.
    owner : str
        Named in messages.
    doubt : bool, default=True
        Whether to warn where channels seem to be at the other end.
    flat : bool, default=True
        Whether flat rows may come without `input_shape`: they are rarely signals.

    Raises
    ------
    InputShapeError
        If `X` has no such shape, or flat rows that nothing tells the shape of.
    """
    reader = type(owner, (BaseEstimator,), {})()  # takes what reading leaves behind
    array, layout = check_sample_array(reader, X, input_shape, channels, reset=True, doubt=doubt)
    if not flat and input_shape is None and array.ndim == 2:
        raise InputShapeError(
            f"X has flat rows of {array.shape[1]} values. Pass input_shape=(height, width), "
            "(height, width, channels), or (length,) for signals."
        )
    return array, layout


def _from_torch(X: Any) -> Any:
    if isinstance(X, Tensor):
        X = X.detach().cpu()
        return (X.float() if X.dtype == torch.bfloat16 else X).numpy()
    return X


def _check_input_shape(input_shape: object) -> tuple[int, ...] | None:
    if input_shape is None:
        return None
    sides = tuple(input_shape) if isinstance(input_shape, list | tuple) else ()
    whole = all(isinstance(s, int | np.integer) and not isinstance(s, bool) for s in sides)
    if not 1 <= len(sides) <= 4 or not whole or min(sides) < 1:
        raise InputShapeError(
            "The 'input_shape' parameter must be a tuple of 1 to 4 integers >= 1: "
            "(length,), (height, width), (height, width, channels) or (depth, height, "
            f"width, channels). Got {input_shape!r}."
        )
    return tuple(int(s) for s in sides)


def _check_array(estimator: Any, X: Any, reset: bool, min_samples: int) -> np.ndarray:
    """Return `X` as a finite real array of two or more axes."""
    if not reset and _is_plainly_fine(X) and not hasattr(estimator, "feature_names_in_"):
        return X
    in_file = isinstance(X, np.ndarray) and X.ndim > 1 and X.dtype.kind == "f"
    mapped = MappedRows.of(X) if in_file else None  # whose numbers are looked at in parts
    if getattr(X, "ndim", 2) > 2 or _nesting(X) > 2:
        array = check_array(
            X,
            allow_nd=True,
            estimator=estimator,
            input_name="X",
            ensure_min_samples=min_samples,
            ensure_all_finite=mapped is None,
        )
        _check_feature_names(estimator, X, reset=reset)
        if min(array.shape) < 1:
            raise InputShapeError(
                f"Found array with an empty axis (shape={array.shape}) while every axis "
                f"must have at least one value for {type(estimator).__name__}."
            )
    else:
        array = validate_data(
            estimator,
            X,
            reset=reset,
            ensure_min_samples=min_samples,
            ensure_all_finite=mapped is None,
            skip_check_array=False,
        )
    if mapped is not None:
        for part in _parts(array.reshape(len(array), -1), mapped):
            assert_all_finite(part, estimator_name=type(estimator).__name__, input_name="X")
    if array.ndim > 5:
        raise InputShapeError(
            f"X has {array.ndim} axes (shape={array.shape}), but {type(estimator).__name__} "
            "accepts 2 to 5: (n, features), (n, height, width), (n, height, width, "
            "channels) or (n, depth, height, width, channels)."
        )
    return array


def _is_plainly_fine(X: Any) -> bool:
    """Return whether `X` is a small array that check_array would return as it is.

    Its own way there takes 60 microseconds, half of a network's for one image.
    """
    return (
        type(X) is np.ndarray
        and 3 <= X.ndim <= 5
        and 0 < X.size <= MOST_PLAIN_VALUES
        and (X.dtype == np.uint8 or (X.dtype == np.float32 and bool(np.isfinite(X).all())))
    )


def _nesting(X: Any) -> int:
    """Return the nesting depth of lists, 0 for anything else."""
    depth = 0
    while isinstance(X, list | tuple) and len(X) > 0:
        X = X[0]
        depth += 1
    return depth + (getattr(X, "ndim", 0) if depth else 0)


def _infer_layout(
    shape: tuple[int, ...], given: tuple[int, ...] | None, channels: str, name: str
) -> InputLayout:
    """Decide what the axes of `X` are."""
    sample = shape[1:]
    if given is None:
        layout = layout_of_shape(sample, channels)
    else:
        layout = _layout_with_input_shape(sample, given, channels, name)
    return layout


def layout_of_shape(input_shape: tuple[int, ...], channels: str) -> InputLayout:
    """Return how samples of this shape are read: one or two sides have one channel."""
    if len(input_shape) <= 2:
        return _with_one_channel(tuple(input_shape), channels)
    return InputLayout(tuple(input_shape), channels)


def layout_with_channels(input_shape: object, channels: str) -> InputLayout:
    """Return the layout of a shape that names its channel axis."""
    sides = _check_input_shape(input_shape)
    if sides is None or len(sides) < 2:
        raise InputShapeError(
            "input_shape must have the channel axis and at least one other, such as "
            f"(28, 28, 1) or (100, 3). Got {input_shape!r}."
        )
    return InputLayout(sides, channels)


def _with_one_channel(spatial: tuple[int, ...], channels: str) -> InputLayout:
    return InputLayout((*spatial, 1) if channels == "last" else (1, *spatial), channels)


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
    """Warn where the channels of images seem to be at the other end of the shape."""
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


def _as_images(array: np.ndarray, layout: InputLayout, compact: bool) -> Images:
    """Return `array` as rows of uint8 or float32, without a copy where possible.

    Whole numbers from 0 to 255 of any dtype become bytes with ``compact=True``, so that
    the same values train the same network whatever dtype they came in.
    """
    flat = array.reshape(len(array), -1)
    mapped = MappedRows.of(flat)
    if flat.dtype == np.bool_ or (
        compact and flat.dtype != np.uint8 and _holds_bytes(flat, mapped)
    ):
        flat, mapped = _converted(flat, mapped, np.uint8), None
    elif flat.dtype not in (np.uint8, np.float32):
        flat, mapped = _converted(flat, mapped, np.float32), None
    flat = np.ascontiguousarray(flat)
    if flat.flags.writeable:
        return Images(torch.from_numpy(flat), layout, mapped)
    with warnings.catch_warnings():
        # A read-only array (a memory map) is never written to here; no copy is needed.
        warnings.filterwarnings("ignore", message=".*not writable", category=UserWarning)
        return Images(torch.from_numpy(flat), layout, mapped)


def _parts(flat: np.ndarray, mapped: MappedRows | None) -> Iterator[np.ndarray]:
    """Yield all rows, some at a time, from their file where there is one."""
    step = chunk_rows(flat.shape[1])
    for start in range(0, len(flat), step):
        stop = min(start + step, len(flat))
        yield flat[start:stop] if mapped is None else mapped.read(start, stop)


def _holds_bytes(flat: np.ndarray, mapped: MappedRows | None) -> bool:
    """Return whether all values are whole numbers from 0 to 255."""
    for part in _parts(flat, mapped):
        if part.min() < 0 or part.max() > 255:
            return False
        if part.dtype.kind == "f" and not np.array_equal(part, np.trunc(part)):
            return False
    return True


def _converted(flat: np.ndarray, mapped: MappedRows | None, dtype: Any) -> np.ndarray:
    """Return the rows as `dtype`.

    Raises
    ------
    ValueError
        If a number is too large for it.
    """
    rows = np.empty(flat.shape, dtype)
    start = 0
    for part in _parts(flat, mapped):
        narrow = rows[start : start + len(part)]
        with np.errstate(over="ignore"):
            narrow[...] = part
        if part.dtype.kind == "f" and not np.isfinite(narrow).all():
            raise ValueError("Input X contains values too large for dtype('float32').")
        start += len(part)
    return rows
