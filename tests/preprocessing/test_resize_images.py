"""ResizeImages: forms of input and output, learned sizes, errors, scikit-learn's contract."""

import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from skcnn import ConvNetClassifier
from skcnn.datasets import ImageFiles
from skcnn.exceptions import InputLayoutWarning, InputShapeError
from skcnn.preprocessing import ResizeImages
from skcnn.preprocessing._resampling import resized_images
from tests.helpers.pictures import noise, save_all

SMALL = {"filters": 4, "hidden_units": (), "max_epochs": 2, "random_state": 0}


def images_of(shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


@pytest.mark.parametrize(
    ("shape", "settings", "expected"),
    [
        ((2, 9, 7), {}, (2, 4, 6)),
        ((2, 9, 7, 1), {}, (2, 4, 6, 1)),
        ((2, 9, 7, 3), {}, (2, 4, 6, 3)),
        ((2, 3, 9, 7), {"channels": "first"}, (2, 3, 4, 6)),
        ((2, 9, 7), {"channels": "first"}, (2, 4, 6)),
        ((2, 63), {"input_shape": (9, 7)}, (2, 24)),
        ((2, 189), {"input_shape": (9, 7, 3)}, (2, 72)),
        ((2, 189), {"input_shape": (3, 9, 7), "channels": "first"}, (2, 72)),
        ((2, 9), {}, (2, 24)),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_forms_and_dtypes_are_kept(shape, settings, expected, dtype):
    X = images_of(shape, dtype)
    model = ResizeImages((4, 6), resize="stretch", **settings)
    result = model.fit_transform(X)
    assert result.shape == expected
    assert result.dtype == dtype
    plain = X.reshape(2, *settings.get("input_shape", X.shape[1:] if X.ndim > 2 else (1, 9)))
    if settings.get("channels") == "first" and plain.ndim == 4:
        plain = np.moveaxis(plain, 1, -1)
    plain = plain[..., None] if plain.ndim == 3 else plain
    pixels = resized_images(plain, (4, 6), "stretch", "bilinear")
    if settings.get("channels") == "first" and pixels.shape[3] > 1:
        pixels = np.moveaxis(pixels, -1, 1)
    np.testing.assert_array_equal(result.ravel(), pixels.ravel())
    names = model.get_feature_names_out()
    assert len(names) == len({*names}) == result[0].size


def test_names_follow_the_order_of_flat_rows():
    last = ResizeImages((1, 2), input_shape=(2, 2, 2)).fit(images_of((1, 8)))
    assert last.get_feature_names_out().tolist() == [
        *("pixel_0_0_0", "pixel_0_0_1"),
        *("pixel_0_1_0", "pixel_0_1_1"),
    ]
    first = ResizeImages((1, 2), input_shape=(2, 2, 2), channels="first").fit(images_of((1, 8)))
    assert first.get_feature_names_out()[:2].tolist() == ["pixel_0_0_0", "pixel_0_1_0"]
    with pytest.raises(ValueError, match="input_features should have length equal"):
        last.get_feature_names_out(["a"])


@pytest.mark.parametrize("make", [list, tuple, lambda items: pd.Series(items).to_numpy()])
def test_images_of_several_sizes(make):
    items = [noise(9, 7), noise(5, 12, seed=1), noise(8, 8, seed=2)]
    result = ResizeImages(6).fit_transform(make(items))
    assert result.shape == (3, 6, 6, 3)
    for item, found in zip(items, result, strict=True):
        alone = resized_images(item[None], (6, 6), "crop", "bilinear")[0]
        np.testing.assert_array_equal(found, alone)


def test_grey_images_of_several_sizes_have_no_channel_axis():
    result = ResizeImages(6).fit_transform([noise(9, 7, None), noise(5, 12, None)])
    assert result.shape == (2, 6, 6)


def test_several_sizes_with_channels_first():
    items = [np.moveaxis(noise(9, 7), -1, 0), np.moveaxis(noise(5, 12), -1, 0)]
    assert ResizeImages(6, channels="first").fit_transform(items).shape == (2, 3, 6, 6)


def test_lists_of_tensors_and_nested_lists():
    items = [torch.zeros(4, 5, 3, dtype=torch.uint8), torch.ones(6, 2, 3, dtype=torch.uint8)]
    assert ResizeImages(3).fit_transform(items)[1].tolist() == [[[1] * 3] * 3] * 3
    assert ResizeImages(3).fit_transform([np.eye(4).tolist()] * 2).shape == (2, 3, 3)
    assert ResizeImages(3).fit_transform(torch.zeros(2, 4, 5)).shape == (2, 3, 3)


def test_booleans_become_float32():
    mask = np.zeros((1, 4, 4), bool)
    mask[:, :, 2:] = True
    result = ResizeImages((1, 4)).fit_transform(mask)
    assert result.dtype == np.float32
    assert ResizeImages((1, 4), interpolation="nearest").fit_transform(mask).tolist() == [
        [[0, 0, 1, 1]]
    ]


def test_the_size_of_fit_is_learned():
    model = ResizeImages().fit(images_of((2, 9, 7)))
    assert model.image_size_ == (9, 7)
    assert model.transform(images_of((3, 20, 30))).shape == (3, 9, 7)
    same = images_of((1, 9, 7))
    np.testing.assert_array_equal(model.transform(same), same)


def test_mixed_sizes_need_a_size():
    with pytest.raises(InputShapeError, match=r"have 2 sizes.*9 x 7 \(2 files\).*size=7"):
        ResizeImages().fit([noise(9, 7), noise(9, 7), noise(7, 9)])


def test_image_files_are_resized(tmp_path):
    paths, arrays = save_all(tmp_path, 3, 8, 8)
    found = ResizeImages(4).fit_transform(ImageFiles(paths))
    np.testing.assert_array_equal(found, ResizeImages(4).fit_transform(arrays))


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([Image.new("L", (3, 3))], TypeError, "X has PIL images.*LoadImages"),
        ([np.zeros((2, 2)), np.zeros((2, 2, 3))], InputShapeError, "with 2 and 3 axes"),
        ([np.zeros((2, 2, 1)), np.zeros((3, 2, 3))], InputShapeError, r"channels \[1, 3\]"),
        ([np.zeros((2, 2)), np.zeros((3, 2), "u1")], InputShapeError, "dtype float64, uint8"),
        (
            [np.zeros((2, 2)), np.zeros((2, 0))],
            InputShapeError,
            r"Row 1 is an array of shape \(2, 0",
        ),
        ([np.full((2, 2), "a"), np.zeros((2, 2))], InputShapeError, "Row 0 .* dtype <U1"),
        ([np.full((2, 2), np.nan), np.zeros((2, 3))], ValueError, "Input X contains NaN"),
        (
            np.zeros((2, 3, 3, 3, 1)),
            InputShapeError,
            r"samples of shape \(3, 3, 3, 1\), but images",
        ),
        ([np.zeros((2, 2)), None], InputShapeError, "several shapes"),
    ],
)
def test_bad_images_raise(X, error, message):
    with pytest.raises(error, match=message):
        ResizeImages(2).fit(X)


def test_bad_parameters_raise():
    for size in (0, (1, 2, 3), ("a", 2), 1.5):
        with pytest.raises(ValueError, match="The 'size' parameter"):
            ResizeImages(size).fit(images_of((1, 4, 4)))
    with pytest.raises(ValueError, match="Did you mean 'bilinear'"):
        ResizeImages(2, interpolation="biliner").fit(images_of((1, 4, 4)))


def test_other_channels_than_at_fit_raise():
    model = ResizeImages(3).fit(images_of((1, 4, 4, 3)))
    with pytest.raises(InputShapeError, match=r"images of 1 channels, but .* images of 3"):
        model.transform(images_of((1, 4, 4)))


def test_swapped_channels_warn():
    with pytest.warns(InputLayoutWarning):
        ResizeImages(3).fit(images_of((1, 3, 32, 32)))


@pytest.mark.parametrize(
    "model",
    [
        ResizeImages(),
        ResizeImages((1, 3)),
        ResizeImages((2, 2), resize="stretch", interpolation="bicubic"),
        ResizeImages((3, 3), resize="pad", interpolation="nearest"),
    ],
    ids=str,
)
def test_check_estimator_passes(model):
    results = check_estimator(model, on_skip=None, on_fail=None)
    assert Counter(result["status"] for result in results) == {"passed": len(results)}
    assert len(results) > 40


def test_set_output_acts_on_flat_rows_only():
    frame = pd.DataFrame(images_of((2, 4)), index=["a", "b"]).rename(columns="x{}".format)
    model = ResizeImages((1, 2)).set_output(transform="pandas")
    result = model.fit_transform(frame)
    assert list(result.columns) == ["pixel_0_0", "pixel_0_1"]
    assert list(result.index) == ["a", "b"]
    assert isinstance(model.fit_transform(images_of((2, 4, 4))), np.ndarray)


def test_in_front_of_classifiers_of_all_kinds():
    X, y = load_digits(return_X_y=True)
    X, y = X[:200].reshape(-1, 8, 8), y[:200]
    net = make_pipeline(ResizeImages(6), ConvNetClassifier(**SMALL))
    assert cross_val_score(net, X, y, cv=2, n_jobs=2).shape == (2,)
    assert clone(net).fit(X, y)[0].image_size_ == (6, 6)
    flat = make_pipeline(
        ResizeImages(8, input_shape=(8, 8)), LogisticRegression(C=0.01, max_iter=300)
    )
    search = GridSearchCV(flat, {"resizeimages__size": [1, 8]}, cv=2)
    search.fit(X.reshape(200, -1), y)
    assert search.best_params_ == {"resizeimages__size": 8}
    assert search.best_score_ > 0.8
    again = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(
        again.predict(X.reshape(200, -1)), search.predict(X.reshape(200, -1))
    )
    union = FeatureUnion([("a", ResizeImages(2, input_shape=(8, 8))), ("b", "passthrough")])
    assert union.fit_transform(X.reshape(200, -1)).shape == (200, 4 + 64)


def test_metadata_passes_by():
    X, y = images_of((20, 8, 8)), np.arange(20) % 2
    weights = np.r_[np.zeros(10), np.ones(10)]
    with sklearn.config_context(enable_metadata_routing=True):
        net = ConvNetClassifier(**SMALL).set_fit_request(sample_weight=True)
        routed = make_pipeline(ResizeImages(6), net).fit(X, y, sample_weight=weights)
    direct = ConvNetClassifier(**SMALL).fit(ResizeImages(6).fit_transform(X), y, weights)
    expected = direct.predict_proba(ResizeImages(6).fit_transform(X))
    np.testing.assert_array_equal(routed.predict_proba(X), expected)
