"""skcnn predict: the table, its order and quoting, and files that cannot be read."""

import csv
import io
import os
import shutil

import joblib
import numpy as np
import pytest

import skcnn
from skcnn._command_line import image_model
from skcnn._command_line.image_model import ImageModel, load_model
from skcnn._command_line.main import main
from skcnn.augmentation import RandomFlip
from tests.helpers.folders import coloured, save_colours
from tests.helpers.pictures import save

HEADER = ["path", "prediction", "probability_blue", "probability_red"]


def rows_of(text):
    header, *rows = csv.reader(io.StringIO(text))
    assert header == HEADER
    return rows


@pytest.fixture
def new(tmp_path):
    """Pictures that the model has not seen."""
    return save_colours(tmp_path / "new", n=2, first=50)


def test_table_of_a_folder(trained, new, capsys):
    _, model = trained
    assert main(["predict", str(model), str(new)]) == 0
    out, err = capsys.readouterr()
    rows = rows_of(out)
    expected = [str(new / label / f"{n}.png") for label in ("blue", "red") for n in (50, 51)]
    assert [row[0] for row in rows] == expected
    assert [row[1] for row in rows] == ["blue", "blue", "red", "red"]
    images = np.stack([coloured(label, n) for label in ("blue", "red") for n in (50, 51)])
    probabilities = load_model(model).classifier.predict_proba(images)
    given = np.array([row[2:] for row in rows], float)
    np.testing.assert_allclose(given, probabilities, rtol=1e-5)
    assert err == ""


def test_table_in_a_file(trained, new, tmp_path, capsys):
    _, model = trained
    output = tmp_path / "predictions.csv"
    output.write_text("old")
    assert main(["predict", str(model), str(new), "--output", str(output)]) == 0
    out, err = capsys.readouterr()
    assert f"Predictions for 4 images: {output}" in out
    assert "4/4" in out + err  # the progress bar
    assert len(rows_of(output.read_text())) == 4
    assert main(["predict", str(model), str(new), "--output", str(output), "--quiet"]) == 0
    assert capsys.readouterr().out == f"Predictions for 4 images: {output}\n"


def test_files_keep_the_order_in_which_they_are_given(trained, new, capsys):
    _, model = trained
    files = [new / "red" / "51.png", new / "blue", new / "red" / "51.png"]
    assert main(["predict", str(model), *map(str, files)]) == 0
    names = [os.path.basename(row[0]) for row in rows_of(capsys.readouterr().out)]
    assert names == ["51.png", "50.png", "51.png", "51.png"]


def test_pictures_of_another_size_are_brought_to_that_of_the_model(trained, tmp_path, capsys):
    _, model = trained
    path = save(tmp_path / "large.png", coloured("red", 1, 90, 60))
    assert main(["predict", str(model), str(path)]) == 0
    assert rows_of(capsys.readouterr().out)[0][1] == "red"


NAMES = ["with space.png", "a,b.png", 'quo"te.png', "new\nline.png", "Käse 猫.png", "=1+1.png"]


def test_names_are_quoted(trained, tmp_path):
    _, model = trained
    folder, output = tmp_path / 'it\'s, "new"', tmp_path / "out.csv"
    for name in NAMES:
        save(folder / name, coloured("red", 1))
    assert main(["predict", str(model), str(folder), "--output", str(output), "--quiet"]) == 0
    rows = rows_of(output.read_text(encoding="utf-8"))
    assert [row[0] for row in rows] == sorted(str(folder / name) for name in NAMES)
    assert {row[1] for row in rows} == {"red"}


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
@pytest.mark.parametrize("to_file", [True, False])
def test_name_that_is_no_text_keeps_its_bytes(to_file, trained, tmp_path, capfdbinary):
    _, model = trained
    name = b"caf\xe9.png"
    save(tmp_path / "picture.png", coloured("red", 1))
    given = os.path.join(os.fsencode(tmp_path), name)
    os.rename(tmp_path / "picture.png", given)
    output = tmp_path / "out.csv"
    options = ["--output", str(output), "--quiet"] if to_file else []
    assert main(["predict", str(model), os.fsdecode(given), *options]) == 0
    written = output.read_bytes() if to_file else capfdbinary.readouterr().out
    assert given + b",red," in written


def test_unreadable_files_have_empty_cells_and_are_named(trained, new, capsys):
    _, model = trained
    text, gone = new / "blue" / "text.jpg", new / "gone.png"
    text.write_text("not a picture")
    assert main(["predict", str(model), str(gone), str(new)]) == 1
    out, err = capsys.readouterr()
    rows = {row[0]: row[1:] for row in rows_of(out)}
    assert len(rows) == 6
    assert rows[str(gone)] == rows[str(text)] == ["", "", ""]
    assert rows[str(new / "red" / "50.png")][0] == "red"
    assert "2 files cannot be read and have no prediction" in err
    assert f"{gone}: there is no such file" in err
    assert f"{text}: it is not in an allowed format" in err


def test_all_files_unreadable(trained, tmp_path, capsys):
    _, model = trained
    (tmp_path / "text.jpg").write_text("not a picture")
    assert main(["predict", str(model), str(tmp_path)]) == 1
    assert rows_of(capsys.readouterr().out) == [[str(tmp_path / "text.jpg"), "", "", ""]]


def test_folder_without_pictures(trained, tmp_path, capsys):
    _, model = trained
    (tmp_path / "notes.txt").touch()
    assert main(["predict", str(model), str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert f"error: There are no image files in the folder {str(tmp_path)!r}" in err


def test_folder_without_permission(trained, tmp_path, monkeypatch, capsys):
    _, model = trained

    def scandir(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", scandir)
    assert main(["predict", str(model), str(tmp_path)]) == 1
    assert "Permission denied" in capsys.readouterr().err


def test_output_in_no_folder(trained, new, tmp_path, capsys):
    _, model = trained
    output = tmp_path / "nowhere" / "out.csv"
    assert main(["predict", str(model), str(new), "--output", str(output)]) == 1
    assert "--output: the folder" in capsys.readouterr().err


def test_missing_model(new, tmp_path, capsys):
    assert main(["predict", str(tmp_path / "m.safetensors"), str(new)]) == 1
    expected = f"skcnn: error: There is no model file {str(tmp_path / 'm.safetensors')!r}.\n"
    assert capsys.readouterr().err == expected


def test_model_of_another_kind(new, tmp_path, capsys):
    model = tmp_path / "m.safetensors"
    skcnn.save(RandomFlip(), model)
    assert main(["predict", str(model), str(new)]) == 1
    err = capsys.readouterr().err
    assert err.endswith("m.safetensors' holds a RandomFlip, not a model that skcnn train wrote.\n")


def test_joblib_file_of_an_earlier_version_is_not_opened(new, tmp_path, capsys):
    model = tmp_path / "m.joblib"
    joblib.dump(RandomFlip(), model)
    assert main(["predict", str(model), str(new)]) == 1
    assert "m.joblib' cannot be loaded: it seems to be a pickle" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b'{"a": 1}', b"hello", b"\x89PNG\r\n\x1a\n" * 50])
def test_file_that_is_no_model(content, new, tmp_path, capsys):
    model = tmp_path / "m.safetensors"
    model.write_bytes(content)
    assert main(["predict", str(model), str(new)]) == 1
    err = capsys.readouterr().err
    assert "m.safetensors' cannot be loaded: it is no file that skcnn.save wrote.\n" in err
    assert "Traceback" not in err


def test_model_without_permission(new, tmp_path, monkeypatch, capsys):
    def load(path):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "m.safetensors").touch()
    monkeypatch.setattr(image_model, "read_model", load)
    assert main(["predict", str(tmp_path / "m.safetensors"), str(new)]) == 1
    assert "m.safetensors' cannot be read: Permission denied." in capsys.readouterr().err


def test_many_files_are_read_in_parts_with_the_same_result(trained, new, monkeypatch, capsys):
    _, model = trained
    assert main(["predict", str(model), str(new)]) == 0
    at_once = capsys.readouterr().out
    monkeypatch.setattr("skcnn._command_line.predict.AT_ONCE", 1)
    assert main(["predict", str(model), str(new)]) == 0
    assert capsys.readouterr().out == at_once


def test_model_in_python(trained):
    folder, path = trained
    paths = [str(folder / "red" / "00.png"), str(folder / "blue" / "00.png")]
    assert skcnn.load(path).predict(paths).tolist() == ["red", "blue"]


def test_model_of_the_commands(trained):
    folder, path = trained
    model = load_model(path)
    assert isinstance(model, ImageModel)
    assert model.version == skcnn.__version__
    assert model.classes == ["blue", "red"]
    paths = [str(folder / "red" / "00.png"), str(folder / "red" / "none.png")]
    probabilities, failures = model.predict_proba(paths)
    assert probabilities[0].argmax() == 1
    assert np.isnan(probabilities[1]).all()
    assert failures == {paths[1]: "there is no such file"}


def test_files_of_a_model_may_be_moved(trained, new, tmp_path, capsys):
    _, model = trained
    moved = tmp_path / "a model.safetensors"
    shutil.copy(model, moved)
    assert main(["predict", str(moved), str(new)]) == 0
    assert len(rows_of(capsys.readouterr().out)) == 4
