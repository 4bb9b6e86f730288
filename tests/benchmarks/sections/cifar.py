"""CIFAR-10 by recipe: minutes and test accuracy."""

import os
from pathlib import Path

from _peers import SKCNN_CIFAR, PeerError
from _report import Bound, Table
from _workers import Run, median

RECIPE, SEEDS = "cifar-fast", 1
QUICK_SAMPLES, QUICK_PARAMS = 300, {"max_epochs": 1}
LEAST_ACCURACY, MOST_MINUTES = 0.94, 20


def cifar(bench):
    """Fit and score; the decoded images are kept beside the peers' environments."""
    if bench.options.cifar is None:
        raise PeerError("needs --cifar FILE")
    args = {"data": decoded(bench), "recipe": RECIPE}
    if bench.quick:
        args |= {"samples": QUICK_SAMPLES, "params": QUICK_PARAMS}
    readings = []
    for seed in range(SEEDS):
        run = Run(SKCNN_CIFAR.name, SKCNN_CIFAR, "fit", {**args, "seed": seed})
        readings += bench.alternate([run], 1, warm=False)[SKCNN_CIFAR.name]
    yield _table(readings)


def decoded(bench):
    """Return an npz file of the archive's images, made on first use."""
    folder = Path(bench.options.environments)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{Path(bench.options.cifar).name}.npz"
    if not file.exists():
        part = str(file.with_suffix(".part.npz"))
        archive = os.path.abspath(bench.options.cifar)
        bench.worker(SKCNN_CIFAR).ask("decode", archive=archive, file=part)
        os.replace(part, file)
    return str(file.resolve())


def _table(readings):
    rows = [
        [
            str(seed),
            f"{reading['seconds'] / 60:.1f}",
            f"{reading['score_seconds']:.1f}",
            f"{reading['accuracy']:.4f}",
            reading["epochs"],
        ]
        for seed, reading in enumerate(readings)
    ]
    return Table(
        "CIFAR-10 by recipe",
        f"ConvNetClassifier(**skcnn.recipe({RECIPE!r}), calibration=None, random_state=seed).",
        ["seed", "minutes of fit", "seconds of score", "test accuracy", "epochs"],
        rows,
        {SKCNN_CIFAR.name: readings},
        [
            Bound("test accuracy", median(readings, "accuracy"), "least", LEAST_ACCURACY),
            Bound("fit", median(readings) / 60, "most", MOST_MINUTES, " minutes"),
        ],
    )
