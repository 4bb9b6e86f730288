"""The images of a folder for training: read once, with classes, parts and splits."""

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedKFold, train_test_split

from skcnn._command_line.folders import Listed, headers_of, list_folder, sizes_text
from skcnn._command_line.image_model import Reading, reading_of
from skcnn._command_line.output import CommandError, UsageError
from skcnn._utils.text import plural
from skcnn.exceptions import ImageFileError

HELD_OUT = 0.2  # of the images of a class, without a test folder
SEARCH_FOLDS = 3

Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class TrainingData:
    """The images of a folder that can be read.

    Attributes
    ----------
    images : ndarray or ImageFiles of shape (n_images, height, width, n_channels)
        The images.
    labels : ndarray of shape (n_images,), dtype str
        Their classes.
    paths : list of str
        Their files.
    parts : ndarray of shape (n_images,), dtype str
        "train", "test" or "val"; "" in a folder without splits.
    reading : Reading
        How they were read.
    failures : dict of str to str
        Files that cannot be read, and why.
    sizes : str
        The sizes of the files in words.
    """

    images: Any
    labels: np.ndarray
    paths: list[str]
    parts: np.ndarray
    reading: Reading
    failures: dict[str, str]
    sizes: str

    @property
    def tested_part(self) -> str | None:
        """The part whose images are scored, None in a folder without splits."""
        known = {*self.parts.tolist()} - {"", "train"}
        if not known:
            return None
        return "test" if "test" in known else sorted(known)[0]

    @property
    def validation_part(self) -> str | None:
        """The part on which each epoch is validated, None without one."""
        known = sorted({*self.parts.tolist()} - {"", "train", self.tested_part})
        return known[0] if known else None

    def rows_of(self, part: str | None) -> np.ndarray:
        """Return the rows of a part; those of None are the rows for training."""
        if part is None:
            return np.flatnonzero(np.isin(self.parts, ["", "train"]))
        return np.flatnonzero(self.parts == part)


def read_folder(options: argparse.Namespace) -> TrainingData:
    """Return the images of ``options.folder``, without those that cannot be read.

    Raises
    ------
    ImageFileError
        If there are no images in class folders, or none can be read.
    CommandError
        If there are too few classes, or too few images of a class.
    """
    listed = list_folder(Path(options.folder), options.follow_links)
    headers, failures = headers_of([each.path for each in listed])
    listed = [each for each in listed if each.path in headers]
    if not listed:
        raise _none_readable(failures)
    known = [headers[each.path] for each in listed if each.part in ("", "train")]
    if not known:
        raise CommandError("No image of the folder 'train' can be read. skcnn inspect says why.")
    reading = reading_of(known, options.size, options.mode, options.resize)
    images, kept, broken = reading.read([each.path for each in listed])
    if not len(kept):
        raise _none_readable(failures | broken)
    data = TrainingData(
        images,
        np.array([listed[row].label for row in kept.tolist()]),
        [listed[row].path for row in kept.tolist()],
        np.array([listed[row].part for row in kept.tolist()]),
        reading,
        failures | broken,
        sizes_text(known),
    )
    _check_classes(data, listed)
    return data


def _none_readable(failures: dict[str, str]) -> ImageFileError:
    path, reason = next(iter(failures.items()))
    return ImageFileError(
        f"None of the {plural(len(failures), 'image file')} can be read. The first is {path!r}: "
        f"{reason}."
    )


def _check_classes(data: TrainingData, listed: list[Listed]) -> None:
    """Raise an error if there is nothing to learn, or a class has no images to learn from."""
    rows = data.rows_of(None)
    counts = Counter(data.labels[rows].tolist())
    for label in sorted({each.label for each in listed if each.part in ("", "train")}):
        if label not in counts:
            raise CommandError(f"No image of the class {label!r} can be read.")
    if len(counts) < 2:
        raise CommandError(
            f"A classifier needs two or more classes. All {len(rows)} images for training are in "
            f"the class folder {next(iter(counts))!r}."
        )
    unknown = sorted({*data.labels.tolist()} - {*counts})
    if unknown:
        raise CommandError(
            f"The class {unknown[0]!r} has images for the score, but none in train/."
        )
    least = min(counts, key=lambda label: counts[label])
    if data.tested_part is None and counts[least] < 2:
        raise CommandError(
            f"The class {least!r} has one image: at least two are needed, one to train on and one "
            "to score."
        )


def make_splits(
    data: TrainingData, cv: int | None, search: int | None, seed: int
) -> tuple[list[Split], str]:
    """Return the rows for training and for the score, and which the latter are in words.

    Raises
    ------
    UsageError
        If the folder has images for the score, and `cv` is given without a search.
    CommandError
        If a class has fewer images than there are folds.
    """
    rows = data.rows_of(None)
    labels = data.labels[rows]
    if data.tested_part is not None:
        if cv is not None and search is None:
            raise UsageError(
                f"The folder has {data.tested_part}/, whose images are scored: --cv is for folders "
                "without it, or for the folds of --search."
            )
        tested = data.rows_of(data.tested_part)
        return [(rows, tested)], f"the {plural(len(tested), 'image')} of {data.tested_part}/"
    if cv is not None and search is None:
        check_folds(labels, cv, "--cv")
        folds = StratifiedKFold(cv, shuffle=True, random_state=seed).split(rows, labels)
        splits = [(rows[train], rows[test]) for train, test in folds]
        return splits, f"all {plural(len(rows), 'image')}, in {cv} folds"
    n_classes = len(np.unique(labels))
    n_held_out = max(round(HELD_OUT * len(rows)), n_classes)
    train, test = train_test_split(rows, test_size=n_held_out, stratify=labels, random_state=seed)
    return [(np.sort(train), np.sort(test))], f"{plural(len(test), 'held-out image')}"


def check_folds(labels: np.ndarray, n_folds: int, option: str) -> None:
    """Raise an error if a class has fewer images than there are folds."""
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < n_folds:
        raise CommandError(
            f"{option}: {n_folds} folds need {n_folds} images of each class, and the class "
            f"{str(classes[counts.argmin()])!r} has {plural(int(counts.min()), 'image')}."
        )


def search_folds(labels: np.ndarray, cv: int | None, seed: int) -> StratifiedKFold:
    """Return the folds in which the trials of a search are scored."""
    n_folds = SEARCH_FOLDS if cv is None else cv
    check_folds(labels, n_folds, "--search" if cv is None else "--cv")
    return StratifiedKFold(n_folds, shuffle=True, random_state=seed)
