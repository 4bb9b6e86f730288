"""The network that the options of ``skcnn train`` describe."""

import argparse
from typing import Any

from skcnn import ConvNetClassifier
from skcnn._architectures.registry import NAMED
from skcnn._command_line.output import UsageError
from skcnn._convnet.recipes import OF_IMAGES, recipe
from skcnn.augmentation import RandomAffine, RandomFlip

DEFAULT_AUGMENTATION = "auto"


def _affine() -> RandomAffine:
    return RandomAffine(10, translation=0.1, zoom=0.1, padding_mode="mirror")


AUGMENTATIONS: dict[str, Any] = {
    "auto": lambda: "auto",
    "none": lambda: None,
    "affine": lambda: [_affine()],
    "flip": lambda: [RandomFlip(), _affine()],
}


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that describe a network to those of a command."""
    group = parser.add_argument_group("network")
    group.add_argument(
        "--architecture",
        choices=sorted(NAMED),
        metavar="NAME",
        help=f"a network by name: {', '.join(sorted(NAMED))} (default: convolutions and pools "
        "whose number depends on the size)",
    )
    group.add_argument(
        "--recipe",
        choices=sorted(OF_IMAGES),
        metavar="NAME",
        help=f"network, training and augmentation for a kind of images: "
        f"{', '.join(sorted(OF_IMAGES))}",
    )
    group.add_argument(
        "--augment",
        choices=list(AUGMENTATIONS),
        help="changes of the training images, drawn for every epoch: auto shifts and zooms a "
        "little, and mirrors where a check finds that images keep their class; affine turns, "
        "shifts and zooms, flip also mirrors left and right (default: those of --recipe, else "
        f"{DEFAULT_AUGMENTATION})",
    )
    group.add_argument(
        "--epochs", type=positive, metavar="N", help="number of epochs (default: by the data)"
    )


def positive(text: str) -> int:
    """Return the value of an option that is an integer of at least one."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be an integer >= 1, got {text!r}")
    return value


def make_network(options: argparse.Namespace) -> ConvNetClassifier:
    """Return the classifier, not fitted.

    Raises
    ------
    UsageError
        If the options contradict each other.
    """
    parameters: dict[str, Any] = recipe(options.recipe) if options.recipe else {}
    if options.architecture:
        if "architecture" in parameters:
            raise UsageError(
                f"--recipe {options.recipe} has an architecture of its own, so that "
                f"--architecture {options.architecture} cannot be given with it."
            )
        parameters["architecture"] = options.architecture
    if options.augment or not options.recipe:
        parameters["augmentation"] = AUGMENTATIONS[options.augment or DEFAULT_AUGMENTATION]()
    if options.epochs:
        parameters["max_epochs"] = options.epochs
    return ConvNetClassifier(**parameters, checkpoint=options.checkpoint, random_state=options.seed)
