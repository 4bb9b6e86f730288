"""Training on the images of a folder: fits, scores, and the model that is kept."""

import argparse
import shlex
from dataclasses import dataclass
from functools import partial

import joblib
import numpy as np
import pandas as pd
from sklearn.base import clone

from skcnn import ConvNetClassifier, ConvNetSearchCV
from skcnn._command_line.image_model import ImageModel
from skcnn._command_line.output import say
from skcnn._command_line.training_data import Split, TrainingData, search_folds
from skcnn._data.image_files.image_files import ImageFiles
from skcnn._report.baselines import NETWORK, SIDE, score_baselines, score_row, timed
from skcnn._report.evaluation import Evaluation, joined
from skcnn._utils.text import plural
from skcnn.comparison import ModelComparison


@dataclass(frozen=True)
class Trained:
    """What a training gave.

    Attributes
    ----------
    model : ImageModel
        What is written to the model file.
    evaluation : Evaluation
        Predictions for all images that are scored, by networks that were not trained on them.
    fold_scores : DataFrame
        The accuracy of the network and of the baselines on each split.
    unseen : (ConvNetClassifier, Evaluation)
        A network and its predictions for images that it was not trained on: those of the first
        split.
    search : ConvNetSearchCV or None
        The search.
    scored : str
        Which images are scored, in words.
    """

    model: ImageModel
    evaluation: Evaluation
    fold_scores: pd.DataFrame
    unseen: tuple[ConvNetClassifier, Evaluation]
    search: ConvNetSearchCV | None
    scored: str


def train(
    data: TrainingData,
    splits: list[Split],
    scored: str,
    network: ConvNetClassifier,
    options: argparse.Namespace,
) -> Trained:
    """Fit the network on each split, score it and the baselines, and fit the one that is kept."""
    found = None
    if options.search is not None:
        found = _search(data, splits[0][0], network, options)
        fits = [(found.best_estimator_, found.refit_time_)]
    else:
        fits = _fits(data, splits, network, options)
    parts = []
    own = []
    for number, ((model, seconds), (rows, tested)) in enumerate(zip(fits, splits, strict=True)):
        prob, to_predict = timed(partial(model.predict_proba, data.images[tested]))
        part = Evaluation(tested, data.labels[tested], prob, model.classes_)
        sizes = (len(rows), len(tested))
        took = (seconds, to_predict)
        own.append(score_row(NETWORK, model, number, part.accuracy, took, sizes))
        parts.append(part)
    baselines = score_baselines(_small_pixels(data), data.labels, splits, options.seed)
    final = fits[0][0]
    if len(splits) > 1:
        rows = data.rows_of(None)
        say(f"Training on all {plural(len(rows), 'image')}")
        final, _ = _fit(network.set_params(verbose=int(not options.quiet)), data, rows)
    final.set_params(verbose=0, checkpoint=None)  # model files hold no paths
    return Trained(
        ImageModel(final, data.reading, shlex.join(["skcnn", *options.arguments])),
        joined(parts),
        pd.concat([pd.DataFrame(own), baselines], ignore_index=True),
        (fits[0][0], parts[0]),
        found,
        scored,
    )


def _fits(
    data: TrainingData,
    splits: list[Split],
    network: ConvNetClassifier,
    options: argparse.Namespace,
) -> list[tuple[ConvNetClassifier, float]]:
    """Return a network fitted on each split, and the seconds of each fit."""
    parallel = options.jobs not in (None, 1) and len(splits) > 1
    network.set_params(verbose=int(not options.quiet and not parallel))
    return joblib.Parallel(options.jobs if parallel else 1)(
        joblib.delayed(_fit)(network, data, rows) for rows, _ in splits
    )


def _fit(
    network: ConvNetClassifier, data: TrainingData, rows: np.ndarray
) -> tuple[ConvNetClassifier, float]:
    """Return a fitted network, and the seconds of the fit."""
    validation = {}
    if data.validation_part is not None:
        tested = data.rows_of(data.validation_part)
        validation = {"X_val": data.images[tested], "y_val": data.labels[tested]}
    return timed(lambda: clone(network).fit(data.images[rows], data.labels[rows], **validation))


def _search(
    data: TrainingData, rows: np.ndarray, network: ConvNetClassifier, options: argparse.Namespace
) -> ConvNetSearchCV:
    labels = data.labels[rows]
    search = ConvNetSearchCV(
        network.set_params(verbose=0),
        n_trials=options.search,
        cv=search_folds(labels, options.cv, options.seed),
        n_jobs=options.jobs,
        random_state=options.seed,
        verbose=int(not options.quiet),
    )
    say(f"Searching in {plural(options.search, 'trial')}; Ctrl-C ends it with the best so far")
    return search.fit(data.images[rows], labels)


def _small_pixels(data: TrainingData) -> np.ndarray:
    """Return the images as rows of few pixels."""
    small = ImageFiles(
        data.paths, SIDE, mode=data.reading.mode, resize=data.reading.resize, cache=None
    )
    return small.to_numpy().reshape(len(small), -1)


def mean_scores(trained: Trained) -> dict[str, float]:
    """Return the mean accuracy of each model on the splits."""
    return trained.fold_scores.groupby("model", sort=False)["score"].mean().to_dict()


def score_text(trained: Trained) -> str:
    """Return the accuracy with its 95 % interval.

    Of one split it is Wilson's interval, of folds the corrected interval of their mean.
    """
    evaluation, scores = trained.evaluation, trained.fold_scores
    own = scores[scores["model"] == NETWORK]
    if len(own) == 1:
        low, high = evaluation.interval()
        right = f"{evaluation.n_right} of {len(evaluation.truth)} right, "
        return f"{evaluation.accuracy:.3f} ({right}95 % interval {low:.3f} to {high:.3f})"
    row = ModelComparison(own).table.iloc[0]
    mean = f"{row['mean']:.3f} (mean of {len(own)} folds"
    if np.isnan(row["ci_low"]):  # if all folds have the same score
        return f"{mean}, whose equal scores give no interval)"
    low, high = max(row["ci_low"], 0.0), min(row["ci_high"], 1.0)
    return f"{mean}, 95 % interval {low:.3f} to {high:.3f})"
