"""What a command prints: lines, warnings and errors, and the errors that end a command."""

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from skcnn._files.atomic import is_special
from skcnn._utils.text import plural, printable

OK, FOUND, USAGE, INTERRUPTED = 0, 1, 2, 130  # exit statuses
MOST_NAMED = 20  # files in a list


class CommandError(Exception):
    """A command cannot be carried out; its message is for the user."""

    status = FOUND


class UsageError(CommandError):
    """The options contradict each other or the folder."""

    status = USAGE


def say(line: str = "") -> None:
    """Print a line, which appears at once also in a file."""
    print(printable(line), flush=True)


def complain(line: str) -> None:
    """Print a line among the errors."""
    print(f"skcnn: {printable(line)}", file=sys.stderr, flush=True)


def complain_of_files(failures: dict[str, str], what: str) -> None:
    """Print files that cannot be read, with the reasons."""
    complain(f"{plural(len(failures), 'file')} cannot be read and {what}:")
    for path, reason in [*failures.items()][:MOST_NAMED]:
        complain(f"  {path}: {reason}")
    if len(failures) > MOST_NAMED:
        complain(f"  and {len(failures) - MOST_NAMED} more; skcnn inspect names all of a folder")


def print_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table, its first column on the left and the others on the right."""
    lines = [[printable(str(cell)) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for first, *others in lines:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        say("  " + "  ".join([first.ljust(widths[0]), *cells]).rstrip())


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Print warnings for users as a line each, without the place in the code."""

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        text = " ".join(str(message).split())
        complain(f"warning: {text}")

    with warnings.catch_warnings():
        warnings.filterwarnings("default", category=UserWarning)
        warnings.showwarning = show  # restored with the filters
        yield


def check_output(path: Path, option: str, *, force: bool = True) -> None:
    """Raise an error if a file cannot be written, before the work that leads to it.

    Raises
    ------
    CommandError
        If there is no such folder, it cannot be written to, or the file exists and must not be
        replaced.
    """
    if path.is_dir():
        raise CommandError(f"{option}: {str(path)!r} is a folder. Name a file.")
    special = is_special(path)
    folder = (path.resolve() if path.is_symlink() else path).parent
    if not special and not folder.is_dir():
        raise CommandError(f"{option}: the folder {str(folder)!r} does not exist.")
    if special and not os.access(path, os.W_OK):
        raise CommandError(f"{option}: {str(path)!r} cannot be written to.")
    if not special and not os.access(folder, os.W_OK):
        raise CommandError(f"{option}: the folder {str(folder)!r} cannot be written to.")
    if path.exists() and not force:
        raise CommandError(f"{option}: {str(path)!r} exists. --force replaces it.")
