"""Augmentations in Pipelines that hand on signals of unequal length, and missing values."""

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

import skcnn
from skcnn import ConvNetClassifier
from skcnn.augmentation import (
    MixUp,
    RandomBrightness,
    RandomChannelDropout,
    RandomFlip,
    RandomNoise,
)
from skcnn.exceptions import FrozenAugmentationWarning, InputShapeError
from tests.helpers.series import tones

X, y = tones(24)  # of three channels
GAPS = [np.where(np.random.default_rng(0).random(x.shape) < 0.1, np.nan, x) for x in X]
STEPS = [
    RandomNoise(0.1, random_state=3),
    RandomBrightness(0.2, random_state=3),
    RandomChannelDropout(0.3, fill_value=0.0, random_state=3),
]


def net(**params):
    few = {"n_spatial_dims": 1, "filters": (4,), "max_epochs": 2, "random_state": 0}
    return ConvNetClassifier(**{**few, **params})


def column(signals):
    values = np.empty(len(signals), object)
    values[:] = signals
    return values


def stacked(signals):
    return np.stack([np.resize(x, (30, 3)) for x in signals])


@pytest.mark.parametrize(
    ("given", "params"),
    [
        (X, {}),
        (column(X), {}),
        (pd.Series(column(X)), {}),
        ([x.T for x in X], {"channels": "first"}),
        ([x[:, 0] for x in X], {}),
        (GAPS, {"missing": "mask"}),
        (stacked(GAPS), {"missing": "mask"}),
        (pd.DataFrame(stacked(GAPS)[..., 0]), {"missing": "mask"}),
        (pd.DataFrame(stacked(GAPS)[..., 0]).convert_dtypes(), {"missing": "mask"}),
    ],
    ids=["list", "column", "Series", "first", "flat", "gaps", "gaps array", "frame", "NA"],
)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_a_step_is_the_parameter_augmentation(step, given, params):
    before = make_pipeline(step, net(**params)).fit(given, y)
    within = net(augmentation=step, **params).fit(given, y)
    assert np.array_equal(before.predict_proba(given), within.predict_proba(given))
    none = net(**params).fit(given, y)
    has_channels = not isinstance(given, pd.DataFrame) and given[0].ndim == 2
    if isinstance(step, RandomChannelDropout) and not has_channels:
        return  # it keeps one channel
    assert not np.array_equal(before.predict_proba(given), none.predict_proba(given))


@pytest.mark.parametrize("channels", ["last", "first"])
def test_the_parameters_may_say_how_signals_are_read(channels):
    given = X if channels == "last" else [x.T for x in X]
    how = {"n_spatial_dims": 1, "channels": channels}
    steps = [RandomNoise(0.1, **how), RandomBrightness(0.1, **how)]
    model = make_pipeline(*steps, net(channels=channels)).fit(given, y)
    assert model[0].input_shape_ == ((None, 3) if channels == "last" else (3, None))
    assert not hasattr(model[0], "n_features_in_")
    assert model[0].transform(given) is given
    same = model[0].fit(stacked(X) if channels == "last" else stacked(X).transpose(0, 2, 1))
    assert same.n_features_in_ == 90
    same.fit(given)
    assert not hasattr(same, "n_features_in_")


def test_signals_of_any_length_by_the_input_shape():
    shape = (None, 3)
    nested = [x.tolist() for x in X]
    step = RandomNoise(0.1, input_shape=shape, random_state=3)
    model = make_pipeline(step, net(input_shape=shape)).fit(nested, y)
    expected = net(augmentation=STEPS[0]).fit(X, y)
    assert np.array_equal(model.predict_proba(X), expected.predict_proba(X))
    one_length = make_pipeline(step, net(input_shape=shape)).fit(stacked(X), y)
    assert one_length.predict(X).shape == one_length.predict(stacked(X)[:, :20]).shape == (24,)


def test_after_one_length_the_network_says_whether_it_takes_others():
    model = make_pipeline(STEPS[0], net(input_shape=(None, 3))).fit(list(stacked(X)), y)
    assert model.predict(X).shape == (24,)
    with pytest.raises(InputShapeError, match="ConvNetClassifier was fitted on samples of shape"):
        make_pipeline(STEPS[0], net()).fit(stacked(X), y).predict(X)


def test_parts_of_the_samples():
    assert len(cross_val_score(make_pipeline(STEPS[0], net()), X, y, cv=2)) == 2
    inside = make_pipeline(STEPS[0], CalibratedClassifierCV(net(), cv=2))
    assert inside.fit(X, y).predict_proba(X).shape == (24, 2)


def test_one_draw_is_an_array_of_arrays():
    whole = np.round(np.linspace(0, 200, 12)).astype(np.uint8)
    signals = [whole[:5], whole, whole[3:9]]
    drawn = RandomBrightness((2.0, 2.0)).fit_transform(signals)
    assert (drawn.shape, drawn.ndim, drawn.size, drawn.dtype) == ((3,), 1, 3, np.dtype(object))
    assert drawn.span == 200
    for got, signal in zip(drawn.to_numpy(), signals, strict=True):
        expected = np.minimum(2.0 * signal, 255).astype(np.uint8)
        np.testing.assert_array_equal(got, expected, strict=True)
    with pytest.warns(FrozenAugmentationWarning):
        assert np.asarray(drawn)[2].shape == (6,)
    np.testing.assert_array_equal(drawn[1], np.minimum(2.0 * whole, 255))
    noise = RandomNoise(0.1, random_state=0).fit_transform([x.T for x in X]).to_numpy()
    assert [each.shape for each in noise] == [x.T.shape for x in X]


def test_missing_values_stay_missing_and_do_not_count_for_the_range():
    given = np.array([[0.0, np.nan, 4.0], [np.nan, 2.0, 1.0]])
    drawn = RandomNoise(0.1).fit_transform(given)
    assert drawn.span == 4
    assert np.array_equal(np.isnan(drawn.to_numpy()), np.isnan(given))
    assert RandomNoise(0.1).fit_transform(np.full((2, 3), np.nan)).span == 1
    assert np.isnan(RandomNoise(0.1).fit(given).transform(given)).sum() == 2
    step = RandomBrightness((2.0, 2.0))
    np.testing.assert_array_equal(step.apply(given, step.draw(given)), 2 * given)


@pytest.mark.parametrize(
    ("step", "given", "error", "message"),
    [
        (RandomFlip(), X, InputShapeError, "RandomFlip is not for signals of unequal length"),
        (MixUp(), X, InputShapeError, "MixUp is not for signals of unequal length"),
        (RandomNoise(snr_db=9), X, InputShapeError, "RandomNoise is not for signals of unequal"),
        (RandomNoise(0.1), [*X[:-1], np.inf * X[-1]], ValueError, "infinity, the first in row 23"),
        (RandomNoise(0.1), np.full((24, 9), np.inf), ValueError, "infinity"),
        (RandomFlip(), stacked(GAPS), ValueError, "contains NaN.\nRandomFlip does not accept"),
        (RandomNoise(0.1), stacked(GAPS), ValueError, "ConvNetClassifier does not.*\nOr set miss"),
        (RandomNoise(0.1), GAPS, ValueError, "NaN or infinity.* Or set missing='mask'"),
        (RandomNoise(0.1, n_spatial_dims=2), X, InputShapeError, "can only be signals"),
        (RandomNoise(0.1, input_shape=(30, 3)), X, InputShapeError, "Leave input_shape out"),
        (RandomNoise(0.1, input_shape=(None, 2)), X, InputShapeError, "has 2, with channels='l"),
    ],
)
def test_what_cannot_be_is_refused(step, given, error, message):
    with pytest.raises(error, match=message):
        make_pipeline(step, net()).fit(given, y)


def test_other_channels_are_refused():
    step = RandomNoise(0.1).fit(X)
    with pytest.raises(InputShapeError, match="RandomNoise was fitted on signals of 3"):
        step.transform([x[:, :2] for x in X])


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_model_files_hold_them(step, tmp_path):
    model = make_pipeline(step, net()).fit(X, y)
    skcnn.save(model, tmp_path / "model")
    again = skcnn.load(tmp_path / "model")
    assert again[0].input_shape_ == (None, 3)
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
