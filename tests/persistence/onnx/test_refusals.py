"""Estimators whose graphs would predict something else are refused by name."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsOneClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skcnn import ConvNetClassifier, ConvNetFeatures, ConvNetRegressor
from skcnn.exceptions import UnsupportedModelError
from skcnn.persistence import export_onnx, export_torch
from skcnn.persistence._onnx.refusals import _places
from skcnn.preprocessing import StandardizeSignals
from tests.helpers.exported import assert_same_predictions, run_onnx
from tests.helpers.small_fits import tiny

RNG = np.random.default_rng(0)
N = 30
Y = np.arange(N) % 3
ROWS = (RNG.random((N, 6)) + Y[:, None]).astype(np.float32)
RARE = np.where(np.arange(N) == 0, 2, np.arange(N) % 2)
LINEAR = LogisticRegression()
SIGNALS = [RNG.random((9 + k % 3, 2), np.float32) for k in range(N)]


def unequal(cls=ConvNetClassifier, **params):
    net = tiny(cls, n_spatial_dims=1, hidden_units=(), max_epochs=1, **params)
    return net.fit(SIGNALS, Y % 2)


@pytest.mark.parametrize("export", [export_onnx, export_torch])
@pytest.mark.parametrize("X", [None, RNG.random((N, 11, 2), np.float32), SIGNALS])
def test_networks_of_signals_of_unequal_length_are_refused(export, X, tmp_path):
    for model in (unequal(), unequal(ConvNetRegressor), unequal(missing="mask")):
        with pytest.raises(UnsupportedModelError, match="fitted on signals of unequal length"):
            export(model, tmp_path / "a", X=X)
    assert not list(tmp_path.iterdir())


def test_such_networks_are_refused_inside_others(tmp_path):
    net = unequal()
    objects = np.empty(N, object)
    objects[:] = SIGNALS
    models = [
        ConvNetFeatures(net).fit(SIGNALS),
        make_pipeline(StandardizeSignals(), net).fit(SIGNALS, Y % 2),
        CalibratedClassifierCV(net, cv=2).fit(objects, Y % 2),
        GridSearchCV(net, {"max_epochs": [1]}, cv=2).fit(SIGNALS, Y % 2),
    ]
    for model in models:
        with pytest.raises(UnsupportedModelError, match="fitted on signals of unequal length"):
            export_onnx(model, tmp_path / "a.onnx")


def test_a_tuned_threshold_is_refused(tmp_path):
    model = TunedThresholdClassifierCV(LINEAR, cv=2).fit(ROWS, Y > 0)
    for each in (model, BaggingClassifier(model, 2).fit(ROWS, Y > 0)):
        with pytest.raises(UnsupportedModelError, match=r"TunedThreshold.*leave the threshold out"):
            export_onnx(each, tmp_path / "a.onnx")


def test_an_ensemble_with_an_estimator_without_a_class_is_refused(tmp_path):
    model = BaggingClassifier(KNeighborsClassifier(1), 4, max_samples=6, random_state=0).fit(
        ROWS, RARE
    )
    assert {len(each.classes_) for each in model.estimators_} != {3}
    for each in (model, StackingClassifier([("a", model)], cv="prefit").fit(ROWS, RARE)):
        with pytest.raises(UnsupportedModelError, match=r"BaggingClassifier.*2 of its 3 classes"):
            export_onnx(each, tmp_path / "a.onnx")


def test_bagging_of_votes_is_refused(tmp_path):
    model = BaggingClassifier(LinearSVC(), 2).fit(ROWS, Y)
    with pytest.raises(UnsupportedModelError, match=r"with LinearSVC, which has no predict_proba"):
        export_onnx(model, tmp_path / "a.onnx")


@pytest.mark.parametrize("columns", [[5, 4, 3], [0, 1, 0], [-1, 0], ["c", "a"]])
def test_columns_that_do_not_ascend_are_refused(columns, tmp_path):
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(ROWS, columns=list("abcdef"))
    X = X if isinstance(columns[0], str) else ROWS
    model = ColumnTransformer([("one", StandardScaler(), columns)]).fit(X)
    with pytest.raises(UnsupportedModelError, match=r"columns that do not ascend.*'one'"):
        export_onnx(make_pipeline(model), tmp_path / "a.onnx")


def test_columns_that_ascend_are_exported(tmp_path):
    steps = [
        ("a", StandardScaler(), slice(3, 6)),
        ("b", "passthrough", [0, 2]),
        ("c", "passthrough", [1]),
        ("d", "drop", [5, 4]),
    ]
    model = ColumnTransformer(steps).fit(ROWS)
    export_onnx(model, tmp_path / "a.onnx", X=ROWS)
    got = run_onnx(tmp_path / "a.onnx", ROWS)["variable"]
    np.testing.assert_allclose(got, model.transform(ROWS), atol=1e-5)


def test_columns_may_be_slices_of_names():
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(ROWS, columns=list("abcdef"))
    model = ColumnTransformer([("one", "passthrough", slice("b", "d"))]).fit(X)
    assert _places(model, slice("b", "d")).tolist() == [1, 2, 3]


@pytest.mark.parametrize("labels", [np.array(["a", "b", "c"])[Y], Y > 0, 10 * Y])
def test_one_vs_one_takes_places_only(labels, tmp_path):
    model = OneVsOneClassifier(LINEAR).fit(ROWS, labels)
    with pytest.raises(UnsupportedModelError, match="integers 0, 1, 2 and so on only"):
        export_onnx(model, tmp_path / "a.onnx")


def test_weights_of_votes_may_be_a_list(tmp_path):
    members = [("a", LINEAR), ("b", LogisticRegression(C=0.01))]
    model = VotingClassifier(members, voting="soft", weights=[1, 3]).fit(ROWS, Y)
    export_onnx(model, tmp_path / "a.onnx")
    assert_same_predictions(tmp_path / "a.onnx", model, ROWS)
    model.set_params(a="drop").fit(ROWS, Y)
    with pytest.raises(UnsupportedModelError, match=r"VotingClassifier with weights.*\(a\)"):
        export_onnx(model, tmp_path / "a.onnx")


@pytest.mark.parametrize("method", ["sigmoid", "temperature"])
def test_a_calibration_with_a_fold_without_a_class_is_refused(method, tmp_path):
    every = np.arange(N)
    cv = [(every[Y < 2], every), (every, every)]
    model = CalibratedClassifierCV(LINEAR, cv=cv, method=method).fit(ROWS, Y)
    with pytest.raises(UnsupportedModelError, match="a fold had samples of 2 of its 3 classes"):
        export_onnx(model, tmp_path / "a.onnx")
