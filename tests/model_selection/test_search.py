"""ConvNetSearchCV: results as GridSearchCV's, parameters of fit, refit, verbose."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.base import clone
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
from tests.helpers.pairs import parametrize_pairs
from tests.helpers.searches import EXTRA, RATES, by_rate, search_of
from tests.helpers.small_nets import small

# The results are GridSearchCV's


@parametrize_pairs(
    scoring=[None, "f1_macro", ["accuracy", "f1_macro"]], train=[False, True], pruner=[None, "auto"]
)
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


def test_metrics_of_the_study_have_names(digits):
    search = search_of(n_trials=1, refit=False).fit(*digits)
    assert search.study_.metric_names == ["score"]
    search.set_params(objectives=("score", "n_parameters")).fit(*digits)
    assert search.study_.metric_names == ["score", "n_parameters"]
