"""What exports measure: wrong graphs are errors, scores need targets like the predictions."""

import logging
import threading

import numpy as np
import onnx
import pytest
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import ConvNetClassifier, ConvNetFeatures, ConvNetRegressor
from skcnn.exceptions import InputShapeError, UnsupportedModelError
from skcnn.layers import Conv
from skcnn.persistence import export_onnx, export_torch
from skcnn.persistence._onnx.measuring import (
    _check_share,
    _clear,
    _compared,
    _differences,
    run,
)
from skcnn.persistence._onnx.precision import _quiet
from tests.helpers.exported import assert_same_predictions, run_onnx
from tests.helpers.small_fits import tiny

RNG = np.random.default_rng(0)
N = 30
Y = np.arange(N) % 3
X = (RNG.random((N, 6, 6)) + Y[:, None, None]).astype(np.float32)
ROWS = X.reshape(N, -1)


@pytest.fixture(scope="module")
def net():
    return tiny(max_epochs=2).fit(X, Y)


# Wrong graphs


def wrong_module(monkeypatch, scale):
    """Let graphs of classifiers have other probabilities than predict_proba."""
    real = ConvNetClassifier.predict_proba
    monkeypatch.setattr(
        ConvNetClassifier, "predict_proba", lambda self, X: real(self, X) * (1 + scale)
    )


def test_probabilities_that_differ_much_are_an_error_without_a_file(net, tmp_path, monkeypatch):
    wrong_module(monkeypatch, 0.1)
    with pytest.raises(UnsupportedModelError, match=r"30 of 30 samples are plainly wrong; no file"):
        export_onnx(net, tmp_path / "a.onnx", X=X)
    assert not list(tmp_path.iterdir())


def test_probabilities_that_differ_little_are_warned_of(net, tmp_path, monkeypatch):
    wrong_module(monkeypatch, 0.005)
    with pytest.warns(UserWarning, match=r"differ by up to 0\.00.*too large.*not converted"):
        export_onnx(net, tmp_path / "a.onnx", X=X)


def test_other_labels_are_an_error(net, tmp_path, monkeypatch):
    monkeypatch.setattr(ConvNetClassifier, "predict", lambda self, X: np.zeros(len(X), int))
    with pytest.raises(UnsupportedModelError, match="of 30 samples are plainly wrong"):
        export_onnx(net, tmp_path / "a.onnx", X=X)


def test_values_that_float32_does_not_tell_apart_are_an_error(tmp_path):
    rows = 1e9 + ROWS.astype(float)  # float32 has steps of 64 there
    model = make_pipeline(StandardScaler(), tiny(input_shape=(6, 6))).fit(rows, Y)
    with pytest.raises(UnsupportedModelError, match="Values are too large for float32"):
        export_onnx(model, tmp_path / "a.onnx", X=rows)


def test_few_wrong_samples_are_warned_of():
    wrong = np.arange(200) < 1
    with pytest.warns(UserWarning, match=r"\(1 of 200 samples are plainly wrong\)"):
        _check_share(wrong, wrong, 0.5, "X")


def test_labels_are_clear_where_probabilities_differ():
    three, least = np.array([[0.4, 0.4005, 0.1995], [0.2, 0.5, 0.3]]), np.full(2, 1e-3)
    assert _clear([three], np.array([1, 1]), least).tolist() == [False, True]
    assert not _clear([three], np.array([1, 1]), np.full(2, 0.3)).any()
    two = _clear([three, three[::-1]], np.zeros((2, 2)), least)
    assert two.tolist() == [[False, True], [True, False]]
    several = np.array([[0.5, 0.9], [0.1, 0.5004]])
    assert _clear([several], several > 0.5, least).tolist() == [[False, True], [True, False]]
    assert _clear([np.ones((2, 1))], np.zeros(2), least).all()


def test_a_graph_that_does_not_run_is_an_error(net, tmp_path):
    export_onnx(net, tmp_path / "a.onnx")
    with pytest.raises(UnsupportedModelError, match="onnxruntime does not run its graph"):
        run(onnx.load(tmp_path / "a.onnx"), X[:, :3])


def test_nan_is_compared_with_nan_only():
    nan = np.array([[np.nan, 1.0]])
    assert _differences([nan], [nan], "float32") == [0]
    with pytest.raises(UnsupportedModelError, match="graph in int8 has results that are not fin"):
        _differences([nan], [np.ones((1, 2))], "int8")


def test_without_samples_the_graph_is_run_on_random_ones(net, tmp_path, monkeypatch):
    report = export_onnx(net, tmp_path / "a.onnx")
    assert report.drop(columns="bytes").isna().all(axis=None)
    wrong_module(monkeypatch, 0.1)
    bagging = BaggingClassifier(tiny(input_shape=(6, 6), max_epochs=1), 2).fit(ROWS, Y)
    for model in (net, bagging):
        with pytest.raises(UnsupportedModelError, match=r"for random samples.* [1-8] of 8 samples"):
            export_onnx(model, tmp_path / "b.onnx")
    scaled = make_pipeline(StandardScaler(), tiny(input_shape=(6, 6), max_epochs=1)).fit(ROWS, Y)
    export_onnx(scaled, tmp_path / "b.onnx")  # whose range is not known


def test_constant_numbers_are_not_taken_for_wrong_ones(tmp_path, monkeypatch):
    model = tiny(ConvNetRegressor, max_epochs=1).fit(X, Y)
    alike = 5 + 1e-9 * np.arange(N)
    monkeypatch.setattr(ConvNetRegressor, "predict", lambda self, X: alike)
    outputs = {"variable": [alike + 1e-5]}
    with pytest.warns(UserWarning, match="differ by up to 1e-05"):
        _compared(model, X, alike, outputs, "float32")


def test_hard_votes_are_compared_by_their_labels(tmp_path):
    members = [("a", LogisticRegression()), ("b", LogisticRegression(C=0.01))]
    model = VotingClassifier(members).fit(ROWS, Y)
    row = export_onnx(model, tmp_path / "a.onnx", X=ROWS, y=Y).loc["float32"]
    assert np.isnan(row["largest_difference"])
    assert row["score"] == row["score_before"] == model.score(ROWS, Y)


# float16


@pytest.mark.parametrize(
    ("cls", "scale"), [(ConvNetClassifier, 1e5), (ConvNetRegressor, 1e6), (ConvNetClassifier, 1e-6)]
)
def test_float16_has_the_values_as_given_in_float32(cls, scale, tmp_path):
    model = tiny(cls, max_epochs=2).fit(scale * X, Y)
    report = export_onnx(model, tmp_path / "a.onnx", precision="float16", X=scale * X, y=Y)
    assert report["largest_difference"].max() < 0.01
    assert report["score"].iloc[1] == pytest.approx(report["score"].iloc[0], abs=0.05)


def test_float16_of_a_network_behind_another(tmp_path):
    features = ConvNetFeatures([Conv(4)], pretrained=False, random_state=0)
    model = make_pipeline(features, tiny(input_shape=(12, 12))).fit(X, Y)
    report = export_onnx(model, tmp_path / "a.onnx", precision="float16", X=X, y=Y)
    assert report["largest_difference"].max() < 0.01


def test_float16_of_a_network_with_a_mask_and_of_several(tmp_path):
    holes = np.where(RNG.random(X.shape) < 0.2, np.nan, 1e5 * X)
    model = tiny(missing="mask").fit(holes, Y)
    report = export_onnx(model, tmp_path / "a.onnx", precision="float16", X=holes)
    assert report["largest_difference"].max() < 0.01
    both = BaggingClassifier(tiny(input_shape=(6, 6)), 2).fit(1e5 * ROWS, Y)
    report = export_onnx(both, tmp_path / "a.onnx", precision="float16", X=1e5 * ROWS)
    assert report["largest_difference"].max() < 0.01


def test_float16_that_overflows_is_an_error(tmp_path):
    import torch

    model = tiny(max_epochs=1).fit(X, Y)
    with torch.no_grad():
        model.net_.module_.layers.conv_1.weight.mul_(1e6)
        model.net_.module_.output_layer.weight.mul_(1e-6)
    for given in (X, None):
        with pytest.raises(UnsupportedModelError, match="in float16 has results that are not fin"):
            export_onnx(model, tmp_path / "a.onnx", precision="float16", X=given)
    assert not list(tmp_path.iterdir())


# Scores


@pytest.mark.parametrize("y", [Y[:, None], Y.tolist(), Y.astype(float)])
def test_targets_may_be_a_column_or_a_list(y, net, tmp_path):
    row = export_onnx(net, tmp_path / "a.onnx", X=X, y=y).loc["float32"]
    assert row["score"] == row["score_before"] == net.score(X, Y)


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (Y[:1], "X has 30 samples, but y has 1 targets"),
        (Y[:10], "X has 30 samples, but y has 10"),
        (1, "no length"),
        (Y.astype(str), r"labels that the classifier was not trained on: \['0', '1', '2'\]"),
        (np.where(Y > 1, np.nan, Y), "not trained on: .nan"),
        (np.eye(3)[Y], r"y has the shape \(30, 3\), but predictions \(30,\)"),
    ],
)
def test_targets_that_do_not_fit_are_errors(y, match, net, tmp_path):
    with pytest.raises(ValueError, match=match):
        export_onnx(net, tmp_path / "a.onnx", X=X, y=y)
    assert not list(tmp_path.iterdir())


def test_numbers_that_are_not_finite_are_errors(tmp_path):
    model = tiny(ConvNetRegressor, max_epochs=1).fit(X, Y)
    with pytest.raises(ValueError, match="y has values that are not finite"):
        export_onnx(model, tmp_path / "a.onnx", X=X, y=np.where(Y > 1, np.nan, Y))


def test_one_number_has_no_score(tmp_path):
    model = tiny(ConvNetRegressor, max_epochs=1).fit(X, Y)
    row = export_onnx(model, tmp_path / "a.onnx", X=X[:1], y=Y[:1]).loc["float32"]
    assert np.isnan(row["score"])
    assert row["n_samples"] == 1


def test_several_targets_have_labels_of_their_own(tmp_path):
    both = np.stack([Y, 5 * (Y % 2)], 1)
    model = MultiOutputClassifier(LogisticRegression()).fit(ROWS, both)
    row = export_onnx(model, tmp_path / "a.onnx", X=ROWS, y=both).loc["float32"]
    assert row["score"] == row["score_before"] == model.score(ROWS, both)
    with pytest.raises(ValueError, match=r"not trained on: \[1\]"):
        export_onnx(model, tmp_path / "a.onnx", X=ROWS, y=np.minimum(both, 1))


# Files and threads


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_the_report_has_the_size_of_the_file(precision, net, tmp_path):
    path = tmp_path / "a.onnx"
    report = export_onnx(net, path, precision=precision)
    assert report["bytes"].iloc[-1] == path.stat().st_size
    facts = [each.value for each in onnx.load(path).metadata_props if each.key == "precision"]
    assert facts == [precision]


def test_threads_export_one_after_another(net, tmp_path):
    def export(name):
        try:
            export_onnx(net, tmp_path / name)
        except Exception as error:
            errors.append(error)

    errors = []
    threads = [threading.Thread(target=export, args=(name,)) for name in "abcd"]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not errors
    assert len({(tmp_path / name).read_bytes() for name in "abcd"}) == 1


def test_only_warnings_of_this_thread_are_kept_quiet(caplog):
    with _quiet():
        logging.getLogger().warning("quiet")
        logging.getLogger().error("loud")
        thread = threading.Thread(target=logging.getLogger().warning, args=("other",))
        thread.start()
        thread.join()
    assert [each.message for each in caplog.records] == ["loud", "other"]


# Shapes


@pytest.mark.parametrize("export", [export_onnx, export_torch])
@pytest.mark.parametrize(
    ("given", "match"),
    [
        (X[:0], "X has no samples"),
        (X.reshape(N, 4, 9), r"shape \(4, 9\), but ConvNetClassifier was fitted on.*\(6, 6, 1\)"),
        (X[:, :3], r"shape \(3, 6\)"),
    ],
)
def test_samples_of_another_shape_are_errors(export, given, match, net, tmp_path, monkeypatch):
    monkeypatch.setattr("skcnn.persistence._export.find_spec", lambda name: None)
    with pytest.raises(InputShapeError, match=match):
        export(net, tmp_path / "a", X=given)
    assert not list(tmp_path.iterdir())


def test_rows_of_another_length_are_errors(tmp_path):
    model = LogisticRegression().fit(ROWS, Y)
    with pytest.raises(InputShapeError, match=r"\(35,\), but LogisticRegression.*36 values"):
        export_onnx(model, tmp_path / "a.onnx", X=ROWS[:, 1:])
    export_onnx(model, tmp_path / "a.onnx", X=ROWS)
    assert len(run_onnx(tmp_path / "a.onnx", ROWS)["label"]) == N


def test_votes_of_networks_take_images(tmp_path):
    members = [("a", tiny(max_epochs=1)), ("b", tiny(max_epochs=1, random_state=1))]
    model = VotingClassifier(members, voting="soft").fit(X, Y)
    export_onnx(model, tmp_path / "a.onnx", X=X)
    assert_same_predictions(tmp_path / "a.onnx", model, X)
