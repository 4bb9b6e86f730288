"""ConvNetFeatures that were saved and loaded: the same bits, and crafted files are errors."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import skcnn
from skcnn import ConvNetFeatures
from skcnn.exceptions import ModelFileError
from skcnn.layers import Conv, Dense, Flatten, GlobalPool, Pool, Residual
from tests.helpers.bases import base, digits
from tests.helpers.model_files import rewritten

X, Y = digits()[1]
IMAGES, IN_UNIT_RANGE = X, X / 16
LAYERS = [Conv(4, activation="relu"), Pool(), Residual([Conv(4)]), GlobalPool(), Dense(3)]


def random_features(layers=LAYERS, **params):
    return ConvNetFeatures(layers, **{"pretrained": False, "random_state": 0, **params})


@pytest.mark.parametrize(
    "make",
    [
        lambda: ConvNetFeatures(base()),
        lambda: ConvNetFeatures(base(), layer="flatten_1"),
        random_features,
        lambda: random_features(layer=0, pooling="both"),
        lambda: random_features(layer="residual_1", pooling=None),
        lambda: random_features([Flatten(), Dense(5, activation="tanh")]),
        lambda: random_features("resnet20", layer=3),
        lambda: ConvNetFeatures("efficientnet_lite0", image_size=32),
    ],
)
def test_features_come_back_with_the_same_bits(make, tmp_path):
    model = make()
    X = IN_UNIT_RANGE if model.architecture == "efficientnet_lite0" else IMAGES
    model.fit(X[:20])
    skcnn.save(model, tmp_path / "model")
    again = skcnn.load(tmp_path / "model")
    np.testing.assert_array_equal(again.transform(X), model.transform(X))
    assert again.layer_ == model.layer_
    assert again.get_params().keys() == model.get_params().keys()
    names = model.get_feature_names_out()
    np.testing.assert_array_equal(again.get_feature_names_out(), names)
    pd.testing.assert_frame_equal(again.summary(), model.summary())


def test_a_pipeline_of_features_comes_back(tmp_path):
    model = make_pipeline(ConvNetFeatures(base()), LogisticRegression()).fit(X, Y)
    skcnn.save(model, tmp_path / "model")
    again = skcnn.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_the_pooling_of_the_fit_is_saved_and_not_the_parameter(tmp_path):
    model = random_features(layer=0).fit(X)
    expected = model.transform(X)
    skcnn.save(model.set_params(pooling="max"), tmp_path / "model")
    again = skcnn.load(tmp_path / "model")
    np.testing.assert_array_equal(again.transform(X), expected)
    assert again.pooling == "max"


def test_offsets_and_column_names_come_back(tmp_path):
    frame = pd.DataFrame(X.reshape(len(X), -1) + 1e8).add_prefix("pixel_")
    model = random_features(input_shape=X.shape[1:]).fit(frame)
    skcnn.save(model, tmp_path / "model")
    again = skcnn.load(tmp_path / "model")
    np.testing.assert_array_equal(again.transform(frame), model.transform(frame))
    assert again.feature_names_in_.tolist() == frame.columns.tolist()


def test_an_unfitted_transformer_comes_back(tmp_path):
    skcnn.save(random_features(layer=0), tmp_path / "model")
    again = skcnn.load(tmp_path / "model")
    assert again.layer == 0
    assert not hasattr(again, "layer_")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("layers", {"tuple": []}),
        ("pooling", "mean"),
        ("low", {"float": "nan"}),
        ("n_features_in_", 7),
        ("limits", {"tuple": [1.0]}),
        ("weights", {"dict": []}),
    ],
)
def test_crafted_files_are_errors(name, value, tmp_path):
    model = random_features().fit(X)
    skcnn.save(model, tmp_path / "model")

    def change(manifest, tensors):
        manifest["model"]["fitted"][name] = value

    rewritten(tmp_path / "model", change)
    with pytest.raises(ModelFileError):
        skcnn.load(tmp_path / "model")
