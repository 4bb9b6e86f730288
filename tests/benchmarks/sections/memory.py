"""Largest memory of fits on much data, each in a process of its own."""

import os

import numpy as np
from _peers import SKCNN_MEMORY
from _report import Bound, Table
from _workers import median

ARRAY = (60_000, 28, 28)
SIDE, CHANNELS = 64, 3
FILE_GIB, QUICK_FILE_GIB = 8, 1
BATCH, FILE_BATCH = 128, 512
STAMP = 64
TIMES_ARRAY, MORE_MIB = 1.5, 300
MOST_FILE_GIB = 1.5
FITS = 2


def memory(bench):
    """Fit an array in memory and a mapped file; the peaks do not depend on turns."""
    cases = [
        ("60,000x28x28 in memory", _array(bench), {"net": "mnist", "batch": BATCH, "mapped": False})
    ]
    gib = QUICK_FILE_GIB if bench.quick else FILE_GIB
    file = {"net": None, "batch": FILE_BATCH, "mapped": True}
    cases.append((f"{gib} GiB mapped", _sparse(bench, gib), file))
    readings = {}
    for label, path, args in cases:
        fits = 1 if bench.quick or args["mapped"] else FITS
        readings[label] = [
            bench.once(SKCNN_MEMORY, "fit_file", file=path, **args) for _ in range(fits)
        ]
        os.remove(path)
    yield _table(readings, gib)


def _array(bench):
    path = bench.path("memory.npy")
    np.save(path, np.random.default_rng(0).integers(0, 256, ARRAY, dtype=np.uint8))
    return path


def _sparse(bench, gib):
    """Write a file of images that differ in their first bytes; the rest are holes."""
    n = gib * 2**30 // (SIDE * SIDE * CHANNELS)
    path = bench.path("mapped.npy")
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (n, SIDE, SIDE, CHANNELS))
    stamps = np.random.default_rng(0).integers(0, 256, (n, STAMP), dtype=np.uint8)
    images.reshape(n, -1)[:, :STAMP] = stamps
    images.flush()
    return path


def _table(readings, gib):
    names = ("imports", "before", "array", "peak", "over", "seconds")
    rows = [
        [label, *(f"{median(values, name):,.0f}" for name in names)]
        for label, values in readings.items()
    ]
    array, mapped = readings.values()
    most = TIMES_ARRAY * array[0]["array"] + MORE_MIB
    return Table(
        "Memory of a fit of one epoch, MiB",
        "Resident memory after the imports, after a small fit of the same network (which imports "
        "what is imported late), the data, the peak, and the peak over the second. "
        "Pages of the mapped file that the kernel keeps for this process count. "
        f"The array's network is conv 32, pool, conv 64, pool, dense 10; the file holds "
        f"{SIDE}x{SIDE}x{CHANNELS} images, its network is small.",
        ["data", "imports", "small fit", "data", "peak", "peak - small fit", "seconds"],
        rows,
        readings,
        [
            Bound(
                "array in memory, over the small fit", median(array, "over"), "most", most, " MiB"
            ),
            Bound(
                f"{gib} GiB mapped, peak",
                median(mapped, "peak") / 1024,
                "most",
                MOST_FILE_GIB,
                " GiB",
            ),
        ],
    )
