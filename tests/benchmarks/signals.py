"""Accuracy and seconds on sets of the UCR and UEA archives, beside forest, SVC and aeon.

    python tests/benchmarks/signals.py --data FOLDER [--results FILE] [--seeds 3]
        [--sets NAME ...] [--columns NAME ...] [--held-out] [--aeon-python PYTHON]

FOLDER has NAME/NAME_TRAIN.EXT and NAME/NAME_TEST.EXT with the archives' splits, where EXT is ts,
tsv or arff, or NAME_eq_TRAIN.ts for series that were made equally long. Where they are in public
repositories:

- github.com/iwuqing/Time-Series-Classification-based-on-KNN, data/: the univariate sets
- github.com/aeon-toolkit/aeon, aeon/datasets/data/: BasicMotions, JapaneseVowels,
  PickupGestureWiimoteZ
- github.com/time-series-machine-learning/tsml-java, src/main/java/experiments/data/mtsc: ERing

Each result is written to the file at once, and those that are there are not computed again.
Columns of aeon need a Python where aeon is installed. The sets in HELD_OUT were not looked at
while defaults were chosen; they are measured with `--held-out`.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from _report import keep_result, results_in

SETS = [
    "ACSF1",
    "Adiac",
    "ArrowHead",
    "BasicMotions",
    "Beef",
    "CBF",
    "Coffee",
    "DistalPhalanxTW",
    "ECG200",
    "FaceFour",
    "FiftyWords",
    "GunPoint",
    "Ham",
    "ItalyPowerDemand",
    "JapaneseVowels",
    "OSULeaf",
    "OliveOil",
    "PickupGestureWiimoteZ",
    "Plane",
    "SwedishLeaf",
    "SyntheticControl",
]
HELD_OUT = [
    "Car",
    "CricketX",
    "ERing",
    "Fish",
    "Herring",
    "Lightning7",
    "Meat",
    "ShapeletSim",
    "Trace",
    "TwoLeadECG",
]


def read_tsv(text):
    table = np.array([line.split() for line in text.splitlines()], dtype=float)
    return table[:, None, 1:], table[:, 0].astype(int).astype(str)


def read_ts(text):
    body = text[re.search(r"^@data\s*$", text, re.M | re.I).end() :]
    X, y = [], []
    for line in body.split():
        *channels, label = line.split(":")
        X.append([[float(value) for value in channel.split(",")] for channel in channels])
        y.append(label)
    return np.array(X), np.array(y)


def read_arff(text):
    body = text[re.search(r"^@data\s*$", text, re.M | re.I).end() :]
    X, y = [], []
    for line in body.strip().splitlines():
        series, label = re.fullmatch(r"""['"](.*)['"]\s*,\s*(.+?)\s*""", line.strip()).groups()
        X.append([[float(value) for value in row.split(",")] for row in series.split("\\n")])
        y.append(label)
    return np.array(X), np.array(y)


READERS = {".ts": read_ts, ".tsv": read_tsv, ".arff": read_arff}


def load(folder, name):
    """Return X_train, y_train, X_test and y_test; X has shape (n, n_channels, length)."""
    found = []
    for part in ("TRAIN", "TEST"):
        stems = (f"{name}_eq_{part}", f"{name}_{part}")
        paths = [Path(folder, name, stem + ext) for stem in stems for ext in READERS]
        path = next(path for path in paths if path.exists())
        found += READERS[path.suffix](path.read_text(encoding="latin-1"))
    assert np.isfinite(found[0]).all(), name
    return found


def convnet(seed, **how):
    from skcnn import ConvNetClassifier

    return ConvNetClassifier(n_spatial_dims=1, channels="first", random_state=seed, **how)


def flat(model):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    return make_pipeline(
        FunctionTransformer(lambda X: X.reshape(len(X), -1)), StandardScaler(), model
    )


def forest(seed):
    from sklearn.ensemble import RandomForestClassifier

    return flat(RandomForestClassifier(500, random_state=seed, n_jobs=2))


def svc(seed):
    from sklearn.svm import SVC

    return flat(SVC(C=10))


def default_before(seed):
    """Return the default network until 2026-11-30, by its parameters."""
    return convnet(seed, filters="auto", kernel_size=3, pooling="max", hidden_units=(128,))


def recipe_of_signals(seed):
    from skcnn import recipe

    return convnet(seed, **recipe("signals"))


def voting(seed):
    from sklearn.ensemble import VotingClassifier

    members = [(f"seed{i}", recipe_of_signals(100 * seed + i)) for i in range(5)]
    return VotingClassifier(members, voting="soft", n_jobs=2)


COLUMNS = {
    "before": default_before,
    "default": convnet,
    "recipe": recipe_of_signals,
    "voting of 5": voting,
    "forest": forest,
    "SVC": svc,
}
AEON = {
    "MiniRocket": "from aeon.classification.convolution_based import MiniRocketClassifier as M\n"
    "model = M(random_state=seed, n_jobs=2)",
    "MultiRocket-Hydra": "from aeon.classification.convolution_based import "
    "MultiRocketHydraClassifier as M\nmodel = M(random_state=seed, n_jobs=2)",
    "InceptionTime": "from aeon.classification.deep_learning import InceptionTimeClassifier as M\n"
    "model = M(random_state=seed)",
}
PEER = """
import json, sys, time, warnings
import numpy as np
warnings.simplefilter("ignore")
data, seed = np.load(sys.argv[1]), int(sys.argv[2])
{make}
start = time.perf_counter()
model.fit(data["X"], data["y"])
fitted = time.perf_counter()
accuracy = float(np.mean(model.predict(data["X_test"]) == data["y_test"]))
print(json.dumps({{"accuracy": accuracy, "fit": fitted - start,
                   "score": time.perf_counter() - fitted}}))
"""


def measure_here(column, data, seed):
    X, y, X_test, y_test = data
    start = time.perf_counter()
    model = COLUMNS[column](seed).fit(X, y)
    fitted = time.perf_counter()
    accuracy = model.score(X_test, y_test)
    return {
        "accuracy": accuracy,
        "fit": fitted - start,
        "score": time.perf_counter() - fitted,
    }


def measure_with_aeon(column, data, seed, python):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data.npz")
        np.savez(path, **dict(zip(("X", "y", "X_test", "y_test"), data, strict=True)))
        code = PEER.format(make=AEON[column])
        done = subprocess.run(
            [python, "-c", code, str(path), str(seed)], check=True, capture_output=True, text=True
        )
    return json.loads(done.stdout.splitlines()[-1])


def print_table(results, sets, columns):
    print("| set | " + " | ".join(columns) + " |")
    print("|---|" + "---:|" * len(columns))
    means = {}
    for name in sets:
        cells = []
        for column in columns:
            found = [r["accuracy"] for (a, b, _), r in results.items() if (a, b) == (name, column)]
            if found:
                means.setdefault(column, []).append(np.mean(found))
            cells.append(f"{np.mean(found):.3f}" if found else "")
        print(f"| {name} | " + " | ".join(cells) + " |")
    cells = [
        f"{np.mean(means[c]):.3f}" if len(means.get(c, ())) == len(sets) else "" for c in columns
    ]
    print(f"| mean of {len(sets)} | " + " | ".join(cells) + " |")
    for what in ("fit", "score"):
        seconds = [
            [r[what] for (a, b, _), r in results.items() if b == column and a in sets]
            for column in columns
        ]
        cells = [f"{np.mean(each):.1f} ({max(each):.0f})" if each else "" for each in seconds]
        print(f"| seconds of {what}, mean (most) | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--results", default="signals.jsonl")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="+")
    columns = [*COLUMNS, *AEON]
    parser.add_argument("--columns", nargs="+", default=columns, choices=columns)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--aeon-python")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    sets = options.sets or (HELD_OUT if options.held_out else SETS)
    file = Path(options.results)
    results = results_in(file)
    for seed in range(options.seeds):
        for name in sets:
            for column in options.columns:
                key = (name, column, seed)
                if key in results or (column in AEON and not options.aeon_python):
                    continue
                if column == "SVC" and seed:  # has no seed
                    continue
                data = load(options.data, name)
                if column in AEON:
                    result = measure_with_aeon(column, data, seed, options.aeon_python)
                else:
                    result = measure_here(column, data, seed)
                keep_result(file, results, key, result)
                print(*key, f"{result['accuracy']:.3f}", f"{result['fit']:.1f} s", file=sys.stderr)
    print_table(results, sets, options.columns)


if __name__ == "__main__":
    main()
