"""Several processes on one storage, and several of one call."""

import contextlib
import os
import pickle
import random
import signal
import threading
import warnings

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from skcnn.model_selection import _parallel as parallel
from tests.helpers.processes import LONGEST, PROCESSES, names, tell_parent, until
from tests.helpers.recorded_searches import (
    N_FOLDS,
    Recorder,
    X,
    check_complete,
    check_scores,
    rates_of,
    recorded_net,
    search_of,
    summary,
    trainings,
    y,
)

# Two at once


def search_beside_another(storage, path, barrier, params):
    """Search; begin together, and both in the middle of a training at once."""
    first = []

    def act(estimator):
        if not first:
            first.append(True)
            barrier.wait(LONGEST)

    Recorder.acts = staticmethod(act)
    search = search_of(recorded_net(path), storage=storage, **params)
    barrier.wait(LONGEST)
    return summary(search.fit(X, y))


def both(children, storage, path, **params):
    barrier = PROCESSES.Barrier(2)
    two = [children(search_beside_another, storage, path, barrier, params) for _ in range(2)]
    one, other = (child.hear() for child in two)
    assert {one.pop("pid"), other.pop("pid")} == {*trainings(path)[0]}  # both have trained
    assert one == other
    return one


def test_two_processes_at_once(children, path, storage):
    found = both(children, storage, path, n_trials=6)
    assert found["states"] == ["COMPLETE"] * 6
    assert found["trials"] == list(range(6))
    rates = [params["learning_rate"] for params in found["params"]]
    assert len({*rates}) == 6
    assert sorted(trainings(path)[1]) == sorted(rates * N_FOLDS)
    assert found["best"][2] == max(found["scores"])
    later = search_of(recorded_net(path), storage=storage, n_trials=6).fit(X, y)
    check_complete(later, 6)
    check_scores(later)
    assert {**found, "pid": os.getpid()} == summary(later)
    assert len(trainings(path)[1]) == 6 * N_FOLDS  # nothing was left to train


def test_two_processes_do_not_train_the_same(children, path, tmp_path):
    rates = [1e-3, 1e-2, 3e-2]
    space = {"learning_rate": rates}
    storage = tmp_path / "study.journal"
    found = both(children, storage, path, n_trials=3, param_space=space)
    assert found["states"] == ["COMPLETE"] * 3
    given = [params["learning_rate"] for params in found["params"]]
    assert {*given} == {*rates}
    counts = {rate: trainings(path)[1].count(rate) for rate in rates}
    assert counts == dict.fromkeys(rates, N_FOLDS)


# Several processes of one call


class KillOnce:
    """Kill this process, once."""

    def __init__(self, fuse):
        self.fuse = fuse

    def __call__(self, estimator):
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.fuse)
            os.kill(os.getpid(), signal.SIGKILL)


def test_two_jobs_in_memory(path, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    search = search_of(recorded_net(path), n_jobs=2, n_trials=6, refit=True).fit(X, y)
    assert not [name for name in names(tmp_path / "temporary") if name.startswith("skcnn")]
    check_complete(search, 6)
    check_scores(search)
    pids, rates = trainings(path)
    assert os.getpid() in pids  # the refit
    assert pids.count(os.getpid()) == 1
    assert sorted(rates) == sorted(
        [*rates_of(search) * N_FOLDS, search.best_params_["learning_rate"]]
    )
    study = search.study_
    assert [trial.number for trial in study.trials] == list(range(6))
    assert study.best_value == search.best_score_
    study.add_trial(study.trials[0])
    assert len(search.trials_dataframe()) == 6
    assert len(pickle.loads(pickle.dumps(search)).study_.trials) == 7


def test_two_jobs_of_which_one_is_killed(path, tmp_path):
    (tmp_path / "fuse").touch()
    estimator = recorded_net(path, KillOnce(tmp_path / "fuse"))
    storage = tmp_path / "study.journal"
    search = search_of(estimator, n_jobs=2, n_trials=6, storage=storage).fit(X, y)
    assert not (tmp_path / "fuse").exists()
    check_complete(search, 6)
    check_scores(search)
    assert len({*trainings(path)[0]}) >= 2
    assert not [name for name in names(tmp_path) if "worker" in name]


def halve(X):
    return X / 2


def space_of_functions(trial):
    function = (halve, np.negative)[trial.suggest_int("function", 0, 1)]
    return {"step__func": function, "model__C": trial.suggest_float("C", 0.1, 1.0)}


def space_that_draws(trial):
    trial.suggest_float("C", 0.1, 1.0)
    return {"model__C": 0.1 + random.random()}


@pytest.mark.parametrize(
    "space",
    [
        {"step__func": [halve, np.negative], "model__C": (0.1, 1.0)},
        space_of_functions,
        space_that_draws,
    ],
    ids=["choices", "function", "draws by itself"],
)
def test_two_jobs_keep_results_with_functions_of_a_script(space, monkeypatch):
    # what is defined in a script is copied to worker processes, not imported
    for function in (halve, space_of_functions, space_that_draws):
        monkeypatch.setattr(function, "__module__", "__main__")
    model = Pipeline([("step", FunctionTransformer()), ("model", LogisticRegression())])
    model.set_params(model__max_iter=5000)
    search = search_of(model, param_space=space, n_jobs=2, n_trials=4)
    check_complete(search.fit(X.reshape(len(X), -1), y), 4)


def search_in_two_jobs(storage, path):
    """Search in a process group of its own; tell the parent when a worker trains."""
    os.setpgid(0, 0)
    # a shell's background jobs, such as a whole run of the tests, are deaf to it
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def watch():
        until(lambda: len(trainings(path)[1]) > 3 * N_FOLDS)
        tell_parent(os.getpid())

    threading.Thread(target=watch, daemon=True).start()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search = search_of(recorded_net(path), n_jobs=2, n_trials=100_000, storage=storage)
        search.fit(X, y)
    return {
        "warnings": [str(warning.message) for warning in caught],
        "n_rows": len(search.cv_results_["params"]),
        "n_complete": int((search.cv_results_["state"] == "COMPLETE").sum()),
        "best": float(search.best_score_) == search.cv_results_["mean_test_score"].max(),
        "n_trials": len(search.study_.trials),
    }


@pytest.mark.parametrize("kind", [pytest.param(None, marks=pytest.mark.slow), "journal"])
def test_two_jobs_and_ctrl_c(children, path, tmp_path, kind):
    storage = None if kind is None else tmp_path / "study.journal"
    child = children(search_in_two_jobs, storage, path)
    os.killpg(child.hear(), signal.SIGINT)  # as a terminal does
    found = child.hear()
    assert any("The search was interrupted after" in message for message in found["warnings"])
    assert found["best"]
    assert 2 <= found["n_complete"] == found["n_rows"] <= found["n_trials"]
    if storage is not None:
        more = found["n_rows"] + 2
        later = search_of(recorded_net(path), n_trials=more, storage=storage).fit(X, y)
        check_complete(later, more)


def test_two_jobs_on_one_device(monkeypatch, path):
    monkeypatch.setattr(parallel, "resolve_device", lambda device: torch.device("cuda:0"))
    search = search_of(recorded_net(path), n_jobs=2)
    with pytest.warns(UserWarning, match=r"n_jobs=2: .*the device cuda:0.*one at a time") as caught:
        search.fit(X, y)
    assert len(caught) == 1
    check_complete(search, 4)
    assert {*trainings(path)[0]} == {os.getpid()}
