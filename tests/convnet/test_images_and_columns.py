"""Images and columns in one estimator: stacking a ConvNet and a model of the columns."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skcnn import ConvNetClassifier, compare_models
from skcnn.preprocessing import LoadImages
from tests.helpers.pictures import save


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """500 noisy digits as files, with columns that hint at the digit."""
    folder, rng = tmp_path_factory.mktemp("digits"), np.random.default_rng(0)
    X, y = load_digits(return_X_y=True)
    X, y = X[:500].reshape(-1, 8, 8), y[:500]
    noisy = np.clip(15 * X + rng.normal(0, 120, X.shape), 0, 255).astype(np.uint8)
    paths = [str(save(folder / f"{n}.png", image)) for n, image in enumerate(noisy)]
    is_odd = (y % 2 == 1) ^ (rng.random(500) < 0.1)
    columns = {"path": paths, "near": y + rng.normal(0, 1, 500)}
    return pd.DataFrame({**columns, "kind": np.where(is_odd, "odd", "even")}), y


def models():
    """Return models of the images, of the columns, and of both."""
    image = make_pipeline(
        make_column_transformer(("passthrough", ["path"])),
        LoadImages(mode="L"),
        ConvNetClassifier(filters=(8, 16), hidden_units=(), max_epochs=6, random_state=0),
    )
    columns = make_pipeline(
        make_column_transformer((StandardScaler(), ["near"]), (OneHotEncoder(), ["kind"])),
        RandomForestClassifier(30, min_samples_leaf=4, random_state=0),
    )
    both = StackingClassifier(
        [("image", image), ("columns", columns)], LogisticRegression(max_iter=1000), cv=2
    )
    return {"both": both, "image": image, "columns": columns}


@pytest.mark.slow
def test_both_beat_either_alone_by_the_corrected_test(table):
    X, y = table
    cv = StratifiedKFold(5, shuffle=True, random_state=0)
    found = compare_models(models(), X, y, cv=cv, random_state=0).table.xs("accuracy")
    assert (found.loc[["image", "columns"], "difference"] < -0.05).all()
    assert (found.loc[["image", "columns"], "p_adjusted"] < 0.05).all()


def test_the_final_estimator_is_fitted_on_predictions_of_other_folds(table):
    X, y = table[0][:200], table[1][:200]
    both = models()["both"].fit(X, y)
    parts = [
        cross_val_predict(clone(model), X, y, cv=2, method="predict_proba")
        for _, model in both.estimators
    ]
    final = LogisticRegression(max_iter=1000).fit(np.hstack(parts), y)
    np.testing.assert_allclose(both.final_estimator_.coef_, final.coef_, rtol=1e-6)
    fitted = [model.predict_proba(X) for model in both.estimators_]
    np.testing.assert_allclose(both.predict_proba(X), final.predict_proba(np.hstack(fitted)))


def test_it_is_an_estimator_like_any(table):
    X, y = table[0][:200], table[1][:200]
    both = models()["both"].set_params(image__convnetclassifier__max_epochs=2)
    scores = cross_val_score(both, X, y, cv=2)
    np.testing.assert_array_equal(cross_val_score(both, X, y, cv=2, n_jobs=2), scores)
    fitted = clone(both).fit(X, y)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    new = X[::-1].reset_index(drop=True)[["kind", "near", "path"]]  # columns go by name
    np.testing.assert_array_equal(fitted.predict(new), fitted.predict(X)[::-1])
