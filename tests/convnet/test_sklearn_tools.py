"""The estimators inside scikit-learn's own tools: pipelines, searches, ensembles, routing."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.layers import Conv, Dense, Flatten, GlobalPool, Pool


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:240], y[:240]


def small(**params):
    """Return an unfitted small network for digits."""
    defaults = {
        "input_shape": (8, 8),
        "filters": (8,),
        "hidden_units": (),
        "max_epochs": 4,
        "random_state": 0,
    }
    return ConvNetClassifier(**{**defaults, **params})


def test_pipeline_fits_and_predicts(digits):
    X, y = digits
    model = make_pipeline(StandardScaler(), small(max_epochs=10)).fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.predict_proba(X).shape == (240, 10)


def test_grid_search_over_the_architecture(digits):
    X, y = digits
    grid = [
        {"filters": [4, (8,), (4, 8), ((4, 4), 8)]},
        {"kernel_size": [3, (1, 3)], "pool_size": [(2, 1)], "hidden_units": [(), 16]},
    ]
    search = GridSearchCV(small(max_epochs=1), grid, cv=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 8
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    for name, value in search.best_params_.items():
        assert getattr(search.best_estimator_, name) == value


def test_grid_search_over_layer_lists(digits):
    X, y = digits
    nets = [[Conv(4), Pool()], [Conv(8, activation="relu"), GlobalPool()], [Flatten(), Dense(16)]]
    grid = {"convnetclassifier__architecture": nets}
    search = GridSearchCV(make_pipeline(small()), grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_params_["convnetclassifier__architecture"] in nets


def test_randomized_search(digits):
    X, y = digits
    space = {"learning_rate": [1e-3, 1e-2], "dropout": np.linspace(0, 0.5, 6)}
    search = RandomizedSearchCV(
        small(), space, n_iter=3, cv=2, random_state=0, error_score="raise"
    ).fit(X, y)
    assert search.best_score_ > 0.2


def test_halving_search_with_epochs_as_the_resource(digits):
    X, y = digits
    search = HalvingGridSearchCV(
        small(),
        {"learning_rate": [1e-4, 1e-3, 1e-2, 3e-2]},
        resource="max_epochs",
        min_resources=1,
        max_resources=4,
        factor=2,
        cv=2,
        random_state=0,
        error_score="raise",
    ).fit(X, y)
    assert search.n_resources_ == [1, 2, 4]
    assert len(search.best_estimator_.history_) == 4


def test_cross_validate_in_two_processes(digits):
    X, y = digits
    result = cross_validate(
        small(), X, y, cv=2, n_jobs=2, return_estimator=True, error_score="raise"
    )
    assert (result["test_score"] > 0.5).all()
    assert [len(e.history_) for e in result["estimator"]] == [4, 4]


def test_calibration(digits):
    X, y = digits
    model = CalibratedClassifierCV(small(), cv=2).fit(X, y)
    assert np.allclose(model.predict_proba(X).sum(1), 1)


def test_voting(digits):
    X, y = digits
    members = [("net", small()), ("linear", LogisticRegression(max_iter=500))]
    assert VotingClassifier(members, voting="soft").fit(X, y).score(X, y) > 0.8


def test_stacking(digits):
    X, y = digits
    members = [("net", small()), ("other", small(filters=(4,)))]
    model = StackingClassifier(members, LogisticRegression(max_iter=500), cv=2).fit(X, y)
    assert model.score(X, y) > 0.5


def test_bagging_on_flat_rows(digits):
    X, y = digits
    model = BaggingClassifier(small(), n_estimators=2, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.5


def test_one_vs_rest(digits):
    X, y = digits
    keep = y < 3
    model = OneVsRestClassifier(small()).fit(X[keep], y[keep])
    assert model.score(X[keep], y[keep]) > 0.9


def test_multi_output_wrapper(digits):
    X, y = digits
    targets = np.c_[y % 2, y > 4]
    assert MultiOutputClassifier(small()).fit(X, targets).predict(X).shape == (240, 2)


def test_learning_curve(digits):
    X, y = digits
    _, _, scores = learning_curve(small(), X, y, train_sizes=[0.3, 1.0], cv=2, error_score="raise")
    assert scores.shape == (2, 2)


def test_permutation_importance_on_flat_rows(digits):
    X, y = digits
    model = small(max_epochs=10).fit(X, y)
    result = permutation_importance(model, X[:60], y[:60], n_repeats=2, random_state=0)
    assert result.importances_mean.shape == (64,)
    assert result.importances_mean[0] == 0  # the corner pixel is always black


def test_clone_keeps_parameters_and_drops_the_fit(digits):
    X, y = digits
    model = small(architecture=[Conv(4), Pool()]).fit(X, y)
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    assert not hasattr(copied, "net_")


@pytest.mark.parametrize("dump", ["pickle", "joblib"])
def test_dumped_model_predicts_the_same(digits, dump, tmp_path):
    X, y = digits
    model = small().fit(X, y)
    if dump == "pickle":
        loaded = pickle.loads(pickle.dumps(model))
    else:
        joblib.dump(model, tmp_path / "model.joblib")
        loaded = joblib.load(tmp_path / "model.joblib")
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    pd.testing.assert_frame_equal(loaded.history_, model.history_)


def test_html_repr_documents_the_parameters():
    html = small()._repr_html_()
    assert "ConvNetClassifier" in html
    assert "one entry per block" in html  # from the documentation of filters
    assert "lr_schedule" in html


def test_text_repr_shows_what_was_changed():
    assert repr(ConvNetClassifier(filters=(8,))) == "ConvNetClassifier(filters=(8,))"


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
def test_sample_weight_is_routed_through_grid_search(digits):
    X, y = digits
    model = small().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    weights = np.where(y < 5, 1.0, 0.0)
    search = GridSearchCV(model, {"filters": [4]}, cv=2, error_score="raise")
    search.fit(X, y, sample_weight=weights)
    assert set(search.best_estimator_.classes_) == {0, 1, 2, 3, 4}


@pytest.mark.usefixtures("routing")
def test_pipeline_transforms_the_validation_set(digits):
    X, y = digits
    net = small(standardize=False).set_fit_request(X_val=True, y_val=True)
    model = make_pipeline(StandardScaler(), net, transform_input=["X_val"])
    model.fit(X[:160], y[:160], X_val=X[160:], y_val=y[160:])
    history = model[-1].history_
    assert history["valid_score"].notna().all()
    assert history["valid_score"].iloc[-1] == model.score(X[160:], y[160:])


@pytest.mark.usefixtures("routing")
def test_cross_validate_routes_weights(digits):
    X, y = digits
    model = small().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    result = cross_validate(
        model, X, y, cv=2, params={"sample_weight": np.ones(240)}, error_score="raise"
    )
    assert len(result["test_score"]) == 2


def test_regressor_in_a_pipeline_and_a_search(digits):
    X, y = digits
    model = make_pipeline(
        StandardScaler(), ConvNetRegressor(input_shape=(8, 8), filters=(8,), max_epochs=5)
    )
    grid = {"convnetregressor__loss": ["squared_error", "absolute_error", "huber"]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y.astype(float))
    assert search.best_score_ > 0


def test_frame_and_images_give_the_same_predictions():
    X, y = load_digits(return_X_y=True)
    X, y = X[:300], y[:300]
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(64)])
    labels = labels_of(y)
    by_image = small(input_shape=None).fit(X.reshape(-1, 8, 8).astype(np.uint8), y)
    by_frame = small().fit(frame, labels)
    assert_array_equal(by_frame.predict_proba(frame), by_image.predict_proba(X.reshape(-1, 8, 8)))
    assert_array_equal(by_frame.predict(frame), labels_of(by_image.predict(X.reshape(-1, 8, 8))))
    assert list(by_frame.feature_names_in_[:2]) == ["pixel0", "pixel1"]


def labels_of(codes):
    return np.array([f"digit {d}" for d in range(10)])[codes]
