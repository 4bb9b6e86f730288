"""Searches of small networks, and estimators that fail, warn and count their fits."""

import warnings

import numpy as np
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.metrics import accuracy_score

from skcnn.model_selection import ConvNetSearchCV
from tests.helpers.small_nets import small

RATES = {"learning_rate": [0.001, 0.003, 0.01, 0.03]}
EXTRA = {"state", "pruned", "n_epochs", "n_parameters", "trial"}


def search_of(estimator=None, space=RATES, **params):
    defaults = {"n_trials": 4, "cv": 2, "random_state": 0, "pruner": None}
    return ConvNetSearchCV(small() if estimator is None else estimator, space, **defaults | params)


def by_rate(search, name="mean_test_score"):
    """Return a column's values by learning rate, of the trials that were trained."""
    results = search.cv_results_
    return dict(zip(results["param_learning_rate"].tolist(), results[name], strict=True))


def without_times(results):
    return {name: value for name, value in results.items() if not name.endswith("_time")}


def assert_same_results(first, second):
    first, second = without_times(first), without_times(second)
    assert list(first) == list(second)
    for name in first:
        assert_array_equal(first[name], second[name], err_msg=name)


class Clumsy(ClassifierMixin, BaseEstimator):
    """A classifier that fails if its parameters say so."""

    def __init__(self, level=0, fails=False, fails_with=None, nan=False):
        self.level = level
        self.fails = fails
        self.fails_with = fails_with
        self.nan = nan

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        if self.fails and (self.fails_with is None or self.fails_with in np.asarray(X)[:, 0]):
            raise RuntimeError("clumsy")
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[self.level])

    def score(self, X, y):
        return np.nan if self.nan else super().score(X, y)


class Grumbler(TransformerMixin, BaseEstimator):
    """A step that warns whenever it transforms."""

    def __init__(self, level=0):
        self.level = level

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        warnings.warn(f"level {self.level}", RuntimeWarning, stacklevel=2)
        return X


class CountedFits(TransformerMixin, BaseEstimator):
    """A step that counts its fits; interrupts the program at one of them."""

    n_fits = 0
    interrupt_at = None

    def __init__(self, level=0):
        self.level = level

    def fit(self, X, y=None):
        CountedFits.n_fits += 1
        self.n_features_in_ = X.shape[1]
        if CountedFits.n_fits == CountedFits.interrupt_at:
            raise KeyboardInterrupt
        return self

    def transform(self, X):
        return X


def two_scores(estimator, X, y):
    correct = accuracy_score(y, estimator.predict(X))
    return {"correct": correct, "wrong": correct - 1}
