"""Whole fits on a pretended accelerator: what would fail on a GPU, without one."""

import pickle

import numpy as np
import pytest
import torch

import skcnn
from skcnn import ConvNetClassifier
from skcnn.augmentation import RandomErasing, RandomFlip, RandomRotation
from skcnn.layers import AdaptivePool, Conv, Pool
from tests.helpers.pretended_accelerator import DEVICE, pretended_accelerator
from tests.helpers.small_fits import data, tiny
from tests.helpers.weights import assert_same_weights, weights_of

pytestmark = pytest.mark.cpu

NETS = {
    "default": {},
    "muon": {"optimizer": "muon"},
    "sgd": {"optimizer": "sgd", "gradient_clip": 0.1},
    "early stopping": {"early_stopping": True},
    "augmented": {"augmentation": [RandomFlip("horizontal"), RandomRotation(9), RandomErasing()]},
    "head": {"architecture": [Conv(4, activation="relu"), Pool(2)], "trainable": "head"},
}


def fitted(**params):
    return tiny(**{"device": "auto", "precision": "float32", **params}).fit(*data())


@pytest.mark.parametrize("params", NETS.values(), ids=list(NETS))
def test_fit_and_predict_are_those_of_the_cpu(params):
    X, _ = data()
    expected = fitted(**params)
    with pretended_accelerator():
        model = fitted(**params)
        assert model.device_ == model.net_.device == str(DEVICE)
        assert_same_weights(model, expected, rtol=1e-4, atol=1e-5)
        probabilities = model.predict_proba(X)
        np.testing.assert_array_equal(
            np.concatenate([model.predict_proba(X[:3]), model.predict_proba(X[3:])]), probabilities
        )
    np.testing.assert_allclose(probabilities, expected.predict_proba(X), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "params",
    [
        {"architecture": [Conv(4, padding_mode="mirror"), Pool(2), Conv(4, padding_mode="edge")]},
        {"architecture": [Conv(4), Pool(3, kind="average", stride=2, padding="same"), Conv(4)]},
        {"architecture": [Conv(4), AdaptivePool(2), Conv(4)]},
        {"architecture": [Conv(4), AdaptivePool(2, kind="max"), Conv(4)]},
    ],
    ids=["paddings", "average pool", "adaptive average", "adaptive maximum"],
)
def test_volumes_train_with_gradients_in_a_fixed_order(params):
    X, y = data(6, 6, 6)
    make = lambda: tiny(n_spatial_dims=3, device="auto", max_epochs=2, **params)  # noqa: E731
    expected = weights_of(make().fit(X, y))
    with pretended_accelerator():
        found = weights_of(make().fit(X, y))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("saves", [False, True], ids=["pickle", "model file"])
def test_a_copy_predicts_on_the_same_device_with_the_same_bits(saves, tmp_path):
    X, y = data()
    with pretended_accelerator():
        model = fitted()
        if saves:
            skcnn.save(model, tmp_path / "model")
            again = skcnn.load(tmp_path / "model")
        else:
            again = pickle.loads(pickle.dumps(model))
        assert again.net_.device == str(DEVICE)
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
        assert_same_weights(again.partial_fit(X, y), model.partial_fit(X, y))
        pickled = pickle.dumps(model)
    elsewhere = pickle.loads(pickled)  # on a machine without an accelerator
    assert elsewhere.net_.device == "cpu"
    with pretended_accelerator():
        expected = model.predict_proba(X)
    np.testing.assert_allclose(elsewhere.predict_proba(X), expected, rtol=1e-3, atol=1e-5)


def test_samples_that_do_not_fit_on_the_device_are_copied_batch_by_batch():
    X, y = data()
    with pretended_accelerator():  # no data are kept on it
        model = ConvNetClassifier(filters=(4,), max_epochs=2, random_state=0, batch_size=16)
        assert model.fit(X, y).score(X, y) >= 0


def test_mistakes_are_errors_as_on_a_gpu():
    with pretended_accelerator():
        there = torch.ones(3, device=DEVICE)
        with pytest.raises(TypeError, match="can't convert"):
            there.numpy()
        with pytest.raises(TypeError, match="can't convert"):
            np.asarray(there)
        with pytest.raises(RuntimeError, match="all tensors to be on the same device"):
            there + torch.ones(3)
        assert (there + 1).cpu().tolist() == [2.0, 2.0, 2.0]
        assert float(there.sum()) == 3.0
