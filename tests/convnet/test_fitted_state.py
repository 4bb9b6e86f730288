"""Fitted attributes after changed parameters and after failures."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_validate

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._utils.precision import exact_kernels
from skcnn.exceptions import InputScaleWarning, TrainingDivergedError

X, y = load_digits(return_X_y=True)
X, y = X[:200].reshape(-1, 8, 8), y[:200]


def small(cls=ConvNetClassifier, **params):
    return cls(
        **{"filters": (4,), "hidden_units": (), "max_epochs": 2, "random_state": 0, **params}
    )


def test_parameters_set_after_fit_do_not_change_predictions():
    images = np.random.default_rng(0).normal(size=(60, 3, 3, 3))
    model = small().fit(images, y[:60])
    expected = model.predict_proba(images)
    model.set_params(channels="first", filters=(64,), kernel_size=1)
    assert_array_equal(model.predict_proba(images), expected)


def test_summary_of_a_fitted_estimator_is_of_the_fitted_network():
    model = small().fit(X, y)
    table = model.summary()
    model.set_params(filters=(64, 64))
    assert model.summary().equals(table)
    assert table["parameters"].sum() == model.n_parameters_


def test_a_module_that_a_callable_hands_out_twice_is_not_shared():
    prebuilt = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    before = prebuilt[1].weight.detach().clone()
    model = small(architecture=lambda shape, n_outputs: prebuilt)
    first = model.fit(X, y).predict_proba(X)
    assert torch.equal(prebuilt[1].weight, before)
    assert_array_equal(model.fit(X, y).predict_proba(X), first)
    folds = cross_validate(model, X, y, cv=2, return_estimator=True)["estimator"]
    assert folds[0].net_.module_.module is not folds[1].net_.module_.module


def test_a_failed_fit_leaves_nothing_of_the_last_one():
    model = small().fit(X, y)
    with pytest.raises(ValueError, match="inconsistent"):
        model.fit(X, y[:-1])
    left = [n for n in vars(model) if n.endswith("_") and not n.startswith("_")]
    assert left == ["n_features_in_", "input_shape_", "offset_"]  # from the X of the failed fit


def test_validation_set_on_another_scale_is_named():
    with pytest.warns(InputScaleWarning, match="at fit it lay in"):
        small().fit(X * 15, y, X_val=X / 16.3, y_val=y)


def test_validation_targets_on_another_scale_are_named():
    model = TransformedTargetRegressor(
        small(ConvNetRegressor), func=np.log1p, inverse_func=np.expm1
    )
    target = 1000.0 + y
    with pytest.warns(InputScaleWarning, match="y_val lies in .* but y in .*Transformed"):
        model.fit(X, target, X_val=X, y_val=target)
    model.fit(X, target, X_val=X, y_val=np.log1p(target))


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_weight_of_a_validation_sample_means_repetition(cls):
    times = np.random.default_rng(0).integers(0, 4, len(y))
    columns = ["valid_loss", "valid_score"]
    weighted = small(cls).fit(X, y, X_val=X, y_val=y, sample_weight_val=times)
    X_val, y_val = X.repeat(times, axis=0), y.repeat(times)
    repeated = small(cls).fit(X, y, X_val=X_val, y_val=y_val)
    unweighted = small(cls).fit(X, y, X_val=X, y_val=y)
    assert_allclose(weighted.history_[columns], repeated.history_[columns], rtol=1e-5)
    assert (weighted.history_[columns] != unweighted.history_[columns]).all(axis=None)


def test_validation_sample_of_weight_zero_may_have_an_unknown_label():
    labels = np.r_[y, 77]
    weights = np.r_[np.ones(len(y)), 0]
    model = small().fit(X, y, X_val=np.r_[X, X[:1]], y_val=labels, sample_weight_val=weights)
    expected = small().fit(X, y, X_val=X, y_val=y)
    assert_array_equal(model.history_["valid_loss"], expected.history_["valid_loss"])


def test_partial_fit_on_another_scale_is_named():
    model = small().partial_fit(X * 15, y, classes=np.arange(10))
    with pytest.warns(InputScaleWarning, match="at fit it lay in"):
        model.partial_fit(X / 16.3, y)


@pytest.mark.parametrize("values", [(-1, 1), (1, 2), (0, 255)])
def test_multilabel_values_other_than_zero_and_one_raise(values):
    target = np.array(values)[np.c_[y % 2, y > 4].astype(int)]
    with pytest.raises(ValueError, match="zeros and ones only"):
        small().fit(X, target)


def test_partial_fit_of_a_column_requires_the_classes():
    with pytest.raises(ValueError, match="classes must be passed"):
        small().partial_fit(X, y.reshape(-1, 1))


def test_partial_fit_of_one_class_raises():
    with pytest.raises(ValueError, match="only one class: 3"):
        small().partial_fit(X[y == 3], y[y == 3], classes=[3])


def test_class_of_weight_zero_is_left_out_of_training():
    without = small().fit(X[y != 3], y[y != 3])
    weightless = small(class_weight={3: 0.0}).fit(X, y)
    assert weightless.net_.history[-1, "train_loss"] < 3
    assert weightless.classes_.tolist() == list(range(10))
    assert len(without.classes_) == 9
    assert (weightless.predict(X) != 3).mean() > 0.85


def test_best_epoch_is_of_the_last_call():
    model = small(warm_start=True, early_stopping=True, max_epochs=5, optimizer="adamw")
    for calls in (1, 2):
        model.fit(X, y)
        assert 5 * (calls - 1) < model.best_epoch_ <= 5 * calls


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_divergence_with_a_validation_set_is_named(cls):
    model = small(cls, optimizer="sgd", learning_rate=1e18, normalization=None)
    with pytest.raises(TrainingDivergedError, match="learning_rate"):
        model.fit(X, y, X_val=X, y_val=y)


def test_large_samples_are_worked_on_in_small_chunks():
    from skcnn._data.images import chunk_rows

    assert chunk_rows(64) == 4096
    assert chunk_rows(224 * 224 * 3) == 55
    assert chunk_rows(10**9) == 1


def test_exact_kernels_are_set_on_cuda_only():
    flags = torch.backends.cudnn
    before = flags.deterministic, flags.allow_tf32
    with exact_kernels(torch.device("cpu")):
        assert (flags.deterministic, flags.allow_tf32) == before
    with exact_kernels(torch.device("cuda")):
        assert (flags.deterministic, flags.allow_tf32) == (True, False)
    assert (flags.deterministic, flags.allow_tf32) == before


def test_samples_of_weight_zero_do_not_make_floats_of_bytes():
    X = np.random.default_rng(0).integers(0, 256, (9, 12)).astype(float)
    y = np.arange(9) % 2
    net = ConvNetClassifier(filters=(4,), hidden_units=(), max_epochs=2, random_state=0)
    expected = net.fit(X[1:], y[1:]).predict_proba(X)
    for value in (0.5, -1.0, 1e30):
        X[0, 0] = value
        weights = np.r_[0.0, np.ones(8)]
        again = net.fit(X, y, sample_weight=weights).predict_proba(X[1:])
        np.testing.assert_array_equal(again, expected[1:])
