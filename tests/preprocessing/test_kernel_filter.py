"""KernelFilter: forms of input and output, names, errors, scikit-learn's contract."""

import pickle
from collections import Counter
from math import prod

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
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
from skcnn.preprocessing import KernelFilter


def mixed(shape, dtype=np.float64, seed=0):
    return (100 * np.random.default_rng(seed).random(shape)).astype(dtype)


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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("channels", ["last", "first"])
def test_sums_beyond_the_dtype_raise(dtype, channels):
    X = np.zeros((3, 5, 5, 5), dtype)
    X[:, 2, 2, 2] = [1, *[np.finfo(dtype).max] * 2]
    message = f"of KernelFilter for 2 of 3 samples, the first at index 1, are .* {dtype}"
    with pytest.raises(ValueError, match=message):
        KernelFilter("laplacian", n_spatial_dims=2, channels=channels).fit_transform(X)


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
        ((2, 9, 3), {"n_spatial_dims": 1}, (7, 3), (7, 3)),
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
def test_feature_names_have_kernel_and_position(model, shape, expected):
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


def test_images_stay_arrays_with_set_output():
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
            r"must have 2 axes.* Got shape \(2,\)\. A row has shape \(1, k\)",
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


def test_tags_are_right():
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
