"""Pruning: what is reported, which trials are pruned."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PatientPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    WilcoxonPruner,
)
from optuna.samplers import GridSampler, RandomSampler
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skcnn.augmentation import RandomTranslation
from skcnn.layers import Conv, Flatten
from tests.helpers.pruned_searches import RATES, race, search_of, small
from tests.helpers.searches import without_times


class Record(BasePruner):
    """Keeps each report; prunes trials at given steps."""

    seen: list = []

    def __init__(self, at=()):
        self.at = dict(at)

    def prune(self, study, trial):
        Record.seen.append((trial.number, trial.last_step))
        return self.at.get(trial.number) == trial.last_step


@pytest.fixture
def seen():
    Record.seen = []
    return Record.seen


# What is reported


@pytest.mark.parametrize("inside", [False, True], ids=["net", "pipeline"])
def test_reports_are_the_mean_of_finished_folds_and_the_current_one(digits, inside):
    X, y = digits
    net = small(lr_schedule="constant")
    model = make_pipeline(StandardScaler(), net) if inside else net
    prefix = "convnetclassifier__" if inside else ""
    search = search_of(model, {f"{prefix}dropout": [0.2]}, n_trials=1, cv=3, pruner="median")
    trial = search.fit(X, y).study_.trials[0]
    assert sorted(trial.intermediate_values) == list(range(9))
    curves = np.empty((3, 3))  # with a constant rate shorter trainings are the epochs' states
    for epoch in range(3):
        shorter = clone(model).set_params(
            **{f"{prefix}dropout": 0.2, f"{prefix}max_epochs": epoch + 1}
        )
        curves[:, epoch] = cross_val_score(shorter, X, y, cv=3)
    for fold in range(3):
        for epoch in range(3):
            expected = np.mean([*curves[:fold, -1], curves[fold, epoch]])
            assert trial.intermediate_values[3 * fold + epoch] == expected


def test_reports_of_folds_together_are_the_mean_of_all_folds(digits):
    X, y = digits
    net = small(lr_schedule="constant")
    search = search_of(net, {"dropout": [0.2]}, n_trials=1, cv=3, pruner="asha").fit(X, y)
    reported = search.study_.trials[0].intermediate_values
    for epoch in range(3):
        scores = cross_val_score(net.set_params(dropout=0.2, max_epochs=epoch + 1), X, y, cv=3)
        assert reported[epoch + 1] == scores.mean()
    assert sorted(reported) == [1, 2, 3]


def test_nothing_is_reported_without_a_pruner(digits):
    search = search_of(pruner=None).fit(*digits)
    assert all(trial.intermediate_values == {} for trial in search.study_.trials)


def test_main_metric_is_reported(digits):
    search = search_of(
        scoring=["f1_macro", "accuracy"], refit="accuracy", n_trials=1, pruner="median"
    ).fit(*digits)
    last = search.study_.trials[0].intermediate_values[5]
    assert last == search.cv_results_["mean_test_accuracy"][0]


def test_searched_epochs_report_at_the_same_share(digits):
    net = small(max_epochs=4)
    search = search_of(net, {"max_epochs": [2, 4, 8]}, n_trials=3, pruner="median").fit(*digits)
    for trial in search.study_.trials:
        steps = sorted(trial.intermediate_values)
        assert steps[-1] == 7
        assert 3 in steps
        expected = {2: [1, 3, 5, 7]}.get(trial.params["max_epochs"], list(range(8)))
        assert steps == expected


# Which trials are pruned


PRUNERS = {"auto": "auto", "median": "median", "asha": "asha", "own": PercentilePruner(50.0)}
IN_A_PIPELINE = {"auto", "asha"}


@pytest.mark.parametrize(
    ("pruner", "inside"),
    [
        pytest.param(
            pruner,
            inside,
            id=f"{name}-{'pipeline' if inside else 'net'}",
            marks=() if inside == (name in IN_A_PIPELINE) else pytest.mark.slow,
        )
        for name, pruner in PRUNERS.items()
        for inside in (False, True)
    ],
)
def test_trials_that_fall_behind_are_pruned(digits, pruner, inside):
    net = small(max_epochs=6)
    model = make_pipeline(StandardScaler(), net) if inside else net
    kwargs = race("convnetclassifier__" if inside else "", pruner=pruner, cv=3)
    search = search_of(model, **kwargs).fit(*digits)
    results, frame = search.cv_results_, search.trials_dataframe()
    assert results["state"][-1] == "PRUNED"
    assert results["pruned"].tolist() == [state == "PRUNED" for state in results["state"]]
    assert results["n_epochs"][-1] < 18
    assert results["n_parameters"][-1] == results["n_parameters"][0]
    assert np.isnan(results["mean_test_score"][-1])
    complete = results["state"] == "COMPLETE"
    assert results["rank_test_score"][-1] == complete.sum() + 1
    assert np.isfinite(results["mean_test_score"][complete]).all()
    assert frame["state"].tolist() == results["state"].tolist()
    assert np.isnan(frame["score"].iloc[-1])
    assert search.best_index_ != len(RATES) - 1


@pytest.mark.parametrize(
    "pruner",
    [
        "auto",
        "asha",
        pytest.param("median", marks=pytest.mark.slow),
        pytest.param("hyperband", marks=pytest.mark.slow),
    ],
)
def test_trials_that_are_not_pruned_are_as_without_a_pruner(digits, pruner):
    kwargs = race(cv=3, return_train_score=True)
    free = search_of(pruner=None, **kwargs).fit(*digits).cv_results_
    results = search_of(pruner=pruner, **kwargs).fit(*digits).cv_results_
    complete = results["state"] == "COMPLETE"
    assert complete.sum() >= 2
    assert results["params"] == free["params"]
    for name in without_times(results):
        if name.startswith(("split", "mean", "std")) or name in ("n_epochs", "n_parameters"):
            assert_array_equal(results[name][complete], free[name][complete], err_msg=name)


@pytest.mark.parametrize("inside", [False, True], ids=["net", "pipeline"])
def test_folds_together_have_the_same_scores_with_augmentation_and_early_stopping(digits, inside):
    X, y = digits
    net = small(early_stopping=True, n_iter_no_change=1, max_epochs=4)
    model = net.set_params(augmentation=[RandomTranslation(0.1, random_state=0)])
    prefix = ""
    if inside:
        net = net.set_params(augmentation=None)
        model = make_pipeline(StandardScaler(), RandomTranslation(0.1, random_state=0), net)
        prefix = "convnetclassifier__"
    space = {f"{prefix}learning_rate": [0.01, 0.03]}
    shared = {"n_trials": 2, "cv": 3}
    asha = search_of(model, space, pruner=SuccessiveHalvingPruner(100), **shared).fit(X, y)
    in_turn = search_of(model, space, pruner=None, **shared).fit(X, y)
    first, second = without_times(asha.cv_results_), without_times(in_turn.cv_results_)
    for name in first:
        assert_array_equal(first[name], second[name], err_msg=name)
    assert set(first["state"]) == {"COMPLETE"}


@pytest.mark.parametrize(("fold", "epoch"), [(0, 0), (0, 1), (1, 0), (1, 1)], ids=str)
def test_pruned_trial_stops_at_the_step_of_the_pruner(digits, seen, fold, epoch):
    search = search_of(pruner=Record({1: 3 * fold + epoch})).fit(*digits)
    results = search.cv_results_
    assert results["state"].tolist() == ["COMPLETE", "PRUNED", "COMPLETE"]
    assert results["n_epochs"].tolist() == [6, 3 * fold + epoch + 1, 6]
    assert np.isnan(results["split1_test_score"][1])
    assert np.isnan(results["split0_test_score"][1]) == (fold == 0)
    assert [step for number, step in seen if number == 1] == list(range(3 * fold + epoch + 1))
    assert search.study_.trials[1].state.name == "PRUNED"


def test_trial_is_pruned_between_folds(digits, seen):
    results = search_of(pruner=Record({1: 2})).fit(*digits).cv_results_
    assert results["state"].tolist() == ["COMPLETE", "PRUNED", "COMPLETE"]
    assert results["n_epochs"].tolist() == [6, 3, 6]
    assert np.isfinite(results["split0_test_score"][1])


def test_finished_trial_is_never_pruned(digits, seen):
    results = search_of(pruner=Record({0: 5, 1: 5, 2: 5})).fit(*digits).cv_results_
    assert set(results["state"]) == {"COMPLETE"}
    assert max(step for _, step in seen) == 4


def test_error_if_all_trials_are_pruned(digits, seen):
    search = search_of(pruner=Record({0: 0, 1: 0, 2: 0}))
    with pytest.raises(ValueError, match="No trial was completed"):
        search.fit(*digits)


def test_given_pruner_is_not_changed(digits):
    pruner = HyperbandPruner(1, 3)
    before = dict(vars(pruner))
    search_of(pruner=pruner).fit(*digits)
    assert vars(pruner) == before


def test_early_stopping_ends_folds_and_reports_their_end(digits):
    net = small(max_epochs=8, early_stopping=True, n_iter_no_change=1)
    search = search_of(net, {"learning_rate": [1e-7]}, n_trials=1, pruner="median").fit(*digits)
    trial, results = search.study_.trials[0], search.cv_results_
    assert results["n_epochs"][0] < 16
    assert {7, 15} <= set(trial.intermediate_values)
    assert trial.intermediate_values[15] == results["mean_test_score"][0]
    assert trial.intermediate_values[7] == results["split0_test_score"][0]


def test_steps_of_a_pipeline_are_taken_before_the_epochs_scores(digits):
    """A passthrough, a union and a nested Pipeline between the data and the net."""
    X, y = digits
    model = Pipeline(
        [
            ("nothing", "passthrough"),
            ("union", FeatureUnion([("a", StandardScaler()), ("b", FunctionTransformer())])),
            ("none", None),
            ("inner", make_pipeline(PCA(20, random_state=0), "passthrough", small())),
        ]
    ).set_params(inner__convnetclassifier__lr_schedule="constant")
    space = {"inner__convnetclassifier__learning_rate": [0.01]}
    model.set_params(inner__convnetclassifier__input_shape=None)
    search = search_of(model, space, n_trials=1, pruner="median", error_score="raise").fit(X, y)
    values = search.study_.trials[0].intermediate_values
    assert sorted(values) == list(range(6))
    name = next(iter(space))
    one = clone(model).set_params(**{name: 0.01, "inner__convnetclassifier__max_epochs": 1})
    train, test = next(StratifiedKFold(2).split(X, y))
    assert values[0] == one.fit(X[train], y[train]).score(X[test], y[test])


def draw_weights(shape, n_outputs):

    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(n_outputs))


@pytest.mark.parametrize("pruner", ["hyperband", "asha"])
def test_folds_together_need_an_architecture_that_is_no_function(digits, pruner):
    net = small(architecture=draw_weights)
    with pytest.raises(
        ValueError, match=r"'pruner' parameter must be .*callable is the architecture"
    ):
        search_of(net, pruner=pruner).fit(*digits)
    in_turn = search_of(net, n_trials=2, pruner="median").fit(*digits)
    assert set(in_turn.cv_results_["state"]) == {"COMPLETE"}


@pytest.mark.parametrize("pruner", ["hyperband", "asha"])
def test_folds_are_trained_together_with_layers(digits, pruner):
    net = small(architecture=[Conv(4), Flatten()])
    results = search_of(net, pruner=pruner).fit(*digits).cv_results_
    assert set(results["state"]) <= {"COMPLETE", "PRUNED"}


def test_search_does_not_accept_a_wilcoxon_pruner(digits):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pruner = WilcoxonPruner()
    with pytest.raises(ValueError, match="'pruner' parameter must not be a WilcoxonPruner"):
        search_of(pruner=pruner).fit(*digits)


@pytest.mark.parametrize(
    "make", [NopPruner, lambda: PatientPruner(None, 2)], ids=["nop", "patient"]
)
def test_optunas_pruners_are_taken(digits, make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some call themselves experimental
        results = search_of(pruner=make()).fit(*digits).cv_results_
    assert "COMPLETE" in results["state"]


# What watching must not change


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("pruner", MedianPruner),
        ("pruner", SimpleNamespace(prune=lambda study, trial: False)),
        ("sampler", RandomSampler),
        ("sampler", GridSampler({"dropout": [0.1]})),
    ],
    ids=["class", "duck", "sampler class", "grid"],
)
def test_objects_that_are_no_pruners_or_samplers(digits, given, value):
    search = search_of(small(), {"dropout": [0.1]}, n_trials=1, **{given: value})
    with pytest.raises(ValueError, match=f"The '{given}' parameter must"):
        search.fit(*digits)
