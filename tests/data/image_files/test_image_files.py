import os
import pickle
import re
import sys
import threading
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.model_selection import KFold, train_test_split
from sklearn.utils import _safe_indexing

from skcnn._data.image_files import image_files as module
from skcnn.datasets import ImageFiles
from skcnn.exceptions import (
    DecodedFilesWarning,
    ImageFileError,
    InputShapeError,
    MissingDependencyError,
    SkippedFilesWarning,
)
from tests.helpers.pictures import noise, save, save_all


def test_shape_dtype_and_values(tmp_path):
    paths, arrays = save_all(tmp_path, 5, 6, 9)
    files = ImageFiles(paths)
    assert files.shape == (5, 6, 9, 3)
    assert (files.ndim, len(files), files.dtype, files.nbytes) == (4, 5, np.uint8, arrays.nbytes)
    assert files.paths == list(map(str, paths))
    assert (files.mode, files.image_size, files.resize) == ("RGB", (6, 9), "crop")
    np.testing.assert_array_equal(files, arrays)
    np.testing.assert_array_equal(files.to_numpy(), arrays)
    assert np.asarray(files, np.float32).dtype == np.float32


@pytest.mark.parametrize(
    "key",
    [
        slice(1, 4),
        slice(None, None, -2),
        [3, 1, 1],
        np.array([4, -1]),
        np.array([True, False, True, False, True]),
        [False, True, False, True, False],
        (np.array([2, 0]), Ellipsis),
        (slice(1, 3), slice(None)),
        slice(0, 0),
        Ellipsis,
    ],
    ids=str,
)
def test_rows_are_selected_without_decoding(tmp_path, key):
    paths, arrays = save_all(tmp_path, 5)
    files = ImageFiles(paths, size=8)
    for path in paths:
        path.rename(path.with_suffix(".away"))
    some = files[key]
    assert isinstance(some, ImageFiles)
    for path in paths:
        path.with_suffix(".away").rename(path)
    np.testing.assert_array_equal(some, arrays[key])
    assert some.shape == arrays[key].shape
    assert some.paths == [
        str(paths[i]) for i in np.arange(5)[key[0] if type(key) is tuple else key]
    ]


@pytest.mark.parametrize(
    "key",
    [
        0,
        -1,
        np.int64(2),
        (1, 2),
        (1, Ellipsis, 0),
        (slice(1, 3), 0),
        (..., 0),
        ([0, 2], 1, 2),
        ([0, 2], [1, 3]),
        ([0, 2], slice(None), [1, 3]),
        (np.array([True, False, True, False, False]), np.array([1, 3]), slice(2)),
        (slice(1, 3), [1, 3, 4], [0, 2, 2]),
    ],
    ids=str,
)
def test_values_are_indexed_as_in_an_array(tmp_path, key):
    paths, arrays = save_all(tmp_path, 5)
    np.testing.assert_array_equal(ImageFiles(paths)[key], arrays[key])


def test_illegal_indices(tmp_path):
    files = ImageFiles(save_all(tmp_path, 3)[0], size=8)
    for key in (3, -4, [3]):
        with pytest.raises(IndexError):
            files[key]
    with pytest.raises(IndexError, match=r"one-dimensional arrays. Got list of 2 axes"):
        files[[[0, 1]]]


def test_slices_of_slices_keep_their_numbers(tmp_path):
    paths, arrays = save_all(tmp_path, 6)
    some = ImageFiles(paths)[::2][[2, 0]]
    assert some.kept.tolist() == [4, 0]
    np.testing.assert_array_equal(some, arrays[[4, 0]])


def test_iteration_and_repr(tmp_path):
    paths, arrays = save_all(tmp_path, 3)
    files = ImageFiles(paths)
    np.testing.assert_array_equal(list(files), arrays)
    assert repr(files) == "ImageFiles(3 files, size=(8, 8), mode='RGB', resize='crop')"
    assert repr(files[:1]).startswith("ImageFiles(1 file, ")


def test_scikit_learns_splitters(tmp_path):
    paths, arrays = save_all(tmp_path, 6)
    files = ImageFiles(paths)
    train, _test, rows, _ = train_test_split(files, np.arange(6), random_state=0)
    assert isinstance(train, ImageFiles)
    np.testing.assert_array_equal(train, arrays[rows])
    for train, _ in KFold(3).split(files):
        np.testing.assert_array_equal(_safe_indexing(files, train), arrays[train])


def test_pickles_hold_paths_and_settings_of_the_selected_rows(tmp_path):
    paths, _arrays = save_all(tmp_path, 40, 32, 32)
    files = ImageFiles(paths, mode="L", resize="pad", max_pixels=5000)
    few = pickle.dumps(files[:2])
    assert len(few) < 1500 + 2 * len(str(paths[0]))
    again = pickle.loads(few)
    assert again.paths == files.paths[:2]
    assert again._files.decoder == files._files.decoder
    np.testing.assert_array_equal(again, files[:2])


def test_relative_paths_refer_to_the_folder_at_that_time(tmp_path, monkeypatch):
    paths, arrays = save_all(tmp_path, 2)
    monkeypatch.chdir(tmp_path)
    files = ImageFiles([path.name for path in paths])
    monkeypatch.chdir(os.path.sep)
    assert files.paths == [path.name for path in paths]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(files)), arrays)


def test_any_container_of_paths(tmp_path):
    paths, arrays = save_all(tmp_path, 3)
    texts = list(map(str, paths))
    for given in (
        paths,
        tuple(texts),
        np.array(texts),
        pd.Series(texts),
        [t.encode() for t in texts],
    ):
        np.testing.assert_array_equal(ImageFiles(given), arrays)


@pytest.mark.parametrize(
    "name",
    ["a b.png", "it's.png", 'say "hi".png', "ünïcödé 猫.png", "two\nlines.png", "-x;$(y).png"],
)
def test_names_with_all_kinds_of_characters(tmp_path, name):
    array = noise(8, 8)
    path = save(tmp_path / name, array)
    np.testing.assert_array_equal(ImageFiles([path])[0], array)
    path.write_bytes(b"")
    with pytest.raises(ImageFileError, match=re.escape(repr(str(path)) + ": the file is empty")):
        ImageFiles([path])


def test_names_that_are_no_unicode(tmp_path):
    array = noise(8, 8)
    os.rename(save(tmp_path / "a.png", array), os.fsencode(tmp_path) + b"/\xff.png")
    files = ImageFiles([os.fsencode(tmp_path) + b"/\xff.png"])
    np.testing.assert_array_equal(files[0], array)


# Parameters


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"size": 0}, "'size' parameter must be an integer >= 1, a pair .* Got 0"),
        ({"size": (8, 8, 3)}, r"'size' parameter .* Got \(8, 8, 3\)"),
        ({"size": 8.5}, "'size' parameter .* Got 8.5"),
        ({"mode": "rgb"}, "'mode' parameter must be one of .*Did you mean 'RGB'|Got 'rgb'"),
        ({"resize": "fill"}, "'resize' parameter must be one of .* Got 'fill'"),
        ({"on_error": "ignore"}, "'on_error' parameter must be one of"),
        ({"max_pixels": 0}, "'max_pixels' parameter must be an integer >= 1. Got 0"),
    ],
)
def test_illegal_parameters(tmp_path, params, message):
    paths, _ = save_all(tmp_path, 1)
    with pytest.raises(ValueError, match=message):
        ImageFiles(paths, **params)


@pytest.mark.parametrize(
    ("paths", "error", "message"),
    [
        ([], ValueError, "at least one path"),
        ("photos", TypeError, r"sequence of paths. Got 'photos': write \[path\]"),
        (None, TypeError, "sequence of paths. Got None"),
        (["a.png", None], TypeError, "Entry 1 is None"),
        (["a.png", float("nan")], TypeError, "Entry 1 is nan"),
        ((path for path in ["a.png"]), TypeError, "sequence of paths"),
        ({"a.png", "b.png"}, TypeError, "one column of a table. Got set"),
        (pd.DataFrame({"path": ["a.png"]}), TypeError, "one column of a table. Got DataFrame"),
        (np.array([["a.png", "b.png"]]), TypeError, "one column of a table. Got ndarray"),
    ],
)
def test_illegal_paths(paths, error, message):
    with pytest.raises(error, match=message):
        ImageFiles(paths)


def test_without_pillow_the_command_to_install_it_is_printed(tmp_path, monkeypatch):
    from skcnn._data.image_files import pillow

    pillow.pillow.cache_clear()
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "skcnn\[images\]"'):
        ImageFiles(["a.png"], size=8)


# Sizes and modes by headers


def test_one_size_is_taken_and_several_are_listed(tmp_path):
    paths, _ = save_all(tmp_path, 4, 6, 9)
    assert ImageFiles(paths).image_size == (6, 9)
    paths += save_all(tmp_path / "more", 2, 30, 40)[0] + save_all(tmp_path / "tall", 1, 9, 6)[0]
    message = (
        r"3 sizes \(height x width\): 6 x 9 \(4 files\), 30 x 40 \(2 files\), 9 x 6 \(1 file\). A "
        r"network needs one size. Pass it, such as size=6 or size=\(6, 6\); resize='crop'"
    )
    with pytest.raises(InputShapeError, match=message):
        ImageFiles(paths)
    assert ImageFiles(paths, size=6).shape == (7, 6, 6, 3)


def test_many_sizes_are_counted(tmp_path):
    paths = [save(tmp_path / f"{i}.png", noise(300, 300 + i)) for i in range(7)]
    with pytest.raises(InputShapeError, match=r"7 sizes .* and 2 other sizes. .* size=224 or"):
        ImageFiles(paths)


def kinds(folder):
    """Return one file of each mode of the headers."""
    grey, alpha = noise(8, 8, 0), noise(8, 8, 4)
    palette = Image.fromarray(noise(8, 8)).quantize(4)
    palette.save(folder / "palette.png")
    return {
        "L": save(folder / "grey.png", grey),
        "1": save(folder / "bits.png", grey > 127),
        "I;16": save(folder / "deep.png", grey.astype(np.uint16) * 100),
        "RGB": save(folder / "colours.png", noise(8, 8)),
        "P": folder / "palette.png",
        "RGBA": save(folder / "alpha.png", alpha),
    }


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        (["L"], "L"),
        (["L", "1"], "L"),
        (["I;16"], "I;16"),
        (["I;16", "L"], "I;16"),
        (["P"], "RGB"),
        (["RGB", "L"], "RGB"),
        (["RGBA"], "RGBA"),
        (["RGBA", "RGB"], "RGB"),
        (["RGB", "I;16"], "RGB"),
    ],
)
def test_auto_takes_the_mode_that_files_have_in_common(tmp_path, given, mode):
    files = kinds(tmp_path)
    found = ImageFiles([files[each] for each in given], mode="auto")
    assert found.mode == mode
    assert found.shape[3] == {"L": 1, "I;16": 1, "RGB": 3, "RGBA": 4}[mode]


def test_a_file_that_is_not_as_its_header_said(tmp_path):
    paths, _ = save_all(tmp_path, 2)
    files = ImageFiles(paths, resize="stretch")
    save(paths[1], noise(4, 4))
    assert files[1].shape == (8, 8, 3)  # brought to the size that was agreed on


# Bad files


def damage(path):
    path.write_bytes(path.read_bytes()[:-60])


def test_all_bad_files_are_named_in_one_error(tmp_path):
    paths, _ = save_all(tmp_path, 30)
    files = ImageFiles(paths)
    for path in paths[3:15]:
        damage(path)
    paths[20].unlink()
    message = (
        rf"^13 image files cannot be read. '{paths[3]}': .*truncated.*; '{paths[12]}': "
        r"[^;]*; and 3 more.$"
    )
    with pytest.raises(ImageFileError, match=message):
        np.asarray(files)
    assert list(files.unreadable()) == [str(path) for path in (*paths[3:15], paths[20])]
    assert files.unreadable()[str(paths[20])] == "there is no such file"
    for rows in (3, [3, 0, 3], [3] * 40):
        with pytest.raises(ImageFileError, match=f"1 image file cannot be read. '{paths[3]}'"):
            np.asarray(files[rows])


def test_bad_headers_are_found_at_once(tmp_path):
    paths, _ = save_all(tmp_path, 4)
    paths[2].write_text("no picture")
    with pytest.raises(ImageFileError, match=r"1 image file .*2.png.*on_error='skip' leaves such"):
        ImageFiles(paths)
    ImageFiles(paths, size=8)  # opens none


@pytest.mark.parametrize("size", [None, 8])
def test_bad_files_are_left_out(tmp_path, size):
    paths, arrays = save_all(tmp_path, 6)
    paths[0].write_text("no picture")
    damage(paths[3])
    with pytest.warns(SkippedFilesWarning, match="Left out: ") as caught:
        files = ImageFiles(paths, size, on_error="skip")
    said = " ".join(str(warning.message) for warning in caught)
    assert "0000.png" in said
    assert "0003.png" in said
    assert files.kept.tolist() == [1, 2, 4, 5]
    np.testing.assert_array_equal(files, arrays[[1, 2, 4, 5]])


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_no_good_file_is_an_error(tmp_path, on_error):
    paths, _ = save_all(tmp_path, 3)
    for path in paths:
        path.write_text("no picture")
    with pytest.raises(ImageFileError, match=r"None of the files can be read: 3 image files"):
        ImageFiles(paths, on_error=on_error)
    with pytest.raises(ImageFileError, match=r"None of the files can be read|cannot be read"):
        ImageFiles(paths, 8, on_error="skip")


def test_no_permission(tmp_path, monkeypatch):
    path = save_all(tmp_path, 1)[0][0]

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    from skcnn._data.image_files import pillow

    monkeypatch.setattr(pillow, "open", refuse, raising=False)  # root may read everything
    with pytest.raises(ImageFileError, match=rf"'{path}': permission denied"):
        ImageFiles([path])


def test_an_array_of_many_images_is_decoded_with_a_warning(tmp_path, monkeypatch):
    paths, arrays = save_all(tmp_path, 3)
    monkeypatch.setattr(module, "LARGE_BYTES", arrays.nbytes - 1)
    with pytest.warns(
        DecodedFilesWarning, match="All 3 images are decoded into an array of 0.0 GiB"
    ):
        np.testing.assert_array_equal(ImageFiles(paths), arrays)
    np.testing.assert_array_equal(ImageFiles(paths).to_numpy(), arrays)
    np.testing.assert_array_equal(ImageFiles(paths)[:2], arrays[:2])


def test_a_file_takes_less_than_a_kib():
    def names(n):
        return [
            f"/a/folder/with/a/long/name/and/classes/class_{i % 100}/{i:06d}.jpg" for i in range(n)
        ]

    sizes = []
    for n in (2_000, 12_000):
        given = names(n)
        tracemalloc.start()
        files = ImageFiles(given, size=32, cache=None)
        some = files[np.arange(n)]
        assert files._files._facts.known(files._files.identity.numbers).sum() == 0
        sizes.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(some) == n
    assert (sizes[1] - sizes[0]) / 10_000 < 1024


def test_copy_false_cannot_be_had(tmp_path):
    files = ImageFiles(save_all(tmp_path, 1)[0])
    with pytest.raises(ValueError, match="copy=False fails"):
        files.__array__(copy=False)


def test_no_threads_are_left(tmp_path):
    files = ImageFiles(save_all(tmp_path, 9)[0])
    np.asarray(files)
    assert not [each for each in threading.enumerate() if each.name.startswith("skcnn-files")]
