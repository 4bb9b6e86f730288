"""Flips and crops: exact results, draws, alternating epochs."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from skcnn.augmentation import RandomCrop, RandomFlip
from skcnn.augmentation._batch_augmenter import BatchAugmenter, Step
from skcnn.augmentation._draws import row_keys
from tests.helpers.augmentations import DTYPES
from tests.helpers.geometry import (
    ANY_IMAGES,
    EACH_PADDING,
    normal_values,
    one_channel,
    rolled,
)
from tests.helpers.pairs import parametrize_pairs

N = 4000
AXES = {
    "horizontal": (-1,),
    "vertical": (-2,),
    ("horizontal", "vertical"): (-1, -2),
    0: (0,),
    -1: (-1,),
    (0, "horizontal"): (0, -1),
}


@parametrize_pairs(dtype=DTYPES, axis=[*AXES], spatial=[(5, 6), (1, 4), (2, 1), (3, 4, 5)])
def test_flips_are_exact(spatial, axis, dtype):
    X = (100 * normal_values(6, *spatial, 2)).astype(dtype)
    flipped = RandomFlip(axis, p=1.0, n_spatial_dims=len(spatial)).fit_transform(X).to_numpy()
    axes = {1 + a % len(spatial) for a in AXES[axis]}
    np.testing.assert_array_equal(flipped, np.flip(X, tuple(axes)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", [1, 2, 7])
def test_flipped_signals_run_backwards(length, dtype):
    X = (100 * normal_values(3, length)).astype(dtype)
    np.testing.assert_array_equal(RandomFlip(p=1.0).fit_transform(X).to_numpy(), X[:, ::-1])


@settings(max_examples=40, deadline=None)
@given(X=ANY_IMAGES, axis=st.sampled_from([*AXES]), seed=st.integers(0, 2**32 - 1))
def test_flipped_twice_is_the_original(X, axis, seed):
    flip = RandomFlip(axis, random_state=seed)
    params = flip.draw(X)
    np.testing.assert_array_equal(flip.apply(flip.apply(X, params), params), X)
    twice = RandomFlip(axis, p=1.0).fit_transform(RandomFlip(axis, p=1.0).fit_transform(X))
    np.testing.assert_array_equal(twice.to_numpy(), X)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 1.0])
def test_each_axis_is_flipped_with_the_probability_by_itself(p):
    X = np.zeros((N, 3, 4))
    flips = RandomFlip(("horizontal", "vertical"), p=p, random_state=0).draw(X)["flip"]
    low, high = stats.binom.interval(0.9999, N, p)
    assert all(low <= n <= high for n in flips.sum(0))
    low, high = stats.binom.interval(0.9999, N, p * p)
    assert low <= flips.all(1).sum() <= high


def flips_of_epochs(flip, n_epochs=4, strength=1.0):
    """Return which samples are mirrored from left to right, one row an epoch."""
    X = torch.arange(4.0).expand(N, 1, 1, 4)
    augmenter = BatchAugmenter([Step(flip, None)], (1, 4), 3.0, 7, strength)
    epochs = [augmenter.images(X, np.arange(N), epoch) for epoch in range(n_epochs)]
    return np.array([(e[:, 0, 0, 0] == 3).numpy() for e in epochs])


def test_alternating_flips_show_both_sides_in_two_epochs():
    first, second, third, fourth = flips_of_epochs(RandomFlip(alternate=True))
    np.testing.assert_array_equal(second, ~first)
    np.testing.assert_array_equal(third, first)
    np.testing.assert_array_equal(fourth, second)
    low, high = stats.binom.interval(0.9999, N, 0.5)
    assert low <= first.sum() <= high
    free = flips_of_epochs(RandomFlip())
    assert low <= (free[0] == free[1]).sum() <= high


@pytest.mark.parametrize(("p", "strength"), [(0.5, 0.2), (0.1, 1.0), (0.0, 1.0)])
def test_rare_alternating_flips_are_rare_in_every_epoch(p, strength):
    shares = flips_of_epochs(RandomFlip(p=p, alternate=True), strength=strength).mean(1)
    np.testing.assert_allclose(shares, p * strength, atol=4 * (0.25 / N) ** 0.5)


def test_alternating_flips_change_the_given_axes_only():
    X = torch.arange(4.0).view(1, 1, 2, 2).expand(50, 1, 2, 2)
    augmenter = BatchAugmenter([Step(RandomFlip("vertical", alternate=True), None)], (2, 2), 3.0, 7)
    for epoch in range(2):
        out = augmenter.images(X, np.arange(50), epoch)
        assert (out[:, 0, :, 1] - out[:, 0, :, 0] == 1).all()


def test_alternating_flips_of_no_strength_change_nothing():
    assert not flips_of_epochs(RandomFlip(alternate=True), strength=0.0).any()


def test_one_draw_of_an_alternating_flip_is_that_of_the_first_epoch():
    drawn = RandomFlip(alternate=True, p=0.8, random_state=3).draw(np.zeros((N, 4)))["flip"]
    low, high = stats.binom.interval(0.9999, N, 0.8)
    assert low <= drawn.sum() <= high


@pytest.mark.parametrize("dtype", DTYPES)
@EACH_PADDING
@pytest.mark.parametrize("spatial", [(7,), (2,), (5, 6), (2, 9), (3, 4, 5)], ids=str)
def test_crops_are_padded_rolls(spatial, padding, dtype):
    X = (100 * normal_values(30, *spatial)).astype(dtype)
    if padding["padding_mode"] == "constant":
        padding = {**padding, "fill_value": 1}  # legal for all dtypes
    crop = RandomCrop(2, input_shape=one_channel(spatial), random_state=1, **padding)
    params = crop.draw(X)
    assert set(params["pixels"].ravel()) == {-2, -1, 0, 1, 2}
    got = crop.fit_transform(X).to_numpy()
    assert got.dtype == X.dtype
    expected = [rolled(x, p, **padding) for x, p in zip(X, params["pixels"], strict=True)]
    if dtype in ("float32", "float64") and padding["padding_mode"] == "constant":
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    else:
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("padding", "spatial", "most"),
    [
        (0, (5, 6), (0, 0)),
        (3, (5, 6), (3, 3)),
        (9, (5, 6), (5, 6)),
        (0.25, (8, 12), (2, 3)),
        (0.0, (8, 12), (0, 0)),
        (0.99, (4,), (4,)),
        (0.125, (28, 28), (4, 4)),
    ],
)
def test_crops_shift_by_every_number_of_pixels_up_to_the_padding(padding, spatial, most):
    X = np.zeros((4000, *spatial))
    pixels = RandomCrop(padding, input_shape=one_channel(spatial), random_state=0).draw(X)["pixels"]
    for axis, limit in enumerate(most):
        values, counts = np.unique(pixels[:, axis], return_counts=True)
        np.testing.assert_array_equal(values, np.arange(-limit, limit + 1))
        if limit:
            assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize("strength", [0.3, 0.7])
def test_strength_lowers_the_probability_of_flips_and_the_padding_of_crops(strength):
    keys = row_keys(0, np.arange(N), 0, 0)
    flips = RandomFlip(p=0.5)._draw_all(keys, (6, 8), strength)
    low, high = stats.binom.interval(0.9999, N, 0.5 * strength)
    assert low <= flips["flip"].sum() <= high
    pixels = RandomCrop(10)._draw_all(keys, (20, 20), strength)["pixels"]
    assert pixels.max() == -pixels.min() == 10 * strength
