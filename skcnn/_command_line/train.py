"""``skcnn train``: from a folder of images to a model file, a score and a report."""

import argparse
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from skcnn._command_line.image_model import save_model
from skcnn._command_line.networks import add_network_options, make_network, positive
from skcnn._command_line.output import (
    OK,
    UsageError,
    check_output,
    complain,
    complain_of_files,
    print_table,
    say,
)
from skcnn._command_line.training import Trained, mean_scores, score_text, train
from skcnn._command_line.training_data import (
    Split,
    TrainingData,
    make_splits,
    read_folder,
)
from skcnn._data.image_files.decoding import CHANNELS, RESIZE
from skcnn._files.atomic import replaced
from skcnn._report.baselines import NETWORK
from skcnn._utils.text import plural
from skcnn.datasets._leakage import worst_leak

DESCRIPTION = """\
Train a classifier on a folder with one folder of images for each class, score it on images that
it was not trained on, and write it to a file. Folders train/ and test/ (val/, valid/,
validation/) with class folders inside are recognised. Without test/ a fifth of the images is held
out for the score, or all are scored in folds with --cv."""
EXAMPLES = """\
examples:
  skcnn train photos --model photos.safetensors --report photos.html
  skcnn train photos --model photos.safetensors --size 128 --augment flip --cv 5"""


def add_train(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "train",
        parents=[common],
        help="train a classifier on a folder of images",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="FOLDER", help="a folder of class folders")
    parser.add_argument(
        "--model", type=Path, required=True, metavar="FILE", help="where the model is written"
    )
    parser.add_argument("--force", action="store_true", help="replace the model file if it exists")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="write a report, one HTML file with pictures"
    )
    parser.add_argument(
        "--cv",
        type=folds,
        metavar="K",
        help="score all images in K folds, then train on all; with --search, its folds (3)",
    )
    parser.add_argument(
        "--search",
        type=positive,
        metavar="N",
        help="search network and training in N trials, by cross-validation on the training images",
    )
    parser.add_argument("--seed", type=seed, default=0, help="of all random draws (default: 0)")
    parser.add_argument(
        "--jobs", type=jobs, metavar="N", help="processes for folds and trials, -1 for all cores"
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="keep the state of unfinished trainings in files beside this one, once a minute, from "
        "which the same command goes on after it was killed",
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress bars")
    add_reading_options(parser)
    add_network_options(parser)
    parser.set_defaults(run=run)


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how images are read."""
    group = parser.add_argument_group("images")
    group.add_argument(
        "--size",
        type=size,
        metavar="N",
        help="height and width in pixels, or HEIGHTxWIDTH (default: that of the files, the longer "
        "side at most 96; for several sizes the median of their shorter sides, at most 96)",
    )
    group.add_argument(
        "--resize",
        choices=RESIZE,
        default="crop",
        help="how images of another shape are brought to the size (default: crop)",
    )
    group.add_argument(
        "--mode",
        choices=[*CHANNELS, "auto"],
        default="auto",
        help="colours, grey, colours with alpha, or grey of 16 bits (default: what the files have "
        "in common, else RGB)",
    )
    group.add_argument(
        "--follow-links", action="store_true", help="follow links that lead out of the folder"
    )


def size(words: str) -> tuple[int, int]:
    """Return the value of ``--size``."""
    sides = words.lower().split("x")
    if len(sides) > 2 or not all(side.isascii() and side.isdigit() and int(side) for side in sides):
        raise argparse.ArgumentTypeError(
            f"must be a number of pixels such as 96, or HEIGHTxWIDTH such as 96x128, got {words!r}"
        )
    return int(sides[0]), int(sides[-1])


def folds(words: str) -> int:
    """Return the value of ``--cv``."""
    value = positive(words)
    if value < 2:
        raise argparse.ArgumentTypeError(f"must be an integer >= 2, got {words!r}")
    return value


def jobs(words: str) -> int:
    """Return the value of ``--jobs``."""
    return -1 if words == "-1" else positive(words)


def seed(words: str) -> int:
    """Return the value of ``--seed``."""
    if not (words.isascii() and words.isdigit() and int(words) < 2**32):
        raise argparse.ArgumentTypeError(f"must be an integer from 0 to 2**32 - 1, got {words!r}")
    return int(words)


def run(options: argparse.Namespace) -> int:
    """Train, print, and write the files; return the exit status."""
    check_output(options.model, "--model", force=options.force)
    if options.checkpoint is not None:
        check_output(options.checkpoint, "--checkpoint")
    if options.report is not None:
        from skcnn._plotting.axes import standard_style

        check_output(options.report, "--report")
        if options.report.resolve() == options.model.resolve():
            raise UsageError("--model and --report name the same file.")
        with standard_style():  # raises here, before the training, if matplotlib is missing
            pass
    network = make_network(options)
    data = read_folder(options)
    if data.failures:
        complain_of_files(data.failures, "left out")
    _print_data(data, options)
    splits, scored = make_splits(data, options.cv, options.search, options.seed)
    _warn_of_copies(data, splits)
    trained = train(data, splits, scored, network, options)
    _print_augmentation(trained)
    _print_scores(trained, data)
    save_model(trained.model, options.model)
    say(f"Model: {options.model}")
    if options.report is not None:
        from skcnn._command_line.report import training_report

        with replaced(options.report) as new:
            new.write_text(training_report(trained, data, options.folder), encoding="utf-8")
        say(f"Report: {options.report}")
    say(f"Predict: skcnn predict {shlex.quote(str(options.model))} FOLDER --output predictions.csv")
    return OK


def _print_data(data: TrainingData, options: argparse.Namespace) -> None:
    reading = data.reading
    height, width = reading.size
    counts = Counter(data.labels[data.rows_of(None)].tolist())
    n = len(data.rows_of(None))
    say(f"{plural(n, 'image')} for training in {plural(len(counts), 'class', 'classes')}")
    say(f"Files: {data.sizes} (height x width)")
    how = "" if options.size else ". --size sets another size"
    say(f"Read as {height} x {width} pixels, {reading.mode}, --resize {reading.resize}{how}")


def _warn_of_copies(data: TrainingData, splits: list[Split]) -> None:
    """Print a warning if scored images are copies of training images."""
    leak = worst_leak(data.images, splits)
    if leak is None:
        return
    where = f" of fold {leak.split + 1}" if len(splits) > 1 else ""
    complain(
        f"warning: {leak.n_copies} of {leak.n_tested} scored images{where} are copies of training "
        f"images, such as {data.paths[leak.copy]!r} of {data.paths[leak.original]!r}: the score "
        "is too good. skcnn inspect finds copies"
    )


def _print_augmentation(trained: Trained) -> None:
    """Print what the network that is kept has chosen for ``--augment auto``."""
    choice = trained.model.classifier.augmentation_choice_
    if choice is not None:
        names = ", ".join(choice.index[choice["chosen"]])
        say(f"Training images are changed by: {names}. --augment sets other changes")


def _print_scores(trained: Trained, data: TrainingData) -> None:
    counts = Counter(data.labels[data.rows_of(None)].tolist())
    scores = trained.evaluation.class_table()
    rows = [
        (name, counts[name], f"{row.images:.0f}", _share(row.precision), _share(row.recall))
        for name, row in zip(scores.index, scores.itertuples(), strict=True)
    ]
    say()
    print_table(["class", "images", "scored", "precision", "recall"], rows)
    say()
    say(f"Accuracy on {trained.scored}: {score_text(trained)}")
    for name, score in mean_scores(trained).items():
        if name != NETWORK:
            say(f"  {name}: {score:.3f}")


def _share(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"
