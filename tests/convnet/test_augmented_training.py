"""Augmented training: equal in a Pipeline and as a parameter, drawn again in every epoch."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.augmentation import (
    CutMix,
    MixUp,
    RandAugment,
    RandomAffine,
    RandomBlur,
    RandomBrightness,
    RandomContrast,
    RandomCrop,
    RandomElastic,
    RandomErasing,
    RandomFlip,
    RandomNoise,
    RandomRotation,
    RandomStroke,
    RandomTimeMask,
    RandomTranslation,
    RandomZoom,
    TrivialAugment,
)
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


LISTS = {
    "affine": lambda: [RandomRotation(15), RandomTranslation(0.1), RandomZoom(0.1)],
    "flip and crop": lambda: [RandomFlip(), RandomCrop(1)],
    "values": lambda: [RandomNoise(0.1), RandomBrightness(), RandomContrast(), RandomBlur(0.5)],
    "shape": lambda: [RandomElastic(0.05), RandomStroke(1), RandomErasing(p=1.0)],
    "policies": lambda: [RandAugment(), TrivialAugment()],
    "mixing": lambda: [RandomAffine(), MixUp(), CutMix(p=0.5)],
    "own seeds": lambda: [RandomRotation(15, random_state=3), RandomNoise(random_state=4)],
}


@pytest.mark.parametrize("name", LISTS)
def test_pipeline_and_parameter_give_bitwise_the_same_weights(digits, name):
    by_parameter = small(augmentation=LISTS[name]()).fit(*digits)
    by_steps = make_pipeline(*LISTS[name](), small()).fit(*digits)
    mixed = make_pipeline(*LISTS[name]()[:1], small(augmentation=LISTS[name]()[1:])).fit(*digits)
    assert same_weights(by_parameter, by_steps)
    assert same_weights(by_parameter, mixed)
    assert not same_weights(by_parameter, small().fit(*digits))
    assert_array_equal(by_parameter.predict_proba(digits[0]), by_steps.predict_proba(digits[0]))


@pytest.mark.parametrize(
    "params", [{"early_stopping": True}, {"optimizer": "adam", "standardize": False}]
)
def test_pipeline_and_parameter_agree_for_regression_and_other_settings(digits, params):
    X, y = digits
    operations = LISTS["affine"]
    one = small(ConvNetRegressor, augmentation=operations(), **params).fit(X, y * 1.0)
    two = make_pipeline(*operations(), small(ConvNetRegressor, **params)).fit(X, y * 1.0)
    assert same_weights(one, two)


def test_pipeline_and_parameter_agree_with_weights_and_partial_fit(digits):
    X, y = digits
    sample_weight = np.arange(len(y)) % 3
    one = small(augmentation=LISTS["mixing"]()).fit(X, y, sample_weight=sample_weight)
    two = make_pipeline(*LISTS["mixing"](), small())
    two.fit(X, y, convnetclassifier__sample_weight=sample_weight)
    assert same_weights(one, two)
    augmented = RandomRotation(15).fit_transform(X)
    three = small().partial_fit(augmented, y, classes=np.arange(10))
    four = small(augmentation=RandomRotation(15)).partial_fit(X, y, classes=np.arange(10))
    assert same_weights(three, four)


@pytest.mark.parametrize("name", ["affine", "values", "mixing"])
def test_the_order_of_the_samples_does_not_matter(digits, name):
    X, y = digits
    order = np.random.default_rng(0).permutation(len(X))
    one = small(augmentation=LISTS[name]()).fit(X, y)
    assert same_weights(one, small(augmentation=LISTS[name]()).fit(X[order], y[order]))


def test_dtype_and_container_do_not_matter(digits):
    X, y = digits
    one = make_pipeline(*LISTS["affine"](), small()).fit(X, y)
    for other in (X.astype(np.uint8), X.astype(np.float32), torch.from_numpy(X), X.tolist()):
        assert same_weights(one, make_pipeline(*LISTS["affine"](), small()).fit(other, y))
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(64)])
    by_frame = make_pipeline(*LISTS["affine"](), small()).fit(frame, y)
    assert same_weights(one, by_frame)
    assert by_frame[-1].feature_names_in_[1] == "pixel1"
    assert by_frame.predict(frame).shape == y.shape


class Recorder:
    """A callable augmentation that keeps its batches."""

    def __init__(self):
        self.batches = []

    def __call__(self, batch):
        self.batches.append(batch.clone())
        return batch


def recorded(X, y, operations, **params):
    recorder = Recorder()
    model = small(augmentation=[*operations, recorder], **params).fit(X, y)
    return recorder.batches, model


def test_draws_are_fresh_in_every_epoch(digits):
    X, y = digits
    batches, _ = recorded(X, y, [RandomRotation(30)], max_epochs=3, batch_size=None)
    sums = [np.sort(b.sum((1, 2, 3)).cpu().numpy()) for b in batches]
    assert len(batches) == 3
    assert not np.allclose(sums[0], sums[1], atol=1e-3)
    assert not np.allclose(sums[1], sums[2], atol=1e-3)


def test_draws_do_not_depend_on_the_batch_size(digits):
    X, y = digits
    operations = [RandomRotation(30), RandomNoise(0.1)]
    large, _ = recorded(X, y, operations, batch_size=None, max_epochs=1)
    few, _ = recorded(X, y, operations, batch_size=16, max_epochs=1)
    assert len(few) > 10
    one, other = (np.concatenate([b.flatten(1).cpu().numpy() for b in bs]) for bs in (large, few))
    assert_array_equal(one[np.lexsort(one.T)], other[np.lexsort(other.T)])


def test_warm_start_draws_again(digits):
    X, y = digits
    recorder = Recorder()
    model = small(
        augmentation=[RandomRotation(30), recorder], warm_start=True, max_epochs=1, batch_size=None
    )
    model.fit(X, y).fit(X, y)
    first, second = (np.sort(b.sum((1, 2, 3)).cpu().numpy()) for b in recorder.batches)
    assert not np.allclose(first, second, atol=1e-3)


def test_batches_are_float_copies_of_the_samples_in_their_own_units(digits):
    X, y = digits
    before = X.copy()
    batches, _ = recorded(X, y, [], max_epochs=1, batch_size=None)
    (batch,) = batches
    assert batch.dtype == torch.float32
    assert batch.shape == (200, 1, 8, 8)
    rows = batch.flatten(1).cpu().numpy()
    assert_array_equal(rows[np.lexsort(rows.T)], X[np.lexsort(X.T)])
    recorder = small(augmentation=lambda b: b.fill_(0), max_epochs=1).fit(X, y)
    assert recorder.n_iter_ == 1
    assert_array_equal(X, before)


def test_validation_samples_are_never_augmented(digits):
    X, y = digits

    def erase(batch):
        return torch.zeros_like(batch)

    # the net gets only zeros in training, and real samples in validation
    model = small(augmentation=erase, standardize=False, early_stopping=True, max_epochs=3)
    model.fit(X, y)
    # all training outputs are equal; validation outputs are not, so their losses differ
    assert model.history_["train_loss"].iloc[-1] < 2.4
    batches, _ = recorded(X, y, [], early_stopping=True, max_epochs=2, batch_size=None)
    assert {len(b) for b in batches} == {180}
    augmented = RandomRotation(30).fit_transform(X[150:])
    with_array = small(augmentation=[RandomFlip()]).fit(
        X[:150], y[:150], X_val=X[150:], y_val=y[150:]
    )
    with_lazy = small(augmentation=[RandomFlip()]).fit(
        X[:150], y[:150], X_val=augmented, y_val=y[150:]
    )
    assert_array_equal(with_array.history_["valid_loss"], with_lazy.history_["valid_loss"])


def test_validation_split_is_that_without_augmentation(digits):
    X, y = digits
    plain, _ = recorded(X, y, [], early_stopping=True, max_epochs=1, batch_size=None)
    flipped, _ = recorded(
        X, y, [RandomFlip(p=1.0)], early_stopping=True, max_epochs=1, batch_size=None
    )
    assert_array_equal(plain[0].flip(-1).cpu(), flipped[0].cpu())


def test_predictions_are_never_augmented(digits):
    X, y = digits
    model = make_pipeline(RandomRotation(90), RandomNoise(1.0), small()).fit(X, y)
    assert_array_equal(model.predict_proba(X), model[-1].predict_proba(X))
    lazy = RandomRotation(90).fit_transform(X)
    assert_array_equal(model[-1].predict_proba(lazy), model[-1].predict_proba(X))
    assert model[-1].score(lazy, y) == model.score(X, y)


def test_strength_zero_is_no_augmentation_and_one_the_default(digits):
    X, y = digits
    plain = small().fit(X, y)
    assert same_weights(
        plain, small(augmentation=LISTS["affine"](), augmentation_strength=0).fit(X, y)
    )
    assert same_weights(
        plain, make_pipeline(*LISTS["values"](), small(augmentation_strength=0)).fit(X, y)
    )
    half = small(augmentation=[RandomRotation(20)], augmentation_strength=0.5).fit(X, y)
    assert same_weights(half, small(augmentation=[RandomRotation(10)]).fit(X, y))
    seen, _ = recorded(X, y, [RandomRotation(9)], augmentation_strength=0.0, max_epochs=1)
    assert seen  # callables have no strength


def test_equal_samples_are_augmented_each_for_itself():
    X, y = np.repeat(np.eye(8)[None], 40, 0), np.arange(40) % 2
    batches, _ = recorded(
        X, y, [RandomRotation(90)], input_shape=None, max_epochs=1, batch_size=None
    )
    assert len(np.unique(batches[0].flatten(1).cpu().numpy(), axis=0)) == 40
    plain, _ = recorded(X, y, [], input_shape=None, max_epochs=1, batch_size=None)
    assert len(plain[0]) == 40  # the recorder is an augmentation too


def test_samples_of_weight_zero_are_left_out(digits):
    X, y = digits
    sample_weight = np.ones(200)
    sample_weight[::2] = 0
    one = small(augmentation=LISTS["affine"]()).fit(X, y, sample_weight=sample_weight)
    # the range of values and the draws are those of the remaining samples
    assert same_weights(one, small(augmentation=LISTS["affine"]()).fit(X[1::2], y[1::2]))


@pytest.mark.parametrize(
    ("shape", "params"),
    [
        ((40, 50), {}),
        ((40, 50, 2), {"n_spatial_dims": 1}),
        ((40, 9, 11), {}),
        ((40, 9, 11, 3), {}),
        ((40, 4, 9, 11), {"channels": "first"}),
        ((40, 6, 7, 5, 2), {}),
    ],
)
def test_signals_images_and_volumes_train_augmented(shape, params):
    X = np.random.default_rng(0).normal(size=shape)
    y = np.arange(40) % 2
    operations = [
        RandomTranslation(0.1),
        RandomZoom(0.1),
        RandomFlip(),
        RandomElastic(),
        RandomNoise(snr_db=20),
        RandomBlur(),
        RandomErasing(),
        RandAugment(),
        MixUp(),
        CutMix(),
    ]
    params = {"input_shape": None, **params}
    model = small(augmentation=operations, **params).fit(X, y)
    assert model.predict(X).shape == (40,)
    assert same_weights(model, make_pipeline(*operations, small(**params)).fit(X, y))


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("operation", [MixUp(), CutMix(), MixUp(alpha=1, p=0.5)])
def test_mixing_learns_classes(digits, operation, loss):
    X, y = digits
    model = small(
        augmentation=[operation], loss=loss, max_epochs=25, filters=(16,), label_smoothing=0.05
    )
    assert model.fit(X, y).score(X, y) > 0.9


def test_mixing_learns_numbers_and_several_labels(digits):
    X, y = digits
    numbers = small(ConvNetRegressor, augmentation=[MixUp()], max_epochs=30, filters=(16,)).fit(
        X, y
    )
    assert numbers.score(X, y) > 0.6
    two = small(ConvNetRegressor, augmentation=[MixUp()]).fit(X, np.c_[y, -y])
    assert two.predict(X).shape == (200, 2)
    labels = np.c_[y > 4, y % 2].astype(int)
    several = small(augmentation=[MixUp()], max_epochs=25, filters=(16,)).fit(X, labels)
    assert several.score(X, labels) > 0.8


def test_equal_samples_are_on_one_side_of_the_validation_split(digits):
    X, y = np.repeat(digits[0][:40], 3, 0), np.repeat(digits[1][:40], 3)
    seen = recorded(
        X, y, [], early_stopping=True, validation_fraction=0.3, batch_size=None, max_epochs=1
    )[0]
    train = {row.tobytes() for row in seen[0].flatten(1).cpu().numpy()}
    assert len(seen[0]) == 3 * len(train)  # all repetitions of a sample, or none
    assert 24 <= len(train) <= 32


def test_equal_samples_of_other_weights_may_come_in_any_order(digits):
    X, y = np.repeat(digits[0][:60], 2, 0), np.repeat(digits[1][:60], 2)
    sample_weight = np.tile([1.0, 5.0], 60)
    one = small(augmentation=[RandomRotation(30)]).fit(X, y, sample_weight=sample_weight)
    two = small(augmentation=[RandomRotation(30)]).fit(
        X, y, sample_weight=sample_weight.reshape(-1, 2)[:, ::-1].ravel()
    )
    assert same_weights(one, two)


@pytest.mark.parametrize(
    "nothing",
    [
        {"augmentation": [RandomRotation(0)]},
        {"augmentation": [RandomFlip(p=0), RandomNoise(0), RandomCrop(0)]},
        {"augmentation": [RandomRotation(15)], "augmentation_strength": 0},
    ],
)
def test_augmentations_that_change_nothing_are_none(digits, nothing):
    X, y = digits
    plain = small(max_epochs="auto").fit(X, y)
    assert same_weights(plain, small(max_epochs="auto", **nothing).fit(X, y))
    before = make_pipeline(RandomRotation(0), small(max_epochs="auto")).fit(X, y)
    assert before[-1].n_iter_ == plain.n_iter_


@pytest.mark.parametrize(
    ("augmentation", "expected"),
    [
        (RandomRotation(0), False),
        (RandomRotation((0, 0)), False),
        (RandomRotation((5, 5)), True),
        (RandomRotation(15, p=0), False),
        (RandomAffine(0, translation=0, zoom=0), False),
        (RandomAffine(0, translation=0, zoom=0, shear=1), True),
        (RandomZoom((1, 1)), False),
        (RandomBrightness(0), False),
        (RandomBrightness(0, gain_db=3), True),
        (RandomNoise(0), False),
        (RandomNoise(0, snr_db=20), True),
        (RandomErasing(0), False),
        (RandomErasing(), True),
        (RandomTimeMask(0), False),
        (RandomTimeMask(), True),
        (RandomCrop(0), False),
        (RandomCrop(1), True),
        (RandomFlip(), True),
        (RandAugment(magnitude=0), False),
        (RandAugment(), True),
        (TrivialAugment(), True),
        (MixUp(), True),
    ],
)
def test_what_can_change_a_sample(augmentation, expected):
    assert augmentation._can_change() is expected
