"""The image files of a folder: their classes and parts, their headers, and those unreadable."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skcnn._command_line.output import CommandError
from skcnn._data.image_files.headers import Header, read_header
from skcnn._data.image_files.pillow import MOST_PIXELS
from skcnn._data.image_files.pool import ReadingThreads
from skcnn._utils.text import plural
from skcnn.datasets._class_folders import EXTENSIONS, class_files, split_folders
from skcnn.exceptions import ImageFileError

MOST_SIZES = 3  # each with its number of files


@dataclass(frozen=True)
class Listed:
    """An image file of a folder.

    Attributes
    ----------
    path : str
        Its path.
    label : str
        Its class.
    part : str
        "train", "test", "val" or another name of a split; "" in a folder without splits.
    """

    path: str
    label: str
    part: str


def list_folder(folder: Path, follow_links: bool) -> list[Listed]:
    """Return all image files of a folder with class folders, sorted by part, class and name.

    Raises
    ------
    CommandError
        If there is no such folder.
    ImageFileError
        If no images are in class folders, or there are folders beside "train" and "test".
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise CommandError(f"FOLDER must be a folder of images, but {str(folder)!r} {what}.")
    parts = split_folders(str(folder))
    return [
        Listed(path, label, part)
        for part, inside in parts.items()
        for path, label in class_files(inside, EXTENSIONS, follow_links)
    ]


def headers_of(paths: Sequence[str]) -> tuple[dict[str, Header], dict[str, str]]:
    """Return the headers of the files that have one, and why the others have none."""

    def read(numbers: np.ndarray, _: slice) -> list[tuple[str, Header | str]]:
        found: list[tuple[str, Header | str]] = []
        for number in numbers.tolist():
            try:
                found.append((paths[number], read_header(paths[number], MOST_PIXELS)))
            except ImageFileError as error:
                found.append((paths[number], str(error)))
        return found

    with ReadingThreads() as threads:
        found = [each for part in threads.run(read, np.arange(len(paths))) for each in part]
    headers = {path: each for path, each in found if isinstance(each, Header)}
    return headers, {path: each for path, each in found if isinstance(each, str)}


def sizes_text(headers: Sequence[Header]) -> str:
    """Return the sizes of files in a line, the most frequent ones first."""
    counts = Counter((each.height, each.width) for each in headers)
    named = [
        f"{height} x {width} ({plural(n, 'file')})"
        for (height, width), n in counts.most_common(MOST_SIZES)
    ]
    if len(counts) <= MOST_SIZES:
        return ", ".join(named)
    small = min(counts, key=lambda size: size[0] * size[1])
    large = max(counts, key=lambda size: size[0] * size[1])
    ends = f"from {small[0]} x {small[1]} to {large[0]} x {large[1]}"
    return f"{len(counts)} sizes {ends}, most often {named[0]}"


def picture_files(arguments: Sequence[Path]) -> list[str]:
    """Return the files named, and all image files in the folders named and inside them.

    Raises
    ------
    CommandError
        If a folder has no image files.
    """
    files: list[str] = []
    for argument in arguments:
        if not argument.is_dir():
            files.append(str(argument))
            continue
        found = sorted(
            os.path.join(folder, name)
            for folder, _, names in os.walk(argument, onerror=_raise)
            for name in names
            if not name.startswith(".") and name.lower().endswith(EXTENSIONS)
        )
        if not found:
            raise CommandError(
                f"There are no image files in the folder {str(argument)!r}. Expected are files "
                f"with the extensions {', '.join(EXTENSIONS)}."
            )
        files += found
    return files


def _raise(error: OSError) -> None:
    raise error
