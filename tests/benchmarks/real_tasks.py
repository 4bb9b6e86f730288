"""Accuracy and time of the default constructors on real tasks, against scikit-learn's.

    python tests/benchmarks/real_tasks.py [--mnist mnist.npz] [--only augmented]

The file holds X_train (60000, 28, 28) uint8, y_train, X_test and y_test; without it the
MNIST rows are left out.
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
from scipy.ndimage import rotate
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.augmentation import RandomAffine, RandomElastic


def timed(model, X_train, y_train, X_test, y_test):
    """Return test score and seconds of fit."""
    start = time.perf_counter()
    model.fit(X_train, y_train)
    return model.score(X_test, y_test), time.perf_counter() - start


def show(task, model, score, seconds):
    print(f"{task:38s}{model:22s}{score:8.4f}{seconds:9.1f} s", flush=True)


def dense(cls, **params):
    return make_pipeline(StandardScaler(), cls(random_state=0, **params))


def compare(task, net, peers, X, y, n_train):
    """Show the net and its peers, on flat rows, on one split."""
    show(task, "ConvNet", *timed(net, X[:n_train], y[:n_train], X[n_train:], y[n_train:]))
    flat = X.reshape(len(X), -1)
    for name, peer in peers.items():
        result = timed(peer, flat[:n_train], y[:n_train], flat[n_train:], y[n_train:])
        show(task, name, *result)


def digits_folds():
    X, y = load_digits(return_X_y=True)
    folds = {"shuffled": StratifiedKFold(5, shuffle=True, random_state=0), "in file order": 5}
    models = {
        "ConvNet": ConvNetClassifier(input_shape=(8, 8), random_state=0),
        "dense": dense(MLPClassifier, max_iter=500),
        "SVC": make_pipeline(StandardScaler(), SVC()),
    }
    for order, cv in folds.items():
        for name, model in models.items():
            start = time.perf_counter()
            scores = cross_val_score(model, X, y, cv=cv)
            show(f"digits, 5 folds, {order}", name, scores.mean(), time.perf_counter() - start)


def noisy_tones(rng, n, length, noise):
    """Return sine waves of five pitches with random phase and white noise."""
    pitch = rng.integers(0, 5, n)
    phase = rng.uniform(0, 2 * np.pi, (n, 1))
    waves = np.sin(2 * np.pi * 0.05 * 1.25 ** pitch[:, None] * np.arange(length) + phase)
    return waves + noise * rng.normal(size=waves.shape), pitch


def rotated(images, angles):
    return np.stack(
        [rotate(image, a, reshape=False, order=1) for image, a in zip(images, angles, strict=True)]
    )


def coloured_shapes(rng, n, side=64):
    """Return discs, squares, diamonds and crosses in random colours, places and sizes."""
    rows, columns = np.mgrid[:side, :side]
    images = np.empty((n, side, side, 3), np.uint8)
    labels = rng.integers(0, 4, n)
    for i, label in enumerate(labels):
        r = rng.integers(8, 16)
        dy, dx = (
            np.abs(rows - rng.integers(r, side - r)),
            np.abs(columns - rng.integers(r, side - r)),
        )
        shape = (
            dy**2 + dx**2 < r * r,
            np.maximum(dy, dx) < r,
            dy + dx < r,
            (np.minimum(dy, dx) < r // 3) & (np.maximum(dy, dx) < r),
        )[label]
        ground, colour = rng.integers(0, 256, (2, 3))
        noisy = np.where(shape[..., None], colour, ground) + rng.normal(0, 25, (side, side, 3))
        images[i] = noisy.clip(0, 255)
    return images, labels


def small_tasks():
    rng = np.random.default_rng(0)
    images, digit = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    order = rng.permutation(len(images))
    images, digit = images[order], digit[order]
    peers = {
        "dense": dense(MLPClassifier, max_iter=500),
        "SVC": make_pipeline(StandardScaler(), SVC()),
    }
    for n in (30, 100, 500):
        compare(f"digits, {n} samples", ConvNetClassifier(random_state=0), peers, images, digit, n)
    angles = rng.uniform(-60, 60, len(images))
    compare(
        "angle of a digit, R2", ConvNetRegressor(random_state=0),
        {"dense": dense(MLPRegressor, max_iter=500)}, rotated(images, angles), angles, 1400,
    )  # fmt: skip
    for n, length, noise in ((300, 100, 1.0), (1000, 1000, 2.0)):
        X, y = noisy_tones(rng, n + 500, length, noise)
        task = f"tones, {n} x {length}, noise {noise}"
        compare(task, ConvNetClassifier(random_state=0), peers, X, y, n)
    X, y = coloured_shapes(rng, 1500)
    compare("shapes, 1000 x 64x64x3", ConvNetClassifier(random_state=0), peers, X, y, 1000)


def mnist(path):
    data = np.load(path)
    X, y, X_test, y_test = (data[k] for k in ("X_train", "y_train", "X_test", "y_test"))
    net = ConvNetClassifier(random_state=0)
    show("MNIST, default constructor", "ConvNet", *timed(net, X, y, X_test, y_test))
    history = net.history_
    print(f"  {len(history)} epochs, {history['seconds'].median():.2f} s an epoch (median)")
    names = np.array([f"digit {d}" for d in range(10)])
    frame = pd.DataFrame(X[:10_000].reshape(-1, 784), columns=[f"p{i}" for i in range(784)])
    new = pd.DataFrame(X_test.reshape(-1, 784), columns=frame.columns)
    by_image = ConvNetClassifier(max_epochs=2, random_state=0).fit(X[:10_000], y[:10_000])
    by_frame = ConvNetClassifier(input_shape=(28, 28), max_epochs=2, random_state=0)
    by_frame.fit(frame, names[y[:10_000]])
    same = np.array_equal(by_frame.predict(new), names[by_image.predict(X_test)])
    print(f"  flat DataFrame with string labels predicts the same as the image array: {same}")
    rng = np.random.default_rng(0)
    angles = rng.uniform(-60, 60, 6000)
    compare(
        "angle of an MNIST digit, R2", ConvNetRegressor(random_state=0),
        {"dense": dense(MLPRegressor)}, rotated(X[:6000], angles), angles, 5000,
    )  # fmt: skip


def mnist_augmented(path):
    """Show what augmentation does for one net in 15 epochs."""
    with np.load(path) as data:
        arrays = [data[name] for name in ("X_train", "y_train", "X_test", "y_test")]
    augmentation = [
        RandomAffine(10, translation=0.08, zoom=0.1, shear=8),
        RandomElastic(0.03),
    ]
    wider = {"filters": (32, 64, 128), "hidden_units": (256,)}
    deeper = {"filters": ((32, 32), (64, 64))}
    for name, params in {"default": {}, "wider": wider, "deeper": deeper}.items():
        for how in (None, augmentation):
            net = ConvNetClassifier(augmentation=how, max_epochs=15, random_state=0, **params)
            label = f"{name}, {'plain' if how is None else 'augmented'}"
            show("MNIST, 15 epochs", label, *timed(net, *arrays))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", help="path of the MNIST arrays")
    parser.add_argument("--only", choices=["augmented"], help="the rows with augmentation alone")
    options = parser.parse_args()
    if options.only and not options.mnist:
        parser.error(f"--only {options.only} needs --mnist")
    warnings.filterwarnings("ignore", message="Stochastic Optimizer: Maximum iterations")
    if options.only != "augmented":
        digits_folds()
        small_tasks()
    if options.mnist and options.only != "augmented":
        mnist(options.mnist)
    if options.mnist:
        mnist_augmented(options.mnist)


if __name__ == "__main__":
    main()
