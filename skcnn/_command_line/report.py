"""The report of ``skcnn train``: one page of HTML about a folder and the classifier of it."""

import platform
from collections import Counter
from collections.abc import Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from skcnn._command_line.duplicates import groups_of_copies
from skcnn._command_line.training import Trained, mean_scores, score_text
from skcnn._command_line.training_data import TrainingData
from skcnn._plotting.axes import standard_style
from skcnn._report.baselines import LARGEST_CLASS
from skcnn._report.page import (
    code,
    folded,
    heading,
    page,
    paragraph,
    plot,
    section,
    table,
)
from skcnn._report.sections import (
    comparison_section,
    losses_section,
    notes_section,
    robustness_section,
    saliency_section,
    samples_section,
    score_section,
    training_section,
)
from skcnn._utils.text import plural
from skcnn.model_selection import SearchDisplay

LIBRARIES = ("skcnn", "torch", "scikit-learn", "numpy", "pillow", "skorch", "optuna")
MOST_NOTES = 20


def training_report(trained: Trained, data: TrainingData, folder: str) -> str:
    """Return the report of a training, a whole page.

    Parameters
    ----------
    trained : Trained
        What the training gave.
    data : TrainingData
        The images.
    folder : str
        Their folder, as it was named.
    """
    network, unseen = trained.unseen
    names = _names(data, folder)
    first = "" if len(unseen.rows) == len(trained.evaluation.rows) else " of the first fold"
    with standard_style():
        parts = [
            _summary(trained),
            _data_section(trained, data),
            samples_section(data.images, data.labels, names),
            notes_section(
                "Files left out",
                f"{plural(len(data.failures), 'file')} cannot be read.",
                _first([f"{path}: {reason}" for path, reason in data.failures.items()]),
            ),
            _duplicates_section(data),
            _search_section(trained),
            training_section(network, f"The network{first} that is scored below."),
            score_section(
                trained.evaluation, f"Accuracy on {trained.scored}: {score_text(trained)}."
            ),
            comparison_section(
                trained.fold_scores,
                f"All models were trained on the same images, and scored on {trained.scored}.",
            ),
            losses_section(trained.evaluation, data.images, names),
            saliency_section(network, unseen, data.images, names),
            robustness_section(network, data.images, data.labels, unseen.rows),
            _reproduction_section(trained),
        ]
        return page(f"Classifier of the images in {Path(folder).name or folder}", parts)


def _names(data: TrainingData, folder: str) -> list[str]:
    """Return the paths inside the folder."""
    root = Path(folder)
    return [str(Path(path).relative_to(root)) for path in data.paths]


def _first(lines: Sequence[str]) -> list[str]:
    more = [f"and {len(lines) - MOST_NOTES} more"] if len(lines) > MOST_NOTES else []
    return [*lines[:MOST_NOTES], *more]


def _summary(trained: Trained) -> str:
    always = mean_scores(trained)[LARGEST_CLASS]
    return paragraph(
        f"Accuracy on {trained.scored}: {score_text(trained)}. Always saying the most frequent "
        f"class is right for {always:.3f}.",
        "summary",
    ) + paragraph(f"Made on {date.today().isoformat()} by skcnn {trained.model.version}.", "soft")


def _data_section(trained: Trained, data: TrainingData) -> str:
    """Return the number of images of each class."""
    reading = data.reading
    height, width = reading.size
    for_training = Counter(data.labels[data.rows_of(None)].tolist())
    scored = Counter(trained.evaluation.truth.tolist())
    rows = [(name, for_training[name], scored[name]) for name in trained.model.classes]
    rows.append(("all", for_training.total(), scored.total()))
    words = (
        f"Files: {data.sizes} (height x width). They are read as {height} x {width} pixels, "
        f"{reading.mode}, and brought to this size by resize={reading.resize!r}."
    )
    held_out = (
        ""
        if data.tested_part or "fold" in trained.scored
        else (" The scored images were held out: the network was trained on the others.")
    )
    return section("Data", paragraph(words + held_out), table(["class", "images", "scored"], rows))


def _duplicates_section(data: TrainingData) -> str:
    groups = groups_of_copies([*map(str, data.paths)], exact=True)
    n = sum(len(group) - 1 for group in groups)
    return notes_section(
        "Duplicates",
        f"{plural(n, 'file')} with the image of another file. If one of them is trained on and "
        "the other scored, the score is too good.",
        _first([" = ".join(group) for group in groups]),
    )


def _search_section(trained: Trained) -> str:
    if trained.search is None:
        return ""
    search = trained.search
    display = SearchDisplay.from_estimator(search)
    rows = [(name, _value_text(value)) for name, value in search.best_params_.items()]
    return section(
        "Search",
        paragraph(
            f"{plural(len(search.cv_results_['params']), 'trial')} on the training images. The "
            f"best has the mean score {search.best_score_:.3f} in {search.n_splits_} folds."
        ),
        plot(display.figure_, "the scores of the trials"),
        heading("Best parameters"),
        table(["parameter", "value"], rows, kind="texts"),
    )


def _value_text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else repr(value)


def _reproduction_section(trained: Trained) -> str:
    """Return the command, how the model is used in Python, parameters and versions."""
    network = trained.model.classifier
    given = network.get_params(deep=False)
    default = type(network)().get_params(deep=False)
    changed = [
        (name, _value_text(value))
        for name, value in given.items()
        if not _is_equal(value, default[name])
    ]
    rows = [(name, _value_text(value)) for name, value in given.items()]
    versions = [("Python", platform.python_version()), ("system", platform.platform())]
    for name in LIBRARIES:
        try:
            versions.append((name, version(name)))
        except PackageNotFoundError:  # run from its source folder
            versions.append((name, trained.model.version if name == "skcnn" else "-"))
    return section(
        "How to reproduce",
        code(trained.model.command),
        paragraph("With the same files, versions and machine it makes the same model. In Python:"),
        code(
            "import skcnn\n"
            'model = skcnn.load("MODEL")  # a Pipeline of LoadImages and the classifier\n'
            'probabilities = model.predict_proba(["photo.jpg"])'
        ),
        heading("Parameters"),
        table(["parameter", "value"], changed, kind="texts"),
        folded("All parameters", table(["parameter", "value"], rows, kind="texts")),
        heading("Versions"),
        table(["library", "version"], versions, kind="texts"),
    )


def _is_equal(a: Any, b: Any) -> bool:
    return type(a) is type(b) and repr(a) == repr(b)
