"""Origin and licence of pretrained bases: found in estimators, and kept in model files."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skcnn
from skcnn import ConvNetFeatures
from skcnn.persistence._origins import _facts, base_origins
from skcnn.persistence._save_load import read_model
from tests.helpers.small_fits import data, tiny
from tests.helpers.tiny_base import NAME, install_tiny_base

TINY = [{"architecture": NAME, "origin": "nowhere", "licence": "none"}]


@pytest.fixture(autouse=True)
def _tiny_base(monkeypatch, tmp_path):
    install_tiny_base(monkeypatch, tmp_path)


def net(**params):
    return tiny(**{"architecture": NAME, "pretrained": True, "max_epochs": 1, **params})


def test_a_network_of_its_own_has_no_origin():
    X, y = data()
    assert base_origins(tiny(max_epochs=1).fit(X, y)) == []
    assert base_origins(net(pretrained=False).fit(X, y)) == []


@pytest.mark.parametrize("kind", ["alone", "pipeline", "calibrated", "features", "base", "base 2"])
def test_a_base_is_found_wherever_it_is(kind):
    X, y = data(16, 16)
    model = {
        "alone": net,
        "pipeline": lambda: make_pipeline(FunctionTransformer(), net()),
        "calibrated": lambda: CalibratedClassifierCV(net(), cv=2),
        "features": lambda: make_pipeline(ConvNetFeatures(NAME), tiny(input_shape=(2, 2))),
        "base": lambda: tiny(architecture=net().fit(X, y), max_epochs=1),
        "base 2": lambda: ConvNetFeatures(
            tiny(architecture=net().fit(X, y), max_epochs=1).fit(X, y)
        ),
    }[kind]()
    assert base_origins(model.fit(X, y)) == TINY


def test_a_choice_of_training_from_scratch_has_no_origin():
    import pandas as pd

    X, y = data()
    model = net().fit(X, y)
    model.pretrained = "auto"
    for chosen, expected in (("scratch", []), ("head", TINY)):
        names = pd.Index(["scratch", "head"], name="candidate")
        model.choice_ = pd.DataFrame({"chosen": names == chosen}, index=names)
        assert base_origins(model) == expected


def test_weights_of_other_packages_have_an_unknown_licence():
    facts = {"architecture": "timm:resnet10t", "origin": "a file for timm", "licence": "unknown"}
    assert _facts("timm:resnet10t") == facts


def test_a_model_file_names_the_licence(tmp_path):
    X, y = data()
    model = net().fit(X, y)
    skcnn.save(model, tmp_path / "model")
    again, about = read_model(tmp_path / "model")
    assert about == {"bases": TINY}
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
