"""Operations on batches against scipy.ndimage, B-splines of scipy and naive loops."""

from itertools import product
from math import fsum

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.interpolate import BSpline

from skcnn.augmentation import _image_ops
from skcnn.augmentation._image_ops import (
    blur,
    dilate,
    inside_boxes,
    per_sample,
    sample_sums,
    spread_control_points,
    warp,
)
from tests.helpers.geometry import SCIPY_MODES
from tests.helpers.pairs import parametrize_pairs

SPATIAL = [
    (9,),
    (2,),
    (7, 7),
    (6, 8),
    (5, 9),
    (2, 2),
    (2, 7),
    (11, 3),
    (4, 5, 6),
    (3, 3, 3),
    (2, 5, 4),
]
WITH_LENGTH_ONE = [(1,), (1, 1), (1, 6), (6, 1), (1, 5, 4), (4, 1, 5), (1, 1, 3)]


def pictures(*shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def random_matrices(n, n_axes, seed=1, size=1.5):
    """Return arbitrary, not even invertible, maps from output to input positions."""
    rng = np.random.default_rng(seed)
    matrices = np.tile(np.eye(n_axes + 1), (n, 1, 1))
    matrices[:, :-1] += rng.normal(size=(n, n_axes, n_axes + 1)) * size / 3
    matrices[:, :-1, -1] *= 3
    return matrices


def positions(matrix, spatial, displacement=None):
    """Return where each output pixel looks in the input, (n_axes, *spatial), by a loop."""
    centre = (np.array(spatial) - 1) / 2
    where = np.empty((len(spatial), *spatial))
    for pixel in np.ndindex(*spatial):
        offset = np.array(pixel) - centre
        if displacement is not None:
            offset = offset + displacement[(slice(None), *pixel)]
        there = matrix[:-1, :-1] @ offset + matrix[:-1, -1] + centre
        there[np.array(spatial) == 1] = 0  # values along an axis of length one do not move
        where[(slice(None), *pixel)] = there
    return where


def sampled(images, matrices, padding_mode, fill_value=0.0, displacement=None, order=1):
    """Return every channel sampled by scipy."""
    out = np.empty(images.shape)
    for i, (image, matrix) in enumerate(zip(images, matrices, strict=True)):
        moved = None if displacement is None else displacement[i]
        where = positions(matrix, image.shape[1:], moved)
        for c, channel in enumerate(image):
            out[i, c] = ndimage.map_coordinates(
                channel, where, order=order, mode=SCIPY_MODES[padding_mode], cval=fill_value
            )
    return out


@parametrize_pairs(
    padding_mode=[*SCIPY_MODES], n_channels=[1, 3], spatial=SPATIAL + WITH_LENGTH_ONE
)
def test_warp_against_scipy(spatial, n_channels, padding_mode):
    images = pictures(4, n_channels, *spatial)
    matrices = random_matrices(4, len(spatial))
    expected = sampled(images, matrices, padding_mode)
    warped = warp(torch.from_numpy(images), matrices, padding_mode)
    assert warped.dtype == torch.float64
    np.testing.assert_allclose(warped.numpy(), expected, atol=1e-10)
    single = warp(torch.from_numpy(images).float(), matrices, padding_mode)
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single.numpy(), expected, atol=2e-4)


@pytest.mark.parametrize("padding_mode", SCIPY_MODES)
@pytest.mark.parametrize("spatial", [(8,), (6, 7), (3, 4, 5)], ids=str)
def test_warp_against_an_affine_transform_of_scipy(spatial, padding_mode):
    images = pictures(3, 2, *spatial)
    matrices = random_matrices(3, len(spatial))
    centre = (np.array(spatial) - 1) / 2
    outside = 2.5 if padding_mode == "constant" else 0.0
    warped = warp(torch.from_numpy(images), matrices, padding_mode, 2.5).numpy()
    for image, matrix, result in zip(images, matrices, warped, strict=True):
        linear, shift = matrix[:-1, :-1], matrix[:-1, -1]
        offset = centre + shift - linear @ centre
        for channel, got in zip(image, result, strict=True):
            expected = ndimage.affine_transform(
                channel, linear, offset, order=1, mode=SCIPY_MODES[padding_mode], cval=outside
            )
            np.testing.assert_allclose(got, expected, atol=1e-10)


@pytest.mark.parametrize("padding_mode", SCIPY_MODES)
@pytest.mark.parametrize("spatial", [(9,), (6, 8), (2, 7), (4, 5, 6), (1, 6), (4, 1, 3)], ids=str)
def test_warp_with_a_displacement_against_scipy(spatial, padding_mode):
    images = pictures(3, 2, *spatial)
    matrices = random_matrices(3, len(spatial))
    displacement = pictures(3, len(spatial), *spatial, seed=2)
    outside = 1.0 if padding_mode == "constant" else 0.0
    expected = sampled(images, matrices, padding_mode, outside, displacement)
    displacement = torch.from_numpy(displacement)
    warped = warp(torch.from_numpy(images), matrices, padding_mode, 1.0, displacement)
    np.testing.assert_allclose(warped.numpy(), expected, atol=1e-10)


@pytest.mark.parametrize("padding_mode", SCIPY_MODES)
@pytest.mark.parametrize("spatial", [(7,), (5, 6), (3, 4, 5)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nearest_is_exact_for_whole_positions(spatial, padding_mode, dtype):
    rng = np.random.default_rng(0)
    images = torch.from_numpy(pictures(20, 2, *spatial)).to(dtype)
    matrices = np.tile(np.eye(len(spatial) + 1), (20, 1, 1))
    matrices[:, :-1, -1] = rng.integers(-4, 5, (20, len(spatial)))
    for i in range(len(spatial)):
        matrices[:, i, i] = rng.choice([-1, 1], 20)
    warped = warp(images, matrices, padding_mode, nearest=True)
    expected = sampled(images.numpy().astype(float), matrices, padding_mode, order=0)
    np.testing.assert_array_equal(warped.numpy(), expected)


def test_the_nearest_value_of_the_identity_is_the_value():
    images = torch.from_numpy(pictures(2, 3, 97, 131, dtype=np.float32))
    assert torch.equal(warp(images, np.tile(np.eye(3), (2, 1, 1)), "edge", nearest=True), images)


@pytest.mark.parametrize("fill_value", [0.0, 0.1, -3.7, 255.0, -1024.0])
@pytest.mark.parametrize("nearest", [False, True])
def test_outside_is_the_fill_value(fill_value, nearest):
    away = np.array([[[1.0, 0, 50], [0, 1, 0], [0, 0, 1]]])
    image = torch.from_numpy(pictures(1, 2, 4, 5, dtype=np.float32))
    warped = warp(image, away, "constant", fill_value, nearest=nearest)
    np.testing.assert_allclose(warped, fill_value, rtol=1e-6)


@pytest.mark.parametrize("fill_value", [0.1, 255.0, -1024.0])
def test_a_fill_value_changes_values_from_inside_by_its_rounding_only(fill_value):
    image = torch.from_numpy(pictures(1, 1, 6, 5, dtype=np.float32))
    one_to_the_left = np.array([[[1.0, 0, 0], [0, 1, 1], [0, 0, 1]]])
    warped = warp(image, one_to_the_left, "constant", fill_value, nearest=True)
    np.testing.assert_allclose(warped[..., :-1], image[..., 1:], atol=2e-7 * abs(fill_value))
    whole = image.round()
    warped = warp(whole, one_to_the_left, "constant", float(round(fill_value)), nearest=True)
    assert torch.equal(warped[..., :-1], whole[..., 1:])


@pytest.mark.parametrize("spatial", [(40,), (40, 30), (9, 8, 7)], ids=str)
def test_a_warped_sample_is_the_same_in_any_batch(spatial, monkeypatch):
    images = torch.from_numpy(pictures(40, 2, *spatial, dtype=np.float32))
    matrices = random_matrices(40, len(spatial), size=0.3)
    warped = warp(images, matrices, "constant", 0.3)
    for rows in ([7], [3, 39, 0], [5, 5]):
        assert torch.equal(warp(images[rows], matrices[rows], "constant", 0.3), warped[rows])
    monkeypatch.setattr(_image_ops, "_CHUNK_VALUES", 7 * images[0].numel())
    assert torch.equal(warp(images, matrices, "constant", 0.3), warped)


def test_warp_leaves_its_arguments_alone():
    images, matrices = torch.from_numpy(pictures(2, 1, 4, 5)), random_matrices(2, 2)
    before = images.clone(), matrices.copy()
    warp(images, matrices, "constant", 3.0, torch.ones(2, 2, 4, 5).double())
    assert torch.equal(images, before[0])
    np.testing.assert_array_equal(matrices, before[1])


@pytest.mark.parametrize("spatial", [(9,), (5, 6), (3, 4, 5)], ids=str)
def test_warp_takes_any_memory_order(spatial):
    images = torch.from_numpy(pictures(3, 4, *spatial, dtype=np.float32))
    last = images.movedim(1, -1).contiguous().movedim(-1, 1)
    matrices = random_matrices(3, len(spatial))
    assert torch.equal(warp(last, matrices, "mirror"), warp(images, matrices, "mirror"))


@pytest.mark.parametrize("spatial", [(9,), (6, 11), (4, 5, 3), (1, 5), (2, 2)], ids=str)
@pytest.mark.parametrize("n_inner", [2, 3, 5])
def test_fields_against_naive_splines_of_scipy(spatial, n_inner):
    points = pictures(2, 3, *[n_inner + 2] * len(spatial))
    fields = spread_control_points(torch.from_numpy(points), spatial)
    assert fields.shape == (2, 3, *spatial)
    assert fields.dtype == torch.float64
    bump = BSpline.basis_element([-2, -1, 0, 1, 2], extrapolate=False)
    expected = np.zeros((2, 3, *spatial))
    for pixel in np.ndindex(*spatial):
        # the points 1 to n_inner lie on the first and the last pixel and between them
        at = [1 + (n_inner - 1) * i / max(s - 1, 1) for i, s in zip(pixel, spatial, strict=True)]
        for point in np.ndindex(*points.shape[2:]):
            weight = np.prod([np.nan_to_num(bump(a - k)) for a, k in zip(at, point, strict=True)])
            expected[(..., *pixel)] += weight * points[(..., *point)]
    np.testing.assert_allclose(fields, expected, atol=1e-12)


def test_equal_control_points_make_a_constant_field():
    fields = spread_control_points(torch.full((1, 2, 6, 6), 0.7), (17, 30))
    assert fields.dtype == torch.float32
    np.testing.assert_allclose(fields, 0.7, rtol=1e-6)


def test_control_points_on_a_line_make_a_line():
    points = torch.arange(-1.0, 5, dtype=torch.float64)[None, None]
    np.testing.assert_allclose(
        spread_control_points(points, (9,))[0, 0], np.linspace(0, 3, 9), atol=1e-12
    )


def test_fields_of_a_sample_are_the_same_in_any_batch():
    points = torch.from_numpy(pictures(33, 2, 6, 6, dtype=np.float32))
    before = points.clone()
    fields = spread_control_points(points, (17, 30))
    for rows in ([4], [32, 0, 7]):
        assert torch.equal(spread_control_points(points[rows], (17, 30)), fields[rows])
    assert torch.equal(points, before)


@pytest.mark.parametrize("n_values", [1, 2, 3, 7, 64, 65, 1000])
def test_sums_against_exact_ones(n_values):
    values = pictures(5, n_values) * 10.0 ** np.arange(-2, 3)[:, None]
    exact = [fsum(row) for row in values]
    np.testing.assert_allclose(sample_sums(torch.from_numpy(values)), exact, rtol=1e-12)
    np.testing.assert_allclose(
        sample_sums(torch.from_numpy(values).float()),
        exact,
        atol=1e-5 * np.abs(values).sum(1).max(),
    )


def test_sums_are_the_same_in_any_batch_and_memory_order():
    values = torch.from_numpy(pictures(33, 3, 7, 11, dtype=np.float32))
    sums = sample_sums(values)
    assert torch.equal(sample_sums(values[4:5]), sums[4:5])
    last = values.movedim(1, -1).contiguous().movedim(-1, 1)
    assert torch.equal(sample_sums(last), sums)


def test_sums_leave_the_values_alone():
    values = torch.from_numpy(pictures(2, 7))
    before = values.clone()
    sample_sums(values)
    sample_sums(values[:, :1])
    assert torch.equal(values, before)


def test_numbers_broadcast_over_samples():
    numbers = per_sample(np.array([1, 2]), torch.zeros(2, 3, 4, 5))
    assert numbers.shape == (2, 1, 1, 1)
    assert numbers.dtype == torch.float32


@pytest.mark.parametrize("spatial", [(12,), (9, 8), (5, 6, 4), (1,), (2,), (1, 7)], ids=str)
@pytest.mark.parametrize("radius", [1, 3, 9])
def test_blur_against_scipy(spatial, radius):
    images = pictures(4, 2, *spatial)
    sigmas = np.array([0.0, 0.3, 1.0, 2.7])
    blurred = blur(torch.from_numpy(images), sigmas, radius)
    for image, sigma, result in zip(images, sigmas, blurred.numpy(), strict=True):
        expected = image
        for axis in range(1, image.ndim):
            if sigma > 0:
                expected = ndimage.gaussian_filter1d(
                    expected, sigma, axis=axis, mode="nearest", radius=radius
                )
        np.testing.assert_allclose(result, expected, atol=1e-12)


def test_blur_without_width_or_radius_changes_nothing():
    images = torch.from_numpy(pictures(3, 1, 5, 6))
    for sigma in (0.0, 1e-300, 1e-160, 1e-154, 1e-30, 0.01):
        assert torch.equal(blur(images, np.full(3, sigma), 3), images)
    assert torch.equal(blur(images, np.ones(3), 0), images)


def grown_by_scipy(image, pixels):
    """Return one channel dilated or eroded by whole pixels: crosses and squares in turn."""
    change = ndimage.grey_dilation if pixels > 0 else ndimage.grey_erosion
    for k in range(abs(pixels)):
        reach = image.ndim if k % 2 else 1
        footprint = ndimage.generate_binary_structure(image.ndim, reach)
        image = change(image, footprint=footprint, mode="nearest")
    return image


@pytest.mark.parametrize("spatial", [(9,), (8, 7), (5, 4, 6), (1,), (1, 6), (2, 2)], ids=str)
@pytest.mark.parametrize("pixels", [-3, -2, -1, 1, 2, 3])
def test_dilation_by_whole_pixels_against_scipy(spatial, pixels):
    images = pictures(2, 3, *spatial).astype(np.float32)
    grown = dilate(torch.from_numpy(images), np.full(2, float(pixels)), abs(pixels)).numpy()
    for image, result in zip(images, grown, strict=True):
        for channel, got in zip(image, result, strict=True):
            np.testing.assert_allclose(got, grown_by_scipy(channel, pixels), rtol=1e-6, atol=1e-6)


def test_dilation_of_whole_numbers_by_whole_pixels_is_exact():
    images = (1000 * torch.from_numpy(pictures(9, 1, 9, 9, dtype=np.float32))).round()
    for pixels in (-3, -1, 1, 2):
        grown = dilate(images, np.full(9, float(pixels)), 3)
        for image, got in zip(images[:, 0].numpy(), grown[:, 0].numpy(), strict=True):
            np.testing.assert_array_equal(got, grown_by_scipy(image, pixels))


@pytest.mark.parametrize("amount", [0.25, 1.5, -0.75, -2.5])
def test_a_fraction_of_a_pixel_is_a_blend(amount):
    image = pictures(1, 1, 7, 6)
    whole = int(np.trunc(amount))
    before = grown_by_scipy(image[0, 0], whole)
    after = grown_by_scipy(image[0, 0], whole + (1 if amount > 0 else -1))
    share = abs(amount) - abs(whole)
    grown = dilate(torch.from_numpy(image), np.array([amount]), 3)
    np.testing.assert_allclose(grown[0, 0], before * (1 - share) + after * share, atol=1e-12)


def test_each_sample_grows_by_its_own_amount():
    images = torch.from_numpy(pictures(4, 2, 6, 7, dtype=np.float32))
    amounts = np.array([-1.5, 0.0, 0.4, 2.0])
    together = dilate(images, amounts, 2)
    for i, amount in enumerate(amounts):
        alone = dilate(images[i : i + 1], amounts[i : i + 1], int(np.ceil(abs(amount))))
        assert torch.equal(together[i : i + 1], alone)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_boxes_against_slices(data):
    spatial = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple))
    ends = [
        [sorted(data.draw(st.tuples(st.integers(0, s), st.integers(0, s)))) for s in spatial]
        for _ in range(3)
    ]
    lows, highs = np.moveaxis(np.array(ends), -1, 0)
    inside = inside_boxes(lows, highs, torch.zeros(3, 2, *spatial))
    expected = np.zeros((3, 1, *spatial), bool)
    for i, (low, high) in enumerate(zip(lows, highs, strict=True)):
        expected[(i, 0, *map(slice, low, high))] = True
    np.testing.assert_array_equal(inside.numpy(), expected)


def test_tables_made_in_inference_mode_serve_training_too():
    images = torch.from_numpy(pictures(2, 1, 13, 19, dtype=np.float32))  # sides of no other test
    points = torch.zeros(2, 2, 6, 6)

    def moved():
        return warp(
            images, random_matrices(2, 2), "edge", 0.0, spread_control_points(points, (13, 19))
        )

    with torch.inference_mode():
        first = moved().clone()
    again = moved()
    again.add_(0).requires_grad_().sum().backward()
    assert torch.equal(again.detach(), first)


def test_centres_of_even_and_odd_sides():
    for spatial in product((1, 2, 3, 4), repeat=2):
        image = torch.from_numpy(pictures(1, 1, *spatial))
        half_turn = np.diag([-1.0, -1, 1])[None]
        np.testing.assert_allclose(warp(image, half_turn, "zeros"), image.flip(2, 3), atol=1e-12)


@pytest.mark.parametrize("length", [5_000, 160_000])
def test_long_signals_are_moved_exactly(length):
    signal = torch.sin(2 * torch.arange(length, dtype=torch.float64)).float()[None, None]
    matrices = np.eye(2)[None].copy()
    matrices[0, 0, 1] = -100
    moved = warp(signal, matrices, "zeros")
    assert moved.dtype == torch.float32
    np.testing.assert_allclose(moved[0, 0, 100:], signal[0, 0, :-100], atol=1e-6)
    np.testing.assert_allclose(moved[0, 0, :99], 0, atol=1e-6)


@pytest.mark.parametrize("fill_value", [255.0, -1e8, 0.1])
def test_a_constant_is_exact_where_nothing_is_interpolated(fill_value):
    images = torch.rand(3, 2, 6, 7, generator=torch.Generator().manual_seed(0))
    matrices = np.tile(np.eye(3), (3, 1, 1))
    matrices[:, 0, 2] = 2
    moved = warp(images, matrices, "constant", fill_value, nearest=True)
    np.testing.assert_array_equal(moved[:, :, :-2], images[:, :, 2:])
    np.testing.assert_array_equal(moved[:, :, -2:], torch.tensor(fill_value))
