"""Networks as ONNX graphs: what the graph predicts, its input, its facts, and what is refused."""

import json

import numpy as np
import onnx
import pytest
import torch
from sklearn.exceptions import NotFittedError
from torch import nn

from skcnn import ConvNetClassifier, ConvNetFeatures, ConvNetRegressor, ConvNetSearchCV
from skcnn._architectures.registry import NAMED
from skcnn.augmentation import RandomRotation
from skcnn.exceptions import InputShapeError, MissingDependencyError, UnsupportedModelError
from skcnn.layers import Conv, GlobalPool, Pool
from skcnn.persistence import export_onnx
from skcnn.persistence._onnx import packages
from skcnn.persistence._onnx.builder import label_values
from tests.helpers.exported import assert_same_predictions, run_onnx
from tests.helpers.small_fits import tiny

RNG = np.random.default_rng(0)
N = 20
Y = np.arange(N) % 3
GREY = RNG.random((N, 6, 6), np.float32)
RGB = RNG.random((N, 8, 8, 3), np.float32)
SIGNALS = RNG.random((N, 30, 2), np.float32)
VOLUMES = RNG.random((N, 5, 5, 5, 2), np.float32)
MANY, MANY_Y = RNG.random((60, 6, 6), np.float32), np.arange(60) % 3
NAMES = np.array(["ä", "bb", "c"])[Y]


def net(cls=ConvNetClassifier, **params):
    return tiny(cls, **{"max_epochs": 1, **params})


CASES = {
    "grey": (net(), GREY, Y),
    "bytes": (net(), (255 * GREY).astype(np.uint8), Y),
    "strings": (net(), RGB, NAMES),
    "booleans": (net(), RGB, Y > 0),
    "floats as classes": (net(), GREY, 2.0 * Y),
    "channels first": (net(channels="first"), np.moveaxis(RGB, -1, 1).copy(), Y),
    "signals": (net(n_spatial_dims=1), SIGNALS, Y),
    "volumes": (net(), VOLUMES, Y),
    "flat": (net(input_shape=(6, 6)), GREY.reshape(N, -1), Y),
    "several labels": (net(), GREY, np.eye(3, dtype=int)[Y]),
    "regression": (net(ConvNetRegressor), GREY, 100.0 * Y),
    "two numbers": (net(ConvNetRegressor), GREY, np.stack([Y, 1e6 + Y], 1)),
    "flip": (net(test_time_augmentation="flip"), RGB, Y),
    "group norm": (net(normalization="group"), RGB, Y),
    "residual": (net(architecture="resnet20"), RGB, Y),
    "calibrated": (net(calibration="temperature"), MANY, MANY_Y),
    "calibrated labels": (net(calibration="temperature"), MANY, np.eye(3, dtype=int)[MANY_Y]),
}


LONGER = ("floats as classes", "booleans", "channels first", "group norm", "residual")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in LONGER else n for n in CASES]
)
def test_a_graph_predicts_as_the_network_does(name, tmp_path):
    model, X, y = CASES[name]
    model.fit(X, y)
    report = export_onnx(model, tmp_path / "model.onnx", X=X, y=y)
    for n in (1, N):
        assert_same_predictions(tmp_path / "model.onnx", model, X[:n])
    row = report.loc["float32"]
    assert row["largest_difference"] <= 1e-5
    assert row["score"] == pytest.approx(row["score_before"], abs=1e-4)
    assert row["bytes"] == pytest.approx((tmp_path / "model.onnx").stat().st_size, rel=0.2)


def test_a_graph_takes_any_number_of_samples(tmp_path):
    X = RNG.random((257, 6, 6), np.float32)
    model = net().fit(X, np.arange(257) % 2)
    export_onnx(model, tmp_path / "model.onnx")
    assert_same_predictions(tmp_path / "model.onnx", model, X)


def test_an_offset_is_subtracted_in_float64(tmp_path):
    X = GREY.astype(float) + 1e9
    model = net().fit(X, Y)
    assert model.offset_ is not None
    export_onnx(model, tmp_path / "model.onnx")
    assert_same_predictions(tmp_path / "model.onnx", model, X)


@pytest.mark.parametrize("size", [(5, 4), 12])
def test_images_are_resized_in_the_graph_as_in_the_network(size, tmp_path):
    from skcnn.layers import Rescale, Resize, ToRGB

    layers = [ToRGB(), Resize(size), Rescale(0.5, 0.2), Conv(3), GlobalPool()]
    model = net(architecture=layers).fit(GREY, Y)
    export_onnx(model, tmp_path / "model.onnx")
    assert_same_predictions(tmp_path / "model.onnx", model, GREY)


@pytest.mark.slow
def test_a_pretrained_base_is_exported_with_its_licence(tmp_path):
    X = (255 * RNG.random((6, 20, 20, 3))).astype(np.uint8)
    params = {"pretrained": True, "trainable": "head", "image_size": 32, "max_epochs": 1}
    model = ConvNetClassifier(architecture="efficientnet_lite0", random_state=0, **params)
    model.fit(X, Y[:6])
    export_onnx(model, tmp_path / "model.onnx")
    assert_same_predictions(tmp_path / "model.onnx", model, X)  # bytes, without X
    facts = {each.key: each.value for each in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert json.loads(facts["bases"])[0]["licence"] == "Apache-2.0"


def test_features_are_exported(tmp_path):
    features = ConvNetFeatures([Conv(4), Pool(2)], pretrained=False, random_state=0).fit(RGB)
    export_onnx(features, tmp_path / "model.onnx")
    assert_same_predictions(tmp_path / "model.onnx", features, RGB)


def test_a_module_of_the_user_is_exported(tmp_path):
    def make(shape, n_outputs):
        return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), n_outputs))

    model = net(architecture=make).fit(GREY, Y)
    export_onnx(model, tmp_path / "model.onnx")
    assert_same_predictions(tmp_path / "model.onnx", model, GREY)


def test_an_operation_that_onnx_does_not_have_is_an_error(tmp_path):
    class Fourier(nn.Module):
        def __init__(self, n_outputs):
            super().__init__()
            self.head = nn.Linear(36, n_outputs)

        def forward(self, x):
            return self.head(torch.linalg.svd(x)[0].flatten(1))

    model = net(architecture=lambda shape, n_outputs: Fourier(n_outputs)).fit(GREY, Y)
    with pytest.raises(UnsupportedModelError, match=r"ConvNetClassifier.*operation that ONNX does"):
        export_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_best_estimator_of_a_search_is_exported(tmp_path):
    search = ConvNetSearchCV(net(), {"learning_rate": [1e-3]}, n_trials=1, cv=2).fit(GREY, Y)
    export_onnx(search, tmp_path / "model.onnx")
    assert_same_predictions(tmp_path / "model.onnx", search.best_estimator_, GREY)


def fitted():
    model, X, y = CASES["grey"]
    return model.fit(X, y), X


def test_equal_logits_give_the_first_class(tmp_path):
    model, X = fitted()
    with torch.no_grad():
        for each in model.net_.module_.output_layer.parameters():
            each.zero_()
    export_onnx(model, tmp_path / "model.onnx")
    outputs = run_onnx(tmp_path / "model.onnx", X)
    assert (outputs["label"] == 0).all()
    np.testing.assert_allclose(outputs["probabilities"], 1 / 3, rtol=1e-6)


def test_nan_gives_probabilities_of_nan(tmp_path):
    model, X = fitted()
    export_onnx(model, tmp_path / "model.onnx")
    outputs = run_onnx(tmp_path / "model.onnx", np.full_like(X[:1], np.nan))
    assert np.isnan(outputs["probabilities"]).all()


def test_the_file_says_what_it_holds(tmp_path):
    model, _ = fitted()
    export_onnx(model, tmp_path / "model.onnx", opset=17)
    graph = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(graph, full_check=True)
    facts = {each.key: each.value for each in graph.metadata_props}
    assert facts["estimator"] == "ConvNetClassifier"
    assert facts["opset"] == "17"
    assert facts["precision"] == "float32"
    assert json.loads(facts["classes"]) == [0, 1, 2]
    assert json.loads(facts["input"]) == {"shape": ["n", 6, 6], "dtype": "float32"}
    assert json.loads(facts["bases"]) == []
    assert json.loads(facts["packages"])["torch"] == torch.__version__.partition("+")[0]
    assert {each.domain: each.version for each in graph.opset_import} == {"": 17}
    assert graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "n"


@pytest.mark.parametrize("opset", [pytest.param(17, marks=pytest.mark.slow), 20])
def test_every_opset_predicts_the_same(opset, tmp_path):
    model, X = fitted()
    export_onnx(model, tmp_path / "model.onnx", opset=opset)
    assert_same_predictions(tmp_path / "model.onnx", model, X)


@pytest.mark.slow
def test_x_gives_the_shape_of_the_input(tmp_path):
    model, X = fitted()
    for given in (X[..., None], X.reshape(N, -1)):
        export_onnx(model, tmp_path / "model.onnx", X=given)
        assert_same_predictions(tmp_path / "model.onnx", model, given)


def test_the_same_model_gives_the_same_bytes(tmp_path):
    model, _ = fitted()
    for name in ("a", "b"):
        export_onnx(model, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# Errors


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"precision": "float8"}, "'precision' parameter of export_onnx must be.*'float8'"),
        ({"precision": "int8"}, "precision='int8' needs X"),
        ({"opset": 9}, "'opset' parameter of export_onnx must be an integer from 17 to 20.*9"),
        ({"opset": 18.0}, "'opset'"),
    ],
)
def test_illegal_parameters_are_named(params, match, tmp_path):
    model, _ = fitted()
    with pytest.raises(ValueError, match=match):
        export_onnx(model, tmp_path / "model.onnx", **params)


def test_an_estimator_that_is_not_fitted_is_an_error(tmp_path):
    with pytest.raises(NotFittedError):
        export_onnx(net(), tmp_path / "model.onnx")


def test_other_views_than_flips_are_refused_by_name(tmp_path):
    model = net(test_time_augmentation=[RandomRotation(10)]).fit(RGB, Y)
    with pytest.raises(UnsupportedModelError, match=r"test_time_augmentation=.*RandomRotation"):
        export_onnx(model, tmp_path / "model.onnx")


def test_classes_that_onnx_does_not_hold_are_refused():
    with pytest.raises(UnsupportedModelError, match=r"Classes must be integers, floats.*S1"):
        label_values(np.array([b"a", b"b"]), onnx.TensorProto)


def test_samples_without_a_shape_are_refused(tmp_path):
    model, _ = fitted()
    with pytest.raises(InputShapeError, match="samples of shape"):
        export_onnx(model, tmp_path / "model.onnx", X=np.empty((3, 0)))


@pytest.mark.parametrize("missing", ["onnx", "skl2onnx"])
def test_a_missing_package_is_named_with_its_command(missing, tmp_path, monkeypatch):
    from sklearn.linear_model import LogisticRegression

    real = packages.import_module

    def importing(name):
        if name.partition(".")[0] == missing:
            raise ImportError(f"no {name}")
        return real(name)

    monkeypatch.setattr(packages, "import_module", importing)
    model = LogisticRegression().fit(GREY.reshape(N, -1), Y)
    with pytest.raises(MissingDependencyError, match=rf'{missing}.*pip install "skcnn\[onnx\]"'):
        export_onnx(model, tmp_path / "model.onnx")


def test_without_onnxruntime_nothing_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr("skcnn.persistence._export.find_spec", lambda name: None)
    model, X = fitted()
    report = export_onnx(model, tmp_path / "model.onnx", X=X, y=Y)
    assert report.loc["float32"].drop("bytes").isna().all()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_named_architecture_is_exported(name, tmp_path):
    images, signals = RNG.random((8, 32, 32, 3), np.float32), RNG.random((8, 200, 3), np.float32)
    is_for_signals = name in (
        "deep_convnet", "eegnet", "fcn", "inception_time", "lite_time", "resnet1d",
        "shallow_convnet",
    )  # fmt: skip
    X = signals if is_for_signals else images
    n_spatial_dims = 1 if is_for_signals else 2
    model = net(architecture=name, n_spatial_dims=n_spatial_dims, batch_size=8)
    model.set_params(learning_rate=1e-6).fit(X, Y[:8])
    export_onnx(model, tmp_path / "model.onnx")
    assert_same_predictions(tmp_path / "model.onnx", model, X)
