"""Programs of torch.export: what they predict, and what they refuse."""

import json
import warnings

import numpy as np
import pytest
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skcnn import ConvNetClassifier, ConvNetFeatures, ConvNetRegressor
from skcnn.exceptions import UnsupportedModelError
from skcnn.layers import Conv
from skcnn.persistence import export_torch
from skcnn.persistence._onnx.torch_program import _modules
from skcnn.persistence._onnx.transformers import Form
from skcnn.preprocessing import ResizeImages
from tests.helpers.small_fits import tiny

RNG = np.random.default_rng(0)
N = 12
Y = np.arange(N) % 3
X = RNG.random((N, 8, 8, 3), np.float32)
BYTES = (255 * X).astype(np.uint8)


def net(cls=ConvNetClassifier, **params):
    return tiny(cls, **{"max_epochs": 1, **params})


def run(path, X):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        program = torch.export.load(path).module()
    return program(torch.from_numpy(X))


@pytest.mark.slow
def test_a_program_gives_places_of_labels_and_probabilities(tmp_path):
    model = net().fit(X, np.array(["a", "bb", "c"])[Y])
    export_torch(model, tmp_path / "model.pt2")
    for n in (1, N):
        places, probabilities = run(tmp_path / "model.pt2", X[:n])
        np.testing.assert_allclose(probabilities.numpy(), model.predict_proba(X[:n]), atol=1e-6)
        assert (model.classes_[places.numpy()] == model.predict(X[:n])).all()


def test_probabilities_of_a_program_have_the_temperature():
    many, labels = (
        np.tile(X, (6, 1, 1, 1)) + RNG.random((6 * N, 8, 8, 3), np.float32),
        np.tile(Y, 6),
    )
    model = net(calibration="temperature").fit(many, labels)
    assert model.temperature_ != 1.0
    [program] = _modules(model, Form((8 * 8 * 3,)), torch.float32)
    places, probabilities = program(torch.from_numpy(X.reshape(N, -1)))
    np.testing.assert_allclose(probabilities.numpy(), model.predict_proba(X), atol=1e-6)
    assert (model.classes_[places.numpy()] == model.predict(X)).all()


@pytest.mark.slow
def test_the_file_has_facts(tmp_path):
    export_torch(net().fit(X, Y), tmp_path / "model.pt2")
    files = {"facts.json": ""}
    torch.export.load(tmp_path / "model.pt2", extra_files=files)
    facts = json.loads(files["facts.json"])
    assert json.loads(facts["classes"]) == [0, 1, 2]
    assert json.loads(facts["input"]) == {"shape": ["n", 8, 8, 3], "dtype": "float32"}


@pytest.mark.slow
def test_numbers_have_the_units_of_y(tmp_path):
    model = net(ConvNetRegressor).fit(X, 1000.0 + Y)
    export_torch(model, tmp_path / "model.pt2")
    np.testing.assert_allclose(run(tmp_path / "model.pt2", X).numpy(), model.predict(X), rtol=1e-7)


@pytest.mark.slow
def test_a_pipeline_and_features_are_programs(tmp_path):
    features = ConvNetFeatures([Conv(4)], pretrained=False, random_state=0)
    model = make_pipeline(ResizeImages((5, 6)), "passthrough", features).fit(BYTES)
    export_torch(FrozenEstimator(model), tmp_path / "model.pt2", X=BYTES)
    got = run(tmp_path / "model.pt2", BYTES).numpy()
    np.testing.assert_allclose(got, model.transform(BYTES), rtol=1e-5)


@pytest.mark.slow
def test_features_in_the_middle_are_followed_by_a_network(tmp_path):
    features = ConvNetFeatures([Conv(4)], pretrained=False, random_state=0)
    model = make_pipeline(features, net(input_shape=(16, 16))).fit(X, Y)
    export_torch(model, tmp_path / "model.pt2", X=X)
    got = run(tmp_path / "model.pt2", X)[1].numpy()
    np.testing.assert_allclose(got, model.predict_proba(X), atol=1e-6)


def modules_run(model):
    """Return what the modules of a Pipeline return for the bytes."""
    values = torch.from_numpy(BYTES).flatten(1)
    for module in _modules(FrozenEstimator(model), Form((8, 8, 3), is_bytes=True), torch.uint8):
        values = module.eval()(values)
    return values


def test_the_modules_of_a_pipeline_give_what_it_gives():
    steps = [ResizeImages((5, 6)), "passthrough"]
    steps.append(ConvNetFeatures([Conv(4)], pretrained=False, random_state=0))
    features = make_pipeline(*steps).fit(BYTES)
    np.testing.assert_allclose(modules_run(features), features.transform(BYTES), rtol=1e-5)
    model = make_pipeline(*steps, net(input_shape=(30, 4))).fit(BYTES, Y)
    codes, probabilities = modules_run(model)
    assert codes.tolist() == model.predict(BYTES).tolist()
    np.testing.assert_allclose(probabilities.detach(), model.predict_proba(BYTES), atol=1e-6)
    numbers = make_pipeline(*steps, net(ConvNetRegressor, input_shape=(30, 4))).fit(BYTES, Y)
    np.testing.assert_allclose(modules_run(numbers).detach(), numbers.predict(BYTES), rtol=1e-5)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (make_pipeline(StandardScaler(), net(input_shape=(8, 8, 3))), "StandardScaler"),
        (LogisticRegression(max_iter=1000), "LogisticRegression"),
    ],
)
def test_other_estimators_are_refused_by_name(model, name, tmp_path):
    model.fit(X.reshape(N, -1), Y)
    with pytest.raises(UnsupportedModelError, match=f"{name} cannot be exported by export_torch"):
        export_torch(model, tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_module_that_torch_cannot_export_is_an_error(tmp_path):
    class Changing(nn.Module):
        def __init__(self, n_outputs):
            super().__init__()
            self.head = nn.Linear(3, n_outputs)

        def forward(self, x):
            means = x.mean((2, 3))
            return self.head(means if float(means.sum()) > 0 else -means)

    model = net(architecture=lambda shape, n_outputs: Changing(n_outputs)).fit(X, Y)
    with pytest.raises(UnsupportedModelError, match=r"cannot be exported by torch\.export"):
        export_torch(model, tmp_path / "model.pt2")
