"""How seconds and memory grow with the samples, the side of the images and the epochs."""

import numpy as np
from _peers import SKCNN_MEMORY
from _report import Bound, Table
from _workers import median

BASE = {"samples": 2_000, "side": 28, "epochs": 1, "batch": 128}
POINTS = {
    "samples": (1_000, 2_000, 5_000, 10_000, 20_000, 40_000, 60_000),
    "side": (8, 16, 32, 64, 128),
    "epochs": (1, 2, 4, 8, 16, 32),
}
QUICK_POINTS = {"samples": (1_000, 2_000, 4_000), "side": (8, 16, 32), "epochs": (1, 2, 4)}
QUICK_BASE = {**BASE, "samples": 500}
ROUNDS = 3
MOST_EXPONENT = 1.1


def growth(bench):
    """Fit every point in a process of its own, and exponents to the medians."""
    points, base = (QUICK_POINTS, QUICK_BASE) if bench.quick else (POINTS, BASE)
    for name, values in points.items():
        readings = {str(value): [] for value in values}
        for _ in range(1 if bench.quick else min(ROUNDS, bench.options.rounds)):
            for value in values:
                args = {**base, name: value}
                readings[str(value)].append(bench.once(SKCNN_MEMORY, "fit_random", **args))
        yield _table(name, base, values, readings)


def _table(name, base, values, readings):
    seconds = [median(readings[str(value)]) for value in values]
    mib = [median(readings[str(value)], "over") for value in values]
    rows = [
        [str(value), f"{s:.2f}", f"{m:,.0f}"]
        for value, s, m in zip(values, seconds, mib, strict=True)
    ]
    upper = len(values) // 2
    whole = [_exponent(values, figures) for figures in (seconds, mib)]
    half = [_exponent(values[upper:], figures[upper:]) for figures in (seconds, mib)]
    rows.append(["exponent", *(f"{x:.2f}" for x in whole)])
    rows.append(["exponent, upper half", *(f"{x:.2f}" for x in half)])
    bounds = []
    if name == "samples":
        for what, exponents in (("seconds", (whole[0], half[0])), ("MiB", (whole[1], half[1]))):
            bounds.append(Bound(f"exponent of {what}", max(exponents), "most", MOST_EXPONENT))
    fixed = ", ".join(f"{key} {value}" for key, value in base.items() if key != name)
    return Table(
        f"Growth with {name}",
        f"conv 32, pool, conv 64, pool, dense 10; {fixed}; a process for each fit, after a small "
        "fit of the same network; MiB are the peak over that.",
        [name, "seconds", "MiB"],
        rows,
        readings,
        bounds,
    )


def _exponent(values, figures):
    """Return the slope of log figures against log values."""
    return np.polyfit(np.log(values), np.log(np.maximum(figures, 1e-9)), 1)[0]
