"""find_duplicates: copies of many kinds are found, others are not; groups; errors."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance
from sklearn.datasets import load_digits, load_sample_images
from sklearn.model_selection import GroupKFold

from skcnn.datasets import ImageFiles, find_duplicates, make_noughts_and_crosses
from skcnn.exceptions import ImageFileError, InputShapeError
from tests.helpers.pictures import noise, save, save_all

COLUMNS = ["first", "second", "distance", "group"]


@pytest.fixture(scope="module")
def photos():
    """Twelve different parts of a photo of a building, 100 x 100 pixels."""
    photo = load_sample_images().images[0]
    return np.stack(
        [photo[y : y + 100, x : x + 100] for y in (110, 215, 320) for x in (20, 160, 300, 440)]
    )


def resaved(image, quality):
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")


CHANGES = {
    "half": lambda image: image.resize((50, 50)),
    "double": lambda image: image.resize((200, 200), Image.Resampling.BICUBIC),
    "jpeg": lambda image: resaved(image, 40),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.7),
    "grey": lambda image: image.convert("L").convert("RGB"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found(photos, tmp_path, change):
    paths = [save(tmp_path / f"{n:02d}.png", photo) for n, photo in enumerate(photos)]
    for n in (1, 4, 7):
        copy = CHANGES[change](Image.fromarray(photos[n]))
        paths.append(save(tmp_path / f"copy{n}.png", np.asarray(copy)))
    for X in (paths, ImageFiles(paths, 64), ImageFiles(paths, 64).to_numpy()):
        found = find_duplicates(X)
        assert list(found.columns) == COLUMNS
        assert found["first"].tolist() == found["group"].tolist() == [1, 4, 7]
        assert found["second"].tolist() == [12, 13, 14]
        assert found["distance"].max() <= 6
    assert len(find_duplicates(paths, method="exact")) == 0


def test_different_digits_are_not_duplicates():
    X, y = load_digits(return_X_y=True)
    found = find_duplicates(X.reshape(-1, 8, 8))
    assert (y[found["first"]] == y[found["second"]]).all()
    assert len(found) < 40  # of 1797
    assert len(find_duplicates(X.reshape(-1, 8, 8), method="exact")) == 0


def test_different_images_are_not_duplicates(photos):
    assert len(find_duplicates(photos)) == 0
    letters, _ = make_noughts_and_crosses(100, noise=0.1, random_state=0)
    assert len(find_duplicates(letters)) == 0


def test_flipped_images_are_not_duplicates(photos):
    assert len(find_duplicates(np.concatenate([photos, photos[:, :, ::-1]]))) == 0


def test_exact_copies_in_files_of_any_form(tmp_path):
    image, other = noise(9, 7), noise(7, 9, seed=1)
    paths = [
        save(tmp_path / "a.png", image),
        save(tmp_path / "b.bmp", image),
        save(tmp_path / "c.png", other),
        save(tmp_path / "d.tiff", other),
        save(tmp_path / "e.png", image.reshape(7, 9, 3)),  # the same bytes in another shape
        save(tmp_path / "f.png", np.dstack([image, np.full((9, 7), 9, np.uint8)])),
    ]
    found = find_duplicates(pd.Series(paths), method="exact")
    assert found.to_numpy().tolist() == [[0, 1, 0, 0], [2, 3, 0, 2]]
    files = ImageFiles(paths, 5)
    same = files.to_numpy()
    expected = find_duplicates(same, method="exact")
    pd.testing.assert_frame_equal(find_duplicates(files, method="exact"), expected)
    assert expected["group"].tolist() == [0, 0, 2]  # alpha is left out in mode "RGB"


def test_exact_copies_have_equal_values_whatever_the_dtype():
    X = np.array([noise(4, 4, None), noise(4, 4, None, seed=1), noise(4, 4, None)])
    for dtype in (np.uint8, np.int64, np.float32):
        found = find_duplicates(X.astype(dtype), method="exact")
        assert found.to_numpy().tolist() == [[0, 2, 0, 0]]
        assert all(kind == np.int64 for kind in found.dtypes)


def test_groups_keep_copies_together_and_one_of_each_can_be_kept(photos):
    X = np.concatenate([photos, photos[3:5], photos[3:4] // 2 + 60])
    found = find_duplicates(X)
    assert found[["second", "group"]].to_numpy().tolist() == [[12, 3], [14, 3], [13, 4]]
    kept = np.delete(X, found["second"], axis=0)
    np.testing.assert_array_equal(kept, photos)
    groups = np.arange(len(X))
    groups[found["second"]] = found["group"]
    for train, test in GroupKFold(3).split(X, groups=groups):
        assert not {*groups[train]} & {*groups[test]}
    assert len(find_duplicates(kept)) == 0


def test_chains_are_one_group(photos):
    steps = [np.clip(photos[0] * (1 - k / 20.0), 0, 255).astype(np.uint8) for k in range(6)]
    found = find_duplicates(np.stack(steps), threshold=2)
    assert found["group"].tolist() == [0] * 5
    assert found["second"].tolist() == [1, 2, 3, 4, 5]


def test_plain_images_are_copies_only_if_they_are_equal(photos):
    plain = np.stack([np.full((100, 100, 3), value, np.uint8) for value in (255, 250, 255)])
    X = np.concatenate([plain, photos[:2]])
    assert len(find_duplicates(X)) == 0
    assert find_duplicates(X, method="exact").to_numpy().tolist() == [[0, 2, 0, 0]]


def test_colours_alone_make_no_difference(photos):
    swapped = photos[:1, :, :, [0, 1, 2]].copy()
    swapped[..., 0], swapped[..., 2] = swapped.mean(3), swapped.mean(3)
    assert len(find_duplicates(np.concatenate([photos, swapped]))) <= 1
    red, blue = np.zeros((2, 30, 30, 3), np.uint8)
    red[5:20, 5:20, 0], blue[5:20, 5:20, 2] = 200, 200
    assert len(find_duplicates(np.stack([red, blue]))) == 1  # as the docstring says


def test_threshold_bounds_the_distance(photos):
    darker = np.stack([(photos[n] * 0.5).astype(np.uint8) for n in range(12)])
    noisy = np.clip(photos + np.random.default_rng(0).normal(0, 8, photos.shape), 0, 255)
    X = np.concatenate([photos, darker, noisy.astype(np.uint8)])
    counts = []
    for threshold in (0, 2, 6, 11):
        found = find_duplicates(X, threshold=threshold)
        assert (found["distance"] <= threshold).all()
        counts.append(len(found))
    assert counts == sorted(counts)
    assert counts[-1] >= 20


def test_the_docstring_tells_the_truth_about_size_of_samples():
    assert len(find_duplicates(noise(8, 8, None)[None])) == 0
    two = np.stack([noise(8, 8, None)] * 2)
    assert find_duplicates(two).to_numpy().tolist() == [[0, 1, 0, 0]]


@pytest.mark.parametrize("method", ["perceptual", "exact"])
def test_files_that_cannot_be_read_are_named(tmp_path, method):
    paths, _ = save_all(tmp_path, 3)
    paths[1].write_bytes(paths[1].read_bytes()[:60])
    with pytest.raises(ImageFileError, match=r"0001.png"):
        find_duplicates(paths, method=method)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.zeros((3, 4)), InputShapeError, r"X must be ImageFiles.*Got an array of shape \(3, 4"),
        (np.zeros((3, 4, 4), complex), InputShapeError, "dtype complex128"),
        (np.zeros((0, 4, 4)), InputShapeError, r"shape \(0, 4, 4\)"),
        ([], InputShapeError, r"shape \(0,\)"),
        (np.full((2, 3, 3), np.nan), ValueError, "X contains NaN"),
        ([np.zeros((2, 2)), np.zeros((3, 3))], InputShapeError, "several shapes"),
    ],
)
def test_what_is_no_image_raises(X, error, message):
    with pytest.raises(error, match=message):
        find_duplicates(X)


def test_bad_parameters_raise():
    X = np.zeros((2, 4, 4))
    with pytest.raises(ValueError, match=r"'method' parameter .* Did you mean 'exact'"):
        find_duplicates(X, method="exakt")
    for threshold in (-1, 12, 2.5, True):
        with pytest.raises(
            ValueError, match="'threshold' parameter must be an integer from 0 to 11"
        ):
            find_duplicates(X, threshold=threshold)


@pytest.mark.parametrize(
    ("factor", "offset"), [(1e300, 0.0), (1e-42, 0.0), (1e-300, 0.0), (1.0, 1e12), (-1e-3, -1e6)]
)
def test_values_of_any_scale_and_offset_have_the_same_copies(factor, offset, photos):
    X = np.concatenate([photos, photos[2:4]])
    expected = find_duplicates(X)[["first", "second"]]
    assert expected.to_numpy().tolist() == [[2, 12], [3, 13]]
    found = find_duplicates(X * factor + offset)
    pd.testing.assert_frame_equal(found[["first", "second"]], expected)


@pytest.mark.parametrize("value", [0.0, 1e300])
def test_images_of_one_huge_value_are_plain(value):
    assert len(find_duplicates(np.full((3, 5, 5), value))) == 0


def test_integers_with_a_large_offset(photos):
    X = np.concatenate([photos, photos[2:3]]).astype(np.int64) + 2**40
    assert find_duplicates(X)[["first", "second"]].to_numpy().tolist() == [[2, 12]]
