"""Readers of the sources of `_image_sets`: each returns the pictures, targets and groups of a set.

A reader gets the folder of the sources, which has a folder for each repository under the
repository's name. What belongs together in a split, as pictures of one person, is one group.
"""

import itertools
import json
import re
import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image
from scipy.io import loadmat
from scipy.ndimage import affine_transform, rotate
from sklearn.datasets import load_digits

from skcnn.datasets import find_duplicates, load_idx
from tests.benchmarks import spoken_digits


@dataclass
class Pictures:
    """A set, where `test` says which samples a published split tests on, if there is one."""

    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None = None
    test: np.ndarray | None = None


def picture(source: Path | BytesIO, size: tuple[int, int] | None, mode: str) -> np.ndarray:
    """Return a picture file as uint8, resized to (width, height) if `size` is given."""
    with Image.open(source) as image:
        if size is not None:
            image.draft(mode, size)  # a JPEG is decoded near the size that is needed
        image = image.convert(mode)
        if size is not None and image.size != size:
            image = image.resize(size, Image.Resampling.BOX)
        return np.asarray(image)


def pictures(paths: Iterable[Path], size: tuple[int, int] | None, mode: str) -> np.ndarray:
    return np.stack([picture(path, size, mode) for path in paths])


def files(folder: Path, pattern: str) -> list[Path]:
    found = sorted(folder.glob(pattern))
    if not found:
        raise FileNotFoundError(f"{folder / pattern}: no such files")
    return found


def number_in(name: str) -> int:
    return int(re.sub(r"\D", "", name))


def classes_of_folders(folder: Path, pattern: str, size, mode: str) -> Pictures:
    """Return pictures whose folder is their class."""
    paths = files(folder, pattern)
    return Pictures(pictures(paths, size, mode), np.array([path.parent.name for path in paths]))


def digits(folder: Path) -> Pictures:
    X, y = load_digits(return_X_y=True)
    return Pictures(X.reshape(-1, 8, 8).astype(np.float32), y)


def _mnist(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "mnist.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def mnist(folder: Path) -> Pictures:
    arrays = _mnist(folder)
    X = np.concatenate([arrays["X_train"], arrays["X_test"]])
    y = np.concatenate([arrays["y_train"], arrays["y_test"]])
    return Pictures(X, y, test=np.arange(len(X)) >= len(arrays["X_train"]))


def warped(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the image rotated, zoomed, sheared and shifted, each by much."""
    angle, shear = np.deg2rad(rng.uniform(-35, 35)), rng.uniform(-0.3, 0.3)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1, shear], [0, 1]]) / rng.uniform(0.7, 1.2, (2, 1))
    middle = (np.array(image.shape) - 1) / 2
    offset = middle - matrix @ (middle + rng.uniform(-3, 3, 2))
    return affine_transform(image.astype(np.float32), matrix, offset, order=1).astype(np.uint8)


def some_mnist(folder: Path, n_train: int, n_test: int) -> Pictures:
    """Return as many digits of MNIST's training and test images, drawn at random."""
    whole, rng = mnist(folder), np.random.default_rng(0)
    train, test = np.flatnonzero(~whole.test), np.flatnonzero(whole.test)
    rows = np.concatenate(
        [rng.choice(train, n_train, replace=False), rng.choice(test, n_test, replace=False)]
    )
    return Pictures(whole.X[rows], whole.y[rows], test=whole.test[rows])


def warped_mnist(folder: Path) -> Pictures:
    some, rng = some_mnist(folder, 600, 2000), np.random.default_rng(1)
    return Pictures(np.stack([warped(image, rng) for image in some.X]), some.y, test=some.test)


def rotated_mnist(folder: Path) -> Pictures:
    """Return digits turned by -45 to 45 degrees, which are their targets."""
    some, rng = some_mnist(folder, 2000, 1000), np.random.default_rng(2)
    angles = rng.uniform(-45, 45, len(some.X))
    turned = [
        rotate(image.astype(np.float32), angle, reshape=False, order=1)
        for image, angle in zip(some.X, angles, strict=True)
    ]
    return Pictures(np.stack(turned).clip(0, 255).astype(np.uint8), angles, test=some.test)


def fashion(folder: Path) -> Pictures:
    folder = folder / "fashion-mnist"
    parts = [
        load_idx(folder / f"{part}-{what}-ubyte.gz")
        for what in ("images-idx3", "labels-idx1")
        for part in ("train", "t10k")
    ]
    test = np.arange(70_000) >= 60_000
    return Pictures(np.concatenate(parts[:2]), np.concatenate(parts[2:]), test=test)


def usps(folder: Path) -> Pictures:
    rows = loadmat(folder / "AnchorGAE-torch/data/usps_all.mat")["usps_all"]
    return Pictures(rows[:, :-1].reshape(-1, 16, 16), rows[:, -1])


OMNIGLOT = ("Balinese", "Early_Aramaic", "Greek", "Latin")


def omniglot(folder: Path) -> Pictures:
    """Return 96 characters, each by 20 people, of whom the last five are the test."""
    archive = zipfile.ZipFile(folder / "omniglot/python/images_background_small1.zip")
    X, y, writers = [], [], []
    for name in sorted(archive.namelist()):
        *_, alphabet, character, file = ["", "", *name.split("/")]
        if alphabet in OMNIGLOT and file.endswith(".png"):
            ink = Image.eval(Image.open(BytesIO(archive.read(name))).convert("L"), invert)
            X.append(np.asarray(ink.resize((32, 32), Image.Resampling.BOX)))
            y.append(f"{alphabet} {character}")
            writers.append(int(file[-6:-4]))
    groups = np.array(writers)
    return Pictures(np.stack(X), np.array(y), groups, test=groups > 15)


def invert(value: int) -> int:
    return 255 - value


def arrays_of_medmnist(path: Path) -> Pictures:
    """Return a file of MedMNIST, whose validation images are taken for training."""
    with np.load(path) as arrays:
        parts = ("train", "val", "test")
        X = np.concatenate([arrays[f"{part}_images"] for part in parts])
        y = np.concatenate([arrays[f"{part}_labels"] for part in parts])
        n_test = len(arrays["test_images"])
    return Pictures(X, y[:, 0], test=np.arange(len(X)) >= len(X) - n_test)


def pneumonia(folder: Path) -> Pictures:
    return arrays_of_medmnist(folder / "pneumonia_mnist/data/pneumoniamnist.npz")


def adrenal(folder: Path) -> Pictures:
    """Return masks of adrenal glands, averaged from 64 to 32 voxels a side."""
    found = arrays_of_medmnist(folder / "cg-marching-cubes/adrenalmnist3d_64.npz")
    small = [
        volume.reshape(32, 2, 32, 2, 32, 2).mean((1, 3, 5), dtype=np.float32) for volume in found.X
    ]
    volumes = np.stack(small)
    found.X = (255 / volumes.max() * volumes).round().astype(np.uint8)
    return found


def solar_cells(folder: Path) -> Pictures:
    """Return cells of solar modules; those are defective that are so with a half or more."""
    folder = folder / "elpv-dataset/src/elpv_dataset/data"
    rows = [line.split() for line in (folder / "labels.csv").read_text().splitlines()]
    y = np.array([float(row[1]) >= 0.5 for row in rows], dtype=int)
    return Pictures(pictures([folder / row[0] for row in rows], (96, 96), "L"), y)


def brain(folder: Path) -> Pictures:
    """Return slices of brains with a tumour or without; copies of one are one group."""
    folder = folder / "Brain-Tumor-Detection"
    found = classes_of_folders(folder, "[yn][eo]*/*.*", (64, 64), "L")
    copies = find_duplicates(found.X, method="exact")["second"].to_numpy()
    X, y = np.delete(found.X, copies, axis=0), np.delete(found.y, copies)
    near, groups = find_duplicates(X), np.arange(len(X))
    groups[near["second"]] = near["group"]
    return Pictures(X, y, groups)


def smiles(folder: Path) -> Pictures:
    return classes_of_folders(folder / "SMILEsmileD/SMILEs", "*/*/*.jpg", None, "L")


def tiles(folder: Path) -> Pictures:
    found = files(folder / "Magnetic-tile-defect-datasets.", "MT_*/Imgs/*.jpg")
    y = np.array([path.parts[-3].removeprefix("MT_") for path in found])
    return Pictures(pictures(found, (64, 64), "L"), y)


def faces(folder: Path) -> Pictures:
    return classes_of_folders(folder / "CreepyTeddy-/att_faces", "s*/*.pgm", (46, 56), "L")


NOT_IN_ALL_COPIES = "covid-19-pneumonia-14-PA.png"  # a large file, which some copies lack


def chests(folder: Path) -> Pictures:
    """Return X-rays; those of one patient, whose number begins the file's name, are a group."""
    paths = [
        path
        for path in files(folder / "COVID-19/X-Ray Image DataSet", "*/*")
        if path.suffix in (".png", ".jpg", ".jpeg") and path.name != NOT_IN_ALL_COPIES
    ]
    of_nih = [re.fullmatch(r"(\d{8})_\d{3}", path.stem) for path in paths]
    names = [match[1] if match else path.stem for match, path in zip(of_nih, paths, strict=True)]
    y = np.array([path.parent.name for path in paths])
    return Pictures(pictures(paths, (128, 128), "L"), y, np.unique(names, return_inverse=True)[1])


def spoken(folder: Path) -> Pictures:
    """Return log-mel spectrograms, whose groups are the speakers."""
    sounds, y, speakers = spoken_digits.read(folder / "free-spoken-digit-dataset/recordings")
    X = sounds
    for step in spoken_digits.log_mel():
        X = step.fit_transform(X)
    return Pictures(np.asarray(X, np.float32), y, np.unique(speakers, return_inverse=True)[1])


def cifar(folder: Path, n_of_class: int) -> Pictures:
    """Return so many training images of each class and 2,000 test images."""
    X, y, test, rng = [], [], [], np.random.default_rng(0)
    with tarfile.open(folder / "cifar10.tar.gz") as archive:
        members: dict[tuple[str, str], list[tarfile.TarInfo]] = {}
        for member in archive:
            if member.isfile() and member.name.endswith((".jpg", ".png")):
                *_, part, label, _ = member.name.split("/")
                members.setdefault((part, label), []).append(member)
        for (part, label), found in sorted(members.items()):
            n = n_of_class if part == "train" else 200
            found.sort(key=lambda member: member.name)
            for i in sorted(rng.choice(len(found), n, replace=False)):
                data = archive.extractfile(found[i])
                assert data is not None
                X.append(picture(BytesIO(data.read()), None, "RGB"))
                y.append(label)
                test.append(part == "test")
    return Pictures(np.stack(X), np.array(y), test=np.array(test))


def masks(folder: Path) -> Pictures:
    """Return faces, each with and without a drawn mask, which are one group.

    The images that the source made of others by augmentation are left out.
    """
    paths = [
        path
        for path in files(folder / "observations/experiements/data", "with*/*.jpg")
        if re.match(r"\d", path.name)
    ]
    y = np.array([path.parent.name for path in paths])
    groups = np.array([number_in(path.stem) for path in paths])
    return Pictures(pictures(paths, (64, 64), "RGB"), y, groups)


def signs(folder: Path) -> Pictures:
    """Return hands that show a digit; a person's are one group.

    The photos are numbered in the order of their digits, so that a new person begins where the
    digit does not grow.
    """
    paths = files(folder / "Sign-Language-Digits-Dataset/Dataset", "*/*")
    paths.sort(key=lambda path: number_in(path.stem))
    y = np.array([int(path.parent.name) for path in paths])
    groups = np.concatenate([[0], np.cumsum(np.diff(y) <= 0)])
    return Pictures(pictures(paths, (48, 48), "RGB"), y, groups)


def pollen(folder: Path) -> Pictures:
    """Return bees with pollen or without; a group is the bees of a thousand frames."""
    paths = files(folder / "PollenDataset/Dataset", "*.jpg")
    y = np.array(["none" if path.name.startswith("N") else "pollen" for path in paths])
    groups = np.array([number_in(path.stem.split("-")[0]) // 1000 for path in paths])
    return Pictures(pictures(paths, (48, 80), "RGB"), y, groups)


def traffic_signs(folder: Path) -> Pictures:
    """Return three photos of each approach to a sign, which is a group."""
    root = folder / "traffic-sign-recognition/GTSRB/Final_Training/Images"
    paths = [path for path in files(root, "*/*.ppm") if path.stem.endswith(("05", "15", "25"))]
    y = np.array([int(path.parent.name) for path in paths])
    tracks = [f"{path.parent.name} {path.stem[:5]}" for path in paths]
    groups = np.unique(tracks, return_inverse=True)[1]
    return Pictures(pictures(paths, (32, 32), "RGB"), y, groups)


def houses(folder: Path) -> Pictures:
    """Return fronts of houses, and the logarithms of their prices."""
    folder = folder / "Houses-dataset/Houses Dataset"
    lines = (folder / "HousesInfo.txt").read_text().splitlines()
    paths = [folder / f"{number + 1}_frontal.jpg" for number in range(len(lines))]
    prices = np.array([float(line.split()[-1]) for line in lines])
    return Pictures(pictures(paths, (64, 64), "RGB"), np.log(prices))


def blood_cells(folder: Path) -> Pictures:
    """Return smears of blood, and how many red cells are marked in them."""
    folder = folder / "BCCD_Dataset/BCCD"
    paths = files(folder, "JPEGImages/*.jpg")
    trees = [ElementTree.parse(folder / "Annotations" / f"{path.stem}.xml") for path in paths]
    counts = [sum(name.text == "RBC" for name in tree.iter("name")) for tree in trees]
    return Pictures(pictures(paths, (80, 60), "RGB"), np.array(counts, dtype=float))


def steering(folder: Path) -> Pictures:
    """Return every fifth frame of a model car's drive, and the driver's steering from -1 to 1.

    A group is ten seconds of the drive.
    """
    folder = folder / "Donkey_Car/data"
    lines = itertools.chain.from_iterable(
        path.read_text().splitlines() for path in files(folder, "*.catalog")
    )
    rows = {row["_index"]: row for row in map(json.loads, lines) if row["_index"] % 5 == 0}
    kept = [
        row
        for _, row in sorted(rows.items())
        if (folder / "images" / row["cam/image_array"]).exists()
    ]
    X = pictures((folder / "images" / row["cam/image_array"] for row in kept), (80, 60), "RGB")
    y = np.array([row["user/angle"] for row in kept])
    return Pictures(X, y, np.array([row["_timestamp_ms"] // 10_000 for row in kept]))
