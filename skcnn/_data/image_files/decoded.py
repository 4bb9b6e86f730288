"""The files behind an `ImageFiles` and all of its slices, and reading them in parts."""

import os
from collections.abc import Iterable, Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from skcnn._data.image_files.decoding import CHANNELS, Decoder
from skcnn._data.image_files.facts import FileFacts
from skcnn._data.image_files.pool import ReadingThreads
from skcnn._data.row_source import RowFacts
from skcnn.exceptions import ImageFileError

MOST_NAMED = 10  # files in a message


class Failure(NamedTuple):
    """A file that cannot be read: its number and the reason."""

    number: int
    reason: str


class DecodedFiles:
    """Files as rows of decoded values.

    Parameters
    ----------
    names : list of str
        Paths, as they were given.
    folder : str
        The current folder at that time, to which relative paths refer.
    decoder : Decoder
        With a size.
    """

    def __init__(self, names: list[str], folder: str, decoder: Decoder) -> None:
        self.names = names
        self.folder = folder
        self.decoder = decoder
        self._facts = FileFacts(len(names), self.sample_shape, decoder.dtype)

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

    def facts_of(self, numbers: np.ndarray, threads: ReadingThreads) -> RowFacts:
        """Return what is known of files, after decoding those of which nothing is known.

        Raises
        ------
        ImageFileError
            If some cannot be read; it names all of them.
        """
        self.check(self.learn(numbers, threads))
        return self._facts.of(numbers)

    def learn(self, numbers: np.ndarray, threads: ReadingThreads) -> list[Failure]:
        """Decode the files of which nothing is known, and return those that cannot be read."""

        def learn(some: np.ndarray, _: slice) -> list[Failure]:
            rows = self.new_rows(len(some))
            failures = self.fill(some, rows)
            if failures:
                good = ~np.isin(some, [failure.number for failure in failures])
                some, rows = some[good], rows[good]
            if len(some):
                self._facts.learn(some, rows)
            return failures

        found = threads.run(learn, self._facts.missing(numbers))
        return [failure for each in found for failure in each]

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
