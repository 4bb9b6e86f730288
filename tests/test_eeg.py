"""EEGNet on made electroencephalograms of subjects that are in no training: fits and searches."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score

from skcnn import ConvNetClassifier, ConvNetSearchCV, recipe

EXAMPLE = Path(__file__).parents[1] / "examples" / "eeg.py"
CHANCE = 1 / 3


@pytest.fixture(scope="module")
def example():
    return runpy.run_path(str(EXAMPLE))


@pytest.fixture(scope="module")
def short(example):
    """Return trials of a second at 125 Hz of six electrodes, labels and subjects."""
    X, y, subjects = example["make_eeg"](4, 36, seconds=1.0, microvolts=10)
    places = [[*example["ELECTRODES"]].index(name) for name in ("C3", "Cz", "C4", "P1", "P2", "Fz")]
    return X[:, ::2, places], y, subjects


def is_above_chance(score, n_samples):
    """Return whether guessing reaches the score less than once in a million times."""
    return binom.sf(round(score * n_samples) - 1, n_samples, CHANCE) < 1e-6


def test_the_made_set_has_the_class_in_the_power_of_a_band_only(example):
    X, y, subjects = example["make_eeg"](4, 60, seconds=2.0)
    assert (X.shape, X.dtype, [*np.bincount(subjects)]) == ((240, 500, 22), np.float32, [60] * 4)
    frequencies = np.fft.rfftfreq(500, 1 / example["RATE"])
    power = np.abs(np.fft.rfft(X, axis=1)) ** 2
    electrodes = [*example["ELECTRODES"]]
    for movement, place in example["CORTEX"].items():
        there = power[:, :, electrodes.index(place)]
        ratios = {}
        for low, high in [(8, 13), (25, 60)]:
            band = np.log(there[:, (frequencies >= low) & (frequencies <= high)].mean(axis=1))
            ratios[low] = np.exp(band[y == movement].mean() - band[y != movement].mean())
        assert ratios[8] < 0.6
        assert 0.8 < ratios[25] < 1.25
    means = np.array([X[y == movement].mean(axis=(0, 1)) for movement in example["CORTEX"]])
    assert np.abs(means).max() < 0.1 * X.std()


@pytest.mark.slow
def test_searches_over_eegnet_are_far_above_chance(short):
    X, y, subjects = short
    how = recipe("eeg") | {"max_epochs": 25, "learning_rate": 0.01}
    net = ConvNetClassifier(**how, random_state=0)
    folds = GroupKFold(2)
    grid = GridSearchCV(net, {"batch_size": [8, 144]}, cv=folds, refit=False)
    grid.fit(X, y, groups=subjects)
    assert grid.best_params_ == {"batch_size": 8}  # a step an epoch is too few
    assert is_above_chance(grid.best_score_, len(y))
    net.set_params(batch_size=8)
    search = ConvNetSearchCV(net, n_trials=2, cv=folds, refit=False, random_state=0)
    search.fit(X, y, groups=subjects)
    assert is_above_chance(search.best_score_, len(y))
    assert {"learning_rate", "batch_size"} < {*search.best_params_}


@pytest.mark.slow
def test_eegnet_at_full_size(example):
    X, y, subjects = example["make_eeg"](6, 60, seconds=2.0)
    train, test = subjects < 4, subjects >= 4
    model = example["make_model"]()
    scores = cross_val_score(model, X[train], y[train], groups=subjects[train], cv=GroupKFold(2))
    assert scores.mean() > 0.65
    assert model.fit(X[train], y[train]).score(X[test], y[test]) > 0.7
    search = GridSearchCV(
        clone(model),
        {"convnetclassifier__architecture": ["eegnet", "shallow_convnet"]},
        cv=GroupKFold(2),
    ).fit(X[train], y[train], groups=subjects[train])
    assert search.score(X[test], y[test]) > 0.7
    search = ConvNetSearchCV(model, n_trials=2, cv=GroupKFold(2), random_state=0)
    search.fit(X[train], y[train], groups=subjects[train])
    assert search.score(X[test], y[test]) > 0.7
