"""Augmented: copies, arguments that follow them, leakage, scikit-learn's contract."""

import pickle
import tracemalloc
import warnings
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier, is_regressor
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator

from skcnn import ConvNetClassifier
from skcnn.augmentation import (
    Augmented,
    MixUp,
    RandomFlip,
    RandomNoise,
    RandomRotation,
    RandomTranslation,
)
from skcnn.exceptions import InputShapeError, LeakageWarning
from skcnn.preprocessing import KernelFilter


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:300], y[:300]


class Recorder(ClassifierMixin, BaseEstimator):
    """Keeps what fit was given."""

    def fit(self, X, y=None, sample_weight=None, groups=None, note=None, random_state=None):
        self.X_, self.y_ = X, y
        self.given_ = {"sample_weight": sample_weight, "groups": groups, "note": note}
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X))


# Numbers of checks that scikit-learn 1.9.1 runs
CONTRACT = [
    (LogisticRegression(), 62),
    (Ridge(), 60),
    (ConvNetClassifier(filters=(4,), hidden_units=(), max_epochs=3, learning_rate=0.03), 66),
]


@pytest.mark.parametrize(("estimator", "n_checks"), CONTRACT)
def test_check_estimator_passes(estimator, n_checks):
    model = Augmented(estimator, [RandomTranslation(0.2), RandomNoise(0.05)], n_copies=2)
    results = check_estimator(model, on_skip=None, on_fail=None)
    assert [r for r in results if r["status"] != "passed"] == []
    assert Counter(r["status"] for r in results) == {"passed": n_checks}


def test_originals_come_first_then_the_copies(digits):
    X, y = digits
    inner = Augmented(Recorder(), RandomFlip(p=1.0), n_copies=2, input_shape=(8, 8)).fit(X, y)
    seen = inner.estimator_
    mirrored = X.reshape(-1, 8, 8)[:, :, ::-1].reshape(-1, 64)
    assert_array_equal(seen.X_, np.concatenate([X, mirrored, mirrored]))
    assert_array_equal(seen.y_, np.tile(y, 3))


@pytest.mark.parametrize(
    ("n_copies", "keep", "n_parts"), [(0, True, 1), (1, False, 1), (3, True, 4), (3, False, 3)]
)
def test_number_of_samples(digits, n_copies, keep, n_parts):
    X, y = digits
    model = Augmented(
        Recorder(), [RandomNoise()], n_copies=n_copies, keep_original=keep, random_state=0
    )
    seen = model.fit(X, y).estimator_
    assert len(seen.X_) == len(seen.y_) == n_parts * len(X)
    assert len(np.unique(seen.X_, axis=0)) == n_parts * len(X)


def seen_of(model, X, y, **more):
    return model.fit(X, y, **more).estimator_


LETTERS = np.array(list("abcab"))


@pytest.mark.parametrize(
    ("n_copies", "keep", "expected"),
    [
        ({"a": 2, "c": 1}, True, [0, 1, 2, 3, 4, 0, 2, 3, 0, 3]),
        ({"a": 0}, True, [0, 1, 2, 3, 4]),
        ({}, True, [0, 1, 2, 3, 4]),
        ({"a": 1, "b": 1, "c": 3}, False, [0, 1, 2, 3, 4, 2, 2]),
        ({"a": 1, "b": 1, "c": 1, "d": 9}, True, [0, 1, 2, 3, 4] * 2),
    ],
    ids=str,
)
def test_copies_of_each_class(n_copies, keep, expected):
    X, names = np.arange(20.0).reshape(5, 4), {"n_copies": n_copies, "keep_original": keep}
    model = Augmented(Recorder(), [RandomNoise(1e-9)], random_state=0, **names)
    weight, groups = np.arange(1.0, 6), np.arange(5)
    seen = seen_of(model, X, LETTERS, sample_weight=weight, groups=groups)
    assert_allclose(seen.X_, X[expected], atol=1e-6)
    assert_array_equal(seen.y_, LETTERS[expected])
    assert_array_equal(seen.given_["sample_weight"], weight[expected])
    assert_array_equal(seen.given_["groups"], groups[expected])


def test_copies_of_a_class_are_those_of_all_classes(digits):
    X, y = digits
    model = Augmented(Recorder(), [RandomNoise()], n_copies=2, random_state=0)
    every = seen_of(model, X, y).X_
    eights = np.flatnonzero(y == 8)
    letters = np.array(list("abcdefghij"))[y]
    for labels, label in (
        (y, 8),
        (y.tolist(), np.int64(8)),
        (pd.Series(y, index=y + 7), 8),
        (letters, "i"),
        (pd.Series(letters, dtype="category"), "i"),
    ):
        some = seen_of(clone(model).set_params(n_copies={label: 2}), X, labels).X_
        expected = np.concatenate([X, every[300 + eights], every[600 + eights]])
        assert_array_equal(some, expected)


def test_equal_numbers_for_all_classes_are_one_number(digits):
    X, y = digits
    model = Augmented(SVC(), [RandomRotation(9)], n_copies=2, input_shape=(8, 8), random_state=0)
    each = clone(model).set_params(n_copies=dict.fromkeys(range(10), 2)).fit(X, y)
    assert_array_equal(each.decision_function(X), model.fit(X, y).decision_function(X))


@pytest.mark.parametrize(
    ("estimator", "y", "n_copies", "error", "match"),
    [
        (SVC(), LETTERS, {"a": 1.5}, ValueError, r"of at least 0\. Got 1\.5 for the class 'a'"),
        (SVC(), LETTERS, {"a": True}, ValueError, "Got True for the class 'a'"),
        (SVC(), LETTERS, {"a": -1}, ValueError, "Got -1 for the class 'a'"),
        (SVC(), LETTERS, 1.5, ValueError, "must be an int.* or an instance of 'dict'. Got 1.5"),
        (
            SVC(), LETTERS, {1: 2}, ValueError,
            r"numbers of copies for \[1\], which are not among the classes \['a' 'b' 'c'\]\. Give",
        ),
        (
            KNeighborsClassifier(1), np.eye(5, 2, dtype=int), {1: 2}, ValueError,
            r"needs one class label for each sample: y has several labels a sample\. Give an int",
        ),
        (Ridge(), np.arange(5), {1: 2}, ValueError, "the targets of a regressor are numbers"),
        (SVC(), np.arange(5) / 3, {1: 2}, ValueError, "one class label.*: Unknown label type"),
        (SVC(), LETTERS[:4], {"a": 2}, ValueError, "inconsistent numbers of samples"),
        (StandardScaler(), None, {1: 2}, ValueError, "one class label for each sample: y is None"),
    ],
    ids=str,
)  # fmt: skip
def test_bad_copies_of_classes_raise(estimator, y, n_copies, error, match):
    model = Augmented(estimator, [RandomNoise()], n_copies=n_copies)
    with pytest.raises(error, match=match):
        model.fit(np.arange(20.0).reshape(5, 4), y)


def test_without_originals_every_class_needs_a_copy():
    model = Augmented(SVC(), [RandomNoise()], n_copies={"a": 2}, keep_original=False)
    with pytest.raises(ValueError, match="at least 1 for every class where keep_original=False"):
        model.fit(np.arange(20.0).reshape(5, 4), LETTERS)


def test_a_label_that_may_be_misspelled_warns_as_class_weight_does():
    model = Augmented(Recorder(), [RandomNoise()], n_copies={"C": 2})
    match = r"copies for \['C'\], which .* \['a' 'b' 'c'\]\. The classes .*'c'\] get no copies"
    with pytest.warns(UserWarning, match=match):
        model.fit(np.arange(20.0).reshape(5, 4), LETTERS)


def test_copies_of_classes_in_pipelines_and_searches(digits):
    X, y = digits
    rare = np.r_[np.flatnonzero(y != 8), np.flatnonzero(y == 8)[:6]]
    X, y = X[rare], y[rare]
    model = Augmented(SVC(), [RandomNoise(0.05)], n_copies={8: 5}, random_state=0)
    model = make_pipeline(StandardScaler(), model)
    assert cross_val_score(model, X, y, cv=2, error_score="raise").min() > 0.8
    grid = {"augmented__n_copies": [0, 1, {8: 5}]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_params_["augmented__n_copies"] in grid["augmented__n_copies"]
    assert "{8: 5}" in repr(clone(model))


def test_a_fold_may_lack_a_class_with_copies(digits):
    X, y = digits
    one = np.r_[np.flatnonzero(y < 2), np.flatnonzero(y == 8)[:1]]
    numbers = {0: 1, 1: 1, 8: 5}
    model = Augmented(SVC(), [RandomNoise(0.05)], n_copies=numbers, random_state=0)
    splits = [(np.arange(len(one) - 1), np.arange(5)), (np.arange(len(one)), np.arange(5))]
    scores = cross_val_score(model, X[one], y[one], cv=splits, error_score="raise")
    assert_array_equal(scores, 1.0)


def test_weights_mean_repetition_with_copies_of_a_class(digits):
    X, y = digits
    counts = np.arange(300) % 3
    inner = LogisticRegression(C=0.01, tol=1e-10, max_iter=20_000)
    model = Augmented(inner, [RandomNoise(0.1)], n_copies={3: 4}, random_state=0)
    weighted = clone(model).fit(X / 16, y, sample_weight=counts)
    repeated = clone(model).fit(np.repeat(X / 16, counts, 0), np.repeat(y, counts))
    assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-5)


def test_only_copies_leak(digits):
    X, y = digits
    search = GridSearchCV(KNeighborsClassifier(1), {"n_neighbors": [1]}, cv=2)
    model = Augmented(search, [RandomNoise()], n_copies={8: 0})
    model.fit(X, y)
    with pytest.warns(LeakageWarning, match="GridSearchCV splits its samples"):
        model.set_params(n_copies={8: 1}).fit(X, y)


def test_fit_arguments_with_an_entry_a_sample_follow_the_copies(digits):
    X, y = digits
    groups, weight = np.arange(300) // 3, np.arange(300) + 1.0
    model = Augmented(Recorder(), [RandomNoise()], n_copies=2)
    seen = model.fit(X, y, sample_weight=weight, groups=groups.tolist(), note="as it is").estimator_
    assert_array_equal(seen.given_["sample_weight"], np.tile(weight, 3))
    assert_array_equal(seen.given_["groups"], np.tile(groups, 3))
    assert seen.given_["note"] == "as it is"


def test_groups_keep_copies_together_in_a_search_inside(digits):
    X, y = digits
    search = GridSearchCV(KNeighborsClassifier(1), {"n_neighbors": [1]}, cv=GroupKFold(3))
    model = Augmented(search, [RandomNoise(0.001)], n_copies=2)
    with pytest.warns(LeakageWarning, match=r"GridSearchCV splits its samples \(cv\)"):
        leaking = clone(model).set_params(estimator__cv=3).fit(X, y).estimator_.best_score_
    honest = model.fit(X, y, groups=np.arange(300)).estimator_.best_score_
    assert leaking >= honest
    assert honest < 1


def test_dtype_is_kept_and_X_is_not_touched(digits):
    X, y = digits
    for dtype in (np.uint8, np.float32, np.float64):
        before = X.astype(dtype)
        before.flags.writeable = False
        seen = Augmented(Recorder(), [RandomNoise()]).fit(before, y).estimator_
        assert seen.X_.dtype == dtype


def test_frames_stay_frames(digits):
    X, y = digits
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(64)])
    model = Augmented(
        LogisticRegression(max_iter=3000), [RandomRotation(5)], n_copies=1, input_shape=(8, 8)
    )
    model.fit(frame, pd.Series(y, index=np.arange(300) + 50))
    assert_array_equal(model.feature_names_in_, frame.columns)
    assert_array_equal(model.estimator_.feature_names_in_, frame.columns)
    assert model.predict(frame).shape == (300,)


def test_samples_may_come_augmented_already(digits):
    X, y = digits
    lazy = RandomRotation(90).fit_transform(X)
    model = Augmented(
        SVC(), [RandomTranslation(0.1)], n_copies=1, input_shape=(8, 8), random_state=0
    )
    both = clone(model).set_params(augmentation=[RandomRotation(90), RandomTranslation(0.1)])
    one, two = both.fit(X, y), clone(model).fit(lazy, y)
    assert_array_equal(one.decision_function(X), two.decision_function(lazy))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = make_pipeline(RandomRotation(90), model).fit(X, y)
    assert_array_equal(one.decision_function(X), model.decision_function(X))


def test_equal_samples_get_equal_copies_and_weights_mean_repetition(digits):
    X, y = digits
    counts = np.arange(300) % 3
    inner = LogisticRegression(C=0.01, tol=1e-10, max_iter=20_000)
    model = Augmented(
        inner,
        [RandomNoise(0.1), RandomRotation(10)],
        n_copies=2,
        input_shape=(8, 8),
        random_state=0,
    )
    weighted = clone(model).fit(X / 16, y, sample_weight=counts)
    repeated = clone(model).fit(np.repeat(X / 16, counts, 0), np.repeat(y, counts))
    assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-5)


def test_random_state_fixes_the_copies_and_an_unset_inner_one(digits):
    X, y = digits
    forest = RandomForestClassifier(5)
    model = Augmented(forest, [RandomNoise()], n_copies=1, random_state=0)
    one, two = (clone(model).fit(X, y) for _ in range(2))
    assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    other = clone(model).set_params(random_state=1).fit(X, y)
    assert (one.predict_proba(X) != other.predict_proba(X)).any()
    kept = clone(model).set_params(estimator__random_state=7).fit(X, y)
    assert kept.estimator_.random_state == 7
    assert forest.random_state is None


def test_strength_scales_and_zero_copies_unchanged(digits):
    X, y = digits
    model = Augmented(Recorder(), [RandomRotation(40)], n_copies=1, strength=0, input_shape=(8, 8))
    assert_array_equal(model.fit(X, y).estimator_.X_, np.tile(X, (2, 1)))
    half, less = (
        Augmented(
            Recorder(),
            [RandomRotation(d)],
            n_copies=1,
            strength=s,
            input_shape=(8, 8),
            random_state=0,
        )
        for d, s in ((40, 0.5), (20, 1))
    )
    assert_array_equal(half.fit(X, y).estimator_.X_, less.fit(X, y).estimator_.X_)


def test_it_is_what_it_wraps(digits):
    X, y = digits
    assert is_classifier(Augmented(SVC(), []))
    assert is_regressor(Augmented(Ridge(), []))
    assert not hasattr(Augmented(SVC(), []), "predict_proba")
    assert hasattr(Augmented(LogisticRegression(), []), "predict_log_proba")
    model = Augmented(LogisticRegression(max_iter=3000), [RandomNoise()], n_copies=1).fit(X, y)
    assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))
    assert_array_equal(model.classes_, np.arange(10))
    assert model.score(X, y, sample_weight=np.ones(300)) > 0.9
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X), model.predict(X))


def test_it_improves_a_support_vector_machine(digits):
    X, y = load_digits(return_X_y=True)
    warp = [RandomRotation(8), RandomTranslation(0.05)]
    plain = SVC().fit(X[:300], y[:300]).score(X[300:], y[300:])
    model = Augmented(SVC(), warp, input_shape=(8, 8), random_state=0).fit(X[:300], y[:300])
    assert model.score(X[300:], y[300:]) > plain + 0.01


def test_it_works_in_pipelines_and_searches(digits):
    X, y = digits
    model = make_pipeline(
        StandardScaler(), Augmented(SVC(), [RandomNoise(0.05)], n_copies=1, random_state=0)
    )
    one, two = (cross_val_score(model, X, y, cv=2, n_jobs=n) for n in (1, 2))
    assert_array_equal(one, two)
    grid = {"augmented__estimator__C": [0.1, 1], "augmented__strength": [0, 1]}
    assert GridSearchCV(model, grid, cv=2).fit(X, y).best_score_ > 0.8


def test_targets_of_any_kind_follow(digits):
    X, _ = digits
    for y in (X[:, 20:23], pd.DataFrame(X[:, 20:22]), (X[:, 20]).tolist()):
        model = Augmented(LinearRegression(), [RandomNoise(1e-6)], n_copies=1, random_state=0)
        model.fit(X, y)
        assert_allclose(model.predict(X), np.asarray(y), atol=1e-2)


def test_metadata_routing_reaches_the_estimator(digits):
    X, y = digits
    with sklearn.config_context(enable_metadata_routing=True):
        inner = Recorder().set_fit_request(sample_weight=True, groups=True)
        model = Augmented(inner, [RandomNoise()], n_copies=1)
        seen = model.fit(X, y, sample_weight=np.arange(300.0), groups=np.arange(300)).estimator_
        assert len(seen.given_["sample_weight"]) == len(seen.given_["groups"]) == 600
        with pytest.raises(TypeError, match="unexpected argument"):
            model.fit(X, y, nonsense=1)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"n_copies": -1}, ValueError, "'n_copies' parameter of Augmented must be an int"),
        (
            {"n_copies": 0, "keep_original": False},
            ValueError,
            "'n_copies' .* at least 1 where keep_original=False",
        ),
        ({"strength": -0.5}, ValueError, "'strength' parameter of Augmented"),
        (
            {"augmentation": "flip"},
            ValueError,
            "'augmentation' parameter of Augmented must be a list",
        ),
        (
            {"augmentation": [MixUp()]},
            ValueError,
            "must not contain MixUp: shares of targets need a ConvNet",
        ),
        ({"estimator": 3}, ValueError, "'estimator' parameter of Augmented"),
        (
            {"augmentation": [RandomRotation(5)], "input_shape": None},
            ValueError,
            "RandomRotation needs images",
        ),
        ({"input_shape": (7, 8)}, ValueError, r"do not fit input_shape=\(7, 8\)"),
    ],
)
def test_bad_parameters_raise(digits, params, error, message):
    model = Augmented(SVC(), [RandomFlip()], input_shape=(8, 8)).set_params(**params)
    with pytest.raises(error, match=message):
        model.fit(*digits)


def test_bad_arguments_raise(digits):
    X, y = digits
    model = Augmented(KNeighborsClassifier(), [RandomFlip()])
    with pytest.raises(
        TypeError, match=r"sample_weight was given, but KNeighborsClassifier.fit does not accept it"
    ):
        model.fit(X, y, sample_weight=np.ones(300))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(X, y[:-1])
    with pytest.raises(ValueError, match="requires y to be passed"):
        model.fit(X)
    with pytest.raises(NotFittedError):
        Augmented(SVC(), []).predict(X)
    with pytest.raises(ValueError, match="63"):
        model.fit(X, y).predict(X[:, :63])


def test_a_net_that_stops_early_inside_leaks_with_a_warning(digits):
    X, y = digits
    net = ConvNetClassifier(filters=2, hidden_units=(), max_epochs=2, early_stopping=True)
    model = Augmented(make_pipeline(StandardScaler(), net), [RandomNoise()], n_copies=1)
    with pytest.warns(LeakageWarning, match="convnetclassifier__early_stopping"):
        model.fit(X, y)
    model.set_params(n_copies=1, keep_original=False).fit(X, y)  # one of each: nothing leaks


@pytest.mark.parametrize("keep_original", [True, False])
def test_bytes_are_copied_as_bytes(keep_original):
    X = np.random.default_rng(0).integers(0, 256, (4_000, 400), np.uint8)
    y, n_arrays = np.arange(4_000) % 2, 2 + keep_original
    model = Augmented(
        Recorder(), [RandomFlip()], n_copies=2, keep_original=keep_original, input_shape=(20, 20)
    )
    model.fit(X[:10], y[:10])
    tracemalloc.start()
    try:
        model.fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert model.estimator_.X_.dtype == np.uint8
    assert model.estimator_.X_.shape == (4_000 * n_arrays, 400)
    assert np.array_equal(model.estimator_.X_[:4_000], X) == keep_original
    in_parts = 8 * 1_024 * 400 * 8  # some copies of a part in float64
    assert peak < n_arrays * X.nbytes + in_parts


def test_no_copies_give_the_estimator_an_array_of_its_own(digits):
    X, y = digits
    model = Augmented(Recorder(), [RandomFlip()], n_copies=0, input_shape=(8, 8)).fit(X, y)
    assert_array_equal(model.estimator_.X_, X)
    assert not np.shares_memory(model.estimator_.X_, X)


SIGNALS = {"n_spatial_dims": 1}


def net(**params):
    return ConvNetClassifier(filters=(2,), hidden_units=(), max_epochs=1, **params)


@pytest.mark.parametrize(
    ("estimator", "sample", "params", "read"),
    [
        (net(**SIGNALS), (8, 2), {}, r"\(8, 2, 1\) .*ConvNetClassifier in it reads \(8, 2\)"),
        (net(), (8, 2), SIGNALS, r"\(8, 2\) .* reads \(8, 2, 1\)"),
        (net(input_shape=(4, 4)), (16,), {}, r"\(16, 1\) .* reads \(4, 4, 1\)"),
        (net(), (16,), {"input_shape": (4, 4)}, r"\(4, 4, 1\) .* reads \(16, 1\)"),
        (net(channels="first"), (6, 5, 6), {}, r"channels last.*\(channels first"),
        (make_pipeline(RandomFlip(), net(**SIGNALS)), (8, 2), {}, r"reads \(8, 2\)"),
        (make_pipeline("passthrough", net(**SIGNALS)), (8, 2), {}, r"reads \(8, 2\)"),
        (GridSearchCV(net(**SIGNALS), {"dropout": [0.1]}), (8, 2), {}, r"reads \(8, 2\)"),
        (make_pipeline(KernelFilter(**SIGNALS), SVC()), (8, 2), {}, "KernelFilter in it reads"),
    ],
)
def test_an_estimator_must_read_the_axes_as_they_are_augmented(estimator, sample, params, read):
    X = np.random.default_rng(0).normal(size=(6, *sample))
    with pytest.raises(InputShapeError, match=f"(?s)Augmented reads samples of shape .*{read}"):
        Augmented(estimator, RandomTranslation(0.2), **params).fit(X, [0, 1] * 3)


@pytest.mark.parametrize(
    ("estimator", "sample", "params"),
    [
        (net(**SIGNALS), (8, 2), SIGNALS),
        (net(input_shape=(4, 4, 1)), (16,), {"input_shape": (4, 4)}),
        (make_pipeline(StandardScaler(), net(input_shape=(4, 4))), (16,), {"input_shape": (4, 4)}),
        (make_pipeline(RandomFlip(), net()), (16,), {}),
    ],
)
def test_an_estimator_with_the_same_axes_is_fitted(estimator, sample, params):
    X = np.random.default_rng(0).normal(size=(6, *sample))
    model = Augmented(estimator, RandomTranslation(0.2), n_copies=1, **params).fit(X, [0, 1] * 3)
    assert model.predict(X).shape == (6,)


def test_an_estimator_names_its_own_errors():
    with pytest.raises(InputShapeError, match=r"do not fit input_shape=.* of ConvNetClassifier"):
        Augmented(net(input_shape=(3, 3)), RandomFlip()).fit(np.zeros((4, 8, 2)), [0, 1] * 2)
