"""compare_models against scikit-learn's cross_validate: scores, splits, groups."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneOut,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
    cross_validate,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from skcnn import ConvNetRegressor
from skcnn.augmentation import RandomNoise
from skcnn.comparison import compare_models
from skcnn.exceptions import ComparisonWarning, LeakageWarning
from tests.helpers.small_nets import small

# on so few samples models often agree
pytestmark = pytest.mark.filterwarnings("ignore:.*by the same number on all:UserWarning")

X, Y = load_iris(return_X_y=True)
MODELS = {"Bayes": GaussianNB(), "SVC": SVC()}
TREE = DecisionTreeClassifier(random_state=0)
GRID = GridSearchCV(make_pipeline(StandardScaler(), SVC()), {"svc__C": [0.1, 10]}, cv=2)
FEW = pytest.mark.filterwarnings("ignore::skcnn.exceptions.ComparisonWarning")


def scores_of(comparison, model, metric=None):
    long = comparison.fold_scores
    metric = comparison.metrics[0] if metric is None else metric
    return long.loc[(long["model"] == model) & (long["metric"] == metric), "score"].to_numpy()


def assert_as_cross_validate(models, X, y, scoring=None, **options):
    comparison = compare_models(models, X, y, scoring=scoring, random_state=0, **options)
    for name, model in models.items():
        expected = cross_validate(model, X, y, scoring=scoring, **options)
        for metric in comparison.metrics:
            key = "test_score" if scoring is None or callable(scoring) else f"test_{metric}"
            key = f"test_{metric}" if f"test_{metric}" in expected else key
            assert_array_equal(scores_of(comparison, name, metric), expected[key])
    return comparison


# The same scores as cross_validate


def test_scores_of_classifiers():
    models = {"svc": SVC(), "pipeline": make_pipeline(StandardScaler(), SVC()), "tree": TREE}
    assert_as_cross_validate({**models, "search": GRID}, X, Y)


@FEW
def test_scores_of_networks(digits):
    assert_as_cross_validate({"net": small(), "flat": SVC()}, *digits, cv=3)


def test_scores_of_regressors():
    models = {"ridge": Ridge(), "mean": DummyRegressor()}
    comparison = assert_as_cross_validate(models, X[:, :3], X[:, 3])
    assert comparison.metrics == ["r2"]
    assert comparison.fold_scores["n_test"].unique() == [30]


@FEW
def test_scores_of_several_outputs():
    net = small(ConvNetRegressor, input_shape=(2,), filters=(2,))
    assert_as_cross_validate({"net": net, "ridge": Ridge()}, X[:60, :2], X[:60, 2:], cv=2)


def test_scores_of_several_labels():
    labels = np.column_stack([Y == 0, Y < 2]).astype(int)
    comparison = assert_as_cross_validate(
        {"near": KNeighborsClassifier(3), "tree": TREE}, X, labels
    )
    assert comparison.metrics == ["accuracy"]


def test_labels_and_samples_of_any_type():
    names = np.array(["setosa", "versicolor", "virginica"])[Y]
    frame = pd.DataFrame(X, columns=list("abcd"), index=np.arange(150) + 1000)
    plain = compare_models(MODELS, X, Y)
    for samples, labels in [(frame, names), (frame, pd.Series(names, index=frame.index))]:
        comparison = compare_models(MODELS, samples, labels)
        assert_array_equal(comparison.fold_scores["score"], plain.fold_scores["score"])
    listed = compare_models(MODELS, X.tolist(), names.tolist())
    assert_array_equal(listed.fold_scores["score"], plain.fold_scores["score"])


@FEW
def test_images_with_models_that_flatten_them(digits):
    flat, y = digits
    images = flat.reshape(-1, 8, 8)
    flatten = FunctionTransformer(lambda X: X.reshape(len(X), -1))
    models = {"net": small(input_shape=None), "svc": make_pipeline(flatten, SVC())}
    comparison = compare_models(models, images, y, cv=2)
    expected = compare_models({"net": small(input_shape=(8, 8, 1)), "svc": SVC()}, flat, y, cv=2)
    assert_array_equal(comparison.fold_scores["score"], expected.fold_scores["score"])


@FEW
def test_augmented_samples_are_the_original_ones(digits):
    flat, y = digits
    models = {"net": small(), "svc": SVC()}
    augmented = RandomNoise(0.5).fit_transform(flat)
    comparison = compare_models(models, augmented, y, cv=2)
    expected = compare_models(models, flat, y, cv=2)
    assert_array_equal(comparison.fold_scores["score"], expected.fold_scores["score"])


# Scores


@pytest.mark.parametrize(
    "scoring",
    [
        "balanced_accuracy",
        ["accuracy", "f1_macro"],
        ("f1_macro", "recall_macro"),
        {"right": "accuracy", "own": make_scorer(accuracy_score, normalize=False)},
    ],
    ids=["str", "list", "tuple", "dict"],
)
@pytest.mark.filterwarnings("ignore:rope=:UserWarning")
def test_named_scores(scoring):
    many = [scoring] if isinstance(scoring, str) else scoring
    comparison = compare_models({"a": GaussianNB(), "tree": TREE}, X, Y, scoring=scoring)
    assert comparison.metrics == list(many)
    expected = cross_validate(TREE, X, Y, scoring=many)
    for metric in comparison.metrics:
        assert_array_equal(scores_of(comparison, "tree", metric), expected[f"test_{metric}"])


@pytest.mark.parametrize(
    "scoring",
    [
        lambda model, X, y: (model.predict(X) == y).mean(),
        make_scorer(accuracy_score),
        lambda model, X, y: {"right": model.score(X, y), "wrong": -1 + model.score(X, y)},
    ],
    ids=["number", "scorer", "dict"],
)
def test_callable_scores(scoring):
    comparison = assert_as_cross_validate({"a": GaussianNB(), "tree": TREE}, X, Y, scoring)
    assert comparison.metrics in (["score"], ["right", "wrong"])


def test_a_search_is_scored_by_accuracy_whatever_its_own_scoring():
    search = GridSearchCV(SVC(), {"C": [1]}, scoring="neg_log_loss", error_score=0.0, cv=2)
    comparison = compare_models(
        {"svc": SVC(), "search": search.set_params(scoring="f1_macro")}, X, Y
    )
    assert_array_equal(scores_of(comparison, "search"), scores_of(comparison, "svc"))


# Splits


@pytest.mark.parametrize(
    "make_cv",
    [
        lambda: None,
        lambda: 6,
        lambda: RepeatedStratifiedKFold(n_splits=2, n_repeats=3, random_state=0),
        lambda: ShuffleSplit(5, test_size=0.2, random_state=1),
        lambda: list(KFold(5, shuffle=True, random_state=0).split(X)),
        lambda: (split for split in StratifiedKFold(5).split(X, Y)),
        lambda: [(np.arange(150) % 5 != k, np.arange(150) % 5 == k) for k in range(5)],
        lambda: [(train.tolist(), test.tolist()) for train, test in KFold(5).split(X[::-1])],
    ],
    ids=["None", "int", "repeated", "shuffled", "list", "generator", "masks", "lists"],
)
def test_splits_are_those_of_cross_validate(make_cv):
    comparison = compare_models(MODELS, X, Y, cv=make_cv())
    expected = cross_validate(SVC(), X, Y, cv=make_cv(), return_indices=True)
    assert_array_equal(scores_of(comparison, "SVC"), expected["test_score"])
    sizes = [(150 - len(_rows(test)), len(_rows(test))) for test in expected["indices"]["test"]]
    table = comparison.fold_scores[comparison.fold_scores["model"] == "Bayes"]
    assert_array_equal(table[["n_train", "n_test"]], sizes)


def _rows(side):
    side = np.asarray(side)
    return np.flatnonzero(side) if side.dtype == bool else side


def test_splits_are_drawn_once():
    class Counted(ShuffleSplit):
        n_calls = 0

        def split(self, X, y=None, groups=None):
            Counted.n_calls += 1
            yield from super().split(X, y, groups)

    cv = Counted(5, random_state=np.random.RandomState(0))
    comparison = compare_models({"a": GaussianNB(), "b": GaussianNB()}, X, Y, cv=cv)
    assert Counted.n_calls == 1
    assert_array_equal(scores_of(comparison, "a"), scores_of(comparison, "b"))
    assert "Counted of 150 samples, 5 splits" in repr(comparison)


def test_leaving_one_out():
    models = {"line": LinearRegression(), "mean": DummyRegressor()}
    scoring = "neg_mean_squared_error"
    comparison = compare_models(models, X[:25, :3], X[:25, 3], cv=LeaveOneOut(), scoring=scoring)
    assert comparison.n_splits == 25
    assert comparison.test_share == pytest.approx(1 / 24)
    with (
        pytest.warns(sklearn.exceptions.UndefinedMetricWarning, match="less than two samples"),
        pytest.raises(ValueError, match="The score 'r2' is NaN"),
    ):
        compare_models(models, X[:6, :3], X[:6, 3], cv=LeaveOneOut())


def test_one_split_of_a_comparison():
    with pytest.warns(ComparisonWarning, match="One split"):
        comparison = compare_models(MODELS, X, Y, cv=ShuffleSplit(1, random_state=0))
    assert comparison.table["p_value"].isna().all()
    assert comparison.table["mean"].notna().all()


@pytest.mark.parametrize("splits", [[], [(np.arange(150), [])], [([], np.arange(5))]])
def test_empty_splits_raise(splits):
    with pytest.raises(ValueError, match="must give splits with training and test samples"):
        compare_models(MODELS, X, Y, cv=splits)


# Groups

GROUPS = np.arange(150) % 30


class Checked(ClassifierMixin, BaseEstimator):
    """Fails if a training sample's group is among the test samples."""

    def fit(self, X, y):
        self.classes_, self.groups_ = np.unique(y), set(X[:, -1])
        return self

    def predict(self, X):
        assert not self.groups_ & set(X[:, -1])
        return np.repeat(self.classes_[:1], len(X))


@pytest.mark.parametrize("cv", [None, 6, GroupKFold(6), GroupKFold(5, shuffle=True)])
@pytest.mark.parametrize("labels", ["classes", "several"])
def test_groups_are_never_on_both_sides(cv, labels):
    y = Y if labels == "classes" else np.column_stack([Y == 0, Y < 2]).astype(int)
    known = np.column_stack([X, GROUPS])
    peer = KNeighborsClassifier()
    comparison = compare_models(
        {"checked": Checked(), "peer": peer}, known, y, cv=cv, groups=pd.Series(GROUPS),
        scoring=lambda model, X, y: float(len(model.predict(X)) / 100),
    )  # fmt: skip
    assert (comparison.table["n_failed"] == 0).all()


def test_groups_of_regressors():
    models = {"ridge": Ridge(), "mean": DummyRegressor()}
    comparison = compare_models(models, X[:, :3], X[:, 3], groups=GROUPS)
    expected = cross_validate(Ridge(), X[:, :3], X[:, 3], groups=GROUPS, cv=GroupKFold(5))
    assert_array_equal(scores_of(comparison, "ridge"), expected["test_score"])


@pytest.mark.parametrize("kind", [int, str, object])
def test_splits_that_divide_groups_warn(kind):
    groups = GROUPS.astype(kind)
    with pytest.warns(LeakageWarning, match="Some groups are on both sides"):
        compare_models(MODELS, X, Y, groups=groups, cv=list(StratifiedKFold(5).split(X, Y)))
