"""ConvNetSearchCV keeps scikit-learn's contract, alone and inside scikit-learn's tools."""

import inspect
import pickle
from collections import Counter
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.base import clone, is_classifier, is_clusterer, is_regressor
from sklearn.cluster import KMeans
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_score,
    cross_validate,
)
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_estimator,
    check_param_validation,
)

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.augmentation import RandomTranslation
from skcnn.model_selection import ConvNetSearchCV
from tests.helpers.small_nets import small

RATES = {"learning_rate": [0.001, 0.01, 0.03]}


def search_of(estimator=None, space=RATES, **params):
    defaults = {"n_trials": 3, "cv": 2, "random_state": 0}
    return ConvNetSearchCV(small() if estimator is None else estimator, space, **defaults | params)


# scikit-learn's checks: what scikit-learn 1.9.1 runs


CHEAP = {"constraints": {"multiply_accumulates": 100_000}}  # the largest take a minute
CONTRACT = [
    pytest.param(
        ConvNetClassifier(filters=(4,), hidden_units=(), max_epochs=3),
        {"param_space": {"learning_rate": [0.02, 0.03]}, "n_trials": 1},
        58,
        id="small",
    ),
    pytest.param(
        ConvNetClassifier(max_epochs=2), CHEAP, 58, id="classifier", marks=pytest.mark.slow
    ),
    pytest.param(
        ConvNetRegressor(max_epochs=6, batch_size=16, learning_rate=0.01),
        CHEAP,
        51,
        id="regressor",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        # a Pipeline does not look at X before the first trial; its error is to come through
        make_pipeline(RandomTranslation(0.1), ConvNetClassifier(max_epochs=1)),
        {"error_score": "raise"},
        58,
        id="pipeline",
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize(("estimator", "params", "n_checks"), CONTRACT)
def test_check_estimator_passes(estimator, params, n_checks):
    search = ConvNetSearchCV(estimator, **{"n_trials": 2, "cv": 2, **params})
    results = check_estimator(search, on_skip=None, on_fail=None)
    problems = [r for r in results if r["status"] != "passed"]
    assert problems == []
    assert Counter(r["status"] for r in results) == {"passed": n_checks}


@pytest.mark.parametrize(
    "check", [check_param_validation, check_dataframe_column_names_consistency]
)
@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_further_common_checks_pass(cls, check):
    search = ConvNetSearchCV(cls(max_epochs=1), n_trials=1, cv=2)
    check("ConvNetSearchCV", search)


# Constructor


def test_legal_values_are_declared_for_every_parameter():
    names = set(inspect.signature(ConvNetSearchCV).parameters)
    assert set(ConvNetSearchCV._parameter_constraints) == names


def test_only_estimator_and_space_are_positional():
    kinds = {p.name: p.kind for p in inspect.signature(ConvNetSearchCV).parameters.values()}
    positional = [n for n, kind in kinds.items() if kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert positional == ["estimator", "param_space"]
    assert {*kinds.values()} == {
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    }


def test_defaults_are_legal():
    params = ConvNetSearchCV(small()).get_params(deep=False)
    constraints = ConvNetSearchCV._parameter_constraints
    validate_parameter_constraints(constraints, params, caller_name="ConvNetSearchCV")


ILLEGAL = [
    ("estimator", "net"),
    ("param_space", "autp"),
    ("param_space", 3),
    ("n_trials", 0),
    ("n_trials", 2.5),
    ("n_trials", "50"),
    ("timeout", 0),
    ("timeout", -1.0),
    ("timeout", "10 min"),
    ("patience", 0),
    ("patience", 1.5),
    ("scoring", "acuracy"),
    ("scoring", 3),
    ("refit", 3),
    ("cv", "five"),
    ("cv", 2.5),
    ("sampler", "tpee"),
    ("sampler", 3),
    ("pruner", "medain"),
    ("pruner", 3),
    ("pruner", True),
    ("objectives", "score"),
    ("objectives", 3),
    ("constraints", [("n_parameters", 3)]),
    ("constraints", 100),
    ("storage", 3),
    ("study_name", 3),
    ("resume", "yes"),
    ("initial_params", {"learning_rate": 0.1}),
    ("initial_params", None),
    ("n_jobs", 1.5),
    ("n_jobs", "all"),
    ("random_state", -1),
    ("random_state", "seed"),
    ("verbose", -1),
    ("verbose", "loud"),
    ("error_score", "nan"),
    ("error_score", None),
    ("return_train_score", "no"),
]


@pytest.mark.parametrize(("name", "value"), ILLEGAL, ids=lambda v: str(v)[:40])
def test_illegal_values_are_refused_by_name(digits, name, value):
    search = search_of().set_params(**{name: value})
    with pytest.raises(ValueError, match=f"The '{name}' parameter of ConvNetSearchCV must be") as e:
        search.fit(*digits)
    assert str(value) in str(e.value)
    assert not hasattr(search, "study_")


def test_every_parameter_has_a_row_of_illegal_values():
    assert {name for name, _ in ILLEGAL} == set(ConvNetSearchCV._parameter_constraints)


MORE_ILLEGAL = [
    ({"n_trials": None}, "'n_trials' parameter must be an int where timeout and patience are None"),
    ({"objectives": []}, "'objectives' parameter must name one or more different"),
    ({"objectives": ["score", "score"]}, "'objectives' parameter must name one or more different"),
    ({"objectives": ["scor"]}, r"'objectives' parameter must name some of.*Got 'scor'"),
    ({"objectives": ["accuracy"]}, r"'objectives' parameter must name some of.*Got 'accuracy'"),
    ({"objectives": [3]}, r"'objectives' parameter must name some of.*Got 3"),
    (
        {"objectives": ["score", "n_epochs"], "patience": 2},
        "'patience' parameter must be None with several objectives.*Got 2",
    ),
    (
        {"objectives": ["score", "n_epochs"], "pruner": "median"},
        "'pruner' parameter must be 'auto' or None unless the only objective.*Got 'median'",
    ),
    ({"constraints": {"parameters": 10}}, r"'constraints' parameter must name some of.*'seconds'"),
    ({"constraints": {"n_parameters": 0}}, "must give 'n_parameters' a number > 0. Got 0"),
    ({"constraints": {"n_parameters": -3}}, "must give 'n_parameters' a number > 0. Got -3"),
    ({"constraints": {"n_parameters": "1k"}}, "must give 'n_parameters' a number > 0. Got '1k'"),
    ({"constraints": {"seconds": True}}, "must give 'seconds' a number > 0. Got True"),
    ({"constraints": {"seconds": np.nan}}, "must give 'seconds' a number > 0. Got nan"),
]


@pytest.mark.parametrize(("params", "message"), MORE_ILLEGAL, ids=[str(p) for p, _ in MORE_ILLEGAL])
def test_illegal_combinations_are_refused(digits, params, message):
    with pytest.raises(ValueError, match=message):
        search_of(**params).fit(*digits)


def test_private_parts_of_scikit_learn_are_there():
    """What the search takes from BaseSearchCV and has no other source for."""
    for name in (
        "_get_scorers",
        "_get_routed_params_for_fit",
        "_check_refit_for_multimetric",
        "_select_best_index",
        "_init_callback_context",
        "get_metadata_routing",
        "__sklearn_tags__",
    ):
        assert callable(getattr(BaseSearchCV, name)), name
    assert "pre_dispatch" in BaseSearchCV._parameter_constraints
    assert {"estimator", "scoring", "refit", "cv", "error_score", "return_train_score"} < set(
        BaseSearchCV._parameter_constraints
    )


def test_clone_and_set_params_reach_the_estimator():
    search = search_of(make_pipeline(StandardScaler(), small()), timeout=3.0)
    copied = clone(search)
    assert copied.get_params(deep=False).keys() == search.get_params(deep=False).keys()
    assert copied.timeout == 3.0
    assert copied.estimator is not search.estimator
    copied.set_params(estimator__convnetclassifier__max_epochs=7, n_trials=4)
    assert copied.estimator[-1].max_epochs == 7
    assert search.estimator[-1].max_epochs == 2
    with pytest.raises(ValueError, match="Invalid parameter 'trials'"):
        copied.set_params(trials=3)


def test_fit_changes_no_parameter(digits):
    space = {"learning_rate": [0.01, 0.02], "filters": [(4,), (8,)]}
    search = search_of(space=space, initial_params=[{"filters": (8,)}])
    before = {name: repr(value) for name, value in search.get_params(deep=True).items()}
    search.fit(*digits)
    assert {n: repr(v) for n, v in search.get_params(deep=True).items()} == before
    assert not hasattr(search.estimator, "net_")


def test_repr_shows_what_was_changed():
    text = repr(ConvNetSearchCV(ConvNetClassifier(filters=(8,)), n_trials=7))
    assert text == "ConvNetSearchCV(estimator=ConvNetClassifier(filters=(8,)), n_trials=7)"


def test_html_repr_has_the_parameters():
    html = search_of()._repr_html_()
    assert "param_space" in html
    assert "n_trials" in html


@pytest.mark.parametrize(
    ("estimator", "kind"),
    [(ConvNetClassifier(), is_classifier), (ConvNetRegressor(), is_regressor)],
    ids=["classifier", "regressor"],
)
def test_tags_are_the_estimators(estimator, kind):
    search = ConvNetSearchCV(make_pipeline(StandardScaler(), estimator))
    assert kind(search)
    assert is_classifier(search) != is_regressor(search)
    assert is_clusterer(ConvNetSearchCV(KMeans()))


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function", "score"])
def test_methods_before_fit_raise_not_fitted(digits, method):
    args = digits if method == "score" else digits[:1]
    with pytest.raises(NotFittedError):
        getattr(search_of(), method)(*args)


def test_trials_before_fit_raise_not_fitted():
    with pytest.raises(NotFittedError):
        search_of().trials_dataframe()


def test_methods_are_those_of_the_best_estimator(digits):
    X, y = digits
    search = search_of().fit(X, y)
    best = search.best_estimator_
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        assert_array_equal(getattr(search, method)(X), getattr(best, method)(X))
    assert search.score(X, y) == best.score(X, y)
    assert_array_equal(search.classes_, [0, 1, 2])
    assert search.n_features_in_ == 64
    assert not hasattr(search, "transform")
    assert not hasattr(search, "feature_names_in_")


def test_regressor_has_no_methods_of_classifiers(digits):
    X, y = digits
    search = search_of(small(ConvNetRegressor)).fit(X, y.astype(float))
    assert search.predict(X).shape == (90,)
    assert not hasattr(search, "predict_proba")
    assert not hasattr(search, "classes_")


def test_without_refit_there_is_no_predict(digits):
    X, y = digits
    search = search_of(refit=False).fit(X, y)
    assert search.best_index_ == search.cv_results_["rank_test_score"].argmin()
    assert search.best_params_ == search.cv_results_["params"][search.best_index_]
    for name in ("best_estimator_", "refit_time_", "classes_", "predict"):
        assert not hasattr(search, name), name
    with pytest.raises(AttributeError, match="refit=False"):
        search.score(X, y)


def test_frames_and_string_labels(digits):
    X, y = digits
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(64)])
    labels = np.array(["ant", "bee", "cat"])[y]
    search = search_of().fit(frame, pd.Series(labels))
    assert list(search.feature_names_in_) == list(frame.columns)
    assert_array_equal(search.classes_, ["ant", "bee", "cat"])
    plain = search_of().fit(X, y)
    assert_array_equal(search.predict(frame), np.array(["ant", "bee", "cat"])[plain.predict(X)])
    assert_array_equal(search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"])


def test_second_fit_forgets_the_first(digits):
    X, y = digits
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(64)])
    search = search_of().fit(frame, y)
    search.set_params(refit=False, n_trials=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 2
    assert not hasattr(search, "best_estimator_")
    assert not hasattr(search, "feature_names_in_")


def test_refused_fit_keeps_what_there_was(digits):
    X, y = digits
    search = search_of().fit(X, y)
    before = search.predict(X)
    with pytest.raises(ValueError, match="n_trials"):
        search.set_params(n_trials=0).fit(X, y)
    assert_array_equal(search.predict(X), before)


def test_global_output_setting_changes_nothing(digits):
    X, y = digits
    plain = search_of(make_pipeline(StandardScaler(), small()), {}).set_params(
        param_space={"convnetclassifier__dropout": [0.1, 0.2]}, n_trials=2
    )
    expected = clone(plain).fit(X, y).cv_results_["mean_test_score"]
    with sklearn.config_context(transform_output="pandas"):
        frames = clone(plain).fit(pd.DataFrame(X, columns=[f"p{i}" for i in range(64)]), y)
    assert_array_equal(frames.cv_results_["mean_test_score"], expected)


@pytest.mark.parametrize("dump", ["pickle", "joblib"])
def test_dumped_search_is_the_same(digits, dump, tmp_path):
    X, y = digits
    search = search_of().fit(X, y)
    if dump == "pickle":
        loaded = pickle.loads(pickle.dumps(search))
    else:
        joblib.dump(search, tmp_path / "search.joblib")
        loaded = joblib.load(tmp_path / "search.joblib")
    assert_array_equal(loaded.predict_proba(X), search.predict_proba(X))
    assert loaded.best_params_ == search.best_params_
    pd.testing.assert_frame_equal(loaded.trials_dataframe(), search.trials_dataframe())
    assert [t.params for t in loaded.study_.trials] == [t.params for t in search.study_.trials]
    assert_array_equal(loaded.fit(X, y).predict_proba(X), search.predict_proba(X))


def test_dump_has_no_copy_of_the_data(digits):
    X, y = digits
    marked = X.copy()
    marked[0, :8] = np.pi * np.arange(1, 9)
    search = search_of().fit(marked, y)
    assert marked[0, :8].tobytes() not in pickle.dumps(search)


def test_cross_validation_of_a_search(digits):
    X, y = digits
    scores = cross_val_score(search_of(n_trials=2), X, y, cv=2, error_score="raise")
    again = cross_val_score(search_of(n_trials=2), X, y, cv=2, error_score="raise")
    assert_array_equal(scores, again)
    assert (scores > 0).all()


def test_cross_validation_in_two_processes(digits):
    X, y = digits
    kwargs = {"cv": 2, "return_estimator": True, "error_score": "raise"}
    result = cross_validate(search_of(n_trials=2), X, y, n_jobs=2, **kwargs)
    serial = cross_validate(search_of(n_trials=2), X, y, **kwargs)
    assert_array_equal(result["test_score"], serial["test_score"])
    assert [len(s.cv_results_["params"]) for s in result["estimator"]] == [2, 2]


def test_search_in_a_pipeline_and_a_grid(digits):
    X, y = digits
    model = make_pipeline(StandardScaler(), search_of(n_trials=2))
    assert model.fit(X, y).predict(X).shape == (90,)
    grid = GridSearchCV(model, {"convnetsearchcv__n_trials": [1, 2]}, cv=2, error_score="raise")
    assert grid.fit(X, y).best_params_["convnetsearchcv__n_trials"] in (1, 2)


def test_search_in_an_ensemble(digits):
    X, y = digits
    model = BaggingClassifier(search_of(n_trials=2), n_estimators=2, random_state=0)
    assert model.fit(X, y).score(X, y) > 0.3


# The ordinary tools on the same task


def test_no_file_is_left_behind(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    search_of().fit(*digits)
    assert list(Path(tmp_path).iterdir()) == []
