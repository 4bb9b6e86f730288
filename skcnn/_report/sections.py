"""Sections of a report on a classifier of images.

Each function returns HTML. Images are arrays (n_samples, height, width, n_channels) or
`ImageFiles`, of which only the rows that are drawn are decoded.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from skcnn._convnet.classifier import ConvNetClassifier
from skcnn._report.baselines import NETWORK
from skcnn._report.evaluation import Evaluation
from skcnn._report.page import (
    bullets,
    folded,
    gallery,
    heading,
    paragraph,
    picture,
    plot,
    section,
    table,
    text,
)
from skcnn._utils.text import plural
from skcnn.comparison._model_comparison import ModelComparison
from skcnn.comparison._plot import ModelComparisonDisplay
from skcnn.exceptions import ComparisonWarning
from skcnn.inspection._plot.history import TrainingHistoryDisplay
from skcnn.inspection._plot.robustness import RobustnessDisplay
from skcnn.inspection._plot.saliency import SaliencyDisplay
from skcnn.inspection._saliency import saliency

MOST_SAMPLED, SAMPLES_OF_A_CLASS, MOST_IN_MATRIX, MOST_CONFUSIONS = 24, 4, 15, 20
MOST_LOSSES, MOST_EXPLAINED, MOST_MOVED = 12, 4, 200
METHODS = ("gradient", "integrated_gradients", "grad_cam")
SHIFTS = 5  # of the map of shifts, on each axis
FEWEST_TESTED = 5  # splits, for tests of differences


def samples_section(images: Any, labels: np.ndarray, names: Sequence[str]) -> str:
    """Return a few pictures of each class.

    Parameters
    ----------
    images : array-like of shape (n_samples, height, width, n_channels)
        The images.
    labels : ndarray of shape (n_samples,)
        Their classes.
    names : sequence of str
        Their names, such as paths.
    """
    classes = np.unique(labels)
    each = max(min(SAMPLES_OF_A_CLASS, MOST_SAMPLED // len(classes)), 1)
    rows = [_spread(np.flatnonzero(labels == label), each) for label in classes[:MOST_SAMPLED]]
    chosen = np.concatenate(rows)
    shown = [
        picture(image, f"an image of the class {label}", f"<b>{text(label)}</b>", text(name))
        for image, label, name in zip(
            np.asarray(images[chosen]),
            labels[chosen],
            [names[row] for row in chosen.tolist()],
            strict=True,
        )
    ]
    words = "Some images, as the network reads them."
    if len(classes) > MOST_SAMPLED:
        words += f" The first {MOST_SAMPLED} of {len(classes)} classes are shown."
    return section("Samples", paragraph(words), gallery(shown))


def _spread(rows: np.ndarray, n: int) -> np.ndarray:
    """Return at most `n` rows at equal distances."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(n, len(rows))).astype(int))]


def training_section(model: ConvNetClassifier, words: str) -> str:
    """Return the training history and the size of a fitted network."""
    history = model.history_
    display = TrainingHistoryDisplay.from_estimator(model)
    seconds = history["seconds"].sum()
    size = (
        f"The network has {model.n_parameters_:,} parameters. It was trained for "
        f"{plural(len(history), 'epoch')} in {seconds:.1f} seconds on the device {model.device_}."
    )
    summary = model.summary()
    layers = [
        (name, "x".join(map(str, row.output_shape)), f"{row.parameters:,}")
        for name, row in zip(summary.index, summary.itertuples(), strict=True)
    ]
    return section(
        "Training",
        paragraph(words),
        paragraph(size),
        plot(display.figure_, "the loss against the epoch"),
        folded("Layers", table(["layer", "output", "parameters"], layers)),
    )


def score_section(evaluation: Evaluation, words: str) -> str:
    """Return the scores of each class and the confusion matrix."""
    scores = evaluation.class_table()
    rows = [
        (name, f"{row.images:.0f}", _share(row.precision), _share(row.recall))
        for name, row in zip(scores.index, scores.itertuples(), strict=True)
    ]
    meaning = (
        "Precision is the share of right ones among the predictions of a class, recall the share "
        "of its images that were found."
    )
    return section(
        "Score",
        paragraph(words),
        table(["class", "images", "precision", "recall"], rows),
        paragraph(meaning, "soft"),
        *_confusions(evaluation),
    )


def _share(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"


def _confusions(evaluation: Evaluation) -> list[str]:
    """Return the confusion matrix, or the most frequent confusions of many classes."""
    counts, classes = evaluation.confusion(), evaluation.classes
    if len(classes) <= MOST_IN_MATRIX:
        shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        rows = [(name, *line) for name, line in zip(classes, counts.tolist(), strict=True)]
        return [
            heading("Confusion matrix"),
            paragraph("Rows are the true classes, columns the predicted ones.", "soft"),
            table(["true / predicted", *classes], rows, shares=shares),
        ]
    np.fill_diagonal(counts, 0)
    largest = np.argsort(-counts, axis=None, kind="stable")[:MOST_CONFUSIONS]
    pairs = [np.unravel_index(place, counts.shape) for place in largest]
    rows = [(classes[a], classes[b], counts[a, b]) for a, b in pairs if counts[a, b]]
    if not rows:
        return []
    return [
        heading("Most frequent confusions"),
        table(["true", "predicted", "images"], rows, kind="texts"),
    ]


def comparison_section(fold_scores: pd.DataFrame, words: str) -> str:
    """Return the scores of the network and of the baselines on the same splits.

    Parameters
    ----------
    fold_scores : DataFrame
        As for :class:`ModelComparison`.
    words : str
        On which samples.
    """
    if fold_scores["split"].nunique() < FEWEST_TESTED:
        means = fold_scores.groupby("model", sort=False)[["score", "fit_seconds"]].mean()
        rows = [(r.Index, f"{r.score:.3f}", _seconds(r.fit_seconds)) for r in means.itertuples()]
        shown = table(["model", "accuracy", "fit (s)"], rows)
        return section("Comparison with simple models", paragraph(words), shown)
    with warnings.catch_warnings():  # of equal differences: the table shows that there is no test
        warnings.simplefilter("ignore", ComparisonWarning)
        comparison = ModelComparison(fold_scores, baseline=NETWORK)
    html = f'<div class="scroll">{comparison._repr_html_()}</div>'
    display = ModelComparisonDisplay.from_comparison(comparison)
    drawn = plot(display.figure_, "differences of accuracy to the network")
    return section("Comparison with simple models", paragraph(words), html, drawn)


def _seconds(value: float) -> str:
    return f"{value:.2g}" if value < 100 else f"{value:,.0f}"


def losses_section(evaluation: Evaluation, images: Any, names: Sequence[str]) -> str:
    """Return the images with the largest losses, with truth and prediction."""
    losses = evaluation.losses().head(MOST_LOSSES)
    n_wrong = len(evaluation.truth) - evaluation.n_right
    words = (
        f"{n_wrong} of {len(evaluation.truth)} predictions are wrong. These are the images whose "
        "true class got the lowest probability."
    )
    shown = [
        picture(
            image, f"true class {row.true}", *_truth_and_prediction(row), text(names[row.Index])
        )
        for image, row in zip(
            np.asarray(images[losses.index.to_numpy()]), losses.itertuples(), strict=True
        )
    ]
    return section("Largest losses", paragraph(words), gallery(shown))


def _truth_and_prediction(row: Any) -> tuple[str, str]:
    """Return the truth and the prediction of a row of losses."""
    kind = "" if row.true == row.predicted else ' class="wrong"'
    said = f"said {text(row.predicted)} ({row.probability:.2f})"
    return f"true {text(row.true)}", f"<span{kind}>{said}</span>"


def saliency_section(
    model: ConvNetClassifier, evaluation: Evaluation, images: Any, names: Sequence[str]
) -> str:
    """Return the places that the worst predictions depend on.

    Parameters
    ----------
    model : ConvNetClassifier
        A network that was not trained on the samples of `evaluation`.
    evaluation : Evaluation
        Its predictions.
    images : array-like of shape (n_samples, height, width, n_channels)
        All images.
    names : sequence of str
        Their names.
    """
    losses = evaluation.losses().head(MOST_EXPLAINED)
    chosen = np.asarray(images[losses.index.to_numpy()])
    maps = np.array([np.abs(saliency(model, chosen, method=m)).max(-1) for m in METHODS])
    shown = []
    for number, row in enumerate(losses.itertuples()):
        one = slice(number, number + 1)
        display = SaliencyDisplay(
            samples=np.moveaxis(chosen[one], -1, 1), maps=maps[:, one], methods=METHODS
        ).plot()
        words = "an image and three maps of what its prediction depends on"
        shown.append(
            plot(display.figure_, words, *_truth_and_prediction(row), text(names[row.Index]))
        )
    words = (
        "What the predictions with the largest losses depend on: bright places matter most. The "
        "first picture is the image. A map that looks right is no proof that the network is."
    )
    return section("Saliency", paragraph(words), gallery(shown, wide=True))


def robustness_section(
    model: ConvNetClassifier, images: Any, labels: np.ndarray, rows: np.ndarray
) -> str:
    """Return the accuracy for shifted, rotated and zoomed images that were not trained on."""
    some = _spread(rows, MOST_MOVED)
    X, y = np.asarray(images[some]), labels[some]
    reach = max(min(X.shape[1:3]) // 8, 1)
    shifts = np.unique(np.linspace(-reach, reach, SHIFTS).round().astype(int))
    shown = []
    for kind, values in [("translation", shifts), ("rotation", None), ("zoom", None)]:
        display = RobustnessDisplay.from_estimator(model, X, y, kind=kind, values=values)
        shown.append(plot(display.figure_, f"the accuracy against the {kind}"))
    words = f"Accuracy on {len(some)} images that are changed before the prediction."
    return section("Robustness", paragraph(words), gallery(shown, wide=True))


def notes_section(title: str, words: str, notes: Sequence[str]) -> str:
    """Return a list of notes; nothing without notes."""
    return section(title, paragraph(words), bullets(notes)) if notes else ""
