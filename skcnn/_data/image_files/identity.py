"""What makes files and their settings the same: a key that changes with their content."""

import hashlib
import os
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from skcnn._data.image_files.decoding import Decoder
from skcnn._data.image_files.pillow import pillow

VERSION = 1  # of decoding: another number makes new keys
KEY_LENGTH = 32


class Identity(NamedTuple):
    """Files as a part of a whole.

    Attributes
    ----------
    key : str
        Of the whole.
    numbers : ndarray of shape (n_files,)
        The number of each file in the whole.
    n_files : int
        The number of files in the whole.
    """

    key: str
    numbers: np.ndarray
    n_files: int

    def part(self, rows: np.ndarray) -> "Identity":
        """Return the identity of some of the files."""
        return self._replace(numbers=self.numbers[rows])


def identity_of(paths: Iterable[str], decoder: Decoder) -> Identity:
    """Return the identity of all files, by their paths, sizes and times of change."""
    settings = (VERSION, pillow().Image.__version__, decoder)
    digest = hashlib.sha256(repr(settings).encode())
    n_files = 0
    for path in paths:
        n_files += 1
        try:
            status = os.stat(path)
            state = f"{status.st_size} {status.st_mtime_ns}"
        except (OSError, ValueError):  # or no legal path
            state = "missing"
        digest.update(f"\0{path}\0{state}".encode("utf-8", "surrogateescape"))
    return Identity(digest.hexdigest()[:KEY_LENGTH], np.arange(n_files), n_files)
