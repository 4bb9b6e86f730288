"""The example that serves an exported classifier, without torch and skcnn."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from skcnn import ConvNetRegressor
from skcnn.persistence import export_onnx
from tests.helpers.small_fits import data, tiny

EXAMPLE = Path(__file__).parents[1] / "examples" / "serve_onnx.py"
X, Y = data()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    model = tiny(max_epochs=1).fit(X, np.array(["no", "yes"])[Y])
    path = tmp_path_factory.mktemp("served") / "model.onnx"
    export_onnx(model, path)
    return model, path, runpy.run_path(str(EXAMPLE))


def test_the_example_predicts_as_the_estimator_does(served):
    model, path, names = served
    answer = names["Classifier"](path).predict(X[:5].tolist())
    assert answer["label"] == model.predict(X[:5]).tolist()
    np.testing.assert_allclose(answer["probabilities"], model.predict_proba(X[:5]), atol=1e-6)
    assert json.dumps(answer)


@pytest.mark.parametrize(
    ("samples", "match"),
    [
        (X[0].tolist(), "shape"),
        (3, "shape"),
        (np.full((1, 6, 6), np.nan).tolist(), "finite"),
        ([["x"]], "must be numbers"),
        (np.full((1, 6, 6), "3.5").tolist(), "must be numbers"),
        (np.full((1, 6, 6), True).tolist(), "must be numbers"),
        (np.full((1, 6, 6), None).tolist(), "must be numbers"),
        ([{"a": 1}], "must be numbers"),
        ([[[10**400] * 6] * 6], "must be numbers"),
        ([[[1.0]], [[1.0, 2.0]]], "inhomogeneous"),
        (np.full((1, 6, 6), 1e39).tolist(), "float32 holds"),
        (np.full((1, 6, 6), -3e38).tolist(), "too large for the model"),
    ],
)
def test_the_example_refuses_other_samples(samples, match, served):
    _, path, names = served
    with pytest.raises(ValueError, match=match):
        names["Classifier"](path).predict(samples)


def test_the_example_refuses_values_that_are_no_bytes(tmp_path, served):
    images = (255 * X).astype(np.uint8)
    export_onnx(tiny(max_epochs=1).fit(images, Y), tmp_path / "bytes.onnx", X=images)
    classifier = served[2]["Classifier"](tmp_path / "bytes.onnx")
    assert len(classifier.predict(images.tolist())["label"]) == len(images)
    with pytest.raises(ValueError, match="whole numbers from 0 to 255"):
        classifier.predict((images + 0.5).tolist())


def test_the_example_refuses_other_models(tmp_path, served):
    export_onnx(tiny(ConvNetRegressor, max_epochs=1).fit(X, Y), tmp_path / "numbers.onnx")
    with pytest.raises(ValueError, match=r"numbers\.onnx is no classifier"):
        served[2]["Classifier"](tmp_path / "numbers.onnx")


def test_the_example_answers_requests(served, monkeypatch):
    pytest.importorskip("fastapi")
    client = pytest.importorskip("fastapi.testclient")
    model, path, names = served
    monkeypatch.setenv("MODEL", str(path))
    with client.TestClient(names["make_app"]()) as app:
        answer = app.post("/predict", json={"samples": X[:3].tolist()}).json()
        assert answer["label"] == model.predict(X[:3]).tolist()
        assert app.post("/predict", json={"samples": [[1]]}).status_code == 422
        for value in (1e300, {"a": 1}):
            wrong = {"samples": [[[value] * 6] * 6]}
            assert app.post("/predict", json=wrong).status_code == 422
        assert json.loads(app.get("/").json()["classes"]) == ["no", "yes"]


def test_the_example_needs_neither_torch_nor_skcnn(served):
    script = (
        "import runpy, sys\n"
        f"names = runpy.run_path({str(EXAMPLE)!r})\n"
        f"names['Classifier']({str(served[1])!r}).predict([[[0.5] * 6] * 6])\n"
        "assert not {'torch', 'skcnn', 'sklearn'} & {*sys.modules}\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
