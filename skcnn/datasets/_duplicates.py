"""find_duplicates: images that occur twice, exactly or nearly."""

import hashlib
import os
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import assert_all_finite

from skcnn._data.containers import as_array
from skcnn._data.hashing import value_hashes
from skcnn._data.image_files.decoding import Decoder
from skcnn._data.image_files.image_files import ImageFiles
from skcnn._data.image_files.pillow import MOST_PIXELS
from skcnn._utils.validation import check_option, is_integer
from skcnn.datasets._near_pairs import MOST_BITS, Links, linked
from skcnn.datasets._picture_hashes import HASHED_SIDE, correlations, pictures_of
from skcnn.exceptions import InputShapeError
from skcnn.preprocessing._image_sources import headers_of, in_rows

# Of sure copies: handwritten digits of different people reach a correlation of 0.997.
SURE_BITS, SURE_CORRELATION = 4, 0.998
LEAST_CORRELATION = 0.98  # of near-duplicates; others with similar hashes are mostly horizons


def find_duplicates(X: Any, *, method: str = "perceptual", threshold: int = 6) -> pd.DataFrame:
    """Return the images that are copies of others, exactly or nearly.

    Parameters
    ----------
    X : ImageFiles, array of shape (n_samples, height, width[, n_channels]) or sequence of paths
        Images.
    method : {"perceptual", "exact"}, default="perceptual"
        "exact" finds images with equal values after decoding. "perceptual" finds also copies that
        were resized, saved again, made brighter or darker, or grey.
    threshold : int, default=6
        For "perceptual": in how many of their 64 bits the hashes of near-duplicates may differ,
        from 0 to 11.

    Returns
    -------
    duplicates : DataFrame
        A row for each image that is a copy, with these columns of whole numbers. It is sorted by
        `group`, then by `second`.

        first : the number of an image, in the order of `X`
        second : the number of the image that is its copy
        distance : the number of bits in which their hashes differ, 0 for "exact"
        group : the smallest number in the group of images that are copies of each other

        Each image of a group but its smallest number is `second` once. So
        ``np.delete(X, duplicates["second"], axis=0)`` has one image of each group, and
        ``groups = np.arange(len(X)); groups[duplicates["second"]] = duplicates["group"]`` are
        groups for splitters, which keep copies on one side.

    Raises
    ------
    ImageFileError
        If files cannot be read. It names them.
    InputShapeError
        If `X` has no images.
    ValueError
        If a parameter is illegal.

    See Also
    --------
    skcnn.exceptions.LeakageWarning : What searches and comparisons say about copies.

    Notes
    -----
    The perceptual hash [1]_ says of 63 low frequencies of the grey image of 32 x 32 pixels (its
    discrete cosine transform) which are above their median. Pairs with similar hashes are found
    by parts of the hashes: the time grows with the number of images and of similar pairs, not
    with all pairs. They are near-duplicates if also the values of their grey images of 16 x 16
    pixels have a correlation of at least 0.98. A group is all images that are connected by such
    pairs.

    Images that are flipped, turned, cropped or shifted by much are not found. Grey is compared,
    so that images that differ in their hue alone are near-duplicates. Simple drawings that differ
    little, such as two handwritten ones, may be found; so may pictures of nothing but a horizon.
    Look at the pairs before you leave out any.

    Plain images, whose values span less than 2 % of the range, have no structure to compare:
    "perceptual" leaves them out, "exact" finds those that are equal.

    "perceptual" keeps about 300 bytes for each image. Files that are given as paths are compared
    as a whole, whatever their sizes; those of ImageFiles are compared as they are cropped.

    References
    ----------
    .. [1] C. Zauner, "Implementation and benchmarking of perceptual image hash functions",
       Upper Austria University of Applied Sciences, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.datasets import find_duplicates
    >>> rng = np.random.default_rng(0)
    >>> X = rng.integers(0, 200, (5, 20, 20), dtype=np.uint8)
    >>> X[3] = X[1] + 20  # brighter
    >>> find_duplicates(X)
       first  second  distance  group
    0      1       3         0      1
    >>> len(find_duplicates(X, method="exact"))
    0
    """
    check_option("method", method, ["perceptual", "exact"])
    if not is_integer(threshold) or not 0 <= threshold <= MOST_BITS:
        raise ValueError(
            f"The 'threshold' parameter must be an integer from 0 to {MOST_BITS}. Got "
            f"{threshold!r} instead."
        )
    images = _checked(X)
    if method == "exact":
        return _as_frame(exact_copies(images))
    if isinstance(images, list):
        images = ImageFiles(images, HASHED_SIDE, resize="stretch", cache=None)
    return _as_frame(near_copies(images, threshold, LEAST_CORRELATION))


def _as_frame(trees: tuple[np.ndarray, ...]) -> pd.DataFrame:
    return pd.DataFrame(dict(zip(["first", "second", "distance", "group"], trees, strict=True)))


def _checked(X: Any) -> Any:
    """Return ImageFiles, an array of images, or a list of paths."""
    if isinstance(X, ImageFiles):
        return X
    values = list(X) if isinstance(X, list | tuple) or getattr(X, "ndim", 0) == 1 else []
    if values and all(isinstance(each, str | os.PathLike) for each in values):
        return values
    array = np.asarray(as_array(X))
    if array.ndim not in (3, 4) or array.dtype.kind not in "buif" or min(array.shape) < 1:
        raise InputShapeError(
            "X must be ImageFiles, a sequence of paths, or an array of shape (n_samples, height, "
            f"width) or (n_samples, height, width, n_channels). Got an array of shape "
            f"{array.shape} and dtype {array.dtype}."
        )
    assert_all_finite(array, input_name="X")
    return array


def exact_copies(images: Any) -> tuple[np.ndarray, ...]:
    """Return the copies of equal values, as `Links.trees` returns them."""
    if isinstance(images, list):
        hashes = _file_hashes(images)
    elif isinstance(images, ImageFiles):
        hashes = images._facts().value_hashes
    else:
        hashes = value_hashes(images)
    links = Links(len(hashes))
    links.add(*_equal(hashes))
    return links.trees()


def _equal(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return links from the first row of each key to the others, of distance zero."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    second = np.arange(len(keys))
    first = first[inverse.reshape(-1)]
    copies = first < second
    return first[copies], second[copies], np.zeros(int(copies.sum()), np.int64)


def _file_hashes(paths: list[Any]) -> np.ndarray:
    """Return hashes of the shapes and values of files of any sizes and modes."""
    hashes = np.empty(len(paths), np.uint64)
    headers = headers_of(paths, MOST_PIXELS)

    def read(row: int) -> None:
        array = Decoder(headers[row].mode, None).array(paths[row])
        digest = hashlib.blake2b(f"{array.shape}{array.dtype}".encode(), digest_size=8)
        digest.update(array.tobytes())
        hashes[row] = np.frombuffer(digest.digest(), np.uint64)[0]

    in_rows(paths, read)
    return hashes


def near_copies(
    images: Any, threshold: int, least_correlation: float, coloured: bool = False
) -> tuple[np.ndarray, ...]:
    """Return the near-duplicates, as `Links.trees` returns them.

    Parameters
    ----------
    images : ImageFiles or ndarray
        Images.
    threshold : int
        Largest number of different bits.
    least_correlation : float
        Of the thumbnails.
    coloured : bool, default=False
        Whether the colours of the thumbnails are compared, not only their grey.
    """
    hashes, thumbnails, is_plain = pictures_of(images, coloured)
    links = Links(len(hashes))
    used = np.flatnonzero(~is_plain)
    first, second, distances = _equal(value_hashes(thumbnails)[used])
    links.add(used[first], used[second], distances)
    once = np.setdiff1d(used, used[second], assume_unique=True)  # of equal ones the first
    own_hashes, own_thumbnails = hashes[once], thumbnails[once]

    def confirm(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return correlations(own_thumbnails, first, second) >= least_correlation

    for first, second, distances in linked(own_hashes, threshold, confirm):
        links.add(once[first], once[second], distances)
    return links.trees()


def sure_copies(images: Any) -> tuple[np.ndarray, ...]:
    """Return near-duplicates by stricter bounds and in colour, as `Links.trees` returns them."""
    return near_copies(images, SURE_BITS, SURE_CORRELATION, coloured=True)
