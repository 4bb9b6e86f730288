"""Containers of numbers: lists, tensors, pictures and arrays of objects become plain arrays."""

import os
from datetime import date, time, timedelta
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.sparse import issparse
from torch import Tensor

from skcnn.exceptions import InputShapeError

NESTED = (Tensor, list, tuple, np.ma.MaskedArray)
NUMPY_FLOATS = (torch.float16, torch.float32, torch.float64)
# pandas' Timestamp and Timedelta are dates and timedeltas of Python too
DATES = (date, time, timedelta, pd.Period, np.datetime64, np.timedelta64)


def as_array(values: Any, name: str = "X") -> Any:
    """Return `values` as an array, and DataFrames and sparse matrices unchanged.

    scikit-learn reads those itself. An array of objects stays one, since `check_array` makes
    float64 of Decimal, Fraction or None in an array, but leaves those in a list as they are.

    Parameters
    ----------
    values : array-like or Tensor
        Numbers in any container: nested lists, tensors that need a gradient, PIL images,
        objects with ``__array__``, a column of arrays.
    name : str, default="X"
        Named in messages.

    Raises
    ------
    ValueError
        If values are dates, durations or masked, or pictures have palettes or several modes.
    InputShapeError
        If samples differ in their shapes.
    """
    if type(values) is np.ndarray and values.dtype.kind in "buif":
        return values
    if values is None or issparse(values) or isinstance(values, np.matrix):
        return values
    if hasattr(values, "dtypes") and hasattr(values, "columns"):
        for dtype in set(values.dtypes):
            check_no_dates(dtype, name)
        if isinstance(values, pd.DataFrame):
            # select_dtypes takes texts for objects, and warns
            objects = values.loc[:, values.dtypes == "object"]
            check_no_date_objects(objects.to_numpy(), name)
        return values
    array = _stacked(values, name)
    if array.ndim == 1 and array.dtype.kind == "O" and len(array) and np.ndim(array[0]) > 0:
        array = _stacked(list(array), name)  # a column of arrays
    check_no_dates(array.dtype, name)
    check_no_date_objects(array, name)
    if array.dtype.kind == "V" and array.dtype.names is None:  # bfloat16 of another library
        return array.astype(np.float32)
    return array


def without_tensors(values: Any, name: str) -> Any:
    """Return arrays for tensors, also in nested lists, and anything else unchanged.

    NumPy does not read tensors that need a gradient or are bfloat16, and drops masks.

    Raises
    ------
    ValueError
        If values are masked.
    """
    if isinstance(values, Tensor):
        return _from_torch(values)
    if isinstance(values, np.ma.MaskedArray):
        if np.ma.is_masked(values):
            raise ValueError(
                f"Input {name} contains masked values, which are missing values. Fill them with "
                "numpy.ma.filled or impute them."
            )
        return values.data
    if not isinstance(values, list | tuple) or not _holds_arrays(values):
        return values
    return [without_tensors(value, name) for value in values]


def _holds_arrays(values: Any) -> bool:
    """Return whether nested lists hold tensors or masked arrays.

    Of lists of numbers only the first is looked at, since walking through all takes long.
    """
    kinds = set(map(type, values))
    if values and kinds <= {list, tuple}:
        return _holds_arrays(values[0])
    return any(issubclass(kind, NESTED) for kind in kinds)


def check_no_dates(dtype: Any, name: str) -> None:
    """Raise ValueError if values are dates or durations, whose unit is arbitrary."""
    if getattr(dtype, "kind", "") in ("m", "M"):
        raise ValueError(_dates_message(f"dtype {dtype}", name))


def check_no_date_objects(array: np.ndarray, name: str) -> None:
    """Raise ValueError if an array of objects has dates or durations, such as pandas' Timestamp."""
    if array.dtype.kind != "O":
        return
    for kind in set(map(type, array.ravel().tolist())):
        if issubclass(kind, DATES):
            raise ValueError(_dates_message(f"type {kind.__name__}", name))


def check_no_paths(values: Any) -> None:
    """Raise ValueError if samples are paths, or files that were read but not decoded."""
    first = values[0] if getattr(values, "ndim", 0) == 1 and len(values) else None
    if isinstance(first, str | bytes | os.PathLike):
        raise ValueError(
            f"X has texts, bytes or paths, such as {str(first)[:60]!r}, but numbers are needed. "
            "For image files pass skcnn.datasets.ImageFiles(paths)."
        )


def _dates_message(what: str, name: str) -> str:
    return (
        f"{name} has values of {what}, but numbers are needed. Subtract a date and divide by a "
        f"unit: ({name} - numpy.datetime64('2020-01-01')) / numpy.timedelta64(1, 's')."
    )


def _from_torch(values: Tensor) -> np.ndarray:
    values = values.detach().cpu()
    known = not values.is_floating_point() or values.dtype in NUMPY_FLOATS
    return (values if known else values.float()).numpy()


def _stacked(values: Any, name: str) -> np.ndarray:
    if isinstance(values, list | tuple):
        _check_pictures(values, name)
    plain = without_tensors(values, name)
    try:
        return np.asarray(plain)
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        shapes = sorted({np.shape(sample) for sample in plain})
        raise InputShapeError(
            f"The samples of {name} have several shapes, such as {shapes[0]} and {shapes[-1]}: "
            "crop, pad or resize them to one shape. Only arrays of signals may differ, in their "
            "length: with n_spatial_dims=1, and the same number of channels, which are last or, "
            f"with channels='first', first. NumPy says: {error}"
        ) from error


def _check_pictures(values: Any, name: str) -> None:
    """Check that PIL images have one mode, and that their values are no places in a palette."""
    modes = sorted({value.mode for value in values if hasattr(value, "getbands")})
    if len(modes) > 1 or "P" in modes or "PA" in modes:
        raise ValueError(
            f"{name} has images of mode {', '.join(map(repr, modes))}. All images must have one "
            "mode without a palette: pass "
            f"[image.convert('RGB') for image in {name}]."
        )
