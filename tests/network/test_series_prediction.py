"""Predictions for signals of unequal length: the same bits in any company."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skcnn import ConvNetClassifier
from skcnn._network.series_prediction import padded_width
from skcnn.layers import Conv, GlobalPool, Normalize, Pool, SqueezeExcitation
from tests.helpers.series import tones

ARCHITECTURES = {
    "default": {"filters": (8, 12)},
    "layers": {
        "architecture": [
            Conv(7, 4, activation="gelu"),
            Normalize(kind="group"),
            SqueezeExcitation(3),
            Pool(3, kind="average", stride=2, padding="same"),
            Conv(5, 3, stride=2, activation="sigmoid"),
            Normalize(kind="layer"),
            GlobalPool(kind="max"),
        ]
    },
    "fcn": {"architecture": "fcn"},
}


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request):
    how = {"n_spatial_dims": 1, "max_epochs": 1, "random_state": 0}
    return ConvNetClassifier(**how, **ARCHITECTURES[request.param]).fit(*tones(16))


@settings(deadline=None, max_examples=10)
@given(
    lengths=st.lists(st.integers(1, 90), min_size=2, max_size=40),
    seed=st.integers(0, 2**20),
    data=st.data(),
)
def test_outputs_are_the_same_bits_in_any_company(model, lengths, seed, data):
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(length, 3)) for length in lengths]
    expected = model.decision_function(X)
    part = data.draw(st.lists(st.integers(0, len(X) - 1), min_size=1, max_size=20))
    assert np.array_equal(model.decision_function([X[i] for i in part]), expected[part])


@given(st.integers(1, 2**20))
def test_the_width_is_little_more_than_the_length(length):
    width = padded_width(length)
    assert length <= width < length * 1.125
    assert width == padded_width(width)
    assert width == length or length > 16


def test_widths_are_few():
    assert len({padded_width(n) for n in range(1, 1025)}) == 16 + 8 * 6


def test_modules_without_steps_run_themselves(model):
    X, _ = tones(10, seed=1)
    expected = model.decision_function(X)
    module = model.net_.module_
    handle = module.layers[0].register_forward_hook(lambda *args: None)
    try:
        assert not model.net_.predictor(model._layout).has_steps
        got = model.decision_function(X)
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)
        assert np.array_equal(model.decision_function(X[3:5]), got[3:5])
    finally:
        handle.remove()
    assert np.array_equal(model.decision_function(X), expected)


def test_outputs_are_finished_pass_by_pass(model):
    X, _ = tones(10, seed=1)
    codes = model._predicted(X, lambda outputs: outputs.argmax(1))
    assert np.array_equal(model.classes_[codes], model.predict(X))
    assert torch.is_grad_enabled()
    assert not model.net_.module_.training
