"""The parameter `test_time_augmentation`: views, averages, messages."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.augmentation import (
    CutMix,
    MixUp,
    RandomBrightness,
    RandomFlip,
    RandomNoise,
    RandomRotation,
    RandomTranslation,
)
from skcnn.exceptions import InputShapeError


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:150], y[:150]


def small(cls=ConvNetClassifier, **params):
    defaults = {"input_shape": (8, 8), "filters": (4,), "hidden_units": (), "max_epochs": 2}
    return cls(**{**defaults, "random_state": 0, **params})


@pytest.fixture(scope="module")
def fitted(digits):
    return small().fit(*digits)


def with_views(model, views):
    copy = pickle.loads(pickle.dumps(model))
    return copy.set_params(test_time_augmentation=views)


def turned(X, degrees):
    return RandomRotation((degrees, degrees), input_shape=(8, 8)).fit_transform(X).to_numpy()


def test_flip_averages_the_logits_of_a_sample_and_its_mirror_image(digits, fitted):
    X = digits[0]
    mirrored = X.reshape(-1, 8, 8)[:, :, ::-1].reshape(-1, 64)
    expected = (fitted.decision_function(X) + fitted.decision_function(mirrored)) / 2
    model = with_views(fitted, "flip")
    assert_allclose(model.decision_function(X), expected, rtol=1e-5, atol=1e-6)
    assert_array_equal(model.predict(X), expected.argmax(1))
    assert_allclose(model.predict_proba(X).sum(1), 1)
    assert_allclose(model.predict_proba(mirrored), model.predict_proba(X), rtol=1e-5, atol=1e-7)


def test_every_entry_of_a_list_is_a_view(digits, fitted):
    X = digits[0]
    left, right = RandomRotation((8, 8)), RandomRotation((-8, -8))
    expected = sum(fitted.decision_function(x) for x in (X, turned(X, 8), turned(X, -8))) / 3
    model = with_views(fitted, [left, right])
    assert_allclose(model.decision_function(X), expected, rtol=1e-4, atol=1e-4)


def test_a_list_in_the_list_is_one_view(digits, fitted):
    X = digits[0]
    both = [[RandomBrightness((2, 2)), RandomRotation((8, 8))]]
    expected = (fitted.decision_function(X) + fitted.decision_function(turned(2 * X, 8))) / 2
    result = with_views(fitted, both).decision_function(X)
    assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


def test_one_augmentation_needs_no_list(digits, fitted):
    X = digits[0]
    for alone in (RandomRotation((8, 8)), RandomRotation((8, 8), p=0.1)):  # p is not used
        assert_array_equal(
            with_views(fitted, alone).decision_function(X),
            with_views(fitted, [RandomRotation((8, 8))]).decision_function(X),
        )
    flipped = with_views(fitted, [RandomFlip()]).decision_function(X)
    assert_array_equal(flipped, with_views(fitted, "flip").decision_function(X))


def test_a_callable_is_a_view(digits, fitted):
    X = digits[0]
    expected = (fitted.decision_function(X) + fitted.decision_function(3 * X)) / 2
    model = with_views(fitted, [lambda batch: 3 * batch])
    assert_allclose(model.decision_function(X), expected, rtol=1e-5, atol=1e-5)


def test_no_views_are_the_plain_predictions(digits, fitted):
    X = digits[0]
    for none in (None, []):
        model = with_views(fitted, none)
        assert_array_equal(model.decision_function(X), fitted.decision_function(X))


@pytest.mark.parametrize(
    "views",
    [
        "flip",
        [RandomRotation(30)],
        [RandomNoise(0.2, random_state=3)],
        [RandomFlip(), torch.nn.Dropout(0.5)],
    ],
    ids=["flip", "drawn", "noise", "callable"],
)
def test_views_are_the_same_in_every_call_batch_and_order(digits, fitted, views):
    X = digits[0]
    model = with_views(fitted, views)
    outputs = model.decision_function(X)
    assert_array_equal(outputs, model.decision_function(X))
    if views == "flip" or len(views) == 1:  # a callable sees the batch
        assert_array_equal(outputs[::-1], model.decision_function(X[::-1]))
        assert_array_equal(outputs[40:47], model.decision_function(X[40:47]))
        assert_array_equal(outputs[3], model.decision_function(X[3:4])[0])


def test_views_of_a_regressor_are_averaged(digits):
    X, y = digits
    model = small(ConvNetRegressor).fit(X, y * 1.0)
    mirrored = X.reshape(-1, 8, 8)[:, :, ::-1].reshape(-1, 64)
    expected = (model.predict(X) + model.predict(mirrored)) / 2
    assert_allclose(with_views(model, "flip").predict(X), expected, rtol=1e-5)


def test_training_and_validation_do_not_depend_on_views(digits):
    X, y = digits
    plain = small(early_stopping=True).fit(X, y)
    viewed = small(early_stopping=True, test_time_augmentation="flip").fit(X, y)
    assert_array_equal(plain.history_["valid_loss"], viewed.history_["valid_loss"])


def test_views_work_in_cross_validation(digits):
    model = small(test_time_augmentation=[RandomTranslation((0.1, 0.1))])
    one, two = (cross_val_score(model, *digits, cv=2, n_jobs=n) for n in (1, 2))
    assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("views", "message"),
    [
        (
            "flipp",
            r"must be 'flip', a list of augmentations or None. Got 'flipp'.*Did you mean 'flip'",
        ),
        (3, r"'test_time_augmentation' parameter of ConvNetClassifier must be .*Got 3"),
        ([RandomFlip], r"'test_time_augmentation'.*Did you mean RandomFlip\(\)"),
        (["flip"], r"'test_time_augmentation' parameter .* must be a list of augmentations"),
        ([MixUp()], "must not contain MixUp, which mixes samples"),
        ([[RandomFlip(), CutMix()]], "must not contain CutMix"),
        ([RandomFlip(random_state=np.random.RandomState(0))], "integer random_state or None"),
        ([RandomRotation("far")], "'degrees' parameter of RandomRotation"),
    ],
)
def test_bad_views_are_found_at_fit_and_at_predict(digits, fitted, views, message):
    with pytest.raises(ValueError, match=message):
        small(test_time_augmentation=views).fit(*digits)
    with pytest.raises(ValueError, match=message):
        with_views(fitted, views).predict(digits[0])


def test_views_that_need_images_raise_for_signals(digits):
    X, y = digits
    model = small(input_shape=None, test_time_augmentation=[RandomRotation((5, 5))])
    with pytest.raises(InputShapeError, match="RandomRotation needs images"):
        model.fit(X, y)
    fitted = small(input_shape=None).fit(X, y)
    with pytest.raises(InputShapeError, match="RandomRotation needs images"):
        with_views(fitted, [RandomRotation((5, 5))]).predict(X)


def test_drawn_views_differ_from_each_other(digits, fitted):
    X = digits[0]
    one = with_views(fitted, [RandomRotation(30)]).decision_function(X)
    two = with_views(fitted, [RandomRotation(30)] * 2).decision_function(X)
    plain = fitted.decision_function(X)
    assert not np.allclose((plain + 2 * (2 * one - plain)) / 3, two, atol=1e-3)


def test_a_callable_that_writes_does_not_touch_the_users_samples(digits):
    X = digits[0].astype(np.float32).reshape(-1, 8, 8)
    X[0, 0, 0] = 0.5  # not bytes, so that X is not copied
    model = small(input_shape=None, test_time_augmentation=[lambda batch: batch.mul_(-1)])
    before = X.copy()
    model.fit(X, digits[1]).predict(X)
    assert_array_equal(X, before)
