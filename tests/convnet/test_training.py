"""The effects of fit, partial_fit and their parameters on the trained network."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._network.network import WEIGHT_INITS
from skcnn._training.losses import CLASSIFICATION_LOSSES, REGRESSION_LOSSES
from skcnn._training.optimizers import OPTIMIZERS
from skcnn._training.schedules import SCHEDULES
from skcnn.layers._activation import ACTIVATIONS
from tests.helpers.small_fits import digit_net, digits
from tests.helpers.weights import assert_same_weights, weights_of

X, y = digits()
COLUMNS = [
    "train_loss",
    "valid_loss",
    "valid_score",
    "learning_rate",
    "seconds",
    "samples_per_second",
]


MENU = [
    *[("activation", a, {}) for a in ACTIVATIONS],
    *[("loss", loss, {}) for loss in CLASSIFICATION_LOSSES],
    *[("optimizer", o, {}) for o in OPTIMIZERS],
    *[("lr_schedule", s, {}) for s in SCHEDULES],
    *[("normalization", n, {}) for n in ("batch", "group", None)],
    *[("pooling", p, {}) for p in ("max", "average", None)],
    *[("padding", p, {}) for p in ("same", "valid", 1, (1, 0))],
    *[("padding_mode", p, {}) for p in ("zeros", "mirror", "edge", "wrap")],
    *[("weight_init", w, {}) for w in WEIGHT_INITS if w not in ("zeros", "normal")],
    ("weight_init", "normal", {"max_epochs": 20}),
    ("batch_size", None, {"max_epochs": 60}),
    ("label_smoothing", 0.1, {}),
    ("conv_dropout", 0.1, {}),
    ("l1_penalty", 1e-4, {}),
    ("gradient_clip", 1.0, {}),
    ("standardize", False, {}),
    ("pool_stride", 1, {}),
    ("stride", 2, {}),
    ("hidden_units", (32, 16), {}),
    ("architecture", "lenet5", {}),
]


@pytest.mark.parametrize(
    ("name", "value", "more"), MENU, ids=[f"{name}={value}" for name, value, _ in MENU]
)
def test_every_choice_learns(name, value, more):
    few = y < 4
    images, target = X[few], y[few]
    if value == "lenet5":
        images = np.kron(images, np.ones((4, 4)))[:, 2:-2, 2:-2]
    model = digit_net(**{"max_epochs": 8, "batch_size": 16, name: value, **more})
    assert model.fit(images, target).score(images, target) > 0.85, model.history_


def test_zero_weights_stay_a_uniform_prediction_at_first():
    model = digit_net(weight_init="zeros", max_epochs=1, learning_rate=1e-9).fit(X, y)
    assert_allclose(model.predict_proba(X), 0.1, atol=1e-6)


@pytest.mark.parametrize("loss", REGRESSION_LOSSES)
def test_every_regression_loss_learns(loss):
    target = X.mean((1, 2)) * 100 + 1000
    model = ConvNetRegressor(filters=(8,), loss=loss, max_epochs=20, random_state=0).fit(X, target)
    assert model.score(X, target) > 0.9


def test_regression_is_equivariant_to_the_targets_units():
    target = X.mean((1, 2))
    model = ConvNetRegressor(filters=(4,), max_epochs=3, random_state=0)
    plain = model.fit(X, target).predict(X)
    scaled = model.fit(X, 1e6 * target - 5e6).predict(X)
    assert_allclose(scaled, 1e6 * plain - 5e6, rtol=1e-3)


def test_regression_of_a_constant_predicts_it():
    model = ConvNetRegressor(filters=(4,), max_epochs=5, random_state=0).fit(X, np.full(300, 7.0))
    assert_allclose(model.predict(X), 7.0, atol=0.2)


def test_regression_of_small_differences_on_a_large_mean_learns():
    y = np.repeat([0.0, 1.0], 20)
    X = np.random.default_rng(0).random((40, 6, 6)) + y[:, None, None]
    targets = 1e8 + 1e-5 * y
    model = ConvNetRegressor(filters=(4,), max_epochs=20, random_state=0).fit(X, targets)
    assert model.score(X, targets) > 0.5


@pytest.mark.parametrize("shape", [(300,), (300, 1), (300, 3)])
def test_regression_predicts_in_the_targets_shape(shape):
    target = np.random.default_rng(0).normal(size=shape)
    model = ConvNetRegressor(filters=(4,), max_epochs=1)
    if shape == (300, 1):
        with pytest.warns(match="column-vector y was passed"):
            model.fit(X, target)
        assert model.predict(X).shape == (300,)
    else:
        assert model.fit(X, target).predict(X).shape == shape


LABELS = [
    np.array(["cat", "dog", "eel"]),
    np.array(["cat", "dog", "eel"], dtype=object),
    np.array([-7, 3, 1000]),
    np.array([1.0, 2.0, 5.0]),
    np.array([False, True]),
]


@pytest.mark.parametrize("labels", LABELS, ids=lambda a: str(a.dtype))
def test_labels_of_any_kind_come_back_sorted(labels):
    target = labels[y % len(labels)]
    model = digit_net(max_epochs=15).fit(X, target)
    assert_array_equal(model.classes_, np.sort(labels))
    assert model.predict(X).dtype == labels.dtype
    assert_array_equal(model.classes_[model.predict_proba(X).argmax(1)], model.predict(X))
    assert model.score(X, target) > 0.7


def test_labels_in_a_series():
    series = pd.Series(["even", "odd"]).take(y % 2).reset_index(drop=True)
    model = digit_net(max_epochs=10).fit(X, series)
    assert list(model.classes_) == ["even", "odd"]
    assert model.score(X, series) > 0.7


def test_multilabel_predicts_each_label():
    target = np.c_[y % 2, y > 4, y == 3].astype(int)
    model = digit_net(max_epochs=30).fit(X, target)
    proba = model.predict_proba(X)
    assert proba.shape == (300, 3)
    assert_array_equal(model.predict(X), (proba > 0.5).astype(int))
    assert_allclose(expit(model.decision_function(X)), proba)
    assert_allclose(np.exp(model.predict_log_proba(X)), proba, rtol=1e-12)
    assert (model.predict(X) == target).mean() > 0.9


def test_probabilities_are_the_softmax_of_the_decision_function():
    model = digit_net().fit(X, y)
    for scale in (1, 1000):  # exponentials that overflow
        with torch.no_grad():
            for weight in model.net_.module_.parameters():
                weight *= scale
        proba = model.predict_proba(X)
        assert_array_equal(proba, softmax(model.decision_function(X), axis=1))
        assert_allclose(proba.sum(axis=1), 1)


def test_binary_decision_function_is_the_log_odds():
    model = digit_net().fit(X, y > 4)
    proba = model.predict_proba(X)
    assert model.decision_function(X).shape == (300,)
    assert_allclose(expit(model.decision_function(X)), proba[:, 1])
    assert_allclose(model.predict_log_proba(X), np.log(proba))


def test_history_has_the_promised_columns():
    model = digit_net().fit(X, y)
    assert list(model.history_.columns) == COLUMNS
    assert model.history_.index.tolist() == [1, 2, 3, 4]
    assert model.history_.index.name == "epoch"
    assert model.history_[["valid_loss", "valid_score"]].isna().all(axis=None)
    assert (model.n_iter_, model.best_epoch_) == (4, 4)


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_weight_means_repetition(cls):
    rng = np.random.default_rng(0)
    times = rng.integers(0, 4, 300)
    model = cls(filters=(8,), max_epochs=3, random_state=0, batch_size=32)
    repeated = model.fit(X.repeat(times, axis=0), y.repeat(times)).predict(X)
    weighted = model.fit(X, y, sample_weight=times).predict(X)
    assert_array_equal(repeated, weighted)


def test_order_of_the_samples_does_not_matter():
    order = np.random.default_rng(0).permutation(300)
    assert_same_weights(digit_net().fit(X, y), digit_net().fit(X[order], y[order]))


def test_scale_of_the_weights_does_not_matter():
    weights = np.random.default_rng(0).uniform(0.5, 2, 300)
    by_one = digit_net().fit(X, y, sample_weight=weights)
    by_four = digit_net().fit(X, y, sample_weight=4 * weights)
    assert_same_weights(by_one, by_four)


def test_class_weight_moves_predictions():
    target = (y > 0).astype(int)
    model = digit_net(max_epochs=2)
    plain = (model.fit(X, target).predict(X) == 0).mean()
    heavy = model.set_params(class_weight={0: 100.0, 1: 1.0}).fit(X, target)
    assert (heavy.predict(X) == 0).mean() > plain + 0.1


def test_balanced_class_weight_equals_its_dictionary():
    target = (y > 2).astype(int)
    counts = np.bincount(target)
    balanced = digit_net(class_weight="balanced").fit(X, target)
    given = digit_net(class_weight=dict(enumerate(300 / (2 * counts)))).fit(X, target)
    assert_same_weights(balanced, given)


def test_dtype_of_whole_numbers_does_not_matter():
    as_bytes = digit_net().fit(X.astype(np.uint8), y)
    for dtype in (np.int64, np.float16, np.float64):
        assert_same_weights(as_bytes, digit_net().fit(X.astype(dtype), y))


def test_channel_order_does_not_matter():
    images = np.random.default_rng(0).normal(size=(60, 8, 6, 3))
    last = digit_net().fit(images, y[:60])
    first = digit_net(channels="first").fit(np.moveaxis(images, -1, 1), y[:60])
    # the order of the rows depends on their bytes, so compare networks with equal weights
    first.net_.module_.load_state_dict(last.net_.module_.state_dict())
    assert_allclose(
        first.predict_proba(np.moveaxis(images, -1, 1)), last.predict_proba(images), atol=1e-6
    )


def test_warm_start_continues():
    model = digit_net(warm_start=True, max_epochs=2, lr_schedule="constant").fit(X, y)
    first = model.history_["train_loss"].iloc[-1]
    module = model.net_.module_
    model.fit(X, y)
    assert model.net_.module_ is module
    assert model.history_.index.tolist() == [1, 2, 3, 4]
    assert model.history_["train_loss"].iloc[-1] < first


def test_fit_without_warm_start_starts_again():
    model = digit_net().fit(X, y)
    first = weights_of(model)
    model.fit(X, y)
    assert len(model.history_) == 4
    for name, value in weights_of(model).items():
        assert_array_equal(value, first[name])


def test_partial_fit_learns_an_epoch_at_a_time():
    model = digit_net(learning_rate=0.01)
    for start in (0, 100, 200) * 5:
        part = slice(start, start + 100)
        model.partial_fit(X[part], y[part], classes=np.arange(10))
    assert model.n_iter_ == 15
    assert (model.history_["learning_rate"] == 0.01).all()
    assert model.score(X, y) > 0.9


def test_partial_fit_accepts_classes_that_come_later():
    model = digit_net().partial_fit(X[y < 5], y[y < 5], classes=np.arange(10))
    assert model.predict_proba(X).shape == (300, 10)
    model.partial_fit(X[y >= 5], y[y >= 5])


def test_partial_fit_of_a_regressor_keeps_the_first_units():
    target = X.mean((1, 2))
    model = ConvNetRegressor(filters=(8,), random_state=0)
    for _ in range(20):
        model.partial_fit(X[:150], target[:150]).partial_fit(X[150:], target[150:])
    assert model.score(X, target) > 0.8


def test_a_failing_fit_leaves_no_stale_network():
    model = digit_net().fit(X, y)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full((10, 5), np.nan), y[:10])
    assert not hasattr(model, "net_")


def test_verbose_two_prints_a_line_an_epoch(capsys):
    digit_net(verbose=2, calibration=None).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("ConvNetClassifier epoch 1/4  loss ")


@pytest.mark.slow
def test_regression_of_rotation_beats_a_dense_network():
    from scipy.ndimage import rotate
    from sklearn.neural_network import MLPRegressor

    rng = np.random.default_rng(0)
    angles = rng.uniform(-60, 60, 900)  # degrees
    upright = load_digits().images[:900]
    images = np.stack(
        [rotate(a, t, reshape=False, order=1) for a, t in zip(upright, angles, strict=True)]
    )
    split = train_test_split(images, angles, random_state=0)
    X_train, X_test, a_train, a_test = split
    net = ConvNetRegressor(random_state=0).fit(X_train, a_train).score(X_test, a_test)
    dense = make_pipeline(StandardScaler(), MLPRegressor(max_iter=300, random_state=0))
    with pytest.warns(match="Maximum iterations"):
        dense.fit(X_train.reshape(len(X_train), -1), a_train)
    assert net > 0.95
    assert net > dense.score(X_test.reshape(len(X_test), -1), a_test)


def test_noisy_tones_beat_a_dense_network():
    from sklearn.neural_network import MLPClassifier

    rng = np.random.default_rng(0)
    pitch = rng.integers(0, 4, 500)
    time = np.arange(100)
    phase = rng.uniform(0, 2 * np.pi, (500, 1))
    tones = np.sin(0.3 * 1.3 ** pitch[:, None] * time + phase) + rng.normal(0, 1.0, (500, 100))
    net = ConvNetClassifier(
        filters=(16, 32), kernel_size=9, hidden_units=(), learning_rate=0.01, max_epochs=12,
        random_state=0,
    ).fit(tones[:300], pitch[:300])  # fmt: skip
    dense = make_pipeline(StandardScaler(), MLPClassifier(random_state=0))
    dense.fit(tones[:300], pitch[:300])
    assert net.score(tones[300:], pitch[300:]) > 0.95
    assert net.score(tones[300:], pitch[300:]) > dense.score(tones[300:], pitch[300:])


def test_digits_beat_every_baseline():
    rows, labels = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        rows, labels, random_state=0, stratify=labels
    )
    model = ConvNetClassifier(input_shape=(8, 8), random_state=0).fit(X_train, y_train)
    assert model.score(X_test, y_test) > 0.985
