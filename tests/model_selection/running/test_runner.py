"""Workers that are interrupted, and trials that fail, on a storage."""

import itertools
import math

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import FitFailedWarning

from skcnn.model_selection._spaces.base import ParamSpace
from tests.helpers.recorded_searches import (
    X,
    check_complete,
    check_failure,
    check_scores,
    check_trained_once,
    net,
    rates_of,
    recorded_net,
    search_of,
    storage_of,
    trainings,
    y,
)

# Interrupted, on a storage


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
    with pytest.warns(UserWarning, match="interrupted after 2 trials of 4; their results are kept"):
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

    def suggest(self, trial, original=ParamSpace.suggest):
        if trial.number == 2:
            raise KeyboardInterrupt
        return original(self, trial)

    with monkeypatch.context() as patch:
        patch.setattr(ParamSpace, "suggest", suggest)
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


# Trials that fail, on a storage


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
    again = search.fit(X.reshape(len(X), -1), y)  # no warning of earlier failures
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


# Storages and studies of something else


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
