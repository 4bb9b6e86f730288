"""The content of a model file: a fitted classifier and how images are read for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline

import skcnn
from skcnn._command_line.output import CommandError
from skcnn._data.image_files.headers import Header, common_mode
from skcnn._data.image_files.image_files import ImageFiles
from skcnn.exceptions import ImageFileError, ModelFileError
from skcnn.persistence._save_load import read_model, write_model
from skcnn.preprocessing._load_images import LoadImages

LARGEST_SIDE = 96  # without --size; training on a CPU takes minutes and not hours
LARGEST_BYTES = 2**28  # of images that are decoded once and kept in memory


@dataclass(frozen=True)
class Reading:
    """How image files become the images that a classifier reads.

    Attributes
    ----------
    size : (int, int)
        Height and width.
    mode : {"RGB", "L", "RGBA", "I;16"}
        The channels.
    resize : {"crop", "pad", "stretch"}
        How images of another shape are brought to the size.
    """

    size: tuple[int, int]
    mode: str
    resize: str

    def files(self, paths: Sequence[str], cache: str | None = None) -> ImageFiles:
        """Return files, not decoded yet."""
        return ImageFiles(paths, self.size, mode=self.mode, resize=self.resize, cache=cache)

    def read(self, paths: Sequence[str]) -> tuple[Any, np.ndarray, dict[str, str]]:
        """Return the images that can be read, and why the others cannot.

        Parameters
        ----------
        paths : sequence of str
            Files.

        Returns
        -------
        images : ndarray or ImageFiles of shape (n_kept, height, width, n_channels)
            Decoded if they are not too many.
        kept : ndarray of shape (n_kept,)
            Their numbers in `paths`.
        failures : dict of str to str
            Paths of the others and the reasons.
        """
        files = self.files(paths)
        if files.nbytes <= LARGEST_BYTES:
            try:
                return files.to_numpy(), np.arange(len(files)), {}
            except ImageFileError:  # the others are read below
                pass
        else:
            files = self.files(paths, "memory")  # keeps as many as there is space for
        failures = files.unreadable()
        kept = np.array([n for n, path in enumerate(paths) if path not in failures], np.intp)
        images = files[kept]
        if images.nbytes <= LARGEST_BYTES:
            return images.to_numpy(), kept, failures
        return images, kept, failures


def reading_of(
    headers: Sequence[Header], size: tuple[int, int] | None, mode: str, resize: str
) -> Reading:
    """Return how files with these headers are read, unless options say it.

    Files of one size keep their shape, and the longer side becomes 96 pixels at most. Files of
    several sizes become squares, whose side is the median of the shorter sides, 96 at most.
    """
    if mode == "auto":
        mode = common_mode(headers)
    return Reading(size or _usual_size(headers), mode, resize)


def _usual_size(headers: Sequence[Header]) -> tuple[int, int]:
    sizes = {(each.height, each.width) for each in headers}
    if len(sizes) == 1:
        height, width = sizes.pop()
        scale = min(1.0, LARGEST_SIDE / max(height, width))
        return max(round(scale * height), 1), max(round(scale * width), 1)
    side = int(np.median([min(each.height, each.width) for each in headers]))
    return min(side, LARGEST_SIDE), min(side, LARGEST_SIDE)


@dataclass(frozen=True)
class ImageModel:
    """A fitted classifier of images, and how image files are read for it.

    Attributes
    ----------
    classifier : ConvNetClassifier
        The classifier, fitted on images as `reading` reads them.
    reading : Reading
        Size, mode and way of resizing.
    command : str
        The command that made it.
    version : str
        The version of skcnn that made it.
    """

    classifier: Any
    reading: Reading
    command: str = ""
    version: str = field(default_factory=lambda: skcnn.__version__)

    @property
    def classes(self) -> list[str]:
        """The names of the classes, in the order of the probabilities."""
        return [str(label) for label in self.classifier.classes_]

    def predict_proba(self, paths: Sequence[str]) -> tuple[np.ndarray, dict[str, str]]:
        """Return the probabilities of the classes for image files.

        Parameters
        ----------
        paths : sequence of str
            Files.

        Returns
        -------
        probabilities : ndarray of shape (n_files, n_classes)
            NaN for files that cannot be read.
        failures : dict of str to str
            The paths of these files and the reasons.
        """
        images, kept, failures = self.reading.read(paths)
        probabilities = np.full((len(paths), len(self.classes)), np.nan)
        if len(kept):
            probabilities[kept] = self.classifier.predict_proba(images)
        return probabilities, failures


def save_model(model: ImageModel, path: Path) -> None:
    """Write a model to a file, which is replaced as a whole.

    `skcnn.load` returns it as a Pipeline that takes paths.
    """
    reading = model.reading
    load = LoadImages(reading.size, mode=reading.mode, resize=reading.resize)
    load.fit([np.zeros((1, 1), np.uint8)])  # learns nothing: size and mode are given
    about = {"command": model.command, "version": model.version}
    write_model(make_pipeline(load, model.classifier), path, about)


def load_model(path: Path) -> ImageModel:
    """Read a model from a file. No code of the file is run.

    Raises
    ------
    CommandError
        If there is no such file, or it does not hold a model of ``skcnn train``.
    """
    if not path.is_file():
        raise CommandError(f"There is no model file {str(path)!r}.")
    try:
        model, about = read_model(path)
    except OSError as error:
        raise CommandError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    except ModelFileError as error:
        raise CommandError(str(error)) from error
    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else []
    if len(steps) != 2 or not isinstance(steps[0], LoadImages) or "command" not in about:
        raise CommandError(
            f"{str(path)!r} holds a {type(model).__name__}, not a model that skcnn train wrote."
        )
    load, classifier = steps
    reading = Reading(load.image_shape_[:2], load.mode_, load.resize)
    return ImageModel(classifier, reading, str(about["command"]), str(about.get("version")))
