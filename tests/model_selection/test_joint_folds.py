"""Folds trained together by comparisons and searches: the results are those of one by one."""

import threading
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skcnn._training import joint_training
from skcnn.augmentation import RandomTranslation
from skcnn.comparison import _runs as comparison_runs
from skcnn.comparison import compare_models
from skcnn.model_selection import ConvNetSearchCV
from skcnn.model_selection import _parallel as parallel
from tests.helpers.small_nets import small

CLOSE = {"rtol": 1e-3, "atol": 1e-4}
TIMES = ["fit_seconds", "predict_seconds"]
QUIET = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:91], y[:91] % 3


@pytest.fixture
def together(monkeypatch):
    """Switch joint training on; gives the number of fits in each of its passes."""
    sizes = []
    own = joint_training.train_pass

    def train_pass(requests):
        sizes.append(len(requests))
        return own(requests)

    monkeypatch.setattr(parallel, "joint_training_pays", lambda device: True)
    monkeypatch.setattr(joint_training, "train_pass", train_pass)
    return sizes


def one_by_one(function, *args, **params):
    """Return what `function` returns if joint training does not pay."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "joint_training_pays", lambda device: False)
        return function(*args, **params)


# Comparisons


def compared(models, digits, **params):
    settings = {"cv": 3, "random_state": 0, "scoring": ["accuracy", "neg_log_loss"], **params}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compare_models(models, *digits, **settings).fold_scores


def assert_same_table(ours, theirs):
    assert_frame_equal(
        ours.drop(columns=[*TIMES, "error"]),
        theirs.drop(columns=[*TIMES, "error"]),
        **CLOSE,
    )


def test_comparison_is_as_one_by_one(digits, together):
    models = {
        "net": small(random_state=None),
        "tree": DecisionTreeClassifier(),
        "piped": make_pipeline(StandardScaler(), small(random_state=None)),
        "slower": small(random_state=None, learning_rate=1e-4),
        "wider": small(random_state=None, filters=(6,), early_stopping=True, n_iter_no_change=1),
    }
    ours = compared(models, digits)
    assert max(together) == 9  # three models of one architecture
    assert_same_table(ours, one_by_one(compared, models, digits))
    assert (ours[TIMES] > 0).all(axis=None)


def test_comparison_with_weights_and_augmentation(digits, together):
    shift = RandomTranslation(0.1, random_state=0)
    models = {
        "own": small(augmentation=[shift]),
        "steps": make_pipeline(RandomTranslation(0.1, input_shape=(8, 8), random_state=0), small()),
    }
    weights = np.arange(len(digits[0])) % 4
    ours = compared(models, digits, sample_weight=weights, scoring=None)
    assert max(together) > 1
    params = {"sample_weight": weights, "scoring": None}
    assert_same_table(ours, one_by_one(compared, models, digits, **params))


@pytest.mark.parametrize("most", [2, 3])
def test_few_fits_run_at_a_time(digits, together, monkeypatch, most):
    monkeypatch.setattr(comparison_runs, "MOST_TOGETHER", most)
    models = {"net": small(), "tree": DecisionTreeClassifier(random_state=0)}
    ours = compared(models, digits)
    assert max(together) == most
    assert_same_table(ours, one_by_one(compared, models, digits))


class Unlucky(LogisticRegression):
    """A step that fails on the split whose training samples have this sum."""

    def __init__(self, total=0.0):
        super().__init__()
        self.total = total

    def fit(self, X, y):
        if X.sum() == self.total:
            raise RuntimeError("no fit here")
        warnings.warn(f"The sum is {X.sum()}.", UserWarning, stacklevel=2)
        return self

    def transform(self, X):
        return X


def test_failures_and_warnings_are_of_each_split(digits, together):
    X, y = digits
    splits = [(np.flatnonzero(np.arange(91) % 4 != i), np.arange(i, 91, 4)) for i in range(4)]
    unlucky = Unlucky(X[splits[2][0]].sum())
    models = {"net": small(), "piped": make_pipeline(unlucky, small())}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ours = compare_models(models, X, y, cv=splits, random_state=0).fold_scores
    messages = [str(warning.message) for warning in caught]
    (sums,) = [text for text in messages if "The sum is" in text]
    assert sums.startswith("piped: ")
    assert sums.endswith("(counted 3 times in 3 of 4 splits)")
    errors = ours.set_index(["model", "split"])["error"]
    assert errors["piped", 2].strip().endswith("RuntimeError: no fit here")
    assert (errors.drop(("piped", 2)) == "").all()
    assert ours["score"].isna().sum() == 1
    assert max(together) > 1


@QUIET
def test_diverging_fits_have_their_error(digits, together):
    models = {"net": small(), "wild": small(learning_rate=1e30)}
    ours = compared(models, digits)
    wild = ours["model"] == "wild"
    assert ours.loc[wild, "error"].str.contains("TrainingDivergedError").all()
    assert ours.loc[~wild, "score"].notna().all()
    net = one_by_one(compared, {"net": small(), "tree": DecisionTreeClassifier()}, digits)
    assert_allclose(ours.loc[~wild, "score"], net.loc[net["model"] == "net", "score"], rtol=1e-3)


class Interrupting(StandardScaler):
    def fit(self, X, y=None):
        raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["fit", "pass"])
def test_interrupt_ends_all(digits, together, monkeypatch, where):
    models = {"net": small(), "other": small(learning_rate=0.1)}
    if where == "fit":
        models["other"] = make_pipeline(Interrupting(), small())
    else:

        def interrupted(requests):
            raise KeyboardInterrupt

        monkeypatch.setattr(joint_training, "train_pass", interrupted)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        compared(models, digits)
    assert threading.active_count() == before


# Searches


def searched(digits, estimator=None, space=None, **params):
    settings = {"n_trials": 3, "cv": 3, "random_state": 0, "refit": False, "pruner": None}
    space = space or {"learning_rate": [0.003, 0.01, 0.03]}
    settings |= {"scoring": "neg_log_loss", "return_train_score": True}
    search = ConvNetSearchCV(estimator or small(), space, **{**settings, **params})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return search.fit(*digits)


def assert_same_results(ours, theirs):
    ours, theirs = ours.cv_results_, theirs.cv_results_
    assert ours["params"] == theirs["params"]
    for name in ("state", "n_epochs", "n_parameters"):
        assert list(ours[name]) == list(theirs[name]), name
    for name in ours:
        if name.endswith("_score") and not name.startswith("rank"):
            assert_allclose(ours[name].astype(float), theirs[name].astype(float), **CLOSE)
    assert (ours["mean_fit_time"] > 0)[ours["state"] == "COMPLETE"].all()


@pytest.mark.parametrize(("pruner", "inside"), [(None, False), (None, True), ("asha", True)])
def test_search_is_as_one_by_one(digits, together, pruner, inside):
    net = small()
    model = make_pipeline(StandardScaler(), net) if inside else net
    name = "convnetclassifier__learning_rate" if inside else "learning_rate"
    search = {"estimator": model, "space": {name: [0.003, 0.01, 0.03]}, "pruner": pruner}
    ours = searched(digits, **search)
    assert set(together) == {3}
    assert_same_results(ours, one_by_one(searched, digits, **search))


@pytest.mark.parametrize("pruner", ["auto", "median"])
def test_folds_are_trained_in_turn_with_pruners_that_compare_folds(digits, together, pruner):
    searched(digits, pruner=pruner)
    assert together == []


def test_early_stopping_leaves_folds_behind(digits, together):
    net = small(max_epochs=6, early_stopping=True, n_iter_no_change=1)
    ours = searched(digits, net)
    assert len(set(together)) > 1
    assert_same_results(ours, one_by_one(searched, digits, net))


def test_failing_trial_has_its_reason(digits, together):
    space = {"learning_rate": [0.01, 1e30]}
    ours = searched(digits, space=space, n_trials=2)
    failed = ours.cv_results_["state"] == "FAIL"
    assert failed.sum() == 1
    (number,) = np.flatnonzero(failed)
    reason = ours.trials_dataframe()["reason"].iloc[number]
    assert "TrainingDivergedError" in reason


def test_error_score_counts_for_folds_that_fail(digits, together):
    ours = searched(digits, space={"learning_rate": [0.01, 1e30]}, n_trials=2, error_score=-9.0)
    assert -9.0 in ours.cv_results_["mean_test_score"]
    assert set(together) == {3}


def test_many_folds_are_taken_in_turn(digits, together):
    searched(digits, cv=11, n_trials=1)
    assert together == []
