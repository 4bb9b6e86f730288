"""Folders of small coloured pictures, and commands that are run in this process."""

import numpy as np

from skcnn._command_line.main import main
from tests.helpers.pictures import save

COLOURS = {"blue": (30, 60, 220), "red": (220, 40, 30), "green": (30, 200, 60), "white": (230,) * 3}
QUICK = ["--epochs", "3", "--augment", "none", "--quiet"]


def coloured(label, seed=0, height=8, width=8):
    """Return a picture of a colour with some noise."""
    noise = np.random.default_rng(seed).normal(0, 20, (height, width, 3))
    return (np.array(COLOURS[label]) + noise).clip(0, 255).astype(np.uint8)


def save_colours(folder, labels=("blue", "red"), n=10, first=0, **shape):
    """Save `n` different pictures in a folder for each colour."""
    for label in labels:
        for number in range(first, first + n):
            save(folder / label / f"{number:02d}.png", coloured(label, number, **shape))
    return folder


def train(folder, model, *options):
    """Train with few epochs; return the exit status."""
    return main(["train", str(folder), "--model", str(model), *QUICK, *map(str, options)])
