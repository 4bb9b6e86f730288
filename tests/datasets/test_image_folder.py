import os

import numpy as np
import pytest
from PIL import Image

from skcnn.datasets import ImageFiles, _class_folders, load_image_folder
from skcnn.exceptions import ImageFileError, InputShapeError, SkippedFilesWarning
from tests.helpers.pictures import noise, save, save_classes


def test_classes_are_folders_sorted_by_name(tmp_path):
    save_classes(tmp_path, ["dog", "cat", "a b"])
    data = load_image_folder(tmp_path)
    assert isinstance(data.data, ImageFiles)
    assert data.target_names == ["a b", "cat", "dog"]
    assert data.target.tolist() == ["a b"] * 3 + ["cat"] * 3 + ["dog"] * 3
    assert data.filenames[3] == str(tmp_path / "cat" / "0.png")
    assert data.frame is None
    np.testing.assert_array_equal(data.data[3], noise(8, 8, seed=100))


def test_x_and_y(tmp_path):
    save_classes(tmp_path, ["cat", "dog"])
    X, y = load_image_folder(str(tmp_path), size=(4, 6), mode="L", resize="pad", return_X_y=True)
    assert X.shape == (6, 4, 6, 1)
    assert (X.mode, X.resize, y.shape) == ("L", "pad", (6,))


def test_frames(tmp_path):
    save_classes(tmp_path, ["cat", "dog"])
    data = load_image_folder(tmp_path, as_frame=True)
    assert data.frame.columns.tolist() == ["path", "target"]
    assert data.frame["path"].tolist() == data.filenames
    assert data.target.tolist() == data.frame["target"].tolist() == ["cat"] * 3 + ["dog"] * 3
    assert data.target.name == "target"
    X, y = load_image_folder(tmp_path, as_frame=True, return_X_y=True)
    assert isinstance(X, ImageFiles)
    assert y.equals(data.target)


def test_nested_folders_are_nested_classes(tmp_path):
    save_classes(tmp_path, ["animals/cat", "animals/dog", "cars", "animals"])
    data = load_image_folder(tmp_path)
    assert data.target_names == ["animals", "animals/cat", "animals/dog", "cars"]
    assert data.target.tolist() == [name for name in data.target_names for _ in range(3)]


def test_other_files_and_hidden_ones_do_not_count(tmp_path):
    save_classes(tmp_path, ["cat", ".hidden", "__MACOSX"])
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    (tmp_path / "cat" / ".thumb.png").write_text("no picture")
    (tmp_path / "README").write_text("no picture")
    save(tmp_path / "cat" / "big.JPG", noise(8, 8))
    data = load_image_folder(tmp_path)
    assert len(data.data) == 4
    data = load_image_folder(tmp_path, extensions=[".jpg"])
    assert data.filenames == [str(tmp_path / "cat" / "big.JPG")]


def test_one_class_is_loaded(tmp_path):
    assert load_image_folder(save_classes(tmp_path, ["cat"])).target_names == ["cat"]


# Subsets


@pytest.fixture
def splits(tmp_path):
    save_classes(tmp_path / "train", ["cat", "dog"])
    save_classes(tmp_path / "test", ["cat", "emu"], n=2)
    return tmp_path


def test_subsets(splits):
    train = load_image_folder(splits, subset="train")
    test = load_image_folder(splits, subset="test")
    both = load_image_folder(splits, subset="all")
    assert train.target.tolist() == ["cat"] * 3 + ["dog"] * 3
    assert test.target.tolist() == ["cat"] * 2 + ["emu"] * 2
    assert train.target_names == test.target_names == both.target_names == ["cat", "dog", "emu"]
    assert both.filenames == train.filenames + test.filenames


def test_a_third_subset(splits):
    save_classes(splits / "val", ["cat"])
    assert len(load_image_folder(splits, subset="val").data) == 3
    assert len(load_image_folder(splits, subset="all").data) == 13


def test_a_subset_must_be_chosen(splits):
    message = (
        r"has the folders 'train', 'test': the 'subset' parameter must be one of \['train', "
        r"'test', 'all'\]. Got None"
    )
    with pytest.raises(ValueError, match=message):
        load_image_folder(splits)
    with pytest.raises(ValueError, match=r"Got 'tset' instead. Did you mean 'test'"):
        load_image_folder(splits, subset="tset")


def test_validation_may_be_beside_training(tmp_path):
    save_classes(tmp_path / "train", ["cat"])
    save_classes(tmp_path / "validation", ["cat"], n=2)
    assert load_image_folder(tmp_path, subset="validation").target.tolist() == ["cat"] * 2


@pytest.mark.parametrize("other", ["train", "test"])
def test_a_class_may_be_called_train_or_test(tmp_path, other):
    save_classes(tmp_path, ["exam", other])
    assert load_image_folder(tmp_path).target_names == ["exam", other]
    with pytest.raises(ValueError, match=r"Got subset='train', but .* is a folder of classes"):
        load_image_folder(tmp_path, subset="train")


@pytest.mark.parametrize("subset", [None, "train", "all"])
def test_other_folders_beside_the_parts(splits, subset):
    save_classes(splits, ["unlabelled"])
    with pytest.raises(ImageFileError, match="'train' and 'test', and 'unlabelled' beside them"):
        load_image_folder(splits, subset=subset)


# Bad folders


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        (None, TypeError, "'path' parameter must be a path: str or pathlib.Path. Got None"),
        ("nowhere", ImageFileError, "must be a folder, but 'nowhere' does not exist"),
        (__file__, ImageFileError, "must be a folder, but .* is a file"),
    ],
)
def test_paths_that_are_no_folders(path, error, message):
    with pytest.raises(error, match=message):
        load_image_folder(path)


@pytest.mark.parametrize("extensions", [".jpg", [], ["jpg"], None, [1]])
def test_illegal_extensions(tmp_path, extensions):
    with pytest.raises(ValueError, match="'extensions' parameter must be a sequence of extensions"):
        load_image_folder(tmp_path, extensions=extensions)


def test_an_empty_folder(tmp_path):
    with pytest.raises(ImageFileError, match=r"no image files in folders of .* '.ppm'|and 6 more"):
        load_image_folder(tmp_path)


def test_a_folder_of_other_files(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.heic").write_text("")
    with pytest.raises(ImageFileError, match=r"It has files with the extensions '.heic'"):
        load_image_folder(tmp_path)


def test_pictures_without_a_class_folder(tmp_path):
    save_classes(tmp_path, ["cat"])
    save(tmp_path / "loose.png", noise(8, 8))
    with pytest.raises(ImageFileError, match=r"1 image file in .*'loose.png', lie in no class"):
        load_image_folder(tmp_path)


def test_several_sizes(tmp_path):
    save_classes(tmp_path, ["cat"])
    save(tmp_path / "dog" / "a.png", noise(9, 8))
    with pytest.raises(InputShapeError, match=r"8 x 8 \(3 files\), 9 x 8 \(1 file\)"):
        load_image_folder(tmp_path)


def test_targets_of_files_that_are_left_out(tmp_path):
    save_classes(tmp_path, ["cat", "dog"])
    (tmp_path / "cat" / "1.png").write_text("this is a text")
    (tmp_path / "dog" / "2.png").write_bytes((tmp_path / "dog" / "1.png").read_bytes()[:-40])
    with pytest.raises(ImageFileError, match=r"1 image file cannot be read.*1.png.*allowed format"):
        load_image_folder(tmp_path)
    with pytest.warns(SkippedFilesWarning, match=r"1.png|2.png"):
        data = load_image_folder(tmp_path, size=8, on_error="skip", as_frame=True)
    assert [os.path.relpath(each, tmp_path) for each in data.filenames] == [
        *("cat/0.png", "cat/2.png"),
        *("dog/0.png", "dog/1.png"),
    ]
    assert data.target.tolist() == data.frame["target"].tolist() == ["cat", "cat", "dog", "dog"]


def test_all_broken(tmp_path):
    save_classes(tmp_path, ["cat"])
    for path in (tmp_path / "cat").iterdir():
        path.write_text("this is a text")
    with pytest.raises(ImageFileError, match="None of the files can be read: 3 image files"):
        load_image_folder(tmp_path, size=8, on_error="skip")


def test_a_bomb(tmp_path):
    save_classes(tmp_path, ["cat"])
    with pytest.raises(ImageFileError, match="has 8 x 8 pixels, more than max_pixels=60"):
        load_image_folder(tmp_path, max_pixels=60)


def test_links_out_of_the_folder(tmp_path):
    inside, outside = save_classes(tmp_path / "in", ["cat"]), save_classes(tmp_path / "out", ["x"])
    (inside / "dog").symlink_to(outside / "x")
    with pytest.raises(
        ImageFileError, match=r"dog' is a link out of the folder, to '.*follow_link"
    ):
        load_image_folder(inside)
    assert load_image_folder(inside, follow_links=True).target_names == ["cat", "dog"]
    (inside / "dog").unlink()
    (inside / "cat" / "z.png").symlink_to(outside / "x" / "0.png")
    with pytest.raises(ImageFileError, match=r"z.png' is a link out of the folder"):
        load_image_folder(inside)
    assert len(load_image_folder(inside, follow_links=True).data) == 4


def test_links_inside_the_folder_and_loops(tmp_path):
    save_classes(tmp_path, ["cat"])
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "a.png").symlink_to(tmp_path / "cat" / "0.png")
    (tmp_path / "dog" / "loop").symlink_to(tmp_path)
    (tmp_path / "dog" / "self").symlink_to(tmp_path / "dog")
    for follow in (False, True):
        data = load_image_folder(tmp_path, follow_links=follow)
        assert data.target.tolist() == ["cat"] * 3 + ["dog"]


def test_a_link_to_nothing(tmp_path):
    save_classes(tmp_path, ["cat"])
    (tmp_path / "cat" / "gone.png").symlink_to(tmp_path / "cat" / "none.png")
    with pytest.raises(ImageFileError, match=r"gone.png': there is no such file"):
        load_image_folder(tmp_path)


def test_a_folder_without_permission(tmp_path, monkeypatch):
    save_classes(tmp_path, ["cat", "dog"])
    scan = os.scandir

    def refuse(folder):
        if str(folder).endswith("dog"):  # root may read everything
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(_class_folders.os, "scandir", refuse)
    with pytest.raises(ImageFileError, match=r"folder '.*dog' cannot be read: Permission denied"):
        load_image_folder(tmp_path)


def test_strange_names(tmp_path):
    names = ["it's", 'say "hi"', "two\nlines", "猫 ü"]
    save_classes(tmp_path, names)
    data = load_image_folder(tmp_path)
    assert data.target_names == sorted(names)
    assert np.asarray(data.data).shape == (12, 8, 8, 3)


def test_sixteen_bits(tmp_path):
    values = np.full((4, 4), 40000, np.uint16)
    (tmp_path / "cat").mkdir()
    Image.fromarray(values).save(tmp_path / "cat" / "a.png")
    X, _ = load_image_folder(tmp_path, mode="auto", return_X_y=True)
    assert X.dtype == np.uint16
    assert (np.asarray(X) == 40000).all()
