"""The same random_state gives the same bits everywhere, and changes no global state."""

import hashlib
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_predict

from skcnn import ConvNetClassifier, ConvNetRegressor

X, y = load_digits(return_X_y=True)
X, y = X[:200].reshape(-1, 8, 8), y[:200]


def net(**params):
    defaults = {"filters": (8, 16), "max_epochs": 3, "random_state": 0, "early_stopping": True}
    return ConvNetClassifier(**{**defaults, **params})


def digest(model):
    """Return a hash of all weights and buffers."""
    state = model.net_.module_.state_dict()
    return hashlib.sha256(b"".join(v.numpy().tobytes() for v in state.values())).hexdigest()


def fitted_digest(n_threads):
    return digest(net(n_threads=n_threads).fit(X, y))


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_two_fits_in_one_process_agree(cls):
    model = cls(filters=(8,), max_epochs=2, random_state=3)
    first = digest(model.fit(X, y))
    assert digest(model.fit(X, y)) == first
    assert digest(cls(filters=(8,), max_epochs=2, random_state=3).fit(X, y)) == first


def test_random_state_instance_is_drawn_from():
    first = digest(net(random_state=np.random.RandomState(0)).fit(X, y))
    state = np.random.RandomState(0)
    model = net(random_state=state)
    assert digest(model.fit(X, y)) == first
    assert digest(model.fit(X, y)) != first


def test_no_random_state_differs():
    assert digest(net(random_state=None).fit(X, y)) != digest(net(random_state=None).fit(X, y))


def test_seeds_differ():
    assert digest(net(random_state=1).fit(X, y)) != digest(net(random_state=2).fit(X, y))


def test_another_process_agrees():
    code = "from test_reproducibility import fitted_digest\nprint(fitted_digest(1))"
    shown = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    ).stdout
    assert shown.strip() == fitted_digest(1)


@pytest.mark.parametrize("n_threads", [1, None])
def test_parallel_workers_agree(n_threads):
    here = fitted_digest(n_threads)
    there = Parallel(n_jobs=2)(delayed(fitted_digest)(n_threads) for _ in range(2))
    assert there == [here, here]


def test_cross_validation_agrees_for_any_n_jobs():
    model = net(n_threads=1, early_stopping=False)
    one, two = (
        cross_val_predict(model, X, y, cv=2, n_jobs=n, method="predict_proba") for n in (1, 2)
    )
    assert_array_equal(one, two)


def test_forked_child_trains_after_the_parent_used_threads():
    torch.mm(torch.rand(500, 500), torch.rand(500, 500))
    model = net(n_threads=2).fit(X, y)
    here = digest(net(n_threads=1).fit(X, y))
    there = Parallel(n_jobs=2, backend="multiprocessing", timeout=60)(
        delayed(fitted_digest)(1) for _ in range(2)
    )
    assert there == [here, here]
    assert model.net_ is not None


@pytest.mark.parametrize("random_state", [0, None])
def test_global_random_states_are_neither_moved_nor_read(random_state):
    torch.manual_seed(7)
    np.random.seed(7)
    random.seed(7)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    model = net(random_state=random_state).fit(X, y)
    model.predict(X)
    model.partial_fit(X, y)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert_array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]


def test_thread_count_is_restored():
    before = torch.get_num_threads()
    net(n_threads=before + 1).fit(X, y).predict(X)
    assert torch.get_num_threads() == before


def test_partial_fit_is_reproducible():
    digests = set()
    for _ in range(2):
        model = net(early_stopping=False).partial_fit(X, y, classes=np.arange(10))
        digests.add(digest(model.partial_fit(X, y)))
    assert len(digests) == 1


def test_predictions_are_batch_independent():
    model = net().fit(X, y)
    together = model.predict_proba(X)
    order = np.random.default_rng(0).permutation(200)
    assert_array_equal(model.predict_proba(X[order]), together[order])
    alone = np.concatenate([model.predict_proba(X[i : i + 1]) for i in range(40)])
    assert_array_equal(alone, together[:40])
