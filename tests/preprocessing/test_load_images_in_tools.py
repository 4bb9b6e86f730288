"""LoadImages in scikit-learn's tools: its checks, Pipelines, searches, columns."""

import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import validate_data

from skcnn import ConvNetClassifier
from skcnn.augmentation import RandomTranslation
from skcnn.datasets import ImageFiles
from skcnn.preprocessing import LoadImages
from tests.helpers.pictures import save

SMALL = {"filters": 4, "hidden_units": (), "max_epochs": 3, "random_state": 0}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """120 digits as files, in a table with a number and a category."""
    folder = tmp_path_factory.mktemp("digits")
    images, y = load_digits(return_X_y=True)
    images = (15 * images[:120]).astype(np.uint8).reshape(-1, 8, 8)
    paths = [str(save(folder / f"{n}.png", image)) for n, image in enumerate(images)]
    rng = np.random.default_rng(0)
    columns = {"path": paths, "number": rng.normal(size=120), "kind": rng.choice(["a", "b"], 120)}
    return pd.DataFrame(columns), y[:120], images


# The checks that fit on rows of numbers. LoadsRows passes them.
GIVING_NUMBERS = (
    "check_array_api_input",
    "check_complex_data",
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_dtype_object",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_estimator_sparse_tag",
    "check_estimators_dtypes",
    "check_estimators_empty_data_messages",
    "check_estimators_fit_returns_self",
    "check_estimators_nan_inf",
    "check_estimators_overwrite_params",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit2d_predict1d",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_fit_score_takes_y",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in",
    "check_n_features_in_after_fitting",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_readonly_memmap_input",
    "check_transformer_data_not_an_array",
    "check_transformer_general",
)


class LoadsRows(LoadImages):
    """Takes the rows of numbers of scikit-learn's checks for images of height one."""

    def _sources(self, X, reset):
        X = validate_data(self, X, reset=reset)
        if reset:
            self.low_ = X.min()
        return [np.rint(np.clip(30 * (row - self.low_), 0, 255)).astype("u1")[None] for row in X]


@pytest.mark.parametrize(
    "settings", [{}, {"size": (1, 3)}, {"size": 2, "resize": "pad"}, {"mode": "auto"}], ids=str
)
def test_check_estimator_passes_where_rows_are_images(settings):
    results = check_estimator(LoadsRows(flatten=True, **settings), on_skip=None, on_fail=None)
    assert Counter(result["status"] for result in results) == {"passed": len(results)}
    assert len(results) > 40


def test_check_estimator_passes_but_for_checks_that_give_numbers():
    expected = dict.fromkeys(GIVING_NUMBERS, "gives rows of numbers, which are no images")
    results = check_estimator(
        LoadImages(), expected_failed_checks=expected, on_skip=None, on_fail=None
    )
    assert {result["status"] for result in results} == {"passed", "xfail"}
    assert {r["check_name"] for r in results if r["status"] == "xfail"} == {*GIVING_NUMBERS}


def test_unfitted_and_copies(table):
    X, _, images = table
    with pytest.raises(NotFittedError):
        LoadImages().transform(X["path"])
    with pytest.raises(NotFittedError):
        LoadImages().get_feature_names_out()
    model = LoadImages(mode="L").fit(X["path"])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(X["path"])[..., 0], images)
    assert not hasattr(clone(model), "image_shape_")


@pytest.mark.parametrize("lazy", [True, False])
def test_in_front_of_a_convnet(table, lazy):
    X, y, images = table
    model = make_pipeline(LoadImages(mode="L", lazy=lazy), ConvNetClassifier(**SMALL))
    direct = ConvNetClassifier(**SMALL).fit(images[..., None], y)
    expected = direct.predict_proba(images[..., None])
    np.testing.assert_array_equal(model.fit(X["path"], y).predict_proba(X["path"]), expected)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X[["path"]].to_numpy()), expected)
    scores = cross_val_score(model, X["path"], y, cv=2, n_jobs=2)
    direct_scores = cross_val_score(clone(direct), images[..., None], y, cv=2)
    np.testing.assert_array_equal(scores, direct_scores)


def test_augmentation_keeps_files_in_their_files(table):
    X, y, images = table
    steps = RandomTranslation(0.1, random_state=0), ConvNetClassifier(**SMALL)
    model = make_pipeline(LoadImages(mode="L", lazy=True), *map(clone, steps)).fit(X["path"], y)
    direct = make_pipeline(*map(clone, steps)).fit(images[..., None], y)
    expected = direct.predict_proba(images[..., None])
    np.testing.assert_array_equal(model.predict_proba(X["path"]), expected)
    assert isinstance(model[:1].transform(X["path"]), ImageFiles)


def test_search_over_the_size(table):
    X, y, _ = table
    model = make_pipeline(LoadImages(mode="L", flatten=True), LogisticRegression(max_iter=500))
    grid = {"loadimages__size": [1, 8], "loadimages__resize": ["crop", "pad"]}
    search = GridSearchCV(model, grid, cv=2, n_jobs=2).fit(X["path"], y)
    assert search.best_params_["loadimages__size"] == 8
    assert search.best_score_ > 0.7
    net = make_pipeline(LoadImages(mode="L"), ConvNetClassifier(**SMALL))
    nets = GridSearchCV(net, {"loadimages__size": [6, (8, 10)]}, cv=2).fit(X["path"], y)
    assert nets.best_estimator_.predict(X["path"]).shape == y.shape


def columns_of_table():
    """Return what turns a table into columns."""
    pixels = make_pipeline(LoadImages(8, mode="L", flatten=True), PCA(8, random_state=0))
    return ColumnTransformer(
        [
            ("image", pixels, ["path"]),
            ("number", StandardScaler(), ["number"]),
            ("kind", OneHotEncoder(), ["kind"]),
        ]
    )


def test_beside_other_columns(table):
    X, y, images = table
    columns = columns_of_table().set_output(transform="pandas")
    columns.set_params(kind=OneHotEncoder(sparse_output=False))
    found = columns.fit_transform(X)
    assert found.shape == (120, 8 + 1 + 2)
    pixels = PCA(8, random_state=0).fit_transform(images.reshape(120, -1))
    np.testing.assert_allclose(found.iloc[:, :8], pixels)
    model = make_pipeline(columns_of_table(), RandomForestClassifier(random_state=0))
    assert cross_val_score(model, X, y, cv=2, n_jobs=2).min() > 0.5
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(model.fit(X, y))).predict(X), model.predict(X)
    )


def test_names_of_columns_and_of_a_union(table):
    X = table[0]
    load = LoadImages((1, 2), mode="L", flatten=True)
    columns = make_column_transformer((load, ["path"]), ("passthrough", ["number"]))
    assert columns.fit(X).get_feature_names_out().tolist() == [
        *("loadimages__pixel_0_0", "loadimages__pixel_0_1"),
        "passthrough__number",
    ]
    one = make_column_transformer((load, "path"))  # a Series
    np.testing.assert_array_equal(one.fit_transform(X), load.fit_transform(X["path"]))
    union = FeatureUnion([("small", load), ("large", LoadImages(3, flatten=True))])
    assert union.fit_transform(X["path"]).shape == (120, 2 + 27)
    with pytest.raises(ValueError, match="should be 2D"):
        make_column_transformer((LoadImages(8), ["path"])).fit_transform(X)


def test_weights_are_routed_past_it(table):
    X, y, images = table
    weights = np.arange(120) % 3
    with sklearn.config_context(enable_metadata_routing=True):
        net = ConvNetClassifier(**SMALL).set_fit_request(sample_weight=True)
        model = make_pipeline(LoadImages(mode="L"), net).fit(X["path"], y, sample_weight=weights)
    direct = ConvNetClassifier(**SMALL).fit(images[..., None], y, weights)
    np.testing.assert_array_equal(
        model.predict_proba(X["path"]), direct.predict_proba(images[..., None])
    )
