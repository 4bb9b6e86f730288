"""How much of the processor's multiply-accumulates the training uses."""

from _machine import has_bfloat16
from _peers import PEAK_BFLOAT16, PEAK_FLOAT32, SKCNN_BFLOAT16, SKCNN_FLOAT32
from _report import Bound, Table
from _workers import Run, median
from peers._nets import NETS, training_macs

NET, BATCH, EPOCHS = "mnist", 128, 3
IMAGES, QUICK_IMAGES = 12_800, 1_280
SIZES, QUICK_SIZES = (512, 1024, 1536, 2048, 3072), (1024, 2048)
# (precision, training, matrix products, least share)
PAIRS = (
    ("float32", SKCNN_FLOAT32, PEAK_FLOAT32, 0.75),
    ("bfloat16", SKCNN_BFLOAT16, PEAK_BFLOAT16, 0.35),
)


def share_of_limit(bench):
    """Compare trainings with square matrix products, in turn."""
    data = bench.noise(NETS[NET]["shape"], QUICK_IMAGES if bench.quick else IMAGES)
    fit = {"data": data, "net": NET, "batch": BATCH, "epochs": EPOCHS}
    peak = {"sizes": QUICK_SIZES if bench.quick else SIZES}
    pairs = PAIRS if has_bfloat16() else PAIRS[:1]
    runs = []
    for _, training, products, _ in pairs:
        runs.append(Run(training.name, training, "fit", fit, {"samples": 4 * BATCH}))
        runs.append(Run(products.name, products, "peak", peak))
    readings = bench.alternate(runs)
    rows, bounds = [], []
    for precision, training, products, least in pairs:
        best = max(reading["macs"] for reading in readings[products.name])
        figures = _macs(readings[training.name])
        rates = (f"{x / 1e9:.1f}" for x in (best, *figures))
        rows.append([precision, *rates, *(f"{x / best:.1%}" for x in figures)])
        for which, macs in zip(("best epoch", "median epoch"), figures, strict=False):
            bounds.append(Bound(f"share, {precision}, {which}", macs / best, "least", least))
    yield Table(
        "Share of the machine's limit",
        "Billions of multiply-accumulates a second. The peak is the best of all square matrix "
        "products between the fits; a training step counts "
        f"{training_macs(NET):,} a sample: outputs and gradients of the weights of all layers, "
        "gradients of the inputs of all but the first; borders count as if they were image. The "
        "best epoch is to the peak as best to best; the other figures are medians, and fall where "
        "neighbours are busy at times.",
        [
            *("precision", "peak", "best epoch", "epochs", "whole fit"),
            *("best epoch / peak", "epochs / peak", "whole fit / peak"),
        ],
        rows,
        readings,
        bounds,
    )


def _macs(readings):
    """Return multiply-accumulates a second of the best epoch, of epochs and of whole fits."""
    macs = training_macs(NET)
    best = max(reading["best_epoch_rate"] for reading in readings)
    whole = readings[0]["samples"] * EPOCHS / median(readings)
    return macs * best, macs * median(readings, "epoch_rate"), macs * whole
