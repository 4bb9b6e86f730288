"""Images a second of whole fits, every contender, several networks."""

from _machine import has_bfloat16
from _peers import (
    FASTAI,
    KERAS_JAX,
    KERAS_TENSORFLOW,
    PLAIN,
    SKCNN,
    SKCNN_FLOAT32,
    SKORCH,
    TUNED_BFLOAT16,
    TUNED_FLOAT32,
)
from _report import Bound, Table
from _workers import Run, median, paired_ratio
from peers._nets import NETS

EPOCHS = 3
WARM_BATCHES = 2
CONTENDERS = (
    SKCNN, TUNED_BFLOAT16, SKCNN_FLOAT32, TUNED_FLOAT32, PLAIN, SKORCH, KERAS_TENSORFLOW,
    KERAS_JAX, FASTAI,
)  # fmt: skip
# (title, network, batch size, images)
CASES = (
    ("28x28x1: conv 32, pool, conv 64, pool, dense 10", "mnist", 128, 12_800),
    ("the same in batches of 32", "mnist", 32, 12_800),
    ("32x32x3: conv 32, pool, conv 64, pool, dense 10", "colour", 128, 6_400),
    ("32x32x3: conv 32, pool, conv 64, pool, conv 128, pool, dense 10", "colour-3", 128, 6_400),
    ("signals of length 1,000: conv 32, pool 4, conv 64, pool 4, dense 10", "signal", 128, 6_400),
)
QUICK_IMAGES = 256
# The project's bounds, on the first case: (contender, reference, least ratio of the rates)
BOUNDS = (
    (SKCNN, SKORCH, 2.5),
    (SKCNN, PLAIN, 2.3),
    (SKCNN, KERAS_TENSORFLOW, 1.5),
    (SKCNN_FLOAT32, KERAS_TENSORFLOW, 1.0),
    (SKCNN, TUNED_BFLOAT16, 0.97),
    (SKCNN_FLOAT32, TUNED_FLOAT32, 0.97),
)
NOTE = (
    f"Whole fits of {EPOCHS} epochs of bytes to 32-bit Adam, set-up included, after a small fit "
    "of the same shapes; Keras's tracing is before the clock starts."
)


def throughput(bench):
    """Measure every network."""
    for i, (title, net, batch, n) in enumerate(CASES):
        n = QUICK_IMAGES if bench.quick else n
        data = bench.noise(NETS[net]["shape"], n)
        args = {"data": data, "net": net, "batch": batch, "epochs": EPOCHS}
        warm = {"samples": WARM_BATCHES * batch, "epochs": 1}
        readings = bench.alternate([Run(c.name, c, "fit", args, warm) for c in _fitting()])
        yield _table(f"Training, {title}, batch {batch}", readings, i == 0)


def _fitting():
    """Return the contenders, those in bfloat16 where the processor has it."""
    return [c for c in CONTENDERS if c is not TUNED_BFLOAT16 or has_bfloat16()]


def _table(title, readings, bounded):
    first, second = readings[SKCNN.name], readings[SKCNN_FLOAT32.name]
    rows = []
    for name, values in readings.items():
        rate = values[0]["samples"] * EPOCHS / median(values)
        ratios = (paired_ratio(values, ours) for ours in (first, second))
        rows.append([name, f"{rate:,.0f}", *(f"{ratio:.2f}" for ratio in ratios)])
    columns = ["contender", "images/s", "skcnn auto / it", "skcnn float32 / it"]
    bounds = list(_bounds(readings)) if bounded else []
    return Table(title, NOTE, columns, rows, readings, bounds)


def _bounds(readings):
    for ours, theirs, least in BOUNDS:
        if theirs.name in readings:
            ratio = paired_ratio(readings[theirs.name], readings[ours.name])
            yield Bound(f"{ours.name} / {theirs.name}", ratio, "least", least)
