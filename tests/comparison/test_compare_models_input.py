"""Errors and warnings of wrong calls of compare_models, before any fit."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.datasets import load_iris
from sklearn.linear_model import Ridge
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skcnn.comparison import compare_models
from skcnn.exceptions import LeakageWarning

X, Y = load_iris(return_X_y=True)


class Loose(BaseEstimator):
    """Cannot be cloned."""

    def __init__(self, value=None):
        self.value = [value]

    def fit(self, X, y): ...
    def predict(self, X): ...


class Counted(GaussianNB):
    n_fits = 0

    def fit(self, X, y):
        Counted.n_fits += 1
        return super().fit(X, y)


@pytest.fixture
def counted():
    Counted.n_fits = 0
    return Counted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": [GaussianNB()]}, r"{name: estimator}\. Got a list\."),
        ({"models": {}}, r"dict of two or more .* Got 0\."),
        ({"models": {"a": SVC()}}, r"Got 1\."),
        ({"models": {"a": SVC, "b": SVC()}}, r"Got <class .* for 'a'\. Did you mean SVC\(\)\?"),
        ({"models": {"a": SVC(), "b": None}}, "Got None for 'b'"),
        ({"models": {"a": SVC(), "b": StandardScaler()}}, "fit, predict and get_params"),
        ({"models": {1: SVC(), "b": SVC()}}, r"names that are str. Got 1\."),
        ({"models": {"a": SVC(), "b": Ridge()}}, "{'a': 'classifier', 'b': 'regressor'}"),
        ({"models": {"a": SVC(), "b": Loose(3)}}, "Got {'a': 'classifier', 'b': 'neither'}"),
        ({"models": {"a": Loose(), "b": Loose()}}, "'scoring' .* must not be None"),
        ({"scoring": "acuracy"}, "'acuracy' is not a valid scoring value"),
        ({"scoring": ["accuracy", "f2"]}, "'f2' is not a valid scoring value"),
        ({"scoring": []}, "Empty list"),
        ({"scoring": {"accuracy"}}, "The 'scoring' parameter of compare_models"),
        ({"baseline": "svc"}, "The 'baseline' parameter must be one of"),
        ({"baseline": "Count"}, "Got 'Count' instead. Did you mean 'counted'"),
        ({"rope": -0.1}, "The 'rope' parameter of compare_models must be"),
        ({"rope": True}, "Got True instead"),
        ({"rope": np.nan}, "Got nan instead"),
        ({"rope": {"f1": 0.1}}, r"'rope' parameter must be one of \['accuracy'\]\. Got 'f1'"),
        ({"cv": 1}, "The 'cv' parameter of compare_models"),
        ({"cv": "loo"}, "The 'cv' parameter of compare_models"),
        ({"n_jobs": 1.5}, "The 'n_jobs' parameter of compare_models"),
        ({"y": None}, "The 'y' parameter of compare_models"),
        ({"y": Y[:9]}, "inconsistent numbers of samples"),
        ({"groups": Y[:9]}, "inconsistent numbers of samples"),
        ({"groups": Y}, "n_splits=5 greater than the number of groups: 3"),
        ({"sample_weight": np.ones(9)}, "inconsistent numbers of samples"),
        ({"sample_weight": -np.ones(150)}, "Negative values"),
        ({"random_state": "x"}, "The 'random_state' parameter of compare_models"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)  # fmt: skip
def test_wrong_calls_raise_before_any_fit(options, message, counted):
    given = {"models": {"counted": counted(), "SVC": SVC()}, "X": X, "y": Y, **options}
    with pytest.raises(ValueError, match=message):
        compare_models(**given)
    assert counted.n_fits == 0


def test_a_model_that_cannot_be_cloned_raises_before_any_fit(counted):
    class Worse(GaussianNB):
        def __init__(self, value=None):
            self.value = [value]

    with pytest.raises(RuntimeError, match="Cannot clone object Worse"):
        compare_models({"counted": counted(), "b": Worse(3)}, X, Y)
    assert counted.n_fits == 0


def test_regions_of_unknown_scores_are_checked_before_any_fit(counted):
    with pytest.raises(ValueError, match="'rope' parameter must be a number >= 0, or a dict"):
        compare_models(
            {"a": counted(), "b": SVC()}, X, Y, rope={"score": -1}, scoring=lambda m, X, y: 1.0
        )
    assert counted.n_fits == 0


PLAIN_MODELS = {"Bayes": GaussianNB(), "svc": SVC()}


def test_splits_beyond_the_samples_raise():
    splits = [(np.arange(50), np.arange(50, 60)), (np.arange(10, 50), np.arange(595, 605))]
    with pytest.raises(ValueError, match=r"below the number of samples, 150, .* Got 595\."):
        compare_models(PLAIN_MODELS, X, Y, cv=splits)


def test_splits_below_the_first_sample_raise():
    splits = [(np.arange(50), np.arange(50, 60)), (np.arange(10, 50), np.array([-151]))]
    with pytest.raises(ValueError, match=r"and not below -150\. Got -151\."):
        compare_models(PLAIN_MODELS, X, Y, cv=splits)


@pytest.mark.parametrize("shift", [0, 150], ids=["from the first", "from the last"])
def test_samples_on_both_sides_of_a_split_warn(shift):
    every = np.arange(len(X))
    with pytest.warns(LeakageWarning, match="Some samples are on both sides"):
        compare_models(PLAIN_MODELS, X, Y, cv=[(every, every[i::5] - shift) for i in range(5)])


def test_negative_indices_are_the_samples_counted_from_the_last():
    splits = list(StratifiedKFold(5).split(X, Y))
    counted = [(train - 150, test) for train, test in splits]
    first, second = (compare_models(PLAIN_MODELS, X, Y, cv=cv) for cv in (splits, counted))
    assert first.fold_scores["score"].tolist() == second.fold_scores["score"].tolist()
