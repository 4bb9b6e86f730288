"""Model files of networks for signals of unequal length."""

import numpy as np
import pytest

import skcnn
from skcnn import ConvNetClassifier, ConvNetFeatures, ConvNetRegressor
from skcnn.augmentation import RandomNoise
from skcnn.exceptions import ModelFileError
from tests.helpers.model_files import rewritten
from tests.helpers.series import tones

X, y = tones(16)
FEW = {"filters": (4,), "n_spatial_dims": 1, "max_epochs": 1, "random_state": 0}


def loaded(model, tmp_path):
    path = tmp_path / "model.safetensors"
    skcnn.save(model, path)
    return skcnn.load(path)


@pytest.mark.parametrize("params", [{}, {"input_shape": (None, 3)}, {"architecture": "fcn"}])
def test_classifiers_come_back(params, tmp_path):
    model = ConvNetClassifier(**FEW, **params).fit(X, y)
    again = loaded(model, tmp_path)
    assert vars(again).keys() == vars(model).keys()
    assert again._layout == model._layout
    assert again.input_shape_ == (None, 3)
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    for each in (model, again):
        each.partial_fit(X, y)
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))


def test_regressors_and_features_come_back(tmp_path):
    signals = [x.T for x in X]
    model = ConvNetRegressor(**FEW, channels="first").fit(signals, np.arange(16.0))
    assert np.array_equal(loaded(model, tmp_path).predict(signals), model.predict(signals))
    features = ConvNetFeatures(model, channels="first", layer="conv_1", pooling="max").fit(signals)
    again = loaded(features, tmp_path)
    assert again.input_shape_ == (3, None)
    assert np.array_equal(again.transform(signals), features.transform(signals))


def _layout_of(manifest):
    """Return the nodes of the layout, its own and the one before it in the file."""
    found = []

    def walk(node):
        if isinstance(node, dict):
            if "layout" in node and isinstance(node["layout"], list):
                found.append(node)
            for part in node.values():
                walk(part)
        elif isinstance(node, list):
            for part in node:
                walk(part)

    walk(manifest)
    return found[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda node: node.update(unequal=1),
        lambda node: node.update(unequal=False),
        lambda node: node.update(layout=[8, 8, 3]),
        lambda node: node.pop("unequal"),  # without a number of features
    ],
)
def test_a_changed_layout_is_refused(change, tmp_path):
    path = tmp_path / "model.safetensors"
    skcnn.save(ConvNetClassifier(**FEW).fit(X, y), path)
    rewritten(path, lambda manifest, tensors: change(_layout_of(manifest)))
    with pytest.raises(ModelFileError):
        skcnn.load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"n_features_in_": 3},
        {"input_shape_": {"tuple": [None, 2]}},
        {"_layout": {"layout": [8, 3], "channels": "last"}},
    ],
)
def test_a_changed_shape_of_an_augmentation_is_refused(change, tmp_path):
    path = tmp_path / "model.safetensors"
    skcnn.save(RandomNoise(0.1).fit(X), path)
    assert skcnn.load(path).input_shape_ == (None, 3)
    rewritten(path, lambda manifest, tensors: manifest["model"]["fitted"].update(change))
    with pytest.raises(ModelFileError, match="the shapes of RandomNoise differ"):
        skcnn.load(path)
