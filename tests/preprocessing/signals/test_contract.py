"""scikit-learn's contract, and Pipelines, for all transformers of signals."""

import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from skcnn import ConvNetClassifier, ConvNetSearchCV, compare_models
from skcnn.augmentation import RandomFrequencyMask, RandomNoise, RandomTimeMask
from skcnn.preprocessing import (
    CropSignals,
    PadSignals,
    ResampleSignals,
    Spectrogram,
    StandardizeSignals,
)

SMALL = {"filters": 4, "hidden_units": (), "max_epochs": 2, "random_state": 0}
MODELS = [
    StandardizeSignals(),
    StandardizeSignals(per_channel=False),
    PadSignals(),
    PadSignals(30, where="both", padding_mode="mirror"),
    PadSignals(30, padding_mode="constant", fill_value=2, where="start"),
    PadSignals(2, longer="middle"),
    CropSignals(),
    CropSignals(1, where="end"),
    CropSignals(2, shorter="keep"),
    ResampleSignals(5),
    ResampleSignals(rate=3, original_rate=2),
    Spectrogram(100, window_seconds=0.1, n_bands=3),
    Spectrogram(100, window_seconds=0.04, step_seconds=0.02, scale="power"),
]


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_check_estimator_passes(model):
    results = check_estimator(model, on_skip=None, on_fail=None)
    assert Counter(result["status"] for result in results) == {"passed": len(results)}
    assert len(results) > 40


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_clones_and_pickles_give_the_same_bits(model):
    X = np.random.default_rng(0).normal(size=(4, 30, 2))
    before = model.get_params()
    fitted = clone(model).fit(X)
    expected = fitted.transform(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(X), expected)
    np.testing.assert_array_equal(clone(fitted).fit_transform(X), expected)
    assert model.get_params() == before


@pytest.fixture(scope="module")
def tones():
    """Return series of unequal length, of the class in the frequency."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    items = [
        np.sin(np.arange(rng.integers(60, 90)) * (0.3 if label else 0.8)) + 0.1 * rng.normal()
        for label in y
    ]
    return items, y


def test_in_front_of_networks_and_in_searches(tones):
    items, y = tones
    X = pd.Series(items).to_numpy()
    model = make_pipeline(
        StandardizeSignals(), PadSignals(90), ConvNetClassifier(**{**SMALL, "max_epochs": 12})
    )
    assert cross_val_score(model, X, y, cv=2, n_jobs=2).min() > 0.8
    search = GridSearchCV(
        make_pipeline(ResampleSignals(40), LogisticRegression()),
        {"resamplesignals__length": [2, 40]},
        cv=2,
    ).fit(X, y)
    again = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(again.predict(X), search.predict(X))


# both models may find all samples
@pytest.mark.filterwarnings("ignore::skcnn.exceptions.ComparisonWarning")
@pytest.mark.parametrize("make", [list, lambda items: pd.Series(items).to_numpy()])
def test_unequal_lengths_in_convnet_searches_and_comparisons(tones, make):
    items, y = tones
    X, y = make(items[:20]), y[:20]
    model = make_pipeline(PadSignals(90), ConvNetClassifier(**SMALL))
    space = {"convnetclassifier__kernel_size": [3, 5]}
    search = ConvNetSearchCV(model, param_space=space, n_trials=1, cv=2, random_state=0)
    assert search.fit(X, y).predict(X[:3]).shape == (3,)
    models = {"padded": model, "stretched": make_pipeline(ResampleSignals(20), GaussianNB())}
    comparison = compare_models(models, X, y, cv=5, random_state=0)
    assert comparison.models == ["padded", "stretched"]
    assert comparison.table.iloc[1, 0] == 1.0  # the tones are told apart


def test_sound_in_front_of_networks(tones):
    items, y = tones
    model = make_pipeline(
        PadSignals(90),
        Spectrogram(1000, window_seconds=0.032, step_seconds=0.008, n_bands=8),
        RandomTimeMask(),
        RandomFrequencyMask(0.1),
        ConvNetClassifier(**{**SMALL, "max_epochs": 12}),
    )
    assert model.fit(items, y).score(items, y) > 0.8
    assert model[-1].input_shape_ == (8, 12, 1)


def test_augmentations_in_front_are_frozen_with_a_warning():
    X, y = np.random.default_rng(0).normal(size=(8, 30)), np.arange(8) % 2
    model = make_pipeline(RandomNoise(), StandardizeSignals(), ConvNetClassifier(**SMALL))
    with pytest.warns(UserWarning, match="one draw"):
        model.fit(X, y)


def test_metadata_passes_by(tones):
    items, y = tones
    weights = np.r_[np.zeros(30), np.ones(30)]
    with sklearn.config_context(enable_metadata_routing=True):
        net = ConvNetClassifier(**SMALL).set_fit_request(sample_weight=True)
        routed = make_pipeline(CropSignals(50), net).fit(items, y, sample_weight=weights)
    X = CropSignals(50).fit_transform(items)
    direct = ConvNetClassifier(**SMALL).fit(X, y, weights)
    np.testing.assert_array_equal(routed.predict_proba(items), direct.predict_proba(X))
