"""compare_datasets and DatasetComparison: ranks, tables, reports and errors."""

import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, stats
from sklearn.datasets import load_iris, load_wine
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from skcnn.augmentation import RandomNoise
from skcnn.comparison import DatasetComparison, ModelComparison, compare_datasets, compare_models
from skcnn.exceptions import ComparisonWarning
from tests.helpers.small_nets import small

IRIS, WINE = load_iris(return_X_y=True), load_wine(return_X_y=True)
PAIR = {"iris": IRIS, "wine": WINE}
MODELS = {
    "prior": DummyClassifier(),
    "Bayes": GaussianNB(),
    "tree": DecisionTreeClassifier(max_depth=2),
}
NAMES = ["a", "b", "c", "d", "e"]


def comparison_of(means, metric="accuracy"):
    """Return a comparison of models with these mean scores."""
    rows = [
        {"model": name, "split": split, "metric": metric, "score": mean + noise}
        for name, mean in means.items()
        for split, noise in enumerate([-0.02, -0.01, 0.0, 0.01, 0.02])
    ]
    return ModelComparison(pd.DataFrame(rows).assign(n_train=80, n_test=20))


def several(scores):
    """Return comparisons of scores, (n_datasets, n_models)."""
    means = {f"data {i}": dict(zip(NAMES, row, strict=False)) for i, row in enumerate(scores)}
    return DatasetComparison({name: comparison_of(each) for name, each in means.items()})


pytestmark = pytest.mark.filterwarnings(
    "ignore:The .* of .* by the same:skcnn.exceptions.ComparisonWarning"
)


# Ranks


@pytest.mark.parametrize("n_models", [3, 5])
def test_friedman_is_scipys_on_mean_scores(n_models):
    scores = np.random.default_rng(1).uniform(0.5, 0.9, (7, n_models))
    comparison = several(scores)
    test = comparison.rank_test()
    expected = stats.friedmanchisquare(*scores.T)
    assert (test.name, test.statistic) == ("Friedman", pytest.approx(expected.statistic))
    assert test.p_value == pytest.approx(expected.pvalue)
    ranks = [[1 + sum(other > own for other in row) for own in row] for row in scores]
    assert_allclose(test.mean_ranks, np.mean(ranks, axis=0))
    assert_allclose(comparison.table["mean_rank"], np.mean(ranks, axis=0))
    assert_allclose(comparison.table.to_numpy()[:, :-1], scores.T)
    assert list(test.mean_ranks.index) == NAMES[:n_models]


def test_two_models_are_compared_by_signed_ranks():
    scores = np.random.default_rng(2).uniform(0.5, 0.9, (8, 2))
    test = several(scores).rank_test()
    assert test.name == "Wilcoxon signed-rank"
    assert test.p_value == pytest.approx(stats.wilcoxon(*scores.T).pvalue)


def test_nemenyi_by_the_critical_difference():
    scores = np.tile([0.9, 0.8, 0.7], (6, 1)) + np.arange(6)[:, None] / 100
    test = several(scores).rank_test()
    assert_array_equal(test.mean_ranks, [1, 2, 3])
    assert test.critical_difference == pytest.approx(2.343 * np.sqrt(3 * 4 / (6 * 6)), rel=1e-3)
    apart = abs(test.mean_ranks.to_numpy()[:, None] - test.mean_ranks.to_numpy())
    assert_array_equal(test.pairs < 0.05, apart > test.critical_difference)
    assert test.pairs.loc["a", "c"] == test.pairs.loc["c", "a"] < 0.01
    assert_allclose(np.diag(test.pairs), 1)


def test_ties_share_their_rank():
    test = several(np.array([[0.8, 0.8, 0.5], [0.7, 0.1 + 0.6, 0.6], [0.9, 0.9, 0.1]])).rank_test()
    assert_array_equal(test.mean_ranks, [1.5, 1.5, 3])


def test_a_missing_mean_leaves_no_test():
    scores = np.random.default_rng(1).uniform(0.5, 0.9, (4, 3))
    scores[2, 1] = np.nan
    comparison = several(scores)
    with pytest.warns(
        ComparisonWarning,
        match=r"Friedman test of 'accuracy' is NaN.*no mean score of 'b' on 'data 2'\..*fold_scores",
    ):
        test = comparison.rank_test()
    assert test.name == "Friedman"
    assert np.isnan([test.statistic, test.p_value, test.critical_difference]).all()
    assert test.pairs.isna().all(axis=None)
    assert "nan" not in repr(comparison).replace("data 2", "")


def test_only_some_of_many_missing_means_are_named():
    with pytest.warns(ComparisonWarning, match=r"'a' on 'data 0', 'b' on 'data 0', .* and 3 more"):
        several(np.full((3, 2), np.nan)).rank_test()


@pytest.mark.parametrize(("n_models", "fewest"), [(2, 6), (3, 3), (5, 3)])
def test_too_few_data_sets_warn(n_models, fewest):
    scores = np.random.default_rng(1).uniform(0.5, 0.9, (fewest, n_models))
    several(scores).rank_test()
    with pytest.warns(ComparisonWarning, match=f"{fewest - 1} data sets .* cannot decide"):
        several(scores[:-1]).rank_test()


def test_metrics_have_tests_of_their_own():
    both = {}
    for name, (first, second) in {"x": (0.8, 0.7), "y": (0.9, 0.6), "z": (0.7, 0.2)}.items():
        one = comparison_of({"a": first, "b": second, "c": 0.1}).fold_scores
        other = comparison_of({"a": second, "b": first, "c": 0.1}, "f1").fold_scores
        both[name] = ModelComparison(pd.concat([one, other]))
    comparison = DatasetComparison(both)
    assert comparison.rank_test().mean_ranks.to_list() == [1, 2, 3]
    assert comparison.rank_test("f1").mean_ranks.to_list() == [2, 1, 3]
    assert repr(comparison).count("mean rank") == 2
    assert comparison.to_markdown().count("| :-- |") == 2
    with pytest.raises(ValueError, match=r"Got 'acuracy' instead\. Did you mean 'accuracy'"):
        comparison.rank_test("acuracy")


@pytest.mark.parametrize(
    ("comparisons", "message"),
    [
        ({}, "must be a dict of one or more ModelComparison"),
        ({"x": {"a": 0.5, "b": 0.6}, "y": {"a": 0.5, "c": 0.6}}, r"Got \['a', 'c'\] .* for 'y'"),
        ({"x": {"a": 0.5, "b": 0.6}, "y": {"a": 0.5}}, r"Got \['a'\] .* for 'y'"),
    ],
    ids=["none", "other names", "fewer"],
)
def test_comparisons_must_fit(comparisons, message):
    with pytest.raises(ValueError, match=message):
        DatasetComparison({name: comparison_of(means) for name, means in comparisons.items()})


def test_one_data_set_or_model_has_no_test():
    one = DatasetComparison({"x": comparison_of({"a": 0.5, "b": 0.6})})
    assert one.table["mean_rank"].to_list() == [2, 1]
    with pytest.raises(ValueError, match=r"needs several data sets\. Got one: .* cannot stand in"):
        one.rank_test()
    single = DatasetComparison({name: comparison_of({"a": 0.5}) for name in "xy"})
    with pytest.raises(ValueError, match="needs several models"):
        single.rank_test()


# Texts


@pytest.mark.filterwarnings("ignore:rope=:UserWarning")
def test_texts_show_each_data_set_in_its_digits():
    scores = {"small": {"<a>": 0.8, "b": 0.7}, "large": {"<a>": -8e6, "b": -7e6}}
    comparison = DatasetComparison({name: comparison_of(means) for name, means in scores.items()})
    lines = repr(comparison).split("\n")
    assert len({len(line) for line in lines}) == 1
    assert lines[1].split() == ["<a>", "0.8000", "-8e+06", "1.50"]
    assert re.search(r"<th>&lt;a&gt;</th>\s*<td>0\.8000</td>", comparison._repr_html_())
    assert "| &lt;a> | 0.8000 |" in comparison.to_markdown()


# compare_datasets


def test_each_data_set_is_a_comparison_of_models():
    comparison = compare_datasets(PAIR, MODELS, random_state=0, rope=0.02, baseline="tree")
    for name, (X, y) in PAIR.items():
        expected = compare_models(MODELS, X, y, random_state=0, rope=0.02, baseline="tree")
        pd.testing.assert_series_equal(
            comparison.comparisons[name].fold_scores["score"], expected.fold_scores["score"]
        )
        assert comparison.comparisons[name].baseline == "tree"
    assert list(comparison.table.columns) == ["iris", "wine", "mean_rank"]


def test_models_may_depend_on_the_samples():
    def models(X):
        net = small(input_shape=(X.shape[1],), filters=(2,), max_epochs=1)
        return {"net": net, "Bayes": GaussianNB()}

    datasets = {name: (X[::5], y[::5]) for name, (X, y) in PAIR.items()}
    comparison = compare_datasets(datasets, models, random_state=np.random.RandomState(0))
    assert comparison.models == ["net", "Bayes"]
    sizes = [
        c.table.loc[("accuracy", "net"), "n_parameters"] for c in comparison.comparisons.values()
    ]
    assert sizes[0] < sizes[1]


def test_models_with_different_names_raise_before_any_fit():
    def models(X):
        return {f"Bayes {X.shape[1]}": GaussianNB(), "none": None}

    with pytest.raises(ValueError, match=r"the same names .* Got \['Bayes 4', 'none'\] for 'iris'"):
        compare_datasets(PAIR, models)


def test_a_failure_on_one_data_set():
    class Narrow(GaussianNB):
        def fit(self, X, y):
            if X.shape[1] > 10:
                raise RuntimeError("too wide")
            return super().fit(X, y)

    with pytest.warns(FitFailedWarning, match="narrow failed on 5 of 5"):
        comparison = compare_datasets(PAIR, {**MODELS, "narrow": Narrow()}, random_state=0)
    assert comparison.table["mean_rank"].isna().all()
    assert comparison.table.loc[("accuracy", "narrow"), "iris"] > 0.9
    assert repr(comparison).split("\n")[-1].split() == ["narrow", "0.9533", "-", "-"]


FOLDS = {
    f"fold {i}": tuple(a[train] for a in IRIS)
    for i, (train, _) in enumerate(StratifiedKFold(3).split(*IRIS))
}


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ({"a": IRIS, "b": IRIS}, "'a' and 'b' share .* samples"),
        (FOLDS, "'fold 0' and 'fold 1' share .* samples"),
        ({"a": IRIS, "b": tuple(a[::-1].copy() for a in IRIS)}, "'a' and 'b' share .* samples"),
        ({"a": IRIS, "w": WINE, "b": (pd.DataFrame(IRIS[0]), IRIS[1])}, "'a' and 'b' share"),
        ({"a": (WINE[0].round().astype(int), WINE[1]), "b": (WINE[0].round(), WINE[1])}, "share"),
        ({"a": (RandomNoise(1.0).fit_transform(IRIS[0]), IRIS[1]), "b": IRIS}, "share .* samples"),
        ({"a": IRIS, "b": (RandomNoise(1.0).fit_transform(IRIS[0]), IRIS[1])}, "share .* samples"),
        ({"a": (IRIS[0].reshape(-1, 2, 2), IRIS[1]), "b": (IRIS[0][:90].reshape(-1, 2, 2), IRIS[1][:90])}, "share"),
        ({"iris": IRIS}, r"two or more data sets, {name: \(X, y\)}\. Got 1\."),
        ([IRIS, WINE], r"Got <class 'list'>\."),
        ({"iris": (*IRIS, 0), "wine": WINE}, r"must have pairs \(X, y\)\. Got tuple for 'iris'"),
        ({"iris": IRIS[0], "wine": WINE}, "Got ndarray for 'iris'"),
    ],
    ids=["twice", "folds", "reversed", "DataFrame", "dtypes", "augmented", "augmented second", "images", "one", "list", "triple", "X"],
)  # fmt: skip
def test_wrong_data_sets(datasets, message):
    with pytest.raises(ValueError, match=message):
        compare_datasets(datasets, MODELS)


def test_parameters_of_one_data_set_raise():
    with pytest.raises(TypeError, match="takes no 'groups'"):
        compare_datasets(PAIR, MODELS, groups=IRIS[1])
    with pytest.raises(TypeError, match="scorng"):
        compare_datasets(PAIR, MODELS, scorng="accuracy")


@pytest.mark.filterwarnings("ignore::skcnn.exceptions.ComparisonWarning")
def test_a_few_common_samples_are_allowed():
    X, y = IRIS
    other = X + 0.01
    other[:10] = X[:10]  # such as empty images
    comparison = compare_datasets({"a": IRIS, "b": (other, y)}, MODELS, cv=2)
    assert comparison.datasets == ["a", "b"]
    texts = {name: (sparse.csr_array(X), y) for name, (X, y) in PAIR.items()}
    models = {"prior": DummyClassifier(), "tree": DecisionTreeClassifier()}
    assert compare_datasets(texts, models, cv=2).models == ["prior", "tree"]


def test_the_same_rows_with_other_targets_are_other_samples():
    X = np.array(np.meshgrid(*[range(3)] * 4)).reshape(4, -1).T
    datasets = {"sum": (X, X.sum(1) % 2), "first": (X, (X[:, 0] > 0) ^ (X[:, 1] > 0))}
    models = {"tree": DecisionTreeClassifier(), "Bayes": GaussianNB()}
    assert compare_datasets(datasets, models, random_state=0).datasets == ["sum", "first"]


def test_a_model_may_be_named_as_a_column():
    models = {"mean": GaussianNB(), "other": DecisionTreeClassifier(max_depth=1)}
    table = compare_datasets({"iris": IRIS, "wine": WINE}, models, random_state=0).table
    assert table["iris"].notna().all()
    assert table["mean_rank"]["accuracy"].notna().all()
