"""Inspection of networks for signals of unequal length, of one length at a time."""

import numpy as np
import pytest
import torch

from skcnn import ConvNetClassifier
from skcnn.exceptions import InputShapeError
from skcnn.inspection import (
    ArchitectureDisplay,
    FeatureMapsDisplay,
    FiltersDisplay,
    RobustnessDisplay,
    SaliencyDisplay,
    TopLossesDisplay,
    feature_maps,
    saliency,
)
from tests.helpers.series import tones

X, y = tones(20)


@pytest.fixture(scope="module")
def model():
    few = {"filters": (4, 6), "normalization": "group", "max_epochs": 2, "random_state": 0}
    return ConvNetClassifier(n_spatial_dims=1, **few).fit(X, y)


def test_gradients_are_those_of_the_outputs(model):
    few = np.stack([X[0], X[0][::-1]])
    got = saliency(model, few, target=1)
    assert got.shape == few.shape
    change = np.zeros_like(few)
    change[:, 5, 1] = 1e-3
    up, down = (model.predict_log_proba(few + sign * change) for sign in (1, -1))
    slopes = (up - down) / 2e-3  # of log-probabilities: those of the logits less a common part
    gradient = got[:, 5, 1] - saliency(model, few, target=0)[:, 5, 1]
    np.testing.assert_allclose(gradient, slopes[:, 1] - slopes[:, 0], atol=2e-3)


def test_feature_maps_have_the_length_of_the_signal(model):
    maps = feature_maps(model, X[3:4], layer="conv_1")
    assert maps.shape == (1, len(X[3]), 4)
    as_fitted = model.net_.module_.layers
    x = torch.from_numpy((X[3].T[None, :, None]).astype(np.float32))
    expected = as_fitted[0](model.net_.module_.standardize(x))[0, :, 0].T
    np.testing.assert_allclose(maps[0], expected.detach(), atol=1e-5)


def test_several_lengths_are_refused(model):
    with pytest.raises(InputShapeError, match="one length at a time"):
        saliency(model, X)
    with pytest.raises(InputShapeError, match="one length at a time"):
        SaliencyDisplay.from_estimator(model, X)
    for given in (X, np.stack([X[0]] * 2)):
        with pytest.raises(InputShapeError, match="unequal length, whose ends RobustnessDisplay"):
            RobustnessDisplay.from_estimator(model, given, y[: len(given)])


def test_displays_of_one_signal(model):
    display = SaliencyDisplay.from_estimator(model, X[:1])
    assert display.samples.shape == (1, 3, len(X[0]))
    display = FeatureMapsDisplay.from_estimator(model, X, sample=4)
    assert display.sample.shape == (3, len(X[4]))
    FiltersDisplay.from_estimator(model)
    ArchitectureDisplay.from_estimator(model)


def test_largest_losses_show_each_signal_to_its_end(model):
    display = TopLossesDisplay.from_estimator(model, X, y, n_samples=3)
    for sample, row in zip(display.samples, display.losses.index, strict=True):
        assert np.isfinite(sample).all(axis=0).sum() == len(X[row])
        np.testing.assert_allclose(sample[:, : len(X[row])].T, X[row], rtol=1e-6)
