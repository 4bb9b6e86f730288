"""What every worker shares: the dialogue with the command, and where the data come from.

A worker is started with its settings as JSON, says hello with its versions, and then answers
one line of JSON for each that it is told. Runs in environments that have no skcnn.
"""

import functools
import importlib.metadata
import json
import os
import statistics
import sys
import time
import traceback

# Libraries print; the answers get a channel that nobody else writes to.
_ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

SETTINGS = json.loads(sys.argv[1])


def serve(tasks, packages):
    """Answer requests by the functions in `tasks` until the command hangs up."""
    _answer({"versions": {name: importlib.metadata.version(name) for name in packages}})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            _answer(tasks[request.pop("task")](**request))
        except Exception as error:
            traceback.print_exc()
            lines = str(error).strip().splitlines() or [""]
            _answer({"error": f"{type(error).__name__}: {lines[-1]}"})


def _answer(what):
    print(json.dumps(what), file=_ANSWERS, flush=True)


@functools.cache
def load(file, samples=None):
    """Return the arrays of an npz file in order, or `samples` rows of each.

    The rows lie evenly in the whole, since data may be sorted by their labels.
    """
    import numpy as np  # the settings are read before anything starts threads

    with np.load(file) as arrays:
        whole = tuple(arrays[name] for name in arrays.files)
    if samples is None:
        return whole
    return tuple(array[:: max(1, len(array) // samples)][:samples] for array in whole)


def clocked(work, *args):
    """Return the seconds that ``work(*args)`` takes."""
    start = time.perf_counter()
    work(*args)
    return time.perf_counter() - start


def median_seconds(work, repeats):
    """Return the median seconds of `repeats` calls of `work`, one more ahead of them."""
    work()
    return statistics.median(clocked(work) for _ in range(repeats))
