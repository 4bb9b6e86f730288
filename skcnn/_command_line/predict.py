"""``skcnn predict``: a table of classes and probabilities for image files."""

import argparse
import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from skcnn._command_line.folders import picture_files
from skcnn._command_line.image_model import ImageModel, load_model
from skcnn._command_line.output import (
    FOUND,
    OK,
    check_output,
    complain_of_files,
    say,
)
from skcnn._files.atomic import replaced
from skcnn._utils.progress import FileProgress
from skcnn._utils.text import plural

DESCRIPTION = """\
Predict the classes of image files with a model of skcnn train. The result is a CSV table with the
columns path, prediction, and probability_CLASS for each class, in the order of the files given;
those of a folder are sorted by path. Files that cannot be read have empty cells, are named on the
standard error, and make the exit status 1. Model files hold no code."""
AT_ONCE = 256  # images in memory
DIGITS = ".6g"


def add_predict(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "predict",
        parents=[common],
        help="predict the classes of image files, as a CSV table",
        description=DESCRIPTION,
        epilog="example:\n  skcnn predict photos.safetensors new_photos --output predictions.csv",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="a file of skcnn train")
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE|FOLDER", help="images, or folders of images"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="the CSV file (default: standard output)"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress bar")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Predict and write the table; return the exit status."""
    if options.output is not None:
        check_output(options.output, "--output")
    model = load_model(options.model)
    paths = picture_files(options.files)
    show = options.output is not None and not options.quiet
    with _opened(options.output) as stream, FileProgress(show, len(paths)) as progress:
        failures = _write(model, paths, stream, progress)
    if options.output is not None:
        done = len(paths) - sum(path in failures for path in paths)
        say(f"Predictions for {plural(done, 'image')}: {options.output}")
    if failures:
        complain_of_files(failures, "have no prediction")
        return FOUND
    return OK


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    """Yield the stream that the table is written to.

    Names of files that are no valid text keep their bytes.
    """
    if output is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="surrogateescape")
        yield sys.stdout
        sys.stdout.flush()
        return
    with (
        replaced(output) as new,
        open(new, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream,
    ):
        yield stream


def _write(
    model: ImageModel, paths: list[str], stream: TextIO, progress: FileProgress
) -> dict[str, str]:
    """Write the table, and return the files that cannot be read."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["path", "prediction", *(f"probability_{name}" for name in model.classes)])
    failures: dict[str, str] = {}
    for start in range(0, len(paths), AT_ONCE):
        some = paths[start : start + AT_ONCE]
        probabilities, broken = model.predict_proba(some)
        failures |= broken
        for path, row in zip(some, probabilities, strict=True):
            writer.writerow([path, *_cells(model.classes, row)])
        progress.advance(len(some))
    return failures


def _cells(classes: list[str], probabilities: np.ndarray) -> list[str]:
    """Return the prediction and the probabilities as text, empty ones where they are NaN."""
    if np.isnan(probabilities).any():
        return [""] * (1 + len(classes))
    best = classes[int(probabilities.argmax())]
    return [best, *(format(float(value), DIGITS) for value in probabilities)]
