"""The sets of `defaults`: real small images, volumes and sound, each with one fixed split.

    python -m tests.benchmarks._image_sets SOURCES FOLDER [--sets NAME ...]
    python -m tests.benchmarks._image_sets --list

SOURCES has a folder for each source of `--list`: a clone of the repository at github.com, under the
repository's name, or a file or folder of that name. Each set becomes FOLDER/NAME.npz with X_train,
y_train, X_test and y_test, and groups_train where samples belong together. Sets that are there are
left as they are. Nothing of the sources is part of this package; their licences allow research.

The sets of HELD_OUT were chosen by their kind before any score was seen. They are looked at once,
when the defaults are chosen.
"""

import argparse
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold, train_test_split

from tests.benchmarks import _image_readers as readers
from tests.benchmarks._image_readers import Pictures

MOST_TRAIN, MOST_TEST = 5000, 2000
SHIPPED = "ships with scikit-learn"
METRICS = ("accuracy", "balanced accuracy", "ROC AUC", "R2")


@dataclass(frozen=True)
class ImageSet:
    """A set, its source, how it is scored, and how its samples are split."""

    name: str
    source: str
    read: Callable[[Path], Pictures]
    metric: str = "accuracy"
    mirrored: bool = True  # whether a mirror image has the same target
    n_spatial_dims: int = 2
    test_fraction: float = 0.3  # where no published split says it
    n_train: int = MOST_TRAIN
    note: str = ""

    @property
    def is_regression(self) -> bool:
        return self.metric == "R2"


def _sets(*sets: ImageSet) -> dict[str, ImageSet]:
    return {each.name: each for each in sets}


MNIST = "mnist.npz: MNIST as arrays X_train, y_train, X_test and y_test"
CIFAR = "cifar10.tar.gz: CIFAR-10 as pictures {train,test}/CLASS/NAME"
SETS = _sets(
    ImageSet("digits", SHIPPED, readers.digits, mirrored=False),
    ImageSet("digits-100", SHIPPED, readers.digits, mirrored=False, n_train=100),
    ImageSet(
        "mnist-2000",
        MNIST,
        functools.partial(readers.some_mnist, n_train=2000, n_test=2000),
        mirrored=False,
    ),
    ImageSet("warped-mnist-600", MNIST, readers.warped_mnist, mirrored=False),
    ImageSet(
        "fashion-2000",
        "fashion-mnist: the IDX files of github.com/zalandoresearch/fashion-mnist, data/fashion",
        readers.fashion,
        n_train=2000,
    ),
    ImageSet("usps", "hyzhang98/AnchorGAE-torch", readers.usps, mirrored=False),
    ImageSet("omniglot", "brendenlake/omniglot", readers.omniglot, mirrored=False),
    ImageSet("faces", "surabhiiyer/CreepyTeddy-", readers.faces, test_fraction=0.5),
    ImageSet(
        "pneumonia", "varun19424/pneumonia_mnist", readers.pneumonia, "ROC AUC", mirrored=False
    ),
    ImageSet("solar-cells", "zae-bayern/elpv-dataset", readers.solar_cells, "ROC AUC"),
    ImageSet("brain", "MohamedAliHabib/Brain-Tumor-Detection", readers.brain),
    ImageSet("smiles", "hromi/SMILEsmileD", readers.smiles, "ROC AUC"),
    ImageSet("tiles", "abin24/Magnetic-tile-defect-datasets.", readers.tiles, "balanced accuracy"),
    ImageSet("chests", "muhammedtalo/COVID-19", readers.chests, "balanced accuracy"),
    ImageSet(
        "spoken-digits",
        "Jakobovski/free-spoken-digit-dataset",
        readers.spoken,
        mirrored=False,
        test_fraction=1 / 3,
        note="log-mel spectrograms, speakers apart",
    ),
    ImageSet("cifar-300", CIFAR, functools.partial(readers.cifar, n_of_class=300)),
    ImageSet("cifar-100", CIFAR, functools.partial(readers.cifar, n_of_class=100)),
    ImageSet("masks", "prajnasb/observations", readers.masks),
    ImageSet("hand-signs", "ardamavi/Sign-Language-Digits-Dataset", readers.signs),
    ImageSet("pollen", "piperod/PollenDataset", readers.pollen),
    ImageSet(
        "traffic-signs", "hergerr/traffic-sign-recognition", readers.traffic_signs, mirrored=False
    ),
    ImageSet(
        "adrenal",
        "yohann1146/cg-marching-cubes",
        readers.adrenal,
        "ROC AUC",
        n_spatial_dims=3,
        note="volumes",
    ),
    ImageSet("house-prices", "emanhamed/Houses-dataset", readers.houses, "R2"),
    ImageSet("rotation", MNIST, readers.rotated_mnist, "R2", mirrored=False),
    ImageSet("steering", "yuki-shimoda-crypto/Donkey_Car", readers.steering, "R2", mirrored=False),
    ImageSet("blood-cells", "Shenggan/BCCD_Dataset", readers.blood_cells, "R2"),
)
HELD_OUT = ("smiles", "traffic-signs", "blood-cells")


def is_test(image_set: ImageSet, found: Pictures) -> np.ndarray:
    """Return which samples are the test: the published ones, or drawn, whole groups at a time."""
    if found.test is not None:
        return found.test
    rows = np.arange(len(found.X))
    fraction = image_set.test_fraction
    if found.groups is None:
        y = None if image_set.is_regression else found.y
        rows = train_test_split(rows, test_size=fraction, stratify=y, random_state=0)[1]
    elif image_set.is_regression:
        splitter = GroupShuffleSplit(1, test_size=fraction, random_state=0)
        rows = next(splitter.split(rows, groups=found.groups))[1]
    else:
        splitter = StratifiedGroupKFold(round(1 / fraction), shuffle=True, random_state=0)
        rows = next(splitter.split(rows, found.y, found.groups))[1]
    return np.isin(np.arange(len(found.X)), rows)


def at_most(rows: np.ndarray, n: int, image_set: ImageSet, y: np.ndarray) -> np.ndarray:
    """Return `n` of the rows, with the classes' fractions kept."""
    if len(rows) <= n:
        return rows
    stratify = None if image_set.is_regression else y[rows]
    return np.sort(train_test_split(rows, train_size=n, stratify=stratify, random_state=0)[0])


def prepared(image_set: ImageSet, sources: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a set's file."""
    found = image_set.read(sources)
    chosen = is_test(image_set, found)
    train = at_most(np.flatnonzero(~chosen), image_set.n_train, image_set, found.y)
    test = at_most(np.flatnonzero(chosen), MOST_TEST, image_set, found.y)
    arrays = {
        "X_train": found.X[train],
        "y_train": found.y[train],
        "X_test": found.X[test],
        "y_test": found.y[test],
    }
    if found.groups is not None:
        assert not np.isin(found.groups[test], found.groups[train]).any(), image_set.name
        arrays["groups_train"] = found.groups[train]
    return arrays


def load(folder: Path, name: str) -> dict[str, np.ndarray]:
    """Return the arrays of a set's file; those of shipped sets are made where there is none."""
    path = folder / f"{name}.npz"
    if not path.exists() and SETS[name].source == SHIPPED:
        return prepared(SETS[name], folder)
    with np.load(path, allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def description(image_set: ImageSet, arrays: dict[str, np.ndarray]) -> str:
    """Return a row of a table: samples, shape, classes, metric, groups and source."""
    y = arrays["y_train"]
    held = " (held out)" if image_set.name in HELD_OUT else ""
    classes = "" if image_set.is_regression else len(np.unique(y))
    sizes = f"{len(y)} + {len(arrays['y_test'])}"
    shape = " x ".join(map(str, arrays["X_train"].shape[1:]))
    groups = len(np.unique(arrays["groups_train"])) if "groups_train" in arrays else ""
    cells = (image_set.name + held, sizes, shape, classes, image_set.metric, groups)
    return "| " + " | ".join(map(str, (*cells, image_set.source))) + " |"


def main() -> None:
    """Prepare sets, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sources", type=Path, nargs="?")
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--sets", nargs="+", default=[*SETS], choices=SETS)
    parser.add_argument("--list", action="store_true", help="print the sources")
    options = parser.parse_args()
    if options.list:
        for source in dict.fromkeys(each.source for each in SETS.values()):
            print(source)
        return
    if options.folder is None:
        parser.error("SOURCES and FOLDER are wanted, or --list")
    print("| set | train + test | shape | classes | metric | groups | source |")
    print("|---|---|---|---:|---|---:|---|")
    for name in options.sets:
        path = options.folder / f"{name}.npz"
        if not path.exists():
            np.savez_compressed(path, **prepared(SETS[name], options.sources))
        print(description(SETS[name], load(options.folder, name)), flush=True)


if __name__ == "__main__":
    main()
