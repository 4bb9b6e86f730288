"""Images in files: decoding, epochs and memory, beside a plain loop and torch's DataLoader.

    python tests/benchmarks/image_files.py --cifar FOLDER [--rounds 5] [--photos 24] [--quick]

FOLDER holds CIFAR-10 as JPEG files: train/CLASS/NAME.jpg. Photos of 4000x3000 are made. The
contenders take turns in one process. Memory is measured in a process for each case.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from _machine import describe
from PIL import Image
from sklearn.pipeline import make_pipeline
from torch.utils.data import DataLoader, Dataset

from skcnn import ConvNetClassifier
from skcnn._data.image_files.file_rows import FileRows
from skcnn._data.image_files.pool import n_threads
from skcnn.augmentation import RandomFlip, RandomRotation
from skcnn.datasets import ImageFiles, load_image_folder

BATCH, PHOTO_BATCH = 128, 8
PHOTO_SIZE, SIDE = (3000, 4000), 224
BILINEAR = Image.Resampling.BILINEAR
MEMORY_FILES = (1_000, 10_000, 60_000)


def decoded(path, size, draft):
    """Decode one file as most code does, or with libjpeg's scaling, and resize it."""
    with Image.open(path) as image:
        if size is None:
            return np.asarray(image.convert("RGB"))
        if draft:
            image.draft(None, (2 * size, 2 * size))
        image = image.convert("RGB")
        left = (image.width - image.height) / 2  # photos are wide
        box = (left, 0, left + image.height, image.height)
        return np.asarray(image.resize((size, size), BILINEAR, box=box))


def pillow_loop(paths, size, draft, parts):
    """Decode with Pillow in a pool of threads, one file or several at a time."""
    side = 32 if size is None else size
    out = np.empty((len(paths), side, side, 3), np.uint8)

    def work(start):
        for i in range(start, min(start + parts, len(paths))):
            out[i] = decoded(paths[i], size, draft)

    with ThreadPoolExecutor(n_threads()) as pool:
        list(pool.map(work, range(0, len(paths), parts)))


class Files(Dataset):
    def __init__(self, paths, size):
        self.paths, self.size = paths, size

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        return torch.from_numpy(decoded(self.paths[i], self.size, False).copy())


def torch_loader(paths, size, batch):
    """Read shuffled batches with torch's DataLoader and as many processes as cores."""
    loader = DataLoader(Files(paths, size), batch, shuffle=True, num_workers=n_threads())
    for _ in loader:
        pass


def our_batches(files, batch, seed=0):
    """Read shuffled batches as a fit does, the next one in the background."""
    rows = FileRows(files._files, files._numbers, np.dtype(np.uint8))
    order = np.random.default_rng(seed).permutation(len(files))
    parts = [order[start : start + batch] for start in range(0, len(order), batch)]
    for part, after in zip(parts, [*parts[1:], None], strict=True):
        rows.take(part)
        if after is not None:
            rows.expect(after)


def array_batches(array, batch, seed=0):
    order = np.random.default_rng(seed).permutation(len(array))
    for start in range(0, len(order), batch):
        array[order[start : start + batch]]


def rates(contenders, n, rounds):
    """Return the files a second of each contender in each round, which take turns."""
    seconds = {name: [] for name in contenders}
    for turn in range(rounds):
        names = list(contenders)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = time.perf_counter()
            contenders[name]()
            seconds[name].append(n / (time.perf_counter() - start))
    return seconds


def table(title, found, base):
    """Print medians, and the median of the ratios to `base` in the same round."""
    print(f"\n{title}\n\n| contender | a second | over {base} |\n|---|---|---|")
    for name, values in found.items():
        ratios = [a / b for a, b in zip(values, found[base], strict=True)]
        print(f"| {name} | {statistics.median(values):,.0f} | {statistics.median(ratios):.2f} |")


def decoding(paths, size, batch, rounds, title):
    plain = ImageFiles(paths, 32 if size is None else size, cache=None)
    contenders = {
        "Pillow, pool of threads": lambda: pillow_loop(paths, size, False, 1),
        "ImageFiles, all": plain.to_numpy,
        "ImageFiles, shuffled batches": lambda: our_batches(plain, batch),
        "torch DataLoader": lambda: torch_loader(paths, size, batch),
    }
    if size is None:
        contenders["Pillow, 16 files at a time"] = lambda: pillow_loop(paths, size, False, 16)
    else:
        contenders["Pillow with draft"] = lambda: pillow_loop(paths, size, True, 1)
    base = "Pillow, pool of threads" if size is None else "Pillow with draft"
    table(title, rates(contenders, len(paths), rounds), base)


def epochs(paths, labels, rounds, folder):
    """Train for two epochs; the second reads from the cache."""
    kinds = {
        "array": ImageFiles(paths, 32).to_numpy(),
        "memory": ImageFiles(paths, 32, cache="memory"),
        "folder": ImageFiles(paths, 32, cache=folder),
        "nowhere": ImageFiles(paths, 32, cache=None),
    }
    found = {name: [] for name in kinds}
    for turn in range(rounds):
        names = list(kinds)
        for name in names[turn % 4 :] + names[: turn % 4]:
            model = ConvNetClassifier(
                filters=(16, 32),
                hidden_units=(),
                max_epochs=3,
                batch_size=BATCH,
                calibration=None,
                random_state=0,
            ).fit(kinds[name], labels)
            found[name].append(model.history_["samples_per_second"].iloc[1:].mean())
    table("Second and third epoch, by the cache", found, "array")
    memory, array = kinds["memory"], kinds["array"]
    contenders = {
        "array": lambda: array_batches(array, BATCH),
        "memory": lambda: our_batches(memory, BATCH),
        "folder": lambda: our_batches(kinds["folder"], BATCH),
    }
    table("Shuffled batches alone, from the cache", rates(contenders, len(paths), rounds), "array")


def same_bits(files, labels):
    """Fit files and one array with augmentation, and compare the predictions bit by bit."""
    probabilities = []
    for X in (files, files.to_numpy()):
        net = ConvNetClassifier(filters=(8,), hidden_units=(), max_epochs=1, random_state=0)
        model = make_pipeline(RandomFlip(), RandomRotation(10), net).fit(X, labels)
        probabilities.append(model.predict_proba(X))
    same = np.array_equal(*probabilities)
    print(f"\nPredictions of {len(files):,} files equal those of one array bit for bit: {same}")


def resident(field):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def measure_memory(case):
    """Load and fit in this process; print MiB over the imports."""
    pictures = np.zeros((64, 8, 8, 3), np.uint8)
    pictures[::2] = 200
    small = ConvNetClassifier(filters=(4,), hidden_units=(), max_epochs=1, random_state=0)
    small.fit(pictures, np.arange(64) % 2)  # imports what is imported late
    before = resident("VmRSS")
    paths = Path(case["list"]).read_text().splitlines()
    files = ImageFiles(paths, case["size"], cache=case["cache"])
    made = resident("VmRSS")
    y = np.arange(len(files)) % 10
    model = ConvNetClassifier(
        filters=(8,),
        hidden_units=(),
        max_epochs=1,
        batch_size=case["batch"],
        calibration=None,
        random_state=0,
    )
    model.fit(files, y)
    model.predict(files)
    print(json.dumps({"made": made - before, "peak": resident("VmHWM") - before}))


def memory(cases, folder):
    print(
        "\nMemory over the imports and a small fit: with the ImageFiles, and the peak of a fit of "
        "one epoch and a prediction\n\n| files | ImageFiles, MiB | peak, MiB |\n|---|---|---|"
    )
    for name, paths, case in cases:
        listed = Path(folder) / "list.txt"
        listed.write_text("\n".join(paths))
        done = subprocess.run(
            [sys.executable, __file__, "--memory", json.dumps({"list": str(listed), **case})],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        figures = json.loads(done.stdout)
        print(f"| {name} | {figures['made']:,.0f} | {figures['peak']:,.0f} |", flush=True)


def make_photos(folder, n):
    """Save `n` photos, smooth with some noise as cameras make them."""
    paths = []
    for number in range(n):
        rng = np.random.default_rng(number)
        small = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        large = np.asarray(small.resize(PHOTO_SIZE[::-1], Image.Resampling.BICUBIC), np.int16)
        noise = rng.integers(-6, 7, large.shape, dtype=np.int16)
        path = Path(folder) / f"{number}.jpg"
        Image.fromarray(np.clip(large + noise, 0, 255).astype(np.uint8)).save(path, quality=90)
        paths.append(str(path))
    return paths


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cifar", help="folder of CIFAR-10 as JPEG files")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--quick", action="store_true", help="few files, without memory")
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory:
        measure_memory(json.loads(given.memory))
        return
    if not given.cifar:
        parser.error("--cifar is needed")
    print(json.dumps(describe()))
    X, y = load_image_folder(given.cifar, size=32, subset="all", cache=None, return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    few = order[: 2_000 if given.quick else 10_000]
    paths = X[few].paths
    same_bits(X[few] if given.quick else X, y[few] if given.quick else y)
    decoding(
        paths, None, BATCH, given.rounds, f"{len(paths):,} JPEG files of 32x32, files a second"
    )
    with tempfile.TemporaryDirectory() as folder:
        epochs(paths, y[few], given.rounds, folder)
        photos = make_photos(folder, 4 if given.quick else given.photos)
        title = f"{len(photos)} photos of 4000x3000 to {SIDE}x{SIDE}, files a second"
        decoding(photos, SIDE, PHOTO_BATCH, given.rounds, title)
        if given.quick:
            return
        many = []
        for number in range(10 * len(photos)):
            link = Path(folder) / f"link{number}.jpg"
            os.link(photos[number % len(photos)], link)
            many.append(str(link))
        case = {"cache": None, "size": 32, "batch": BATCH}
        cases = [(f"{n:,} of CIFAR-10", X[order[:n]].paths, case) for n in MEMORY_FILES]
        case = {"cache": None, "size": SIDE, "batch": PHOTO_BATCH}
        cases += [(f"{len(p)} photos", p, case) for p in (photos, many)]
        memory(cases, folder)


if __name__ == "__main__":
    main()
