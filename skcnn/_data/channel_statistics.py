"""The mean and standard deviation of each channel."""

import numpy as np
import torch
from torch import Tensor

from skcnn._data.images import Images, cached_rows
from skcnn._data.layouts import InputLayout
from skcnn._data.samples import SampleSet
from skcnn._data.series.layout import SeriesLayout
from skcnn._data.series.reading import steps_of


def channel_statistics(train: SampleSet, standardize: bool) -> tuple[Tensor, Tensor]:
    """Return the weighted mean and standard deviation of each channel, float32.

    Notes
    -----
    Sums of bytes are exact, so that they may come from the rows or from sums that are known of
    each row. Other sums are float64 sums of differences from a value near the mean: without the
    shift a small variance would be lost to rounding beside a large mean.
    """
    layout = train.images.layout
    if not standardize:
        return torch.zeros(layout.n_channels), torch.ones(layout.n_channels)
    if isinstance(layout, SeriesLayout):
        train = _as_steps(train)
    if layout.masks and train.images.dtype.is_floating_point:
        mean, variance = _of_present(train)
    elif train.images.dtype.is_floating_point:
        mean, variance = _of_floats(train)
    elif train.weights is None:
        mean, variance = _of_bytes(train)
    else:
        mean, variance = _of_weighted_bytes(train, train.weights)
    std = np.sqrt(np.maximum(variance, 0))
    # the deviation of a constant channel is nothing but rounding
    std[std <= 1e-6 * np.maximum(np.abs(mean), 1e-30)] = 1.0
    return torch.from_numpy(mean).float(), torch.from_numpy(std).float()


def _as_steps(train: SampleSet) -> SampleSet:
    """Return the time steps of signals of unequal length, each with the weight of its signal."""
    steps, index = steps_of(train.images, train.index)
    lengths = train.images.source.lengths[train.index]  # type: ignore[union-attr]
    weights = None if train.weights is None else np.repeat(train.weights, lengths)
    return SampleSet(steps, index, np.empty((len(index), 0)), weights)


def byte_moments(rows: np.ndarray, layout: InputLayout) -> np.ndarray:
    """Return the sum and the sum of squares of each channel of each row of bytes.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_values), dtype uint8
        Rows of values.
    layout : InputLayout
        How a row is an image.

    Returns
    -------
    ndarray of shape (n_rows, 2, n_channels), dtype int64
    """
    axis = -1 if layout.channels == "last" else 1
    images = np.moveaxis(rows.reshape(len(rows), *layout.shape), axis, 0)
    values = np.ascontiguousarray(images).reshape(layout.n_channels, len(rows), -1)
    squares = values.astype(np.uint16)
    squares *= squares
    # sums of 32 bits are twice as fast, and hold 65,536 squares of bytes
    wide = np.uint32 if values.shape[2] <= 2**16 else np.uint64
    sums = [each.sum(2, dtype=wide).T for each in (values, squares)]
    return np.stack(sums, axis=1).astype(np.int64)


def _of_bytes(train: SampleSet) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the variance of each channel of bytes, rounded once."""
    layout = train.images.layout
    n = len(train) * (layout.n_values // layout.n_channels)
    facts = train.images.facts()
    if facts is None:
        places = _sums_of_bytes(train).astype(np.int64).reshape(2, *layout.shape)
        sums, squares = places.sum(tuple(1 + axis for axis in layout.spatial_axes))
    else:
        assert facts.moments is not None
        sums, squares = facts.moments[train.index].sum(0)
    channels = list(zip(sums.tolist(), squares.tolist(), strict=True))  # whole numbers of any size
    mean = [s / n for s, _ in channels]
    variance = [(n * q - s * s) / n**2 for s, q in channels]
    return np.array(mean), np.array(variance)


def _sums_of_bytes(train: SampleSet) -> np.ndarray:
    """Return the sum and the sum of squares at each place of a row, shape (2, n_values)."""
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
    return sums


def _of_weighted_bytes(train: SampleSet, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted mean and variance of each channel of bytes.

    The sums of a sample are exact. They are shifted by a whole number near the mean.
    """
    layout = train.images.layout
    n_places = layout.n_values // layout.n_channels
    facts = train.images.facts()
    if facts is None:
        index = torch.from_numpy(train.index).split(cached_rows(layout.n_values))
        parts = (train.images.rows_at(part).numpy() for part in index)
        moments = np.concatenate([byte_moments(part, layout) for part in parts])
    else:
        assert facts.moments is not None
        moments = facts.moments[train.index]
    sums, squares = moments[:, 0], moments[:, 1]  # (n_samples, n_channels)
    origin = np.rint(sums.mean(0) / n_places).astype(np.int64)
    shifted = np.stack([sums - n_places * origin, squares - 2 * origin * sums])
    shifted[1] += n_places * origin**2
    offset, square = (weights[:, None] * shifted).sum(1) / (weights.sum() * n_places)
    return origin + offset, square - offset**2


def _of_floats(train: SampleSet) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted mean and variance of each channel of floats."""
    near_mean, moments = _moments(train)
    offset, square = (_per_channel(each, train.images.layout) for each in moments)
    return near_mean + offset, square - offset**2


def _of_present(train: SampleSet) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted mean and variance of the values of each channel that are not missing.

    A channel without values has the mean 0 and the variance 1.
    """
    layout = train.images.layout
    weights = np.ones(len(train)) if train.weights is None else train.weights
    parts = torch.from_numpy(train.index).split(cached_rows(layout.n_values))
    origin: np.ndarray | None = None
    sums = np.zeros((3, layout.n_channels))  # weights, differences and their squares
    start = 0
    for part in parts:
        values = _doubles(train.images, part).reshape(len(part), *layout.shape)
        channels = np.moveaxis(values, -1 if layout.channels == "last" else 1, 0)
        channels = channels.reshape(layout.n_channels, len(part), -1)
        present = ~np.isnan(channels)
        channels = np.where(present, channels, 0.0)
        if origin is None:  # near the mean, so that a small variance is not lost beside it
            origin = channels.sum((1, 2)) / np.maximum(present.sum((1, 2)), 1)
        centred = (channels - origin[:, None, None]) * present
        each = weights[start : start + len(part), None]
        sums += np.stack(
            [(term * each).sum((1, 2)) for term in (present, centred, np.square(centred))]
        )
        start += len(part)
    assert origin is not None
    total = np.maximum(sums[0], np.finfo(float).tiny)
    offset, square = sums[1:] / total
    variance = np.where(sums[0] > 0, square - offset**2, 1.0)
    return np.where(sums[0] > 0, origin + offset, 0.0), variance


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
