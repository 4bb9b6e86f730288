"""Augmentation speed beside other libraries, and its share of a training epoch.

Random affine (rotation, shift, zoom) and horizontal flip of 256 float32 images of 32x32x3,
every image with its own draw, alternating in one process: medians over the rounds. A
library that is not installed, or does not import, is left out and named.

    python tests/benchmarks/augmentation_throughput.py [--rounds 15] [--threads 2]
"""

import argparse
import os
import platform
import statistics
import sys
import time

import numpy as np
import torch
from scipy.ndimage import affine_transform
from torch import library

from skcnn import ConvNetClassifier
from skcnn.augmentation import RandomAffine, RandomElastic, RandomFlip
from skcnn.augmentation._batch_augmenter import BatchAugmenter, Step

DEGREES, SHIFT, ZOOM = 15, 0.1, 0.1
N, SIDE, CHANNELS = 256, 32, 3
EPOCH_SAMPLES, EPOCHS = 12_800, 3


def ours(images):
    operations = [RandomAffine(DEGREES, translation=SHIFT, zoom=ZOOM), RandomFlip()]
    steps = [Step(operation, None) for operation in operations]
    augmenter = BatchAugmenter(steps, (SIDE, SIDE), 1.0, seed=0)
    rows = np.arange(len(images))
    epochs = iter(range(10**9))
    return lambda: augmenter.images(images, rows, next(epochs))


def kornia(images):
    import kornia.augmentation as K  # noqa: N812

    scale = (1 - ZOOM, 1 + ZOOM)
    affine = K.RandomAffine(DEGREES, translate=(SHIFT, SHIFT), scale=scale, p=1.0)
    flip = K.RandomHorizontalFlip(p=0.5)
    together = K.AugmentationSequential(affine, flip)
    return lambda: together(images)


def torchvision(images):
    # its compiled part does not fit a CPU-only torch; the names of two operators suffice
    operators = library.Library("torchvision", "DEF")
    if not hasattr(torch.ops.torchvision, "nms"):
        operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        operators.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision.transforms import InterpolationMode, v2

    scale = (1 - ZOOM, 1 + ZOOM)
    linear = InterpolationMode.BILINEAR
    affine = v2.RandomAffine(DEGREES, translate=(SHIFT, SHIFT), scale=scale, interpolation=linear)
    both = v2.Compose([affine, v2.RandomHorizontalFlip()])
    return lambda: torch.stack([both(image) for image in images])


def scipy(images):
    rng = np.random.default_rng(0)
    arrays = images.numpy()
    centre = (SIDE - 1) / 2

    def one(image):
        angle = np.deg2rad(rng.uniform(-DEGREES, DEGREES))
        factor, flip = rng.uniform(1 - ZOOM, 1 + ZOOM), rng.choice([-1, 1])
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        matrix = turn / factor * [1, flip]
        offset = centre - matrix @ [centre, centre] + rng.uniform(-SHIFT, SHIFT, 2) * SIDE
        return np.stack([affine_transform(c, matrix, offset, order=1) for c in image])

    return lambda: np.stack([one(image) for image in arrays])


CONTENDERS = {"skcnn": ours, "kornia": kornia, "torchvision": torchvision, "scipy": scipy}


def compare_libraries(rounds):
    images = torch.rand(N, CHANNELS, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    runs, left_out = {}, {}
    for name, make in CONTENDERS.items():
        try:
            runs[name] = make(images)
        except (ImportError, RuntimeError) as error:
            left_out[name] = str(error).splitlines()[0]
    seconds = {name: [] for name in runs}
    for _ in range(rounds + 2):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(s[2:]) for name, s in seconds.items()}
    print("\n| library | images/s | times slower than skcnn |\n|---|---:|---:|")
    for name, median in medians.items():
        print(f"| {name} | {N / median:,.0f} | {median / medians['skcnn']:.2f} |")
    for name, reason in left_out.items():
        print(f"left out: {name} ({reason})")


def compare_epochs(rounds):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (EPOCH_SAMPLES, 28, 28), dtype=np.uint8)
    y = rng.integers(0, 10, EPOCH_SAMPLES)
    affine = RandomAffine(10, translation=0.08, zoom=0.1, shear=8)
    cases = {
        "none": None,
        "affine": [affine],
        "affine and elastic": [affine, RandomElastic(0.03)],
    }
    seconds = {name: [] for name in cases}
    for _ in range(rounds):
        for name, augmentation in cases.items():
            model = ConvNetClassifier(
                augmentation=augmentation, batch_size=128, max_epochs=EPOCHS, random_state=0
            )
            model.fit(X, y)
            seconds[name] += model.history_["seconds"].tolist()[1:]
    medians = {name: statistics.median(s) for name, s in seconds.items()}
    print(
        "\n| augmentation | images/s in training | epoch against the plain one |\n|---|---:|---:|"
    )
    for name, median in medians.items():
        rate = EPOCH_SAMPLES / median
        print(f"| {name} | {rate:,.0f} | {median / medians['none']:.3f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    if "MALLOC_TRIM_THRESHOLD_" not in os.environ:
        # or glibc hands memory back at every step, by chance of the heap's layout
        keep = str(2**31)
        environment = {"MALLOC_TRIM_THRESHOLD_": keep, "MALLOC_MMAP_THRESHOLD_": keep}
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **environment})
    torch.set_num_threads(arguments.threads)
    print(f"{platform.processor() or platform.machine()}, {arguments.threads} threads, ", end="")
    print(f"torch {torch.__version__}, {arguments.rounds} rounds, medians")
    compare_libraries(arguments.rounds)
    compare_epochs(max(arguments.rounds // 3, 1))


if __name__ == "__main__":
    main()
