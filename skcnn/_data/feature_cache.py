"""Features of samples that are kept between fits: in this process's memory, or in a folder.

Features are found by two keys: that of the network that computes them, and the hash of the sample.
"""

import hashlib
import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from skcnn._utils.validation import warn_caller

MEMORY_NAME = "memory"  # of the cache in memory, as a value of the parameter
MEMORY_BYTES = 2**30  # of all features in memory
KEY_BYTES = 16
MAGIC = b"skcnn features 1"  # of KEY_BYTES
NAME = "skcnn-features-{network}-{samples}.bin"
SUFFIX_BYTES = 12


class FeatureCache(Protocol):
    """Rows of features, float32."""

    def get(self, network: str, samples: Sequence[bytes], rows: np.ndarray) -> np.ndarray:
        """Copy what is kept to `rows`, and return the places of the others."""

    def put(self, network: str, samples: Sequence[bytes], rows: np.ndarray) -> None:
        """Keep rows, if there is room."""


def sample_keys(rows: np.ndarray) -> list[bytes]:
    """Return a key of each row: a hash of its dtype and bytes, without known collisions."""
    kind = rows.dtype.str.encode()
    return [_digest(kind, row) for row in np.ascontiguousarray(rows)]


def _digest(*parts: Any) -> bytes:
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    for part in parts:
        digest.update(part)
    return digest.digest()


def resolve_feature_cache(feature_cache: Any) -> FeatureCache | None:
    """Return the cache that the parameter names.

    Raises
    ------
    ValueError
        If the folder cannot be made.
    """
    if feature_cache is None:
        return None
    if feature_cache == MEMORY_NAME:
        return MEMORY
    return FolderFeatures(feature_cache)


class MemoryFeatures:
    """Features in this process's memory. The ones that were asked for last are kept.

    Parameters
    ----------
    most_bytes : int
        Largest size of all features.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._kept: OrderedDict[tuple[str, bytes], np.ndarray] = OrderedDict()
        self._n_bytes = 0
        self._lock = threading.Lock()

    def renew_lock(self) -> None:
        """Forget who holds the lock: in a forked process nobody does."""
        self._lock = threading.Lock()

    def get(self, network: str, samples: Sequence[bytes], rows: np.ndarray) -> np.ndarray:
        """Copy what is kept to `rows`, and return the places of the others."""
        missing = []
        with self._lock:
            for place, sample in enumerate(samples):
                kept = self._kept.get((network, sample))
                if kept is None:
                    missing.append(place)
                else:
                    rows[place] = kept
                    self._kept.move_to_end((network, sample))
        return np.array(missing, np.int64)

    def put(self, network: str, samples: Sequence[bytes], rows: np.ndarray) -> None:
        """Keep rows; those that were not asked for for the longest time make room."""
        with self._lock:
            for sample, row in zip(samples, rows, strict=True):
                before = self._kept.pop((network, sample), None)
                self._n_bytes -= 0 if before is None else before.nbytes
                self._kept[network, sample] = row.copy()
                self._n_bytes += row.nbytes
            while self._n_bytes > self.most_bytes:
                _, row = self._kept.popitem(last=False)
                self._n_bytes -= row.nbytes

    def clear(self) -> None:
        """Forget all features."""
        with self._lock:
            self._kept.clear()
            self._n_bytes = 0


MEMORY = MemoryFeatures(MEMORY_BYTES)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=MEMORY.renew_lock)


class FolderFeatures:
    """Features in the files of a folder, shared by all processes.

    Each call of `put` makes one file, which gets its name when it is whole. The names follow
    from the keys, so that processes that compute the same features write the same file. Each
    row has a checksum. A damaged file is removed with a warning, and its features are computed
    again. Numbers are little-endian::

        "skcnn features 1", n_rows, n_values (uint64)
        n_rows keys of samples, 16 bytes each
        checksum of all of the above, 16 bytes
        for each row: its checksum, 16 bytes, and n_values float32

    Parameters
    ----------
    folder : str or path-like
        It is made if it is missing.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                "The 'feature_cache' parameter must be None, 'memory' or a folder that exists or "
                f"can be made. Got {os.fspath(folder)!r}: {error.strerror}."
            ) from None
        self._writes = True
        self._known: set[str] = set()  # names of the files whose keys were read
        self._places: dict[tuple[str, bytes], tuple[Path, int]] = {}

    def get(self, network: str, samples: Sequence[bytes], rows: np.ndarray) -> np.ndarray:
        """Copy what is kept to `rows`, and return the places of the others."""
        self._find_files(network, rows.shape[1])
        missing = []
        with ExitStack() as stack:
            files: dict[Path, BinaryIO] = {}
            for place, sample in enumerate(samples):
                path, offset = self._places.get((network, sample), (None, 0))
                if path is not None:
                    try:
                        if path not in files:
                            files[path] = stack.enter_context(path.open("rb"))
                        rows[place] = _row_at(files[path], offset, sample, rows.shape[1])
                        continue
                    except (OSError, ValueError) as error:
                        self._remove(path, error)
                missing.append(place)
        return np.array(missing, np.int64)

    def _find_files(self, network: str, n_values: int) -> None:
        """Read the keys in the files that were not there before."""
        for path in sorted(self._folder.glob(NAME.format(network=network, samples="*"))):
            if path.name not in self._known:
                try:
                    places = _places_in(path, n_values)
                except (OSError, ValueError) as error:
                    self._remove(path, error)
                    continue
                self._known.add(path.name)
                for sample, offset in places.items():
                    self._places[network, sample] = path, offset

    def put(self, network: str, samples: Sequence[bytes], rows: np.ndarray) -> None:
        """Write rows to a file, unless writing has failed before."""
        if not self._writes:
            return
        name = NAME.format(network=network, samples=_digest(*samples).hex()[: 2 * SUFFIX_BYTES])
        rows = np.ascontiguousarray(rows, "<f4")
        head = MAGIC + np.array(rows.shape, "<u8").tobytes() + b"".join(samples)
        unfinished = None
        try:
            fd, unfinished = tempfile.mkstemp(".unfinished", "skcnn-", self._folder)
            with open(fd, "wb") as file:
                file.write(head + _digest(head))
                for sample, row in zip(samples, rows, strict=True):
                    file.write(_digest(sample, row))
                    file.write(row.data)
            os.replace(unfinished, self._folder / name)
        except OSError as error:
            self._writes = False
            if unfinished is not None:
                with suppress(OSError):
                    os.unlink(unfinished)
            warn_caller(
                f"Features are not kept in the folder {str(self._folder)!r} of 'feature_cache', "
                f"which cannot be written to: {error.strerror}.",
                UserWarning,
            )

    def _remove(self, path: Path, error: Exception) -> None:
        """Forget a file and delete it. It is no error if another process has done so.

        What cannot be deleted, such as a folder, is not read again.
        """
        self._known.discard(path.name)
        for key in [key for key, place in self._places.items() if place[0] == path]:
            del self._places[key]
        if isinstance(error, FileNotFoundError):
            return
        where = f"{path.name!r} in the folder {str(self._folder)!r} of 'feature_cache'"
        try:
            path.unlink(missing_ok=True)
        except OSError as refused:
            self._known.add(path.name)
            warn_caller(
                f"{where} is no file of features that can be read: {_cause(error)}. It could not "
                f"be removed: {_cause(refused)}. Remove it yourself; its features are computed "
                "again in each fit.",
                UserWarning,
            )
            return
        warn_caller(
            f"The file {where} is damaged: {_cause(error)}. It is removed, and its features are "
            "computed again.",
            UserWarning,
        )


def _cause(error: Exception) -> str:
    """Return what a message says of an error: without the path, which it names already."""
    return getattr(error, "strerror", None) or str(error)


def _places_in(path: Path, n_values: int) -> dict[bytes, int]:
    """Return where the row of each sample begins in a file.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    with path.open("rb") as file:
        start = file.read(KEY_BYTES + 16)
        if len(start) < KEY_BYTES + 16 or not start.startswith(MAGIC):
            raise ValueError("it does not begin as such files do")
        n_rows, n_found = np.frombuffer(start, "<u8", offset=KEY_BYTES).tolist()
        size = len(start) + (2 * n_rows + 1) * KEY_BYTES + n_rows * n_found * 4
        if n_found != n_values or os.fstat(file.fileno()).st_size != size:
            raise ValueError("its length is wrong")
        index = file.read(n_rows * KEY_BYTES)
        if _digest(start, index) != file.read(KEY_BYTES):
            raise ValueError("the checksum of its keys is wrong")
        return {
            index[i * KEY_BYTES : (i + 1) * KEY_BYTES]: file.tell() + i * (KEY_BYTES + n_values * 4)
            for i in range(n_rows)
        }


def _row_at(file: BinaryIO, offset: int, sample: bytes, n_values: int) -> np.ndarray:
    """Return the features of a sample, which begin with their checksum."""
    file.seek(offset)
    checksum, data = file.read(KEY_BYTES), file.read(n_values * 4)
    if _digest(sample, data) != checksum:
        raise ValueError("the checksum of a row is wrong")
    return np.frombuffer(data, "<f4")
