"""Missing values: refused, or zeros with a channel that marks them."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import skcnn
from skcnn import ConvNetClassifier, ConvNetFeatures, ConvNetRegressor
from skcnn._data import mapped_rows
from skcnn._data.channel_statistics import channel_statistics
from skcnn._data.samples import SampleSet, canonical_order
from skcnn._data.validation import check_training_images
from skcnn._network.network import MaskMissing
from skcnn.augmentation import RandomFlip, RandomNoise
from skcnn.exceptions import ArchitectureError, InputShapeError
from skcnn.inspection import saliency
from tests.helpers.series import tones

rng = np.random.default_rng(0)
y = np.arange(60) % 2
WHOLE = rng.normal(size=(60, 6, 6, 2)) + y[:, None, None, None]
X = WHOLE.copy()
X[rng.random(X.shape) < 0.3] = np.nan
FEW = {"filters": (6,), "random_state": 0, "missing": "mask"}


def net(**params):
    return ConvNetClassifier(**{**FEW, "max_epochs": 1, **params})


@pytest.fixture(scope="module")
def fitted():
    return net(max_epochs=6).fit(X[:40], y[:40])


def test_the_network_learns_from_the_values_that_are_there(fitted):
    assert fitted.score(X[40:], y[40:]) > 0.9
    assert fitted.input_shape_ == (6, 6, 2)
    assert fitted.summary().parameters.iloc[0] == 3 * 3 * 4 * 6  # two channels and two masks
    assert net().summary((6, 6, 2), n_outputs=2).equals(fitted.summary())


def test_zeros_and_masks_take_the_place_of_missing_values():
    module = MaskMissing(torch.tensor([1.0, 0.0]), torch.tensor([2.0, 1.0]), n_axes=1)
    x = torch.tensor([[[3.0, torch.nan], [torch.nan, 5.0]]])
    assert module(x).tolist() == [[[1, 0], [0, 5], [1, 0], [0, 1]]]
    assert module(torch.tensor([[[3, 1], [0, 5]]], dtype=torch.uint8)).tolist() == [
        [[1, 0], [0, 5], [1, 1], [1, 1]]
    ]


@pytest.mark.parametrize("channels", ["last", "first"])
def test_statistics_are_those_of_the_values_that_are_there(channels):
    given = X if channels == "last" else np.moveaxis(X, -1, 1)
    images = check_training_images(net(channels=channels), given + 1000)
    weights = rng.random(50)
    train = SampleSet(images, np.arange(5, 55), np.zeros(50), weights)
    mean, std = channel_statistics(train, standardize=True)
    for c in range(2):
        values = X[5:55, ..., c].reshape(50, -1)
        there = ~np.isnan(values)
        each = np.broadcast_to(weights[:, None], values.shape)[there]
        expected = np.average(values[there], weights=each)
        spread = np.sqrt(np.average((values[there] - expected) ** 2, weights=each))
        np.testing.assert_allclose([mean[c] - 1000, std[c]], [expected, spread], rtol=1e-3)


def test_a_channel_may_be_missing_altogether():
    empty = X.copy()
    empty[..., 1] = np.nan
    images = check_training_images(net(), empty)
    mean, std = channel_statistics(SampleSet(images, np.arange(60), y, None), standardize=True)
    assert (float(mean[1]), float(std[1])) == (0, 1)
    assert net().fit(empty, y).predict(empty).shape == (60,)


def test_equal_samples_are_merged_whatever_the_bits_of_nan():
    twice = np.concatenate([X, np.where(np.isnan(X), -np.nan, X)]).astype(np.float32)
    images = check_training_images(net(), twice)
    index, weights = canonical_order(images, np.r_[y, y], None)
    assert len(index) == 60
    assert weights.tolist() == [2] * 60
    expected = net().fit(twice, np.r_[y, y]).predict_proba(X)
    assert np.array_equal(net().fit(X, y, sample_weight=np.full(60, 2)).predict_proba(X), expected)


def test_an_offset_is_that_of_the_values_that_are_there():
    model = net(max_epochs=6).fit(1e9 + X[:40], y[:40])
    np.testing.assert_allclose(
        model.offset_, 1e9 + (np.nanmin(X[:40], (0, 1, 2)) + np.nanmax(X[:40], (0, 1, 2))) / 2
    )
    assert model.score(1e9 + X[40:], y[40:]) > 0.9


def test_predictions_are_the_same_in_any_company_and_after_loading(fitted, tmp_path):
    expected = fitted.predict_proba(X)
    for part in ([3], [7, 1, 30], np.arange(20)):
        assert np.array_equal(fitted.predict_proba(X[part]), expected[part])
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(X), expected)
    skcnn.save(fitted, tmp_path / "model.safetensors")
    again = skcnn.load(tmp_path / "model.safetensors")
    assert again._layout == fitted._layout
    assert np.array_equal(again.predict_proba(X), expected)


def test_a_changed_parameter_does_not_change_a_fitted_network(fitted):
    model = pickle.loads(pickle.dumps(fitted)).set_params(missing="error")
    assert np.array_equal(model.predict_proba(X), fitted.predict_proba(X))


def test_tables_bytes_and_regression():
    table = pd.DataFrame(X.reshape(60, -1)[:, :36], columns=[f"p{i}" for i in range(36)])
    model = net(input_shape=(6, 6)).fit(table, y)
    assert model.feature_names_in_[0] == "p0"
    assert model.predict(table).shape == (60,)
    pixels = rng.integers(0, 2, size=(60, 6, 6), dtype=np.uint8)
    assert net().fit(pixels, y).predict(pixels).shape == (60,)
    assert ConvNetRegressor(**FEW, max_epochs=6).fit(X, y * 1.0).score(X, y) > 0.5


def test_missing_values_in_any_container(tmp_path, monkeypatch):
    flat = X.reshape(60, -1)[:, :36].astype(np.float32)
    expected = net().fit(flat, y).predict_proba(flat)
    objects = flat.astype(object)
    objects[np.isnan(flat)] = None
    frame = pd.DataFrame(flat).astype("Float32")
    frame[np.isnan(flat)] = pd.NA
    np.save(tmp_path / "X.npy", flat)
    monkeypatch.setattr(mapped_rows, "SMALLEST_BYTES", 1)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    for given in (objects, frame, torch.from_numpy(flat), mapped):
        assert np.array_equal(net().fit(given, y).predict_proba(given), expected)
    with pytest.raises(ValueError, match=r"contains NaN(.|\n)*set missing='mask'"):
        net(missing="error").fit(mapped, y)


def test_signals_of_unequal_length():
    signals, labels = tones(40)
    for signal in signals:
        signal[rng.random(signal.shape) < 0.2] = np.nan
    model = net(n_spatial_dims=1, max_epochs=8).fit(signals[:30], labels[:30])
    assert model.score(signals[30:], labels[30:]) > 0.8
    expected = model.predict_proba(signals)
    assert np.array_equal(model.predict_proba(signals[4:7]), expected[4:7])
    with pytest.raises(
        ValueError, match=r"NaN or infinity, the first in row 0\. Or set missing='m"
    ):
        net(n_spatial_dims=1, missing="error").fit(signals, labels)
    array = np.stack([signal[:10] for signal in signals])
    model = net(n_spatial_dims=1, input_shape=(None, 3)).fit(array, labels)
    assert model.predict(array).shape == (40,)
    with pytest.raises(ValueError, match=r"contains NaN(.|\n)*set missing='mask'"):
        net(input_shape=(None, 3), missing="error").fit(array, labels)
    signals[3][0] = np.inf
    with pytest.raises(ValueError, match="contains infinity, the first in row 3"):
        model.predict(signals)
    with pytest.raises(ValueError, match="contains NaN only"):
        net(n_spatial_dims=1).fit([signal * np.nan for signal in signals], labels)


def test_a_callable_gets_the_masks_too():
    def linear(input_shape, n_outputs):
        assert input_shape == (4, 6, 6)
        return nn.Sequential(nn.Flatten(), nn.Linear(4 * 36, n_outputs))

    model = net(architecture=linear, max_epochs=3).fit(X, y)
    assert model.score(X, y) > 0.8


def test_a_base_must_know_missing_values(fitted):
    assert net(architecture=fitted, trainable="head").fit(X, y).score(X, y) > 0.8
    with pytest.raises(ArchitectureError, match=r"with missing='mask', so that .*missing='error'"):
        net(architecture=fitted, missing="error").fit(WHOLE, y)
    with pytest.raises(ArchitectureError, match="with missing='mask'"):
        ConvNetFeatures(fitted).fit(WHOLE)


@pytest.mark.parametrize("method", ["gradient", "integrated_gradients", "grad_cam", "occlusion"])
def test_missing_values_have_no_saliency(fitted, method):
    maps = saliency(fitted, X[:2], method=method)
    assert np.isfinite(maps).all()
    if "gradient" in method:
        assert not maps[np.isnan(X[:2])].any()
        assert maps[~np.isnan(X[:2])].any()


def test_the_error_names_the_way_out():
    with pytest.raises(ValueError, match=r"Input X contains NaN(.|\n)*set missing='mask'"):
        net(missing="error").fit(X, y)
    assert net().__sklearn_tags__().input_tags.allow_nan
    assert not net(missing="error").__sklearn_tags__().input_tags.allow_nan


@pytest.mark.parametrize(
    ("params", "given", "error", "message"),
    [
        ({}, np.where(np.isnan(X), np.inf, X), ValueError, "contains infinity"),
        ({}, X * np.nan, ValueError, "contains NaN only: there are no values"),
        ({}, 1e300 * X, ValueError, "too large for dtype"),
        ({"missing": "zeros"}, X, ValueError, "'missing' parameter .* a str among {"),
        ({"augmentation": RandomFlip()}, X, InputShapeError, "RandomFlip is not for missing='m"),
        ({"test_time_augmentation": "flip"}, X, InputShapeError, "RandomFlip is not for"),
        (
            {"architecture": "efficientnet_lite0", "pretrained": True},
            X,
            ArchitectureError,
            "takes no channels that mark missing values.*Got missing='mask'",
        ),
    ],
)
def test_what_cannot_be_is_refused(params, given, error, message):
    with pytest.raises(error, match=message):
        net(**params).fit(given, y)


def test_noise_is_added_to_the_values_that_are_there():
    assert net(augmentation=RandomNoise(0.05), max_epochs=6).fit(X, y).score(X, y) > 0.9
