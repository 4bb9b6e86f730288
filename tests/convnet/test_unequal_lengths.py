"""ConvNets of signals of unequal length: training, scikit-learn's tools, and what is refused."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from skcnn import ConvNetClassifier, ConvNetFeatures, ConvNetRegressor
from skcnn.augmentation import (
    MixUp,
    RandomBrightness,
    RandomChannelDropout,
    RandomContrast,
    RandomNoise,
    RandomTranslation,
)
from skcnn.exceptions import ArchitectureError, InputShapeError
from tests.helpers.series import tones

FEW = {"n_spatial_dims": 1, "filters": (8, 8), "random_state": 0}
X, y = tones(48)


def net(**params):
    return ConvNetClassifier(**{**FEW, "max_epochs": 1, **params})


@pytest.fixture(scope="module")
def fitted():
    return net(max_epochs=8).fit(X[:36], y[:36])


def test_the_network_learns(fitted):
    assert fitted.score(X[36:], y[36:]) > 0.9
    assert fitted.input_shape_ == (None, 3)
    assert "globalpool_1" in fitted.summary().index
    assert "flatten_1" not in fitted.summary().index


def test_forms_of_signals_give_the_same_network():
    expected = net().fit(X, y).predict_proba(X)
    column = np.empty(len(X), object)
    column[:] = X
    for given, params in [
        (column, {}),
        (pd.Series(column), {}),
        (tuple(map(torch.from_numpy, X)), {}),
        ([x.T for x in X], {"channels": "first"}),
        (X, {"input_shape": (None, 3)}),
        ([x.tolist() for x in X], {"input_shape": (None, 3)}),
    ]:
        got = net(**params).fit(given, y).predict_proba(given)
        assert np.array_equal(got, expected)


def test_order_does_not_matter_and_weights_mean_repetition():
    expected = net().fit(X + X[:9], [*y, *y[:9]]).predict_proba(X)
    weights = np.where(np.arange(len(X)) < 9, 2.0, 1.0)
    assert np.array_equal(net().fit(X, y, sample_weight=weights).predict_proba(X), expected)
    order = np.random.default_rng(0).permutation(len(X))
    shuffled = net().fit([X[i] for i in order], y[order], sample_weight=weights[order])
    assert np.array_equal(shuffled.predict_proba(X), expected)


def test_networks_of_one_length_and_of_any_learn_alike():
    signals, labels = tones(48, shortest=32, longest=32)
    one = net(architecture="fcn").fit(np.stack(signals), labels)
    open_shape = net(architecture="fcn", input_shape=(None, 3), precision="float32")
    any_length = open_shape.fit(np.stack(signals), labels)
    assert one.history_.train_loss[1] == pytest.approx(any_length.history_.train_loss[1], rel=1e-2)
    np.testing.assert_allclose(
        one.predict_proba(signals), any_length.predict_proba(signals), atol=0.02
    )


def test_validation_samples_and_partial_fits():
    model = net(early_stopping=True, max_epochs=3).fit(X, y)
    assert model.history_.valid_score.notna().all()
    model = net().fit(X[:36], y[:36], X_val=X[36:], y_val=y[36:])
    assert model.history_.valid_loss.notna().all()
    model = net().partial_fit(X[:20], y[:20], classes=[0, 1])
    longer = [np.vstack([x, x]) for x in X[20:]]
    assert model.partial_fit(longer, y[20:]).n_iter_ == 2


def test_regressors_take_them():
    lengths = np.array([len(x) for x in X], float)
    model = ConvNetRegressor(**FEW, max_epochs=2).fit(X, lengths)
    assert model.predict(X[:5]).shape == (5,)


def test_tools_of_scikit_learn(fitted):
    column = np.empty(len(X), object)
    column[:] = X
    scores = [cross_val_score(net(), given, y, cv=3) for given in (X, column)]
    assert np.array_equal(scores[0], scores[1])
    search = GridSearchCV(net(), {"filters": [(4,), (8,)]}, cv=2).fit(X, y)
    assert search.predict(X).shape == y.shape
    assert CalibratedClassifierCV(net(), cv=2).fit(column, y).predict_proba(column).shape == (48, 2)
    assert clone(fitted).get_params()["filters"] == (8, 8)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.slow
def test_cross_validation_in_several_processes():
    alone = cross_val_score(net(), X, y, cv=3)
    assert np.array_equal(cross_val_score(net(), X, y, cv=3, n_jobs=2), alone)


def test_features_are_pooled(fitted):
    features = ConvNetFeatures(fitted)
    model = make_pipeline(features, LogisticRegression()).fit(X[:36], y[:36])
    assert model.score(X[36:], y[36:]) > 0.9
    both = ConvNetFeatures(fitted, layer="conv_1", pooling="both").fit(X)
    together = both.transform(X)
    assert together.shape == (48, 16)
    assert np.array_equal(both.transform(X[7:9]), together[7:9])
    with pytest.raises(ValueError, match=r"'pooling' parameter must not be None.*'conv_1'"):
        ConvNetFeatures(fitted, layer="conv_1", pooling=None).fit(X)


def test_a_fitted_network_is_a_base(fitted):
    model = net(architecture=fitted).fit(X[:36], y[:36])
    assert model.score(X[36:], y[36:]) > 0.9


def test_augmentations_of_each_value_work():
    augmentation = [RandomBrightness(0.1), RandomNoise(0.05), RandomChannelDropout(0.3)]
    model = net(augmentation=augmentation, max_epochs=8).fit(X[:36], y[:36])
    assert model.score(X[36:], y[36:]) > 0.7
    again = net(augmentation=augmentation, max_epochs=8).fit(X[:36], y[:36])
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"architecture": "lenet5"}, ArchitectureError, r"Flatten.*GlobalPool\(\) in its place"),
        ({"architecture": "eegnet"}, ArchitectureError, "Flatten gives as many features"),
        ({"architecture": lambda s, n: None}, ArchitectureError, "would take the padding"),
        ({"padding_mode": "wrap"}, ArchitectureError, "padding_mode='zeros'.*Got 'wrap'"),
        ({"padding": "valid", "kernel_size": 9}, InputShapeError, "which is too short for the"),
        ({"trainable": "head"}, ValueError, "'trainable' parameter must be 'all'.*Got 'head'"),
        ({"unfreezing": {2: "all"}}, ValueError, "'unfreezing' parameter must be None"),
        ({"test_time_augmentation": "flip"}, InputShapeError, "must be None.*Got 'flip'"),
        ({"augmentation": RandomTranslation(0.1)}, InputShapeError, "RandomTranslation is not"),
        ({"augmentation": RandomNoise(snr_db=9)}, InputShapeError, "RandomNoise is not"),
        ({"augmentation": RandomContrast(0.1)}, InputShapeError, "RandomContrast is not"),
        ({"augmentation": MixUp()}, InputShapeError, "MixUp is not"),
        (
            {"augmentation": RandomChannelDropout(0.1, fill_value="mean")},
            InputShapeError,
            "RandomChannelDropout is not.*PadSignals",
        ),
        ({"augmentation": torch.relu}, InputShapeError, "relu is not for signals of unequal"),
    ],
)
def test_what_needs_one_length_is_refused(params, error, message):
    with pytest.raises(error, match=message):
        net(**params).fit(X, y)


def test_a_short_signal_is_refused_in_predictions(fitted):
    model = net(padding="valid").fit(X, y)
    with pytest.raises(InputShapeError, match=r"row 1 of X has the length 2.*too short"):
        model.predict([X[0], X[1][:2]])
    assert fitted.predict([X[1][:1]]).shape == (1,)  # padding="same" takes any length
