"""Augmentation inside scikit-learn's tools: searches, ensembles, caches, foreign transformers."""

import pickle
import warnings

import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skcnn import ConvNetClassifier
from skcnn.augmentation import (
    MixUp,
    RandomFlip,
    RandomNoise,
    RandomRotation,
    RandomTranslation,
)
from skcnn.exceptions import FrozenAugmentationWarning
from tests.helpers.weights import same_weights


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:200], y[:200]


def small(cls=ConvNetClassifier, **params):
    defaults = {
        "input_shape": (8, 8),
        "filters": (4,),
        "hidden_units": (),
        "max_epochs": 2,
        "batch_size": 32,
        "random_state": 0,
    }
    return cls(**{**defaults, **params})


def test_cross_validation_gives_the_same_in_processes(digits):
    X, y = digits
    model = make_pipeline(RandomRotation(15), RandomNoise(0.05), small())
    one = cross_val_score(model, X, y, cv=2)
    assert_array_equal(one, cross_val_score(model, X, y, cv=2, n_jobs=2))
    assert_array_equal(
        one,
        cross_val_score(small(augmentation=[RandomRotation(15), RandomNoise(0.05)]), X, y, cv=2),
    )


def test_grid_search_over_the_degrees_in_processes(digits):
    X, y = digits
    model = make_pipeline(RandomRotation(), small(max_epochs=4))
    grid = {"randomrotation__degrees": [0, 10, 180]}
    search = GridSearchCV(model, grid, cv=2, n_jobs=2, error_score="raise").fit(X, y)
    alone = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    assert_array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert len(set(search.cv_results_["mean_test_score"])) == 3


def test_grid_search_over_lists_and_strength(digits):
    grid = {"augmentation": [None, [RandomFlip()]], "augmentation_strength": [0.5, 1]}
    search = GridSearchCV(small(), grid, cv=2, error_score="raise").fit(*digits)
    assert len(search.cv_results_["params"]) == 4


def test_train_scores_are_those_of_the_original_samples(digits):
    X, y = digits
    model = make_pipeline(RandomRotation(90), small(max_epochs=3))
    results = cross_validate(
        model, X, y, cv=2, return_train_score=True, return_estimator=True, return_indices=True
    )
    for i, fitted in enumerate(results["estimator"]):
        train = results["indices"]["train"][i]
        assert results["train_score"][i] == fitted.score(X[train], y[train])


def test_memory_caches_the_steps_before(digits, tmp_path):
    X, y = digits

    def steps():
        return [StandardScaler(), RandomRotation(15, random_state=1), RandomFlip(random_state=2)]

    plain = make_pipeline(*steps(), small()).fit(X, y)
    cached = make_pipeline(*steps(), small(), memory=str(tmp_path))
    assert same_weights(plain, clone(cached).fit(X, y))
    assert same_weights(plain, clone(cached).fit(X, y))  # now from the cache
    assert any(tmp_path.rglob("*.pkl"))


@pytest.mark.parametrize("container", ["default", "pandas"])
def test_set_output_changes_nothing(digits, container):
    X, y = digits
    plain = make_pipeline(StandardScaler(), RandomRotation(15), small()).fit(X, y)
    model = make_pipeline(StandardScaler(), RandomRotation(15), small())
    model.set_output(transform=container).fit(X, y)
    assert same_weights(plain, model)
    assert_array_equal(plain.predict(X), model.predict(X))


def test_a_column_transformer_before_the_augmentation_keeps_draws_fresh(digits):
    X, y = digits
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(64)])
    frame["name"] = "digit"
    pixels = ColumnTransformer([("pixels", "passthrough", [f"pixel{i}" for i in range(64)])])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = make_pipeline(pixels, RandomRotation(15), small()).fit(frame, y)
    assert same_weights(model, make_pipeline(RandomRotation(15), small()).fit(X, y))


FREEZING = {
    "column transformer": lambda: ColumnTransformer(
        [("turn", RandomRotation(15, input_shape=(8, 8)), list(range(64)))]
    ),
    "feature union": lambda: FeatureUnion([("turn", RandomRotation(15, input_shape=(8, 8)))]),
    "scaler": lambda: make_pipeline(RandomRotation(15, input_shape=(8, 8)), StandardScaler()),
}


@pytest.mark.parametrize("name", FREEZING)
def test_a_foreign_transformer_after_it_freezes_the_draws_with_a_warning(digits, name):
    X, y = digits
    model = make_pipeline(FREEZING[name](), small())
    with pytest.warns(
        FrozenAugmentationWarning,
        match=r"directly before a ConvNet.*skcnn\.augmentation\.Augmented",
    ):
        model.fit(X, y)
    assert model.predict(X).shape == y.shape


def test_another_estimator_gets_one_draw_with_a_warning(digits):
    X, y = digits
    model = make_pipeline(RandomRotation(15, input_shape=(8, 8), random_state=0), SVC())
    with pytest.warns(
        FrozenAugmentationWarning, match=r"RandomRotation.*wrap .* skcnn\.augmentation\.Augmented"
    ):
        model.fit(X, y)
    drawn = model[0].fit_transform(X).to_numpy()
    assert_array_equal(model.predict(X), SVC().fit(drawn, y).predict(X))


@pytest.mark.filterwarnings("ignore::skcnn.exceptions.FrozenAugmentationWarning")
@pytest.mark.parametrize("ensemble", [VotingClassifier, StackingClassifier])
def test_ensembles_draw_for_the_convnet_and_freeze_for_others(digits, ensemble):
    X, y = digits
    members = [("net", small(max_epochs=4)), ("line", LogisticRegression(max_iter=2000))]
    model = make_pipeline(
        RandomTranslation(0.05, input_shape=(8, 8), random_state=0), ensemble(members)
    )
    model.fit(X, y)
    assert model.score(X, y) > 0.7


def test_ensembles_of_pipelines_do_not_warn(digits):
    X, y = digits
    model = BaggingClassifier(
        make_pipeline(RandomRotation(5), small()), n_estimators=2, random_state=0
    )
    assert model.fit(X, y).predict(X).shape == y.shape


def test_a_fitted_pipeline_survives_pickling(digits):
    X, y = digits
    model = make_pipeline(RandomRotation(15), MixUp(), small(augmentation=[RandomFlip()])).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(model.predict_proba(X), again.predict_proba(X))
    assert same_weights(model, again.fit(X, y))
