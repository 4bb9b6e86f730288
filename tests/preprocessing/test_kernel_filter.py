"""Kernels: published examples, scipy as the oracle, forms, names, errors, scikit-learn."""

import pickle
from collections import Counter
from math import prod

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage, signal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_estimator,
    check_param_validation,
)

from skcnn import ConvNetClassifier
from skcnn.exceptions import ArchitectureError, InputShapeError
from skcnn.preprocessing import KernelFilter, _kernels
from skcnn.preprocessing._kernels import EDGES, KERNELS, SMOOTHING, named_kernel

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
        # The published slide has 4 in the first cell: a slip, 1 + 1 + 0 + 1 - 4 * 0 is 3.
        (picture(SPOTS), LAPLACIAN, {}, [[3, -3, -1], [-2, 3, -3], [-3, 2, 3]]),
        (picture(SPOTS), "laplacian", {}, [[3, -3, -1], [-2, 3, -3], [-3, 2, 3]]),
        (picture(SPOTS), "laplacian", {"stride": 2}, [[3, -1], [-3, 3]]),
        (QUADRANTS, HORIZONTAL, {}, INSIDE),
        (QUADRANTS, "horizontal_edges", {}, INSIDE),
        (QUADRANTS, "horizontal_edges", {"convolution": True}, -np.array(INSIDE)),
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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("identity", [[0, 0, 0], [0, 1, 0], [0, 0, 0]]),
        ("brighten", [[0, 0, 0], [0, 1.5, 0], [0, 0, 0]]),
        ("darken", [[0, 0, 0], [0, 0.5, 0], [0, 0, 0]]),
        ("sharpen", [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
        ("laplacian", LAPLACIAN),
        ("blur", np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16),
        ("vertical_edges", [[1, 0, -1]] * 3),
        ("horizontal_edges", HORIZONTAL),
        ("sobel_vertical", [[1, 0, -1], [2, 0, -2], [1, 0, -1]]),
        ("sobel_horizontal", [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]),
        ("scharr_vertical", [[3, 0, -3], [10, 0, -10], [3, 0, -3]]),
        ("scharr_horizontal", [[3, 10, 3], [0, 0, 0], [-3, -10, -3]]),
        ("prewitt_vertical", [[1, 0, -1]] * 3),
        ("prewitt_horizontal", HORIZONTAL),
        ("difference", [[1, -1]]),
        ("blur", [0.25, 0.5, 0.25]),
        ("gaussian", np.array([1, 4, 6, 4, 1]) / 16),
        ("sharpen", [-1, 3, -1]),
        ("laplacian", [1, -2, 1]),
        ("vertical_edges", [1, 0, -1]),
        ("scharr_vertical", [1, 0, -1]),
    ],
)
def test_named_kernels_are_the_published_ones(name, expected):
    np.testing.assert_array_equal(named_kernel(name, np.ndim(expected)), expected)


@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize("name", sorted({*KERNELS} - {n for n in KERNELS if "horizontal" in n}))
def test_named_kernels_exist_for_any_number_of_axes(name, n_axes):
    kernel = named_kernel(name, n_axes)
    total = {"brighten": 1.5, "darken": 0.5, "laplacian": 0, "difference": 0}
    expected = 0 if name in EDGES else total.get(name, 1)
    assert kernel.ndim == n_axes
    assert kernel.sum() == pytest.approx(expected, abs=1e-15)


def test_volume_kernels_follow_the_same_rule():
    assert named_kernel("laplacian", 3)[1, 1].tolist() == [1, -6, 1]
    assert named_kernel("sobel_horizontal", 3)[1].tolist() == [[2, 4, 2], [0, 0, 0], [-2, -4, -2]]
    assert named_kernel("box_blur", 3) == pytest.approx(np.full((3, 3, 3), 1 / 27))


SCIPY_MODES = {"zeros": "constant", "mirror": "mirror", "edge": "nearest", "wrap": "wrap"}
SPATIAL = {1: (11,), 2: (9, 10), 3: (6, 5, 7)}


@pytest.mark.parametrize("kernel", [(3,), (4,), (5, 2), (1, 4), (3, 3), (2, 3, 1)], ids=str)
@pytest.mark.parametrize("mode", SCIPY_MODES)
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("convolution", [False, True])
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
        input_shape=X.shape[1:],
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
        weights, stride=stride, convolution=convolution, input_shape=(*image.shape, 1)
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
    padded = np.pad([1.0, 2.0], 5, _kernels.PAD_MODES[mode])
    assert result[0, 0].tolist() == [padded[:11].sum(), padded[1:].sum()]


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
    monkeypatch.setattr(_kernels, "CHUNK_VALUES", 2000)
    np.testing.assert_array_equal(model.transform(X), whole)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("bool", "float32"),
        ("uint8", "float32"),
        ("float16", "float32"),
        ("float32", "float32"),
        ("int8", "float64"),
        ("uint16", "float64"),
        ("int64", "float64"),
        ("float64", "float64"),
    ],
)
def test_output_dtype_follows_the_input(dtype, expected):
    X = mixed((2, 5, 5)).astype(dtype)
    for keep in (False, True):
        model = KernelFilter("laplacian", padding="same", keep_original=keep)
        result = model.fit_transform(X)
        assert result.dtype == expected
    assert np.array_equal(result[..., 0], X)


def test_float64_keeps_its_precision():
    X = 1 + np.array([[0.0, 1e-12]])
    assert KernelFilter().fit_transform(X)[0, 0] == X[0, 0] - X[0, 1] != 0


@pytest.mark.parametrize(
    ("shape", "settings", "output_shape", "result"),
    [
        ((2, 9), {}, (7, 1), (7,)),
        ((2, 9), {"n_kernels": 2}, (7, 2), (14,)),
        ((2, 30), {"input_shape": (5, 6)}, (3, 4, 1), (12,)),
        ((2, 90), {"input_shape": (5, 6, 3)}, (3, 4, 3), (36,)),
        ((2, 90), {"input_shape": (3, 5, 6), "channels": "first"}, (3, 3, 4), (36,)),
        ((2, 5, 6), {}, (3, 4, 1), (3, 4)),
        ((2, 5, 6), {"channels": "first"}, (1, 3, 4), (3, 4)),
        ((2, 5, 6), {"n_kernels": 2}, (3, 4, 2), (3, 4, 2)),
        ((2, 5, 6), {"n_kernels": 2, "channels": "first"}, (2, 3, 4), (2, 3, 4)),
        ((2, 5, 6), {"padding": "same", "keep_original": True}, (5, 6, 2), (5, 6, 2)),
        ((2, 5, 6), {"padding": "same", "stride": (2, 4)}, (3, 2, 1), (3, 2)),
        ((2, 5, 6, 1), {}, (3, 4, 1), (3, 4, 1)),
        ((2, 5, 6, 3), {"n_kernels": 2}, (3, 4, 6), (3, 4, 6)),
        ((2, 3, 5, 6), {"n_kernels": 2, "channels": "first"}, (6, 3, 4), (6, 3, 4)),
        ((2, 9, 3), {"input_shape": (9, 3)}, (7, 3), (7, 3)),
        ((2, 4, 5, 6, 2), {}, (2, 3, 4, 2), (2, 3, 4, 2)),
        ((2, 4, 5, 6), {"input_shape": (4, 5, 6, 1)}, (2, 3, 4, 1), (2, 3, 4)),
        ((2, 1, 1), {"padding": "same", "padding_mode": "mirror"}, (1, 1, 1), (1, 1)),
    ],
)
def test_output_has_the_form_of_the_input(shape, settings, output_shape, result):
    settings = {**settings}
    kernel = ["blur", "identity"][: settings.pop("n_kernels", 1)]
    model = KernelFilter(kernel, **settings)
    X = mixed(shape)
    assert model.fit_transform(X).shape == (2, *result)
    assert model.output_shape_ == output_shape
    flat = model.transform(X.reshape(2, -1))
    np.testing.assert_array_equal(flat, model.transform(X).reshape(2, -1))
    assert len(model.get_feature_names_out()) == len({*model.get_feature_names_out()})
    assert len(model.get_feature_names_out()) == prod(output_shape) == flat.shape[1]


@pytest.mark.parametrize("channels", ["last", "first"])
def test_channels_are_in_order_of_kernels(channels):
    last = mixed((2, 5, 6, 3))
    X = last if channels == "last" else np.moveaxis(last, -1, 1)
    kernels = ["laplacian", np.eye(3)]
    model = KernelFilter(kernels, padding="same", keep_original=True, channels=channels)
    result = model.fit_transform(X)
    result = result if channels == "last" else np.moveaxis(result, 1, -1)
    one = KernelFilter("laplacian", padding="same").fit_transform(last)
    two = KernelFilter(np.eye(3), padding="same").fit_transform(last)
    np.testing.assert_array_equal(result, np.concatenate([last, one, two], axis=-1))


@pytest.mark.parametrize(
    ("kernel", "shape", "n_kernels"),
    [
        (np.eye(3), (5, 5), 1),
        ([[1, 0], [0, 1]], (5, 5), 1),
        (((1, 0), (0, 1)), (5, 5), 1),
        ([[[1, 0], [0, 1]], [[1, 1], [1, 1]]], (5, 5), 2),
        ([np.eye(2), "difference", [[1, -1]]], (5, 5), 3),
        ([1, -1], (5,), 1),
        ((np.float64(1), np.float64(-1)), (5,), 1),
        ([[1, -1], [1, 0, -1]], (5,), 2),
        ([[1, -1]], (5,), 1),
        (torch.eye(2), (5, 5), 1),
    ],
)
def test_nested_numbers_are_one_kernel_or_several(kernel, shape, n_kernels):
    model = KernelFilter(kernel, padding="same").fit(np.ones((1, *shape)))
    assert len(model.kernels_) == n_kernels
    assert {k.dtype for k in model.kernels_} == {np.dtype(np.float64)}


@pytest.mark.parametrize(
    ("model", "shape", "expected"),
    [
        (KernelFilter(), (3,), ["difference_0", "difference_1"]),
        (KernelFilter([[1], [2]]), (2,), ["kernel0_0", "kernel1_0", "kernel0_1", "kernel1_1"]),
        (KernelFilter(["blur", "blur"]), (3,), ["blur0_0", "blur1_0"]),
        (
            KernelFilter([[1, -1]], input_shape=(2, 2, 2)),
            (8,),
            ["kernel0_0_0_0", "kernel0_0_0_1", "kernel0_1_0_0", "kernel0_1_0_1"],
        ),
        (
            KernelFilter([[1, -1]], input_shape=(2, 2, 2), channels="first"),
            (8,),
            ["kernel0_0_0_0", "kernel0_1_0_0", "kernel0_0_0_1", "kernel0_1_0_1"],
        ),
        (
            KernelFilter("blur", padding="same", keep_original=True),
            (2,),
            ["x0", "blur_0", "x1", "blur_1"],
        ),
    ],
)
def test_feature_names_tell_kernel_and_position(model, shape, expected):
    assert model.fit(np.ones((1, *shape))).get_feature_names_out().tolist() == expected


def test_data_frames_give_and_get_names():
    X = pd.DataFrame([[1, 4, 9]], columns=["a", "b", "c"], index=["row"])
    model = KernelFilter(padding="same", keep_original=True).set_output(transform="pandas")
    result = model.fit_transform(X)
    columns = ["a", "difference_0", "b", "difference_1", "c", "difference_2"]
    expected = pd.DataFrame([[1.0, -3.0, 4.0, -5.0, 9.0, 9.0]], columns=columns, index=["row"])
    pd.testing.assert_frame_equal(result, expected)
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        model.get_feature_names_out(["a", "b", "d"])


def test_images_stay_arrays_whatever_set_output_says():
    X = mixed((2, 5, 6))
    expected = KernelFilter("blur").fit_transform(X)
    model = KernelFilter("blur").set_output(transform="pandas")
    with sklearn.config_context(transform_output="pandas"):
        for result in (model.fit_transform(X), KernelFilter("blur").fit_transform(X)):
            assert isinstance(result, np.ndarray)
            np.testing.assert_array_equal(result, expected)
        assert model.transform(X.reshape(2, -1)).shape == (2, 12)
        assert isinstance(model.transform(X.reshape(2, -1)), pd.DataFrame)


@pytest.mark.parametrize(
    ("settings", "shape", "error", "message"),
    [
        ({"kernel": "laplacan"}, (5, 5), ValueError, r"'laplacan' instead\. Did you mean 'laplac"),
        ({"kernel": 3}, (5, 5), ValueError, "The 'kernel' parameter .* must be .* Got 3 instead"),
        ({"kernel": ["blr"]}, (5, 5), ValueError, r"must be one of .* Got 'blr'\. Did .* 'blur'\?"),
        ({"kernel": []}, (5, 5), ValueError, r"an array of finite numbers .* Got \[\]\."),
        ({"kernel": [[1, 2], [3]]}, (5, 5), ValueError, r"finite numbers .* Got \[\[1, 2\], \[3\]"),
        ({"kernel": [[1, np.nan]]}, (5, 5), ValueError, "an array of finite numbers"),
        ({"kernel": [[1, 2j]]}, (5, 5), ValueError, "an array of finite numbers"),
        ({"kernel": np.array(["blur"])}, (5, 5), ValueError, "an array of finite numbers"),
        (
            {"kernel": (1, -1)},
            (5, 5),
            InputShapeError,
            r"must have 2 axes.* Got shape \(2,\)\. A row is of shape \(1, k\)",
        ),
        ({"kernel": np.eye(3)}, (25,), InputShapeError, r"must have 1 axes.* Got shape \(3, 3\)\."),
        (
            {"kernel": "sobel_horizontal"},
            (9,),
            InputShapeError,
            "'sobel_horizontal' needs images .* Got signals.*input_shape.*'sobel_vertical'",
        ),
        (
            {"kernel": "gaussian"},
            (4, 6),
            InputShapeError,
            r"shape \(5, 5\) is larger .* \(4, 6\) \(n_features=24\)\. Take .* padding='same'",
        ),
        (
            {"kernel": ["gaussian", "blur"]},
            (9, 9),
            ValueError,
            r"shapes \[\(5, 5\), \(3, 3\)\] .* \[\(5, 5\), \(7, 7\)\]\. Take .* padding='same'",
        ),
        (
            {"kernel": "blur", "keep_original": True},
            (5, 5),
            ValueError,
            r"keep_original=True needs .* \(5, 5\)\. Got \(3, 3\): take padding='same'",
        ),
        ({"keep_original": True, "padding": "same", "stride": 2}, (5,), ValueError, "and stride=1"),
        ({"stride": 0}, (5,), ValueError, "The 'stride' parameter"),
        ({"stride": (2, 0)}, (5, 5), ValueError, r">= 1\. Got stride=\(2, 0\)\."),
        ({"stride": (1, 2)}, (5,), ArchitectureError, r"stride must be .* Got \(1, 2\)\."),
        ({"padding": "sam"}, (5,), ValueError, "'sam' instead. Did you mean 'same'"),
        ({"padding": 1}, (5,), ValueError, "The 'padding' parameter"),
        ({"padding_mode": "miror"}, (5,), ValueError, "Did you mean 'mirror'"),
        ({"convolution": "yes"}, (5,), ValueError, "The 'convolution' parameter"),
        (
            {"input_shape": (3, 3)},
            (8,),
            InputShapeError,
            r"\(8,\) .* do not fit input_shape=\(3, 3",
        ),
    ],
)
def test_bad_parameters_are_errors(settings, shape, error, message):
    with pytest.raises(error, match=message):
        KernelFilter(**settings).fit(np.ones((2, *shape)))


def test_another_shape_at_transform_is_an_error():
    model = KernelFilter("blur").fit(np.ones((2, 5, 5)))
    with pytest.raises(InputShapeError, match=r"shape \(5, 6\), but KernelFilter was fitted on"):
        model.transform(np.ones((2, 5, 6)))


def test_a_failed_fit_leaves_the_filter_unfitted():
    model = KernelFilter("blur").fit(np.ones((2, 5, 5)))
    with pytest.raises(InputShapeError, match="larger"):
        model.fit(np.ones((2, 2, 2)))
    with pytest.raises(NotFittedError):
        model.transform(np.ones((2, 5, 5)))


def test_transform_uses_the_parameters_of_fit():
    X = mixed((2, 5, 5))
    model = KernelFilter("blur").fit(X)
    before = model.transform(X)
    model.set_params(kernel="sharpen", stride=2, padding="same", keep_original=True)
    model.kernels_[0][:] = 0
    np.testing.assert_array_equal(model.transform(X), before)


def test_x_and_kernel_are_left_alone():
    X, kernel = mixed((2, 5, 5)), np.array([[1, -1]])
    before = X.copy(), kernel.copy()
    X.flags.writeable = kernel.flags.writeable = False
    model = KernelFilter([kernel, "identity"], padding="same", keep_original=True)
    result = model.fit_transform(X)
    result[:] = model.kernels_[0][:] = 7
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(kernel, before[1])


@pytest.mark.parametrize(
    "convert",
    [torch.from_numpy, np.asfortranarray, np.ndarray.tolist, lambda X: X[::-1].copy()[::-1]],
    ids=["tensor", "fortran", "list", "view"],
)
def test_any_container_gives_the_same(convert):
    X = mixed((3, 5, 6))
    expected = KernelFilter("sharpen").fit_transform(X)
    np.testing.assert_array_equal(KernelFilter("sharpen").fit_transform(convert(X)), expected)


def test_clone_and_pickle_give_the_same():
    X = mixed((3, 5, 6))
    model = KernelFilter([np.eye(3), "blur"]).fit(X)
    for again in (clone(model).fit(X), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.transform(X), model.transform(X))


def test_pipelines_and_grid_search():
    X, y = load_digits(return_X_y=True)
    X, y = X[:300], y[:300]
    pipeline = make_pipeline(KernelFilter(input_shape=(8, 8), padding="same"), SVC())
    grid = {"kernelfilter__kernel": ["identity", "blur", [[1, -1]], ["blur", "laplacian"]]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    assert search.best_score_ > 0.85
    assert search.predict(X).shape == y.shape


@pytest.mark.parametrize(
    ("shape", "kernel", "input_shape"),
    [((8, 8), "blur", None), ((8, 8), ["blur", "laplacian"], None), ((64,), "blur", (6, 6, 1))],
)
def test_pipeline_with_a_network(shape, kernel, input_shape):
    X, y = load_digits(return_X_y=True)
    X, y = X[:100].reshape(-1, *shape), y[:100]
    net = ConvNetClassifier(input_shape=input_shape, filters=4, hidden_units=(), max_epochs=1)
    images = KernelFilter(kernel, input_shape=(8, 8) if len(shape) == 1 else None)
    pipeline = make_pipeline(images, net).fit(X, y)
    assert pipeline[-1].input_shape_ == pipeline[0].output_shape_
    assert pipeline.predict(X).shape == (100,)


def test_tags_tell_the_truth():
    tags = get_tags(KernelFilter())
    assert tags.input_tags.three_d_array
    assert tags.transformer_tags.preserves_dtype == ["float64", "float32"]
    assert not tags.target_tags.required


# What scikit-learn 1.9.1 runs; an empty or shortened run must not pass.
N_CHECKS = 47


@pytest.mark.parametrize(
    "model",
    [
        KernelFilter(),
        KernelFilter("sobel_vertical", padding="same"),
        KernelFilter(["blur", (1, -1)], padding="same", padding_mode="mirror", keep_original=True),
    ],
    ids=repr,
)
def test_check_estimator_passes(model):
    results = check_estimator(model, on_skip=None, on_fail=None)
    assert [r for r in results if r["status"] != "passed"] == []
    assert Counter(r["status"] for r in results) == {"passed": N_CHECKS}


@pytest.mark.parametrize(
    "check", [check_param_validation, check_dataframe_column_names_consistency]
)
def test_further_common_checks_pass(check):
    check("KernelFilter", KernelFilter())


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_convolution_is_numpys(k):
    rng = np.random.default_rng(k)
    X, kernel = rng.normal(size=(4, 9)), rng.normal(size=k)
    for padding in ("valid", "same"):
        expected = [np.convolve(row, kernel, padding) for row in X]
        result = KernelFilter(kernel, padding=padding, convolution=True).fit_transform(X)
        np.testing.assert_allclose(result, expected)
