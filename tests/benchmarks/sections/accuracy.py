"""Time from nothing to 99.0 % of MNIST's test images."""

import numpy as np
from _peers import KERAS_TENSORFLOW, SKCNN, PeerError
from _report import Bound, Table
from _workers import Run, median, paired_ratio

RECIPE = {
    "filters": (32, 64), "padding": "valid", "hidden_units": (), "batch_size": 128, "max_epochs": 2,
    "optimizer": "adamw", "learning_rate": 0.01, "lr_schedule": "one_cycle", "dropout": 0.0,
}  # fmt: skip
KERAS = {"batch": 128, "epochs": 15}
GOAL, SEEDS = 0.99, 3
QUICK_GOAL, QUICK_SEEDS, QUICK_IMAGES = 0.9, 1, 3_000
MOST = 0.25


def time_to_accuracy(bench):
    """Fit both from a cold start, seed by seed."""
    if bench.options.mnist is None:
        raise PeerError("needs --mnist FILE")
    goal, seeds = (QUICK_GOAL, QUICK_SEEDS) if bench.quick else (GOAL, SEEDS)
    data = _mnist(bench)
    readings = {}
    for seed in range(seeds):
        args = {"data": data, "seed": seed, "goal": goal}
        runs = [
            Run(SKCNN.name, SKCNN, "accuracy", {**args, "recipe": RECIPE}),
            Run(KERAS_TENSORFLOW.name, KERAS_TENSORFLOW, "accuracy", {**args, **KERAS}),
        ]
        for label, (reading,) in bench.alternate(runs, 1, warm=False).items():
            readings.setdefault(label, []).append({"seed": seed, **reading})
    yield _table(readings, goal)


def _mnist(bench):
    """Write the arrays for the workers; a quick run takes training images in even steps."""
    with np.load(bench.options.mnist) as file:
        X, y, X_test, y_test = (file[n] for n in ("X_train", "y_train", "X_test", "y_test"))
    step = len(X) // QUICK_IMAGES if bench.quick else 1
    y, y_test = y[::step].astype(np.int64), y_test.astype(np.int64)
    return bench.arrays("mnist", X[::step], y, X_test, y_test)


def _table(readings, goal):
    rows = []
    for label, values in readings.items():
        for v in values:
            figures = (f"{v['seconds']:.1f}", f"{v['accuracy']:.4f}", v["epochs"])
            rows.append([label, v["seed"], *figures])
        rows.append([label, "median", f"{median(values):.1f}", "", ""])
    ours = readings[SKCNN.name]
    lowest = min(v["accuracy"] for v in ours)
    bounds = [Bound("skcnn's lowest test accuracy", lowest, "least", goal)]
    if KERAS_TENSORFLOW.name in readings:
        ratio = paired_ratio(ours, readings[KERAS_TENSORFLOW.name])
        bounds.append(Bound("skcnn / Keras on TensorFlow, seconds", ratio, "most", MOST))
    recipe = ", ".join(f"{name}={value!r}" for name, value in RECIPE.items())
    return Table(
        f"Seconds to {goal:.1%} of MNIST's test images",
        f"skcnn: the whole fit with {recipe}. Keras: conv 32, pool, conv 64, pool, "
        "dropout 0.5, dense 10 with Adam, until the end of the first epoch that reaches the goal, "
        f"{KERAS['epochs']} at most; its tests between the epochs are not counted.",
        ["contender", "seed", "seconds", "test accuracy", "epochs"],
        rows,
        readings,
        bounds,
    )
