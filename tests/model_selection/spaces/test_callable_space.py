"""Functions of the trial as a space."""

import random
import re

import numpy as np
import optuna
import pytest
from numpy.testing import assert_array_equal
from optuna.trial import FixedTrial
from sklearn.svm import SVC

from skcnn.model_selection._spaces.callable_space import CallableSpace
from tests.helpers.spaces import conditional, search_of, small

# Functions


def test_functions_may_branch(digits, capfd):
    search = search_of(space=conditional, n_trials=14).fit(*digits)
    results = search.cv_results_
    by_sgd = np.array([params["optimizer"] == "sgd" for params in results["params"]])
    assert 0 < by_sgd.sum() < 14
    assert_array_equal(results["param_momentum"].mask, ~by_sgd)
    assert not results["param_filters"].mask.any()
    assert {params["filters"] for params in results["params"]} == {(4,), (4, 8)}
    assert "n_blocks" not in results["params"][0]
    assert tuple(capfd.readouterr()) == ("", "")


def test_function_gets_its_trials_number(digits):
    numbers = []

    def space(trial):
        numbers.append(trial.number)
        return {"dropout": trial.suggest_float("dropout", 0, 0.5)}

    search_of(space=space).fit(*digits)
    assert set(numbers) == {0, 1, 2}


@pytest.mark.filterwarnings("ignore:1 of 4 trials failed")
def test_function_that_raises_fails_its_trial(digits):
    def space(trial):
        dropout = trial.suggest_float("dropout", 0, 0.5)
        if trial.number == 2:
            raise RuntimeError("no idea")
        return {"dropout": dropout}

    search = search_of(space=space, n_trials=4).fit(*digits)
    assert list(search.cv_results_["state"]) == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE"]
    assert "no idea" in search.trials_dataframe().loc[2, "reason"]
    assert search.cv_results_["params"][2] == {}
    assert search.cv_results_["param_dropout"].mask.tolist() == [False, False, True, False]
    with pytest.raises(RuntimeError, match="no idea"):
        search.set_params(error_score="raise").fit(*digits)


@pytest.mark.parametrize("given", [None, [("dropout", 0.1)], 3], ids=str)
def test_function_must_return_a_dict(digits, given):
    with pytest.raises(
        ValueError, match=re.escape(f"must return a dict of parameters. Got {given!r}")
    ):
        search_of(space=lambda trial: given).fit(*digits)


def test_function_with_an_unknown_name_is_scikit_learns_error(digits):
    with pytest.raises(ValueError, match="Invalid parameter 'dropuot'"):
        search_of(space=lambda trial: {"dropuot": trial.suggest_float("d", 0, 1)}).fit(*digits)


def test_callable_space_reads_parameters_from_values():
    space = CallableSpace(conditional, [{"optimizer": "adam", "n_blocks": 2}])
    assert space.params_of({"optimizer": "adam", "n_blocks": 2})["filters"] == (4, 8)
    assert space.values_of(0) == {"optimizer": "adam", "n_blocks": 2}
    assert space.suggest(FixedTrial({"optimizer": "sgd", "momentum": 0.5, "n_blocks": 1})) == {
        "optimizer": "sgd", "momentum": 0.5, "filters": (4,),
    }  # fmt: skip
    assert " at 0x" not in space.description()["param_space"]
    assert "conditional" in space.description()["param_space"]


# The automatic space


def test_functions_that_draw_by_themselves_keep_what_was_trained(digits):
    rng = np.random.default_rng(0)

    def space(trial):
        trial.suggest_float("x", 0, 1)
        return {"dropout": float(rng.uniform(0, 0.5))}

    search = search_of(small(), space, n_trials=3, refit=False).fit(*digits)
    drawn = np.random.default_rng(0).uniform(0, 0.5, 3).tolist()
    assert [params["dropout"] for params in search.cv_results_["params"]] == drawn


def test_functions_that_draw_by_themselves_do_not_lose_a_resumed_search(digits, tmp_path):
    def space(trial):
        trial.suggest_float("x", 0, 1)
        return {"dropout": random.random() / 2}

    storage = tmp_path / "study.journal"
    search_of(small(), space, n_trials=2, storage=storage).fit(*digits)
    search = search_of(small(), space, n_trials=4, storage=storage)
    with pytest.warns(UserWarning, match="must return the same parameters whenever.* For 2 trials"):
        search.fit(*digits)
    assert list(search.cv_results_["state"]) == ["FAIL", "FAIL", "COMPLETE", "COMPLETE"]
    assert search.best_index_ in (2, 3)
    assert [trial.state.name for trial in search.study_.trials] == ["COMPLETE"] * 4


@pytest.mark.filterwarnings("ignore:2 of 6 trials failed")
def test_one_bad_draw_fails_its_trial_only(digits):
    def space(trial):
        C = trial.suggest_float("C", 0.1, 10.0)
        bad = {1: {"Cc": C}, 2: None}
        if trial.number == 3:
            raise optuna.TrialPruned("too far away")
        return bad.get(trial.number, {"C": C})

    X, y = digits
    search = search_of(SVC(), space, n_trials=6).fit(X.reshape(len(X), -1), y)
    states = list(search.cv_results_["state"])
    assert states == ["COMPLETE", "FAIL", "FAIL", "PRUNED", "COMPLETE", "COMPLETE"]
    reasons = search.trials_dataframe()["reason"]
    assert "Invalid parameter 'Cc' for estimator SVC" in reasons[1]
    assert "must return a dict of parameters. Got None" in reasons[2]
    assert reasons[3] == "too far away"
    assert [trial.state.name for trial in search.study_.trials][3] == "PRUNED"
