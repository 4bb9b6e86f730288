"""Sections of a report: which images and figures they show."""

import numpy as np
import pandas as pd
import pytest
from sklearn.naive_bayes import GaussianNB

from skcnn import ConvNetClassifier
from skcnn._report import sections
from skcnn._report.baselines import NETWORK, score_row
from skcnn._report.evaluation import Evaluation
from tests.helpers.html import Page
from tests.helpers.pictures import noise

LABELS = np.array(["<a>", "b"] * 10)
NAMES = [f"{number} & more.png" for number in range(20)]


@pytest.fixture(scope="module")
def images():
    pictures = np.stack([noise(8, 8, seed=seed) // 2 for seed in range(20)])
    pictures[LABELS == "b"] += 100
    return pictures


@pytest.fixture(scope="module")
def model(images):
    return ConvNetClassifier(filters=4, hidden_units=(), max_epochs=2, random_state=0).fit(
        images, LABELS
    )


@pytest.fixture(scope="module")
def evaluation(model, images):
    rows = np.arange(4, 20)
    return Evaluation(rows, LABELS[rows], model.predict_proba(images[rows]), model.classes_)


def test_samples_show_some_of_each_class(images):
    page = Page(sections.samples_section(images, LABELS, NAMES))
    shown = [np.asarray(picture) for picture in page.pictures()]
    chosen = [0, 6, 12, 18, 1, 7, 13, 19]
    np.testing.assert_array_equal(shown, images[chosen])
    captions = [text for text in page.texts if text.endswith(".png")]
    assert captions == [NAMES[row] for row in chosen]
    assert page.texts.count("<a>") == 4


def test_samples_of_many_classes_are_few(images):
    labels = np.array([f"class {number:02d}" for number in range(20)])
    page = Page(
        sections.samples_section(
            np.tile(images, (2, 1, 1, 1)), np.r_[labels, labels + "+"], NAMES * 2
        )
    )
    assert len(page.pictures()) == sections.MOST_SAMPLED
    assert "The first 24 of 40 classes are shown." in page.text


def test_training(model):
    page = Page(sections.training_section(model, "Words."))
    assert f"The network has {model.n_parameters_:,} parameters. It was trained for 2" in page.text
    assert len(page.pictures()) == 1
    layers = page.tables[0][1:]
    assert [row[0] for row in layers] == model.summary().index.tolist()


def test_score(evaluation):
    page = Page(sections.score_section(evaluation, "Words."))
    scores, matrix = page.tables
    assert [row[:2] for row in scores] == [["class", "images"], ["<a>", "8"], ["b", "8"]]
    counts = evaluation.confusion()
    assert matrix[0] == ["true / predicted", "<a>", "b"]
    assert [row[1:] for row in matrix[1:]] == counts.astype(str).tolist()


@pytest.mark.parametrize("all_right", [True, False])
def test_confusions_of_many_classes_are_listed(all_right):
    classes = np.array([f"class {number:02d}" for number in range(16)])
    truth = np.repeat(classes, 2)
    prob = np.repeat(np.eye(16), 2, axis=0)
    if not all_right:
        prob[[2, 3, 8]] = np.roll(prob[[2, 3, 8]], 1, axis=1)  # 1 said to be 2, and 4 to be 5
    page = Page(sections.score_section(Evaluation(np.arange(32), truth, prob, classes), ""))
    expected = [
        ["true", "predicted", "images"],
        ["class 01", "class 02", "2"],
        ["class 04", "class 05", "1"],
    ]
    assert page.tables[1:] == ([] if all_right else [expected])


def fold_scores(n_splits, **models):
    return pd.DataFrame(
        [
            score_row(name, GaussianNB(), split, score + 0.01 * split, (1.0, 0.1), (80, 20))
            for split in range(n_splits)
            for name, score in models.items()
        ]
    )


def test_comparison_on_few_splits_has_means():
    page = Page(sections.comparison_section(fold_scores(2, **{NETWORK: 0.8, "other": 0.5}), ""))
    assert page.tables == [
        [["model", "accuracy", "fit (s)"], [NETWORK, "0.805", "1"], ["other", "0.505", "1"]]
    ]
    assert not page.pictures()


def test_comparison_on_folds_has_tests():
    scores = fold_scores(5, **{NETWORK: 0.8, "other": 0.5, "equal": 0.8})
    scores.loc[scores["model"] == "other", "score"] -= [0.01, 0.02, 0.0, 0.01, 0.03]
    page = Page(sections.comparison_section(scores, ""))
    header, *rows = page.tables[0]
    assert "p (Holm)" in header
    # 2.7764 standard errors: 0.015811 * (1 / 5 + 20 / 80) ** 0.5
    assert rows[0][:3] == [NETWORK, "0.8200 [0.7906, 0.8494]", "baseline"]
    assert len(page.pictures()) == 1


def test_largest_losses_come_first(evaluation, images):
    page = Page(sections.losses_section(evaluation, images, NAMES))
    rows = evaluation.losses().index[:12].to_numpy()
    np.testing.assert_array_equal([np.asarray(each) for each in page.pictures()], images[rows])
    assert [text for text in page.texts if text.endswith(".png")] == [NAMES[row] for row in rows]
    n_wrong = 16 - evaluation.n_right
    assert f"{n_wrong} of 16 predictions are wrong." in page.text


def test_wrong_predictions_are_marked(images):
    prob = np.array([[0.9, 0.1], [0.6, 0.4]])
    evaluation = Evaluation(np.array([0, 1]), LABELS[:2], prob, np.array(["<a>", "b"]))
    page = Page(sections.losses_section(evaluation, images, NAMES))
    assert page.named("span") == [{"class": "wrong"}, {}]
    assert "true b\nsaid <a> (0.60)" in page.text


def test_saliency_of_the_worst(model, evaluation, images):
    page = Page(sections.saliency_section(model, evaluation, images, NAMES))
    assert len(page.pictures()) == 4
    rows = evaluation.losses().index[:4]
    assert [text for text in page.texts if text.endswith(".png")] == [NAMES[row] for row in rows]


def test_robustness_is_that_of_unseen_images(model, images, monkeypatch):
    monkeypatch.setattr(sections, "MOST_MOVED", 3)
    page = Page(sections.robustness_section(model, images, LABELS, np.arange(4, 20)))
    assert len(page.pictures()) == 3
    assert "Accuracy on 3 images" in page.text


def test_notes():
    assert sections.notes_section("title", "words", []) == ""
    assert Page(sections.notes_section("t", "words", ["<x>"])).texts == ["t", "words", "<x>"]
