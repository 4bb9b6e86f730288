"""`sample_weight` and `groups` in the fits and the scores of compare_models."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import Ridge
from sklearn.metrics import accuracy_score, make_scorer, max_error
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from skcnn.comparison import compare_models
from skcnn.comparison._metadata import _weight_parameter
from tests.helpers.small_nets import small

# on so few samples models often agree
pytestmark = pytest.mark.filterwarnings("ignore:.*by the same number on all:UserWarning")

X, Y = load_iris(return_X_y=True)
MODELS = {"Bayes": GaussianNB(), "SVC": SVC()}
FEW = pytest.mark.filterwarnings("ignore::skcnn.exceptions.ComparisonWarning")


def scores_of(comparison, model):
    long = comparison.fold_scores
    return long.loc[long["model"] == model, "score"].to_numpy()


# Weights

WEIGHTS = np.random.default_rng(0).integers(1, 4, 150)
PIPES = {
    "plain": SVC(),
    "pipeline": make_pipeline(FunctionTransformer(), SVC()),
    "nested": make_pipeline(FunctionTransformer(), make_pipeline(FunctionTransformer(), SVC())),
    "search": GridSearchCV(SVC(), {"C": [1]}, cv=2),
    "search of a pipeline": GridSearchCV(
        make_pipeline(FunctionTransformer(), SVC()), {"svc__C": [1]}, cv=2
    ),
    "pipeline of a search": make_pipeline(
        FunctionTransformer(), GridSearchCV(SVC(), {"C": [1]}, cv=2)
    ),
    "vote": VotingClassifier([("svc", SVC())]),
}


def repeated_scores(model):
    """Return scores of fits in which a sample of weight 3 is repeated three times."""
    scores = []
    for train, test in StratifiedKFold(5).split(X, Y):
        fitted = sklearn.base.clone(model).fit(
            *(np.repeat(a[train], WEIGHTS[train], 0) for a in (X, Y))
        )
        right = fitted.predict(X[test]) == Y[test]
        scores.append(np.average(right, weights=WEIGHTS[test]))
    return scores


@pytest.mark.parametrize(
    "scoring", [None, ["accuracy"], {"a": "accuracy"}, make_scorer(accuracy_score)]
)
def test_weights_mean_repetition(scoring):
    comparison = compare_models(PIPES, X, Y, sample_weight=WEIGHTS, scoring=scoring)
    expected = repeated_scores(SVC())
    for name in PIPES:
        assert_allclose(scores_of(comparison, name), expected)
    assert_allclose(comparison.table["difference"].dropna(), 0, atol=1e-12)
    plain = compare_models({"a": SVC(), "b": SVC()}, X, Y)
    assert not np.allclose(scores_of(plain, "a"), expected)


def test_weights_with_metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        asks = SVC().set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        models = {
            "plain": SVC(),
            "pipeline": make_pipeline(FunctionTransformer(), asks),
            "search": GridSearchCV(asks, {"C": [1]}, cv=2, scoring=make_scorer(accuracy_score).set_score_request(sample_weight=False)),
            "scaled": make_pipeline(scaler, asks),
        }  # fmt: skip
        comparison = compare_models(models, X, Y, sample_weight=WEIGHTS)
        with pytest.raises(ValueError, match=r"'near' .* takes no weights in fit"):
            compare_models(
                {"svc": SVC(), "near": KNeighborsClassifier()}, X, Y, sample_weight=WEIGHTS
            )
    for name in ("plain", "pipeline", "search"):
        assert_allclose(scores_of(comparison, name), repeated_scores(SVC()))


@FEW
def test_weights_of_a_network(digits):
    X, y = digits
    weights = np.where(np.arange(90) < 30, 0.0, 1.0)
    models = {"net": small(), "pipeline": make_pipeline(FunctionTransformer(), small())}
    splits = [(np.arange(60), np.arange(60, 90)), (np.arange(15, 75), np.arange(75, 90))]
    comparison = compare_models(models, X, y, cv=splits, sample_weight=weights)
    without = [(np.arange(30, 60), splits[0][1]), (np.arange(30, 75), splits[1][1])]
    expected = compare_models(models, X, y, cv=without)
    assert_array_equal(comparison.fold_scores["score"], expected.fold_scores["score"])


def test_a_step_that_a_search_replaces_takes_no_weights():
    search = GridSearchCV(Pipeline([("model", "passthrough")]), {"model": [SVC()]}, cv=2)
    assert _weight_parameter(search) is None


def test_a_score_function_with_weights_receives_them():
    def weight(model, X, y, sample_weight):
        return sample_weight.sum()

    comparison = compare_models(MODELS, X, Y, scoring=weight, sample_weight=WEIGHTS, rope=1.0)
    assert comparison.fold_scores["score"].sum() == 2 * WEIGHTS.sum()


@pytest.mark.parametrize(
    "model",
    [
        KNeighborsClassifier(),
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
        GridSearchCV(make_pipeline(KNeighborsClassifier()), {}),
    ],
    ids=["model", "pipeline", "search"],
)
def test_a_model_without_weights_raises(model):
    message = rf"the model 'near' \({type(model).__name__}\) takes no weights"
    with pytest.raises(ValueError, match=message):
        compare_models({"SVC": SVC(), "near": model}, X, Y, sample_weight=WEIGHTS)


@pytest.mark.parametrize(
    ("scoring", "name"),
    [
        (lambda model, X, y: 1.0, "score"),
        ({"own": lambda model, X, y, sample_weight: 1.0}, "own"),
        (["r2", "neg_max_error"], "neg_max_error"),
        ({"worst": make_scorer(max_error, greater_is_better=False)}, "worst"),
    ],
    ids=["function", "function in a dict", "list", "dict"],
)
def test_a_score_without_weights_raises(scoring, name):
    with pytest.raises(ValueError, match=f"the score '{name}' takes no weights"):
        compare_models(
            {"a": Ridge(), "b": DummyRegressor()},
            X,
            X[:, 0],
            scoring=scoring,
            sample_weight=WEIGHTS,
        )


# Groups


def test_searches_receive_the_groups():
    groups = np.arange(len(X)) // 5
    models = {
        "plain": SVC(),
        "search": GridSearchCV(SVC(), {"C": [1]}, cv=GroupKFold(3)),
        "in a pipeline": make_pipeline(
            StandardScaler(), GridSearchCV(SVC(), {"C": [1]}, cv=GroupKFold(3))
        ),
    }
    for routing in (False, True):
        with sklearn.config_context(enable_metadata_routing=routing):
            comparison = compare_models(models, X, Y, groups=groups)
        assert comparison.table["n_failed"].sum() == 0
