"""Graphs in float16 and int8: their sizes, what they lose, and the report."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.exceptions import MissingDependencyError
from skcnn.persistence import export_onnx
from skcnn.persistence._onnx import packages
from tests.helpers.exported import run_onnx
from tests.helpers.small_fits import digit_net, digits


@pytest.fixture(scope="module")
def fitted():
    X, y = digits()
    X = X.astype(np.float32)
    return digit_net(ConvNetClassifier, hidden_units=(200,)).fit(X, y), X, y


@pytest.mark.parametrize(
    ("precision", "kind", "share", "most"),
    [("float16", TensorProto.FLOAT16, 0.55, 0.01), ("int8", TensorProto.INT8, 0.45, 0.25)],
)
def test_a_smaller_graph_loses_what_the_report_says(
    precision, kind, share, most, fitted, tmp_path, capsys
):
    model, X, y = fitted
    path = tmp_path / "model.onnx"
    report = export_onnx(model, path, precision=precision, X=X, y=y)
    assert list(report.index) == ["float32", precision]
    assert report["bytes"].iloc[1] < share * report["bytes"].iloc[0]
    outputs = run_onnx(path, X)
    expected = model.predict_proba(X)
    difference = np.abs(outputs["probabilities"] - expected).max()
    assert report["largest_difference"].iloc[1] == pytest.approx(difference, rel=1e-6)
    assert 1e-6 < difference < most
    assert report["score"].iloc[1] == (outputs["label"] == y).mean() > 0.8
    assert (report["score_before"] == (model.predict(X) == y).mean()).all()
    assert (report["n_samples"] == len(X)).all()
    assert outputs["probabilities"].dtype == np.float32
    assert kind in {each.data_type for each in onnx.load(path).graph.initializer}
    printed = capsys.readouterr().out
    assert printed == report.to_string() + "\n"


def test_numbers_lose_r2(tmp_path):
    X, y = digits()
    model = digit_net(ConvNetRegressor).fit(X, 10.0 * y)
    report = export_onnx(model, tmp_path / "a.onnx", precision="int8", X=X, y=10.0 * y)
    score = report["score"].iloc[1]
    assert score == pytest.approx(model.score(X, 10.0 * y), abs=0.05)
    assert report["score_before"].iloc[1] == pytest.approx(model.score(X, 10.0 * y))


def test_float16_needs_no_samples(fitted, tmp_path):
    model, _, _ = fitted
    report = export_onnx(model, tmp_path / "a.onnx", precision="float16")
    assert report.drop(columns="bytes").isna().all(axis=None)


def test_float32_prints_nothing(fitted, tmp_path, capsys):
    model, X, _ = fitted
    export_onnx(model, tmp_path / "a.onnx", X=X)
    assert capsys.readouterr().out == ""


def test_another_precision_needs_onnxruntime(fitted, tmp_path, monkeypatch):
    real = packages.import_module

    def importing(name):
        if name.startswith("onnxruntime"):
            raise ImportError(f"no {name}")
        return real(name)

    monkeypatch.setattr(packages, "import_module", importing)
    model, _, _ = fitted
    with pytest.raises(MissingDependencyError, match=r"onnxruntime.*pip install onnxruntime"):
        export_onnx(model, tmp_path / "a.onnx", precision="float16")
    assert not list(tmp_path.iterdir())
