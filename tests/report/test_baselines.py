"""Scores of the simple models."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn._report import baselines
from skcnn.comparison import ModelComparison

RNG = np.random.default_rng(0)
LABELS = np.array(["a", "b", "b"] * 10)
PIXELS = RNG.normal(size=(30, 4)) + (LABELS == "a")[:, np.newaxis]
SPLITS = [(np.arange(20), np.arange(20, 30)), (np.arange(10, 30), np.arange(10))]


def test_scores_of_the_splits():
    scores = baselines.score_baselines(PIXELS, LABELS, SPLITS, seed=0)
    assert scores["model"].tolist() == 2 * [baselines.LARGEST_CLASS, baselines.LINEAR]
    assert scores["split"].tolist() == [0, 0, 1, 1]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
    for row, (train, test) in zip((0, 1), SPLITS, strict=True):
        largest, linear = scores["score"][2 * row : 2 * row + 2]
        assert largest == (LABELS[test] == "b").mean()
        assert linear == model.fit(PIXELS[train], LABELS[train]).score(PIXELS[test], LABELS[test])
    assert scores["n_train"].tolist() == [20] * 4
    assert (scores[["fit_seconds", "predict_seconds"]] > 0).all(axis=None)
    assert scores["n_parameters"].fillna(0).tolist() == [0, 5, 0, 5]  # four values and a bias
    assert ModelComparison(scores[scores["model"] == baselines.LINEAR]).n_splits == 2


def test_large_data_are_sampled(monkeypatch):
    monkeypatch.setattr(baselines, "MOST_SAMPLES", 6)
    seen = []
    fit = baselines._fit

    def spy(model, pixels, labels, rows):
        seen.append(rows)
        return fit(model, pixels, labels, rows)

    monkeypatch.setattr(baselines, "_fit", spy)
    scores = baselines.score_baselines(PIXELS, LABELS, SPLITS[:1], seed=0)
    assert [len(rows) for rows in seen] == [6, 6]
    assert {*np.concatenate(seen).tolist()} <= {*SPLITS[0][0].tolist()}
    assert scores["n_train"].tolist() == [20, 20]
