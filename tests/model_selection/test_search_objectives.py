"""Several objectives, the Pareto front, and bounds of a network's size."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning
from sklearn.pipeline import Pipeline

from tests.helpers.searches import search_of, two_scores
from tests.helpers.small_nets import small

# How many trials


@pytest.mark.parametrize("objectives", [["n_parameters"], ("fit_seconds", "n_epochs")], ids=str)
def test_objectives_without_a_score_are_refused(digits, objectives):
    with pytest.raises(ValueError, match="must have 'score' or the name of a score"):
        search_of(objectives=objectives).fit(*digits)


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


def test_unknown_metric_of_a_function_raises(digits):
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


def test_bounds_are_of_the_network_that_a_trial_would_train(digits):
    X, y = digits
    X = X.reshape(-1, 16, 4)
    space = {"n_spatial_dims": [1, 2]}
    net = small(input_shape=None, max_epochs=1)
    sizes = {
        n: clone(net).set_params(n_spatial_dims=n).summary((16, 4), 3)["parameters"].sum()
        for n in (1, 2)
    }
    assert sizes[1] != sizes[2]
    for objectives in (["score"], ["score", "n_parameters"]):
        search = search_of(net, space, n_trials=2, objectives=objectives, refit=False)
        results = search.set_params(constraints={"n_parameters": 10**6}).fit(X, y).cv_results_
        axes = results["param_n_spatial_dims"].tolist()
        assert results["n_parameters"].tolist() == [sizes[n] for n in axes]
    bound = {"n_parameters": min(sizes.values())}
    search = search_of(net, space, n_trials=2, constraints=bound, refit=False).fit(X, y)
    results = search.cv_results_
    states = dict(zip(results["param_n_spatial_dims"].tolist(), results["state"], strict=True))
    kept = min(sizes, key=sizes.get)
    assert states == {kept: "COMPLETE", 3 - kept: "INFEASIBLE"}


def test_bounds_follow_the_input_shape_of_a_trial(digits):
    model = Pipeline([("pca", PCA(16)), ("net", small(input_shape=(4, 4), max_epochs=1))])
    shapes = [(4, 4), (5, 5)]
    space = [{"pca__n_components": [a * b], "net__input_shape": [(a, b)]} for a, b in shapes]
    bound = {"n_parameters": 10**6}
    results = search_of(model, space, n_trials=2, constraints=bound, refit=False).fit(*digits)
    sizes = dict(
        zip(
            results.cv_results_["param_net__input_shape"].tolist(),
            results.cv_results_["n_parameters"].tolist(),
            strict=True,
        )
    )
    expected = {s: model[-1].summary((*s, 1), 3)["parameters"].sum() for s in shapes}
    assert sizes == expected
    assert set(results.cv_results_["state"]) == {"COMPLETE"}


def test_a_reading_that_does_not_fit_fails_its_trial(digits):
    X, y = digits
    net = small(input_shape=None, max_epochs=1)
    space = {"n_spatial_dims": [2, 3, 4]}
    search = search_of(net, space, n_trials=3, constraints={"n_parameters": 10**6}, refit=False)
    with pytest.warns(FitFailedWarning, match="2 of 3 trials failed"):
        results = search.fit(X.reshape(-1, 8, 8), y).cv_results_
    states = dict(zip(results["param_n_spatial_dims"].tolist(), results["state"], strict=True))
    assert states == {2: "COMPLETE", 3: "FAIL", 4: "FAIL"}
    with pytest.raises(ValueError, match="'n_spatial_dims' parameter of ConvNetClassifier"):
        search_of(net.set_params(n_spatial_dims=4), "auto").fit(X.reshape(-1, 8, 8), y)


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


def test_impossible_bound_raises(digits):
    search = search_of(constraints={"n_parameters": 10}, n_trials=2)
    with pytest.raises(ValueError, match=r"constraints.*n_parameters=599 is more than constraints"):
        search.fit(*digits)
