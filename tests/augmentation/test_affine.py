"""Affine maps against scipy and NumPy: translation, rotation, zoom, shear."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skcnn.augmentation import (
    RandomAffine,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from tests.helpers.geometry import (
    EACH_PADDING,
    IMAGES,
    PADDINGS,
    SIGNALS,
    VOLUMES,
    as_samples,
    in_rows_and_columns,
    leaning,
    moved_by_scipy,
    normal_values,
    one_channel,
    rolled,
    turned,
)

N = 4000
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


@EACH_PADDING
@pytest.mark.parametrize("name", ["shift back", "zoom out", "turn", "lean", "everything"])
def test_paddings_against_scipy(name, padding):
    make, meaning, _ = CASES[name]
    X, reading = as_samples((6, 9), 3)
    linear, fractions = meaning(2)
    shift = np.broadcast_to(fractions, 2) * (6, 9)
    got = make(**padding, **reading).fit_transform(X).to_numpy()
    expected = moved_by_scipy(X, linear, shift, **padding)
    np.testing.assert_allclose(got, expected, atol=1e-10)


@EACH_PADDING
def test_turned_volumes_against_scipy(padding):
    X, reading = as_samples((4, 5, 6), 2)
    turner = RandomRotation(180, random_state=0, **padding, **reading)
    params = turner.draw(X)
    assert params["degrees"].shape == (3, 3)
    got = turner.apply(X, params)
    for i, degrees in enumerate(params["degrees"]):
        linear = np.eye(3)
        for angle, axes in zip(degrees, [(1, 2), (0, 2), (0, 1)], strict=True):
            step = np.eye(3)
            step[np.ix_(axes, axes)] = in_rows_and_columns(turned(angle))
            linear = step @ linear
        expected = moved_by_scipy(X[i : i + 1], linear, np.zeros(3), **padding)
        np.testing.assert_allclose(got[i : i + 1], expected, atol=1e-10)


def test_random_affine_draws_against_scipy():
    X, reading = as_samples((7, 10), 2, n=20)
    affine = RandomAffine(
        60,
        translation=0.3,
        zoom=(0.6, 1.5),
        shear=30,
        random_state=3,
        padding_mode="mirror",
        **reading,
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
    X = normal_values(2, 3, 6, 7)
    whole = RandomShear((20, 20), input_shape=(3, 6, 7, 1)).fit_transform(X[..., None]).to_numpy()
    sliced = RandomShear((20, 20)).fit_transform(X.reshape(6, 6, 7)).to_numpy()
    np.testing.assert_allclose(whole.reshape(6, 6, 7), sliced, atol=1e-12)


@pytest.mark.parametrize("spatial", [(1, 6), (6, 1), (1, 1), (1, 4, 5)], ids=str)
@EACH_PADDING
def test_values_do_not_move_along_an_axis_of_length_one(spatial, padding):
    X, reading = as_samples(spatial, 1)
    moved = RandomTranslation((0.4, 0.4), **padding, **reading).fit_transform(X).to_numpy()
    inner = RandomTranslation((0.4, 0.4), **padding)
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
    X = normal_values(2, 4, 4, 4, 1)
    turner = RandomRotation(0)
    params = turner.draw(X)
    params["degrees"][:, plane] = 90
    np.testing.assert_allclose(turner.apply(X, params), np.rot90(X, 1, axes), atol=1e-10)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_shifts_by_whole_pixels_are_padded_rolls(data):
    spatial = data.draw(st.lists(st.integers(2, 6), min_size=1, max_size=3).map(tuple))
    pixels = [data.draw(st.integers(-s, s)) for s in spatial]
    X = data.draw(arrays(np.float64, (1, *spatial), elements=st.floats(-9, 9, width=16)))
    padding = data.draw(st.sampled_from(PADDINGS))
    if padding["padding_mode"] == "mirror":
        pixels = [max(min(p, s - 1), 1 - s) for p, s in zip(pixels, spatial, strict=True)]
    mover = RandomTranslation(input_shape=one_channel(spatial), **padding)
    params = {"applied": np.ones(1, bool), "fraction": np.array([pixels]) / spatial}
    np.testing.assert_allclose(
        mover.apply(X, params)[0], rolled(X[0], pixels, **padding), atol=1e-9
    )


@settings(max_examples=30, deadline=None)
@given(
    X=st.integers(1, 6).flatmap(
        lambda s: arrays(np.uint8, (2, s, s), elements=st.integers(0, 255))
    ),
    times=st.integers(-4, 4),
)
def test_turns_of_square_images_by_quarters_are_those_of_numpy(X, times):
    turned_back = RandomRotation((90 * times,) * 2, padding_mode="edge").fit_transform(X).to_numpy()
    np.testing.assert_array_equal(turned_back, np.rot90(X, times, axes=(1, 2)))


def test_the_draws_of_an_affine_map_are_independent_of_each_other():
    params = RandomAffine(shear=9, random_state=0).draw(np.zeros((N, 5, 6)))
    columns = np.column_stack([params[k] for k in ("degrees", "translation", "zoom", "shear")])
    assert np.abs(np.triu(np.corrcoef(columns.T), 1)).max() < 4 / N**0.5


def test_volumes_cannot_be_sheared_along_their_depth():
    X = normal_values(2, 3, 4, 5, 1)
    with pytest.raises(ValueError, match=r"'axis'.*RandomShear|RandomShear\(axis=0\)"):
        RandomShear(axis=0).draw(X)
