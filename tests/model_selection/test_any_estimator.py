"""Searches of other estimators, and other searches of ConvNets."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skcnn.model_selection import ConvNetSearchCV
from tests.helpers.small_nets import small

RATES = {"learning_rate": [0.001, 0.01, 0.03]}


def search_of(estimator=None, space=RATES, **params):
    defaults = {"n_trials": 3, "cv": 2, "random_state": 0}
    return ConvNetSearchCV(small() if estimator is None else estimator, space, **defaults | params)


# Other estimators


@pytest.mark.parametrize("pruner", ["auto", "hyperband", None], ids=str)
@pytest.mark.parametrize(
    ("estimator", "space"),
    [
        (SVC(), {"C": (0.01, 100.0, "log"), "kernel": ["linear", "rbf"]}),
        (LogisticRegression(max_iter=2000), {"C": (0.01, 10.0, "log")}),
        (make_pipeline(StandardScaler(), SVC()), {"svc__C": (0.01, 100.0, "log")}),
    ],
    ids=["svc", "logistic", "pipeline"],
)
def test_any_estimator_is_searched(digits, estimator, space, pruner):
    X, y = digits
    search = search_of(estimator, space, n_trials=4, pruner=pruner).fit(X, y)
    results = search.cv_results_
    assert set(results["state"]) == {"COMPLETE"}
    assert results["n_epochs"].mask.all()
    assert results["n_parameters"].mask.all()
    for params, score in zip(results["params"], results["mean_test_score"], strict=True):
        expected = cross_val_score(clone(estimator).set_params(**params), X, y, cv=2)
        assert score == expected.mean()


def test_clustering_without_targets(digits):
    X, _ = digits
    search = search_of(KMeans(n_init=1, random_state=0), {"n_clusters": (2, 6)}, cv=3).fit(X)
    assert search.n_splits_ == 3
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()
    assert search.predict(X).shape == (90,)
    assert search.transform(X).shape == (90, search.best_params_["n_clusters"])


@pytest.mark.parametrize(
    "params",
    [{}, {"constraints": {"n_parameters": 10}}, {"objectives": ["score", "n_parameters"]}],
    ids=str,
)
def test_automatic_space_needs_a_convnet(digits, params):
    space = {"C": [1.0]} if params else "auto"
    with pytest.raises(
        ValueError, match=r"'param_space' parameter must be a dict or a callable.*SVC"
    ):
        search_of(SVC(), space, **params).fit(*digits)


# The ordinary tools on the same task


def ordinary_tools():
    from optuna.distributions import FloatDistribution
    from optuna_integration import OptunaSearchCV

    space = {"learning_rate": np.geomspace(1e-3, 3e-2, 8).tolist()}
    common = {"cv": 2, "error_score": "raise"}
    return {
        "grid": GridSearchCV(small(), RATES, **common),
        "random": RandomizedSearchCV(small(), space, n_iter=3, random_state=0, **common),
        "halving-epochs": HalvingRandomSearchCV(
            small(), space, n_candidates=4, resource="max_epochs", min_resources=1,
            max_resources=4, factor=2, random_state=0, **common,
        ),
        "halving-samples": HalvingRandomSearchCV(
            small(), space, n_candidates=4, resource="n_samples", min_resources=30,
            max_resources=60, factor=2, random_state=0, **common,
        ),
        "optuna": lambda: OptunaSearchCV(
            small(), {"learning_rate": FloatDistribution(1e-3, 3e-2, log=True)},
            n_trials=3, random_state=0, **common,
        ),
        "skcnn": search_of(error_score="raise"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["grid", "random", "halving-epochs", "halving-samples", "optuna", "skcnn"]
)
@pytest.mark.filterwarnings("ignore:OptunaSearchCV is experimental")
@pytest.mark.filterwarnings("ignore:`optuna.terminator` module has been deprecated")
def test_ordinary_tools_search_the_same_task(digits, name):
    X, y = digits
    tool = ordinary_tools()[name]
    tool = tool if hasattr(tool, "fit") else tool()
    tool.fit(X, y)
    assert set(tool.best_params_) >= {"learning_rate"}
    assert 0.3 < tool.best_score_ <= 1
    assert tool.predict(X).shape == (90,)
