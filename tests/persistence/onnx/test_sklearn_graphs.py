"""Estimators of scikit-learn around networks of skcnn, in graphs."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from skcnn import ConvNetClassifier, ConvNetFeatures, ConvNetRegressor
from skcnn.augmentation import RandomFlip
from skcnn.exceptions import UnsupportedModelError
from skcnn.layers import Conv
from skcnn.persistence import export_onnx
from skcnn.persistence._onnx.builder import GraphBuilder
from skcnn.persistence._onnx.sklearn_graphs import _nested
from skcnn.persistence._onnx.transformers import Form
from skcnn.preprocessing import KernelFilter, StandardizeSignals
from tests.helpers.exported import assert_same_predictions, run_onnx
from tests.helpers.small_fits import tiny

RNG = np.random.default_rng(0)
N = 60
Y = np.arange(N) % 3
X = RNG.random((N, 6, 6), np.float32)
X[np.arange(N), Y] += 0.5
FLAT = X.reshape(N, -1)
NAMES = np.array(["a", "bb", "c"])[Y]
MLP = MLPClassifier((), solver="lbfgs", alpha=1.0, random_state=0)  # no decision_function
FEATURES = ConvNetFeatures([Conv(4)], pretrained=False, random_state=0)

FEATURES_OF_ROWS = ConvNetFeatures(
    [Conv(4)], pretrained=False, random_state=0, input_shape=(6, 6), pooling="average"
)


def net(cls=ConvNetClassifier, **params):
    return tiny(cls, **{"max_epochs": 2, **params})


def flat(cls=ConvNetClassifier):
    return net(cls, input_shape=(6, 6))


CASES = {
    "scaler": (make_pipeline(StandardScaler(), flat()), FLAT, Y),
    "scaler of bytes": (
        make_pipeline(MinMaxScaler(), flat()), (100 * FLAT).astype(np.uint8), Y,
    ),
    "pca": (make_pipeline(PCA(16), net(input_shape=(4, 4))), FLAT, NAMES),
    "filter behind a scaler": (
        make_pipeline(StandardScaler(), KernelFilter("blur", input_shape=(6, 6)),
                      net(input_shape=(4, 4))), FLAT, Y,
    ),
    "features": (make_pipeline(FEATURES, LogisticRegression()), X, NAMES),
    "frozen": (make_pipeline(FrozenEstimator(FEATURES.fit(X)), GaussianNB()), X, Y),
    "sigmoid": (CalibratedClassifierCV(net(), cv=2), X, NAMES),
    "isotonic": (CalibratedClassifierCV(net(), cv=2, method="isotonic"), X, Y),
    "temperature": (CalibratedClassifierCV(net(), cv=2, method="temperature"), X, Y),
    "sigmoid of two": (CalibratedClassifierCV(net(), cv=2, ensemble=False), X, Y > 0),
    "isotonic of two": (CalibratedClassifierCV(net(), cv=2, method="isotonic"), X, Y > 0),
    "temperature of two": (CalibratedClassifierCV(net(), cv=2, method="temperature"), X, Y > 0),
    "calibrated pipeline": (
        CalibratedClassifierCV(make_pipeline(StandardScaler(), flat()), cv=2), FLAT, Y,
    ),
    "calibrated features": (
        CalibratedClassifierCV(make_pipeline(FEATURES, LogisticRegression()), cv=2), X, Y,
    ),
    "calibrated features of two": (
        CalibratedClassifierCV(make_pipeline(FEATURES, LogisticRegression()), cv=2), X, Y > 0,
    ),
    "temperature of probabilities": (
        CalibratedClassifierCV(make_pipeline(FEATURES, MLP), cv=2, method="temperature"),
        X, Y,
    ),
    "temperature of two probabilities": (
        CalibratedClassifierCV(make_pipeline(FEATURES, MLP), cv=2, method="temperature"),
        X, Y > 0,
    ),
    "frozen and calibrated": (CalibratedClassifierCV(FrozenEstimator(net().fit(X, Y))), X, Y),
    "votes": (
        VotingClassifier([("a", flat()), ("b", LogisticRegression())], voting="soft"), FLAT, NAMES,
    ),
    "votes of a calibrated one": (
        VotingClassifier(
            [("a", CalibratedClassifierCV(flat(), cv=2, method="isotonic")), ("b", GaussianNB())],
            voting="soft",
        ), FLAT, Y,
    ),
    "votes of a calibrated pipeline": (
        VotingClassifier(
            [
                ("a", CalibratedClassifierCV(make_pipeline(StandardScaler(), MLP), cv=2)),
                ("b", flat()),
            ],
            voting="soft",
        ),
        FLAT,
        Y,
    ),
    "union of filters": (
        make_pipeline(
            FeatureUnion(
                [
                    ("a", KernelFilter("blur", input_shape=(6, 6))),
                    ("b", StandardizeSignals()),
                ]
            ),
            net(input_shape=(4, 13)),
        ),
        FLAT,
        Y,
    ),
    "neighbours": (make_pipeline(FEATURES, KNeighborsClassifier(3)), X, Y),
    "pipeline in a pipeline": (
        make_pipeline(make_pipeline(StandardScaler(), FEATURES_OF_ROWS), GaussianNB()), FLAT, Y,
    ),
    "grid": (GridSearchCV(flat(), {"learning_rate": [1e-3]}, cv=2), FLAT, Y),
    "stack": (
        StackingClassifier([("a", flat()), ("b", FrozenEstimator(flat().fit(FLAT, Y)))], cv=2),
        FLAT, Y,
    ),
    "bagging": (BaggingClassifier(flat(), 2, random_state=0), FLAT, Y),
    "mean of numbers": (
        VotingRegressor([("a", flat(ConvNetRegressor)), ("b", LinearRegression())]), FLAT, 3.0 * Y,
    ),
    "frozen numbers": (
        VotingRegressor([("a", FrozenEstimator(flat(ConvNetRegressor).fit(FLAT, 3.0 * Y))),
                         ("b", LinearRegression())]), FLAT, 3.0 * Y,
    ),
    "numbers one by one": (
        MultiOutputRegressor(flat(ConvNetRegressor)), FLAT, np.stack([Y, -2.0 * Y], 1),
    ),
}  # fmt: skip


# the steps of an isotonic regression may be so steep that the last bits of a score matter
STEEP = ("isotonic", "isotonic of two", "votes of a calibrated one")


def outputs_as_predicted(path, model, X, most):
    """Compare, for skl2onnx's regressors return columns."""
    if hasattr(model, "predict_proba"):
        assert_same_predictions(path, model, X, most=most)
        return
    expected = model.predict(X)
    got = run_onnx(path, X)["variable"].reshape(expected.shape)
    np.testing.assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max())


# Each converter has a case in the ordinary suite.
ORDINARY = (
    "scaler of bytes", "filter behind a scaler", "frozen", "sigmoid", "temperature of two",
    "calibrated features of two", "votes of a calibrated one", "mean of numbers",
    "numbers one by one", "grid", "union of filters", "neighbours", "pipeline in a pipeline",
    "temperature of two probabilities",
)  # fmt: skip


@pytest.mark.parametrize(
    "name", [n if n in ORDINARY else pytest.param(n, marks=pytest.mark.slow) for n in CASES]
)
def test_a_graph_predicts_as_the_estimator_does(name, tmp_path):
    model, X, y = CASES[name]
    model.fit(X, y)
    export_onnx(model, tmp_path / "model.onnx", X=X)
    outputs_as_predicted(tmp_path / "model.onnx", model, X, 1e-4 if name in STEEP else 1e-5)


def test_several_targets_have_a_tensor_of_probabilities_each(tmp_path):
    model = MultiOutputClassifier(flat()).fit(FLAT, np.stack([Y, Y > 0], 1))
    report = export_onnx(model, tmp_path / "model.onnx", X=FLAT, y=np.stack([Y, Y > 0], 1))
    outputs = run_onnx(tmp_path / "model.onnx", FLAT)
    np.testing.assert_array_equal(outputs["label"], model.predict(FLAT))
    for got, expected in zip(outputs["probabilities"], model.predict_proba(FLAT), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-5)
    assert report.loc["float32", "largest_difference"] < 1e-5
    assert report.loc["float32", "score"] == report.loc["float32", "score_before"]


def test_an_isotonic_regression_of_one_threshold_is_a_constant(tmp_path):
    model = CalibratedClassifierCV(net(), cv=2, method="isotonic").fit(X, Y > 0)
    for each in model.calibrated_classifiers_:
        calibrator = each.calibrators[0]
        calibrator.fit(np.zeros(4), np.array([0, 1, 1, 1]))  # 3/4 everywhere
        assert len(calibrator.X_thresholds_) == 1
    export_onnx(model, tmp_path / "model.onnx", X=X)
    got = run_onnx(tmp_path / "model.onnx", X)["probabilities"]
    np.testing.assert_allclose(got[:, 1], 0.75, atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], 0.75)


def test_calibrators_that_all_give_zero_give_equal_shares(tmp_path):
    model = CalibratedClassifierCV(net(), cv=2, method="isotonic").fit(X, Y)
    for each in model.calibrated_classifiers_:
        for calibrator in each.calibrators:
            calibrator.fit(np.arange(4.0), np.zeros(4))
    export_onnx(model, tmp_path / "model.onnx", X=X)
    got = run_onnx(tmp_path / "model.onnx", X)["probabilities"]
    np.testing.assert_allclose(got, 1 / 3, rtol=1e-6)


def test_a_part_that_skl2onnx_does_not_convert_is_named(tmp_path):
    model = make_pipeline(FunctionTransformer(np.sqrt), flat()).fit(FLAT, Y)
    with pytest.raises(UnsupportedModelError, match="FunctionTransformer cannot be exported"):
        export_onnx(model, tmp_path / "model.onnx")


def test_an_unknown_calibrator_is_named(tmp_path):
    model = CalibratedClassifierCV(net(), cv=2).fit(X, Y)
    model.calibrated_classifiers_[0].calibrators[0] = LinearRegression()
    with pytest.raises(UnsupportedModelError, match="LinearRegression, a calibrator"):
        export_onnx(model, tmp_path / "model.onnx", X=X)


def test_a_graph_leaves_the_converters_of_skl2onnx_as_they_were(tmp_path):
    from skl2onnx._supported_operators import sklearn_operator_name_map

    before = dict(sklearn_operator_name_map)
    model = VotingClassifier([("a", flat()), ("b", GaussianNB())], voting="soft").fit(FLAT, Y)
    export_onnx(model, tmp_path / "model.onnx")
    assert sklearn_operator_name_map == before


def test_a_graph_that_loses_digits_is_warned_of(tmp_path):
    rows = 3e5 + FLAT.astype(float)  # float32 has steps of 0.03 there
    model = make_pipeline(StandardScaler(), flat()).fit(rows, Y)
    with pytest.warns(UserWarning, match=r"The graph's results for X differ by up to 0\.00"):
        export_onnx(model, tmp_path / "model.onnx", X=rows)


def test_a_part_inside_that_cannot_be_exported_is_named(tmp_path):
    model = VotingClassifier(
        [
            ("a", net(input_shape=(6, 6), test_time_augmentation=[RandomFlip()])),
            ("b", GaussianNB()),
        ],
        voting="soft",
    ).fit(FLAT, Y)
    with pytest.raises(UnsupportedModelError, match="test_time_augmentation"):
        export_onnx(model, tmp_path / "model.onnx")


def test_steps_that_do_nothing_return_their_rows(tmp_path):
    model = make_pipeline("passthrough", make_pipeline("passthrough"), RandomFlip()).fit(X)
    export_onnx(model, tmp_path / "model.onnx", X=X)
    got = run_onnx(tmp_path / "model.onnx", X)["variable"]
    np.testing.assert_array_equal(got, X.reshape(N, -1))


def test_an_augmentation_inside_another_estimator_returns_its_rows():
    builder = GraphBuilder(18)
    graph = _nested(builder, RandomFlip().fit(X), Form((36,)))
    assert graph == builder.unchanged(Form((36,)))
