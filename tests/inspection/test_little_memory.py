"""Inspection on a device with too little memory for the usual passes."""

import numpy as np
import pytest

from skcnn.exceptions import OutOfMemoryError, OutOfMemoryWarning
from skcnn.inspection import feature_maps, saliency
from tests.helpers.inspected import fitted
from tests.helpers.little_memory import limit_inspection

METHODS = ["gradient", "integrated_gradients", "grad_cam", "occlusion"]


@pytest.fixture(scope="module")
def net():
    X, model = fitted((9, 8), activation="tanh", device="cpu", n_threads=1)
    return X[:11], model


@pytest.mark.parametrize("method", METHODS)
def test_saliency_in_smaller_passes_is_the_same_up_to_rounding(method, net, monkeypatch):
    X, model = net
    expected = saliency(model, X, method=method, n_steps=7)
    refused = []
    limit_inspection(monkeypatch, 8, refused)
    with pytest.warns(OutOfMemoryWarning, match="for the saliency .* parts of down to 8"):
        got = saliency(model, X, method=method, n_steps=7)
    assert {*refused} == {32, 16}
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


def test_feature_maps_in_smaller_passes_are_the_same_up_to_rounding(net, monkeypatch):
    X, model = net
    expected = feature_maps(model, X, layer="conv_2")
    limit_inspection(monkeypatch, 4)
    with pytest.warns(OutOfMemoryWarning, match="for the layers' outputs .* parts of down to 4"):
        got = feature_maps(model, X, layer="conv_2")
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_too_little_memory_for_one_sample_is_named(net, monkeypatch):
    X, model = net
    limit_inspection(monkeypatch, 0)
    with pytest.raises(OutOfMemoryError, match="too small for the layers' outputs of one sample"):
        feature_maps(model, X, layer="conv_2")
