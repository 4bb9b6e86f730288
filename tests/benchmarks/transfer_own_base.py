"""One's own network as a base: trained on five classes of CIFAR-10, used for the other five.

    python tests/benchmarks/transfer_own_base.py --cifar FOLDER_OR_ARCHIVE [--draws 3]
        [--images 20 50 200] [--base-images 1000] [--keep FILE] [--tune-rate 0.1 ...]

The data are images in train/CLASS and test/CLASS, in a folder or a tar archive. The base is
trained on the first five classes. For the others there are few images a class: a network from
scratch, logistic regression on the base's features, and the base trained on. All of them have the
recipe "photos"; the base is trained on with a share of its learning rate. FILE keeps the
trained base for another call. The figures are accuracies on the test images of the five classes, means over draws of the training images.
"""

import argparse
import tarfile
import tempfile
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skcnn import ConvNetClassifier, ConvNetFeatures, recipe
from skcnn.datasets import load_image_folder

N_BASE_CLASSES = 5
RATE = 0.2  # full learning rate of the recipe


def read(source):
    """Return train and test images with their labels."""
    folder = Path(source)
    if folder.is_file():
        folder = Path(tempfile.mkdtemp())
        with tarfile.open(source) as archive:
            archive.extractall(folder, filter="data")
        folder = next(folder.rglob("train")).parent
    parts = [load_image_folder(folder / part, return_X_y=True) for part in ("train", "test")]
    return [(np.asarray(X), np.asarray(y)) for X, y in parts]


def draw(y, n_images, seed):
    """Return rows with `n_images` of each label."""
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [rng.permutation(np.flatnonzero(y == c))[:n_images] for c in np.unique(y)]
    )


def network(**params):
    return ConvNetClassifier(**recipe("photos"), **params)


def from_features(base, layer, pooling):
    features = ConvNetFeatures(base, layer=layer, pooling=pooling)
    return make_pipeline(features, Normalizer(), LogisticRegression(C=10, max_iter=2000))


def contenders(base, seed, rates, last):
    """Return the models by their names in the table."""
    models = {
        "scratch": network(random_state=seed),
        "features": from_features(base, None, "average"),
        "earlier features": from_features(base, last, "both"),
    }
    for rate in rates:
        tuned = network(random_state=seed).set_params(architecture=base, learning_rate=RATE * rate)
        models[f"base trained on, {rate:g} of the rate"] = tuned
    return models


def trained_base(X, y, file):
    """Return the base, from a file that this command has written, if there is one."""
    if file is not None and Path(file).exists():
        return joblib.load(file)
    base = network(random_state=0).fit(X, y)
    if file is not None:
        joblib.dump(base, file)
    return base


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cifar", required=True)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--images", type=int, nargs="+", default=[20, 50, 200])
    parser.add_argument("--base-images", type=int, default=1000, help="a class")
    parser.add_argument("--keep", help="file for the base")
    parser.add_argument("--tune-rate", type=float, nargs="+", default=[0.1, 0.3, 1.0])
    parser.add_argument("--layer", default="activation_5")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    (X, y), (X_test, y_test) = read(options.cifar)
    old = np.unique(y)[:N_BASE_CLASSES]
    rows = draw(np.where(np.isin(y, old), y, ""), options.base_images, 0)
    rows = rows[np.isin(y[rows], old)]
    start = time.perf_counter()
    base = trained_base(X[rows], y[rows], options.keep)
    known = np.isin(y_test, old)
    print(
        f"base: {len(rows)} images of {', '.join(old)}; {time.perf_counter() - start:.0f} s; "
        f"test accuracy {base.score(X_test[known], y_test[known]):.3f}",
        flush=True,
    )
    X, y = X[~np.isin(y, old)], y[~np.isin(y, old)]
    X_test, y_test = X_test[~known], y_test[~known]
    how = {"base": base, "rates": options.tune_rate, "last": options.layer}
    names = list(contenders(seed=0, **how))
    print(
        f"{len(y_test)} test images, {options.draws} draws; accuracy (standard deviation), seconds"
    )
    print("| images a class | " + " | ".join(names) + " |")
    print("|---|" + "---|" * len(names))
    for n in options.images:
        results = {name: [] for name in names}
        for seed in range(options.draws):
            few = draw(y, n, seed)
            for name, model in contenders(seed=seed, **how).items():
                start = time.perf_counter()
                model.fit(X[few], y[few])
                seconds = time.perf_counter() - start
                results[name].append((model.score(X_test, y_test), seconds))
        cells = [
            f"{np.mean(scores):.3f} ({np.std(scores):.3f}), {np.mean(seconds):.1f} s"
            for scores, seconds in (zip(*each, strict=True) for each in results.values())
        ]
        print(f"| {n} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
