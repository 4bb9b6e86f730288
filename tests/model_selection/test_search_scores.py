"""Scoring and refit of a search as in GridSearchCV."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.helpers.searches import EXTRA, RATES, by_rate, search_of, two_scores
from tests.helpers.small_nets import small


def rate_of_first_class(estimator, X, y):
    return float(np.mean(estimator.predict(X) == estimator.classes_[0]))


def no_score(estimator, X, y):
    raise RuntimeError("no score today")


def test_one_failing_metric_of_several_is_nan(digits):
    scoring = {"accuracy": "accuracy", "mine": no_score}
    for error_score, expected in ((np.nan, np.nan), (0.25, 0.25)):
        search = search_of(scoring=scoring, refit="accuracy", n_trials=2, error_score=error_score)
        with pytest.warns(UserWarning, match="(?s)Scoring by 'mine' failed.*no score today"):
            results = search.fit(*digits).cv_results_
        assert list(results["state"]) == ["COMPLETE", "COMPLETE"]
        assert_array_equal(results["mean_test_mine"], [expected] * 2)
        assert search.best_score_ == results["mean_test_accuracy"].max()
    search.set_params(refit="mine", error_score=np.nan)
    with pytest.raises(ValueError, match=r"(?s)All the 2 trials failed.*no score today"):
        search.fit(*digits)


SCORINGS = {
    "none": (None, True),
    "name": ("f1_macro", True),
    "scorer": (make_scorer(accuracy_score), True),
    "function": (rate_of_first_class, True),
    "list": (["accuracy", "f1_macro"], "f1_macro"),
    "tuple": (("accuracy", "f1_macro"), "accuracy"),
    "dict": ({"mine": rate_of_first_class, "f1": "f1_macro"}, "mine"),
    "function of several": (two_scores, "wrong"),
    "refit by function": (None, lambda results: int(np.argmin(results["mean_test_score"]))),
    "list, by function": (["accuracy", "f1_macro"], lambda results: 2),
    "list, no refit": (["accuracy", "f1_macro"], False),
    "no refit": (None, False),
    "name that is no metric": (None, "anything"),
}


@pytest.mark.parametrize("case", SCORINGS)
def test_scoring_and_refit_as_in_grid_search(digits, case):
    X, y = digits
    scoring, refit = SCORINGS[case]
    grid = GridSearchCV(small(), RATES, scoring=scoring, refit=refit, cv=2).fit(X, y)
    search = search_of(scoring=scoring, refit=refit).fit(X, y)
    assert set(search.cv_results_) == set(grid.cv_results_) | EXTRA
    for name in grid.cv_results_:
        if name.startswith(("mean_test", "std_test")):
            assert by_rate(search, name) == by_rate(grid, name)
    for name in ("best_index_", "best_score_", "best_params_", "best_estimator_", "refit_time_"):
        assert hasattr(search, name) == hasattr(grid, name), name
    if hasattr(grid, "best_score_"):
        assert search.best_score_ == grid.best_score_
    if hasattr(grid, "best_index_") and not callable(refit):
        assert search.best_params_ == grid.best_params_
        assert search.best_params_ == search.cv_results_["params"][search.best_index_]
    assert search.multimetric_ == grid.multimetric_
    assert type(search.scorer_) is type(grid.scorer_)
    if refit and not callable(refit):
        assert search.score(X, y) == grid.score(X, y)


def test_named_metric_is_searched_for(digits):
    search = search_of(scoring=["accuracy", "f1_macro"], refit="f1_macro").fit(*digits)
    values = [trial.value for trial in search.study_.trials]
    assert_array_equal(values, search.cv_results_["mean_test_f1_macro"])


@pytest.mark.parametrize(
    ("scoring", "refit"),
    [
        (["accuracy", "f1_macro"], True),
        (["accuracy", "f1_macro"], "recall"),
        (two_scores, True),
        (two_scores, "recall"),
        ({"a": "accuracy", "b": "nothing"}, "a"),
        (["accuracy", "accuracy"], "accuracy"),
        ([], "accuracy"),
        ({}, "accuracy"),
    ],
    ids=["true", "other", "function", "function, other", "unknown", "twice", "empty", "no dict"],
)
def test_errors_of_several_scores_are_grid_searchs(digits, scoring, refit):
    with pytest.raises(ValueError) as theirs:  # noqa: PT011
        GridSearchCV(small(), RATES, scoring=scoring, refit=refit, cv=2).fit(*digits)
    with pytest.raises(type(theirs.value)) as ours:
        search_of(scoring=scoring, refit=refit, n_trials=1).fit(*digits)
    assert str(ours.value)[:60] == str(theirs.value)[:60]


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (10, IndexError, "out of range"),
        (-1, IndexError, "out of range"),
        (0.5, TypeError, "integer"),
    ],
)
def test_refit_function_must_return_a_row(digits, index, error, message):
    with pytest.raises(error, match=message):
        search_of(refit=lambda results: index).fit(*digits)


@pytest.mark.parametrize("score", ["good", np.ones(2), None], ids=str)
def test_scorer_must_return_a_number(digits, score):
    with pytest.raises(ValueError, match="scoring must return a number"):
        search_of(scoring=lambda e, X, y: score, error_score="raise").fit(*digits)


def look_into_steps(pipeline, X, y):
    assert hasattr(pipeline.named_steps["standardscaler"], "mean_")
    return pipeline.score(X, y)


@pytest.mark.parametrize(
    ("scoring", "refit"),
    [(look_into_steps, True), ({"mine": look_into_steps}, "mine")],
    ids=["function", "dict"],
)
@pytest.mark.parametrize("pruner", [None, "median"])
def test_own_scorers_are_given_the_pipeline(digits, scoring, refit, pruner):
    model = make_pipeline(StandardScaler(), small())
    space = {"convnetclassifier__dropout": [0.1, 0.3]}
    search = search_of(model, space, n_trials=2, scoring=scoring, refit=refit, pruner=pruner)
    search.set_params(error_score="raise").fit(*digits)
    assert set(search.cv_results_["state"]) <= {"COMPLETE", "PRUNED"}
