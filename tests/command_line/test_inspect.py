"""skcnn inspect: counts, sizes, and what is wrong with a folder."""

import shutil
import sys

import pytest
from PIL import Image

from skcnn._command_line import inspect
from skcnn._command_line.main import main
from skcnn._data.image_files.pillow import pillow
from tests.helpers.folders import coloured, save_colours
from tests.helpers.pictures import save


@pytest.fixture
def folder(tmp_path):
    return save_colours(tmp_path / "colours")


def output_of(folder, capsys, status):
    assert main(["inspect", str(folder)]) == status
    return capsys.readouterr().out


def test_a_good_folder(folder, capsys):
    save(folder / "red" / "wide.png", coloured("red", 70, 10, 20))
    save(folder / "red" / "grey.png", coloured("red", 71)[..., 0])
    assert output_of(folder, capsys, 0) == (
        "22 images in 2 classes\n\n"
        "  class  images\n"
        "  blue       10\n"
        "  red        12\n\n"
        "Sizes (height x width): 8 x 8 (21 files), 10 x 20 (1 file)\n"
        "Modes: RGB (21 files), L (1 file)\n"
        "skcnn train reads them as 8 x 8 pixels, without --size\n\n"
        "Nothing is wrong.\n"
    )


def test_many_sizes_are_shortened(folder, capsys):
    for side in (9, 10, 12):
        save(folder / "red" / f"{side}.png", coloured("red", side, side, side))
    out = output_of(folder, capsys, 0)
    assert "4 sizes from 8 x 8 to 12 x 12, most often 8 x 8 (20 files)" in out


def test_broken_files(folder, capsys):
    (folder / "blue" / "text.jpg").write_text("not a picture")
    whole = save(folder / "red" / "cut.png", coloured("red", 90, 40, 40))
    whole.write_bytes(whole.read_bytes()[:-3000])  # its header can be read
    out = output_of(folder, capsys, 1)
    assert "  class  images  unreadable\n  blue       10           1\n" in out
    assert "2 files cannot be read:" in out
    assert f"  {folder / 'blue' / 'text.jpg'}: it is not in an allowed format" in out
    assert f"  {folder / 'red' / 'cut.png'}: " in out


def test_all_broken(tmp_path, capsys):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "text.jpg").write_text("not a picture")
    out = output_of(tmp_path, capsys, 1)
    assert "0 images in 2 classes" in out
    assert "there are images of 0" in out
    assert "2 files cannot be read:" in out


def test_duplicates(folder, capsys):
    shutil.copy(folder / "red" / "00.png", folder / "red" / "copy.png")
    shutil.copy(folder / "red" / "01.png", folder / "blue" / "other.png")
    out = output_of(folder, capsys, 1)
    first, second, third = out.splitlines()[-3:]
    assert first == "2 files with the image of another file:"
    blue, red = folder / "blue", folder / "red"
    assert second == f"  {blue / 'other.png'} = {red / '01.png'} (in different classes)"
    assert third == f"  {red / '00.png'} = {red / 'copy.png'}"


def test_near_duplicates_are_a_note(folder, capsys):
    with Image.open(folder / "red" / "00.png") as image:
        brighter = image.point(lambda value: min(value + 1, 255))
    brighter.save(folder / "red" / "brighter.png")
    out = output_of(folder, capsys, 0)
    assert "Note: 1 file with nearly the image of another file:" in out
    assert f"  {folder / 'red' / '00.png'} ~ {folder / 'red' / 'brighter.png'}\n" in out
    assert out.endswith("Nothing is wrong.\n")


def test_many_duplicates_are_counted(folder, capsys, monkeypatch):
    monkeypatch.setattr(inspect, "MOST_GROUPS", 1)
    for number in range(3):
        shutil.copy(folder / "red" / f"0{number}.png", folder / "red" / f"copy{number}.png")
    assert output_of(folder, capsys, 1).endswith("\n  and 2 more groups\n")


def test_parts(tmp_path, capsys):
    save_colours(tmp_path / "train")
    save_colours(tmp_path / "test", n=2, first=30)
    shutil.copy(tmp_path / "train" / "red" / "00.png", tmp_path / "test" / "red" / "copy.png")
    out = output_of(tmp_path, capsys, 1)
    assert "  class  train  test\n  blue      10     2\n  red       10     3\n" in out
    assert "(on both sides of a split: the score is too good)" in out


def test_other_folders_beside_the_parts(tmp_path, capsys):
    for part in ("train", "test", "unlabelled"):
        save_colours(tmp_path / part, n=2)
    assert main(["inspect", str(tmp_path)]) == 1
    assert (
        f"{str(tmp_path)!r} has the folders 'train' and 'test', and 'unlabelled' beside them."
    ) in capsys.readouterr().err


def test_a_class_may_be_called_train(tmp_path, capsys):
    save(tmp_path / "train" / "1.png", coloured("red", 1))
    save(tmp_path / "bus" / "1.png", coloured("blue", 1))
    assert "  bus         1\n  train       1\n" in output_of(tmp_path, capsys, 0)


def test_one_class(tmp_path, capsys):
    out = output_of(save_colours(tmp_path, ["red"]), capsys, 1)
    assert out.endswith("A classifier needs two or more classes; there are images of 1.\n")


def test_balance(tmp_path, capsys):
    save_colours(tmp_path, ["red"], n=2)
    out = output_of(save_colours(tmp_path, ["blue"], n=20), capsys, 0)
    assert "Note: the class 'red' has 2 images, which is little to learn from." in out
    assert (
        "Note: 'blue' has 10 times as many images as 'red'. A network that always says 'blue' is "
        "right for 91%."
    ) in out


def test_empty_folder(tmp_path, capsys):
    assert main(["inspect", str(tmp_path)]) == 1
    assert "error: There are no image files in folders of" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "what"), [("none", "does not exist"), ("file", "is a file")])
def test_no_folder(name, what, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["inspect", str(tmp_path / name)]) == 1
    err = capsys.readouterr().err
    assert f"FOLDER must be a folder of images, but {str(tmp_path / name)!r} {what}." in err


def test_without_pillow(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    pillow.cache_clear()
    assert main(["inspect", str(folder)]) == 1
    pillow.cache_clear()
    assert 'pip install "skcnn[images]"' in capsys.readouterr().err


def test_links_out_of_the_folder(folder, tmp_path, capsys):
    outside = save(tmp_path / "outside.png", coloured("red", 80))
    (folder / "red" / "link.png").symlink_to(outside)
    assert main(["inspect", str(folder)]) == 1
    assert "is a link out of the folder" in capsys.readouterr().err
    assert main(["inspect", str(folder), "--follow-links"]) == 0
    assert "21 images" in capsys.readouterr().out
