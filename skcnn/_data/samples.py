"""Training samples with their targets and weights, in an order that depends on content alone.

Repeated samples are merged into one with their summed weight, so that a sample's weight means
its repetition and the order of the rows does not change the result.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from skcnn._data.hashing import image_hashes, value_hashes
from skcnn._data.images import Images, chunk_rows


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
        Class codes (int64), indicators (uint8) or standardised numbers (float32).
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
        """Return the same samples with other weights, scaled to a mean of one."""
        if weights is not None:
            weights = weights / weights.mean()
            if np.allclose(weights, 1.0, rtol=1e-12):
                weights = None
        return replace(self, weights=weights)


def canonical_order(
    images: Images, targets: np.ndarray, weights: np.ndarray | None, merge: bool = True
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the rows to train on in content order, and their weights.

    Rows of weight zero are left out. With `merge`, rows equal in `images` and `targets`
    become one row with the summed weight.

    Returns
    -------
    index : ndarray of shape (n_distinct,)
    weights : ndarray of shape (n_distinct,) or None
        None where all weights are one.
    """

    def finer(rows: np.ndarray) -> Sequence[np.ndarray]:
        # The order of different images does not depend on the units of the targets. Rows that
        # are not merged are also ordered by weight, so that their order in the input is no key.
        by_target = value_hashes(targets[rows])
        return (by_target,) if merge or weights is None else (weights[rows], by_target)

    hashes = image_hashes(images)
    keep = None if weights is None else np.flatnonzero(weights)
    order = _sorted_by(hashes, keep, finer)
    if not merge:
        return order, None if weights is None else weights[order]
    same = _equals_predecessor(images, targets, hashes[order], order)
    if weights is None and not same.any():
        return order, None
    firsts = np.flatnonzero(~same)
    each = np.ones(len(order)) if weights is None else weights[order]
    return order[firsts], np.add.reduceat(each, firsts)


def repetitions(samples: SampleSet) -> np.ndarray:
    """Return whether each sample, in content order, has the image of the one before it."""
    hashes = image_hashes(samples.images)[samples.index]
    return _equals_predecessor(samples.images, None, hashes, samples.index)


def _sorted_by(
    hashes: np.ndarray,
    keep: np.ndarray | None,
    finer: Callable[[np.ndarray], Sequence[np.ndarray]],
) -> np.ndarray:
    """Return the rows of `keep` (None: all) by hash, then by the keys ``finer(rows)``.

    The last key comes first, as in `numpy.lexsort`. Keys are only computed for equal hashes.
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
    images: Images, targets: np.ndarray | None, hashes: np.ndarray, order: np.ndarray
) -> np.ndarray:
    """Return whether each row in `order` repeats the row before it, value for value.

    `hashes` are those of the images, in that order. With `targets`, they must be equal too.
    """
    index = torch.from_numpy(order)
    same = np.zeros(len(order), bool)
    candidates = np.flatnonzero(hashes[1:] == hashes[:-1]) + 1
    step = chunk_rows(images.layout.n_values)
    for start in range(0, len(candidates), step):
        part = candidates[start : start + step]
        here, before = images.rows_at(index[part]), images.rows_at(index[part - 1])
        equal = here == before
        if images.layout.masks and images.dtype.is_floating_point:
            equal |= here.isnan() & before.isnan()
        same[part] = equal.all(dim=1).numpy()
        if targets is not None:
            alike = targets[order[part]] == targets[order[part - 1]]
            same[part] &= alike.reshape(len(part), -1).all(axis=1)
    return same
