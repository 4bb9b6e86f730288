"""Five folds fitted one after the other and together, as one program.

Digits with the smallest and the default network, and random bytes of 28x28 and 32x32x3,
alternating in one process: medians of wall time over the rounds after one to warm up, and
the largest difference between training losses. On an accelerator this is what decides
`joint_training_pays`.

    python tests/benchmarks/folds_together.py [--device auto] [--rounds 5] [--folds 5]
"""

import argparse
import platform
import statistics
import time

import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold

from skcnn import ConvNetClassifier
from skcnn._training.joint_training import advance_together
from skcnn._utils.device import resolve_device
from skcnn._utils.precision import exact_kernels
from skcnn._utils.worker_threads import WorkerThread

CASES = {
    "digits, 4 filters": ((8, 8), {"filters": (4,), "hidden_units": (8,), "max_epochs": 4}),
    "digits, default": ((8, 8), {"max_epochs": 4}),
    "28x28, 16 and 32 filters": ((28, 28, 1), {"filters": (16, 32), "max_epochs": 1}),
    "32x32x3, 32 and 64 filters": ((32, 32, 3), {"filters": (32, 64), "max_epochs": 1}),
}
N_RANDOM = 2000


def data_of(shape):
    if shape == (8, 8):
        return load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (N_RANDOM, *shape)).astype(np.uint8)
    return X, rng.integers(0, 10, N_RANDOM)


def fit_alone(net, parts):
    return [clone(net).fit(*part) for part in parts]


def fit_together(net, parts):
    models = [clone(net) for _ in parts]
    threads = [
        WorkerThread(lambda model=model, part=part: model.fit(*part), trains_jointly=True)
        for model, part in zip(models, parts, strict=True)
    ]
    with exact_kernels(resolve_device(net.device)):
        advance_together(threads)
    for thread in threads:
        thread.end()
        if thread.error is not None:
            raise thread.error
    return models


def timed(fit, net, parts):
    start = time.perf_counter()
    models = fit(net, parts)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start, models


def largest_difference(models, others):
    """Return that of the training losses: weights that get no gradient but rounding wander."""
    pairs = zip(models, others, strict=True)
    return max((a.history_ - b.history_)["train_loss"].abs().max() for a, b in pairs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()
    device = resolve_device(options.device)
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    print(f"{device} ({on}), {torch.get_num_threads()} threads, {options.folds} folds")
    print(f"{'case':28s}{'alone s':>9s}{'together s':>12s}{'ratio':>7s}{'difference':>12s}")
    for name, (shape, params) in CASES.items():
        X, y = data_of(shape)
        splits = StratifiedKFold(options.folds).split(np.zeros(len(y)), y)
        parts = [(X[train], y[train]) for train, _ in splits]
        net = ConvNetClassifier(
            input_shape=shape,
            random_state=0,
            device=str(device),
            precision="float32",
            calibration=None,
            **params,
        )
        seconds = {fit_alone: [], fit_together: []}
        for _ in range(options.rounds + 1):
            models = {}
            for fit, times in seconds.items():
                took, models[fit] = timed(fit, net, parts)
                times.append(took)
        alone, together = (statistics.median(times[1:]) for times in seconds.values())
        apart = largest_difference(*models.values())
        print(f"{name:28s}{alone:9.3f}{together:12.3f}{alone / together:7.2f}{apart:12.1e}")


if __name__ == "__main__":
    main()
