"""What all augmentations that move pixels share: padding, axes, ranges, strength."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy import stats
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

from skcnn.augmentation import (
    RandAugment,
    RandomAffine,
    RandomCrop,
    RandomElastic,
    RandomFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
    TrivialAugment,
)
from skcnn.augmentation._batch_augmenter import BatchAugmenter, Step
from skcnn.augmentation._draws import row_keys
from skcnn.augmentation._geometric import axis_numbers
from skcnn.augmentation._image_ops import PADDING_MODES
from skcnn.exceptions import InputShapeError
from skcnn.layers import _padding
from tests.helpers.augmentations import EVERY
from tests.helpers.geometry import ANY_IMAGES, normal_values, one_channel

N = 4000


def test_padding_modes_have_the_words_of_the_layers():
    assert set(PADDING_MODES) - set(_padding.PADDING_MODES) == {"constant"}


PADDED = {type(make()) for make in EVERY.values() if "padding_mode" in make().get_params()}


@pytest.mark.parametrize("mode", ["zeros", "mirror", "edge", "wrap"])
@pytest.mark.parametrize("cls", sorted(PADDED, key=lambda cls: cls.__name__))
def test_a_fill_value_needs_a_constant(cls, mode):
    augmentation = cls(padding_mode=mode, fill_value=255)
    message = (
        rf"The 'fill_value' parameter of {cls.__name__} needs padding_mode='constant'\. Got "
        rf"fill_value=255 with padding_mode='{mode}' instead\."
    )
    X = normal_values(3, 5, 6)
    for use in (augmentation.fit, augmentation.fit_transform, augmentation.draw):
        with pytest.raises(InvalidParameterError, match=message):
            use(X)


@pytest.mark.parametrize("cls", [RandomRotation, RandomCrop, RandAugment, TrivialAugment])
def test_a_constant_of_zero_is_zeros(cls):
    X = normal_values(20, 6, 7)
    zeros = cls(random_state=0).fit_transform(X).to_numpy()
    constant = cls(random_state=0, padding_mode="constant").fit_transform(X).to_numpy()
    np.testing.assert_array_equal(constant, zeros)


@pytest.mark.parametrize(
    ("axis", "n_axes", "expected"),
    [
        ("horizontal", 1, [0]),
        ("horizontal", 2, [1]),
        ("horizontal", 3, [2]),
        ("vertical", 2, [0]),
        ("vertical", 3, [1]),
        (("vertical", "horizontal"), 3, [1, 2]),
        (["vertical", 0, 0, -2], 2, [0]),
        (np.int64(-1), 2, [1]),
        (2, 3, [2]),
    ],
)
def test_axes_have_names_and_numbers(axis, n_axes, expected):
    assert axis_numbers(axis, n_axes, "RandomFlip") == expected


def test_an_axis_that_the_samples_do_not_have_raises():
    message = r"RandomFlip\(axis='vertical'\) needs an axis that samples with 1 spatial axis do not"
    with pytest.raises(InputShapeError, match=message):
        axis_numbers("vertical", 1, "RandomFlip")


ZERO = [
    RandomTranslation(0),
    RandomRotation(0),
    RandomZoom(0),
    RandomZoom((1, 1)),
    RandomShear(0, axis=(0, 1)),
    RandomAffine(0, translation=0, zoom=0, shear=0),
    RandomCrop(0),
    RandomFlip(p=0),
    RandomElastic(0),
]


@settings(max_examples=15, deadline=None)
@given(X=ANY_IMAGES)
@pytest.mark.parametrize("augmentation", ZERO, ids=repr)
def test_zero_strength_is_the_identity(augmentation, X):
    got = augmentation.fit_transform(X).to_numpy()
    np.testing.assert_array_equal(got.view(np.uint32), X.view(np.uint32))


DRAWS = [
    (RandomTranslation(0.2), "fraction", -0.2, 0.2, (6, 8)),
    (RandomTranslation((0.1, 0.3)), "fraction", 0.1, 0.3, (9,)),
    (RandomRotation(15), "degrees", -15, 15, (6, 8)),
    (RandomRotation((-90, 10)), "degrees", -90, 10, (4, 5, 6)),
    (RandomZoom(0.3), "factor", 0.7, 1.3, (6, 8)),
    (RandomZoom((0.5, 2)), "factor", 0.5, 2.0, (9,)),
    (RandomShear((5, 20), axis=(0, 1)), "degrees", 5, 20, (6, 8)),
    (RandomAffine((10, 30)), "degrees", 10, 30, (6, 8)),
    (RandomAffine(translation=(0.1, 0.2)), "translation", 0.1, 0.2, (6, 8)),
    (RandomAffine(zoom=(0.5, 1.0)), "zoom", 0.5, 1.0, (6, 8)),
    (RandomAffine(shear=12), "shear", -12, 12, (4, 5, 6)),
]


@pytest.mark.parametrize(("augmentation", "name", "low", "high", "spatial"), DRAWS, ids=str)
def test_draws_are_uniform_in_their_range_and_independent(augmentation, name, low, high, spatial):
    augmentation.set_params(random_state=0, input_shape=one_channel(spatial))
    values = augmentation.draw(np.zeros((N, *spatial)))[name].reshape(N, -1)
    assert low <= values.min() <= values.max() <= high
    for column in values.T:
        assert stats.kstest((column - low) / (high - low), "uniform").pvalue > 1e-4
        assert abs(np.corrcoef(column[1:], column[:-1])[0, 1]) < 4 / N**0.5
    for i, j in product(range(values.shape[1]), repeat=2):
        assert i == j or abs(np.corrcoef(values[:, i], values[:, j])[0, 1]) < 4 / N**0.5


@pytest.mark.parametrize("strength", [0.25, 1.0, 2.0])
@pytest.mark.parametrize(
    ("augmentation", "name", "scaled"),
    [
        (RandomTranslation((0.1, 0.3)), "fraction", lambda v, s: v * s),
        (RandomRotation(40), "degrees", lambda v, s: v * s),
        (RandomShear(20), "degrees", lambda v, s: v * s),
        (RandomZoom((0.5, 1.5)), "factor", lambda v, s: v**s),
        (RandomAffine((5, 10)), "degrees", lambda v, s: v * s),
        (RandomAffine(translation=0.3), "translation", lambda v, s: v * s),
        (RandomAffine(zoom=(0.5, 1.5)), "zoom", lambda v, s: v**s),
        (RandomAffine(shear=(5, 20)), "shear", lambda v, s: v * s),
        (RandomElastic(0.1), "displacement", lambda v, s: v * s),
    ],
    ids=lambda value: str(value).split(" at 0x")[0],
)
def test_strength_scales_the_draws(augmentation, name, scaled, strength):
    keys = row_keys(0, np.arange(50), 0, 0)
    plain = augmentation._draw_all(keys, (6, 8), 1.0)
    strong = augmentation._draw_all(keys, (6, 8), strength)
    np.testing.assert_array_equal(strong["applied"], plain["applied"])
    np.testing.assert_allclose(strong[name], scaled(plain[name], strength), rtol=1e-9)


@pytest.mark.parametrize(
    "augmentation",
    [
        RandomTranslation(1.0),
        RandomRotation(360),
        RandomZoom((0.05, 20)),
        RandomShear(80, axis=(0, 1)),
        RandomAffine(360, translation=1.0, zoom=(0.05, 20), shear=80),
        RandomCrop(0.9),
        RandomElastic(1.0),
        RandomFlip(p=1.0),
    ],
    ids=str,
)
@pytest.mark.parametrize("strength", [1.0, 5.0, 100.0])
def test_the_strongest_changes_stay_finite(augmentation, strength):
    X = torch.from_numpy(normal_values(50, 1, 6, 8)).float()
    augmenter = BatchAugmenter([Step(augmentation, 0)], (6, 8), 1.0, 0, strength)
    out = augmenter.images(X, np.arange(50))
    assert torch.isfinite(out).all()
    assert X.min() <= out.min() <= out.max() <= X.max() + 1e-5


@pytest.mark.parametrize("augmentation", [RandomRotation(), RandomShear(), RandomAffine()], ids=str)
def test_signals_cannot_be_turned_or_slanted(augmentation):
    X = normal_values(3, 10, 2)
    augmentation.set_params(n_spatial_dims=1)
    message = (
        rf"{type(augmentation).__name__} needs images, with a height and a width\. Got samples "
        r"of shape \(10, 2\) \(channels last\), which are signals"
    )
    for act in (augmentation.fit_transform, augmentation.draw):
        with pytest.raises(InputShapeError, match=message):
            act(X)


@pytest.mark.parametrize(
    ("augmentation", "X"),
    [
        (RandomFlip("vertical", input_shape=(10,)), normal_values(3, 10)),
        (RandomFlip(2, input_shape=(4, 5, 1)), normal_values(3, 4, 5)),
        (RandomFlip((0, -3), input_shape=(4, 5, 1)), normal_values(3, 4, 5)),
        (RandomTranslation(axis="vertical", input_shape=(10,)), normal_values(3, 10)),
        (RandomShear(axis=2, input_shape=(4, 5, 1)), normal_values(3, 4, 5)),
    ],
    ids=lambda value: "" if isinstance(value, np.ndarray) else str(value),
)
def test_axes_that_the_samples_do_not_have_raise_at_fit(augmentation, X):
    name = type(augmentation).__name__
    message = rf"{name}\(axis=.*\) needs an axis that samples with \d spatial ax[ei]s do not have"
    with pytest.raises(InputShapeError, match=message):
        augmentation.draw(X)
    flat = clone(augmentation).set_params(input_shape=None, channels="last")
    if X.ndim > 2:  # another step may read the samples differently; values cannot be drawn
        with pytest.raises(InputShapeError, match=message):
            flat.fit_transform(X).to_numpy()
    with pytest.raises(InputShapeError, match=message):
        augmentation.fit_transform(X)
