"""Checks of the parameters of `ImageFiles`, and of its files as far as their headers tell."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from skcnn._data.image_files.cache import AUTO_BYTES
from skcnn._data.image_files.decoded import CacheSettings, Failure, failure_message
from skcnn._data.image_files.headers import Header, read_header
from skcnn._data.image_files.pool import ReadingThreads
from skcnn._utils.validation import is_integer, warn_caller
from skcnn.exceptions import ImageFileError, SkippedFilesWarning


def check_size(size: Any) -> tuple[int, int] | None:
    """Return the parameter `size` as height and width, or None.

    Raises
    ------
    ValueError
        If it is not a positive integer, a pair of them or None.
    """
    if size is None:
        return None
    sides = (size, size) if is_integer(size) else size
    legal = isinstance(sides, tuple | list) and len(sides) == 2
    if not legal or not all(is_integer(side) and side >= 1 for side in sides):
        raise ValueError(
            "The 'size' parameter must be an integer >= 1, a pair (height, width) of them, or "
            f"None. Got {size!r} instead."
        )
    return int(sides[0]), int(sides[1])


def check_cache(cache: Any, cache_size: int | None, n_bytes: int) -> CacheSettings:
    """Return the parameter `cache` for images of `n_bytes`; a folder is made.

    Raises
    ------
    ValueError
        If it is nothing legal, or the folder cannot be made.
    """
    if cache is None or (isinstance(cache, str) and cache == "memory"):
        return CacheSettings(cache, cache_size)
    if isinstance(cache, str) and cache == "auto":
        return CacheSettings("memory" if n_bytes <= AUTO_BYTES else None, cache_size)
    if not isinstance(cache, str | os.PathLike):
        raise ValueError(
            "The 'cache' parameter must be 'auto', 'memory', None or the path of a folder. Got "
            f"{cache!r} instead."
        )
    if not hasattr(os, "preadv"):
        raise ValueError(
            "The 'cache' parameter can be a folder only where Python has os.preadv, as on Linux "
            f"and macOS. Got {os.fspath(cache)!r}: take 'memory' or None instead."
        )
    try:
        os.makedirs(cache, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"The 'cache' parameter is the folder {os.fspath(cache)!r}, which cannot be made: "
            f"{error.strerror}."
        ) from error
    return CacheSettings(os.path.abspath(cache), cache_size)


def check_paths(paths: Any) -> list[str]:
    """Return paths as strings.

    Raises
    ------
    ValueError
        If there are none.
    TypeError
        If `paths` is a single path, has no order or several columns, or an entry is no path.
    """
    if isinstance(paths, set | frozenset) or getattr(paths, "ndim", 1) != 1:
        raise TypeError(
            "The 'paths' parameter must be a sequence of paths: a list, or one column of a table. "
            f"Got {type(paths).__name__}."
        )
    if isinstance(paths, str | bytes | os.PathLike) or not hasattr(paths, "__len__"):
        raise TypeError(
            f"The 'paths' parameter must be a sequence of paths. Got {paths!r}: write [path] for a "
            "single file, and load_image_folder(path) for a folder."
        )
    names = []
    for number, path in enumerate(paths):
        if not isinstance(path, str | bytes | os.PathLike):
            raise TypeError(
                f"The 'paths' parameter must hold paths: str or pathlib.Path. Entry {number} is "
                f"{path!r}."
            )
        names.append(os.fsdecode(path))
    if not names:
        raise ValueError("The 'paths' parameter must hold at least one path. Got none.")
    return names


def check_count(name: str, value: Any) -> None:
    """Raise ValueError if a parameter is not a positive integer."""
    if not is_integer(value) or value < 1:
        raise ValueError(f"The {name!r} parameter must be an integer >= 1. Got {value!r} instead.")


def read_headers(
    names: list[str], folder: str, most_pixels: int
) -> tuple[list[Header], list[Failure]]:
    """Return the headers of the files that can be read, and the others."""

    def read(numbers: np.ndarray, _: slice) -> list[Header | Failure]:
        found: list[Header | Failure] = []
        for number in numbers.tolist():
            try:
                found.append(read_header(os.path.join(folder, names[number]), most_pixels))
            except ImageFileError as error:
                found.append(Failure(number, str(error)))
        return found

    with ReadingThreads() as threads:
        found = [each for part in threads.run(read, np.arange(len(names))) for each in part]
    headers = [each for each in found if isinstance(each, Header)]
    return headers, [each for each in found if isinstance(each, Failure)]


def without_failures(
    numbers: np.ndarray, failures: Sequence[Failure], names: Sequence[str], on_error: str
) -> np.ndarray:
    """Return the numbers of the files that can be read; warn of the others, or raise an error.

    Raises
    ------
    ImageFileError
        If there are others and ``on_error="raise"``, or none can be read.
    """
    if not failures:
        return numbers
    message = failure_message([(names[number], reason) for number, reason in failures])
    if len(failures) == len(numbers):
        raise ImageFileError(f"None of the files can be read: {message}")
    if on_error == "raise":
        raise ImageFileError(f"{message} on_error='skip' leaves such files out.")
    warn_caller(f"Left out: {message}", SkippedFilesWarning)
    return np.setdiff1d(numbers, [failure.number for failure in failures], assume_unique=True)
