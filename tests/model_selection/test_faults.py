"""A search whose processes are killed, interrupted, or meet on one storage; trials that fail."""

import contextlib
import itertools
import math
import os
import pickle
import signal
import threading
import warnings
from types import SimpleNamespace

import numpy as np
import optuna
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from optuna.samplers import RandomSampler
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_digits
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skcnn import ConvNetClassifier
from skcnn.model_selection import ConvNetSearchCV, _folds, _param_space
from skcnn.model_selection import _plan as _search_plan
from skcnn.model_selection._running import trials as _trials
from skcnn.model_selection._running.storage import JournalFile, open_storage
from skcnn.model_selection._running.study import INTERRUPTED, MOST_ATTEMPTS, RETRY_OF
from tests.helpers.processes import LONGEST, PROCESSES, hear_parent, names, tell_parent, until

X, y = load_digits(return_X_y=True)
X, y = X[:80].reshape(-1, 8, 8), y[:80]
RATES = {"learning_rate": (1e-4, 1e-1, "log")}
DEADLY = 0.0625  # a learning rate that kills
KINDS = ["journal", "sqlite", "postgres"]
N_FOLDS = 2


class Recorder:
    """A callback that writes down each training, and acts after its first epoch.

    Parameters
    ----------
    path : Path
        Gets a line a training: the process and the learning rate.
    action : callable or None
        Takes the network. Without one `Recorder.acts` of this process is called.
    """

    acts = None

    def __init__(self, path, action=None):
        self.path = path
        self.action = action

    def setup(self, estimator, context):
        with open(self.path, "a") as file:
            file.write(f"{os.getpid()} {estimator.learning_rate!r}\n")

    def teardown(self, estimator, context):
        """Do nothing after the fit."""

    def on_fit_task_begin(self, estimator, context, **data):
        """Do nothing before an epoch."""

    def on_fit_task_end(self, estimator, context, **data):
        action = self.action or type(self).acts
        if action is not None and (context.task_name, context.task_id) == ("epoch", 0):
            action(estimator)
        return False


def trainings(path):
    """Return the processes and the learning rates of all trainings."""
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [int(line.split()[0]) for line in lines], [float(line.split()[1]) for line in lines]


def net(**params):
    defaults = {
        "filters": (4,),
        "hidden_units": (8,),
        "max_epochs": 2,
        "early_stopping": False,
        "random_state": 0,
    }
    return ConvNetClassifier(**{**defaults, **params})


def recorded_net(path, action=None, **params):
    return net(**params).set_callbacks(Recorder(path, action))


def search_of(estimator, **params):
    defaults = {
        "param_space": RATES,
        "n_trials": 4,
        "cv": N_FOLDS,
        "random_state": 0,
        "refit": False,
        "pruner": None,
    }
    return ConvNetSearchCV(estimator, **{**defaults, **params})


def check_complete(search, n_trials):
    """Check that all trials are there, and nothing was left behind."""
    results = search.cv_results_
    assert len(results["params"]) == n_trials
    assert list(results["state"]) == ["COMPLETE"] * n_trials
    assert np.isfinite(results["mean_test_score"]).all()
    assert {trial.state.name for trial in search.study_.trials} <= {"COMPLETE", "FAIL"}
    assert search.best_score_ == results["mean_test_score"].max()
    assert search.best_params_ == results["params"][search.best_index_]


def check_scores(search, **params):
    """Check each trial's score against a serial evaluation of its parameters."""
    results = search.cv_results_
    for given, score in zip(results["params"], results["mean_test_score"], strict=True):
        alone = cross_val_score(clone(net(**params)).set_params(**given), X, y, cv=N_FOLDS)
        assert score == alone.mean()


def rates_of(search):
    return [params["learning_rate"] for params in search.cv_results_["params"]]


def check_trained_once(search, path):
    """Check that no parameters were trained twice, but for a training that was cut short."""
    rates = rates_of(search)
    assert len({*rates}) == len(rates)
    assert sorted(trainings(path)[1]) == sorted(rates * N_FOLDS)


def summary(search):
    """Return what two searches must agree on."""
    return {
        "params": search.cv_results_["params"],
        "scores": search.cv_results_["mean_test_score"].tolist(),
        "states": search.cv_results_["state"].tolist(),
        "trials": search.cv_results_["trial"].tolist(),
        "best": (search.best_index_, search.best_params_, float(search.best_score_)),
        "pid": os.getpid(),
    }


def assert_same_results(one, two):
    assert one.keys() == two.keys()
    for name in one:
        if "time" in name:
            continue
        if name == "params":
            assert one[name] == two[name]
        else:
            assert_array_equal(one[name], two[name], err_msg=name)
            assert_array_equal(np.ma.getmaskarray(one[name]), np.ma.getmaskarray(two[name]))


def storage_of(kind, tmp_path, request):
    """Return a new storage of a kind."""
    if kind == "postgres":
        running = request.getfixturevalue("server")
        return running.url(running.new_database())
    return {"journal": tmp_path / "a.journal", "sqlite": f"sqlite:///{tmp_path}/a.db"}[kind]


@pytest.fixture(params=KINDS)
def storage(request, tmp_path):
    return storage_of(request.param, tmp_path, request)


@pytest.fixture
def path(tmp_path):
    """Where trainings are written down."""
    return tmp_path / "trainings"


@pytest.fixture
def acts(monkeypatch):
    """Set what recorders of this process do."""
    return lambda action: monkeypatch.setattr(Recorder, "acts", staticmethod(action))


# Killed in the middle of a trial


def search_and_block(storage, path, block_at):
    """Search; block for ever in the middle of a training."""
    count = itertools.count()

    def act(estimator):
        if next(count) == block_at:
            tell_parent(estimator.learning_rate)
            hear_parent()

    Recorder.acts = staticmethod(act)
    search_of(recorded_net(path), storage=storage).fit(X, y)


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
    if BLOCKS_IN_SPACE and trial.number == 2:
        tell_parent(rate)
        hear_parent()
    return {"learning_rate": rate}


BLOCKS_IN_SPACE = False


def claim_and_block(storage, path, kind):
    global BLOCKS_IN_SPACE
    BLOCKS_IN_SPACE = True
    sampler = BlockingSampler() if kind == "sampler" else "auto"
    space = blocking_space if kind == "space" else RATES
    search_of(recorded_net(path), param_space=space, sampler=sampler, storage=storage).fit(X, y)


class BlockingSampler(RandomSampler):
    """A sampler that blocks a child at its third trial."""

    def sample_independent(self, study, trial, name, distribution):
        if BLOCKS_IN_SPACE and trial.number == 2:
            tell_parent(None)
            hear_parent()
        return super().sample_independent(study, trial, name, distribution)


@pytest.mark.parametrize(
    ("place", "kind"), [*((place, "space") for place in KINDS), ("journal", "sampler")]
)
def test_killed_in_a_claim(children, path, tmp_path, request, place, kind):
    storage = storage_of(place, tmp_path, request)
    child = children(claim_and_block, storage, path, kind)
    killed_rate = child.hear()
    child.kill()
    sampler = BlockingSampler() if kind == "sampler" else "auto"
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


# Taken up again


@pytest.mark.parametrize(("first", "last"), [(4, 8), (11, 14)])
def test_resumed_search_is_as_one_that_was_not_interrupted(path, tmp_path, first, last):
    storage = tmp_path / "study.journal"
    search = search_of(recorded_net(path), storage=storage, pruner="auto")
    check = search.set_params(n_trials=first).fit(X, y).cv_results_
    assert len(check["params"]) == first
    resumed = search.set_params(n_trials=last).fit(X, y).cv_results_
    assert len(resumed["params"]) == last
    whole = search_of(net(), n_trials=last, pruner="auto").fit(X, y).cv_results_
    assert_same_results(resumed, whole)
    assert_same_results(
        search_of(net(), n_trials=last, storage=tmp_path / "b", pruner="auto")
        .fit(X, y)
        .cv_results_,
        whole,
    )
    assert len(trainings(path)[1]) <= last * N_FOLDS


def test_finished_study_trains_nothing(path, tmp_path):
    search = search_of(recorded_net(path), storage=tmp_path / "study.journal")
    first = search.fit(X, y).cv_results_
    n_trainings = len(trainings(path)[1])
    again = search.fit(X, y).cv_results_
    assert len(trainings(path)[1]) == n_trainings
    assert_same_results(first, again)
    assert_array_equal(first["mean_fit_time"], again["mean_fit_time"])
    fewer = search.set_params(n_trials=2).fit(X, y).cv_results_
    assert len(fewer["params"]) == 4


def test_text_labels_are_the_same_data_in_another_process(children, tmp_path):
    storage = tmp_path / "study.journal"
    child = children(search_text_labels, storage)
    assert child.hear() == 2
    assert search_text_labels(storage, n_trials=3) == 3


def search_text_labels(storage, n_trials=2):
    labels = np.array([f"digit {label}" for label in y], dtype=object)
    frame = pd.DataFrame(X.reshape(len(X), -1), columns=[f"pixel {i}" for i in range(64)])
    search = search_of(net(input_shape=(8, 8)), storage=storage, n_trials=n_trials)
    return len(search.fit(frame, labels).cv_results_["params"])


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """The journal of a search; nothing that is refused changes it."""
    storage = tmp_path_factory.mktemp("known") / "study.journal"
    search_of(net(), storage=storage, n_trials=2).fit(X, y)
    return storage


def other_space(trial):
    return {"learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)}


@pytest.mark.parametrize(
    ("params", "estimator", "data", "named"),
    [
        ({}, {}, (X[:-1], y[:-1]), "data was"),
        ({}, {}, (X + 1, y), "data was"),
        ({}, {}, (X, y[::-1]), "data was"),
        ({"cv": 3}, {}, (X, y), "cv was 2 splits.*is now 3 splits"),
        ({"cv": KFold(2)}, {}, (X, y), "cv was"),
        ({"scoring": "balanced_accuracy"}, {}, (X, y), "scoring was None, is now 'balanced_accu"),
        ({"param_space": {"learning_rate": (1e-4, 0.2, "log")}}, {}, (X, y), "param_space was"),
        ({"param_space": {"weight_decay": (1e-4, 0.1)}}, {}, (X, y), "param_space was"),
        ({"param_space": other_space}, {}, (X, y), "param_space was .* is now function .*other_"),
        ({"param_space": "auto"}, {}, (X, y), "param_space was .* is now auto"),
        ({"objectives": ["score", "n_epochs"]}, {}, (X, y), "objectives was"),
        ({"initial_params": [{"learning_rate": 0.01}]}, {}, (X, y), "initial_params was"),
        ({}, {"max_epochs": 3}, (X, y), "estimator.*max_epochs"),
        ({}, {"weight_decay": 0.5}, (X, y), "estimator.*weight_decay"),
        ({}, {"optimizer": "sgd"}, (X, y), "estimator.*optimizer"),
        ({}, {"filters": (5,)}, (X, y), "estimator.*filters"),
        ({}, {"random_state": 1}, (X, y), "estimator.*random_state"),
    ],
    ids=[
        "fewer samples",
        "other samples",
        "other targets",
        "other number of folds",
        "other folds",
        "scoring",
        "range",
        "names",
        "function",
        "auto",
        "objectives",
        "initial",
        "epochs",
        "weight decay",
        "optimizer",
        "filters",
        "seed",
    ],
)
def test_resume_of_another_search(known, params, estimator, data, named):
    before = known.read_bytes()
    search = search_of(net(**estimator), storage=known, **params)
    with pytest.raises(ValueError, match=f"(?s)'ConvNetSearchCV'.*another search: .*{named}"):
        search.fit(*data)
    assert known.read_bytes() == before


def test_resume_of_another_estimator(known):
    search = search_of(make_pipeline(StandardScaler(), net()), storage=known)
    search.set_params(param_space={"convnetclassifier__learning_rate": (1e-4, 1e-1, "log")})
    with pytest.raises(ValueError, match=r"estimator was ConvNetClassifier, .*is now Pipeline"):
        search.fit(X, y)


def test_resume_of_a_pipeline_with_another_step_of_the_same_parameters(tmp_path):
    storage = tmp_path / "study.journal"
    space = {"logisticregression__C": (0.1, 1.0)}
    flat = X.reshape(len(X), -1)

    def model(function):
        return make_pipeline(FunctionTransformer(function), LogisticRegression(max_iter=5000))

    search_of(model(np.sqrt), param_space=space, storage=storage, n_trials=1).fit(flat, y)
    search = search_of(model(np.square), param_space=space, storage=storage, n_trials=2)
    with pytest.raises(ValueError, match="functiontransformer__func was"):
        search.fit(flat, y)


@pytest.mark.parametrize(
    "estimator",
    [{"verbose": 1}, {"n_threads": 1}, {"device": "cpu"}],
    ids=["verbose", "n_threads", "device"],
)
def test_resume_that_differs_in_nothing_that_matters(tmp_path, capsys, estimator):
    storage = tmp_path / "study.journal"
    search_of(net(), storage=storage, n_trials=1).fit(X, y)
    search = search_of(net(**estimator), storage=storage, n_trials=2, verbose=2).fit(X, y)
    check_complete(search, 2)


def test_resume_with_other_sampler_and_pruner(tmp_path):
    storage = tmp_path / "study.journal"
    search_of(net(), storage=storage, n_trials=2).fit(X, y)
    search = search_of(net(), storage=storage, n_trials=3, sampler="random", pruner="median")
    check_complete(search.fit(X, y), 3)


def test_resumed_sampler_of_the_user_does_not_repeat_itself(path, tmp_path):
    storage, sampler = tmp_path / "study.journal", RandomSampler(seed=0)
    search = search_of(recorded_net(path), storage=storage, sampler=sampler, n_trials=2)
    search.fit(X, y)
    search.set_params(n_trials=4).fit(X, y)
    check_complete(search, 4)
    check_trained_once(search, path)


def test_resume_is_off(known):
    before = known.read_bytes()
    search = search_of(net(), storage=known, resume=False)
    with pytest.raises(ValueError, match=r"'ConvNetSearchCV' already\. Pass resume=True"):
        search.fit(X, y)
    assert known.read_bytes() == before
    search.set_params(study_name="another", storage=known.with_name("b.journal")).fit(X, y)
    assert search.study_.study_name == "another"


def test_study_whose_maker_died_before_it_said_what_for_is_taken(tmp_path):
    storage = tmp_path / "study.journal"
    opened = JournalFile(storage)
    optuna.create_study(storage=opened.storage, study_name="mine", direction="maximize")
    opened.close()
    search = search_of(net(), storage=storage, study_name="mine", n_trials=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 2


@pytest.mark.parametrize(
    ("n_trials", "direction"), [(0, "minimize"), (1, "minimize"), (1, "maximize")]
)
def test_study_of_plain_optuna(tmp_path, n_trials, direction):
    storage = tmp_path / "study.journal"
    opened = JournalFile(storage)
    study = optuna.create_study(
        storage=opened.storage, study_name="mine", direction=direction, sampler=RandomSampler(0)
    )
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=n_trials)
    opened.close()
    search = search_of(net(), storage=storage, study_name="mine")
    with pytest.raises(ValueError, match="'mine' of the storage was not made by ConvNetSearchCV"):
        search.fit(X, y)


def test_studies_of_several_names(storage):
    one = search_of(net(), storage=storage, n_trials=2, study_name="one").fit(X, y)
    two = search_of(net(), storage=storage, n_trials=3, study_name="two", cv=3).fit(X, y)
    check_complete(one, 2)
    check_complete(two, 3)
    check_complete(one.set_params(n_trials=4).fit(X, y), 4)
    assert len(two.study_.trials) == 3
    stored = open_storage(storage, "one")
    assert sorted(optuna.get_all_study_names(stored.storage)) == ["one", "two"]
    stored.close()


@pytest.mark.parametrize("kind", KINDS)
def test_fitted_search_can_be_pickled(tmp_path, request, kind):
    storage = storage_of(kind, tmp_path, request)
    search = search_of(net(), storage=storage, n_trials=2, refit=True).fit(X, y)
    again = pickle.loads(pickle.dumps(search))
    assert_array_equal(again.predict(X), search.predict(X))
    assert_same_results(again.cv_results_, search.cv_results_)
    assert len(again.study_.trials) == 2
    check_complete(again.set_params(n_trials=3).fit(X, y), 3)


def test_killed_in_the_middle_of_a_line(tmp_path):
    """A journal whose last line is not whole goes on, or is refused with its name."""
    storage = tmp_path / "study.journal"
    search_of(net(), storage=storage, n_trials=2).fit(X, y)
    whole = storage.read_bytes()
    storage.write_bytes(whole + whole.splitlines()[-1][:10])
    search = search_of(net(), storage=storage, n_trials=3)
    check_complete(search.fit(X, y), 3)
    check_complete(search.fit(X, y), 3)


# Several processes of one call


class KillOnce:
    """Kill this process, once."""

    def __init__(self, fuse):
        self.fuse = fuse

    def __call__(self, estimator):
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.fuse)
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("kind", [None, "journal"])
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
    monkeypatch.setattr(_folds, "resolve_device", lambda device: torch.device("cuda:0"))
    search = search_of(recorded_net(path), n_jobs=2)
    with pytest.warns(UserWarning, match=r"n_jobs=2: .*the device cuda:0.*one at a time") as caught:
        search.fit(X, y)
    assert len(caught) == 1
    check_complete(search, 4)
    assert {*trainings(path)[0]} == {os.getpid()}


# Interrupted


def raise_at(number, error):
    """Return an action that raises at a training, counted from zero."""
    count = itertools.count()

    def act(estimator):
        if next(count) == number:
            raise error

    return act


def test_ctrl_c_keeps_what_was_done(path, tmp_path, acts):
    storage = tmp_path / "study.journal"
    search = search_of(recorded_net(path), storage=storage, refit=True)
    acts(raise_at(5, KeyboardInterrupt))
    with pytest.warns(UserWarning, match="interrupted after 2 trials of 4; what was found"):
        search.fit(X, y)
    check_complete(search, 2)
    assert search.predict(X).shape == y.shape
    interrupted_rate = trainings(path)[1][5]
    acts(None)
    search.fit(X, y)
    check_complete(search, 4)
    check_scores(search)
    assert rates_of(search).count(interrupted_rate) == 1


def test_ctrl_c_before_anything_was_done(path, tmp_path, acts):
    search = search_of(recorded_net(path), storage=tmp_path / "study.journal")
    acts(raise_at(1, KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y)
    acts(None)
    check_complete(search.fit(X, y), 4)


def test_ctrl_c_in_a_claim(path, tmp_path, monkeypatch):
    """The trial that it was about to begin is not left running."""
    storage = tmp_path / "study.journal"
    search = search_of(recorded_net(path), storage=storage)

    def suggest(self, trial, original=_param_space.ParamSpace.suggest):
        if trial.number == 2:
            raise KeyboardInterrupt
        return original(self, trial)

    with monkeypatch.context() as patch:
        patch.setattr(_param_space.ParamSpace, "suggest", suggest)
        with pytest.warns(UserWarning, match="interrupted after 2 trials"):
            search.fit(X, y)
    check_complete(search.fit(X, y), 4)
    check_trained_once(search, path)


def test_error_that_is_raised_is_tried_again(path, tmp_path, acts):
    storage = tmp_path / "study.journal"
    search = search_of(recorded_net(path), storage=storage, error_score="raise")
    acts(raise_at(2, ZeroDivisionError("no luck")))
    with pytest.raises(ZeroDivisionError, match="no luck"):
        search.fit(X, y)
    acts(None)
    search.fit(X, y)
    check_complete(search, 4)
    assert rates_of(search).count(trainings(path)[1][2]) == 1


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""
    moved = SimpleNamespace(now=1e9)
    fake = SimpleNamespace(
        time=lambda: moved.now,
        sleep=_trials.time.sleep,
        perf_counter=_trials.time.perf_counter,
    )
    monkeypatch.setattr(_trials, "time", fake)
    monkeypatch.setattr(_search_plan, "time", fake)
    return moved


def test_trial_at_the_timeout_does_not_count(path, tmp_path, acts, clock):
    storage = tmp_path / "study.journal"
    search = search_of(recorded_net(path), storage=storage, timeout=60)
    count = itertools.count()

    def act(estimator):
        if next(count) == 4:
            clock.now += 61

    acts(act)
    search.fit(X, y)
    check_complete(search, 2)
    n_trainings = len(trainings(path)[1])
    assert n_trainings == 5  # its second fold was not begun
    assert search.study_.user_attrs[INTERRUPTED] == [2]
    search.fit(X, y)
    check_complete(search, 4)
    check_scores(search)
    assert rates_of(search).count(trainings(path)[1][4]) == 1


def test_timeout_many_times(path, tmp_path, acts, clock):
    """A trial that the timeout ends is not one that kills workers."""
    search = search_of(recorded_net(path), storage=tmp_path / "a", timeout=60, n_trials=2)
    count = itertools.count()

    def act(estimator):
        if next(count) >= N_FOLDS:
            clock.now += 61

    acts(act)
    for _ in range(MOST_ATTEMPTS + 1):
        check_complete(search.fit(X, y), 1)
    acts(None)
    check_complete(search.fit(X, y), 2)


def test_timeouts_do_not_make_a_trial_deadly(children, path, tmp_path, acts, clock):
    """One kill after several timeouts is the first of its attempts."""
    storage = tmp_path / "study.journal"
    search = search_of(recorded_net(path), storage=storage, timeout=60)
    count = itertools.count()

    def act(estimator):
        if next(count) >= N_FOLDS:
            clock.now += 61

    acts(act)
    for _ in range(MOST_ATTEMPTS - 1):
        check_complete(search.fit(X, y), 1)
    acts(None)
    child = children(search_and_block, storage, path, 0)
    child.hear()
    child.kill()
    check_complete(search.fit(X, y), 4)


def test_timeout_before_anything_was_done(path, tmp_path, acts, clock):
    search = search_of(recorded_net(path), storage=tmp_path / "study.journal", timeout=60)

    def act(estimator):
        clock.now += 61

    acts(act)
    with pytest.raises(ValueError, match="timeout=60 seconds were over before a trial"):
        search.fit(X, y)
    acts(None)
    check_complete(search.fit(X, y), 4)


# Trials that fail


class Fickle(ClassifierMixin, BaseEstimator):
    """Does what its parameter says."""

    def __init__(self, kind="good", value=0.0):
        self.kind = kind
        self.value = value

    def fit(self, X, y):
        if self.kind == "raises":
            raise RuntimeError("no such luck")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])

    def score(self, X, y):
        return math.nan if self.kind == "nan" else 0.5


def check_failure(search, reason):
    """Check that the first of three trials failed and the others did not."""
    assert list(search.cv_results_["state"]) == ["FAIL", "COMPLETE", "COMPLETE"]
    assert np.isnan(search.cv_results_["mean_test_score"][0])
    assert np.isfinite(search.cv_results_["mean_test_score"][1:]).all()
    assert reason in search.trials_dataframe()["reason"].iloc[0]
    assert [trial.state.name for trial in search.study_.trials] == ["FAIL", "COMPLETE", "COMPLETE"]
    assert search.best_index_ > 0


@pytest.mark.parametrize(
    ("kind", "reason", "place"),
    [
        ("raises", "RuntimeError: no such luck", "journal"),
        ("raises", "RuntimeError: no such luck", "postgres"),
        ("nan", "test score 'score' of fold 0 is NaN", "journal"),
        ("nan", "test score 'score' of fold 0 is NaN", "sqlite"),
    ],
    ids=["raises-journal", "raises-postgres", "nan-journal", "nan-sqlite"],
)
def test_trial_that_fails(tmp_path, request, kind, reason, place):
    storage = storage_of(place, tmp_path, request)
    space = {"kind": ["good", kind], "value": (0.0, 1.0)}
    first = [{"kind": kind, "value": 0.5}, *({"kind": "good", "value": v} for v in (0.1, 0.9))]
    search = search_of(
        Fickle(), param_space=space, initial_params=first, n_trials=3, storage=storage
    )
    with pytest.warns(FitFailedWarning, match=f"(?s)1 of 3 trials failed.*trial 0:.*{reason}"):
        search.fit(X.reshape(len(X), -1), y)
    check_failure(search, reason)
    again = search.fit(X.reshape(len(X), -1), y)  # what failed earlier is not told again
    check_failure(again, reason)


def test_trial_that_diverges(path, tmp_path):
    first = [{"learning_rate": rate} for rate in (1e30, 1e-3, 1e-2)]
    search = search_of(
        recorded_net(path, optimizer="sgd", normalization=None),
        param_space={"learning_rate": (1e-4, 1e31, "log")},
        initial_params=first,
        n_trials=3,
        storage=tmp_path / "study.journal",
    )
    with pytest.warns(FitFailedWarning, match=r"(?s)1 of 3 trials failed.*(NaN|diverge|finite)"):
        search.fit(X, y)
    check_failure(search, "")
    assert search.trials_dataframe()["reason"].iloc[0]


def test_trial_over_its_seconds(path, tmp_path, acts, clock):
    storage = tmp_path / "study.journal"
    search = search_of(recorded_net(path), constraints={"seconds": 60}, n_trials=3, storage=storage)
    count = itertools.count()

    def act(estimator):
        if next(count) == 0:
            clock.now += 61

    acts(act)
    with pytest.warns(FitFailedWarning, match="more than constraints"):
        search.fit(X, y)
    check_failure(search, "more than constraints['seconds']=60")
    assert len(trainings(path)[1]) == 1 + 2 * N_FOLDS  # its second fold was not begun
    assert search.cv_results_["n_epochs"][0] == 1  # and its first left after an epoch


def test_space_that_fails(tmp_path):
    storage = tmp_path / "study.journal"
    with pytest.warns(FitFailedWarning, match=r"(?s)1 of 3 trials failed.*no parameters today"):
        search = search_of(Fickle(), param_space=failing_space, n_trials=3, storage=storage).fit(
            X.reshape(len(X), -1), y
        )
    check_failure(search, "no parameters today")


def failing_space(trial):
    value = trial.suggest_float("value", 0, 1)
    if trial.number == 0:
        raise LookupError("no parameters today")
    return {"value": value}


# A storage that is something else, and studies that would mix what does not compare


@pytest.mark.parametrize(
    "content",
    [b"important data without a newline", b"a,b\n1,2\n", b"{}\n", b'{"op_coda": 1}\n'],
    ids=["text", "csv", "json", "nearly"],
)
def test_files_of_another_kind_are_left_alone(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="which is another kind of file"):
        search_of(net(), storage=path).fit(X, y)
    assert path.read_bytes() == content
    assert names(tmp_path) == ["notes.txt"]


@pytest.mark.parametrize(
    ("first", "then", "named"),
    [
        ({"error_score": 0.0}, {"error_score": 9.0}, "error_score was 0.0, is now 9.0"),
        (
            {"constraints": {"n_parameters": 10**6}},
            {"constraints": {"n_parameters": 1500}},
            "constraints was",
        ),
        ({"pruner": "asha"}, {"pruner": "median"}, "all folds at a time, is now"),
    ],
    ids=["error_score", "constraints", "lockstep"],
)
def test_resume_with_scores_that_mean_something_else(tmp_path, first, then, named):
    storage = tmp_path / "study.journal"
    search_of(net(), storage=storage, n_trials=1, **first).fit(X, y)
    with pytest.raises(ValueError, match=named):
        search_of(net(), storage=storage, n_trials=2, **then).fit(X, y)


def test_initial_functions_are_the_same_the_next_time(tmp_path):
    storage = tmp_path / "study.journal"
    pipeline = make_pipeline(FunctionTransformer(), LogisticRegression(max_iter=5000))
    space = {"functiontransformer__func": [np.sqrt, np.square], "logisticregression__C": (0.1, 1.0)}
    given = {"functiontransformer__func": np.square, "logisticregression__C": 0.5}
    flat = X.reshape(len(X), -1)
    for n_trials in (1, 2):
        search = search_of(
            pipeline, param_space=space, storage=storage, n_trials=n_trials, initial_params=[given]
        ).fit(flat, y)
    assert search.cv_results_["params"][0] == given


def test_search_after_ctrl_c_goes_on_as_if_there_had_been_none(tmp_path, acts):
    space = {"dropout": (0.0, 0.5)}
    whole = search_of(net(), param_space=space, n_trials=5, random_state=0).fit(X, y)
    storage, count = tmp_path / "study.journal", itertools.count()
    model = recorded_net(tmp_path / "trainings")
    search = search_of(model, param_space=space, n_trials=5, random_state=0, storage=storage)

    def act(estimator):
        if next(count) == 5:
            raise KeyboardInterrupt

    acts(act)
    with pytest.warns(UserWarning, match="interrupted"):
        search.fit(X, y)
    acts(lambda estimator: None)
    again = search.fit(X, y)
    assert again.cv_results_["params"] == whole.cv_results_["params"]
