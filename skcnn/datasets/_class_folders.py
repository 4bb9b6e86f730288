"""The files in a folder with one folder for each class, and the splits beside each other."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skcnn._utils.validation import did_you_mean
from skcnn.exceptions import ImageFileError, SoundFileError

EXTENSIONS = (
    *(".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    *(".ppm", ".pgm", ".pbm"),
)
SPLITS = ("train", "test", "val", "valid", "validation")
MOST_NAMED = 5


@dataclass(frozen=True)
class Kind:
    """What the messages say about the files.

    Attributes
    ----------
    noun : str
        What a file is.
    example : str
        The name of one.
    elsewhere : str
        What to do about files that are in no class folder.
    error : type of Exception
        What is raised.
    """

    noun: str
    example: str
    elsewhere: str
    error: type[Exception]


IMAGES = Kind("image file", "1.jpg", ", or use load_image_table or ImageFiles", ImageFileError)
SOUNDS = Kind("sound file", "1.wav", "", SoundFileError)


def check_folder(path: Any, kind: Kind = IMAGES) -> str:
    """Return the path of an existing folder.

    Raises
    ------
    TypeError
        If it is no path.
    ImageFileError or SoundFileError
        If there is no such folder.
    """
    if not isinstance(path, str | bytes | os.PathLike):
        raise TypeError(f"The 'path' parameter must be a path: str or pathlib.Path. Got {path!r}.")
    name = os.fsdecode(path)
    if not os.path.isdir(name):
        what = "is a file" if os.path.exists(name) else "does not exist"
        raise kind.error(f"The 'path' parameter must be a folder, but {name!r} {what}.")
    return name


def check_extensions(extensions: Any) -> tuple[str, ...]:
    """Return the parameter `extensions` in lower case.

    Raises
    ------
    ValueError
        If it is not a sequence of texts that begin with a dot.
    """
    given = extensions if isinstance(extensions, list | tuple | set | frozenset) else ()
    if not given or not all(isinstance(each, str) and each[:1] == "." for each in given):
        raise ValueError(
            "The 'extensions' parameter must be a sequence of extensions such as ('.jpg', "
            f"'.png'). Got {extensions!r} instead."
        )
    return tuple(each.lower() for each in given)


def split_folders(path: str, kind: Kind = IMAGES) -> dict[str, str]:
    """Return the folders that hold class folders, by the part of the data: ``{"": path}`` for one.

    A folder of "train" and of one or more other splits has parts.

    Raises
    ------
    ImageFileError or SoundFileError
        If there are other folders beside the parts: their files would be left out, or the parts
        would become classes.
    """
    inside = [entry.name for entry in _entries(path, kind) if entry.is_dir() and _is_shown(entry)]
    splits = [name for name in SPLITS if name in inside]
    if "train" not in splits or len(splits) == 1:
        return {"": path}
    if len(splits) < len(inside):
        other = min({*inside} - {*splits})
        raise kind.error(
            f"{path!r} has the folders {' and '.join(map(repr, splits))}, and {other!r} beside "
            "them. If they are parts of the data, move the other folders away; if they are "
            "classes, rename them."
        )
    return {name: os.path.join(path, name) for name in splits}


def check_subset(subset: str | None, splits: dict[str, str], path: str) -> list[str]:
    """Return the folders of a subset, for `splits` as `split_folders` returns them.

    Raises
    ------
    ValueError
        If `subset` is needed and not given, or there is no such folder.
    """
    if "" in splits:
        if subset is None:
            return [path]
        raise ValueError(
            "The 'subset' parameter is for folders that contain 'train' and 'test', 'val', 'valid' "
            f"or 'validation'. Got subset={subset!r}, but {path!r} is a folder of classes."
        )
    options = [*splits, "all"]
    if subset not in options:
        raise ValueError(
            f"{path!r} has the folders {_listed([*splits])}: the 'subset' parameter must be one of "
            f"{options}. Got {subset!r} instead.{did_you_mean(subset, options)}"
        )
    return [*splits.values()] if subset == "all" else [splits[subset]]


def class_files(
    folder: str, extensions: Sequence[str], follow_links: bool, kind: Kind = IMAGES
) -> list[tuple[str, str]]:
    """Return the paths of all files in class folders, each with its class.

    The class is the path of a file's folder, with "/" between its parts. Paths are sorted by
    class, then by name. Files and folders whose name begins with a dot, and files with other
    extensions, do not count.

    Raises
    ------
    ImageFileError or SoundFileError
        If there are none, if files lie beside the class folders, if a folder cannot be
        read, or if a link leads out of the folder and `follow_links` is False.
    """
    walk = _Walk(folder, extensions, follow_links, kind)
    found = sorted(walk.files(folder, "", ()), key=lambda each: (each[1], each[0]))
    loose = [path for path, label in found if not label]
    if loose:
        raise kind.error(
            f"{len(loose)} {kind.noun}{'s' * (len(loose) > 1)} in {folder!r}, such as "
            f"{os.path.basename(loose[0])!r}, lie in no class folder. Move each class into a "
            f"folder with its name{kind.elsewhere}."
        )
    if not found:
        others = sorted(walk.other_extensions)
        example = os.path.join(folder, "cat", kind.example)
        seen = f" It has files with the extensions {_listed(others)}." if others else ""
        raise kind.error(
            f"There are no {kind.noun}s in folders of {folder!r}. Expected are files such as "
            f"{example!r} with the extensions {_listed(extensions)}."
            f"{seen}"
        )
    return found


class _Walk:
    """Finds files in a folder and the folders inside it.

    Parameters
    ----------
    root : str
        The folder.
    extensions : sequence of str
        In lower case.
    follow_links : bool
        Whether links may lead out of the folder.
    kind : Kind
        What the files are.

    Attributes
    ----------
    other_extensions : set of str
        Those of other files.
    """

    def __init__(
        self, root: str, extensions: Sequence[str], follow_links: bool, kind: Kind
    ) -> None:
        self.root = os.path.realpath(root)
        self.extensions = {*extensions}
        self.follow_links = follow_links
        self.kind = kind
        self.other_extensions: set[str] = set()

    def files(
        self, folder: str, label: str, above: tuple[tuple[int, int], ...]
    ) -> Iterator[tuple[str, str]]:
        """Yield the files in `folder`, whose class is `label`, and in the folders inside.

        `above` are the folders around it: a link to one of them is a loop, and is left out.
        """
        status = os.stat(folder)
        here = (status.st_dev, status.st_ino)
        if here in above:
            return
        for entry in _entries(folder, self.kind):
            if not _is_shown(entry):
                continue
            if entry.is_symlink():
                self._check_link(entry.path)
            if entry.is_dir():
                inner = f"{label}/{entry.name}" if label else entry.name
                yield from self.files(entry.path, inner, (*above, here))
                continue
            extension = Path(entry.name).suffix.lower()
            if extension in self.extensions:
                yield entry.path, label
            else:
                self.other_extensions.add(extension or entry.name)

    def _check_link(self, path: str) -> None:
        target = os.path.realpath(path)
        is_inside = f"{target}{os.sep}".startswith(os.path.join(self.root, ""))
        if not is_inside and not self.follow_links:
            raise self.kind.error(
                f"{path!r} is a link out of the folder, to {target!r}. Links are followed with "
                "follow_links=True."
            )


def _entries(folder: str, kind: Kind) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise kind.error(f"The folder {folder!r} cannot be read: {error.strerror}.") from error


def _is_shown(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and entry.name != "__MACOSX"


def _listed(names: Sequence[str]) -> str:
    """Return names for a message."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(repr, names[:MOST_NAMED])) + more if names else "none"
