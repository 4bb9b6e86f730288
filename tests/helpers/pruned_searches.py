"""Searches in which some trials fall behind."""

from skcnn import ConvNetClassifier
from skcnn.model_selection import ConvNetSearchCV


def small(**params):
    defaults = {
        "input_shape": (8, 8),
        "filters": (4,),
        "hidden_units": (8,),
        "max_epochs": 3,
        "random_state": 0,
    }
    return ConvNetClassifier(**{**defaults, **params})


# the first trials are good ones, the last too slow to learn: it is to be pruned
RATES = [0.01, 0.02, 0.03, 0.015, 0.025, 0.012, 1e-7]


def search_of(estimator=None, space=None, **params):
    defaults = {"n_trials": 3, "cv": 2, "random_state": 0, "refit": False}
    space = {"learning_rate": RATES} if space is None else space
    return ConvNetSearchCV(small() if estimator is None else estimator, space, **defaults | params)


def race(prefix="", **params):
    """Return arguments of a search whose last trial is far behind."""
    initial = [{f"{prefix}learning_rate": rate} for rate in RATES]
    space = {f"{prefix}learning_rate": RATES}
    return {"space": space, "initial_params": initial, "n_trials": len(RATES), **params}
