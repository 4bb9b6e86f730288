"""Pruning, folds in lockstep, splits, and steps that are fitted once a fold."""

import gc
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
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from torch import nn

from skcnn import ConvNetClassifier
from skcnn._training.engine import ConvNetEngine
from skcnn.augmentation import RandomTranslation
from skcnn.layers import Conv, Flatten
from skcnn.model_selection import ConvNetSearchCV
from skcnn.model_selection._folds import CrossValidation, FoldRun
from skcnn.model_selection._step_cache import FoldMemory, StepCache


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:90], y[:90] % 3


def small(**params):
    defaults = {
        "input_shape": (8, 8),
        "filters": (4,),
        "hidden_units": (8,),
        "max_epochs": 3,
        "random_state": 0,
    }
    return ConvNetClassifier(**{**defaults, **params})


# the first trials are good ones, the last too slow to learn: it is to be pruned
RATES = [0.01, 0.02, 0.03, 0.015, 0.025, 0.012, 1e-7]


def search_of(estimator=None, space=None, **params):
    defaults = {"n_trials": 3, "cv": 2, "random_state": 0, "refit": False}
    space = {"learning_rate": RATES} if space is None else space
    return ConvNetSearchCV(small() if estimator is None else estimator, space, **defaults | params)


def race(prefix="", **params):
    """Return arguments of a search whose last trial is far behind."""
    initial = [{f"{prefix}learning_rate": rate} for rate in RATES]
    space = {f"{prefix}learning_rate": RATES}
    return {"space": space, "initial_params": initial, "n_trials": len(RATES), **params}


def without_times(results):
    return {name: value for name, value in results.items() if not name.endswith("_time")}


class CountedFits(TransformerMixin, BaseEstimator):
    """A step that counts its fits."""

    fits: list = []

    def __init__(self, factor=1.0):
        self.factor = factor

    def fit(self, X, y=None):
        CountedFits.fits.append(self.factor)
        self.n_features_in_ = X.shape[1]
        self.mean_ = X.mean()
        return self

    def transform(self, X):
        return X * self.factor - self.mean_


@pytest.fixture
def fits():
    CountedFits.fits = []
    return CountedFits.fits


class Record(BasePruner):
    """Keeps each report; prunes where it is told to."""

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


def test_reports_in_lockstep_are_the_mean_of_all_folds(digits):
    X, y = digits
    net = small(lr_schedule="constant")
    search = search_of(net, {"dropout": [0.2]}, n_trials=1, cv=3, pruner="asha").fit(X, y)
    reported = search.study_.trials[0].intermediate_values
    for epoch in range(3):
        scores = cross_val_score(net.set_params(dropout=0.2, max_epochs=epoch + 1), X, y, cv=3)
        assert reported[epoch] == scores.mean()
    assert sorted(reported) == [0, 1, 2]


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


@pytest.mark.parametrize("pruner", ["auto", "racing", "median", "asha", PercentilePruner(50.0)],
                         ids=["auto", "racing", "median", "asha", "own"])  # fmt: skip
@pytest.mark.parametrize("inside", [False, True], ids=["net", "pipeline"])
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


@pytest.mark.parametrize("pruner", ["auto", "median", "hyperband", "asha"])
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
def test_lockstep_has_the_same_scores_with_augmentation_and_early_stopping(digits, inside):
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
def test_pruned_trial_stops_where_it_was_told_to(digits, seen, fold, epoch):
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


def test_all_pruned_is_told_of(digits, seen):
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
    import torch

    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(n_outputs))


@pytest.mark.parametrize("pruner", ["hyperband", "asha"])
def test_lockstep_refuses_functions_as_architecture(digits, pruner):
    net = small(architecture=draw_weights)
    with pytest.raises(
        ValueError, match=r"'pruner' parameter must be .*callable is the architecture"
    ):
        search_of(net, pruner=pruner).fit(*digits)
    in_turn = search_of(net, n_trials=2, pruner="median").fit(*digits)
    assert set(in_turn.cv_results_["state"]) == {"COMPLETE"}


@pytest.mark.parametrize("pruner", ["hyperband", "asha"])
def test_lockstep_takes_layers(digits, pruner):
    net = small(architecture=[Conv(4), Flatten()])
    results = search_of(net, pruner=pruner).fit(*digits).cv_results_
    assert set(results["state"]) <= {"COMPLETE", "PRUNED"}


def test_wilcoxon_pruner_is_refused(digits):
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


# Splits


class CountingSplitter:
    """Shuffles anew at every call."""

    n_calls = 0

    def split(self, X, y=None, groups=None):
        CountingSplitter.n_calls += 1
        return KFold(2, shuffle=True).split(X, y)

    def get_n_splits(self, X=None, y=None, groups=None):
        return 2


def test_splits_are_made_once(digits):
    CountingSplitter.n_calls = 0
    search_of(cv=CountingSplitter()).fit(*digits)
    assert CountingSplitter.n_calls == 1


def test_random_splits_are_the_same_for_all_trials(digits):
    cv = KFold(2, shuffle=True)  # without a seed
    space = {"verbose": [0, False]}  # two trials of the same network
    results = search_of(space=space, n_trials=2, cv=cv, pruner=None).fit(*digits).cv_results_
    assert results["split0_test_score"][0] == results["split0_test_score"][1]
    assert results["split1_test_score"][0] == results["split1_test_score"][1]


# Steps before the net


def test_steps_are_fitted_once_a_fold(digits, fits):
    model = make_pipeline(CountedFits(), small())
    space = {"convnetclassifier__learning_rate": [0.01, 0.02, 0.03]}
    search = search_of(model, space, cv=3).fit(*digits)
    assert len(fits) == 3
    assert set(search.cv_results_["state"]) <= {"COMPLETE", "PRUNED"}


@pytest.mark.parametrize("position", ["outer", "inner"])
def test_steps_of_nested_pipelines_are_fitted_once_a_fold(digits, fits, position):
    inner = [CountedFits(), small()] if position == "inner" else [StandardScaler(), small()]
    outer = CountedFits() if position == "outer" else StandardScaler()
    model = make_pipeline(outer, make_pipeline(*inner))
    space = {"pipeline__convnetclassifier__learning_rate": [0.01, 0.02, 0.03]}
    search_of(model, space).fit(*digits)
    assert len(fits) == 2


def test_steps_are_fitted_again_where_their_parameters_change(digits, fits):
    model = make_pipeline(CountedFits(), small())
    space = {"countedfits__factor": [1.0, 2.0], "convnetclassifier__dropout": [0.1, 0.2]}
    search = search_of(model, space, n_trials=4, pruner=None).fit(*digits)
    factors = [params["countedfits__factor"] for params in search.cv_results_["params"]]
    changes = 1 + sum(a != b for a, b in zip(factors[1:], factors, strict=False))
    assert len(fits) == 2 * changes


def test_steps_after_a_changed_step_are_fitted_again(digits, fits):
    model = make_pipeline(StandardScaler(), CountedFits(), small())
    space = {"standardscaler__with_std": [True, False], "convnetclassifier__dropout": [0.1]}
    search_of(model, space, n_trials=2).fit(*digits)
    assert len(fits) == 4


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(CountedFits(), StandardScaler(), small()),
        make_pipeline(
            "passthrough", CountedFits(), RandomTranslation(0.1, random_state=0), small()
        ),
        make_pipeline(CountedFits(), make_pipeline(StandardScaler(), small())),
    ],
    ids=["steps", "augmented", "nested"],
)
def test_scores_are_those_of_steps_fitted_every_time(digits, model):
    names = [name for name in model.get_params() if name.endswith("convnetclassifier__dropout")]
    step = next(name for name in model.get_params() if name.endswith("countedfits__factor"))
    space = {names[0]: [0.1, 0.3], step: [1.0, 2.0]}
    grid = GridSearchCV(model, space, cv=2, refit=False).fit(*digits)
    expected = {
        str(sorted(params.items())): score
        for params, score in zip(
            grid.cv_results_["params"], grid.cv_results_["mean_test_score"], strict=True
        )
    }
    for pruner in (None, "median", "asha"):
        results = search_of(model, space, n_trials=4, pruner=pruner).fit(*digits).cv_results_
        for row in np.flatnonzero(results["state"] == "COMPLETE"):
            key = str(sorted(results["params"][row].items()))
            assert results["mean_test_score"][row] == expected[key]


def test_passthrough_and_step_take_turns(digits, fits):
    model = make_pipeline(CountedFits(), small())
    space = {"countedfits": ["passthrough", CountedFits(2.0)]}
    results = search_of(model, space, n_trials=2, pruner=None).fit(*digits).cv_results_
    assert set(results["state"]) == {"COMPLETE"}
    assert fits == [2.0, 2.0]
    assert results["mean_test_score"][0] != results["mean_test_score"][1]


def test_own_memory_is_used(digits, fits, tmp_path):
    model = make_pipeline(CountedFits(), small(), memory=str(tmp_path))
    space = {"convnetclassifier__learning_rate": [0.01, 0.02, 0.03]}
    search = search_of(model, space, refit=True).fit(*digits)
    assert any(tmp_path.rglob("*"))
    assert search.best_estimator_.memory == str(tmp_path)


def test_refit_has_no_memory_of_the_search(digits, fits):
    model = make_pipeline(CountedFits(), small())
    space = {"convnetclassifier__learning_rate": [0.01, 0.02]}
    search = search_of(model, space, n_trials=2, refit=True).fit(*digits)
    assert search.best_estimator_.memory is None
    assert len(fits) == 2 + 1  # two folds and the refit
    expected = clone(model).set_params(**search.best_params_).fit(*digits)
    assert_array_equal(search.predict_proba(digits[0]), expected.predict_proba(digits[0]))


def test_steps_without_a_hash_are_fitted_every_time(digits):
    calls = []

    def note(X):
        calls.append(1)
        return X

    model = make_pipeline(FunctionTransformer(note), CountedFits(), small())
    space = {"convnetclassifier__learning_rate": [0.01, 0.02]}
    results = search_of(model, space, n_trials=2, pruner=None).fit(*digits).cv_results_
    assert set(results["state"]) == {"COMPLETE"}
    expected = GridSearchCV(model, space, cv=2, refit=False).fit(*digits)
    assert max(results["mean_test_score"]) == expected.best_score_


def test_cache_keeps_one_chain_a_fold(digits, fits):
    X, y = digits
    cache = StepCache()
    fit = lambda step, X, y: (step.fit_transform(X, y), step)  # noqa: E731
    for factor in (1.0, 1.0, 2.0, 2.0, 1.0):
        FoldMemory(cache, 0, []).cache(fit)(CountedFits(factor), X, y)
    assert fits == [1.0, 2.0, 1.0]
    FoldMemory(cache, 1, []).cache(fit)(CountedFits(1.0), X, y)
    assert len(fits) == 4


# Evaluation by itself


def test_main_score_is_the_named_or_the_first():
    cv = CrossValidation(None, None, None, [], None, main_metric="b")
    assert cv.main_score({"a": 1.0, "b": 2.0}) == 2.0
    assert cv.main_score({"score": 3.0}) == 3.0
    with pytest.raises(ValueError, match="refit must be set to a scorer key"):
        cv.main_score({"a": 1.0, "c": 2.0})
    assert CrossValidation(None, None, None, [], None).main_score({"a": 1.0, "b": 2.0}) == 1.0


# What watching must not change


class Noisy(nn.Module):
    """A network that draws from torch's global generator."""

    def __init__(self, n_outputs):
        super().__init__()
        self.dense = nn.Linear(64, n_outputs)

    def forward(self, X):
        X = X.flatten(1)
        return self.dense(X + torch.rand_like(X) * self.training)


def noisy(input_shape, n_outputs):
    return Noisy(n_outputs)


def score_with_draws(estimator, X, y):
    torch.rand(7)
    return estimator.score(X, y)


def test_draws_of_a_scorer_do_not_move_the_training(digits):
    net = small(architecture=noisy, max_epochs=3)
    scores = [
        search_of(
            net, {"learning_rate": [0.01]}, n_trials=1, pruner=pruner, scoring=score_with_draws
        )
        .fit(*digits)
        .best_score_
        for pruner in (None, "median")
    ]
    assert scores[0] == scores[1]


def test_score_that_is_not_there_yet_fails_nothing(digits):
    def late(estimator, X, y):
        if estimator.net_.history[-1]["epoch"] < 2:
            raise RuntimeError("too early")
        return estimator.score(X, y)

    search = search_of(small(max_epochs=3), {"dropout": (0.0, 0.5)}, n_trials=3, scoring=late)
    assert set(search.fit(*digits).cv_results_["state"]) == {"COMPLETE"}


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
def test_pruners_and_samplers_that_are_none(digits, given, value):
    search = search_of(small(), {"dropout": [0.1]}, n_trials=1, **{given: value})
    with pytest.raises(ValueError, match=f"The '{given}' parameter must"):
        search.fit(*digits)


def test_networks_go_with_their_fold(digits, monkeypatch):
    alive = []
    original = FoldRun.run

    def run(self, *args):
        alive.append(sum(type(o) is ConvNetEngine for o in gc.get_objects()))
        return original(self, *args)

    monkeypatch.setattr(FoldRun, "run", run)
    gc.collect()
    search_of(small(), {"dropout": [0.1]}, n_trials=1, cv=4, refit=False).fit(*digits)
    assert max(alive) <= alive[0] + 1
