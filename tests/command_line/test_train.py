"""skcnn train: what it prints, the model it writes, and folders that cannot be trained on."""

import os
import re
import sys

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from skcnn._command_line import image_model
from skcnn._command_line.image_model import load_model
from skcnn._command_line.main import main
from skcnn.augmentation import RandomAffine, RandomFlip
from skcnn.datasets import load_image_folder
from tests.helpers.folders import coloured, save_colours, train
from tests.helpers.pictures import save, save_classes, smooth
from tests.helpers.stopped_fits import Stop, stop_after


@pytest.fixture
def folder(tmp_path):
    return save_colours(tmp_path / "colours")


@pytest.fixture
def model(tmp_path):
    return tmp_path / "model.safetensors"


def probabilities(model, folder):
    X = load_image_folder(folder, subset="train" if (folder / "train").exists() else None).data
    return load_model(model).classifier.predict_proba(X.to_numpy())


def test_output(folder, model, capsys):
    assert train(folder, model) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out == (
        "20 images for training in 2 classes\n"
        "Files: 8 x 8 (20 files) (height x width)\n"
        "Read as 8 x 8 pixels, RGB, --resize crop. --size sets another size\n\n"
        "  class  images  scored  precision  recall\n"
        "  blue       10       2       1.00    1.00\n"
        "  red        10       2       1.00    1.00\n\n"
        "Accuracy on 4 held-out images: 1.000 (4 of 4 right, 95 % interval 0.510 to 1.000)\n"
        "  most frequent class: 0.500\n"
        "  logistic regression, 16x16 pixels: 1.000\n"
        f"Model: {model}\n"
        f"Predict: skcnn predict {model} FOLDER --output predictions.csv\n"
    )


def test_progress_is_shown(folder, model, capsys):
    arguments = ["train", str(folder), "--model", str(model), "--epochs", "2"]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert "2/2" in out + err
    assert (
        "Training images are changed by: shift and zoom, flip horizontal, flip vertical. --augment "
        "sets other changes\n"
    ) in out
    classifier = load_model(model).classifier
    assert classifier.verbose == 0
    assert classifier.augmentation == "auto"
    assert [type(each) for each in classifier.augmentation_] == [RandomFlip, RandomAffine]


def test_a_killed_training_goes_on(folder, tmp_path, monkeypatch):
    first, second = tmp_path / "a", tmp_path / "b"
    kept = tmp_path / "fits"
    kept.mkdir()
    assert train(folder, first, "--cv", 2) == 0
    options = ("--cv", 2, "--checkpoint", kept / "fit.ckpt")
    with monkeypatch.context() as patched:
        stop_after(patched, 5)  # in the second fold, of epochs with two steps
        with pytest.raises(Stop):
            train(folder, second, *options)
    assert re.fullmatch(r"fit-[0-9a-f]{16}\.ckpt", *[path.name for path in kept.iterdir()])
    assert train(folder, second, *options) == 0
    assert [*kept.iterdir()] == []
    assert load_model(second).classifier.checkpoint is None
    np.testing.assert_array_equal(probabilities(first, folder), probabilities(second, folder))


def test_a_checkpoint_in_no_folder_is_an_error(folder, model, tmp_path, capsys):
    assert train(folder, model, "--checkpoint", tmp_path / "nowhere" / "fit.ckpt") != 0
    assert "--checkpoint: the folder" in capsys.readouterr().err


def test_the_same_seed_gives_the_same_model(folder, tmp_path):
    models = [tmp_path / name for name in "abc"]
    for path, seed in zip(models, (0, 0, 1), strict=True):
        assert train(folder, path, "--seed", seed) == 0
    first, second, other = (probabilities(path, folder) for path in models)
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_the_model_is_that_of_the_estimator_on_the_same_images(folder, model, tmp_path):
    """Without the command line: the images of train/ as an array."""
    save_colours(tmp_path / "parts" / "train")
    save_colours(tmp_path / "parts" / "test", n=2, first=30)
    assert train(tmp_path / "parts", model, "--recipe", "handwriting") == 0
    fitted = load_model(model).classifier
    X, y = load_image_folder(folder, return_X_y=True)
    expected = clone(fitted).fit(X.to_numpy(), y)
    got = probabilities(model, tmp_path / "parts")
    np.testing.assert_array_equal(got, expected.predict_proba(X.to_numpy()))


def test_large_folders_are_read_lazily_with_the_same_result(folder, tmp_path, monkeypatch):
    (folder / "red" / "text.jpg").write_text("not a picture")
    cut = save(folder / "red" / "zz.png", coloured("red", 90))
    cut.write_bytes(cut.read_bytes()[:-40])
    assert train(folder, tmp_path / "a") == 0
    monkeypatch.setattr(image_model, "LARGEST_BYTES", 100)
    assert train(folder, tmp_path / "b") == 0
    cut.unlink()
    (folder / "red" / "text.jpg").unlink()
    first, second = (probabilities(tmp_path / name, folder) for name in "ab")
    np.testing.assert_array_equal(first, second)


def test_parts_of_a_folder(tmp_path, model, capsys):
    save_colours(tmp_path / "all" / "train", n=6)
    save_colours(tmp_path / "all" / "val", n=2, first=20)
    save_colours(tmp_path / "all" / "test", n=3, first=30)
    assert train(tmp_path / "all", model) == 0
    out = capsys.readouterr().out
    assert "12 images for training in 2 classes" in out
    assert "  blue        6       3 " in out
    assert "Accuracy on the 6 images of test/: " in out
    assert load_model(model).classifier.history_["valid_loss"].notna().all()


def test_validation_folder_is_scored_if_there_is_no_test_folder(tmp_path, model, capsys):
    save_colours(tmp_path / "all" / "train", n=6)
    save_colours(tmp_path / "all" / "val", n=2, first=20)
    assert train(tmp_path / "all", model) == 0
    assert "Accuracy on the 4 images of val/: " in capsys.readouterr().out
    assert load_model(model).classifier.history_["valid_loss"].isna().all()


def test_folds(folder, model, capsys):
    assert train(folder, model, "--cv", 2) == 0
    out = capsys.readouterr().out
    assert "Training on all 20 images\n" in out
    assert "Accuracy on all 20 images, in 2 folds: " in out
    assert "1.000 (mean of 2 folds, whose equal scores give no interval)\n" in out
    assert "  most frequent class: 0.500\n" in out
    assert load_model(model).command.endswith("--quiet --cv 2")


def test_interval_of_folds_with_different_scores(tmp_path, model, capsys):
    pictures = save_classes(tmp_path / "noise", ["a", "b"], n=5)
    assert train(pictures, model, "--cv", 3) == 0
    interval = r"\(mean of 3 folds, 95 % interval \d\.\d{3} to \d\.\d{3}\)\n"
    assert re.search(interval, capsys.readouterr().out)


def test_folds_in_several_workers_give_the_same_model(folder, tmp_path, capsys):
    assert train(folder, tmp_path / "a", "--cv", 2) == 0
    first = capsys.readouterr().out
    with joblib.parallel_config(backend="threading"):
        assert train(folder, tmp_path / "b", "--cv", 2, "--jobs", -1) == 0
    second = capsys.readouterr().out
    assert first.split("Model:")[0] == second.split("Model:")[0]
    np.testing.assert_array_equal(*(probabilities(tmp_path / name, folder) for name in "ab"))


def test_search(folder, model, capsys):
    assert train(folder, model, "--search", 2, "--cv", 2) == 0
    out, err = capsys.readouterr()
    assert "Searching in 2 trials" in out
    assert "Accuracy on 4 held-out images: " in out
    assert err == ""


@pytest.mark.parametrize(
    ("options", "fold"), [([], ""), (["--cv", "2"], "of fold [12] ")], ids=["held-out", "folds"]
)
def test_copies_of_training_images_among_the_scored_ones(options, fold, tmp_path, model, capsys):
    for label, n in (("a", 0), ("b", 6)):
        for number in range(12):  # each picture twice
            save(tmp_path / "all" / label / f"{number:02d}.png", smooth(24, 24, n + number // 2))
    assert train(tmp_path / "all", model, *options) == 0
    warning = (
        rf"skcnn: warning: \d+ of \d+ scored images {fold}are copies of training images, such as "
        r"'.*/(a|b)/\d+.png' of '.*/(a|b)/\d+.png': the score is too good. skcnn inspect finds"
    )
    [line] = capsys.readouterr().err.splitlines()
    assert re.match(warning, line)


def test_copies_of_a_test_folder(tmp_path, model, capsys):
    for label, n in (("a", 0), ("b", 6)):
        for number in range(6):
            picture = smooth(24, 24, n + number)
            save(tmp_path / "all" / "train" / label / f"{number}.png", picture)
            other = smooth(24, 24, 50 + n + number)
            save(tmp_path / "all" / "test" / label / f"{number}.png", other if number else picture)
    assert train(tmp_path / "all", model) == 0
    [line] = capsys.readouterr().err.splitlines()
    copy, original = (tmp_path / "all" / part / "a" / "0.png" for part in ("test", "train"))
    assert f"warning: 2 of 12 scored images are copies of training images, such as '{copy}'" in line
    assert f" of '{original}'" in line


def test_options_of_the_images(folder, model, capsys):
    options = ["--size", "6x10", "--mode", "L", "--resize", "pad"]
    assert train(folder, model, *options) == 0
    assert "Read as 6 x 10 pixels, L, --resize pad\n" in capsys.readouterr().out
    read = load_model(model)
    assert (read.reading.size, read.reading.mode, read.reading.resize) == ((6, 10), "L", "pad")
    assert read.classifier.input_shape_ == (6, 10, 1)


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        (["--augment", "flip"], [RandomFlip, RandomAffine]),
        (["--augment", "none", "--recipe", "photos"], []),
        (["--architecture", "lenet5", "--augment", "none"], []),
    ],
)
def test_options_of_the_network(options, kinds, folder, model):
    assert train(folder, model, "--size", 16, *options) == 0
    classifier = load_model(model).classifier
    assert [type(each) for each in classifier.augmentation or []] == kinds
    if "--architecture" in options:
        assert classifier.architecture == "lenet5"
    if "--recipe" in options:
        assert classifier.optimizer == "muon"


def error_of(arguments, capsys, status=1):
    assert train(*arguments) == status
    out, err = capsys.readouterr()
    assert "Model:" not in out
    return err.splitlines()[-1]


def test_recipe_and_architecture(folder, model, capsys):
    options = ["--recipe", "photos", "--architecture", "lenet5"]
    error = error_of([folder, model, *options], capsys, status=2)
    assert error == (
        "skcnn: error: --recipe photos has an architecture of its own, so that "
        "--architecture lenet5 cannot be given with it."
    )


def test_folds_of_a_folder_with_a_test_part(tmp_path, model, capsys):
    for part in ("train", "test"):
        save_colours(tmp_path / "all" / part, n=3)
    error = error_of([tmp_path / "all", model, "--cv", 2], capsys, status=2)
    assert "The folder has test/, whose images are scored: --cv is for folders without" in error


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("--size", "0", "must be a number of pixels such as 96"),
        ("--size", "1x2x3", "HEIGHTxWIDTH"),
        ("--size", "big", "HEIGHTxWIDTH"),
        ("--cv", "1", "must be an integer >= 2"),
        ("--search", "0", "must be an integer >= 1"),
        ("--search", "few", "must be an integer >= 1, got 'few'"),
        ("--jobs", "-2", "must be an integer >= 1"),
        ("--seed", "-1", "must be an integer from 0"),
        ("--architecture", "lenet", "lenet5"),
        ("--recipe", "photo", "photos"),
        ("--augment", "all", "affine"),
    ],
)
def test_illegal_options(option, value, wanted, folder, model, capsys):
    with pytest.raises(SystemExit) as exit_:
        train(folder, model, f"{option}={value}")
    assert exit_.value.code == 2
    assert wanted in capsys.readouterr().err


def test_model_that_exists(folder, model, capsys):
    model.write_text("precious")
    assert "exists. --force replaces it." in error_of([folder, model], capsys)
    assert model.read_text() == "precious"
    assert train(folder, model, "--force") == 0
    assert load_model(model).classes == ["blue", "red"]


def test_report_in_the_place_of_the_model(folder, model, capsys):
    error = error_of([folder, model, "--report", model], capsys, status=2)
    assert error == "skcnn: error: --model and --report name the same file."


def test_report_without_matplotlib_is_refused_before_the_training(
    folder, model, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    error = error_of([folder, model, "--report", model.with_suffix(".html")], capsys)
    assert 'pip install "skcnn[plots]"' in error


def test_empty_folder(tmp_path, model, capsys):
    (tmp_path / "empty").mkdir()
    error = error_of([tmp_path / "empty", model], capsys)
    assert error.startswith("skcnn: error: There are no image files in folders of ")


def test_no_folder(tmp_path, model, capsys):
    error = error_of([tmp_path / "none", model], capsys)
    assert "none' does not exist." in error


def test_one_class(tmp_path, model, capsys):
    save_colours(tmp_path / "one", ["red"], n=3)
    error = error_of([tmp_path / "one", model], capsys)
    assert error == (
        "skcnn: error: A classifier needs two or more classes. All 3 images for training are in "
        "the class folder 'red'."
    )


def test_class_with_one_image(folder, model, capsys):
    save_colours(folder, ["green"], n=1)
    error = error_of([folder, model], capsys)
    assert "The class 'green' has one image: at least two are needed" in error


def test_too_few_images_for_the_folds(folder, model, capsys):
    save_colours(folder, ["green"], n=3)
    error = error_of([folder, model, "--cv", 5], capsys)
    assert "--cv: 5 folds need 5 images of each class, and the class 'green' has 3 images." in error
    error = error_of([folder, model, "--search", 2], capsys)
    assert "--search: 3 folds need 3 images of each class, and the class 'green' has 2" in error


def test_class_that_is_only_scored(tmp_path, model, capsys):
    save_colours(tmp_path / "all" / "train", n=3)
    save_colours(tmp_path / "all" / "test", ["green", "red"], n=1)
    error = error_of([tmp_path / "all", model], capsys)
    assert "The class 'green' has images for the score, but none in train/." in error


def test_one_broken_file_of_many(folder, model, capsys):
    broken = folder / "red" / "broken.jpg"
    broken.write_text("not a picture")
    assert train(folder, model) == 0
    out, err = capsys.readouterr()
    assert "20 images for training" in out
    assert err == (
        "skcnn: 1 file cannot be read and left out:\n"
        f"skcnn:   {broken}: it is not in an allowed format (JPEG, PNG, GIF, BMP, TIFF, WEBP, "
        "PPM)\n"
    )


def test_all_files_broken(tmp_path, model, capsys):
    for label in ("a", "b"):
        (tmp_path / "all" / label).mkdir(parents=True)
        (tmp_path / "all" / label / "1.jpg").write_text("not a picture")
    error = error_of([tmp_path / "all", model], capsys)
    assert "None of the 2 image files can be read. The first is " in error


def test_all_pixels_broken(tmp_path, model, capsys):
    for label in ("red", "blue"):
        path = save(tmp_path / "all" / label / "1.png", coloured(label, 1, 40, 40))
        path.write_bytes(path.read_bytes()[:-3000])
    assert "None of the 2 image files can be read." in error_of([tmp_path / "all", model], capsys)


def test_class_without_readable_files(folder, model, capsys):
    (folder / "green").mkdir()
    path = save(folder / "green" / "1.png", coloured("green", 1, 40, 40))
    path.write_bytes(path.read_bytes()[:-3000])
    error = error_of([folder, model], capsys)
    assert error == "skcnn: error: No image of the class 'green' can be read."


def test_training_part_without_readable_files(tmp_path, model, capsys):
    save_colours(tmp_path / "all" / "test", n=2)
    for label in ("red", "blue"):
        (tmp_path / "all" / "train" / label).mkdir(parents=True)
        (tmp_path / "all" / "train" / label / "1.jpg").write_text("not a picture")
    error = error_of([tmp_path / "all", model], capsys)
    assert "No image of the folder 'train' can be read." in error


def test_folder_without_permission(folder, model, capsys, monkeypatch):
    scandir = os.scandir

    def forbidden(path):
        if str(path).endswith("red"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    error = error_of([folder, model], capsys)
    assert "red' cannot be read: Permission denied." in error


def test_names_with_spaces_quotes_and_other_letters(tmp_path, capsys):
    folder = tmp_path / 'my "photos" of 猫 & <it\'s>'
    for label in ("blue", "red"):
        for number in range(10):
            name = f"{label} '猫'\n<b>"
            save(folder / name / f"{number}, x.png", coloured(label, number))
    model = tmp_path / "the model's file.safetensors"
    assert train(folder, model) == 0
    out = capsys.readouterr().out
    assert "  blue '猫'\\n<b>      10 " in out
    assert "skcnn predict '" in out
    assert load_model(model).classes == ["blue '猫'\n<b>", "red '猫'\n<b>"]
