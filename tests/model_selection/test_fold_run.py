"""Scores after epochs change nothing; networks are released after their fold."""

import gc

import torch
from torch import nn

from skcnn._training.engine import ConvNetEngine
from skcnn.model_selection._fold_run import FoldRun
from tests.helpers.pruned_searches import search_of, small


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
