"""Searches on a storage that write down each training, for tests of several processes."""

import itertools
import os

import numpy as np
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score

from skcnn import ConvNetClassifier
from skcnn.model_selection import ConvNetSearchCV
from tests.helpers.processes import hear_parent, tell_parent

X, y = load_digits(return_X_y=True)
X, y = X[:80].reshape(-1, 8, 8), y[:80]
RATES = {"learning_rate": (1e-4, 1e-1, "log")}
KINDS = ["journal", "sqlite", "postgres"]
N_FOLDS = 2


class Recorder:
    """A callback that writes down each training, and acts after its first epoch.

    Parameters
    ----------
    path : Path
        File with a line for each training: the process and the learning rate.
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


# Trials that fail, on a storage


def check_failure(search, reason):
    """Check that the first of three trials failed and the others did not."""
    assert list(search.cv_results_["state"]) == ["FAIL", "COMPLETE", "COMPLETE"]
    assert np.isnan(search.cv_results_["mean_test_score"][0])
    assert np.isfinite(search.cv_results_["mean_test_score"][1:]).all()
    assert reason in search.trials_dataframe()["reason"].iloc[0]
    assert [trial.state.name for trial in search.study_.trials] == ["FAIL", "COMPLETE", "COMPLETE"]
    assert search.best_index_ > 0
