"""LoadImages: forms of input, pixels, laziness, learned sizes and modes, errors."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skcnn.datasets import ImageFiles
from skcnn.exceptions import ImageFileError, InputShapeError
from skcnn.preprocessing import LoadImages, _load_images
from tests.helpers.pictures import noise, save, save_all, smooth


def encoded(array, kind="PNG"):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, kind)
    return stream.getvalue()


def object_array(items, shape=(-1,)):
    array = np.empty(len(items), object)
    array[:] = items
    return array.reshape(shape)


FORMS = {
    "list": lambda paths, _: [str(path) for path in paths],
    "tuple of Path": lambda paths, _: tuple(paths),
    "text array": lambda paths, _: np.array([str(path) for path in paths]),
    "object array": lambda paths, _: object_array(paths),
    "column of objects": lambda paths, _: object_array(paths, (-1, 1)),
    "column of texts": lambda paths, _: np.array([[str(path)] for path in paths]),
    "Series": lambda paths, _: pd.Series(paths, index=[7, 5, 3]),
    "string Series": lambda paths, _: pd.Series([str(path) for path in paths], dtype="string"),
    "DataFrame": lambda paths, _: pd.DataFrame({"path": paths}),
    "Index": lambda paths, _: pd.Index([str(path) for path in paths]),
    "encoded": lambda _, arrays: [encoded(array) for array in arrays],
    "bytearray": lambda _, arrays: [bytearray(encoded(array)) for array in arrays],
    "column of bytes": lambda _, arrays: pd.DataFrame({0: [encoded(array) for array in arrays]}),
    "PIL": lambda _, arrays: [Image.fromarray(array) for array in arrays],
    "open files": lambda paths, _: [Image.open(path) for path in paths],
    "arrays": lambda _, arrays: list(arrays),
    "Series of arrays": lambda _, arrays: pd.Series(list(arrays)),
    "array": lambda _, arrays: arrays,
    "ImageFiles": lambda paths, _: ImageFiles(paths),
    "mixed": lambda paths, arrays: [paths[0], encoded(arrays[1]), Image.fromarray(arrays[2])],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_pixels(tmp_path, form):
    paths, arrays = save_all(tmp_path, 3, 9, 7)
    X = FORMS[form](paths, arrays)
    result = LoadImages().fit_transform(X)
    np.testing.assert_array_equal(result, arrays)
    small = LoadImages(4, mode="L", resize="stretch").fit_transform(X)
    pillows = [Image.fromarray(a).convert("L").resize((4, 4), Image.BILINEAR) for a in arrays]
    np.testing.assert_array_equal(small[..., 0], np.stack(pillows))
    assert small.dtype == np.uint8


def test_files_of_any_size_are_those_of_image_files(tmp_path):
    save(tmp_path / "a.jpg", smooth(90, 60), quality=90)
    save(tmp_path / "b.png", noise(13, 40))
    save(tmp_path / "c.png", noise(8, 8, None))
    paths = sorted(tmp_path.iterdir())
    for resize in ("crop", "pad", "stretch"):
        eager = LoadImages(16, resize=resize).fit_transform(paths)
        np.testing.assert_array_equal(eager, ImageFiles(paths, 16, resize=resize).to_numpy())


def test_arrays_of_several_sizes_and_channels_become_one():
    arrays = [noise(9, 7), noise(6, 8, None), noise(8, 8, 4), noise(5, 5, 1)]
    result = LoadImages((4, 5)).fit_transform(arrays)
    assert result.shape == (4, 4, 5, 3)
    assert (result[1, :, :, 0] == result[1, :, :, 2]).all()


def test_sixteen_bits():
    values = np.array([[0, 257, 65535]], np.uint16)
    assert LoadImages(mode="I;16").fit_transform([values]).ravel().tolist() == [0, 257, 65535]
    assert LoadImages(mode="L").fit_transform([values]).ravel().tolist() == [0, 1, 255]
    assert LoadImages(mode="auto").fit([values, noise(1, 3, None)]).mode_ == "I;16"


def test_pil_images_are_not_changed(tmp_path):
    path = save(tmp_path / "a.jpg", smooth(200, 200))
    with Image.open(path) as image:
        first = LoadImages(8).fit_transform([image, image])
        assert image.size == (200, 200)  # a draft would have made it smaller
        np.testing.assert_array_equal(first, LoadImages(8).fit_transform([image, image]))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_the_size_learned_from_a_pil_image_is_that_after_turning(suffix, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / f"a{suffix}", smooth(20, 30), exif=exif)
    with Image.open(path) as image:
        images = LoadImages().fit_transform([image])
    of_file = LoadImages().fit_transform([path])
    assert of_file.shape == (1, 30, 20, 3)
    np.testing.assert_array_equal(images, of_file)  # not cut off


def test_a_pil_image_is_turned_as_its_exif_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "a.jpg", smooth(20, 30), exif=exif.tobytes())
    with Image.open(path) as image:
        result = LoadImages().fit_transform([path])
        assert result.shape == (1, 30, 20, 3)
        np.testing.assert_array_equal(LoadImages(size=(30, 20)).fit_transform([image]), result)


def test_size_and_mode_of_fit_are_learned(tmp_path):
    paths, _ = save_all(tmp_path, 2, 9, 7)
    model = LoadImages(mode="auto").fit(paths)
    assert (model.mode_, model.image_shape_) == ("RGB", (9, 7, 3))
    assert model.transform([noise(30, 30, None)]).shape == (1, 9, 7, 3)
    grey = LoadImages(mode="auto").fit([noise(4, 5, None)])
    assert (grey.mode_, grey.image_shape_) == ("L", (4, 5, 1))


def test_size_and_mode_of_image_files_are_taken(tmp_path):
    paths = [save(tmp_path / "a.png", noise(9, 7)), save(tmp_path / "b.png", noise(8, 8))]
    files = ImageFiles(paths, 6, mode="L")
    model = LoadImages(mode="auto").fit(files)
    assert (model.mode_, model.image_shape_) == ("L", (6, 6, 1))
    np.testing.assert_array_equal(model.transform(files), files.to_numpy())
    assert LoadImages(4).fit_transform(files).shape == (2, 4, 4, 3)


def test_mixed_sizes_need_a_size(tmp_path):
    paths = [save(tmp_path / "a.png", noise(9, 7)), save(tmp_path / "b.png", noise(8, 8))]
    for X in (paths, [noise(9, 7), noise(8, 8)]):
        with pytest.raises(InputShapeError, match=r"have 2 sizes.*Pass it, such as size=\d"):
            LoadImages().fit(X)


def test_image_files_of_another_folder_are_found(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    save(tmp_path / "a.png", noise(8, 8))
    monkeypatch.chdir(tmp_path)
    files = ImageFiles(["a.png"])
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert LoadImages(4).fit_transform(files).shape == (1, 4, 4, 3)


def test_many_files_stay_in_their_files(tmp_path, monkeypatch):
    paths, arrays = save_all(tmp_path, 3)
    model = LoadImages().fit(paths)
    monkeypatch.setattr(_load_images, "LARGE_BYTES", arrays.nbytes)
    assert isinstance(model.transform(paths), np.ndarray)
    monkeypatch.setattr(_load_images, "LARGE_BYTES", arrays.nbytes - 1)
    lazy = model.transform(paths)
    assert isinstance(lazy, ImageFiles)
    np.testing.assert_array_equal(lazy.to_numpy(), arrays)
    assert isinstance(model.transform([paths[0], paths[1], arrays[2]]), np.ndarray)
    assert isinstance(model.transform(paths[:2]), np.ndarray)
    assert isinstance(LoadImages(lazy=False).fit_transform(paths), np.ndarray)
    assert LoadImages(flatten=True).fit_transform(paths).shape == (3, 8 * 8 * 3)


def test_files_that_are_gone_are_named_at_once_also_if_the_others_are_read_later(tmp_path):
    paths, _ = save_all(tmp_path, 3)
    model = LoadImages(lazy=True).fit(paths)
    paths[1].unlink()
    with pytest.raises(ImageFileError, match=r"row 1 \('.*0001.png'\): there is no such file"):
        model.transform(paths)


@pytest.mark.parametrize("lazy", [True, False])
def test_relative_paths_begin_at_the_folder(tmp_path, lazy):
    paths, arrays = save_all(tmp_path / "photos", 2)
    table = pd.DataFrame({"file": ["photos/0000.png", str(paths[1])]})
    for folder in (tmp_path, str(tmp_path)):
        found = LoadImages(lazy=lazy, folder=folder).fit_transform(table)
        np.testing.assert_array_equal(found, arrays)
    mixed = LoadImages(folder=tmp_path).fit_transform(["photos/0000.png", arrays[1]])
    np.testing.assert_array_equal(mixed, arrays)
    with pytest.raises(ImageFileError, match="there is no such file"):
        LoadImages().fit(["photos/no.png"])


def test_lazy_by_request(tmp_path):
    paths, arrays = save_all(tmp_path, 3)
    folder = tmp_path / "cache"
    model = LoadImages(lazy=True, cache=folder).fit(paths)
    np.testing.assert_array_equal(model.transform(paths).to_numpy(), arrays)
    assert list(folder.iterdir())
    files = ImageFiles(paths, 8)
    assert model.transform(files) is files
    assert model.transform(ImageFiles(paths, 4)) is not files
    assert model.transform(ImageFiles(paths, 4)).image_size == (8, 8)
    with pytest.raises(ValueError, match=r"'lazy' parameter .* in memory. Got True, and a ndarray"):
        model.transform([paths[0], arrays[0]])
    with pytest.raises(ValueError, match="'lazy' parameter must not be True with flatten=True"):
        LoadImages(lazy=True, flatten=True).fit(paths)


def test_flat_rows_and_their_names():
    model = LoadImages(flatten=True, mode="L").fit([noise(1, 2, None)])
    assert model.get_feature_names_out().tolist() == ["pixel_0_0", "pixel_0_1"]
    coloured = LoadImages((1, 1), flatten=True).fit([noise(1, 2)])
    names = ["pixel_0_0_0", "pixel_0_0_1", "pixel_0_0_2"]
    assert coloured.get_feature_names_out().tolist() == names
    frame = pd.DataFrame({"image": [noise(3, 3)]}, index=["a"])
    named = LoadImages((1, 1), flatten=True).set_output(transform="pandas").fit(frame)
    result = named.transform(frame)
    assert (list(result.columns), list(result.index)) == (names, ["a"])
    assert (named.n_features_in_, named.feature_names_in_.tolist()) == (1, ["image"])
    assert named.get_feature_names_out(["image"]).tolist() == names
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        named.get_feature_names_out(["other"])
    with pytest.raises(ValueError, match="feature names should match"):
        named.transform(frame.rename(columns={"image": "other"}))
    assert not hasattr(named.fit([noise(3, 3)]), "n_features_in_")


def test_set_output_does_not_change_images(tmp_path):
    paths, _ = save_all(tmp_path, 2)
    for lazy, kind in [(True, ImageFiles), (False, np.ndarray)]:
        model = LoadImages(lazy=lazy).set_output(transform="pandas")
        assert isinstance(model.fit_transform(pd.DataFrame({"path": paths})), kind)


def test_bad_images_are_named_together_with_their_rows(tmp_path):
    good = save(tmp_path / "good.png", noise(8, 8))
    text = tmp_path / "text.jpg"
    text.write_text("no image, but some words")
    X = [good, text, tmp_path / "gone.png", b"\x89PNG\r\n\x1a\nrest", np.zeros((2, 2)), 7]
    expected = (
        r"5 images of 6 cannot be read: row 1 \('.*text.jpg'\): it is not in an allowed format .*; "
        r"row 2 \('.*gone.png'\): there is no such file; row 3: .*; "
        r"row 4: it is an array of shape \(2, 2\) and dtype float64.*ResizeImages.*; "
        r"row 5: it is no image but 7"
    )
    for call in (LoadImages().fit, LoadImages(8).fit_transform):
        with pytest.raises(ImageFileError, match=expected):
            call(X)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT, float("nan")])
@pytest.mark.parametrize("lazy", [False, True])
def test_missing_entries_are_named(tmp_path, missing, lazy):
    paths = [str(save(tmp_path / "a.png", noise(8, 8)))] * 3
    model = LoadImages(8, lazy=lazy).fit(paths)
    frame = pd.DataFrame({"path": pd.Series([paths[0], missing, missing], dtype=object)})
    with pytest.raises(ImageFileError, match=r"2 images of 3 .* row 1: it is missing; row 2"):
        model.transform(frame["path"])
    with pytest.raises(ImageFileError, match="row 1: it is missing"):
        LoadImages(8).fit(frame)


def test_a_long_list_of_bad_images_is_cut():
    with pytest.raises(ImageFileError, match=r"30 images of 30 .* row 9.*; and 20 more\."):
        LoadImages().fit([None] * 30)


def test_a_damaged_pil_image_is_named(tmp_path):
    path = save(tmp_path / "a.png", noise(40, 40))
    path.write_bytes(path.read_bytes()[:2000])
    with Image.open(path) as image, pytest.raises(ImageFileError, match=r"row 1: .*truncated"):
        LoadImages(4).fit_transform([noise(4, 4), image])


def test_images_with_too_many_pixels_are_refused(tmp_path):
    path = save(tmp_path / "a.png", noise(40, 40))
    with pytest.raises(ImageFileError, match="more than max_pixels=100"):
        LoadImages(4, max_pixels=100).fit_transform([path])


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("a.png", TypeError, r"Got a single str: write \[x\]"),
        (Path("a.png"), TypeError, "Got a single PosixPath"),
        (b"abc", TypeError, "Got a single bytes"),
        (Image.new("L", (2, 2)), TypeError, "Got a single Image"),
        (None, TypeError, "Got a single NoneType"),
        (7, TypeError, "X must be a sequence, .* Got int"),
        (np.float64(7), TypeError, "X must be a sequence, .* Got float64"),
        ([], ValueError, "at least one image"),
        (np.array([b"ab", b"c"]), TypeError, "dtype .S2, which drops zeros"),
        (np.zeros((3, 4)), InputShapeError, r"shape \(3, 4\) and numbers of dtype float64"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), InputShapeError, r"columns \['a', 'b'\].*Select"),
        (np.array([["a", "b"]]), InputShapeError, "X has 2 columns, but images are in one"),
        (np.zeros((2, 3, 3)), ImageFileError, "row 0: it is an array .* float64"),
        ([np.zeros((0, 3), "u1")], ImageFileError, r"row 0: it is an array of shape \(0, 3\)"),
        ([np.zeros((3, 3, 2), "u1")], ImageFileError, "3 or 4"),
    ],
)
def test_what_is_no_image_raises(X, error, message):
    with pytest.raises(error, match=message):
        LoadImages().fit(X)


def test_bad_parameters_raise():
    X = [noise(4, 4)]
    for size in (0, (1, 2, 3), ("a", 2), 1.5):
        with pytest.raises(ValueError, match="The 'size' parameter"):
            LoadImages(size).fit(X)
    with pytest.raises(ValueError, match=r"'resize' parameter of LoadImages.*Did you mean 'crop'"):
        LoadImages(resize="Crop").fit(X)
