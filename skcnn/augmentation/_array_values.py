"""Values of whole arrays: steps applied part by part, in the dtype and shape of the input."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_array
from torch import Tensor

from skcnn._data.containers import as_array
from skcnn._data.images import Images, chunk_rows
from skcnn._data.layouts import InputLayout
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn.augmentation._batch_augmenter import BatchAugmenter, Step, check_axes


def numbers_of(samples: Any) -> np.ndarray:
    """Return samples as numbers, also from a DataFrame with nullable or mixed columns."""
    samples = as_array(samples)
    array = np.asarray(samples)
    if array.dtype.kind == "O":
        how: Any = {"allow_nd": True, "ensure_all_finite": "allow-nan"}  # they are checked
        array = check_array(samples, ensure_min_samples=0, **how)
    return array


def span_of(values: Any) -> float:
    """Return the largest minus the smallest value, 1 if all are the same.

    Missing values do not count. Signals of unequal length are a list of arrays.
    """
    parts = values if isinstance(values, list) else [values]
    low = float(np.fmin.reduce([np.fmin.reduce(part, axis=None) for part in parts]))
    high = float(np.fmax.reduce([np.fmax.reduce(part, axis=None) for part in parts]))
    return high - low if high > low else 1.0  # also where all are missing


def span_of_weighted(array: np.ndarray, weights: np.ndarray | None) -> float:
    """Return `span_of` the samples whose weight is not zero; of all if there are none."""
    if weights is None or not weights.any():
        return span_of(array)
    counted = np.reshape(weights != 0, (-1,) + (1,) * (array.ndim - 1))
    first = array[np.flatnonzero(weights)[0]].flat[0]
    low = float(array.min(initial=first, where=counted))
    return float(array.max(initial=first, where=counted)) - low or 1.0


def _as_rows(batch: Tensor, layout: InputLayout) -> np.ndarray:
    """Return (n_samples, n_values) in the order of the layout."""
    if layout.channels == "last":
        batch = batch.movedim(1, -1)
    return batch.reshape(len(batch), -1).numpy()


def _as_dtype(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "b":
        return values > 0.5
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        high = float(limits.max)
        if high > limits.max:  # rounded up to 53 bits
            high = np.nextafter(high, 0)
        return np.clip(np.rint(values), limits.min, high).astype(dtype)
    return values.astype(dtype)


@in_standard_torch_state
def values_as(
    array: np.ndarray,
    layout: InputLayout,
    change: Callable[[Tensor, slice], Tensor],
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return ``change(images, part)`` of all parts of `array`, of the same shape and dtype.

    Images are float64 for doubles and long integers, and float32 for other types. Whole
    numbers are rounded at the end and kept within the limits of their type. With `out`,
    a contiguous array, the result is written there.
    """
    flat = np.ascontiguousarray(array).reshape(len(array), layout.n_values)
    bits = np.finfo(flat.dtype).bits if flat.dtype.kind == "f" else 2 * flat.dtype.itemsize * 8
    floats = np.float64 if bits > 32 else np.float32
    result = np.empty(array.shape, array.dtype) if out is None else out
    rows = result.reshape(flat.shape)
    size = min(chunk_rows(flat.shape[1]), 1024)
    for start in range(0, len(flat), size):
        part = slice(start, min(start + size, len(flat)))
        images = Images(torch.from_numpy(flat[part].astype(floats)), layout)
        values = change(images.as_batch(images.rows), part)
        rows[part] = _as_dtype(_as_rows(values, layout), flat.dtype)
    return result


@in_standard_torch_state
def draw_values(
    array: np.ndarray,
    layout: InputLayout,
    steps: Sequence[Step],
    seed: int,
    *,
    span: float,
    rows: np.ndarray,
    epoch: int = 0,
    strength: float = 1.0,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return one draw of `array`, of the same shape and dtype.

    Parameters
    ----------
    array : ndarray of shape (n_samples, ...)
        Samples of any real dtype. Doubles and long integers are augmented in double
        precision.
    layout : InputLayout
        How a sample is an image.
    steps : sequence of Step
        The augmentations and their own seeds.
    seed : int
        Seed of the steps without a seed of their own.
    span : float
        Largest minus smallest value of all samples, the unit of noise.
    rows : ndarray of shape (n_samples,)
        Numbers or keys of the samples.
    epoch : int, default=0
        Number of the draw.
    strength : float, default=1.0
        Factor of all ranges.
    out : ndarray or None, default=None
        Contiguous array of the shape and dtype of `array` for the result. None makes one.
    """
    check_axes(steps, layout)
    augmenter = BatchAugmenter(steps, layout.spatial, span, seed, strength)
    return values_as(
        array, layout, lambda images, part: augmenter.images(images, rows[part], epoch), out
    )
