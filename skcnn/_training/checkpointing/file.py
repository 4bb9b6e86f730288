"""CheckpointFile: the file of one fit, which no other fit uses at the same time."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from skcnn._files.atomic import is_special
from skcnn._files.container import read_container, write_container
from skcnn._utils.interrupts import deferred_interrupts
from skcnn.exceptions import CheckpointError, ModelFileError

FORMAT_VERSION = 1
KIND = "checkpoint of a fit"
KEYS = {"kind", "format_version", "fingerprint", "environment", "seed", "start", "over", "state"}
MOST_SIBLINGS = 1000
LONGEST_NAME = 200  # in bytes; file systems take 255, and names of clones and locks are longer
WAY_OUT = "Delete the file, or give the parameter 'checkpoint' another path"


def check_place(path: Any) -> Path:
    """Return the parameter `checkpoint` as an absolute path of a file.

    Raises
    ------
    CheckpointError
        If there is no such folder, or the path is no file.
    """
    wanted = "The 'checkpoint' parameter must be None or the path of a file in a folder that exists"
    if os.fspath(path) == "":
        raise CheckpointError(f"{wanted}. Got ''.")
    text = os.fspath(path)
    if "\0" in text or text.endswith(os.sep):
        raise CheckpointError(f"{wanted}. Got {text!r}, which is no name of a file.")
    place = Path(os.path.realpath(path))  # the file that a link leads to: the link stays
    if len(os.fsencode(place.name)) > LONGEST_NAME:
        raise CheckpointError(
            f"{wanted}. Got a name of more than {LONGEST_NAME} bytes: {place.name[:40]!r}..."
        )
    if not place.parent.is_dir():
        raise CheckpointError(f"{wanted}. Got {os.fspath(path)!r}: there is no {place.parent}.")
    if place.is_dir() or is_special(place):
        raise CheckpointError(f"{wanted}. Got {os.fspath(path)!r}, which is no file.")
    return place


class CheckpointFile:
    """The file of one fit. While it is open, no other fit can open it.

    A lock says so, which ends with its process.

    Parameters
    ----------
    path : Path
        The file, absolute.

    Raises
    ------
    filelock.Timeout
        If another fit has opened it.
    OSError
        If the folder cannot be written into.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        lock = path.with_name(f".{path.name}.skcnn-lock")
        if lock.is_file() and lock.stat().st_size > 0:  # it would be emptied
            raise FileExistsError(
                errno.EEXIST, "There is a file that is no lock of skcnn", str(lock)
            )
        self._lock = FileLock(lock, timeout=0)
        with deferred_interrupts():  # or a lock could stay that nobody knows
            self._lock.acquire()
        self._new_name = f".{path.name}.new"
        with suppress(OSError):  # of a process that was killed while it wrote
            path.with_name(self._new_name).unlink(missing_ok=True)

    def read(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """Return manifest and arrays, None if there is no file.

        Raises
        ------
        CheckpointError
            If it is no checkpoint of this version of the format.
        """
        try:
            manifest, arrays = read_container(self.path)
        except FileNotFoundError:
            return None
        except (ModelFileError, OSError) as error:
            raise self.error(f"cannot be read as a checkpoint: {error}") from error
        if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
            raise self.error("is no checkpoint of a fit, but another file of skcnn")
        if manifest.get("format_version") != FORMAT_VERSION:
            version = str(manifest.get("format_version"))[:20]
            raise self.error(
                f"has the format version {version}; this version of skcnn reads {FORMAT_VERSION}"
            )
        if manifest.keys() != KEYS:
            raise self.error("has a damaged manifest")
        return manifest, arrays

    def write(self, manifest: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Replace the file as a whole or not at all."""
        about = {"kind": KIND, "format_version": FORMAT_VERSION}
        write_container(self.path, about | manifest, arrays, self._new_name)

    def remove(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)

    def error(self, what: str) -> CheckpointError:
        """Return an error that names the file and the way out."""
        return CheckpointError(f"The file {str(self.path)!r} {what}. {WAY_OUT}.")

    def close(self) -> None:
        """Let other fits use the file."""
        with deferred_interrupts():
            with suppress(OSError):  # Windows deletes no open file
                os.unlink(self._lock.lock_file)
            self._lock.release()


@contextmanager
def opened_file(path: Path, shared_name: str | None) -> Iterator[CheckpointFile]:
    """Open the file of a fit.

    Parameters
    ----------
    path : Path
        The path that the user has given, absolute.
    shared_name : str or None
        What is added to the name, for a fit of a clone: fits that differ have different ones. Fits
        that do not, and run at the same time, get numbers. None takes the path itself.

    Raises
    ------
    CheckpointError
        If another fit uses the file, or its folder cannot be written into.
    """
    file = _open_path(path) if shared_name is None else _open_sibling(path, shared_name)
    if file is None:
        raise CheckpointError(
            f"Another fit that is running uses the checkpoint {str(path)!r}. Wait for its end, or "
            "give the parameter 'checkpoint' another path."
        )
    try:
        yield file
    finally:
        file.close()


def _open_path(path: Path) -> CheckpointFile | None:
    try:
        return CheckpointFile(path)
    except Timeout:
        return None
    except OSError as error:
        raise CheckpointError(
            f"The checkpoint {str(path)!r} cannot be written: {error}. Give the parameter "
            "'checkpoint' a path in a folder that can be written into."
        ) from error


def _open_sibling(path: Path, name: str) -> CheckpointFile | None:
    """Open the first file of a killed fit that nobody uses, or a new one."""
    names = [f"{path.stem}-{name}{path.suffix}"]
    names += [f"{path.stem}-{name}-{n}{path.suffix}" for n in range(2, MOST_SIBLINGS)]
    siblings = [path.with_name(each) for each in names]
    left = [each for each in siblings[:1] if each.exists()]
    left += sorted(each for each in path.parent.glob(f"*-{name}-*") if each in siblings)
    for sibling in [*left, *siblings]:
        file = _open_path(sibling)
        if file is not None:
            return file
    return None
