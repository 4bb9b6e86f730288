"""Files that are replaced as a whole or not at all."""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_LETTERS = 40  # of the name in that of the new file: names have at most 255 bytes


def is_special(path: Path) -> bool:
    """Return whether a path leads to a device or a pipe, which cannot be replaced by a file."""
    return path.exists() and not path.is_file()


@contextmanager
def replaced(path: Path, new_name: str | None = None) -> Iterator[Path]:
    """Yield the path of a new file that takes the place of `path` if the block ends well.

    The new file is in the same folder. It is on the disk before it takes the old one's place, so
    that a crash leaves either of them whole. It has the permissions of the old one, or those of
    any new file. A link stays, and the file that it leads to is replaced. Devices and pipes, such
    as /dev/stdout, are yielded themselves.

    Parameters
    ----------
    path : Path
        The file.
    new_name : str or None, default=None
        The name of the new file, for a caller that nobody else can be: what a killed process has
        left there is replaced. None makes a name that no file has.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    """
    if is_special(path):
        yield path
        return
    path = path.resolve()
    if not path.parent.exists():  # else the message would name the new file
        raise FileNotFoundError(errno.ENOENT, "There is no such folder", str(path.parent))
    new = _new_file(path, new_name)
    try:
        yield new
        _flush(new)
        new.chmod(_mode_of(path))  # after what needs to write: an old file may be read-only
        new.replace(path)
        if hasattr(os, "O_DIRECTORY"):  # not on Windows, which opens no folders
            _flush(path.parent)
    finally:
        new.unlink(missing_ok=True)


def _new_file(path: Path, name: str | None) -> Path:
    """Make an empty file in the folder of `path`, which only its owner can read."""
    if name is None:
        handle, made = tempfile.mkstemp(prefix=f".{path.name[:MOST_LETTERS]}.", dir=path.parent)
        new = Path(made)
    else:
        new = path.with_name(name)
        new.unlink(missing_ok=True)
        handle = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    os.close(handle)
    return new


def _mode_of(path: Path) -> int:
    """Return the permissions of a file, those of any new file if there is none."""
    if path.exists():
        return stat.S_IMODE(path.stat().st_mode) & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _flush(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
