"""ConvNetSearchCV: scores and results as GridSearchCV's, failures, reproducibility."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from optuna.samplers import RandomSampler
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import ConvNetRegressor
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
    """A classifier that fails as it is told."""

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


@pytest.fixture
def counted():
    CountedFits.n_fits, CountedFits.interrupt_at = 0, None
    yield CountedFits
    CountedFits.interrupt_at = None


# The results are GridSearchCV's


@pytest.mark.parametrize("pruner", [None, "auto"])
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("scoring", [None, "f1_macro", ["accuracy", "f1_macro"]], ids=str)
def test_same_columns_and_scores_as_grid_search(digits, pruner, train, scoring):
    X, y = digits
    refit = "f1_macro" if isinstance(scoring, list) else True
    shared = {"cv": 3, "scoring": scoring, "refit": refit, "return_train_score": train}
    grid = GridSearchCV(small(), RATES, **shared).fit(X, y)
    search = search_of(pruner=pruner, **shared).fit(X, y)
    ours, theirs = search.cv_results_, grid.cv_results_
    assert set(ours) == set(theirs) | EXTRA
    assert [name for name in ours if name in theirs] == list(theirs)
    for name, column in theirs.items():
        assert type(ours[name]) is type(column), name
        if name != "params":
            assert ours[name].dtype == column.dtype, name
            assert ours[name].shape == column.shape, name
    assert [list(p) for p in ours["params"]] == [["learning_rate"]] * 4
    for name in ours:
        if "_test_" in name and "rank" not in name and pruner is None:
            assert by_rate(search, name) == by_rate(grid, name), name
    assert search.best_params_ == grid.best_params_
    assert search.best_score_ == grid.best_score_
    assert search.multimetric_ == grid.multimetric_
    assert_array_equal(search.predict_proba(X), grid.predict_proba(X))
    assert search.score(X, y) == grid.score(X, y)
    assert {name for name in vars(grid) if name.endswith("_")} <= set(vars(search))


def test_own_columns(digits):
    X, y = digits
    results = search_of().fit(X, y).cv_results_
    assert set(results["state"]) == {"COMPLETE"}
    assert results["pruned"].dtype == bool
    assert not results["pruned"].any()
    assert results["n_epochs"].tolist() == [4] * 4
    assert results["n_parameters"].tolist() == [small().fit(X, y).n_parameters_] * 4
    assert results["trial"].tolist() == [0, 1, 2, 3]


def test_results_make_a_frame(digits):
    search = search_of(space={**RATES, "filters": [(4,), (4, 8)], "pooling": ["max", None]})
    frame = pd.DataFrame(search.fit(*digits).cv_results_)
    assert len(frame) == 4
    assert frame["rank_test_score"].min() == 1
    assert set(frame["state"]) == {"COMPLETE"}


def test_parameters_of_each_row_are_those_of_its_mask(digits):
    def space(trial):
        optimizer = trial.suggest_categorical("optimizer", ["sgd", "adam"])
        more = {"momentum": trial.suggest_float("momentum", 0, 0.9)} if optimizer == "sgd" else {}
        return {"optimizer": optimizer, **more}

    results = search_of(space=space, n_trials=6).fit(*digits).cv_results_
    for i, params in enumerate(results["params"]):
        for name in ("optimizer", "momentum"):
            column = results[f"param_{name}"]
            assert column.mask[i] == (name not in params)
            assert name not in params or column[i] == params[name]
    assert results["param_momentum"].dtype == float
    assert results["param_optimizer"].dtype == object


def test_trials_dataframe_has_what_the_results_have(digits):
    search = search_of(space={"dropout": (0.0, 0.5)}).fit(*digits)
    frame, results = search.trials_dataframe(), search.cv_results_
    assert frame.index.tolist() == results["trial"].tolist()
    assert frame.index.name == "trial"
    assert_array_equal(frame["score"], results["mean_test_score"])
    assert_array_equal(frame["param_dropout"], results["param_dropout"])
    assert frame["state"].tolist() == ["COMPLETE"] * 4
    assert frame["n_epochs"].tolist() == [4] * 4
    assert (frame["seconds"] > 0).all()
    assert frame["begin"].is_monotonic_increasing
    assert frame["reason"].tolist() == [""] * 4
    assert frame["copy_of"].isna().all()


def test_study_has_the_trials(digits):
    search = search_of(space={"dropout": (0.0, 0.5)}).fit(*digits)
    assert [trial.params for trial in search.study_.trials] == search.cv_results_["params"]
    values = [trial.value for trial in search.study_.trials]
    assert_array_equal(values, search.cv_results_["mean_test_score"])
    assert search.study_.best_value == search.best_score_


@pytest.mark.parametrize(
    "cv",
    [3, KFold(2), ShuffleSplit(2, test_size=0.3, random_state=0), "iterable"],
    ids=["int", "splitter", "shuffled", "iterable"],
)
def test_any_cv_that_grid_search_takes(digits, cv):
    X, y = digits
    if cv == "iterable":
        cv = [(np.arange(60), np.arange(60, 90)), (np.arange(30, 90), np.arange(30))]
    search = search_of(cv=cv, n_trials=2).fit(X, y)
    expected = cross_val_score(small(**search.best_params_), X, y, cv=cv)
    assert search.best_score_ == expected.mean()
    assert search.n_splits_ == len(expected)


def test_empty_cv_is_grid_searchs_error(digits):
    with pytest.raises(ValueError, match="No fits were performed"):
        search_of(cv=iter([])).fit(*digits)


def test_regression_and_weights_of_several_outputs(digits):
    X, y = digits
    targets = np.c_[y, y + 1].astype(float)
    grid = GridSearchCV(small(ConvNetRegressor), RATES, cv=2).fit(X, targets)
    search = search_of(small(ConvNetRegressor)).fit(X, targets)
    assert by_rate(search) == by_rate(grid)


# Scores


def rate_of_first_class(estimator, X, y):
    return float(np.mean(estimator.predict(X) == estimator.classes_[0]))


def two_scores(estimator, X, y):
    correct = accuracy_score(y, estimator.predict(X))
    return {"correct": correct, "wrong": correct - 1}


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


# Failures


LEVELS = {"level": [0, 1], "fails": [False, True]}


def test_failed_trials_are_recorded_and_told_of(digits):
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


def test_bad_data_are_told_of_before_any_trial(digits):
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


# Parameters of fit


def test_weights_are_as_in_grid_search(digits):
    X, y = digits
    weights = np.random.default_rng(0).random(90)
    grid = GridSearchCV(small(), RATES, cv=2).fit(X, y, sample_weight=weights)
    search = search_of().fit(X, y, sample_weight=weights)
    assert by_rate(search) == by_rate(grid)
    assert by_rate(search) != by_rate(search_of().fit(X, y))
    assert_array_equal(search.predict_proba(X), grid.predict_proba(X))


def test_weights_of_a_step_are_as_in_grid_search(digits):
    X, y = digits
    weights = np.random.default_rng(0).random(90)
    model = make_pipeline(StandardScaler(), small())
    space = {f"convnetclassifier__{name}": values for name, values in RATES.items()}
    given = {"convnetclassifier__sample_weight": weights}
    grid = GridSearchCV(model, space, cv=2).fit(X, y, **given)
    for pruner in (None, "median"):
        search = search_of(model, space, pruner=pruner).fit(X, y, **given)
        assert search.best_score_ == grid.best_score_
        assert_array_equal(search.predict_proba(X), grid.predict_proba(X))


def test_groups_reach_the_splitter(digits):
    X, y = digits
    groups = np.arange(90) % 9
    grid = GridSearchCV(small(), RATES, cv=GroupKFold(3)).fit(X, y, groups=groups)
    search = search_of(cv=GroupKFold(3)).fit(X, y, groups=groups)
    assert by_rate(search) == by_rate(grid)
    with pytest.raises(ValueError, match="'groups' parameter should not be None"):
        search_of(cv=GroupKFold(3)).fit(X, y)


@pytest.mark.parametrize("pruner", [None, "median"])
@pytest.mark.parametrize("inside", [False, True], ids=["net", "pipeline"])
def test_metadata_are_routed_as_in_grid_search(digits, inside, pruner):
    X, y = digits
    weights, groups = np.random.default_rng(0).random(90), np.arange(90) % 9
    with sklearn.config_context(enable_metadata_routing=True):
        net = small().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        model, space = net, RATES
        if inside:
            scaler = StandardScaler().set_fit_request(sample_weight=False)
            model = make_pipeline(scaler, net)
            space = {f"convnetclassifier__{name}": values for name, values in RATES.items()}
        given = {"sample_weight": weights, "groups": groups}
        grid = GridSearchCV(model, space, cv=GroupKFold(3)).fit(X, y, **given)
        search = search_of(model, space, cv=GroupKFold(3), pruner=pruner).fit(X, y, **given)
        assert search.best_score_ == grid.best_score_
        assert search.best_params_ == grid.best_params_
        assert search.score(X, y, sample_weight=weights) == grid.score(X, y, sample_weight=weights)
        with pytest.raises(TypeError, match="unexpected argument"):
            search.fit(X, y, nothing=weights)


# Random state


@pytest.mark.parametrize("space", ["auto", {"dropout": (0.0, 0.5)}], ids=["auto", "dict"])
def test_same_seed_same_search(digits, space):
    net = small(random_state=None, max_epochs=1)
    searches = [search_of(net, space, n_trials=3, pruner="auto") for _ in range(2)]
    first, second = (search.fit(*digits) for search in searches)
    assert_same_results(first.cv_results_, second.cv_results_)
    assert_array_equal(first.predict_proba(digits[0]), second.predict_proba(digits[0]))
    other = search_of(net, space, n_trials=3, pruner="auto", random_state=1).fit(*digits)
    assert other.cv_results_["params"][1:] != first.cv_results_["params"][1:]


def test_tpe_is_reproducible_too(digits):
    space = {"C": (0.01, 10.0, "log"), "tol": (1e-5, 1e-2, "log")}
    model = LogisticRegression(max_iter=3000)
    first, second = (search_of(model, space, n_trials=14).fit(*digits) for _ in range(2))
    assert_same_results(first.cv_results_, second.cv_results_)


def test_longer_search_begins_as_the_shorter(digits):
    space = {"dropout": (0.0, 0.5)}
    short = search_of(space=space, n_trials=2).fit(*digits).cv_results_["params"]
    assert search_of(space=space, n_trials=4).fit(*digits).cv_results_["params"][:2] == short


def test_random_state_instances_move_on(digits):
    def fit(random_state):
        space = {"dropout": (0.0, 0.5)}
        search = search_of(small(), space, random_state=random_state, n_trials=2)
        return search.fit(*digits).cv_results_["params"]

    shared = np.random.RandomState(3)
    first, second = fit(shared), fit(shared)
    assert first != second
    again = np.random.RandomState(3)
    assert [fit(again), fit(again)] == [first, second]


def test_no_seed_differs(digits):
    space = {"dropout": (0.0, 0.5)}
    params = [
        search_of(space=space, random_state=None, n_trials=2).fit(*digits).cv_results_["params"]
        for _ in range(2)
    ]
    assert params[0] != params[1]


def test_global_random_state_is_left_alone(digits):
    import torch

    np.random.seed(7)
    torch.manual_seed(7)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    search_of(space="auto", n_trials=2, random_state=None).fit(*digits)
    assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


def test_estimators_own_seed_is_kept(digits):
    search = search_of(make_pipeline(StandardScaler(), small(random_state=5)), {}, n_trials=1)
    search.set_params(param_space={"convnetclassifier__dropout": [0.1]}).fit(*digits)
    assert search.best_estimator_[-1].random_state == 5
    seeded = search.set_params(estimator__convnetclassifier__random_state=None).fit(*digits)
    assert isinstance(seeded.best_estimator_[-1].random_state, int)
    assert seeded.estimator[-1].random_state is None
    unseeded = seeded.set_params(random_state=None).fit(*digits)
    assert unseeded.best_estimator_[-1].random_state is None


def test_given_sampler_is_not_changed(digits):
    sampler = RandomSampler(seed=3)
    space = {"dropout": (0.0, 0.5)}
    first, second = (
        search_of(space=space, sampler=sampler).fit(*digits).cv_results_["params"] for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_named_samplers(digits, sampler):
    search = search_of(LogisticRegression(max_iter=3000), {"C": (0.1, 9.0)}, sampler=sampler)
    rates = search.set_params(n_trials=12).fit(*digits).cv_results_["param_C"]
    assert len(set(rates)) == 12


# How many trials


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


def test_patience_and_number_whichever_is_first(digits):
    search = search_of(Clumsy(), {"level": [0, 1, 2]}, n_trials=3, patience=50).fit(*digits)
    assert len(search.cv_results_["params"]) == 3


@pytest.mark.parametrize("objectives", [["n_parameters"], ("fit_seconds", "n_epochs")], ids=str)
def test_objectives_without_a_score_are_refused(digits, objectives):
    with pytest.raises(ValueError, match="must have 'score' or the name of a score"):
        search_of(objectives=objectives).fit(*digits)


class Clock:
    """Stands for the module time: moves on only where it is told to."""

    def __init__(self):
        self.now = 1000.0

    def time(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


CLOCK = Clock()


class Slow(TransformerMixin, BaseEstimator):
    """A step whose fit takes some of CLOCK's seconds."""

    def __init__(self, seconds=0.0):
        self.seconds = seconds

    def fit(self, X, y=None):
        CLOCK.now += self.seconds
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X


@pytest.fixture
def clock(monkeypatch):
    for module in ("_trials", "_search_plan"):
        real = __import__(f"skcnn.{module}", fromlist=["time"]).time
        CLOCK.perf_counter = real.perf_counter
        monkeypatch.setattr(f"skcnn.{module}.time", CLOCK)
    return CLOCK


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("model", [small(), Clumsy()], ids=["net", "other"])
@pytest.mark.parametrize("lockstep", [False, True])
def test_trial_over_its_seconds_fails_and_the_search_goes_on(digits, model, lockstep):
    pipeline = make_pipeline(Slow(), model)
    search = search_of(
        pipeline,
        {"slow__seconds": [0.0, 1.0, 100.0]},
        n_trials=3,
        constraints={"seconds": 50},
        pruner="asha" if lockstep else None,
    )
    with pytest.warns(
        FitFailedWarning, match=r"1 of 3 .*(?s:.*)more than constraints\['seconds'\]=50"
    ):
        search.fit(*digits)
    results = search.cv_results_
    states = dict(zip(results["param_slow__seconds"].tolist(), results["state"], strict=True))
    assert states[100.0] == "FAIL"
    assert "FAIL" not in (states[0.0], states[1.0])
    failed = results["state"] == "FAIL"
    assert np.isnan(results["mean_test_score"][failed]).all()


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("n_trials", [None, 50])
def test_timeout_ends_the_search(digits, n_trials):
    pipeline = make_pipeline(Slow(10.0), small())
    space = {"slow__seconds": (10.0, 10.9), "convnetclassifier__dropout": (0.0, 0.5)}
    # two folds a trial: the third trial begins at 40-44 s and is over time in its first fold
    search = search_of(pipeline, space, n_trials=n_trials, timeout=45).fit(*digits)
    results = search.cv_results_
    assert results["state"].tolist() == ["COMPLETE", "COMPLETE"]
    assert len(search.trials_dataframe()) == 2


@pytest.mark.usefixtures("clock")
def test_timeout_before_the_first_trial_is_complete(digits):
    pipeline = make_pipeline(Slow(), small())
    search = search_of(pipeline, {"slow__seconds": (10.0, 20.0)}, timeout=5)
    with pytest.raises(ValueError, match="timeout=5 seconds were over before a trial was complete"):
        search.fit(*digits)


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


# scikit-learn's callbacks


class Recorder:
    """Counts hooks by the task's name."""

    def __init__(self):
        self.events = []

    def setup(self, estimator, context):
        self.events.append(("setup", ""))

    def teardown(self, estimator, context):
        self.events.append(("teardown", ""))

    def on_fit_task_begin(self, estimator, context, **kwargs):
        self.events.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator, context, **kwargs):
        self.events.append(("end", context.task_name))

    def count(self, hook, name=None):
        return sum(e[0] == hook and name in (None, e[1]) for e in self.events)


class DeepRecorder(Recorder):
    """Is told of what happens inside the networks, too."""

    max_propagation_depth = None


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("pruner", [None, "hyperband"])
def test_callbacks_see_every_fold_and_epoch(digits, refit, pruner):
    recorder = DeepRecorder()
    space = {"dropout": (0.0, 0.5)}
    search = search_of(space=space, n_trials=3, refit=refit, pruner=pruner)
    search.set_callbacks(recorder).fit(*digits)
    assert recorder.count("setup") == recorder.count("teardown") == 1
    assert recorder.count("begin", "fit") == 1 + 3 * 2 + refit
    assert recorder.count("begin", "search") == recorder.count("end", "search") == 1
    n_epochs = search.cv_results_["n_epochs"].sum() + 2 * refit
    assert recorder.count("begin", "epoch") == n_epochs
    assert recorder.count("begin") == recorder.count("end")


def test_callbacks_are_told_of_the_end_of_failed_folds(digits):
    recorder = Recorder()
    search = search_of(Clumsy(), {"fails": [False, True]}, n_trials=2).set_callbacks(recorder)
    with pytest.warns(FitFailedWarning):
        search.fit(*digits)
    assert recorder.count("begin") == recorder.count("end")
    assert recorder.count("teardown") == 1


@pytest.mark.parametrize("pruner", [None, "median"])
def test_scoring_monitor_on_a_search(digits, pruner):
    monitor = ScoringMonitor(scoring="accuracy")
    search = search_of(small().set_callbacks(monitor), n_trials=2, pruner=pruner).fit(*digits)
    logs = monitor.get_logs(select="all")
    assert len(logs) >= 1
    scores = [row["accuracy"] for log in logs for row in log.data]
    assert all(0 <= score <= 1 for score in scores)
    assert search.best_score_ > 0


def test_progress_bar_on_a_search(digits, capsys):
    search = search_of(n_trials=2).set_callbacks(ProgressBar(max_propagation_depth=None))
    search.fit(*digits)
    out, err = capsys.readouterr()
    assert "ConvNetSearchCV" in out + err


def test_own_callbacks_of_the_network_are_kept(digits):
    recorder = Recorder()
    search_of(small().set_callbacks(recorder), n_trials=2, pruner="median").fit(*digits)
    assert recorder.count("begin", "epoch") >= 2 * 2


# Objectives


def test_two_objectives_make_a_front(digits):
    search = search_of(
        space={"filters": [(2,), (4,), (8,), (16,)], "dropout": (0.0, 0.5)},
        objectives=("score", "n_parameters"),
        n_trials=8,
    ).fit(*digits)
    results, front = search.cv_results_, search.pareto_front_
    scores, sizes = results["mean_test_score"], results["n_parameters"].data
    best = [
        i
        for i in range(8)
        if not any(
            scores[j] >= scores[i]
            and sizes[j] <= sizes[i]
            and (scores[j] > scores[i] or sizes[j] < sizes[i])
            for j in range(8)
        )
    ]
    assert sorted(front.index) == best
    assert_array_equal(front["score"], scores[front.index])
    assert_array_equal(front["n_parameters"], sizes[front.index])
    assert front["score"].is_monotonic_decreasing
    assert search.best_score_ == scores.max()
    assert [d.name for d in search.study_.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert list(search.trials_dataframe().columns[1:3]) == ["score", "n_parameters"]


@pytest.mark.parametrize(
    "name", ["n_parameters", "multiply_accumulates", "predict_seconds", "fit_seconds", "n_epochs"]
)
def test_every_cost_is_an_objective(digits, name):
    search = search_of(objectives=["score", name], n_trials=2).fit(*digits)
    assert (search.trials_dataframe()[name] > 0).all()
    expected = {"n_epochs": 4.0, "n_parameters": float(search.best_estimator_.n_parameters_)}
    if name in expected:
        assert set(search.trials_dataframe()[name]) == {expected[name]}
    if name == "multiply_accumulates":
        macs = small().summary((8, 8, 1), 3)["multiply_accumulates"].sum()
        assert set(search.trials_dataframe()[name]) == {float(macs)}


def test_metrics_are_objectives(digits):
    search = search_of(
        scoring=["accuracy", "f1_macro"], refit="f1_macro", objectives=["f1_macro", "accuracy"]
    ).fit(*digits)
    frame = search.trials_dataframe()
    assert_array_equal(frame["f1_macro"], search.cv_results_["mean_test_f1_macro"])
    assert_array_equal(frame["accuracy"], search.cv_results_["mean_test_accuracy"])


def test_unknown_metric_of_a_function_is_told_of(digits):
    search = search_of(scoring=two_scores, refit="wrong", objectives=["recall"])
    with pytest.raises(ValueError, match=r"'objectives'.*'recall'"):
        search.fit(*digits)


def test_one_objective_makes_a_front_of_the_best(digits):
    search = search_of().fit(*digits)
    assert set(search.pareto_front_["score"]) == {search.best_score_}
    assert search.best_index_ in search.pareto_front_.index


# Bounds


@pytest.mark.parametrize("name", ["n_parameters", "multiply_accumulates"])
def test_bounds_hold_for_all_trials_that_are_trained(digits, name):
    X, y = digits
    net = small(max_epochs=1)
    bound = {"n_parameters": 3000, "multiply_accumulates": 30_000}[name]
    search = search_of(net, "auto", constraints={name: bound}, n_trials=6, refit=True).fit(X, y)
    results = search.cv_results_
    trained = np.isin(results["state"], ["COMPLETE", "PRUNED"])
    assert trained.sum() >= 4
    for row in np.flatnonzero(trained):
        candidate = clone(net).set_params(**results["params"][row])
        table = candidate.summary((8, 8, 1), 3)
        column = "parameters" if name == "n_parameters" else name
        assert table[column].sum() <= bound
        assert results["n_parameters"][row] == table["parameters"].sum()
    assert search.best_estimator_.n_parameters_ == results["n_parameters"][search.best_index_]


def test_estimator_beyond_the_bound_is_not_trained(digits):
    search = search_of(
        space={"filters": [(4,), (64,)]},
        initial_params=[{"filters": (64,)}],
        constraints={"n_parameters": 2000},
        n_trials=2,
    ).fit(*digits)
    results = search.cv_results_
    assert results["state"].tolist() == ["INFEASIBLE", "COMPLETE"]
    assert np.isnan(results["mean_test_score"][0])
    assert not results["pruned"].any()
    reason = search.trials_dataframe()["reason"][0]
    assert "n_parameters=" in reason
    assert "is more than constraints['n_parameters']=2000" in reason


def test_impossible_bound_is_told_of(digits):
    search = search_of(constraints={"n_parameters": 10}, n_trials=2)
    with pytest.raises(ValueError, match=r"constraints.*n_parameters=599 is more than constraints"):
        search.fit(*digits)


# Refit


def test_refit_takes_the_median_of_the_best_epochs(digits):
    X, y = digits
    net = small(max_epochs=6, early_stopping=True, n_iter_no_change=2, learning_rate=0.03)
    search = search_of(net, {"dropout": [0.1, 0.3]}, n_trials=2, cv=3).fit(X, y)
    best = []
    for train, _ in StratifiedKFold(3).split(X, y):
        fold = clone(net).set_params(**search.best_params_).fit(X[train], y[train])
        best.append(fold.best_epoch_)
    refitted = search.best_estimator_
    assert refitted.early_stopping is False
    assert refitted.max_epochs == int(np.ceil(np.median(best)))
    assert refitted.n_iter_ == refitted.max_epochs


def test_refit_without_early_stopping_is_the_best_trial(digits):
    X, y = digits
    search = search_of().fit(X, y)
    expected = small(**search.best_params_).fit(X, y)
    assert_array_equal(search.predict_proba(X), expected.predict_proba(X))
    assert search.refit_time_ > 0


@pytest.mark.slow
def test_two_jobs_give_each_candidate_the_same_score(digits):
    X, y = digits
    serial = search_of().fit(X, y)
    parallel = search_of(n_jobs=2).fit(X, y)
    assert len(parallel.cv_results_["params"]) == 4
    ours, theirs = by_rate(parallel), by_rate(serial)
    assert_allclose([ours[rate] for rate in ours], [theirs[rate] for rate in ours], rtol=0)


# verbose


def test_silent_by_default(digits, capfd):
    search_of(space="auto", n_trials=2).fit(*digits)
    assert tuple(capfd.readouterr()) == ("", "")


def test_verbose_prints_a_line_a_trial(digits, capsys):
    search_of(verbose=2, n_trials=3).fit(*digits)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [f"ConvNetSearchCV {i}/3" for i in (1, 2, 3)]
    assert all("complete" in line and "best" in line for line in lines)


def test_verbose_shows_a_bar(digits, capsys):
    search_of(verbose=1, n_trials=3).fit(*digits)
    out, err = capsys.readouterr()
    assert "ConvNetSearchCV" in out + err
    assert "3/3" in out + err
