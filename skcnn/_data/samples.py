"""From validated arrays to training batches: order, repetition, validation split, batches.

Knows no network. Rows are put into an order that depends on their content alone and
repeated rows are merged into one with their summed weight. So a sample's weight means
exactly its repetition, and the order of the rows does not change the result.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
import torch
from torch import Tensor

from skcnn._data.images import Images, InputLayout, chunk_rows
from skcnn._utils.validation import warn_caller
from skcnn.exceptions import RareClassWarning

# What stays in the cache between two steps of arithmetic: hashes take half the time.
CACHED_BYTES = 2**17


@dataclass(frozen=True)
class SampleSet:
    """Samples selected from validated images, with their targets and weights.

    Attributes
    ----------
    images : Images
        All samples, also those that are not selected.
    index : ndarray of shape (n_samples,)
        The selected rows of `images`.
    targets : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Class codes (int64), indicators or standardised numbers (float32).
    weights : ndarray of shape (n_samples,) or None
        Sample weights; None where all are equal.
    """

    images: Images
    index: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None

    def __len__(self) -> int:
        return len(self.index)

    def select(self, which: np.ndarray) -> "SampleSet":
        """Return the samples at `which`."""
        weights = None if self.weights is None else self.weights[which]
        return SampleSet(self.images, self.index[which], self.targets[which], weights)

    def with_targets(self, targets: np.ndarray) -> "SampleSet":
        """Return the same samples with other targets."""
        return replace(self, targets=targets)

    def with_weights(self, weights: np.ndarray | None) -> "SampleSet":
        """Return the same samples weighted otherwise, scaled to a mean of one."""
        if weights is not None:
            weights = weights / weights.mean()
            if np.allclose(weights, 1.0, rtol=1e-12):
                weights = None
        return replace(self, weights=weights)


def row_hashes(rows: np.ndarray) -> np.ndarray:
    """Return a 64-bit hash of the bytes of each row.

    A sum of the row's 64-bit words times fixed odd random numbers, modulo 2**64, with
    the words' halves mixed first; 0.015 s for 60,000 x 784 bytes.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_values)
        C-contiguous, any dtype.

    Returns
    -------
    ndarray of shape (n_rows,), dtype uint64
    """
    raw = rows.view(np.uint8).reshape(len(rows), -1)
    n_words = ceil(raw.shape[1] / 8)
    factors = np.random.SeedSequence(20_240_817).generate_state(n_words, np.uint64) | np.uint64(1)
    hashes = np.empty(len(rows), np.uint64)
    step = max(CACHED_BYTES // raw.shape[1], 1)
    for start in range(0, len(rows), step):
        part = raw[start : start + step]
        if part.shape[1] % 8:
            part = np.pad(part, ((0, 0), (0, n_words * 8 - part.shape[1])))
        words = np.ascontiguousarray(part).view(np.uint64)
        mixed = words >> np.uint64(29)
        mixed ^= words
        mixed *= factors
        mixed ^= mixed >> np.uint64(32)
        hashes[start : start + step] = mixed.sum(axis=1, dtype=np.uint64)
    return hashes


def image_hashes(images: Images) -> np.ndarray:
    """Return `row_hashes` of all rows of `images`."""
    return np.concatenate([row_hashes(part.numpy()) for part in images.parts()])


def canonical_order(
    images: Images, targets: np.ndarray, weights: np.ndarray | None, merge: bool = True
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the rows to train on in content order, and their weights.

    Rows of weight zero are left out; with `merge` rows equal in `images` and `targets` are
    one row with the summed weight.

    Returns
    -------
    index : ndarray of shape (n_distinct,)
    weights : ndarray of shape (n_distinct,) or None
        None where all weights are one.
    """
    target_bits = _as_bits(targets)

    def finer(rows: np.ndarray) -> Sequence[np.ndarray]:
        # Targets order rows of equal images only, so that their units hardly ever matter.
        # Rows that stay apart are in the order of their weights: any other is the input's.
        by_target = row_hashes(target_bits[rows])
        return (by_target,) if merge or weights is None else (weights[rows], by_target)

    hashes = image_hashes(images)
    keep = None if weights is None else np.flatnonzero(weights)
    order = _sorted_by(hashes, keep, finer)
    if not merge:
        return order, None if weights is None else weights[order]
    same = _equals_predecessor(images, target_bits, hashes[order], order)
    if weights is None and not same.any():
        return order, None
    firsts = np.flatnonzero(~same)
    each = np.ones(len(order)) if weights is None else weights[order]
    return order[firsts], np.add.reduceat(each, firsts)


def _as_bits(targets: np.ndarray) -> np.ndarray:
    """Return targets as (n_samples, n_outputs) float64."""
    return np.ascontiguousarray(targets, np.float64).reshape(len(targets), -1)


def _sorted_by(
    hashes: np.ndarray,
    keep: np.ndarray | None,
    finer: Callable[[np.ndarray], Sequence[np.ndarray]],
) -> np.ndarray:
    """Return the rows of `keep` (None: all) by hash, then by the keys ``finer(rows)``.

    As `numpy.lexsort`, but the keys, the last one first, are made only for equal hashes.
    """
    order = np.argsort(hashes) if keep is None else keep[np.argsort(hashes[keep])]
    in_order = hashes[order]
    repeats = in_order[1:] == in_order[:-1]
    tied = np.flatnonzero(np.append(False, repeats) | np.append(repeats, False))
    if len(tied):
        rows = np.sort(order[tied])
        order[tied] = rows[np.lexsort((*finer(rows), hashes[rows]))]
    return order


def _equals_predecessor(
    images: Images, targets: np.ndarray, hashes: np.ndarray, order: np.ndarray
) -> np.ndarray:
    """Return whether each row in `order` repeats the row before it, value for value.

    `hashes` are those of the images, in that order.
    """
    index = torch.from_numpy(order)
    same = np.zeros(len(order), bool)
    candidates = np.flatnonzero(hashes[1:] == hashes[:-1]) + 1
    step = chunk_rows(images.layout.n_values)
    for start in range(0, len(candidates), step):
        part = candidates[start : start + step]
        here, before = images.rows_at(index[part]), images.rows_at(index[part - 1])
        same[part] = (here == before).all(dim=1).numpy()
        same[part] &= (targets[order[part]] == targets[order[part - 1]]).all(axis=1)
    return same


def split_validation(
    samples: SampleSet, fraction: float, seed: int, stratify: bool
) -> tuple[SampleSet, SampleSet]:
    """Split off a validation set, the same share of each class with `stratify`.

    A class with a single sample stays in training, with a warning.

    Raises
    ------
    ValueError
        If one of the sets would be empty.
    """
    repeats = _repetitions(samples)
    firsts = np.flatnonzero(~repeats)
    chosen = _choose_validation(samples.targets[firsts], fraction, seed, stratify)
    # a sample and its repetitions must not be on both sides
    valid = np.flatnonzero(np.isin(np.cumsum(~repeats) - 1, chosen))
    train = np.delete(np.arange(len(samples)), valid)
    return samples.select(train), samples.select(valid)


def _repetitions(samples: SampleSet) -> np.ndarray:
    """Return whether each sample, in content order, repeats the one before it."""
    targets = _as_bits(samples.targets)
    by_row = np.empty((len(samples.images), targets.shape[1]))
    by_row[samples.index] = targets
    hashes = image_hashes(samples.images)[samples.index]
    return _equals_predecessor(samples.images, by_row, hashes, samples.index)


def _choose_validation(
    targets: np.ndarray, fraction: float, seed: int, stratify: bool
) -> np.ndarray:
    """Return the places of the validation samples among distinct ones, sorted."""
    n_samples = len(targets)
    rng = np.random.default_rng(seed)
    n_valid = max(1, round(fraction * n_samples))
    if stratify:
        counts = np.bincount(targets)
        taken = _share_out(n_valid, counts)
        chosen = [
            rng.permutation(np.flatnonzero(targets == code))[:n] for code, n in enumerate(taken)
        ]
        valid = np.sort(np.concatenate(chosen))
        n_single = int(np.sum(counts == 1))
        if n_single:
            warn_caller(
                f"{n_single} of {np.sum(counts > 0)} classes have a single distinct sample: "
                "they stay in training and are missing from the validation set.",
                RareClassWarning,
            )
    else:
        valid = np.sort(rng.permutation(n_samples)[:n_valid])
    if not 0 < len(valid) < n_samples:
        raise ValueError(
            f"validation_fraction={fraction} of {n_samples} distinct samples leaves "
            f"{n_samples - len(valid)} for training and {len(valid)} for validation: "
            "both need at least one. Give more samples or X_val and y_val."
        )
    return valid


def _share_out(n_valid: int, counts: np.ndarray) -> np.ndarray:
    """Return how many of each class are taken: largest remainders, one always left."""
    room = np.maximum(counts - 1, 0)
    exact = np.minimum(n_valid * counts / counts.sum(), room)
    taken = np.floor(exact).astype(int)
    while taken.sum() < n_valid and (taken < room).any():
        remainder = np.where(taken < room, exact - taken, -np.inf)
        taken[np.argmax(remainder)] += 1
    return taken


def channel_statistics(train: SampleSet, standardize: bool) -> tuple[Tensor, Tensor]:
    """Return the weighted mean and standard deviation of each channel, float32.

    Notes
    -----
    Rows of values are summed by NumPy, on one core: 0.05 s for 60,000 x 784 bytes, where
    torch's means over each sample took 1.4 s. Sums of bytes are exact. Others are in
    float64 and taken about a value near the mean, or a large mean would swamp a small
    variance.
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
    # a constant channel has rounding left over, not a scale
    std[std <= 1e-6 * np.maximum(np.abs(mean), 1e-30)] = 1.0
    return torch.from_numpy(mean).float(), torch.from_numpy(std).float()


def _moments_of_bytes(train: SampleSet) -> np.ndarray:
    """Return the mean and the mean square at each place of a row, shape (2, n_values)."""
    n_values = train.images.layout.n_values
    # float32 is exact up to 2**24, more than the sum of so many squares of bytes
    step = min(max(CACHED_BYTES // n_values, 1), 256)
    # without rounding the order does not matter: a file is read from its front to its end
    index = torch.from_numpy(np.sort(train.index))
    sums = np.zeros((2, n_values))
    for part in index.split(step):
        values = train.images.rows_at(part).numpy().astype(np.float32)
        sums[0] += values.sum(0)
        sums[1] += np.square(values, out=values).sum(0)
    return sums / len(train)


def _moments(train: SampleSet) -> tuple[np.ndarray, np.ndarray]:
    """Return a value near the mean of each channel, and what is left of the moments about it.

    The mean and the mean square at each place of a row have shape (2, n_values).
    """
    layout = train.images.layout
    weights = np.ones(len(train)) if train.weights is None else train.weights
    step = max(CACHED_BYTES // layout.n_values, 1)
    index = torch.from_numpy(train.index)
    near_mean = _per_channel(_doubles(train.images, index[:step]).mean(0), layout)
    origin = _per_value(near_mean, layout)
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
    channel_axis = len(layout.spatial) if layout.channels == "last" else 0
    spatial_axes = tuple(axis for axis in range(len(layout.shape)) if axis != channel_axis)
    return values.reshape(layout.shape).mean(spatial_axes)


def _per_value(channels: np.ndarray, layout: InputLayout) -> np.ndarray:
    """Return one row of values with the number of its channel at each."""
    n_positions = layout.n_values // layout.n_channels
    if layout.channels == "last":
        return np.tile(channels, n_positions)
    return np.repeat(channels, n_positions)
