"""Images in any form, one by one: paths, encoded bytes, PIL images and arrays."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skcnn._data.image_files.decoding import CHANNELS, Decoder
from skcnn._data.image_files.headers import Header, header_of, read_header
from skcnn._data.image_files.image_files import ImageFiles
from skcnn._data.image_files.pillow import pillow, reason_of
from skcnn._data.image_files.pool import ReadingThreads
from skcnn.exceptions import ImageFileError, InputShapeError

MOST_NAMED = 10  # rows in a message
PATH, ENCODED = (str, os.PathLike), (bytes, bytearray, memoryview)


def sources_of(X: Any, folder: Any = None) -> list[Any]:
    """Return the images of `X` one by one, not decoded.

    Parameters
    ----------
    X : array-like of images
        A sequence, Series or array of shape (n_samples,) or (n_samples, 1), a DataFrame of one
        column, ImageFiles, or an array of images.
    folder : str, path-like or None, default=None
        Where relative paths begin.

    Returns
    -------
    list
        Paths, encoded bytes, PIL images and arrays.

    Raises
    ------
    TypeError
        If `X` is a single image, or bytes of a fixed length, which lose zeros at the end.
    InputShapeError
        If `X` has several columns, or numbers that are no images.
    ValueError
        If `X` has no samples.
    ImageFileError
        If entries are missing; it names their rows.
    """
    sources = _entries(X)
    if not sources:
        raise ValueError(
            "X must have at least one image: a minimum of 1 is required. Found array with 0 "
            "sample(s)."
        )
    missing = [(row, "it is missing") for row, source in enumerate(sources) if _is_missing(source)]
    check_rows(sources, missing)
    if folder is None:
        return sources
    return [os.path.join(folder, each) if isinstance(each, PATH) else each for each in sources]


def _entries(X: Any) -> list[Any]:
    if X is None or isinstance(X, (*PATH, *ENCODED)) or hasattr(X, "getbands"):
        raise TypeError(
            "X must be a sequence, a column or an array of images: paths, encoded bytes, PIL "
            f"images or arrays. Got a single {type(X).__name__}: write [x] for one image."
        )
    if isinstance(X, ImageFiles):
        return [X._files.path(number) for number in X._numbers.tolist()]
    if hasattr(X, "columns"):
        if X.shape[1] != 1:
            raise _several_columns(f"the columns {[str(name) for name in X.columns]}")
        return list(np.asarray(X[X.columns[0]], dtype=object))
    if isinstance(X, list | tuple):
        return list(X)
    array = np.asarray(X) if hasattr(X, "__array__") else None
    if array is None or array.ndim == 0:
        raise TypeError(
            "X must be a sequence, a column or an array of images: paths, encoded bytes, PIL "
            f"images or arrays. Got {type(X).__name__}."
        )
    if array.dtype.kind == "S":
        raise TypeError(
            f"X has the dtype {array.dtype}, which drops zeros at the end of bytes. Pass a list, "
            "or an array of dtype object."
        )
    if array.dtype.kind in "OU" and array.ndim == 2:
        if array.shape[1] != 1:
            raise _several_columns(f"{array.shape[1]} columns")
        array = array[:, 0]
    if array.dtype.kind not in "OU" and array.ndim < 3:
        raise InputShapeError(
            f"X has the shape {array.shape} and numbers of dtype {array.dtype}, which are no "
            "images. Expected are paths, encoded bytes, PIL images, or arrays of shape (n_samples, "
            "height, width) or (n_samples, height, width, n_channels)."
        )
    return list(array)


def _several_columns(what: str) -> InputShapeError:
    return InputShapeError(
        f"X has {what}, but images are in one column. Select it, such as by "
        "ColumnTransformer([('image', LoadImages(...), ['path'])])."
    )


def _is_missing(source: Any) -> bool:
    is_nan = isinstance(source, float) and np.isnan(source)
    return is_nan or source is None or source is pd.NA or source is pd.NaT


def all_paths(sources: Sequence[Any]) -> bool:
    """Return whether all images are in files."""
    return all(isinstance(source, PATH) for source in sources)


def check_existence(paths: Sequence[Any]) -> None:
    """Raise an error that names the rows of files that do not exist, if there are any."""
    gone = [row for row, path in enumerate(paths) if not os.path.exists(path)]
    check_rows(paths, [(row, "there is no such file") for row in gone])


def headers_of(sources: Sequence[Any], most_pixels: int) -> list[Header]:
    """Return the height, width and mode of each image, without decoding it.

    Raises
    ------
    ImageFileError
        If some cannot be read; it names their rows.
    """
    headers: list[Any] = [None] * len(sources)

    def read(row: int) -> None:
        if _is_encoded(sources[row]):
            headers[row] = read_header(sources[row], most_pixels)
            return
        headers[row] = header_of(_as_picture(sources[row]))

    in_rows(sources, read)
    return headers


def decoded(sources: Sequence[Any], decoder: Decoder) -> np.ndarray:
    """Return all images as one array of shape (n_samples, height, width, n_channels).

    Raises
    ------
    ImageFileError
        If some cannot be read; it names their rows.
    """
    assert decoder.size is not None
    images = np.empty((len(sources), *decoder.size, CHANNELS[decoder.mode]), decoder.dtype)

    def decode(row: int) -> None:
        source = sources[row]
        images[row] = decoder.array(source if _is_encoded(source) else _as_picture(source))

    in_rows(sources, decode)
    return images


def _is_encoded(source: Any) -> bool:
    return isinstance(source, PATH + ENCODED)


def in_rows(sources: Sequence[Any], function: Callable[[int], None]) -> None:
    """Call a function with the row of each image, in threads where it is encoded.

    Raises
    ------
    ImageFileError
        If it raises that for some images; it names their rows.
    """

    def call(rows: np.ndarray, _: slice) -> list[tuple[int, str]]:
        failures = []
        for row in rows.tolist():
            try:
                function(row)
            except ImageFileError as error:
                failures.append((row, str(error)))
        return failures

    encoded = np.array([_is_encoded(source) for source in sources])
    # PIL images are not read in threads: one of them may occur twice
    failures = call(np.flatnonzero(~encoded), slice(None))
    with ReadingThreads() as threads:
        for found in threads.run(call, np.flatnonzero(encoded)):
            failures += found
    check_rows(sources, sorted(failures))


def _as_picture(source: Any) -> Any:
    """Return a copy of a PIL image, or an array as one.

    Raises
    ------
    ImageFileError
        If it cannot be read, or is neither; the message is the reason.
    """
    if hasattr(source, "getbands"):
        try:
            return source.copy()  # decoding at a fraction of the size would change the user's
        except Exception as error:  # Pillow's plugins raise all kinds for damaged files
            raise ImageFileError(reason_of(error)) from error
    if not hasattr(source, "__array__"):
        raise ImageFileError(f"it is no image but {source!r:.60}")
    array = np.asarray(source)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    grey = array.ndim == 2 and array.dtype in (np.uint8, np.uint16)
    coloured = array.ndim == 3 and array.shape[2] in (3, 4) and array.dtype == np.uint8
    if not (grey or coloured) or min(array.shape) < 1:
        raise ImageFileError(
            f"it is an array of shape {array.shape} and dtype {array.dtype}, but images are "
            "(height, width) or (height, width, 1, 3 or 4) of uint8, or grey of uint16. "
            "ResizeImages takes other arrays"
        )
    return pillow().Image.fromarray(np.ascontiguousarray(array))


def check_rows(sources: Sequence[Any], failures: Sequence[tuple[int, str]]) -> None:
    """Raise an error that names the rows of images that cannot be read, if there are any."""
    if not failures:
        return
    first = "; ".join(
        f"row {row}{_named(sources[row])}: {reason}" for row, reason in failures[:MOST_NAMED]
    )
    more = f"; and {len(failures) - MOST_NAMED} more" if len(failures) > MOST_NAMED else ""
    n = f"{len(failures)} image{'s' * (len(failures) > 1)}"
    raise ImageFileError(f"{n} of {len(sources)} cannot be read: {first}{more}.")


def _named(source: Any) -> str:
    return f" ({os.fspath(source)!r})" if isinstance(source, PATH) else ""
