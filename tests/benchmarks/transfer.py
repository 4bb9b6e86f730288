"""Which way to train is best for few images: accuracy of five ways on four data sets.

    python tests/benchmarks/transfer.py --cifar FOLDER --fashion FOLDER [--results FILE]
        [--draws 3] [--rows NAME ...] [--columns NAME ...] [--quick]
    python tests/benchmarks/transfer.py --cifar FOLDER --cold

FOLDER of CIFAR-10 has train/CLASS/*.jpg and test/CLASS/*.jpg; that of Fashion-MNIST the IDX files
of Debian's package dataset-fashion-mnist. Rows whose folder is not given are left out. Each result
is written to the file at once, and those that are there are not computed again. `--quick` takes
one draw of the fewest images. `--cold` prints accuracy and seconds of one process that imports
skcnn and fits 10 images of each class, for the head and the last block.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from _report import keep_result, results_in
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

NAME = "efficientnet_lite0"
N_TEST = 1000
ROWS = {
    "cifar-5": ("cifar", 5),
    "cifar-10": ("cifar", 10),
    "cifar-50": ("cifar", 50),
    "cifar-200": ("cifar", 200),
    "digits-10": ("digits", 10),
    "digits-100": ("digits", 100),
    "noughts-10": ("noughts", 10),
    "noughts-100": ("noughts", 100),
    "fashion-10": ("fashion", 10),
    "fashion-100": ("fashion", 100),
}


def scratch(cache):
    from skcnn import ConvNetClassifier

    return ConvNetClassifier(random_state=0)


def features(cache):
    from skcnn import ConvNetFeatures

    return make_pipeline(
        ConvNetFeatures(NAME), Normalizer(), LogisticRegression(C=10, max_iter=1000)
    )


def _pretrained(cache, **how):
    from skcnn import ConvNetClassifier

    return ConvNetClassifier(architecture=NAME, feature_cache=cache, random_state=0, **how)


COLUMNS = {
    "scratch": scratch,
    "features": features,
    "head": lambda cache: _pretrained(cache, pretrained=True, trainable="head"),
    "fine-tuned": lambda cache: _pretrained(
        cache, pretrained=True, trainable="last_block", unfreezing="auto"
    ),
    "auto": lambda cache: _pretrained(cache, pretrained="auto"),
}


def some_of_each(y, n, generator):
    """Return the places of `n` random samples of each class."""
    return np.concatenate(
        [generator.permutation(np.flatnonzero(y == label))[:n] for label in np.unique(y)]
    )


def cifar(folder, n, draw):
    from PIL import Image

    sets = []
    for part, seed, n_each in (("train", draw, n), ("test", 99, N_TEST // 10)):
        generator = np.random.default_rng(seed)
        X, y = [], []
        for place in sorted(Path(folder, part).iterdir()):
            files = sorted(place.glob("*.jpg"))
            for i in generator.permutation(len(files))[:n_each]:
                X.append(np.asarray(Image.open(files[i]).convert("RGB")))
                y.append(place.name)
        sets += [np.array(X), np.array(y)]
    return sets


def fashion(folder, n, draw):
    from skcnn.datasets import load_idx

    sets = []
    for part, seed, n_each in (("train", draw, n), ("t10k", 99, N_TEST // 10)):
        X, y = (
            load_idx(Path(folder, f"{part}-{what}-ubyte.gz"))
            for what in ("images-idx3", "labels-idx1")
        )
        rows = some_of_each(y, n_each, np.random.default_rng(seed))
        sets += [X[rows], y[rows]]
    return sets


def digits(folder, n, draw):
    X, y = load_digits(return_X_y=True)
    X = (X.reshape(-1, 8, 8) * (255 / 16)).round().astype(np.uint8)
    order = np.random.default_rng(99).permutation(len(X))
    X, y = X[order], y[order]
    rows = some_of_each(y[:1200], n, np.random.default_rng(draw))
    return X[rows], y[rows], X[1200:], y[1200:]


def noughts(folder, n, draw):
    from skcnn.datasets import make_noughts_and_crosses

    how = {"rotation": 45, "translation": 0.2, "scaling": 0.4}
    X, y = make_noughts_and_crosses(n_samples=4 * n, random_state=draw, **how)
    rows = some_of_each(y, n, np.random.default_rng(draw))
    return X[rows], y[rows], *make_noughts_and_crosses(n_samples=N_TEST, random_state=99, **how)


DATA = {"cifar": cifar, "fashion": fashion, "digits": digits, "noughts": noughts}


def measure(row, column, draw, folders, cache):
    """Return accuracy, seconds of the fit and of the prediction, and what "auto" chose."""
    data, n = ROWS[row]
    X, y, X_test, y_test = DATA[data](folders.get(data), n, draw)
    start = time.perf_counter()
    model = COLUMNS[column](cache).fit(X, y)
    fitted = time.perf_counter()
    result = {
        "accuracy": model.score(X_test, y_test),
        "fit": fitted - start,
        "score": time.perf_counter() - fitted,
        "load": os.getloadavg()[0],
    }
    table = getattr(model, "choice_", None)
    if table is not None:
        result["choice"] = json.loads(table.reset_index().to_json(orient="records"))
    return result


def print_table(results, rows, columns):
    print("| data, images a class | " + " | ".join(columns) + " |")
    print("|---|" + "---:|" * len(columns))
    for row in rows:
        cells = []
        for column in columns:
            found = [r["accuracy"] for (a, b, _), r in results.items() if (a, b) == (row, column)]
            cells.append(f"{np.mean(found):.3f} ({len(found)})" if found else "")
        print(f"| {row.replace('-', ', ')} | " + " | ".join(cells) + " |")
    print("\nMeans over the draws, their number in brackets.")


def run(options, folders):
    file = Path(options.results)
    results = results_in(file)
    rows = [
        row
        for row in options.rows
        if ROWS[row][0] not in ("cifar", "fashion") or folders[ROWS[row][0]]
    ]
    with tempfile.TemporaryDirectory() as folder:
        cache = options.cache or folder
        for draw in range(options.draws):
            for row in rows:
                for column in options.columns:
                    key = (row, column, draw)
                    if key in results:
                        continue
                    keep_result(file, results, key, measure(*key, folders, cache))
                    result = results[key]
                    print(
                        f"{row} {column} draw {draw}: {result['accuracy']:.3f}, "
                        f"{result['fit']:.0f} s, load {result['load']:.1f}",
                        file=sys.stderr,
                        flush=True,
                    )
    print_table(results, rows, options.columns)


COLD = """
import time
start = time.perf_counter()
import numpy as np
from skcnn import ConvNetClassifier
data = np.load({path!r})
how = {how!r}
model = ConvNetClassifier(architecture={name!r}, pretrained=True, random_state=0, **how)
model.fit(data["X"], data["y"])
seconds, cpu = time.perf_counter() - start, time.process_time()
accuracy = model.score(data["X_test"], data["y_test"])
print(f"{{how}}: {{seconds:.1f}} s, {{cpu:.1f}} s of processors, accuracy {{accuracy:.3f}}")
"""


def cold(folders, draws):
    """Print accuracy and seconds of processes that import and fit."""
    with tempfile.TemporaryDirectory() as folder:
        for draw in range(draws):
            path = str(Path(folder, f"{draw}.npz"))
            names = ("X", "y", "X_test", "y_test")
            np.savez(path, **dict(zip(names, cifar(folders["cifar"], 10, draw), strict=True)))
            for how in (
                {"trainable": "head"},
                {"trainable": "last_block", "unfreezing": "auto"},
            ):
                code = COLD.format(path=path, how=how, name=NAME)
                subprocess.run([sys.executable, "-c", code], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cifar")
    parser.add_argument("--fashion")
    parser.add_argument("--results", default="transfer.jsonl")
    parser.add_argument("--cache", help="folder of features, kept between runs")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--rows", nargs="+", default=[*ROWS], choices=[*ROWS])
    parser.add_argument("--columns", nargs="+", default=[*COLUMNS], choices=[*COLUMNS])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--cold", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.quick:
        options.draws = 1
        options.rows = [row for row in options.rows if ROWS[row][1] <= 10]
    folders = {"cifar": options.cifar, "fashion": options.fashion}
    if options.cold:
        cold(folders, options.draws)
    else:
        run(options, folders)


if __name__ == "__main__":
    main()
