"""How many trials are run, and duplicates of trials."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import FitFailedWarning
from sklearn.pipeline import make_pipeline

from tests.helpers.searches import Clumsy, CountedFits, search_of


def test_small_space_ends_when_all_of_it_was_tried(digits):
    model = make_pipeline(CountedFits(), Clumsy())
    space = {"countedfits__level": [0, 1, 2], "clumsy__level": (0, 1)}
    search = search_of(model, space, n_trials=8, refit=False)
    with pytest.warns(UserWarning, match="total space of parameters 6 is smaller than n_trials=8"):
        results = search.fit(*digits).cv_results_
    assert len({tuple(params.items()) for params in results["params"]}) == 6
    assert search.trials_dataframe()["copy_of"].isna().all()


def test_equal_parameters_of_a_function_are_trained_once(digits, counted):
    def space(trial):
        return {"countedfits__level": trial.suggest_int("x", 0, 100) // 51}

    model = make_pipeline(CountedFits(), Clumsy())
    search = search_of(model, space, n_trials=8, refit=False).fit(*digits)
    assert counted.n_fits == 2 * 2
    assert search.trials_dataframe()["copy_of"].notna().sum() == 6


def test_equal_failures_fail_once(digits, counted):
    model = make_pipeline(CountedFits(), Clumsy())
    search = search_of(model, {"clumsy__fails": [True, False]}, n_trials=2, refit=False)
    with pytest.warns(FitFailedWarning):
        search.fit(*digits)
    assert counted.n_fits <= 2 + 1
    states = search.cv_results_["state"]
    assert_array_equal(states == "FAIL", [p["clumsy__fails"] for p in search.cv_results_["params"]])


def test_patience_ends_a_search_without_progress(digits):
    def space(trial):
        return {"level": trial.suggest_int("level", 0, 2)}

    search = search_of(Clumsy(), space, n_trials=None, patience=4).fit(*digits)
    states = search.cv_results_["state"]
    first = int(np.argmax(search.cv_results_["mean_test_score"]))
    assert len(states) == first + 1 + 4


def test_patience_ends_a_search_without_any_score(digits):
    search = search_of(Clumsy(), {"fails": [True], "level": (0, 10**6)}, n_trials=None, patience=3)
    with pytest.raises(ValueError, match="All the 3 trials failed"):
        search.fit(*digits)


def test_patience_and_number_whichever_is_first(digits):
    search = search_of(Clumsy(), {"level": [0, 1, 2]}, n_trials=3, patience=50).fit(*digits)
    assert len(search.cv_results_["params"]) == 3
