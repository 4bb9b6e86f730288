"""The parameters about augmentation: callables, lists, and the errors of bad values."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from skcnn import ConvNetClassifier
from skcnn.augmentation import (
    Augmented,
    MixUp,
    RandomFlip,
    RandomRotation,
)
from skcnn.exceptions import InputShapeError
from tests.helpers.weights import same_weights


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:200], y[:200]


def small(cls=ConvNetClassifier, **params):
    defaults = {
        "input_shape": (8, 8),
        "filters": (4,),
        "hidden_units": (),
        "max_epochs": 2,
        "batch_size": 32,
        "random_state": 0,
    }
    return cls(**{**defaults, **params})


def test_a_callable_has_a_random_state_of_its_own(digits):
    X, y = digits

    def shake(batch):
        return batch + torch.rand_like(batch)

    before = torch.get_rng_state()
    one = small(augmentation=shake).fit(X, y)
    torch.rand(7)
    two = small(augmentation=[shake]).fit(X, y)
    assert same_weights(one, two)
    torch.set_rng_state(before)


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda batch: batch[:, :, 1:], r"\(32, 1, 7, 8\)|\(2\d, 1, 7, 8\)"),
        (lambda batch: None, "NoneType"),
        (lambda batch: batch.cpu().numpy(), "ndarray"),
    ],
)
def test_a_callable_must_keep_the_shape(digits, function, got):
    with pytest.raises(
        ValueError, match=f"must return a tensor of the shape it was given.*Got ({got})"
    ):
        small(augmentation=function).fit(*digits)


def test_modules_are_callables(digits):
    model = small(augmentation=[torch.nn.Dropout2d(0.1), RandomFlip()]).fit(*digits)
    assert model.n_iter_ == 2


@pytest.mark.parametrize(
    "augmentation", ["flip", 3, [RandomRotation], [RandomFlip(), "noise"], {"a": 1}]
)
def test_bad_augmentation_names_the_parameter(digits, augmentation):
    with pytest.raises(
        ValueError,
        match=r"'augmentation' parameter of ConvNetClassifier must be a list of augmentations.*Got",
    ):
        small(augmentation=augmentation).fit(*digits)


def test_a_class_instead_of_an_object_gets_a_hint(digits):
    with pytest.raises(ValueError, match=r"Did you mean RandomRotation\(\)"):
        small(augmentation=[RandomRotation]).fit(*digits)


def test_bad_parameters_of_an_augmentation_are_found_at_fit(digits):
    with pytest.raises(
        ValueError, match=r"'degrees' parameter of RandomRotation must be .* Got 'left'"
    ):
        small(augmentation=[RandomRotation("left")]).fit(*digits)


def test_strength_must_not_be_negative(digits):
    with pytest.raises(ValueError, match="'augmentation_strength' parameter"):
        small(augmentation_strength=-1).fit(*digits)


@pytest.mark.parametrize("place", ["parameter", "step"])
def test_augmentations_of_images_raise_for_signals(digits, place):
    X, y = digits
    net = small(input_shape=None)
    model = (
        net.set_params(augmentation=RandomRotation(5))
        if place == "parameter"
        else make_pipeline(RandomRotation(5), net)
    )
    with pytest.raises(
        InputShapeError,
        match=r"RandomRotation needs images.*\(64, 1\).*input_shape=\(height, width\)",
    ):
        model.fit(X, y)


def test_steps_and_net_must_read_the_same_shape(digits):
    X, y = digits
    with pytest.raises(
        InputShapeError,
        match=r"reads samples of shape \(4, 16, 1\).*ConvNetClassifier reads \(8, 8, 1\)",
    ):
        make_pipeline(RandomFlip(input_shape=(4, 16)), small()).fit(X, y)


def test_mixing_before_augmented_raises(digits):
    model = make_pipeline(MixUp(), Augmented(SVC(), [RandomFlip()]))
    with pytest.raises(ValueError, match="Pipeline before it, must not contain MixUp"):
        model.fit(*digits)


def test_none_in_a_list_is_no_change(digits):
    with_none = small(augmentation=[None, RandomFlip(random_state=0), None]).fit(*digits)
    assert same_weights(with_none, small(augmentation=[RandomFlip(random_state=0)]).fit(*digits))


def test_a_callable_that_returns_nan_is_named(digits):
    def divide(batch):
        return batch / 0

    with pytest.raises(ValueError, match=r"callable divide .* returned infinite or NaN"):
        small(augmentation=divide).fit(*digits)


def test_a_range_may_be_an_array(digits):
    one = small(augmentation=[RandomRotation(np.array([5, 10]))]).fit(*digits)
    assert same_weights(one, small(augmentation=[RandomRotation((5, 10))]).fit(*digits))
