"""Seconds of the epochs of a frozen base with a trained head: the first computes the features.

    python tests/benchmarks/transfer_speed.py [--samples 1000] [--side 96] [--trainable head]

Weights are random, which does not change the speed. It exits with an error if later epochs of the
head are not 20 times as fast as the first.
"""

import argparse
import statistics

import numpy as np
from _machine import describe

from skcnn import ConvNetClassifier

ARCHITECTURES = ("resnet18", "efficientnet_lite0")
EXTENTS = ("head", "last_block", "all")
AIM = 20  # times as fast as the first epoch are the others, for the head


def seconds_of_epochs(name: str, trainable: str, X: np.ndarray, y: np.ndarray) -> list[float]:
    """Return the seconds of each epoch."""
    n_epochs = 2 if trainable == "all" else 6
    model = ConvNetClassifier(
        architecture=name,
        trainable=trainable,
        max_epochs=n_epochs,
        calibration=None,
        random_state=0,
    )
    return model.fit(X, y).history_["seconds"].tolist()


def main() -> None:
    """Print a table, and exit with an error if the aim is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--trainable", nargs="+", choices=EXTENTS, default=EXTENTS)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (args.samples, args.side, args.side, 3), dtype=np.uint8)
    y = np.arange(args.samples) % 10
    print(describe(), flush=True)
    print("| architecture | trainable | first epoch, s | later epochs, s | ratio |")
    print("|---|---|---|---|---|")
    missed = []
    for name in ARCHITECTURES:
        for trainable in args.trainable:
            first, *others = seconds_of_epochs(name, trainable, X, y)
            later = statistics.median(others)
            print(
                f"| `{name}` | {trainable} | {first:.2f} | {later:.4f} | {first / later:.1f} |",
                flush=True,
            )
            if trainable == "head" and first / later < AIM:
                missed.append(name)
    if missed:
        raise SystemExit(f"the later epochs of {missed} are not {AIM} times as fast")


if __name__ == "__main__":
    main()
