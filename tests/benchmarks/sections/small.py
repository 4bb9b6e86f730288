"""Small data: cross-validation of digits, and what a fit costs beside its arithmetic."""

import statistics

import numpy as np
from _peers import MLP, SKCNN, SKORCH, TUNED_FLOAT32
from _report import Bound, Table
from _workers import Run, median, paired_ratio

FOLDS, EPOCHS, BATCH = 5, 15, 64
QUICK_EPOCHS = 3
EPOCH_COUNTS, QUICK_EPOCH_COUNTS = (1, 2, 4, 8, 16), (1, 2, 4)
REPEATS, QUICK_REPEATS = 30, 8
MOST_SHARE, MOST_MILLISECONDS = 1 / 3, 30


def small_data(bench):
    """Measure cross-validation, then the fixed cost of a fit."""
    yield _cross_validation(bench)
    yield _fixed_cost(bench)


def _cross_validation(bench):
    epochs = QUICK_EPOCHS if bench.quick else EPOCHS
    args = {"net": "digits", "batch": BATCH, "epochs": epochs, "folds": FOLDS}
    runs = [
        Run(c.name, c, "cross_validate", args, {"epochs": 1, "folds": 2})
        for c in (SKCNN, SKORCH, TUNED_FLOAT32, MLP)
    ]
    readings = bench.alternate(runs)
    ours = readings[SKCNN.name]
    rows = [
        [
            name,
            f"{median(values):.2f}",
            f"{values[0]['accuracy']:.4f}" if "accuracy" in values[0] else "",
            f"{paired_ratio(ours, values):.2f}",
        ]
        for name, values in readings.items()
    ]
    bounds = []
    if SKORCH.name in readings:
        ratio = paired_ratio(ours, readings[SKORCH.name])
        bounds = [Bound("skcnn / skorch, seconds", ratio, "most", MOST_SHARE)]
    return Table(
        f"Cross-validation of digits, {FOLDS} folds, {epochs} epochs, batch {BATCH}",
        "cross_val_score of a Pipeline with MinMaxScaler on 1,797 images of 8x8; skcnn and skorch "
        "train conv 32, pool, conv 64, pool, dense 10 with Adam, skorch without its validation "
        "split; the hand-tuned loop only trains, on all threads, where skcnn takes one for so small "
        "a network; the MLP has its own hidden layer of 100.",
        ["contender", "seconds", "accuracy", "skcnn / it"],
        rows,
        readings,
        bounds,
    )


def _fixed_cost(bench):
    counts = QUICK_EPOCH_COUNTS if bench.quick else EPOCH_COUNTS
    one = {
        "net": "digits", "samples": BATCH, "repeats": QUICK_REPEATS if bench.quick else REPEATS,
    }  # fmt: skip
    fits = {"net": "digits", "batch": BATCH}
    runs = [Run("one batch", SKCNN, "one_batch_fit", one, {"repeats": 2})]
    runs += [Run(f"{n} epochs", SKCNN, "epochs_fit", {**fits, "epochs": n}) for n in counts]
    readings = bench.alternate(runs)
    seconds = [median(readings[f"{n} epochs"]) for n in counts]
    slope, intercept = statistics.linear_regression(counts, seconds)
    one_batch = median(readings["one batch"])
    milliseconds = {
        "fit of one epoch of one batch": median(readings["one batch"], "fit"),
        "the same step in torch": median(readings["one batch"], "step"),
        "difference": one_batch,
        "seconds against epochs: intercept": intercept,
        "seconds against epochs: slope": slope,
    }
    residual = np.abs(np.subtract(seconds, intercept + slope * np.array(counts))).max()
    return Table(
        "Fixed cost of a fit",
        f"digits; one batch of {BATCH}; a line through the seconds of {counts} epochs of all "
        f"images (largest residual {residual * 1000:.1f} ms).",
        ["figure", "ms"],
        [[name, f"{1000 * value:.1f}"] for name, value in milliseconds.items()],
        readings,
        [
            Bound("difference", 1000 * one_batch, "most", MOST_MILLISECONDS, " ms"),
            Bound("intercept", 1000 * intercept, "most", MOST_MILLISECONDS, " ms"),
        ],
    )
