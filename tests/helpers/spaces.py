"""Searches and functions for tests of spaces."""

from skcnn import ConvNetClassifier
from skcnn.model_selection import ConvNetSearchCV
from tests.helpers.small_nets import small as small_net


def small(cls=ConvNetClassifier, **params):
    return small_net(cls, **{"max_epochs": 1, **params})


def search_of(estimator=None, space="auto", **params):
    defaults = {"n_trials": 3, "cv": 2, "random_state": 0, "refit": False, "pruner": None}
    return ConvNetSearchCV(small() if estimator is None else estimator, space, **defaults | params)


def conditional(trial):
    params = {"optimizer": trial.suggest_categorical("optimizer", ["sgd", "adam"])}
    if params["optimizer"] == "sgd":
        params["momentum"] = trial.suggest_float("momentum", 0.0, 0.9)
    n_blocks = trial.suggest_int("n_blocks", 1, 2)
    params["filters"] = tuple(4 * 2**i for i in range(n_blocks))
    return params
