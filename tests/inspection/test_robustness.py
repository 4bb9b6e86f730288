"""Scores for changed samples: exact changes, the estimator's own scorer, every kind of X."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss, make_scorer, mean_absolute_error
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.augmentation import RandomTranslation
from skcnn.exceptions import InputShapeError
from skcnn.inspection._robustness import robustness_scores

X, y = load_digits(return_X_y=True)
SMALL = {"filters": 4, "hidden_units": (), "max_epochs": 2, "random_state": 0}


class Witness(ClassifierMixin, BaseEstimator):
    """A fitted classifier that keeps the samples it is given and predicts class 0."""

    def __init__(self):
        self.classes_ = np.array([0, 1])
        self.seen = []

    def fit(self, X, y):
        return self

    def predict(self, X):
        self.seen.append(X)
        return np.zeros(len(X), int)


def seen_by_witness(samples, **params):
    """Return the scores, and the changed samples that the classifier is given."""
    witness = Witness()
    found = robustness_scores(witness, samples, np.zeros(len(samples), int), **params)
    assert witness.seen[0] is samples
    return found, witness.seen[1:]


def shifted(image, down, right, fill=0.0):
    """Return a shifted image, pixel by pixel."""
    moved = np.full_like(image, fill)
    for row, column in np.ndindex(image.shape[:2]):
        if 0 <= row - down < image.shape[0] and 0 <= column - right < image.shape[1]:
            moved[row, column] = image[row - down, column - right]
    return moved


IMAGES = {
    "doubles": np.random.default_rng(0).normal(size=(3, 5, 7)),
    "floats": np.random.default_rng(0).normal(size=(3, 5, 7)).astype(np.float32),
    "bytes": np.random.default_rng(0).integers(0, 256, (3, 5, 7), dtype=np.uint8),
    "colours": np.random.default_rng(0).normal(size=(3, 5, 7, 3)),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_shifts_are_exact(kind):
    images = IMAGES[kind]
    found, seen = seen_by_witness(images, values=[2, 0, -1])
    assert_array_equal(found.values, [-1, 0, 2])
    assert found.scores.shape == (3, 3)
    changes = [(d, r) for d in (-1, 0, 2) for r in (-1, 0, 2) if (d, r) != (0, 0)]
    for (down, right), given in zip(changes, seen, strict=True):
        assert given.dtype == images.dtype
        assert_array_equal(given, [shifted(image, down, right) for image in images])


def test_a_fill_value_enters_at_the_border():
    _, seen = seen_by_witness(
        IMAGES["doubles"], values=[1], padding_mode="constant", fill_value=3.5
    )
    assert_array_equal(seen[0], [shifted(i, 1, 1, fill=3.5) for i in IMAGES["doubles"]])
    _, seen = seen_by_witness(IMAGES["doubles"], values=[1], padding_mode="edge")
    assert_array_equal(seen[0], np.pad(IMAGES["doubles"], [(0, 0), (1, 0), (1, 0)], "edge")[:, :-1, :-1])  # fmt: skip


def test_channels_first_and_volumes():
    images = np.moveaxis(IMAGES["colours"], -1, 1)
    _, seen = seen_by_witness(images, values=[1], channels="first")
    assert_array_equal(np.moveaxis(seen[0], 1, -1), [shifted(i, 1, 1) for i in IMAGES["colours"]])
    volumes = np.random.default_rng(0).normal(size=(2, 4, 5, 7, 1))
    _, seen = seen_by_witness(volumes, values=[2])
    slices = volumes.reshape(-1, 5, 7)
    assert_array_equal(seen[0].reshape(-1, 5, 7), [shifted(s, 2, 2) for s in slices])
    _, seen = seen_by_witness(volumes[:, :, :5, :5], kind="rotation", values=[90])
    assert_allclose(seen[0], np.rot90(volumes[:, :, :5, :5], axes=(2, 3)), atol=1e-9)


def test_signals_are_shifted_in_time():
    signals = np.arange(1.0, 13).reshape(2, 6)
    found, seen = seen_by_witness(signals, values=[-1, 2], input_shape=(6,))
    assert found.scores.shape == (2,)
    assert_array_equal(seen[0][0], [2, 3, 4, 5, 6, 0])
    assert_array_equal(seen[1][1], [0, 0, 7, 8, 9, 10])


def test_rotations_are_counter_clockwise():
    images = np.random.default_rng(0).normal(size=(3, 6, 6))
    found, seen = seen_by_witness(images, kind="rotation", values=[0, 90, 180])
    assert_array_equal(found.values, [0, 90, 180])
    assert_allclose(seen[0], np.rot90(images, axes=(1, 2)), atol=1e-9)
    assert_allclose(seen[1], np.rot90(images, 2, axes=(1, 2)), atol=1e-9)


def test_zoom_enlarges_about_the_centre():
    images = np.zeros((1, 5, 5))
    images[0, 2, 2] = 4
    _, seen = seen_by_witness(images, kind="zoom", values=[2.0])
    expected = np.zeros((5, 5))
    expected[1:4, 1:4] = np.outer([1, 2, 1], [1, 2, 1])
    assert_allclose(seen[0][0], expected)


@pytest.mark.parametrize("kind", ["translation", "rotation", "zoom"])
def test_values_that_change_nothing_leave_samples_unchanged(kind):
    images = np.random.default_rng(0).normal(size=(3, 6, 6)) * 1e-7
    images[0, 0, 0] = -0.0
    found, seen = seen_by_witness(images, kind=kind, values=[1 if kind == "zoom" else 0])
    assert seen == []  # scored once, as it was given
    assert_array_equal(found.scores.ravel(), [found.baseline])


@pytest.mark.parametrize(
    ("kind", "side", "values"),
    [
        ("translation", 8, [-2, -1, 0, 1, 2]),
        ("translation", 28, [-6, -4, -2, 0, 2, 4, 6]),
        ("translation", 3, [-1, 0, 1]),
        ("rotation", 8, [-60, -50, -40, -30, -20, -10, 0, 10, 20, 30, 40, 50, 60]),
        ("zoom", 8, [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.5]),
    ],
)
def test_default_values(kind, side, values):
    found, _ = seen_by_witness(np.zeros((1, side, side)), kind=kind)
    assert_allclose(found.values, values)


def test_default_shifts_of_signals():
    found, _ = seen_by_witness(np.zeros((1, 100)), input_shape=(100,))
    assert_array_equal(found.values, np.arange(-24, 25, 4))


@pytest.fixture(scope="module")
def linear():
    return LogisticRegression(C=0.01, max_iter=1000).fit(X[:300], y[:300])


def by_hand(model, value, score=accuracy_score):
    moved = np.array([shifted(image, 0, value) for image in X[300:400].reshape(-1, 8, 8)])
    return score(y[300:400], model.predict(moved.reshape(-1, 64)))


def test_scores_are_the_estimators_own(linear):
    found = robustness_scores(linear, X[300:400], y[300:400], input_shape=(8, 8), values=[-1, 0, 1])
    assert found.baseline == linear.score(X[300:400], y[300:400]) == found.scores[1, 1]
    assert_array_equal(found.scores[1], [by_hand(linear, value) for value in (-1, 0, 1)])
    assert found.score_name == "accuracy"


@pytest.mark.parametrize(
    ("scoring", "name", "score"),
    [
        ("neg_mean_absolute_error", "neg mean absolute error", lambda *a: -mean_absolute_error(*a)),
        (make_scorer(accuracy_score), "score", accuracy_score),
        (lambda model, X, y: 7.0, "score", lambda *a: 7.0),
    ],
    ids=["name", "scorer", "function"],
)
def test_other_metrics(linear, scoring, name, score):
    found = robustness_scores(
        linear, X[300:400], y[300:400], input_shape=(8, 8), values=[0, 1], scoring=scoring
    )
    assert found.scores[0, 1] == pytest.approx(by_hand(linear, 1, score))
    assert found.score_name == name


def test_metrics_of_probabilities(linear):
    found = robustness_scores(
        linear, X[300:400], y[300:400], input_shape=(8, 8), values=[0], scoring="neg_log_loss"
    )
    assert found.baseline == pytest.approx(-log_loss(y[300:400], linear.predict_proba(X[300:400])))


def test_sample_weights_enter_the_score(linear):
    weight = np.random.default_rng(0).random(100)
    found = robustness_scores(
        linear, X[300:400], y[300:400], input_shape=(8, 8), values=[1], sample_weight=weight
    )
    moved = np.array([shifted(image, 1, 1) for image in X[300:400].reshape(-1, 8, 8)])
    expected = linear.score(moved.reshape(-1, 64), y[300:400], weight)
    assert found.scores[0, 0] == expected
    assert found.baseline == linear.score(X[300:400], y[300:400], weight)


def test_frames_keep_their_names():
    frame = pd.DataFrame(X, columns=[f"p{i}" for i in range(64)], index=np.arange(len(X)) + 5)
    _, seen = seen_by_witness(frame, values=[1], input_shape=(8, 8))
    assert_array_equal(seen[0].columns, frame.columns)
    assert_array_equal(seen[0].index, frame.index)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame[:300], y[:300])
    robustness_scores(model, frame[300:350], y[300:350], input_shape=(8, 8), values=[1])


def test_regressors_have_r2():
    model = Ridge().fit(X[:300], X[:300, 20])
    found = robustness_scores(model, X, X[:, 20], input_shape=(8, 8), kind="zoom", values=[1])
    assert found.baseline == model.score(X, X[:, 20])
    assert found.score_name == "R²"


def halves(images):
    return images[..., 4:]


CONVNETS = {
    "flat": (lambda: ConvNetClassifier(input_shape=(8, 8), **SMALL), X),
    "images": (lambda: ConvNetClassifier(**SMALL), X.reshape(-1, 8, 8)),
    "bytes": (lambda: ConvNetClassifier(**SMALL), X.reshape(-1, 8, 8).astype(np.uint8)),
    "channels first": (
        lambda: ConvNetClassifier(channels="first", **SMALL),
        X.reshape(-1, 1, 8, 8).repeat(2, 1),
    ),
    "volumes": (lambda: ConvNetClassifier(**SMALL), X.reshape(-1, 4, 4, 4, 1)),
    "pipeline": (
        lambda: make_pipeline(StandardScaler(), ConvNetClassifier(input_shape=(8, 8), **SMALL)),
        X,
    ),
    "pipeline that crops": (
        lambda: make_pipeline(FunctionTransformer(halves), ConvNetClassifier(**SMALL)),
        X.reshape(-1, 8, 8),
    ),
    "search": (
        lambda: GridSearchCV(
            ConvNetClassifier(input_shape=(8, 8), **SMALL), {"dropout": [0.1]}, cv=2
        ),
        X,
    ),
}


@pytest.mark.parametrize("case", CONVNETS)
@pytest.mark.parametrize("kind", ["translation", "rotation", "zoom"])
def test_convnets_need_no_input_shape(case, kind):
    make, samples = CONVNETS[case]
    model = make().fit(samples[:100], y[:100])
    values = [0, 1] if kind != "zoom" else [1, 1.2]
    found = robustness_scores(model, samples[100:150], y[100:150], kind=kind, values=values)
    assert found.baseline == model.score(samples[100:150], y[100:150])
    assert found.scores.shape == ((2, 2) if kind == "translation" else (2,))


def test_signals_of_a_convnet():
    net = ConvNetClassifier(**SMALL).fit(X[:100], y[:100])
    found = robustness_scores(net, X[100:150], y[100:150], values=[0, 3])
    moved = np.column_stack([np.zeros((50, 3)), X[100:150, :-3]])
    assert_allclose(found.scores, [net.score(X[100:150], y[100:150]), net.score(moved, y[100:150])])
    two = X.reshape(-1, 32, 2)
    net = ConvNetRegressor(n_spatial_dims=1, **SMALL).fit(two[:100], y[:100])
    found = robustness_scores(net, two[100:150], y[100:150], kind="zoom", values=[1, 2])
    assert found.score_name == "R²"


def test_a_network_trained_with_shifts_is_flatter():
    order = np.random.default_rng(0).permutation(len(X))
    train, test = order[:600], order[600:900]
    means = []
    for augmentation in (None, [RandomTranslation(0.25)]):
        net = ConvNetClassifier(
            input_shape=(8, 8), filters=(8, 16), hidden_units=32, max_epochs=12, random_state=0,
            augmentation=augmentation,
        )  # fmt: skip
        net.fit(X[train], y[train])
        means.append(robustness_scores(net, X[test], y[test]).scores.mean())
    plain, augmented = means
    assert augmented > plain + 0.15


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kind": "rotate"}, "'kind' parameter must be one of.*Did you mean 'rotation'"),
        ({"values": [0.5]}, "'values' parameter .*whole numbers of pixels. Got .0.5. instead"),
        ({"values": []}, "'values' parameter must be a sequence"),
        ({"values": 3}, "'values' parameter must be a sequence"),
        ({"values": ["a"]}, "'values' parameter must be a sequence"),
        ({"values": [np.nan], "kind": "zoom"}, "for kind='zoom' between 0.05 and 20.0"),
        ({"values": [0.0], "kind": "zoom"}, "for kind='zoom' between 0.05 and 20.0"),
        ({"values": [400], "kind": "rotation"}, "between -360.0 and 360.0"),
        ({"input_shape": None}, r"flat rows of 64 values. Pass input_shape=\(height, width\)"),
        ({"input_shape": (9, 9)}, r"input_shape=\(9, 9\) \(81 values\) of RobustnessDisplay"),
        ({"input_shape": (64,), "kind": "rotation"}, "kind='rotation' needs images"),
        (
            {"padding_mode": "mirrored"},
            "The 'padding_mode' parameter must be one of .* Did you mean 'mirror'",
        ),
        ({"fill_value": 3.5}, "'fill_value' parameter of RobustnessDisplay needs .*='constant'"),
        ({"fill_value": np.nan}, "'fill_value' parameter of RobustnessDisplay must be a float"),
        ({"fill_value": "0"}, "'fill_value' parameter of RobustnessDisplay must be .* Got '0'"),
        ({"y": None}, "RobustnessDisplay requires y, .* Got y=None"),
        ({"scoring": ["accuracy"]}, r"'scoring' parameter must be one metric.*\['accuracy'\]"),
        ({"scoring": "no metric"}, "'scoring' parameter"),
    ],
    ids=lambda value: None,
)
def test_bad_parameters_are_named(linear, params, message):
    with pytest.raises((ValueError, InputShapeError), match=message):
        robustness_scores(linear, X[:20], **{"y": y[:20], "input_shape": (8, 8), **params})


def test_the_estimator_must_be_fitted():
    for model in (ConvNetClassifier(), LogisticRegression()):
        with pytest.raises(NotFittedError):
            robustness_scores(model, X, y, input_shape=(8, 8))


def test_steps_that_write_into_their_samples_see_each_change_once():
    few, labels = X[:100], y[:100]
    expected = make_pipeline(StandardScaler(), ConvNetClassifier(input_shape=(8, 8), **SMALL))
    expected = robustness_scores(expected.fit(few, labels), few, labels, values=[-1, 0, 1])
    model = make_pipeline(
        StandardScaler(copy=False), ConvNetClassifier(input_shape=(8, 8), **SMALL)
    )
    given = few.copy()
    found = robustness_scores(model.fit(few.copy(), labels), given, labels, values=[-1, 0, 1])
    assert_array_equal(found.scores, expected.scores)
    assert_array_equal(given, few)
