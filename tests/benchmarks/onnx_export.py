"""ONNX graphs against `predict_proba`: differences, labels and seconds on 10,000 samples.

    python tests/benchmarks/onnx_export.py [--samples 10000] [--threads 1] [--names NAME ...]

Prints for each model the largest difference of probabilities (of numbers: as a share of their
standard deviation), the labels that differ although the two largest probabilities differ by more
than that, and the seconds of one sample (median of 50) and of all, by onnxruntime and by skcnn.
"""

import argparse
import os
import tempfile
import time
import warnings

import numpy as np
import onnxruntime
from sklearn.calibration import CalibratedClassifierCV

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.persistence import export_onnx

N_TRAIN, N_CLASSES, REPEATS, PART = 400, 5, 50, 500
DEVIATIONS = 2.0  # between the classes, so that probabilities are not all near 0 and 1


def samples(n, *shape, dtype=np.float32):
    """Return noise with a slightly brighter band for each class, and the classes."""
    rng = np.random.default_rng(0)
    X = rng.random((n, *shape), np.float32)
    y = rng.integers(0, N_CLASSES, n)
    width = shape[0] // N_CLASSES
    shift = DEVIATIONS * X.std() / np.sqrt(width * np.prod(shape[1:]))  # of a band's mean
    for label in range(N_CLASSES):
        X[y == label, label * width : (label + 1) * width] += shift
    return (X / X.max() * 255).astype(np.uint8) if dtype == np.uint8 else X, y


def labels_of(y):
    """Return two labels a sample."""
    return np.stack([y % 2, y > 2], 1).astype(int)


IMAGE, COLOUR, SIGNAL, VOLUME = (28, 28), (32, 32, 3), (128, 3), (12, 12, 12, 1)
EPOCHS = {"max_epochs": 3, "random_state": 0}
LITE = {"architecture": "efficientnet_lite0", "pretrained": True, "trainable": "head"}
MODELS = {
    "2-D": (ConvNetClassifier(**EPOCHS), IMAGE, np.float32, None),
    "2-D, bytes": (ConvNetClassifier(**EPOCHS), COLOUR, np.uint8, None),
    "1-D": (ConvNetClassifier(n_spatial_dims=1, **EPOCHS), SIGNAL, np.float32, None),
    "3-D": (ConvNetClassifier(**EPOCHS), VOLUME, np.float32, None),
    "residual (resnet20)": (
        ConvNetClassifier(architecture="resnet20", **EPOCHS), COLOUR, np.uint8, None,
    ),
    "pretrained (Lite0, 96 pixels)": (
        ConvNetClassifier(**LITE, image_size=96, **EPOCHS), COLOUR, np.uint8, None,
    ),
    "calibrated, sigmoid": (
        CalibratedClassifierCV(ConvNetClassifier(**EPOCHS), cv=2), IMAGE, np.float32, None,
    ),
    "calibrated, isotonic": (
        CalibratedClassifierCV(ConvNetClassifier(**EPOCHS), cv=2, method="isotonic"),
        IMAGE, np.float32, None,
    ),
    "calibrated, temperature": (
        CalibratedClassifierCV(ConvNetClassifier(**EPOCHS), cv=2, method="temperature"),
        IMAGE, np.float32, None,
    ),
    "two labels a sample": (ConvNetClassifier(**EPOCHS), IMAGE, np.float32, labels_of),
    "regression": (ConvNetRegressor(**EPOCHS), IMAGE, np.float32, lambda y: 10.0 * y),
    "regression, two outputs": (
        ConvNetRegressor(**EPOCHS), IMAGE, np.float32, lambda y: np.stack([y, 7.0 - y], 1),
    ),
}  # fmt: skip


def median_seconds(work):
    """Return the median time of a function."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def in_parts(session, X):
    """Return the outputs for all samples, computed in parts."""
    parts = [session.run(None, {"X": X[s : s + PART]}) for s in range(0, len(X), PART)]
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


def compare(outputs, model, X):
    """Return the largest difference, the different labels, and skcnn's seconds."""
    start = time.perf_counter()
    if len(outputs) == 1:
        expected = model.predict(X)
        seconds = time.perf_counter() - start
        return np.abs(outputs[0] - expected).max() / expected.std(), "-", seconds
    expected = model.predict_proba(X)
    seconds = time.perf_counter() - start
    label, probabilities = outputs
    largest = np.abs(probabilities - expected).max()
    if label.ndim == 2:
        clear = np.abs(expected - 0.5) > largest
        return largest, int(((label != (expected > 0.5)) & clear).sum()), seconds
    two = np.sort(expected, axis=1)[:, -2:]
    clear = two[:, 1] - two[:, 0] > largest
    return largest, int((label != model.classes_[expected.argmax(1)])[clear].sum()), seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--names", nargs="+", default=[*MODELS], choices=[*MODELS])
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = given.threads
    print(f"{given.samples} samples, {given.threads} threads, load {os.getloadavg()[0]:.1f}")
    print(
        "| model | largest difference | other labels | one, onnxruntime (ms) | one, skcnn (ms) | "
        "all, onnxruntime (s) | all, skcnn (s) |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in given.names:
        model, shape, dtype, targets = MODELS[name]
        X, y = samples(N_TRAIN + given.samples, *shape, dtype=dtype)
        y = y if targets is None else targets(y)
        inner = "estimator__n_threads" if hasattr(model, "estimator") else "n_threads"
        model.set_params(**{inner: given.threads}).fit(X[:N_TRAIN], y[:N_TRAIN])
        X = X[N_TRAIN:]
        with tempfile.TemporaryDirectory() as folder:
            export_onnx(model, f"{folder}/model.onnx", X=X[:2])
            session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options)
            start = time.perf_counter()
            outputs = in_parts(session, X)
            seconds = time.perf_counter() - start
            largest, other, own_seconds = compare(outputs, model, X)
            tell = model.predict if len(outputs) == 1 else model.predict_proba
            one = median_seconds(lambda s=session, X=X: s.run(None, {"X": X[:1]}))
            own_one = median_seconds(lambda tell=tell, X=X: tell(X[:1]))
        print(
            f"| {name} | {largest:.1e} | {other} | {1000 * one:.2f} | {1000 * own_one:.2f} | "
            f"{seconds:.1f} | {own_seconds:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
