"""The mean and standard deviation of each channel."""

import numpy as np
import torch
from torch import Tensor

from skcnn._data.images import Images, cached_rows
from skcnn._data.layouts import InputLayout
from skcnn._data.samples import SampleSet


def channel_statistics(train: SampleSet, standardize: bool) -> tuple[Tensor, Tensor]:
    """Return the weighted mean and standard deviation of each channel, float32.

    Notes
    -----
    NumPy sums whole rows of values, which is faster than torch's means over each sample.
    Sums of bytes are exact. Other sums are float64 sums of differences from a value near the
    mean: without the shift a small variance would be lost to rounding beside a large mean.
    """
    layout = train.images.layout
    if not standardize:
        return torch.zeros(layout.n_channels), torch.ones(layout.n_channels)
    if train.weights is None and not train.images.rows.is_floating_point():
        near_mean, moments = np.zeros(layout.n_channels), _moments_of_bytes(train)
    else:
        near_mean, moments = _moments(train)
    offset, square = (_per_channel(each, layout) for each in moments)
    mean = near_mean + offset
    std = np.sqrt(np.maximum(square - offset**2, 0))
    # the deviation of a constant channel is nothing but rounding
    std[std <= 1e-6 * np.maximum(np.abs(mean), 1e-30)] = 1.0
    return torch.from_numpy(mean).float(), torch.from_numpy(std).float()


def _moments_of_bytes(train: SampleSet) -> np.ndarray:
    """Return the mean and the mean square at each place of a row, shape (2, n_values)."""
    n_values = train.images.layout.n_values
    # float32 holds integers up to 2**24 exactly, more than the sum of 256 squares of bytes
    step = min(cached_rows(n_values), 256)
    # exact sums do not depend on the order, so that a file is read from front to end
    index = torch.from_numpy(np.sort(train.index))
    sums = np.zeros((2, n_values))
    for part in index.split(step):
        values = train.images.rows_at(part).numpy().astype(np.float32)
        sums[0] += values.sum(0)
        sums[1] += np.square(values, out=values).sum(0)
    return sums / len(train)


def _moments(train: SampleSet) -> tuple[np.ndarray, np.ndarray]:
    """Return a value near the mean of each channel, and the moments about it.

    The moments are the mean and the mean square at each place of a row, shape
    (2, n_values).
    """
    layout = train.images.layout
    weights = np.ones(len(train)) if train.weights is None else train.weights
    step = cached_rows(layout.n_values)
    index = torch.from_numpy(train.index)
    near_mean = _per_channel(_doubles(train.images, index[:step]).mean(0), layout)
    origin = layout.row_of(near_mean)
    sums = np.zeros((2, layout.n_values))
    for start in range(0, len(train), step):
        part = slice(start, start + step)
        values = _doubles(train.images, index[part]) - origin
        weighted = values * weights[part, None]
        sums[0] += weighted.sum(0)
        sums[1] += np.multiply(weighted, values, out=values).sum(0)
    return near_mean, sums / weights.sum()


def _doubles(images: Images, index: Tensor) -> np.ndarray:
    return images.rows_at(index).numpy().astype(np.float64)


def _per_channel(values: np.ndarray, layout: InputLayout) -> np.ndarray:
    """Return the mean over the positions of each channel, for one row of `values`."""
    return values.reshape(layout.shape).mean(layout.spatial_axes)
