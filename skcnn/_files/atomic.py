"""Files that are replaced as a whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def is_special(path: Path) -> bool:
    """Return whether a path leads to a device or a pipe, which cannot be replaced by a file."""
    return path.exists() and not path.is_file()


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield the path of a new file that takes the place of `path` if the block ends well.

    The new file is in the same folder. It is on the disk before it takes the old one's place, so
    that a crash leaves either of them whole. A link stays, and the file that it leads to is
    replaced. Devices and pipes, such as /dev/stdout, are yielded themselves.
    """
    if is_special(path):
        yield path
        return
    path = path.resolve()
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    new = Path(name)
    try:
        yield new
        umask = os.umask(0)
        os.umask(umask)
        new.chmod(0o666 & ~umask)  # as of any new file
        _flush(new)
        new.replace(path)
        if hasattr(os, "O_DIRECTORY"):  # not on Windows, which opens no folders
            _flush(path.parent)
    finally:
        new.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
