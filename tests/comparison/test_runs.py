"""Fits of compare_models: seeds, processes, failures, warnings, progress."""

import re
import traceback
import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from skcnn._utils.random_state import seeded_clone
from skcnn.augmentation import RandomRotation
from skcnn.comparison import compare_models
from skcnn.exceptions import ComparisonWarning
from skcnn.model_selection import ConvNetSearchCV
from tests.helpers.small_nets import small

# on so few samples models often agree
pytestmark = pytest.mark.filterwarnings("ignore:.*by the same number on all:UserWarning")

X, Y = load_iris(return_X_y=True)
FEW = pytest.mark.filterwarnings("ignore::skcnn.exceptions.ComparisonWarning")
FAILING = pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
FOLDS = list(StratifiedKFold(5).split(X, Y))


class Seeded(GaussianNB):
    """Remembers its seed as its variance."""

    def __init__(self, random_state=None, depth=0):
        super().__init__()
        self.random_state, self.depth = random_state, depth


def final_seed(model, X, y):
    """Return as the score the seed of a fitted model's final estimator."""
    model = getattr(model, "best_estimator_", model)
    return (model[-1] if isinstance(model, Pipeline) else model).random_state


class Faulty(GaussianNB):
    """Fails in the method `where` on the given splits of FOLDS."""

    def __init__(self, splits=(), where="fit", error=RuntimeError):
        super().__init__()
        self.splits, self.where, self.error = splits, where, error

    def fit(self, X, y, sample_weight=None):
        self.split_ = next(
            i for i, (rows, _) in enumerate(FOLDS) if np.array_equal(globals()["X"][rows], X)
        )
        self._fail("fit")
        return super().fit(X, y)

    def predict(self, X):
        self._fail("predict")
        return super().predict(X)

    def _fail(self, where):
        if where == self.where and self.split_ in self.splits:
            raise self.error(f"no {where} on {self.split_}")


class Warned(GaussianNB):
    """Warns with a different number in each fit."""

    def fit(self, X, y):
        warnings.warn(f"The gap is {X.sum():.3e} after 7 rounds.", ConvergenceWarning, stacklevel=2)
        return super().fit(X, y)


def column(comparison, model, name="score"):
    long = comparison.fold_scores
    return long.loc[long["model"] == model, name].to_list()


# Seeds


@pytest.mark.filterwarnings("ignore::skcnn.exceptions.FrozenAugmentationWarning")
def test_models_have_the_same_seed_on_a_split_and_different_ones_on_splits():
    models = {
        "plain": Seeded(),
        "pipeline": make_pipeline(StandardScaler(), Seeded()),
        "after a step with a seed": Pipeline(
            [("a", RandomRotation(5, input_shape=(2, 2))), ("z", Seeded())]
        ),
        "search": GridSearchCV(Seeded(), {"depth": [1]}, cv=2),
        "search of a pipeline": GridSearchCV(
            make_pipeline(DecisionTreeEncoder(), Seeded()), {"seeded__depth": [1]}, cv=2
        ),
        "own": Seeded(random_state=7),
    }
    comparison = compare_models(models, X, Y, scoring=final_seed, random_state=0, rope=1.0)
    seeds = {name: column(comparison, name) for name in models}
    assert len(set(seeds["plain"])) == 5
    assert seeds.pop("own") == [7] * 5
    assert all(values == seeds["plain"] for values in seeds.values())
    again = compare_models(
        {"a": Seeded(), "b": GaussianNB()}, X, Y, scoring=_seed_or_0, random_state=0
    )
    assert column(again, "a") == seeds["plain"]
    other = compare_models(
        {"a": Seeded(), "b": GaussianNB()}, X, Y, scoring=_seed_or_0, random_state=1
    )
    assert not set(column(other, "a")) & set(seeds["plain"])


class DecisionTreeEncoder(DecisionTreeClassifier):
    """A step with a random state before the last."""

    def transform(self, X):
        return self.predict_proba(X)


def _seed_or_0(model, X, y):
    return getattr(model, "random_state", 0)


@FEW
def test_a_network_starts_with_the_same_weights_with_steps_before_it(digits):
    idle = RandomRotation(0, input_shape=(8, 8))
    net = small(random_state=None)
    models = {"bare": net, "piped": Pipeline([("a", idle), ("z", net)])}
    comparison = compare_models(models, *digits, cv=2, random_state=0)
    assert column(comparison, "bare") == column(comparison, "piped")


def with_seed(model, seed):
    return seeded_clone(model, lambda n: [seed] * n)


def test_all_parts_of_a_model_have_the_seed_of_the_split():
    model = make_pipeline(DecisionTreeEncoder(), Seeded())
    seeded = with_seed(model, 5)
    assert seeded[0].random_state == seeded[-1].random_state == 5
    inside = with_seed(BaggingClassifier(Seeded(random_state=3)), 5)
    assert (inside.random_state, inside.estimator.random_state) == (5, 3)
    assert model[0].random_state is model[-1].random_state is None


def test_a_step_that_a_search_replaces_needs_no_seed():
    search = GridSearchCV(Pipeline([("model", "passthrough")]), {"model": [SVC()]}, cv=2)
    with_seed(search, 0)


@FEW
@pytest.mark.parametrize("random_state", [0, np.random.RandomState(0), None], ids=str)
def test_global_state_is_left_alone(digits, random_state):
    np.random.seed(0)
    torch.manual_seed(0)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    models = {"net": small(random_state=None, dropout=0.5), "tree": DecisionTreeClassifier()}
    compare_models(models, *digits, cv=2, random_state=random_state)
    assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


@FEW
def test_the_same_scores_in_any_number_of_processes(digits):
    models = {"net": small(random_state=None), "tree": DecisionTreeClassifier()}
    one, two = (
        compare_models(models, *digits, cv=2, random_state=3, n_jobs=n_jobs) for n_jobs in (None, 2)
    )
    assert_frame_equal(one.fold_scores.drop(columns=TIMES), two.fold_scores.drop(columns=TIMES))


TIMES = ["fit_seconds", "predict_seconds"]


def test_models_are_not_fitted_themselves():
    models = {"a": SVC(), "b": DecisionTreeClassifier()}
    compare_models(models, X, Y, random_state=0)
    assert not hasattr(models["a"], "support_")
    assert models["b"].random_state is None


@FEW
def test_a_search_for_networks_is_a_nested_cross_validation(digits):
    space = {"filters": [(2,), (3,)]}
    search = ConvNetSearchCV(small(random_state=None), space, n_trials=2, cv=2)
    comparison = compare_models({"search": search, "net": small()}, *digits, cv=2, random_state=0)
    assert comparison.table["n_failed"].sum() == 0
    assert comparison.table["n_parameters"].notna().all()
    again = compare_models({"search": search, "net": small()}, *digits, cv=2, random_state=0)
    assert column(again, "search") == column(comparison, "search")


# Costs


def test_seconds_and_parameters_are_of_each_split():
    comparison = compare_models({"svc": SVC(), "ridge": SVC(kernel="linear")}, X, Y)
    long = comparison.fold_scores
    assert (long[TIMES] > 0).all(axis=None)
    assert long.loc[long["model"] == "svc", "n_parameters"].isna().all()
    assert set(column(comparison, "ridge", "n_parameters")) == {3 * 4 + 3}


# Failures


@pytest.mark.parametrize(("where", "n_jobs"), [("fit", None), ("predict", None), ("fit", 2)])
def test_failed_splits_are_nan_with_their_reason(where, n_jobs):
    models = {"good": GaussianNB(), "bad": Faulty(splits=(1, 3), where=where)}
    with pytest.warns(FitFailedWarning, match=r"bad failed on 2 of 5 splits: .*") as caught:
        comparison = compare_models(models, X, Y, cv=FOLDS, n_jobs=n_jobs)
    assert len(caught) == 1
    assert "The first failure, on split 1:\nTraceback" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert np.isnan(column(comparison, "bad")).tolist() == [False, True, False, True, False]
    errors = column(comparison, "bad", "error")
    assert [error.strip().split("\n")[-1] for error in errors] == [
        "", f"RuntimeError: no {where} on 1", "", f"RuntimeError: no {where} on 3", "",
    ]  # fmt: skip
    row = comparison.table.loc[("accuracy", "bad")]
    assert row["n_failed"] == 2
    assert row[["mean", "difference", "p_value", "p_better"]].isna().all()
    assert comparison.table.loc[("accuracy", "good"), "mean"] > 0.9


@FAILING
def test_a_failed_baseline_leaves_the_means_of_others():
    models = {"bad": Faulty(splits=range(5)), "good": GaussianNB(), "svc": SVC()}
    with pytest.warns(ComparisonWarning, match="baseline 'bad' has no mean accuracy"):
        comparison = compare_models(models, X, Y, cv=FOLDS)
    assert comparison.table["difference"].isna().all()
    assert comparison.table["mean"].notna().sum() == 2
    against = comparison.against("good").table.loc["accuracy"]
    assert against["p_value"].notna().to_list() == [False, False, True]


def test_failures_of_all_models_raise():
    models = {"a": Faulty(splits=range(5)), "b": Faulty(splits=range(5))}
    with pytest.raises(
        ValueError, match=r"None of the 10 fits has a score.*of 'a' on split 0:\n(.|\n)*no fit"
    ):
        compare_models(models, X, Y, cv=FOLDS)


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_infinite_scores_and_nan_are_failures(lost):
    def scoring(model, X, y):
        return lost if isinstance(model, SVC) and y.sum() >= 0 else 1.0

    shown = "NaN" if np.isnan(lost) else str(lost)
    with pytest.warns(
        FitFailedWarning, match=rf"svc failed on 5 of (.|\n)*The score 'score' is {shown}\."
    ):
        comparison = compare_models({"Bayes": GaussianNB(), "svc": SVC()}, X, Y, scoring=scoring)
    assert np.isnan(column(comparison, "svc")).all()


def test_a_metric_that_fails_leaves_the_others():
    scoring = ["accuracy", "neg_log_loss", "f1_macro"]
    with pytest.warns(FitFailedWarning, match="no mean and no test of neg_log_loss"):
        comparison = compare_models({"Bayes": GaussianNB(), "svc": SVC()}, X, Y, scoring=scoring)
    alone = compare_models({"Bayes": GaussianNB(), "svc": SVC()}, X, Y)
    assert comparison.table.loc[("neg_log_loss", "svc"), "n_failed"] == 5
    assert comparison.table["n_failed"].sum() == 5
    assert comparison.table.loc["accuracy", "mean"].equals(alone.table.loc["accuracy", "mean"])
    errors = comparison.fold_scores.query("metric == 'neg_log_loss' and model == 'svc'")["error"]
    assert errors.str.contains("predict_proba").all()


@FEW
def test_a_metric_of_one_model_only_is_missing_for_others():
    def scoring(model, X, y):
        return {"a": 1.0} if isinstance(model, SVC) else {"a": y.mean(), "b": 2.0}

    with pytest.warns(FitFailedWarning, match="svc failed on 5 of 5 splits: .* test of b"):
        comparison = compare_models({"svc": SVC(), "Bayes": GaussianNB()}, X, Y, scoring=scoring)
    assert comparison.metrics == ["a", "b"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupts_are_not_failures(error):
    models = {"good": GaussianNB(), "bad": Faulty(splits=(1,), error=error)}
    with pytest.raises(error):
        compare_models(models, X, Y, cv=FOLDS)


def test_a_traceback_ends_with_the_users_line():
    with pytest.warns(FitFailedWarning):
        comparison = compare_models(
            {"good": GaussianNB(), "bad": Faulty(splits=(0,))}, X, Y, cv=FOLDS
        )
    error = column(comparison, "bad", "error")[0]
    assert traceback.format_exception_only(RuntimeError("no fit on 0"))[0] in error
    assert "raise self.error" in error


# Warnings


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_warnings_are_shown_once_per_model(n_jobs):
    models = {"slow": Warned(), "also": Warned(), "Bayes": GaussianNB()}
    with pytest.warns(ConvergenceWarning) as every:
        compare_models(models, X, Y, n_jobs=n_jobs)
    caught = [warning for warning in every if warning.category is ConvergenceWarning]
    assert len(caught) == 2
    message = r"slow: The gap is .* after 7 rounds. \(counted 5 times in 5 of 5 splits\)"
    assert re.fullmatch(message, str(caught[0].message))
    assert str(caught[1].message).startswith("also: ")
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_ignored_warnings_stay_ignored(n_jobs):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ComparisonWarning)
        warnings.filterwarnings("ignore", "The gap")
        compare_models({"slow": Warned(), "Bayes": GaussianNB()}, X, Y, n_jobs=n_jobs)
    assert caught == []


@FAILING
@FEW
def test_warnings_made_errors_are_failures():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        comparison = compare_models({"slow": Warned(), "Bayes": GaussianNB()}, X, Y)
    assert comparison.table.loc[("accuracy", "slow"), "n_failed"] == 5


def test_warnings_are_shown_if_all_fits_fail():
    class Both(Warned):
        def predict(self, X):
            raise RuntimeError("no")

    with (
        pytest.warns(ConvergenceWarning) as caught,
        pytest.raises(ValueError, match="None of the 10 fits has a score"),
    ):
        compare_models({"a": Both(), "b": Both()}, X, Y)
    assert [str(warning.message)[:10] for warning in caught] == ["a: The gap", "b: The gap"]


# Progress


@FAILING
def test_lines_of_progress(capsys):
    models = {"good": GaussianNB(), "bad": Faulty(splits=(1,))}
    scoring = ["accuracy", "f1_macro"]
    comparison = compare_models(models, X, Y, cv=FOLDS, scoring=scoring, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    first = comparison.fold_scores["score"]
    assert re.fullmatch(
        rf"compare_models 1/10  good split 0  accuracy {first[0]:.4f}  f1_macro {first[1]:.4f}  "
        r"0\.\d\d s",
        lines[0],
    )
    assert lines[3].startswith("compare_models 4/10  bad split 1  RuntimeError: no fit on 1  ")


def test_silence_and_a_bar(capsys):
    compare_models({"a": GaussianNB(), "b": SVC()}, X, Y)
    assert capsys.readouterr() == ("", "")
    compare_models({"a": GaussianNB(), "b": SVC()}, X, Y, verbose=1)
    shown = capsys.readouterr()
    assert "10/10" in shown.out + shown.err


@FEW
def test_steps_that_write_into_their_samples_are_compared_fairly():
    scores = {
        copy: compare_models(
            {
                "pipeline": make_pipeline(StandardScaler(copy=copy), LogisticRegression(C=0.01)),
                "search": GridSearchCV(
                    make_pipeline(StandardScaler(copy=copy), LogisticRegression(C=0.01)), {}, cv=2
                ),
            },
            X,
            Y,
            cv=2,
            scoring=["accuracy", "roc_auc_ovr"],
            random_state=0,
        ).fold_scores["score"]
        for copy in (True, False)
    }
    assert_array_equal(scores[True], scores[False])


@FEW
def test_splitters_and_values_of_grids_are_reproducible():
    def scores(random_state):
        grid = {"clf": [DecisionTreeClassifier(max_features=1), SVC(C=1e-9)]}
        models = {
            "search": GridSearchCV(
                Pipeline([("clf", SVC())]), grid, cv=StratifiedKFold(2, shuffle=True)
            ),
            "tree": DecisionTreeClassifier(max_features=1),
        }
        splitter = StratifiedKFold(2, shuffle=True)
        result = compare_models(models, X, Y, cv=splitter, random_state=random_state)
        assert splitter.random_state is None
        return result.fold_scores["score"]

    assert_array_equal(scores(0), scores(0))
    assert {*scores(1)} != {*scores(0)}
