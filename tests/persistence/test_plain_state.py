"""Networks in files of skops, which asks objects for their state; pickles stay as they were."""

import copy
import pickle

import numpy as np
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import make_pipeline
from torch import nn

from skcnn import ConvNetClassifier, ConvNetFeatures, ConvNetRegressor
from skcnn.augmentation import RandomFlip
from skcnn.exceptions import UnsupportedModelError
from skcnn.layers import Conv
from skcnn.preprocessing import KernelFilter, ResizeImages
from tests.helpers.small_fits import data, tiny

X, Y = data()


def net(cls=ConvNetClassifier, **params):
    return tiny(cls, **{"max_epochs": 1, **params})


CASES = {
    "classifier": net(),
    "regressor": net(ConvNetRegressor),
    "pipeline": make_pipeline(ResizeImages(5), KernelFilter(), RandomFlip(), net()),
    "features": make_pipeline(
        ConvNetFeatures([Conv(4)], pretrained=False), net(input_shape=(12, 12))
    ),
    "calibrated": CalibratedClassifierCV(net(), cv=2),
}


def through_skops(model):
    content = skops.io.dumps(model)
    trusted = skops.io.get_untrusted_types(data=content)
    return skops.io.loads(content, trusted=trusted), trusted


@pytest.mark.parametrize("name", CASES)
def test_skops_keeps_every_bit_of_the_predictions(name):
    model = CASES[name].fit(X, Y)
    again, _ = through_skops(model)
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    np.testing.assert_array_equal(getattr(again, method)(X), getattr(model, method)(X))


def test_skops_must_trust_one_type_for_a_network():
    again, trusted = through_skops(net().fit(X, Y))
    assert trusted == ["skcnn._convnet.classifier.ConvNetClassifier"]
    again.partial_fit(X, Y)
    assert again.n_iter_ == 2


def test_skops_keeps_an_estimator_that_is_not_fitted():
    again, _ = through_skops(net(learning_rate=0.5))
    assert again.learning_rate == 0.5
    assert not again.__sklearn_is_fitted__()


def test_what_model_files_do_not_hold_is_named_in_skops():
    model = net(architecture=lambda shape, n: nn.Sequential(nn.Flatten(), nn.Linear(36, n)))
    with pytest.raises(UnsupportedModelError, match="a callable 'architecture'"):
        skops.io.dumps(model.fit(X, Y))


def test_pickles_and_copies_hold_all_attributes():
    model = net(architecture=linear).fit(X, Y)
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model)):
        assert vars(again).keys() == vars(model).keys()
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def linear(shape, n_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(36, n_outputs))
