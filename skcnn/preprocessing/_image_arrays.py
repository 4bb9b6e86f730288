"""Arrays of images in any container, of one or several sizes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite

from skcnn._data.containers import as_array, without_tensors
from skcnn._data.layouts import InputLayout
from skcnn._data.validation import check_sample_array, read_samples
from skcnn.exceptions import InputShapeError

EXPECTED = "(height, width) or (height, width, n_channels)"


@dataclass(frozen=True)
class ImageArrays:
    """Images of one or several sizes.

    Attributes
    ----------
    parts : list of ndarray of shape (n_images, height, width, n_channels)
        All images, in order; those of a part have one size. Of one dtype, which is no boolean.
    form : {"flat", "plain", "channels"}
        Whether a sample is a flat row, or an image without or with a channel axis.
    """

    parts: list[np.ndarray]
    form: str

    @property
    def n_channels(self) -> int:
        """The number of channels."""
        return int(self.parts[0].shape[3])

    def as_given(self, images: np.ndarray, channels: str) -> np.ndarray:
        """Return images of shape (n_images, height, width, n_channels) in the form of these."""
        if self.form == "plain":
            return images[..., 0]
        if channels == "first":
            images = np.moveaxis(images, -1, 1)
        return images.reshape(len(images), -1) if self.form == "flat" else images


def read_arrays(estimator: Any, X: Any, reset: bool) -> ImageArrays:
    """Return the images of `X`.

    Parameters
    ----------
    estimator : estimator
        With the parameters `input_shape`, for flat rows, and `channels`, and the attribute
        `n_spatial_dims`, None. Flat rows are validated against it, and with `reset` their
        shape and names are recorded on it.
    X : array-like
        An array of images or flat rows, or a list of arrays of images.
    reset : bool
        Whether the estimator is being fitted.

    Raises
    ------
    InputShapeError
        If samples are no images.
    TypeError
        If samples are PIL images.
    """
    items = _items(X)
    if any(hasattr(item, "getbands") for item in items):
        raise TypeError(
            "X has PIL images, whose modes must become one. LoadImages does it, and resizes them."
        )
    if items and all(np.ndim(item) > 1 for item in items):
        return _of_items(items, estimator.channels)
    plain = X if hasattr(X, "ndim") and hasattr(X, "shape") else as_array(X)
    if getattr(plain, "ndim", 2) > 2:
        n_spatial_dims = 2 if plain.ndim < 5 else None  # volumes are refused below
        owner = type(estimator).__name__
        array, layout = read_samples(X, None, n_spatial_dims, estimator.channels, owner)
        return _of_array(array, layout, "plain" if array.ndim == 3 else "channels")
    array, layout = check_sample_array(estimator, X, reset=reset)
    return _of_array(array, layout, "flat")


def _items(X: Any) -> list[Any]:
    """Return the samples of a list or of an array of objects, none of other containers."""
    is_column = isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype == object
    if not is_column and not isinstance(X, list | tuple):
        return []
    return [item if hasattr(item, "getbands") else without_tensors(item, "X") for item in X]


def _of_items(items: list[Any], channels: str) -> ImageArrays:
    arrays = [np.asarray(item) for item in items]
    for row, array in enumerate(arrays):
        if array.ndim not in (2, 3) or array.dtype.kind not in "buif" or min(array.shape) < 1:
            raise InputShapeError(
                f"X must have images of shape {EXPECTED}. Row {row} is an array of shape "
                f"{array.shape} and dtype {array.dtype}."
            )
        assert_all_finite(array, input_name="X")
    n_axes = sorted({array.ndim for array in arrays})
    if n_axes == [3] and channels == "first":
        arrays = [np.moveaxis(array, 0, -1) for array in arrays]
    arrays = [array[..., None] if n_axes == [2] else array for array in arrays]
    kinds = sorted({(str(array.dtype), array.shape[2:]) for array in arrays})
    if len(n_axes) > 1 or len(kinds) > 1:
        raise InputShapeError(
            "The images of X must have one dtype and one number of channels. Got images of dtype "
            f"{', '.join(dict.fromkeys(kind for kind, _ in kinds))} with "
            f"{' and '.join(map(str, n_axes))} axes and the numbers of channels "
            f"{sorted({shape[0] for _, shape in kinds if shape})}."
        )
    form = "plain" if n_axes == [2] else "channels"
    if len({array.shape for array in arrays}) == 1:
        return ImageArrays([_numbers(np.stack(arrays))], form)
    return ImageArrays([_numbers(array[None]) for array in arrays], form)


def _of_array(array: np.ndarray, layout: InputLayout, form: str) -> ImageArrays:
    """Return an array with a layout as images; rows without a shape have the height one."""
    spatial = (1, *layout.spatial) if len(layout.spatial) == 1 else layout.spatial
    if len(spatial) != 2:
        raise InputShapeError(f"X has samples of shape {layout.shape}, but images are {EXPECTED}.")
    if layout.channels == "first":
        images = array.reshape(len(array), layout.n_channels, *spatial)
        images = np.moveaxis(images, 1, -1)
    else:
        images = array.reshape(len(array), *spatial, layout.n_channels)
    return ImageArrays([_numbers(images)], form)


def _numbers(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) if images.dtype == bool else images
