"""skcnn's memory and seconds, one fit in a process of its own. Reads Linux's /proc."""

import numpy as np
from _protocol import clocked, serve
from skcnn_worker import classifier

from skcnn import ConvNetClassifier
from skcnn.layers import Conv

N_CLASSES = 10
MIB = 2**20


def resident(field):
    """Return MiB of this process: "VmRSS" now, "VmHWM" the most so far.

    getrusage's maximum would include that of the process that started this one.
    """
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


IMPORTS = resident("VmRSS")


def small_net(batch):
    """Return a classifier whose arithmetic is small beside its data."""
    patches = Conv(8, 8, stride=8, padding="valid", activation="relu")
    return ConvNetClassifier(
        architecture=(patches,),
        batch_size=batch,
        max_epochs=1,
        calibration=None,
        random_state=0,
    )


def fit(model, X, y):
    """Fit `model` and return MiB and seconds; a small fit imports what is imported late."""
    small = np.array(X[:64])
    model.fit(small, y[:64])
    before = resident("VmRSS")
    seconds = clocked(model.fit, X, y)
    peak = resident("VmHWM")
    return {
        "seconds": seconds, "imports": IMPORTS, "before": before, "peak": peak,
        "over": peak - before, "array": X.nbytes / MIB,
    }  # fmt: skip


def fit_file(file, net, batch, mapped):
    """Fit the images of a .npy file, mapped or read into memory after the small fit."""
    X = np.load(file, mmap_mode="r")
    y = np.arange(len(X)) % N_CLASSES
    model = small_net(batch) if net is None else classifier(net, batch_size=batch, max_epochs=1)
    model.fit(np.array(X[:64]), y[:64])
    before = resident("VmRSS")
    figures = fit(model, X if mapped else np.load(file), y)
    return {**figures, "before": before, "over": figures["peak"] - before}


def fit_random(samples, side, epochs, batch):
    """Fit noise of the given size."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (samples, side, side), dtype=np.uint8)
    y = rng.integers(0, N_CLASSES, samples)
    return fit(classifier("mnist", batch_size=batch, max_epochs=epochs), X, y)


if __name__ == "__main__":
    serve({"fit_file": fit_file, "fit_random": fit_random}, ("torch",))
