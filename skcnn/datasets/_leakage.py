"""A warning of images that have copies on the other side of a split."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from skcnn._data.image_files.image_files import ImageFiles
from skcnn._utils.validation import warn_caller
from skcnn.augmentation._augmented_array import originals
from skcnn.datasets._duplicates import sure_copies
from skcnn.exceptions import ImageFileError, LeakageWarning

MOST_SAMPLES = 20_000  # more are not looked at


class Leak(NamedTuple):
    """The split with the most copies on both of its sides.

    Attributes
    ----------
    split : int
        Its number.
    n_copies, n_tested : int
        How many of its test images are copies of training images, and how many there are.
    copy, original : int
        A test image, and the training image that it is a copy of.
    """

    split: int
    n_copies: int
    n_tested: int
    copy: int
    original: int


def warn_of_copies(X: Any, splits: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Warn if images of a test set have near-duplicates in its training set.

    `X` is looked at if it is ImageFiles or an array of bytes with three or four axes, and has at
    most 20,000 samples.

    Parameters
    ----------
    X : array-like
        The samples.
    splits : sequence of (train, test)
        Indices or masks.
    """
    images = originals(X)
    if not _has_pictures(images):
        return
    try:
        leak = worst_leak(images, splits)
    except ImageFileError:  # which the fits raise, if they read these files
        return
    if leak is None:
        return
    warn_caller(
        f"In split {leak.split}, {leak.n_copies} of {leak.n_tested} test images are copies of "
        f"training images, such as X[{leak.copy}] of X[{leak.original}]: scores are too good. "
        "skcnn.datasets.find_duplicates(X) finds copies: leave them out, or pass groups to a "
        "splitter that keeps them on one side.",
        LeakageWarning,
    )


def worst_leak(images: Any, splits: Sequence[tuple[np.ndarray, np.ndarray]]) -> Leak | None:
    """Return the split with the most copies, None if there are no copies or too many images.

    Copies are the same picture saved or resized again: thumbnails of 16 x 16 pixels have a
    correlation of at least 0.998 in all channels.

    Parameters
    ----------
    images : ImageFiles or ndarray of shape (n_samples, height, width[, n_channels])
        Images.
    splits : sequence of (train, test)
        Indices or masks.

    Raises
    ------
    ImageFileError
        If files cannot be read.
    """
    if not 1 < len(images) <= MOST_SAMPLES:
        return None
    _, second, _, group = sure_copies(images)
    groups = np.arange(len(images))
    groups[second] = group
    sides = [tuple(_indices(side, len(images)) for side in split) for split in splits]
    leaks = [test[np.isin(groups[test], groups[train])] for train, test in sides]
    # a sample that is itself on both sides is no copy
    leaks = [
        copies[~np.isin(copies, train)] for copies, (train, _) in zip(leaks, sides, strict=True)
    ]
    worst = int(np.argmax([len(copies) for copies in leaks]))
    if not len(leaks[worst]):
        return None
    (train, test), copy = sides[worst], leaks[worst][0]
    original = train[groups[train] == groups[copy]][0]
    return Leak(worst, len(leaks[worst]), len(test), int(copy), int(original))


def _has_pictures(images: Any) -> bool:
    """Return whether samples are surely images: floats of three axes may be signals."""
    if isinstance(images, ImageFiles):
        return True
    return isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.ndim in (3, 4)


def _indices(side: Any, n_samples: int) -> np.ndarray:
    side = np.asarray(side)
    return np.flatnonzero(side) if side.dtype == bool else side % n_samples
