"""Kills fits at random moments, begins them again, and compares the bits of the results.

``python -m tests.benchmarks.kills --kills 100`` kills fits with augmentation, early stopping and a
schedule; ``--kind cross_validate`` and ``--kind search`` fits inside of these. A killed fit is
killed again with a chance of a third before it may end.
"""

import argparse
import random
import tempfile
import time
from pathlib import Path

from tests.helpers.killed_fits import finished, killed, whole
from tests.helpers.processes import Child

AGAIN = 1 / 3


def started(*args):
    return Child(*args)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--kind", choices=["fit", "cross_validate", "search"], default="fit")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw, begin = random.Random(options.seed), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fit.ckpt"
        expected, n_epochs, seconds = finished(started, options.kind, path)
        print(f"in one piece: {n_epochs} epochs, {seconds:.2f} s")
        n_kills = n_equal = n_fits = n_left = n_saved = n_files = 0
        while n_kills < options.kills:
            was_killed = killed(started, options.kind, path, draw.uniform(0, seconds))
            if not was_killed:
                continue
            n_kills += 1
            n_files += any(name.endswith(".ckpt") for name in whole(path))
            while draw.random() < AGAIN and n_kills < options.kills:
                n_kills += killed(started, options.kind, path, draw.uniform(0, seconds))
            result, trained, _ = finished(started, options.kind, path)
            n_fits += 1
            n_equal += result == expected
            n_saved += n_epochs - trained
            n_left += bool(whole(path))
            if result != expected:
                print(f"differs after {n_kills} kills: {result}, expected {expected}")
    print(
        f"{options.kind}: {n_kills} kills of {n_fits} fits, {n_equal} of {n_fits} results equal bit "
        f"for bit, {n_files} times there was a file after the first kill, {n_left} times there was "
        f"one after the end, {n_saved / max(n_fits, 1):.1f} of {n_epochs} epochs not trained again, "
        f"{time.monotonic() - begin:.0f} s"
    )


if __name__ == "__main__":
    main()
