"""Workers that are killed: their trials are run by others."""

import importlib
import itertools
import os
import signal
import threading

import numpy as np
import pytest
from optuna.samplers import RandomSampler
from sklearn.exceptions import FitFailedWarning

from skcnn.model_selection._running.study import MOST_ATTEMPTS, RETRY_OF
from tests.helpers.processes import LONGEST, block, names, until
from tests.helpers.recorded_searches import (
    KINDS,
    N_FOLDS,
    RATES,
    Recorder,
    X,
    check_complete,
    check_scores,
    check_trained_once,
    rates_of,
    recorded_net,
    search_and_block,
    search_of,
    storage_of,
    trainings,
    y,
)

DEADLY = 0.0625  # a learning rate that kills


# Killed in the middle of a trial


# the trainings of two folds a trial: the first of trial 1, the second of trial 2
@pytest.mark.parametrize("block_at", [2, 5], ids=["first fold", "second fold"])
def test_killed_in_a_trial(children, path, tmp_path, block_at):
    storage = tmp_path / "study.journal"
    child = children(search_and_block, storage, path, block_at)
    killed_rate = child.hear()
    killed = block_at // N_FOLDS
    child.kill()
    search = search_of(recorded_net(path), storage=storage).fit(X, y)
    check_complete(search, 4)
    check_scores(search)
    assert killed not in search.cv_results_["trial"]
    assert rates_of(search).count(killed_rate) == 1
    again = [trial for trial in search.study_.trials if RETRY_OF in trial.user_attrs]
    assert [trial.user_attrs[RETRY_OF] for trial in again] == [killed]
    assert again[0].params == search.study_.trials[killed].params
    assert len(search.study_.trials) == 5
    counts = {rate: trainings(path)[1].count(rate) for rate in rates_of(search)}
    assert counts.pop(killed_rate) == N_FOLDS + 1 + block_at % N_FOLDS
    assert {*counts.values()} == {N_FOLDS}
    assert not [name for name in names(tmp_path) if "worker" in name]


@pytest.mark.parametrize("kind", KINDS[1:])
def test_killed_in_a_trial_of_a_database(children, path, tmp_path, request, kind):
    storage = storage_of(kind, tmp_path, request)
    child = children(search_and_block, storage, path, 2)
    killed_rate = child.hear()
    child.kill()
    search = search_of(recorded_net(path), storage=storage).fit(X, y)
    check_complete(search, 4)
    assert rates_of(search).count(killed_rate) == 1
    assert trainings(path)[1].count(killed_rate) == N_FOLDS + 1
    assert len(search.study_.trials) == 5


def test_killed_while_another_searches(children, path, tmp_path):
    """The one that is left takes over the dead one's trial without a new call."""
    storage = tmp_path / "study.journal"
    child = children(search_and_block, storage, path, 2)
    killed_rate = child.hear()
    done = []
    thread = threading.Thread(
        target=lambda: done.append(search_of(recorded_net(path), storage=storage).fit(X, y))
    )
    thread.start()
    # this one trains trials 2 and 3, and waits for the other's trial 1
    until(lambda: len(trainings(path)[1]) == 4 * N_FOLDS - 1)
    assert thread.is_alive()
    child.kill()
    thread.join(LONGEST)
    check_complete(done[0], 4)
    assert rates_of(done[0]).count(killed_rate) == 1


def search_and_die(storage, path):
    """Search; a training with the learning rate DEADLY kills this process."""

    def act(estimator):
        if estimator.learning_rate == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)

    Recorder.acts = staticmethod(act)
    deadly_search(storage, path).fit(X, y)


def deadly_search(storage, path):
    first = [{"learning_rate": DEADLY}]
    return search_of(recorded_net(path), storage=storage, initial_params=first)


def test_trial_that_kills_every_worker_is_given_up(children, path, tmp_path):
    storage = tmp_path / "study.journal"
    for attempt in range(1, MOST_ATTEMPTS + 1):
        child = children(search_and_die, storage, path)
        child.join()
        assert child.process.exitcode == -signal.SIGKILL
        assert trainings(path)[1] == [DEADLY] * attempt
    search = deadly_search(storage, path)
    with pytest.warns(FitFailedWarning, match=f"{MOST_ATTEMPTS} workers died"):
        search.fit(X, y)
    results = search.cv_results_
    assert list(results["state"]) == ["FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]
    assert results["params"][0] == {"learning_rate": DEADLY}
    assert np.isnan(results["mean_test_score"][0])
    assert search.best_index_ != 0
    assert "workers died" in search.trials_dataframe()["reason"].iloc[0]
    assert trainings(path)[1].count(DEADLY) == MOST_ATTEMPTS


# Killed while it claims a trial, which it does under the study's lock


def blocking_space(trial):
    """A space that blocks a child in the middle of its third trial."""
    rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
    # by names only: a function is identified by the values of the variables that it refers to
    if os.environ.get("BLOCKS_IN_SPACE") and trial.number == 2:
        importlib.import_module("tests.helpers.processes").block(rate)
    return {"learning_rate": rate}


def claim_and_block(storage, path, kind):
    os.environ["BLOCKS_IN_SPACE"] = "1"
    sampler = BlockingSampler() if kind == "sampler" else "tpe"
    space = blocking_space if kind == "space" else RATES
    search_of(recorded_net(path), param_space=space, sampler=sampler, storage=storage).fit(X, y)


class BlockingSampler(RandomSampler):
    """A sampler that blocks a child at its third trial."""

    def sample_independent(self, study, trial, name, distribution):
        if os.environ.get("BLOCKS_IN_SPACE") and trial.number == 2:
            block(None)
        return super().sample_independent(study, trial, name, distribution)


@pytest.mark.parametrize(
    ("place", "kind"), [*((place, "space") for place in KINDS), ("journal", "sampler")]
)
def test_killed_in_a_claim(children, path, tmp_path, request, place, kind):
    storage = storage_of(place, tmp_path, request)
    child = children(claim_and_block, storage, path, kind)
    killed_rate = child.hear()
    child.kill()
    sampler = BlockingSampler() if kind == "sampler" else "tpe"
    space = blocking_space if kind == "space" else RATES
    search = search_of(recorded_net(path), param_space=space, sampler=sampler, storage=storage)
    search.fit(X, y)
    check_complete(search, 4)
    check_trained_once(search, path)
    assert kind == "sampler" or killed_rate in rates_of(search)
    assert not [name for name in names(tmp_path) if "worker" in name]


def test_postgres_that_drops_all_connections(path, server, acts):
    """As when it is restarted: the search goes on, and counts no trial twice."""
    database = server.new_database()
    search = search_of(recorded_net(path), storage=server.url(database))
    count = itertools.count()

    def act(estimator):
        if next(count) == 2:
            server.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                f"WHERE datname = '{database}' AND pid <> pg_backend_pid()"
            )

    acts(act)
    search.fit(X, y)
    check_complete(search, 4)
