"""Moving pixels: every augmentation against scipy, exact flips, turns and shifts, draws."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage, stats
from scipy.interpolate import BSpline
from sklearn.base import clone

from skcnn.augmentation import (
    RandomAffine,
    RandomCrop,
    RandomElastic,
    RandomFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from skcnn.augmentation._augmenter import Augmenter, Step
from skcnn.augmentation._draws import row_keys
from skcnn.exceptions import InputShapeError

MODES = {"constant": "grid-constant", "edge": "nearest", "mirror": "mirror"}
SIGNALS = [(9,), (12,)]  # shorter ones are not taken for signals of four channels
IMAGES = [(7, 7), (8, 8), (5, 9), (10, 4), (2, 2), (2, 3)]
VOLUMES = [(4, 5, 6), (3, 3, 3), (2, 3, 4)]


def pictures(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def as_samples(spatial, n_channels, n=3):
    """Return channels-last samples and the parameters with which they are read."""
    return pictures(n, *spatial, n_channels), {"input_shape": (*spatial, n_channels)}


def one_channel(spatial):
    """Return the input_shape of grey samples, with which also flat ones are understood."""
    return spatial if len(spatial) == 1 else (*spatial, 1)


# What the parameters mean, in the coordinates of geometry: x to the right, y upwards.
# The maps carry content from where it was to where it goes.


def turned(degrees):
    a = np.deg2rad(degrees)
    return np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])


def leaning(degrees):
    return np.array([[1, np.tan(np.deg2rad(degrees))], [0, 1]])


ROW_COLUMN = np.array([[0, -1], [1, 0]])  # (x, y) to (row, column)


def in_rows_and_columns(linear):
    return ROW_COLUMN @ linear @ ROW_COLUMN.T


def moved_by_scipy(X, linear, shift, fill="constant", fill_value=0.0):
    """Return samples whose content is mapped by `linear` about the centre, then shifted.

    `linear` and `shift` are in pixels, axes in the order of the samples'; channels last.
    """
    spatial = np.array(X.shape[1:-1])
    centre = (spatial - 1) / 2
    back = np.linalg.inv(linear)
    offset = centre - back @ (centre + shift)
    out = np.empty_like(X)
    for i, c in np.ndindex(len(X), X.shape[-1]):
        out[i, ..., c] = ndimage.affine_transform(
            X[i, ..., c], back, offset, order=1, mode=MODES[fill], cval=fill_value
        )
    return out


CASES = {
    "shift": (
        lambda **k: RandomTranslation((0.23, 0.23), **k),
        lambda n: (np.eye(n), 0.23),
        SIGNALS + IMAGES + VOLUMES,
    ),
    "shift back": (
        lambda **k: RandomTranslation((-0.6, -0.6), **k),
        lambda n: (np.eye(n), -0.6),
        SIGNALS + IMAGES + VOLUMES,
    ),
    "shift sideways": (
        lambda **k: RandomTranslation((0.3, 0.3), axis="horizontal", **k),
        lambda n: (np.eye(n), [0] * (n - 1) + [0.3]),
        SIGNALS + IMAGES + VOLUMES,
    ),
    "shift downwards": (
        lambda **k: RandomTranslation((0.3, 0.3), axis="vertical", **k),
        lambda n: (np.eye(n), [0] * (n - 2) + [0.3, 0]),
        IMAGES + VOLUMES,
    ),
    "shift along the first axis": (
        lambda **k: RandomTranslation((0.3, 0.3), axis=(0,), **k),
        lambda n: (np.eye(n), [0.3] + [0] * (n - 1)),
        SIGNALS + IMAGES + VOLUMES,
    ),
    "zoom in": (
        lambda **k: RandomZoom((1.7, 1.7), **k),
        lambda n: (1.7 * np.eye(n), 0),
        SIGNALS + IMAGES + VOLUMES,
    ),
    "zoom out": (
        lambda **k: RandomZoom((0.4, 0.4), **k),
        lambda n: (0.4 * np.eye(n), 0),
        SIGNALS + IMAGES + VOLUMES,
    ),
    "turn": (
        lambda **k: RandomRotation((33, 33), **k),
        lambda n: (in_rows_and_columns(turned(33)), 0),
        IMAGES,
    ),
    "turn clockwise": (
        lambda **k: RandomRotation((-140, -140), **k),
        lambda n: (in_rows_and_columns(turned(-140)), 0),
        IMAGES,
    ),
    "lean": (
        lambda **k: RandomShear((25, 25), **k),
        lambda n: (in_rows_and_columns(leaning(25)), 0),
        IMAGES,
    ),
    "lean to the left": (
        lambda **k: RandomShear((-50, -50), axis=-1, **k),
        lambda n: (in_rows_and_columns(leaning(-50)), 0),
        IMAGES,
    ),
    "everything": (
        lambda **k: RandomAffine(
            (20, 20), translation=(0.15, 0.15), zoom=(1.3, 1.3), shear=(-12, -12), **k
        ),
        lambda n: (
            in_rows_and_columns(turned(20) @ leaning(-12) @ (1.3 * np.eye(2))),
            0.15,
        ),
        IMAGES,
    ),
}


@pytest.mark.parametrize("n_channels", [1, 2, 4])
@pytest.mark.parametrize(
    ("name", "spatial"), [(name, spatial) for name, case in CASES.items() for spatial in case[2]]
)
def test_moving_against_scipy(name, spatial, n_channels):
    make, meaning, _ = CASES[name]
    X, reading = as_samples(spatial, n_channels)
    linear, fractions = meaning(len(spatial))
    shift = np.broadcast_to(fractions, len(spatial)) * spatial
    got = make(**reading).fit_transform(X).to_numpy()
    np.testing.assert_allclose(got, moved_by_scipy(X, linear, shift), atol=1e-10)


@pytest.mark.parametrize("fill", MODES)
@pytest.mark.parametrize("fill_value", [0.0, 1.5])
@pytest.mark.parametrize("name", ["shift back", "zoom out", "turn", "lean", "everything"])
def test_fills_against_scipy(name, fill, fill_value):
    make, meaning, _ = CASES[name]
    X, reading = as_samples((6, 9), 3)
    linear, fractions = meaning(2)
    shift = np.broadcast_to(fractions, 2) * (6, 9)
    got = make(fill=fill, fill_value=fill_value, **reading).fit_transform(X).to_numpy()
    expected = moved_by_scipy(X, linear, shift, fill, fill_value)
    np.testing.assert_allclose(got, expected, atol=1e-10)


@pytest.mark.parametrize("fill", MODES)
def test_turned_volumes_against_scipy(fill):
    X, reading = as_samples((4, 5, 6), 2)
    turner = RandomRotation(180, fill=fill, random_state=0, **reading)
    params = turner.draw(X)
    assert params["degrees"].shape == (3, 3)
    got = turner.apply(X, params)
    for i, degrees in enumerate(params["degrees"]):
        linear = np.eye(3)
        for angle, axes in zip(degrees, [(1, 2), (0, 2), (0, 1)], strict=True):
            step = np.eye(3)
            step[np.ix_(axes, axes)] = in_rows_and_columns(turned(angle))
            linear = step @ linear
        expected = moved_by_scipy(X[i : i + 1], linear, np.zeros(3), fill)
        np.testing.assert_allclose(got[i : i + 1], expected, atol=1e-10)


def test_random_affine_draws_against_scipy():
    X, reading = as_samples((7, 10), 2, n=20)
    affine = RandomAffine(
        60, translation=0.3, zoom=(0.6, 1.5), shear=30, random_state=3, fill="mirror", **reading
    )
    params = affine.draw(X)
    got = affine.apply(X, params)
    for i in range(20):
        linear = in_rows_and_columns(
            turned(params["degrees"][i, 0])
            @ leaning(params["shear"][i])
            @ (params["zoom"][i] * np.eye(2))
        )
        shift = params["translation"][i] * (7, 10)
        expected = moved_by_scipy(X[i : i + 1], linear, shift, "mirror")
        np.testing.assert_allclose(got[i : i + 1], expected, atol=1e-10)


@pytest.mark.parametrize("axis", ["vertical", -2, 0, ("vertical", "horizontal"), (0, 1)])
def test_sheared_columns_slide_down_on_the_left_like_a_transposed_lean(axis):
    X, reading = as_samples((6, 6), 1)
    shear = RandomShear(40, axis=axis, random_state=0, **reading)
    params = shear.draw(X)
    across, down = params["degrees"].T
    assert (across != 0).all() == isinstance(axis, tuple)
    assert (down != 0).all()
    got = shear.apply(X, params)
    for i in range(3):
        rows = in_rows_and_columns(leaning(across[i]))
        columns = in_rows_and_columns(leaning(down[i])).T
        expected = moved_by_scipy(X[i : i + 1], columns @ rows, np.zeros(2))
        np.testing.assert_allclose(got[i : i + 1], expected, atol=1e-10)


def test_volumes_are_sheared_slice_by_slice():
    X = pictures(2, 3, 6, 7)
    whole = RandomShear((20, 20), input_shape=(3, 6, 7, 1)).fit_transform(X[..., None]).to_numpy()
    sliced = RandomShear((20, 20)).fit_transform(X.reshape(6, 6, 7)).to_numpy()
    np.testing.assert_allclose(whole.reshape(6, 6, 7), sliced, atol=1e-12)


@pytest.mark.parametrize("spatial", [(1, 6), (6, 1), (1, 1), (1, 4, 5)], ids=str)
@pytest.mark.parametrize("fill", MODES)
def test_an_axis_of_length_one_has_nowhere_to_move(spatial, fill):
    X, reading = as_samples(spatial, 1)
    moved = RandomTranslation((0.4, 0.4), fill=fill, **reading).fit_transform(X).to_numpy()
    inner = RandomTranslation((0.4, 0.4), fill=fill)
    squeezed = X.squeeze()
    if squeezed.ndim == 3:
        expected = inner.fit_transform(squeezed).to_numpy()
    elif squeezed.ndim == 2:
        expected = (
            inner.set_params(input_shape=squeezed.shape[1:]).fit_transform(squeezed).to_numpy()
        )
    else:
        expected = squeezed
    np.testing.assert_allclose(moved.squeeze(), expected, atol=1e-12)


# Exact results


@pytest.mark.parametrize("times", [1, 2, 3, 4, -1])
@pytest.mark.parametrize("side", [1, 2, 5, 8])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_quarter_turns_are_those_of_numpy(side, times, dtype):
    X = np.random.default_rng(0).integers(0, 256, (4, side, side)).astype(dtype)
    got = RandomRotation((90 * times, 90 * times)).fit_transform(X).to_numpy()
    expected = np.rot90(X, times, axes=(1, 2))
    np.testing.assert_allclose(got, expected, atol=0 if dtype == np.uint8 else 2e-3)
    if dtype == np.float64:
        np.testing.assert_allclose(got, expected, atol=1e-10)


@pytest.mark.parametrize(("plane", "axes"), [(0, (2, 3)), (1, (1, 3)), (2, (1, 2))])
def test_quarter_turns_of_volumes_are_those_of_numpy(plane, axes):
    X = pictures(2, 4, 4, 4, 1)
    turner = RandomRotation(0)
    params = turner.draw(X)
    params["degrees"][:, plane] = 90
    np.testing.assert_allclose(turner.apply(X, params), np.rot90(X, 1, axes), atol=1e-10)


AXES = {
    "horizontal": (-1,),
    "vertical": (-2,),
    ("horizontal", "vertical"): (-1, -2),
    0: (0,),
    -1: (-1,),
    (0, "horizontal"): (0, -1),
}
DTYPES = ["uint8", "int16", "int64", "bool", "float16", "float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("spatial", [(5, 6), (1, 4), (2, 1), (3, 4, 5)], ids=str)
def test_flips_are_exact(spatial, axis, dtype):
    X = (100 * pictures(6, *spatial, 2)).astype(dtype)
    flipped = RandomFlip(axis, p=1.0, input_shape=(*spatial, 2)).fit_transform(X).to_numpy()
    axes = {1 + a % len(spatial) for a in AXES[axis]}
    np.testing.assert_array_equal(flipped, np.flip(X, tuple(axes)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", [1, 2, 7])
def test_flipped_signals_run_backwards(length, dtype):
    X = (100 * pictures(3, length)).astype(dtype)
    np.testing.assert_array_equal(RandomFlip(p=1.0).fit_transform(X).to_numpy(), X[:, ::-1])


def rolled(image, pixels, fill, fill_value):
    """Return an image shifted by whole pixels, what comes in filled, one axis at a time."""
    modes = {"constant": "constant", "edge": "edge", "mirror": "reflect"}
    known = {"constant_values": fill_value} if fill == "constant" else {}
    reach = [(abs(p), abs(p)) for p in pixels]
    padded = np.roll(np.pad(image, reach, modes[fill], **known), pixels, range(len(pixels)))
    return padded[tuple(slice(r, r + s) for (r, _), s in zip(reach, image.shape, strict=True))]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fill", MODES)
@pytest.mark.parametrize("spatial", [(7,), (2,), (5, 6), (2, 9), (3, 4, 5)], ids=str)
def test_crops_are_rolls_with_fill(spatial, fill, dtype):
    X = (100 * pictures(30, *spatial)).astype(dtype)
    crop = RandomCrop(2, fill=fill, fill_value=1, input_shape=one_channel(spatial), random_state=1)
    params = crop.draw(X)
    assert set(params["pixels"].ravel()) == {-2, -1, 0, 1, 2}
    got = crop.fit_transform(X).to_numpy()
    assert got.dtype == X.dtype
    expected = [rolled(x, p, fill, 1) for x, p in zip(X, params["pixels"], strict=True)]
    if dtype in ("float32", "float64") and fill == "constant":
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


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_shifts_by_whole_pixels_are_rolls_with_fill(data):
    spatial = data.draw(st.lists(st.integers(2, 6), min_size=1, max_size=3).map(tuple))
    pixels = [data.draw(st.integers(-s, s)) for s in spatial]
    X = data.draw(arrays(np.float64, (1, *spatial), elements=st.floats(-9, 9, width=16)))
    fill = data.draw(st.sampled_from(sorted(MODES)))
    if fill == "mirror":
        pixels = [max(min(p, s - 1), 1 - s) for p, s in zip(pixels, spatial, strict=True)]
    mover = RandomTranslation(fill=fill, fill_value=2.0, input_shape=one_channel(spatial))
    params = {"applied": np.ones(1, bool), "fraction": np.array([pixels]) / spatial}
    np.testing.assert_allclose(
        mover.apply(X, params)[0], rolled(X[0], pixels, fill, 2.0), atol=1e-9
    )


# Properties


ANY_IMAGES = arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6)),
    elements=st.floats(-100, 100, width=32),
)


@settings(max_examples=40, deadline=None)
@given(X=ANY_IMAGES, axis=st.sampled_from([*AXES]), seed=st.integers(0, 2**32 - 1))
def test_flipped_twice_is_the_original(X, axis, seed):
    flip = RandomFlip(axis, random_state=seed)
    params = flip.draw(X)
    np.testing.assert_array_equal(flip.apply(flip.apply(X, params), params), X)
    twice = RandomFlip(axis, p=1.0).fit_transform(RandomFlip(axis, p=1.0).fit_transform(X))
    np.testing.assert_array_equal(twice.to_numpy(), X)


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


@settings(max_examples=30, deadline=None)
@given(
    X=st.integers(1, 6).flatmap(
        lambda s: arrays(np.uint8, (2, s, s), elements=st.integers(0, 255))
    ),
    times=st.integers(-4, 4),
)
def test_turns_of_square_images_by_quarters_are_those_of_numpy(X, times):
    turned_back = RandomRotation((90 * times,) * 2, fill="edge").fit_transform(X).to_numpy()
    np.testing.assert_array_equal(turned_back, np.rot90(X, times, axes=(1, 2)))


# Elastic


@pytest.mark.parametrize("fill", MODES)
@pytest.mark.parametrize("spatial", [(12,), (8, 11), (4, 5, 6)], ids=str)
@pytest.mark.parametrize("n_points", [2, 4])
def test_elastic_against_naive_splines_and_scipy(spatial, n_points, fill):
    X, reading = as_samples(spatial, 2)
    elastic = RandomElastic((0.2, 0.2), n_points=n_points, fill=fill, random_state=0, **reading)
    params = elastic.draw(X)
    points = params["displacement"]
    assert points.shape == (3, len(spatial), *[n_points + 2] * len(spatial))
    got = elastic.apply(X, params)
    bump = BSpline.basis_element([-2, -1, 0, 1, 2], extrapolate=False)
    bases = [
        np.nan_to_num(bump(1 + np.linspace(0, n_points - 1, s)[:, None] - np.arange(n_points + 2)))
        for s in spatial
    ]
    for i in range(3):
        field = points[i]
        for axis, basis in enumerate(bases):
            field = np.moveaxis(np.tensordot(basis, field, (1, axis + 1)), 0, axis + 1)
        where = np.indices(spatial) + field * np.array(spatial).reshape(-1, *[1] * len(spatial))
        for c in range(2):
            expected = ndimage.map_coordinates(X[i, ..., c], where, order=1, mode=MODES[fill])
            np.testing.assert_allclose(got[i, ..., c], expected, atol=1e-10)


def test_elastic_displacements_have_the_documented_size():
    X = np.zeros((4000, 20, 30))
    points = RandomElastic((0.07, 0.07), random_state=0).draw(X)["displacement"]
    assert stats.kstest(points[:, :, 0, 0].ravel() / 0.07, "norm").pvalue > 1e-4
    sizes = RandomElastic(0.07, random_state=0).draw(X)["displacement"].std(axis=(1, 2, 3))
    assert stats.kstest(sizes / 0.07, "uniform").statistic < 0.1


# Draws


N = 4000
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


def test_the_draws_of_an_affine_map_are_independent_of_each_other():
    params = RandomAffine(shear=9, random_state=0).draw(np.zeros((N, 5, 6)))
    columns = np.column_stack([params[k] for k in ("degrees", "translation", "zoom", "shear")])
    assert np.abs(np.triu(np.corrcoef(columns.T), 1)).max() < 4 / N**0.5


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
    augmenter = Augmenter([Step(flip, None)], (1, 4), 3.0, 7, strength)
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
    augmenter = Augmenter([Step(RandomFlip("vertical", alternate=True), None)], (2, 2), 3.0, 7)
    for epoch in range(2):
        out = augmenter.images(X, np.arange(50), epoch)
        assert (out[:, 0, :, 1] - out[:, 0, :, 0] == 1).all()


def test_alternating_flips_of_no_strength_change_nothing():
    assert not flips_of_epochs(RandomFlip(alternate=True), strength=0.0).any()


def test_one_draw_of_an_alternating_flip_is_that_of_the_first_epoch():
    drawn = RandomFlip(alternate=True, p=0.8, random_state=3).draw(np.zeros((N, 4)))["flip"]
    low, high = stats.binom.interval(0.9999, N, 0.8)
    assert low <= drawn.sum() <= high


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
    X = torch.from_numpy(pictures(50, 1, 6, 8)).float()
    augmenter = Augmenter([Step(augmentation, 0)], (6, 8), 1.0, 0, strength)
    out = augmenter.images(X, np.arange(50))
    assert torch.isfinite(out).all()
    assert X.min() <= out.min() <= out.max() <= X.max() + 1e-5


@pytest.mark.parametrize("strength", [0.3, 0.7])
def test_strength_lowers_the_probability_of_flips_and_the_padding_of_crops(strength):
    keys = row_keys(0, np.arange(N), 0, 0)
    flips = RandomFlip(p=0.5)._draw_all(keys, (6, 8), strength)
    low, high = stats.binom.interval(0.9999, N, 0.5 * strength)
    assert low <= flips["flip"].sum() <= high
    pixels = RandomCrop(10)._draw_all(keys, (20, 20), strength)["pixels"]
    assert pixels.max() == -pixels.min() == 10 * strength


# Axes and sizes that do not fit


@pytest.mark.parametrize("augmentation", [RandomRotation(), RandomShear(), RandomAffine()], ids=str)
def test_signals_cannot_be_turned_or_slanted(augmentation):
    X = pictures(3, 10, 2)
    augmentation.set_params(input_shape=(10, 2))
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
        (RandomFlip("vertical", input_shape=(10,)), pictures(3, 10)),
        (RandomFlip(2, input_shape=(4, 5, 1)), pictures(3, 4, 5)),
        (RandomFlip((0, -3), input_shape=(4, 5, 1)), pictures(3, 4, 5)),
        (RandomTranslation(axis="vertical", input_shape=(10,)), pictures(3, 10)),
        (RandomShear(axis=2, input_shape=(4, 5, 1)), pictures(3, 4, 5)),
    ],
    ids=lambda value: "" if isinstance(value, np.ndarray) else str(value),
)
def test_axes_that_the_samples_do_not_have_are_refused_at_fit(augmentation, X):
    name = type(augmentation).__name__
    message = rf"{name}\(axis=.*\) needs an axis that samples with \d spatial ax[ei]s do not have"
    with pytest.raises(InputShapeError, match=message):
        augmentation.draw(X)
    untold = clone(augmentation).set_params(input_shape=None, channels="last")
    if X.ndim > 2:  # what comes after may read the samples otherwise; the values cannot be drawn
        with pytest.raises(InputShapeError, match=message):
            untold.fit_transform(X).to_numpy()
    with pytest.raises(InputShapeError, match=message):
        augmentation.fit_transform(X)


def test_volumes_cannot_be_sheared_along_their_depth():
    X = pictures(2, 3, 4, 5, 1)
    with pytest.raises(ValueError, match=r"'axis'.*RandomShear|RandomShear\(axis=0\)"):
        RandomShear(axis=0).draw(X)
