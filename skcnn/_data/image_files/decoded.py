"""The files behind an `ImageFiles` and all of its slices, and reading them in parts."""

import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import NamedTuple

import numpy as np

from skcnn._data.image_files.cache import MEMORY_BYTES, FolderCache, MemoryCache, RowCache
from skcnn._data.image_files.decoding import CHANNELS, Decoder
from skcnn._data.image_files.facts import FileFacts
from skcnn._data.image_files.identity import Identity, identity_of
from skcnn._data.image_files.pool import ReadingThreads
from skcnn._data.row_source import RowFacts
from skcnn.exceptions import ImageFileError

MOST_NAMED = 10  # files in a message
MOST_KEPT_FACTS = 4

# Facts of the files that this process read last, for copies of an ImageFiles: every task of a
# process for parallel work unpickles its own.
_recent_facts: OrderedDict[str, FileFacts] = OrderedDict()


class Failure(NamedTuple):
    """A file that cannot be read: its number and the reason."""

    number: int
    reason: str


@dataclass(frozen=True)
class CacheSettings:
    """Where decoded images are kept.

    Attributes
    ----------
    place : "memory", str or None
        Memory, a folder, or nowhere.
    most_bytes : int or None
        None for 1 GiB in memory, and no bound in a folder.
    """

    place: str | None
    most_bytes: int | None

    @property
    def folder(self) -> str | None:
        """The folder."""
        return None if self.place == "memory" else self.place


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
    caching : CacheSettings
        Where decoded images are kept.
    identity : Identity or None, default=None
        Of what these files are a part; None if they are the whole.
    """

    def __init__(
        self,
        names: list[str],
        folder: str,
        decoder: Decoder,
        caching: CacheSettings,
        identity: Identity | None = None,
    ) -> None:
        self.names = names
        self.folder = folder
        self.decoder = decoder
        self.caching = caching
        if identity is not None:
            self.identity = identity

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

    @cached_property
    def identity(self) -> Identity:
        """What makes these files the same as others."""
        return identity_of(map(self.path, range(len(self))), self.decoder)

    @cached_property
    def _cache(self) -> RowCache | None:
        """Where decoded images are kept, if anywhere. Its numbers are those of the identity."""
        place, most_bytes = self.caching.place, self.caching.most_bytes
        if place is None:
            return None
        _ = self.identity  # of the files as they are before the first is kept
        what = self.n_values, self.decoder.dtype
        if place == "memory":
            most_bytes = MEMORY_BYTES if most_bytes is None else most_bytes
            return MemoryCache(len(self), *what, most_bytes)
        try:
            return FolderCache(place, self.identity.key, self.identity.n_files, *what, most_bytes)
        except OSError as error:
            raise ImageFileError(
                f"The cache in the folder {place!r} cannot be opened: {error.strerror}."
            ) from error

    @cached_property
    def _facts(self) -> FileFacts:
        """What is known of the files. Its numbers are those of the identity."""
        key, _, n_files = self.identity
        facts = _recent_facts.pop(key, None)
        if facts is None:
            facts = FileFacts(n_files, self.sample_shape, self.decoder.dtype)
        _recent_facts[key] = facts
        while len(_recent_facts) > MOST_KEPT_FACTS:
            _recent_facts.popitem(last=False)
        return facts

    def _cached_as(self, numbers: np.ndarray) -> np.ndarray:
        """Return the numbers of files in the cache."""
        return numbers if self.caching.folder is None else self.identity.numbers[numbers]

    def cached(self, numbers: np.ndarray) -> np.ndarray | None:
        """Return the images of some files if all are in the cache, else None."""
        if self._cache is None or not self._cache.holds(self._cached_as(numbers)):
            return None
        rows = self.new_rows(len(numbers))
        missing = self._cache.get(self._cached_as(numbers), rows)
        return None if len(missing) else rows

    def expects_cached(self, numbers: np.ndarray) -> bool:
        """Return whether the images of some files are in the cache, which expects them then."""
        if self._cache is None or not self._cache.holds(self._cached_as(numbers)):
            return False
        self._cache.expect(self._cached_as(numbers))
        return True

    def fill(self, numbers: np.ndarray, rows: np.ndarray) -> list[Failure]:
        """Write the images of some files to `rows`, and return those that cannot be read."""
        if self._cache is None:
            return self._decode(numbers, rows)
        cached_as = self._cached_as(numbers)
        missing = self._cache.get(cached_as, rows)
        if len(missing) == 0:
            return []
        new = self.new_rows(len(missing))
        failures = self._decode(numbers[missing], new)
        rows[missing] = new
        good = ~np.isin(numbers[missing], [failure.number for failure in failures])
        self._cache.put(cached_as[missing][good], new[good])
        return failures

    def _decode(self, numbers: np.ndarray, rows: np.ndarray) -> list[Failure]:
        """Decode some files into `rows`, and return those that cannot be read."""
        failures = []
        shape, array = self.sample_shape, self.decoder.array
        for row, number in zip(rows, numbers.tolist(), strict=True):
            try:
                image = array(self.path(number))
                row.reshape(shape)[:] = image
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
        cached = self.cached(numbers)
        if cached is not None:
            return cached
        rows = self.new_rows(len(numbers))
        if len(numbers) == 1:  # in this thread: starting one takes as long as a small file
            self.check(self.fill(numbers, rows))
            return rows
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
        return self._facts.of(self.identity.numbers[numbers])

    def learn(self, numbers: np.ndarray, threads: ReadingThreads) -> list[Failure]:
        """Decode the files of which nothing is known, and return those that cannot be read."""

        def learn(some: np.ndarray, _: slice) -> list[Failure]:
            rows = self.new_rows(len(some))
            failures = self.fill(some, rows)
            if failures:
                good = ~np.isin(some, [failure.number for failure in failures])
                some, rows = some[good], rows[good]
            if len(some):
                self._facts.learn(self.identity.numbers[some], rows)
            return failures

        unknown = np.unique(numbers[~self._facts.known(self.identity.numbers[numbers])])
        _ = self._cache  # made here, and not by several threads at a time
        found = threads.run(learn, unknown)
        return [failure for each in found for failure in each]

    def check(self, failures: Iterable[Failure]) -> None:
        """Raise an error that names the files that cannot be read, if there are any."""
        found = dict(failures)  # a file may be read more than once
        named = [(self.names[number], reason) for number, reason in found.items()]
        if named:
            raise ImageFileError(failure_message(named))


def failure_message(failures: Sequence[tuple[str, str]]) -> str:
    """Return a message that names files and why they cannot be read."""
    first = "; ".join(f"{name!r}: {reason}" for name, reason in failures[:MOST_NAMED])
    more = f"; and {len(failures) - MOST_NAMED} more" if len(failures) > MOST_NAMED else ""
    n = f"{len(failures)} image file{'s' * (len(failures) > 1)}"
    return f"{n} cannot be read. {first}{more}."
