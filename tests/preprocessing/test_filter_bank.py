"""Sliding kernels: published examples, scipy and NumPy as oracles, properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage, signal

from skcnn.preprocessing import KernelFilter, _filter_bank
from skcnn.preprocessing._kernels import KERNELS, SMOOTHING
from tests.helpers.pairs import parametrize_pairs

BLUR = [[0.06, 0.13, 0.06], [0.13, 0.25, 0.13], [0.06, 0.13, 0.06]]
LAPLACIAN = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
HORIZONTAL = [[1, 1, 1], [0, 0, 0], [-1, -1, -1]]
FACE = ["101101", "010010", "011110", "011110", "101101", "110011"]
SPOTS = ["01011", "00110", "11010", "01001", "00110"]
QUADRANTS = np.kron([[10, 0], [0, 10]], np.ones((3, 3)))
INSIDE = [[0, 0, 0, 0], [30, 10, -10, -30], [30, 10, -10, -30], [0, 0, 0, 0]]


def picture(rows):
    return np.array([[int(c) for c in row] for row in rows])


def mixed(shape, dtype=np.float64, seed=0):
    return (100 * np.random.default_rng(seed).random(shape)).astype(dtype)


@pytest.mark.parametrize(
    ("image", "kernel", "settings", "expected"),
    [
        (
            picture(FACE),
            BLUR,
            {},
            [
                [0.56, 0.57, 0.57, 0.56],
                [0.7, 0.82, 0.82, 0.7],
                [0.69, 0.95, 0.95, 0.69],
                [0.64, 0.69, 0.69, 0.64],
            ],
        ),
        (picture(FACE), BLUR, {"stride": 2}, [[0.56, 0.57], [0.69, 0.95]]),
        (picture(FACE), BLUR, {"stride": 3}, [[0.56, 0.56], [0.64, 0.64]]),
        # the published 4 in the first cell is an error: 1 + 1 + 0 + 1 - 4 * 0 is 3
        (picture(SPOTS), LAPLACIAN, {}, [[3, -3, -1], [-2, 3, -3], [-3, 2, 3]]),
        (picture(SPOTS), "laplacian", {}, [[3, -3, -1], [-2, 3, -3], [-3, 2, 3]]),
        (picture(SPOTS), "laplacian", {"stride": 2}, [[3, -1], [-3, 3]]),
        (QUADRANTS, HORIZONTAL, {}, INSIDE),
        (QUADRANTS, "prewitt_horizontal", {}, INSIDE),
        (QUADRANTS, "prewitt_horizontal", {"convolution": True}, -np.array(INSIDE)),
        (
            QUADRANTS,
            HORIZONTAL,
            {"padding": "same"},
            [
                [-20, -30, -20, -10, 0, 0],
                [0, 0, 0, 0, 0, 0],
                [20, 30, 10, -10, -30, -20],
                [20, 30, 10, -10, -30, -20],
                [0, 0, 0, 0, 0, 0],
                [0, 0, 10, 20, 30, 20],
            ],
        ),
        (
            QUADRANTS,
            HORIZONTAL,
            {"padding": "same", "padding_mode": "mirror"},
            [
                [0, 0, 0, 0, 0, 0],
                [0, 0, 0, 0, 0, 0],
                [30, 30, 10, -10, -30, -30],
                [30, 30, 10, -10, -30, -30],
                [0, 0, 0, 0, 0, 0],
                [0, 0, 0, 0, 0, 0],
            ],
        ),
        (np.array([1, 4, 9, 16]), (1, -1), {}, [-3, -5, -7]),
        (np.array([1, 4, 9, 16]), "difference", {}, [-3, -5, -7]),
        (np.array([1, 4, 9, 16]), (1, -1), {"convolution": True}, [3, 5, 7]),
        (np.array([1, 4, 9, 16]), (1, -1), {"padding": "same"}, [-3, -5, -7, 16]),
        (np.array([1, 4, 9, 16]), "sobel_vertical", {}, [-8, -12]),
    ],
)
def test_worked_examples(image, kernel, settings, expected):
    result = KernelFilter(kernel, **settings).fit_transform(image[None])
    np.testing.assert_array_equal(result[0].round(2), expected)


SCIPY_MODES = {"zeros": "constant", "mirror": "mirror", "edge": "nearest", "wrap": "wrap"}
SPATIAL = {1: (11,), 2: (9, 10), 3: (6, 5, 7)}


@parametrize_pairs(
    kernel=[(3,), (4,), (5, 2), (1, 4), (3, 3), (2, 3, 1)],
    mode=[*SCIPY_MODES],
    stride=[1, 2, 3],
    convolution=[False, True],
)
def test_same_padding_agrees_with_scipy(kernel, mode, stride, convolution):
    weights = np.random.default_rng(1).normal(size=kernel)
    X = mixed((3, *SPATIAL[len(kernel)], 2))
    used = np.flip(weights) if convolution else weights
    # the centre of an even kernel, flipped with it
    origins = [-1 if k % 2 == 0 and not convolution else 0 for k in kernel]
    expected = np.empty_like(X)
    for n, c in np.ndindex(3, 2):
        expected[n, ..., c] = ndimage.correlate(
            X[n, ..., c], used, mode=SCIPY_MODES[mode], origin=origins
        )
    expected = expected[:, *(slice(None, None, stride) for _ in kernel)]
    filtered = KernelFilter(
        weights,
        stride=stride,
        padding="same",
        padding_mode=mode,
        convolution=convolution,
        n_spatial_dims=len(kernel),
    )
    np.testing.assert_allclose(filtered.fit_transform(X), expected, atol=1e-11)


@pytest.mark.parametrize("kernel", [(3,), (4,), (5, 2), (3, 3), (2, 3, 1)], ids=str)
@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize(
    ("convolution", "oracle"), [(False, signal.correlate), (True, signal.convolve)]
)
def test_valid_positions_agree_with_scipy(kernel, stride, convolution, oracle):
    weights = np.random.default_rng(1).normal(size=kernel)
    image = mixed(SPATIAL[len(kernel)])
    steps = tuple(slice(None, None, stride) for _ in kernel)
    expected = oracle(image, weights, mode="valid", method="direct")[steps]
    model = KernelFilter(
        weights, stride=stride, convolution=convolution, n_spatial_dims=len(kernel)
    )
    result = model.fit_transform(image[None, ..., None])
    np.testing.assert_allclose(result[0, ..., 0], expected, atol=1e-11)


def test_odd_convolution_with_same_padding_is_scipys_convolve():
    weights, image = mixed((3, 5)), mixed((7, 8))
    result = KernelFilter(weights, padding="same", convolution=True).fit_transform(image[None])
    np.testing.assert_allclose(result[0], ndimage.convolve(image, weights, mode="constant"))


@pytest.mark.parametrize("mode", ["zeros", "mirror", "edge", "wrap"])
def test_same_padding_takes_kernels_larger_than_the_sample(mode):
    kernel = np.ones((1, 11))
    result = KernelFilter(kernel, padding="same", padding_mode=mode).fit_transform([[[1.0, 2.0]]])
    padded = np.pad([1.0, 2.0], 5, _filter_bank.NUMPY_PAD_MODES[mode])
    assert result[0, 0].tolist() == [padded[:11].sum(), padded[1:].sum()]


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_convolution_is_numpys(k):
    rng = np.random.default_rng(k)
    X, kernel = rng.normal(size=(4, 9)), rng.normal(size=k)
    for padding in ("valid", "same"):
        expected = [np.convolve(row, kernel, padding) for row in X]
        result = KernelFilter(kernel, padding=padding, convolution=True).fit_transform(X)
        np.testing.assert_allclose(result, expected)


NUMBERS = st.integers(-50, 50)
IMAGES = arrays(np.float64, (2, 5, 6), elements=NUMBERS)
NAMES = st.sampled_from(sorted({*KERNELS} - {*SMOOTHING}))


@settings(deadline=None, max_examples=30)
@given(a=IMAGES, b=IMAGES, factor=NUMBERS, name=NAMES, padding=st.sampled_from(["same", "valid"]))
def test_filtering_is_linear(a, b, factor, name, padding):
    model = KernelFilter(name, padding=padding).fit(a)
    expected = model.transform(a) + factor * model.transform(b)
    np.testing.assert_array_equal(model.transform(a + factor * b), expected)


@settings(deadline=None, max_examples=30)
@given(X=IMAGES, name=NAMES, shift=st.tuples(st.integers(0, 4), st.integers(0, 5)))
def test_filtering_commutes_with_shifts(X, name, shift):
    model = KernelFilter(name, padding="same", padding_mode="wrap").fit(X)
    moved = np.roll(X, shift, axis=(1, 2))
    expected = np.roll(model.transform(X), shift, axis=(1, 2))
    np.testing.assert_array_equal(model.transform(moved), expected)


@settings(deadline=None, max_examples=30)
@given(X=arrays(np.float64, (2, 5, 6), elements=st.floats(-1e300, 1e300)))
def test_identity_changes_nothing(X):
    np.testing.assert_array_equal(KernelFilter("identity", padding="same").fit_transform(X), X)
    inside = KernelFilter("identity").fit_transform(X)
    np.testing.assert_array_equal(inside, X[:, 1:-1, 1:-1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sample_does_not_depend_on_the_others(dtype, monkeypatch):
    X = mixed((40, 9, 7, 3), dtype)
    model = KernelFilter(["gaussian", "sobel_vertical"], padding="same").fit(X)
    whole = model.transform(X)
    for start, stop in [(0, 1), (3, 10), (39, 40)]:
        np.testing.assert_array_equal(model.transform(X[start:stop]), whole[start:stop])
    monkeypatch.setattr(_filter_bank, "CHUNK_VALUES", 2000)
    np.testing.assert_array_equal(model.transform(X), whole)
