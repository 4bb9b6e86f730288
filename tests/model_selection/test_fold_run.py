"""Scores after epochs change nothing; networks are released after their fold."""

import gc

import torch
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skcnn._training.engine import ConvNetEngine
from skcnn.model_selection._fold_run import FoldRun
from tests.helpers.pairs import parametrize_pairs
from tests.helpers.pruned_searches import search_of, small
from tests.helpers.steps import Double, RepeatFirstClass, sampling_pipeline


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


@parametrize_pairs(
    make_model={
        "in place": lambda: make_pipeline(StandardScaler(copy=False), small()),
        "stateless": lambda: make_pipeline(Double(), small()),
        "sampler": lambda: sampling_pipeline(StandardScaler(), RepeatFirstClass(), small()),
    },
    pruner=["auto", "median", "asha", None],
    scoring={"named": None, "own": score_with_draws},
)
def test_scores_are_those_of_a_plain_cross_validation(digits, make_model, scoring, pruner):
    X, y = digits
    model = make_model()
    space = {f"{model.steps[-1][0]}__learning_rate": [0.01, 0.02]}
    grid = GridSearchCV(model, space, cv=2, scoring=scoring, refit=False).fit(X, y)
    expected = dict(
        zip(map(str, grid.cv_results_["params"]), grid.cv_results_["mean_test_score"], strict=True)
    )
    results = search_of(model, space, n_trials=2, scoring=scoring, pruner=pruner).fit(X, y)
    results = results.cv_results_
    assert set(results["state"]) <= {"COMPLETE", "PRUNED"}
    for params, state, score in zip(
        results["params"], results["state"], results["mean_test_score"], strict=True
    ):
        assert state == "PRUNED" or score == expected[str(params)]


def test_several_scores_and_train_scores_of_steps_that_write_into_their_samples(digits):
    def results(copy):
        model = make_pipeline(StandardScaler(copy=copy), small())
        scoring = ["roc_auc_ovr", "accuracy"]
        search = search_of(
            model, {}, n_trials=1, scoring=scoring, return_train_score=True, cv=2,
            objectives=["accuracy", "predict_seconds"],
        )  # fmt: skip
        space = {"convnetclassifier__dropout": [0.1]}
        return search.set_params(param_space=space).fit(*digits).cv_results_

    first, second = results(True), results(False)
    for name in ("test_roc_auc_ovr", "test_accuracy", "train_roc_auc_ovr", "train_accuracy"):
        assert_array_equal(first[f"mean_{name}"], second[f"mean_{name}"])


def test_auto_reads_samples_after_a_sampler_and_a_step_without_fitted_attributes(digits):
    for model in (
        sampling_pipeline(Double(), RepeatFirstClass(), small()),
        make_pipeline(Double(), small()),
    ):
        search = search_of(model, "auto", n_trials=2, pruner="auto", refit=True).fit(*digits)
        assert set(search.cv_results_["state"]) <= {"COMPLETE", "PRUNED"}
        assert search.predict(digits[0]).shape == digits[1].shape
