"""The check of augmentation="auto": a network's predictions for changed samples held back."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from sklearn.base import clone

from skcnn._convnet.augmenting.candidates import Candidate
from skcnn._convnet.augmenting.check_results import (
    CheckResult,
    if_apart,
    log_odds,
    of_codes,
    of_labels,
    of_numbers,
    too_few,
)
from skcnn._convnet.choice import BACKWARD_FACTOR, FOLDS, assign_folds
from skcnn._data.images import Images, chunk_rows
from skcnn._data.samples import SampleSet
from skcnn._training.fit_plan import FitSeeds
from skcnn.augmentation._batch_augmenter import BatchAugmenter
from skcnn.exceptions import TrainingDivergedError
from skcnn.layers._sequence import total_multiply_accumulates

SEED = 0  # of all checks, so that a choice depends on the samples alone
# With more samples one fold is held back instead of each in turn, and not all are used.
MOST_WITH_FOLDS = 1000
MOST_TRAINED, MOST_HELD_BACK = 2000, 3000
FEWEST_TRAINED = 50
MOST_MACS = 4 * 10**12  # of all trainings: two to four minutes of one core
# The parameters of the estimator that its check keeps; the network and training are the default.
KEPT = ("input_shape", "n_spatial_dims", "channels", "missing", "device", "n_threads")


def default_network(net: Any) -> Any:
    """Return an estimator that reads samples as `net` does, with a default network."""
    plain = clone(net)
    defaults = {each.name: each.default for each in fields(net) if each.init}
    # no set_params, which a subclass with fewer parameters refuses
    vars(plain).update({name: value for name, value in defaults.items() if name not in KEPT})
    plain.set_callbacks()
    return plain


def decide(net: Any, samples: SampleSet, candidates: Sequence[Candidate]) -> None:
    """Decide on the candidates that are not decided yet.

    Parameters
    ----------
    net : ConvNetClassifier or ConvNetRegressor
        That of `default_network`, which has read its samples.
    samples : SampleSet
        The distinct samples.
    candidates : sequence of Candidate
        They are changed.
    """
    open_ones = [each for each in candidates if not each.reason]
    if not open_ones:
        return
    rng = np.random.default_rng(SEED)
    reason, parts = _parts(net, samples, rng)
    if not reason:
        try:
            outcome = _held_back_outputs(net, samples, parts, open_ones)
        except TrainingDivergedError:
            reason = "not checked: the training of the network of the check diverged"
    for number, each in enumerate(open_ones, 1):
        if reason:
            each.decide(False, reason)
            continue
        targets, outputs = outcome
        result = _check_result(net, targets, outputs[0], outputs[number])
        each.score, each.changed_score = result.score, result.changed_score
        each.decide(result.keeps, result.reason)


def _parts(
    net: Any, samples: SampleSet, rng: np.random.Generator
) -> tuple[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Return why there is no check, and the samples to train on and to hold back otherwise."""
    codes = samples.targets if net._stratified else None
    folds = assign_folds(codes, len(samples), rng)
    n_folds = FOLDS if len(samples) <= MOST_WITH_FOLDS else 1
    n_trained = min(len(samples) - len(samples) // FOLDS, MOST_TRAINED)
    fewest = min(FEWEST_TRAINED, n_trained)
    shape = samples.images.layout.traced_shape
    macs = BACKWARD_FACTOR * total_multiply_accumulates(net._trace(shape, net.n_outputs_))
    while n_folds * n_trained * macs * net._n_epochs(n_trained, shape) > MOST_MACS:
        n_folds, n_trained = (1, n_trained) if n_folds > 1 else (1, n_trained * 3 // 4)
        if n_trained < fewest:
            return "not checked: samples of this size need too many multiply-accumulates", []
    parts = []
    for fold in range(n_folds):
        train, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        parts.append(
            (_evenly(train, codes, n_trained, rng), _evenly(held, codes, MOST_HELD_BACK, rng))
        )
    held = np.concatenate([held for _, held in parts])
    return too_few(samples.targets[held], net.n_outputs_ if net._of_classes else None), parts


def _evenly(
    rows: np.ndarray, codes: np.ndarray | None, most: int, rng: np.random.Generator
) -> np.ndarray:
    """Return at most so many of the rows, as evenly from the classes as they allow."""
    rows = rng.permutation(rows)
    if codes is not None and len(rows) > most:
        order = np.argsort(codes[rows], kind="stable")
        counts = np.bincount(codes[rows])
        place = np.empty(len(rows), int)  # among those of its class
        place[order] = np.concatenate([np.arange(n) for n in counts])
        rows = rows[np.argsort(place, kind="stable")]
    return np.sort(rows[:most])


def _held_back_outputs(
    net: Any,
    samples: SampleSet,
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
    candidates: Sequence[Candidate],
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the targets of the samples held back, and the outputs for them.

    The first outputs are for the samples as they are, the others for each candidate.
    """
    targets = []
    outputs: list[list[np.ndarray]] = [[] for _ in range(len(candidates) + 1)]
    for train, held in parts:
        part = net._finish_targets(samples.select(train), fresh=True, training=True)
        plan = net._plan(part, None, [], FitSeeds.derive(SEED, 0), True, False)
        net._train_plan(plan, {}, None)
        tested = net._finish_targets(samples.select(held), fresh=False, training=False)
        targets.append(tested.targets)
        for found, change in zip(outputs, [None, *candidates], strict=True):
            found.append(_outputs(net, tested, change))
    return np.concatenate(targets), [np.concatenate(each) for each in outputs]


def _outputs(net: Any, samples: SampleSet, change: Candidate | None) -> np.ndarray:
    """Return a network's outputs for samples, changed if there is a change."""
    layout = samples.images.layout
    augmenter = None
    if change is not None:
        steps, span = [change.change()._step()], net._value_range.span
        augmenter = BatchAugmenter(steps, layout.spatial, span, SEED, offset=net.offset_)
    index = torch.from_numpy(samples.index)
    found, start = [], 0
    for part in index.split(chunk_rows(layout.n_values)):
        rows = samples.images.rows_at(part)
        if augmenter is not None:
            places = np.arange(start, start + len(part))
            batch = augmenter.images(layout.batch_of(rows), places)
            batch = batch.movedim(1, -1) if layout.channels == "last" else batch
            rows = batch.reshape(len(part), -1).contiguous()
        found.append(net._computed(Images(rows, layout)))
        start += len(part)
    return np.concatenate(found)


def _check_result(
    net: Any, targets: np.ndarray, before: np.ndarray, after: np.ndarray
) -> CheckResult:
    """Return the result by the outputs for samples held back, before and after the change."""
    if not net._of_classes:
        numbers, *both = (each.reshape(len(targets), -1) for each in (targets, before, after))
        return of_numbers(numbers, *both)
    if targets.ndim > 1:
        found = of_labels(targets, before > 0, after > 0)
        return if_apart(found, targets != 0, before, after)
    found = of_codes(targets, before.argmax(axis=1), after.argmax(axis=1), net.n_outputs_)
    members = targets[:, None] == np.arange(net.n_outputs_)
    return if_apart(found, members, log_odds(before), log_odds(after))
