"""Fits and predictions in threads and processes of every kind: no hang, and the same bits."""

import multiprocessing
import threading

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed

from skcnn._utils.threads import torch_threads
from tests.helpers.forks import exit_code_of_child, forks
from tests.helpers.small_fits import data, tiny

pytestmark = pytest.mark.slow
LONGEST = 120  # seconds until a process counts as hung
X, Y = data(12, 12)


def fit_and_predict():
    return tiny(filters=(16, 16), n_threads=1).fit(X, Y).predict_proba(X)


def put_result(queue):
    queue.put(fit_and_predict())


@pytest.fixture(scope="module")
def expected():
    """The predictions, after torch's pool of threads has begun in this process."""
    with torch_threads(2, 0):
        torch.randn(600, 600) @ torch.randn(600, 600)
        tiny(filters=(16, 16), n_threads=2).fit(X, Y).predict_proba(X)
    return fit_and_predict()


@forks
def test_a_process_that_was_forked_after_threads(expected):
    def work():
        own = fit_and_predict()
        wide = tiny(filters=(16, 16), n_threads=2).fit(X, Y).predict_proba(X)
        return np.array_equal(own, expected) and np.array_equal(wide, expected)

    assert exit_code_of_child(work, LONGEST) == 0


@pytest.mark.parametrize("daemon", [False, True])
@pytest.mark.parametrize("kind", ["spawn", "forkserver"])
def test_other_processes(kind, daemon, expected):
    context = multiprocessing.get_context(kind)
    queue = context.Queue()
    process = context.Process(target=put_result, args=(queue,), daemon=daemon)
    process.start()
    np.testing.assert_array_equal(queue.get(timeout=LONGEST), expected)
    process.join(LONGEST)
    assert process.exitcode == 0


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblib(backend, expected):
    results = Parallel(2, backend=backend, timeout=LONGEST)(
        delayed(fit_and_predict)() for _ in range(4)
    )
    for result in results:
        np.testing.assert_array_equal(result, expected)


def test_a_daemon_thread(expected):
    results = []
    thread = threading.Thread(target=lambda: results.append(fit_and_predict()), daemon=True)
    thread.start()
    thread.join(LONGEST)
    np.testing.assert_array_equal(results, [expected])
