"""What stays of many fits, loads and predictions in one process: memory, files, threads.

    python tests/benchmarks/growth.py [--quick]

Each line runs in a process of its own (Linux). A tenth of the repetitions warms it up. Growth is
counted from there: of resident memory, of the C library's used memory, of Python's objects, of
open files, of threads and of temporary files.
"""

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MIB = 2**20
MOST_MIB = 5  # of resident memory
USAGE_FIELDS = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)


class Usage(ctypes.Structure):
    """``struct mallinfo2`` of malloc.h."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in USAGE_FIELDS)


@dataclass(frozen=True)
class State:
    """What a process holds."""

    resident_mib: float
    used_mib: float  # of the C library's memory
    n_objects: int
    n_files: int
    n_threads: int
    n_temporary: int

    @classmethod
    def now(cls):
        """Return the present state of this process."""
        gc.collect()
        libc = ctypes.CDLL(None)
        libc.mallinfo2.restype = Usage
        usage = libc.mallinfo2()
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return cls(
            resident_mib=pages * os.sysconf("SC_PAGE_SIZE") / MIB,
            used_mib=(usage.uordblks + usage.hblkhd) / MIB,
            n_objects=len(gc.get_objects()),
            n_files=len(os.listdir("/proc/self/fd")),
            n_threads=len(os.listdir("/proc/self/task")),
            n_temporary=len(os.listdir(tempfile.gettempdir())),
        )

    def since(self, before):
        """Return the growth of each figure, as a dict."""
        return {name: value - vars(before)[name] for name, value in vars(self).items()}


def growth(action, n):
    """Return what grows in `n` repetitions of `action` after a tenth as many."""
    for _ in range(max(n // 10, 1)):
        action()
    before = State.now()
    for _ in range(n):
        action()
    return State.now().since(before)


def samples():
    X = np.random.default_rng(0).random((200, 8, 8)).astype(np.float32)
    return X, np.arange(200) % 2


def estimator(**params):
    from skcnn import ConvNetClassifier

    defaults = {
        "filters": (8, 8),
        "max_epochs": 2,
        "calibration": None,
        "random_state": 0,
        "device": "cpu",
    }
    return ConvNetClassifier(**defaults, **params)


def a_fit():
    X, y = samples()
    return lambda: estimator(early_stopping=True).fit(X, y)


def a_fit_with_augmentation():
    from skcnn.augmentation import RandomRotation

    X, y = samples()
    return lambda: estimator(augmentation=RandomRotation(15)).fit(X, y)


def an_interrupted_fit():
    from skorch.callbacks import Callback

    class Interrupt(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise RuntimeError

    X, y = samples()

    def action():
        try:
            estimator(callbacks=[Interrupt()]).fit(X, y)
        except RuntimeError:
            return
        raise AssertionError

    return action


def a_load_and_prediction():
    import skcnn

    X, y = samples()
    path = Path(tempfile.mkdtemp()) / "model"
    skcnn.save(estimator().fit(X, y), path)
    return lambda: skcnn.load(path).predict(X)


def a_save():
    import skcnn

    X, y = samples()
    model, path = estimator().fit(X, y), Path(tempfile.mkdtemp()) / "model"
    return lambda: skcnn.save(model, path)


def a_pickle_and_prediction():
    import pickle

    X, y = samples()
    model = estimator().fit(X, y)
    return lambda: pickle.loads(pickle.dumps(model)).predict(X)


CASES = {
    "a fit": (a_fit, 200),
    "a fit with augmentation": (a_fit_with_augmentation, 200),
    "a fit that ends by an error": (an_interrupted_fit, 200),
    "a load and a prediction": (a_load_and_prediction, 1000),
    "a save": (a_save, 1000),
    "a pickle and a prediction": (a_pickle_and_prediction, 1000),
}


def measured(name, n):
    """Return the growth of a case, measured in a process and a temporary folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        here = [sys.executable, __file__, "--case", name, "--n", str(n)]
        done = subprocess.run(
            here, env={**os.environ, "TMPDIR": folder}, capture_output=True, text=True, check=True
        )
    return json.loads(done.stdout.splitlines()[-1])


def exceeded(grown):
    """Return the names of figures that grew more than they may."""
    most = {"resident_mib": MOST_MIB, "n_files": 0, "n_threads": 0, "n_temporary": 0}
    return [name for name, limit in most.items() if grown[name] > limit]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the repetitions")
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--n", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        make, _ = CASES[args.case]
        print(json.dumps(growth(make(), args.n)))
        return
    print("| what | times | MiB resident | MiB used | objects | files | threads | temporary |")
    print("|---|---|---|---|---|---|---|---|")
    missed = []
    for name, (_, n) in CASES.items():
        times = n // 10 if args.quick else n
        grown = measured(name, times)
        missed += [f"{name}: {what}" for what in exceeded(grown)]
        figures = [f"{v:.2f}" if isinstance(v, float) else str(v) for v in grown.values()]
        print(f"| {name} | {times:,} | {' | '.join(figures)} |", flush=True)
    sys.exit(f"Grown too much: {'; '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
