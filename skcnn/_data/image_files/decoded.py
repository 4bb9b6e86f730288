"""The files behind an `ImageFiles` and all of its slices, and reading them in parts."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np

from skcnn._data.image_files.decoding import CHANNELS, Decoder
from skcnn._data.image_files.pool import ReadingThreads
from skcnn.exceptions import ImageFileError

MOST_NAMED = 10  # files in a message


class Failure(NamedTuple):
    """A file that cannot be read: its number and the reason."""

    number: int
    reason: str


@dataclass(frozen=True, eq=False)
class DecodedFiles:
    """Files as rows of decoded values.

    Attributes
    ----------
    names : list of str
        Paths, as they were given.
    folder : str
        The current folder at that time, to which relative paths refer.
    decoder : Decoder
        With a size.
    """

    names: list[str]
    folder: str
    decoder: Decoder

    def __len__(self) -> int:
        return len(self.names)

    @property
    def sample_shape(self) -> tuple[int, int, int]:
        """Height, width and number of channels."""
        assert self.decoder.size is not None
        height, width = self.decoder.size
        return height, width, CHANNELS[self.decoder.mode]

    @property
    def n_values(self) -> int:
        """The number of values of an image."""
        return prod(self.sample_shape)

    def path(self, number: int) -> str:
        """Return a path that does not depend on the current folder."""
        return os.path.join(self.folder, self.names[number])

    def new_rows(self, n: int) -> np.ndarray:
        """Return memory for `n` rows."""
        return np.empty((n, self.n_values), self.decoder.dtype)

    def fill(self, numbers: np.ndarray, rows: np.ndarray) -> list[Failure]:
        """Write the images of some files to `rows`, and return those that cannot be read."""
        failures = []
        shape, array, flat = self.sample_shape, self.decoder.array, rows.reshape(len(rows), -1)
        for row, number in zip(flat, numbers.tolist(), strict=True):
            try:
                image = array(self.path(number))
                if image.shape != shape:  # of files without a size to be brought to
                    raise ImageFileError(
                        f"it has the shape {image.shape}, but its header said {shape}"
                    )
                row[:] = image.ravel()
            except ImageFileError as error:
                failures.append(Failure(number, str(error)))
        return failures

    def read(self, numbers: np.ndarray, threads: ReadingThreads) -> np.ndarray:
        """Return the images of some files as rows.

        Raises
        ------
        ImageFileError
            If some cannot be read; it names them.
        """
        rows = self.new_rows(len(numbers))
        found = threads.run(lambda some, part: self.fill(some, rows[part]), numbers)
        self.check(failure for each in found for failure in each)
        return rows

    def check(self, failures: Iterable[Failure]) -> None:
        """Raise an error that names the files that cannot be read, if there are any."""
        named = [(self.names[number], reason) for number, reason in failures]
        if named:
            raise ImageFileError(failure_message(named))


def failure_message(failures: Sequence[tuple[str, str]]) -> str:
    """Return a message that names files and why they cannot be read."""
    first = "; ".join(f"{name!r}: {reason}" for name, reason in failures[:MOST_NAMED])
    more = f"; and {len(failures) - MOST_NAMED} more" if len(failures) > MOST_NAMED else ""
    n = f"{len(failures)} image file{'s' * (len(failures) > 1)}"
    return f"{n} cannot be read. {first}{more}."
