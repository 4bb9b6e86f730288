"""The report of skcnn train: one file, its contents, and names from outside."""

import shutil
import sys
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest

import skcnn
from skcnn._command_line import report
from tests.helpers.folders import coloured, save_colours, train
from tests.helpers.html import check_self_contained
from tests.helpers.pictures import save

SECTIONS = [
    *("Data", "Samples", "Training", "Score", "Comparison with simple models"),
    *("Largest losses", "Saliency", "Robustness", "How to reproduce"),
]


def report_of(folder, place, *options):
    path = place / "report.html"
    assert train(folder, place / "model.safetensors", "--report", path, *options) == 0
    return check_self_contained(path.read_text(encoding="utf-8"))


def headings(page):
    return [
        text for text in page.texts if text in (*SECTIONS, "Search", "Duplicates", "Files left out")
    ]


def test_report(tmp_path, capsys):
    folder = save_colours(tmp_path / "colours")
    page = report_of(folder, tmp_path)
    assert f"Report: {tmp_path / 'report.html'}\n" in capsys.readouterr().out
    assert headings(page) == SECTIONS
    assert page.texts[0] == "Classifier of the images in colours"
    assert "Accuracy on 4 held-out images: 1.000 (4 of 4 right, 95 % interval 0.510" in page.text
    assert "Always saying the most frequent class is right for 0.500." in page.text
    assert ["blue", "10", "2"] in page.tables[0]
    assert ["all", "20", "4"] in page.tables[0]
    # samples, history, losses, saliency, robustness
    assert len(page.pictures()) == 8 + 1 + 4 + 4 + 3
    np.testing.assert_array_equal(np.asarray(page.pictures()[0]), coloured("blue", 0))
    assert "blue/00.png" in page.texts
    assert f"--report {tmp_path / 'report.html'}" in page.text
    parameters = next(table for table in page.tables if table[0] == ["parameter", "value"])
    assert parameters[1:] == [["max_epochs", "3"], ["random_state", "0"]]
    versions = page.tables[-1]
    assert ["Python", ".".join(map(str, sys.version_info[:3]))] in versions
    assert {row[0] for row in versions} >= {"skcnn", "torch", "scikit-learn", "numpy"}


def test_report_of_folds(tmp_path):
    page = report_of(save_colours(tmp_path / "colours"), tmp_path, "--cv", 5)
    assert "The network of the first fold that is scored below." in page.text
    assert "Accuracy on all 20 images, in 5 folds: " in page.text
    assert "p (Holm)" in page.text
    assert ["all", "20", "20"] in page.tables[0]
    assert "held out" not in page.text


def test_report_of_a_search(tmp_path):
    page = report_of(save_colours(tmp_path / "colours"), tmp_path, "--search", 2, "--cv", 2)
    assert "Search" in headings(page)
    assert "2 trials on the training images." in page.text
    names = [row[0] for row in page.tables[1]]
    assert "learning_rate" in names


def test_report_names_what_is_wrong_with_the_files(tmp_path):
    folder = save_colours(tmp_path / "colours")
    shutil.copy(folder / "red" / "00.png", folder / "red" / "copy.png")
    for number in range(22):
        (folder / "blue" / f"broken {number:02d}.jpg").write_text("not a picture")
    page = report_of(folder, tmp_path)
    assert "22 files cannot be read." in page.text
    assert f"{folder / 'blue' / 'broken 00.jpg'}: it is not in an allowed format" in page.text
    assert "and 2 more" in page.texts
    assert "1 file with the image of another file." in page.text
    assert f"{folder / 'red' / '00.png'} = {folder / 'red' / 'copy.png'}" in page.texts


def test_report_of_parts(tmp_path):
    save_colours(tmp_path / "all" / "train", n=4)
    save_colours(tmp_path / "all" / "test", n=2, first=30)
    page = report_of(tmp_path / "all", tmp_path)
    assert ["all", "8", "4"] in page.tables[0]
    assert "held out" not in page.text
    assert "test/blue/30.png" in page.texts


def test_names_are_escaped(tmp_path):
    folder = tmp_path / "<script>alert(1)</script>".replace("/", "_")
    labels = ["blue <img src=x onerror=alert(1)> $\\frac$", "red \"&'\n猫"]
    for label in labels:
        for number in range(6):
            save(folder / label / f"<b>{number}.png", coloured(label.split()[0], number))
    page = report_of(folder, tmp_path)
    assert f"Classifier of the images in {folder.name}" in page.texts
    assert [row[0] for row in page.tables[0][1:3]] == [labels[0], labels[1].replace("\n", "\\n")]


def test_library_that_is_not_installed_as_a_package(tmp_path, monkeypatch):
    def version(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(report, "version", version)
    versions = report_of(save_colours(tmp_path / "colours"), tmp_path).tables[-1]
    assert ["skcnn", skcnn.__version__] in versions
    assert ["torch", "-"] in versions


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16"])
def test_report_of_other_modes(mode, tmp_path):
    page = report_of(save_colours(tmp_path / "colours", n=4), tmp_path, "--mode", mode)
    assert f"pixels, {mode}, " in page.text
    assert page.pictures()[0].size == (8, 8)
