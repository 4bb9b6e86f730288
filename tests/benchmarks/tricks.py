"""What single tricks bring to whole fits and predictions: with and without each, in alternation.

    python tests/benchmarks/tricks.py [--threads 2] [--rounds 8]

A trick stays if it brings 5 % of some whole fit or predict.
"""

import argparse
import statistics
import time

import numpy as np
from sklearn.datasets import load_digits

from skcnn import ConvNetClassifier
from skcnn._network import prediction_steps
from skcnn._training import engine
from skcnn.layers import _pair_pooling

DIGITS_X, DIGITS_Y = load_digits(return_X_y=True)
DIGITS = (DIGITS_X / 16).astype(np.float32).reshape(-1, 8, 8)
PLAIN = {"filters": (32, 64), "hidden_units": (), "normalization": None, "dropout": 0}
DEEP = {"filters": (64, (128, 128), (256, 256), (512,) * 4), "hidden_units": (), "batch_size": 16}


def swap(place, name, without):
    """Return a function that switches a trick on and off."""
    own = getattr(place, name)
    return lambda on: setattr(place, name, own if on else without)


def compare(trick, what, switch, run, rounds):
    """Print the seconds of `run` with the trick by those without it."""
    run()
    seconds = {True: [], False: []}
    for number in range(rounds):
        for on in (True, False) if number % 2 else (False, True):
            switch(on)
            start = time.perf_counter()
            run()
            seconds[on].append(time.perf_counter() - start)
    switch(True)
    ratio = statistics.median(a / b for a, b in zip(seconds[True], seconds[False], strict=True))
    least = min(seconds[True]) / min(seconds[False])
    print(
        f"| {trick} | {what} | {min(seconds[True]):.3f} s | {ratio:.3f} | {least:.3f} |", flush=True
    )


def fits(rounds, threads):
    """Compare fits of one or two epochs."""
    rng = np.random.default_rng(0)
    grey, colour = (rng.integers(0, 256, (4000, 28, 28, c), np.uint8) for c in (1, 3))
    y = rng.integers(0, 10, 4000)
    own = {"n_threads": threads, "random_state": 0, "max_epochs": 1, "calibration": None}

    def fit(X, y, **params):
        return lambda: ConvNetClassifier(**{**own, **params}).fit(X, y)

    once = swap(engine, "repeated_step", lambda optimizer: optimizer.step)
    small = {"batch_size": 64, "max_epochs": 2, "precision": "float32"}
    compare("Adam's tensors looked up once", "digits, plain net", once,
            fit(DIGITS, DIGITS_Y, **PLAIN, **small), 2 * rounds)  # fmt: skip
    compare("Adam's tensors looked up once", "digits, default", once,
            fit(DIGITS, DIGITS_Y), 2 * rounds)  # fmt: skip
    pairs = swap(_pair_pooling, "FEWEST_VALUES", 2**60)
    for batch_size in (128, 512):
        compare("pools by pairs", f"4,000 of 28x28, plain net, batch {batch_size}", pairs,
                fit(grey, y, **PLAIN, batch_size=batch_size), rounds)  # fmt: skip
    compare("pools by pairs", "4,000 of 28x28, default", pairs, fit(grey, y), rounds)
    compare(
        "pools by pairs", "2,000 of 28x28x3, default", pairs, fit(colour[:2000], y[:2000]), rounds
    )


def predictions(rounds, threads):
    """Compare predictions, each with a predictor of its own."""
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (300, 28, 28, 3), np.uint8)
    own = {"n_threads": threads, "random_state": 0, "max_epochs": 1, "calibration": None}
    nets = {
        "digits, default": (ConvNetClassifier(**own).fit(DIGITS, DIGITS_Y), DIGITS),
        "28x28x3, 9 million weights": (
            ConvNetClassifier(**own, **DEEP).fit(colour[:32], np.arange(32) % 2),
            colour,
        ),
    }
    tricks = {
        "folded normalisation": (2**17, -1),
        "no folding of large weights": (2**17, 2**60),
    }
    for trick, (with_it, without) in tricks.items():
        for name, (net, X) in nets.items():

            def switch(on, net=net, most=(without, with_it)):
                prediction_steps.MOST_FOLDED_WEIGHTS = most[on]
                vars(net.net_).pop("_predictor", None)

            for n in (1, 10, len(X)):

                def run(net=net, X=X, n=n):
                    for start in range(max(1, 50 // n)):
                        net.predict(X[start : start + n])

                compare(trick, f"{name}, predict {n}", switch, run, rounds)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=8)
    args = parser.parse_args()
    print("| trick | of | with it | with / without | least / least |\n|---|---|---|---|---|")
    fits(args.rounds, args.threads)
    predictions(args.rounds, args.threads)


if __name__ == "__main__":
    main()
