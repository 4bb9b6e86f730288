"""Accuracy and times of networks for signals of unequal length, and for the same signals padded.

The data are JapaneseVowels and PickupGestureWiimoteZ of the UEA & UCR archive, as files of the
format .ts, such as those in the repository of aeon. Run with their folder:

    python -m tests.benchmarks.unequal_lengths FOLDER [--seeds 5] [--networks blocks default]
"""

import argparse
import time
from pathlib import Path

import numpy as np
from sklearn.pipeline import make_pipeline

from skcnn import ConvNetClassifier
from skcnn.preprocessing import PadSignals

PROBLEMS = ("JapaneseVowels", "PickupGestureWiimoteZ")


def read_ts(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the signals of a file, each of shape (n_channels, length_i), and their labels."""
    lines = path.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip().lower() == "@data")
    signals, labels = [], []
    for line in filter(None, lines[start + 1 :]):
        *channels, label = line.split(":")
        signals.append(np.array([np.array(c.split(","), float) for c in channels]))
        labels.append(label)
    return signals, np.array(labels)


def read(folder: Path, name: str) -> list[tuple[list[np.ndarray], np.ndarray]]:
    """Return the training and the test data of a problem."""
    paths = (next(folder.rglob(f"{name}_{part}.ts")) for part in ("TRAIN", "TEST"))
    return [read_ts(path) for path in paths]


def parameters_of(network: str) -> dict[str, object]:
    """Return those of the default network, of blocks of convolutions, or of a named network."""
    if network == "blocks":
        return {"kernel_size": 3}
    return {} if network == "default" else {"architecture": network}


def main() -> None:
    """Print a row for each problem, network and form of the signals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--networks", nargs="+", default=["blocks", "default", "inception_time"])
    parser.add_argument("--problems", nargs="+", default=PROBLEMS)
    args = parser.parse_args()
    print("problem                network         form      accuracy  std    fit_s  predict_s")
    for name in args.problems:
        (X, y), (X_test, y_test) = read(args.folder, name)
        longest = max(x.shape[1] for x in (*X, *X_test))
        for network in args.networks:
            for form in ("unequal", "padded"):
                scores, fits, predictions = [], [], []
                for seed in range(args.seeds):
                    model = ConvNetClassifier(
                        **parameters_of(network),
                        n_spatial_dims=1,
                        channels="first",
                        random_state=seed,
                    )
                    if form == "padded":
                        model = make_pipeline(PadSignals(longest, channels="first"), model)
                    start = time.perf_counter()
                    model.fit(X, y)
                    fits.append(time.perf_counter() - start)
                    start = time.perf_counter()
                    scores.append(model.score(X_test, y_test))
                    predictions.append(time.perf_counter() - start)
                print(
                    f"{name:22} {network:15} {form:9} {np.mean(scores):.4f}    "
                    f"{np.std(scores):.4f} {np.mean(fits):6.1f} {np.mean(predictions):6.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
