"""Trials that fail, warnings of fits, and interruptions."""

import warnings

import numpy as np
import optuna
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import (
    KFold,
)
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

from skcnn.comparison import compare_models
from tests.helpers.searches import (
    Clumsy,
    CountedFits,
    Grumbler,
    search_of,
)
from tests.helpers.small_nets import small

# Failures


LEVELS = {"level": [0, 1], "fails": [False, True]}


def test_failed_trials_are_recorded_and_warned_of(digits):
    X, y = digits
    search = search_of(Clumsy(), LEVELS)
    with pytest.warns(FitFailedWarning, match=r"2 of 4 trials failed.*(?s:.*)RuntimeError: clumsy"):
        search.fit(X, y)
    results = search.cv_results_
    for params, state, score, rank in zip(
        results["params"],
        results["state"],
        results["mean_test_score"],
        results["rank_test_score"],
        strict=True,
    ):
        assert state == ("FAIL" if params["fails"] else "COMPLETE")
        assert np.isnan(score) == params["fails"]
        assert (rank == 3) == params["fails"]
    assert np.isnan(search.trials_dataframe()["score"]).sum() == 2
    reasons = search.trials_dataframe()["reason"]
    assert reasons[results["state"] == "FAIL"].str.contains("RuntimeError: clumsy").all()


def test_error_score_raise_raises(digits):
    with pytest.raises(RuntimeError, match="clumsy"):
        search_of(Clumsy(), LEVELS, error_score="raise").fit(*digits)


def test_error_score_as_a_number_is_the_folds_score(digits):
    X, y = digits
    with pytest.warns(FitFailedWarning, match="fail"):  # as GridSearchCV does
        search = search_of(Clumsy(), LEVELS, error_score=-2).fit(X, y)
    results = search.cv_results_
    failed = np.array([params["fails"] for params in results["params"]])
    assert_array_equal(results["mean_test_score"][failed], [-2, -2])
    assert set(results["state"]) == {"COMPLETE"}
    assert search.best_score_ > 0


@pytest.mark.parametrize("error_score", [np.nan, 0.125])
def test_one_failing_fold(digits, error_score):
    X, y = digits
    X = X.copy()
    X[10, 0] = 1000.0  # in the training samples of the second fold
    search = search_of(
        Clumsy(fails_with=1000.0),
        {"fails": [False, True]},
        n_trials=2,
        cv=KFold(2),
        error_score=error_score,
    )
    with pytest.warns(FitFailedWarning):
        search.fit(X, y)
    results = search.cv_results_
    row = int(np.flatnonzero([params["fails"] for params in results["params"]])[0])
    assert results["split0_test_score"][row] == results["split0_test_score"][1 - row]
    if np.isnan(error_score):
        assert results["state"][row] == "FAIL"
        assert np.isnan(results["split1_test_score"][row])
        assert np.isnan(results["mean_test_score"][row])
    else:
        assert results["split1_test_score"][row] == 0.125
        mean = (results["split0_test_score"][row] + 0.125) / 2
        assert results["mean_test_score"][row] == mean


def test_nan_as_a_score_is_a_failure(digits):
    search = search_of(Clumsy(), {"nan": [False, True]}, n_trials=2)
    with pytest.warns(FitFailedWarning, match="test score 'score' of fold 0 is NaN"):
        search.fit(*digits)
    assert sorted(search.cv_results_["state"]) == ["COMPLETE", "FAIL"]


@pytest.mark.parametrize("error_score", [np.nan, 0.0])
def test_all_failed_raises_with_the_first_traceback(digits, error_score):
    search = search_of(Clumsy(fails=True), {"level": [0, 1]}, n_trials=2, error_score=error_score)
    with pytest.raises(ValueError, match=r"[Aa]ll the \d trials failed(?s:.*)RuntimeError: clumsy"):
        search.fit(*digits)


@pytest.mark.parametrize("pruner", [None, "median", "hyperband"])
def test_diverging_trial_fails_and_the_others_do_not(digits, pruner):
    space = {"learning_rate": [0.01, 1e30], "optimizer": ["sgd"]}
    search = search_of(small(), space, n_trials=2, pruner=pruner)
    with pytest.warns(FitFailedWarning, match=r"1 of 2 trials failed(?s:.*)TrainingDivergedError"):
        search.fit(*digits)
    results = search.cv_results_
    states = dict(zip(results["param_learning_rate"].tolist(), results["state"], strict=True))
    assert states == {0.01: "COMPLETE", 1e30: "FAIL"}
    assert search.best_params_["learning_rate"] == 0.01


def test_illegal_parameters_fail_their_trial_only(digits):
    search = search_of(space={"pool_size": [2, 50], "dropout": [0.1]}, n_trials=2)
    with pytest.warns(FitFailedWarning, match=r"1 of 2 trials failed(?s:.*)does not fit"):
        search.fit(*digits)
    assert search.best_params_["pool_size"] == 2


@pytest.mark.parametrize(
    "params",
    [{"constraints": {"n_parameters": 10**6}}, {"objectives": ["score", "n_parameters"]}],
    ids=["constraints", "objectives"],
)
def test_networks_that_do_not_fit_fail_also_where_they_are_sized(digits, params):
    search = search_of(space={"pool_size": [2, 50], "dropout": [0.1]}, n_trials=2, **params)
    with pytest.warns(FitFailedWarning, match=r"1 of 2 trials failed"):
        search.fit(*digits)
    assert sorted(search.cv_results_["state"]) == ["COMPLETE", "FAIL"]


def test_bad_data_raise_before_any_trial(digits):
    X, y = digits
    with pytest.raises(ValueError, match="Input X contains NaN"):
        search_of().fit(np.where(X.max() == X, np.nan, X), y)
    with pytest.raises(ValueError, match="only one class"):
        search_of(cv=KFold(2)).fit(X, np.zeros(90))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        search_of().fit(X, y[:-1])


# Warnings of fits


def test_warnings_of_fits_are_counted_and_shown_once(digits):
    model = make_pipeline(Grumbler(), Clumsy())
    space = {"grumbler__level": [3, 4], "clumsy__level": [0, 1, 2]}
    search = search_of(model, space, n_trials=6, refit=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(*digits)
    messages = [str(w.message) for w in caught if w.category is RuntimeWarning]
    # levels 3 and 4 differ in the number only
    [message] = messages
    assert len(caught) == 1
    assert message.startswith(("level 3", "level 4"))
    assert "6 of 6 trials" in message
    # in every trial each fold's test samples, and its training samples unless kept
    n = int(message.split("counted ")[1].split()[0])
    assert 6 * 2 < n <= 6 * 4


@pytest.mark.parametrize("pruner", [None, "hyperband"])
def test_ignored_warnings_stay_ignored(digits, pruner):
    model = make_pipeline(Grumbler(), small())
    search = search_of(model, {"grumbler__level": [3, 4]}, n_trials=2, pruner=pruner)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", message="level 3")
        search.fit(*digits)
    messages = {str(w.message)[:7] for w in caught}
    assert messages == {"level 4"}


def test_warnings_as_errors_fail_the_trial(digits):
    model = make_pipeline(Grumbler(), Clumsy())
    with pytest.raises(ValueError, match="RuntimeWarning: level 0"):
        search_of(model, {"clumsy__level": [0, 1]}, n_trials=2).fit(*digits)


# Interruption


@pytest.mark.parametrize("pruner", [None, "median", "hyperband"])
def test_interrupted_search_keeps_what_was_done(digits, counted, pruner):
    X, y = digits
    model = make_pipeline(CountedFits(), small())
    space = {"countedfits__level": (0, 1000), "convnetclassifier__dropout": (0.0, 0.5)}
    counted.interrupt_at = 6  # the second fold of the third trial
    search = search_of(model, space, pruner=pruner, n_trials=9)
    with pytest.warns(UserWarning, match="interrupted after 2 trials of 9"):
        search.fit(X, y)
    assert len(search.cv_results_["params"]) == 2
    assert search.best_index_ == search.cv_results_["rank_test_score"].argmin()
    assert search.predict(X).shape == (90,)
    assert len(search.trials_dataframe()) == 2


def test_interruption_before_any_result_is_raised(digits, counted):
    counted.interrupt_at = 2
    search = search_of(make_pipeline(CountedFits(), small()), {"countedfits__level": (0, 1000)})
    with pytest.raises(KeyboardInterrupt):
        search.fit(*digits)
    assert not hasattr(search, "cv_results_")


# Pruned by the user's own code


class Pruned(Clumsy):
    """Prunes its trial in `fit` or `score`."""

    def __init__(self, level=0, prunes="", at=2):
        super().__init__(level)
        self.prunes = prunes
        self.at = at

    def fit(self, X, y):
        self._prune_in("fit", X)
        return super().fit(X, y)

    def score(self, X, y):
        self._prune_in("score", X)
        return super().score(X, y)

    def _prune_in(self, where, X):
        if self.prunes == where and self.at in np.asarray(X)[:, 0]:
            raise optuna.TrialPruned("seen enough")


@pytest.mark.parametrize("error_score", [np.nan, 0.0, "raise"])
def test_trial_that_a_fit_or_a_scorer_prunes_is_pruned(digits, error_score):
    X, y = digits
    X = X.copy()
    X[:, 0] = 0
    X[10, 0] = 2  # in the test samples of the first fold and the training samples of the second
    space = {"prunes": ["", "fit", "score"]}
    search = search_of(Pruned(), space, n_trials=3, cv=KFold(2), error_score=error_score)
    results = search.fit(X, y).cv_results_  # without a warning of failures
    states = dict(zip([p["prunes"] for p in results["params"]], results["state"], strict=True))
    assert states == {"": "COMPLETE", "fit": "PRUNED", "score": "PRUNED"}
    first_folds = {
        params["prunes"]: score
        for params, score in zip(results["params"], results["split0_test_score"], strict=True)
    }
    assert np.isfinite(first_folds["fit"])
    assert np.isnan(first_folds["score"])
    table = search.trials_dataframe()
    assert table["reason"][results["pruned"]].tolist() == ["seen enough"] * 2
    assert {trial.state.name for trial in search.study_.trials} == {"COMPLETE", "PRUNED"}


class PrunesSlowRates(Callback):
    """A callback of skorch, such as optuna-integration's, that prunes after the first epoch."""

    def on_epoch_end(self, net, **kwargs):
        if net.lr < 0.005:
            raise optuna.TrialPruned("slow")


@pytest.mark.parametrize("pruner", [None, "asha"])
def test_callback_of_the_network_prunes(digits, pruner):
    """With "asha", where folds are trained together, as well."""
    search = search_of(small(callbacks=[PrunesSlowRates()]), pruner=pruner, error_score=0.0)
    results = search.fit(*digits).cv_results_
    for params, state, n_epochs in zip(
        results["params"], results["state"], results["n_epochs"], strict=True
    ):
        if params["learning_rate"] < 0.005:
            assert state == "PRUNED"
            assert n_epochs <= 2


@pytest.mark.filterwarnings("ignore::skcnn.exceptions.ComparisonWarning")
def test_comparison_records_it_as_an_error(digits):
    """It has no trials to prune."""
    models = {"dummy": Clumsy(), "pruned": Pruned(prunes="fit", at=0)}
    X, y = digits
    with pytest.warns(FitFailedWarning, match="TrialPruned: seen enough"):
        compared = compare_models(models, np.zeros((len(X), 2)), y, cv=2)
    errors = compared.fold_scores.set_index("model")["error"]
    assert errors["pruned"].str.contains("TrialPruned: seen enough").all()
    assert (errors["dummy"] == "").all()
