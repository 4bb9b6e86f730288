"""Named architectures: parameters, multiply-accumulates, seconds an epoch; depth on CIFAR-10.

    python tests/benchmarks/architectures.py [--samples 256] [--names NAME ...]
    python tests/benchmarks/architectures.py --cifar cifar10.tar.gz [--train 5000] [--epochs 30]

The first prints a table for images of 32x32x3 and 10 classes, one epoch after another that is not
counted. The second compares ResNet-20 with the plain network of equal depth: the same layers
without shortcuts.
"""

import argparse
import io
import os
import tarfile
import time
import warnings

import numpy as np

from skcnn import ConvNetClassifier
from skcnn._architectures.parts import conv_block
from skcnn._architectures.registry import NAMED
from skcnn.layers import GlobalPool

SIDE, N_CLASSES, BATCH = 32, 10, 64


def plain20():
    """Return ResNet-20's convolutions without shortcuts."""
    strides = [1, 2, 2]
    layers = [*conv_block(16, 3)]
    for filters, stride in zip((16, 32, 64), strides, strict=True):
        layers += conv_block(filters, 3, stride=stride)
        for _ in range(5):
            layers += conv_block(filters, 3)
    return [*layers, GlobalPool()]


def print_table(names, n_samples):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (n_samples, SIDE, SIDE, 3), dtype=np.uint8)
    y = np.arange(n_samples) % N_CLASSES
    print(
        f"{n_samples} images of {SIDE}x{SIDE}x3, batches of {BATCH}, load {os.getloadavg()[0]:.1f}"
    )
    print("| name | parameters | millions of multiply-accumulates | seconds an epoch |")
    print("|---|---|---|---|")
    for name in names:
        model = ConvNetClassifier(
            architecture=name, max_epochs=2, batch_size=BATCH, calibration=None, random_state=0
        ).fit(X, y)
        macs = model.summary()["multiply_accumulates"].sum() / 1e6
        seconds = model.history_["seconds"].iloc[-1]
        print(f"| `{name}` | {model.n_parameters_:,} | {macs:,.1f} | {seconds:.1f} |", flush=True)


def read_images(archive, n_train):
    """Return train and test images of a tar archive of train/CLASS/*.jpg and test/CLASS/*.jpg."""
    from PIL import Image

    images, labels = {"train": [], "test": []}, {"train": [], "test": []}
    with tarfile.open(archive) as members:
        for member in members:
            part, label, name = (["", "", "", *member.name.split("/")])[-3:]
            if part in images and member.isfile() and not name.startswith("."):
                picture = Image.open(io.BytesIO(members.extractfile(member).read()))
                images[part].append(np.asarray(picture.convert("RGB")))
                labels[part].append(label)
    X, y = np.array(images["train"]), np.array(labels["train"])
    rows = np.random.default_rng(0).permutation(len(X))[:n_train]
    return X[rows], y[rows], np.array(images["test"]), np.array(labels["test"])


def compare_depth(archive, n_train, n_epochs):
    X, y, X_test, y_test = read_images(archive, n_train)
    print(f"{len(X)} training images, {n_epochs} epochs")
    for name, architecture in (("resnet20", "resnet20"), ("plain20", plain20())):
        start = time.perf_counter()
        model = ConvNetClassifier(
            architecture=architecture,
            max_epochs=n_epochs,
            batch_size=BATCH,
            calibration=None,
            random_state=0,
        ).fit(X, y)
        print(
            f"{name}: test accuracy {model.score(X_test, y_test):.4f}, training loss "
            f"{model.history_['train_loss'].iloc[-1]:.3f}, {time.perf_counter() - start:.0f} s",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--names", nargs="+", default=[*NAMED], choices=[*NAMED])
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--cifar")
    parser.add_argument("--train", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.cifar is None:
        print_table(options.names, options.samples)
    else:
        compare_depth(options.cifar, options.train, options.epochs)


if __name__ == "__main__":
    main()
