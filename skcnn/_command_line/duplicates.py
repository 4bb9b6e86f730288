"""Files whose images are copies of each other."""

from collections import defaultdict
from collections.abc import Sequence

from skcnn._data.image_files.image_files import ImageFiles
from skcnn.datasets._duplicates import exact_copies, sure_copies
from skcnn.datasets._picture_hashes import HASHED_SIDE


def groups_of_copies(paths: Sequence[str], exact: bool) -> list[list[str]]:
    """Return groups of files with the same image, each in the order of `paths`.

    Parameters
    ----------
    paths : sequence of str
        Files that can be read.
    exact : bool
        Whether values are equal after decoding. Otherwise also the same picture that was saved or
        resized again, by the bounds of `skcnn.exceptions.LeakageWarning`.
    """
    if len(paths) < 2:
        return []
    if exact:
        trees = exact_copies([*paths])
    else:
        trees = sure_copies(ImageFiles([*paths], HASHED_SIDE, resize="stretch", cache=None))
    groups: dict[int, list[str]] = defaultdict(list)
    for second, group in zip(trees[1].tolist(), trees[3].tolist(), strict=True):
        if not groups[group]:
            groups[group].append(paths[group])
        groups[group].append(paths[second])
    return list(groups.values())
