"""Files of the same content."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable


def duplicates_of(paths: Iterable[str]) -> list[list[str]]:
    """Return groups of files whose bytes are equal, each in the order of `paths`.

    Files that cannot be read are in no group.
    """
    by_size: dict[int, list[str]] = defaultdict(list)
    for path in paths:
        try:
            by_size[os.stat(path).st_size].append(path)
        except OSError:
            continue
    groups: dict[tuple[int, bytes], list[str]] = defaultdict(list)
    for size, alike in by_size.items():
        for path in alike if len(alike) > 1 and size else ():
            try:
                groups[size, _digest(path)].append(path)
            except OSError:
                continue
    return [group for group in groups.values() if len(group) > 1]


def _digest(path: str) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
