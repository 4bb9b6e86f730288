"""pretrained="auto": a race on inner folds between training from scratch and pretrained weights."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.base import clone, is_classifier
from sklearn.metrics import accuracy_score, r2_score

from skcnn._architectures.pretrained import pretrained_base, weights_file
from skcnn._convnet.pretrained_input import input_layers
from skcnn._data.samples import SampleSet
from skcnn._network.split import frozen_prefix_length
from skcnn._utils.compat import safe_indexing
from skcnn._utils.device import resolve_device
from skcnn._utils.random_state import derive_seeds, draw_seed
from skcnn.augmentation._augmented_array import originals
from skcnn.layers._sequence import total_multiply_accumulates

AUTO = "auto"
SCRATCH, HEAD, LAST_BLOCK, ALL = "scratch", "head", "last_block", "all"
FOLDS = 3
# Of the folds and the final fit, in fits of all samples: each fold leaves out its share.
FITS = float(FOLDS)
FITS_OF_ONE_FOLD = 2 - 1 / FOLDS
FEWEST_SAMPLES = 10  # of those held out: with fewer, folds are too small to compare anything
# Of all fits of the race and the final one: minutes on two cores, at 20 to 40 thousand millions
# of multiply-accumulates a second. An accelerator does a hundred times as many.
MOST_MACS = 20 * 10**12
ACCELERATOR_FACTOR = 100
BACKWARD_FACTOR = 3  # a training step costs as much as so many forward passes
STANDARD_ERRORS = 2.0  # behind the leader, after which a candidate leaves the race
KEPT = {"feature_cache": "memory"}  # folds and the final fit share the features


@dataclass
class Candidate:
    """A way to train, and how it does in the race.

    Attributes
    ----------
    name : str
        Its name in `choice_`.
    parameters : dict
        The parameters of the estimator that it stands for.
    macs_once : float
        Estimate of the multiply-accumulates of what all its fits share: the features of frozen
        layers.
    macs_of_fit : float
        Estimate of the further multiply-accumulates of a fit of all samples.
    n_fits : float
        Number of its fits, the final one included, in fits of all samples.
    scores : list of float
        One for each fold.
    gains : list of ndarray
        For each fold, how good the prediction of each held-out sample is.
    seconds : float
        Of all its folds.
    reason : str
        Why it was not tried, or not further; empty in the race.
    """

    name: str
    parameters: dict[str, Any]
    macs_once: float = 0.0
    macs_of_fit: float = 0.0
    n_fits: float = FITS
    scores: list[float] = field(default_factory=list)
    gains: list[np.ndarray] = field(default_factory=list)
    seconds: float = 0.0
    reason: str = ""

    @property
    def macs(self) -> float:
        """Estimate of the multiply-accumulates of its fits."""
        return self.macs_once + self.macs_of_fit * self.n_fits


def chooses(net: Any) -> bool:
    """Return whether the parameter `pretrained` of an estimator is "auto"."""
    return isinstance(net.pretrained, str) and net.pretrained == AUTO


def candidates(net: Any) -> list[Candidate]:
    """Return the ways to train, from the cheapest use of the weights to the dearest.

    With a `trainable` other than "all", that one is the only one beside "head".
    """
    cache = {} if net.feature_cache is not None else KEPT
    parts = [HEAD, LAST_BLOCK, ALL] if net.trainable == ALL else [HEAD, net.trainable]
    scratch = {"architecture": None, "pretrained": False, "trainable": ALL, "unfreezing": None}
    found = [Candidate(SCRATCH, scratch)]
    for part in dict.fromkeys(parts):
        unfreezing = None if part == HEAD else AUTO if net.unfreezing is None else net.unfreezing
        how = {"pretrained": True, "trainable": part, "unfreezing": unfreezing, **cache}
        found.append(Candidate(str(part), how))
    return found


@contextmanager
def chosen_parameters(net: Any) -> Iterator[None]:
    """Give a fitted estimator inside the block the parameters that it chose."""
    choice = vars(net).get("choice_")
    with parameters_set(net, {} if choice is None else _parameters(net, choice)):
        yield


@contextmanager
def parameters_set(net: Any, parameters: Mapping[str, Any]) -> Iterator[None]:
    """Give an estimator other parameters inside the block."""
    own = {name: getattr(net, name) for name in parameters}
    vars(net).update(parameters)
    try:
        yield
    finally:
        vars(net).update(own)


def _parameters(net: Any, choice: pd.DataFrame) -> dict[str, Any]:
    """Return the parameters that the chosen row of `choice_` stands for."""
    name = str(choice.index[choice["chosen"]][0])
    known = {each.name: each.parameters for each in candidates(net)}
    # other names are there if the parameter `trainable` has changed since
    part = int(name) if name.isdigit() else name
    return known.get(name, {"pretrained": True, "trainable": part, "unfreezing": AUTO})


def train_chosen(net: Any, X: Any, y: Any, sample_weight: Any, is_partial: bool, **how: Any) -> Any:
    """Choose between training from scratch and pretrained weights, and train that way.

    Parameters
    ----------
    net : ConvNetClassifier or ConvNetRegressor
        The estimator. Its parameters are the same afterwards.
    X, y, sample_weight : array-like
        As in `fit`.
    is_partial : bool
        Whether `partial_fit` was called.
    **how
        Further arguments of the training.

    Raises
    ------
    ValueError
        If `partial_fit` is called before `fit`.
    """
    fitted = vars(net).get("choice_") is not None
    if is_partial and not fitted:
        raise ValueError(
            "pretrained='auto' compares ways to train on all samples, so partial_fit can only "
            "continue a network that fit has trained: call fit first, or use pretrained=True or "
            "False."
        )
    if fitted and (is_partial or net.warm_start):
        choice = net.choice_
    else:
        net._forget()
        validation = {name: how[name] for name in ("X_val", "y_val", "sample_weight_val")}
        choice = choose(net, X, y, sample_weight, validation)
    with parameters_set(net, _parameters(net, choice)):
        try:
            net._train(X, y, sample_weight, is_partial=is_partial, **how)
        finally:
            if "net_" in vars(net):  # also after an interrupted fit that keeps its epochs
                net.choice_ = choice
    return net


def choose(
    net: Any, X: Any, y: Any, sample_weight: Any, validation: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the race between the ways to train as the table `choice_`.

    Only the given samples are used. Equal ones are in the same fold, and the order of the
    samples does not matter.

    Raises
    ------
    WeightsError
        If the architecture has no pretrained weights.
    MissingDependencyError
        If the package that holds them is not installed.
    ArchitectureError
        If the samples are no images.
    """
    y = y.toarray() if issparse(y) else y  # folds take rows, and compare them
    base = pretrained_base(net.architecture)
    weights_file(net.architecture, True)  # raises before anything is trained
    seed, fold_seed = (each % 2**32 for each in derive_seeds(draw_seed(net.random_state), 0, 2))
    plain = clone(net).set_params(augmentation=None, pretrained=False, random_state=seed)
    with _no_warnings():
        _, samples = plain._read(originals(X), y, sample_weight, None, True)
    owner = f"architecture={net.architecture!r}"
    shape = plain._layout.network_shape
    input_layers(owner, base, shape, net.image_size, net.standardize)  # raises for others
    ways = candidates(net)
    codes = samples.targets if plain._stratified else None
    folds = assign_folds(codes, len(samples), np.random.default_rng(fold_seed))
    _estimate(net, plain, ways, len(samples), is_augmented=bool(net._augmentation_steps(X)))
    few = _too_few(folds)
    if few:
        for each in ways:
            each.reason = few
        return _table(ways, HEAD)
    n_folds = _bound(ways, resolve_device(net.device).type)
    race = _Race(net, X, y, samples, validation, seed)
    for fold in range(n_folds):
        if len(running(ways)) == 1 and fold > 0:
            break
        race.run(ways, np.flatnonzero(folds != fold), np.flatnonzero(folds == fold))
    best = max(running(ways), key=lambda each: float(np.mean(each.scores)))
    return _table(ways, best.name)


def running(ways: list[Candidate]) -> list[Candidate]:
    """Return the candidates that are still in the race."""
    return [each for each in ways if not each.reason]


def assign_folds(
    codes: np.ndarray | None, n_samples: int, generator: np.random.Generator
) -> np.ndarray:
    """Return in which of the folds each sample is held out; -1 for in none of them.

    Samples of a class are spread evenly over the folds. A sample that is alone in its class is
    never held out, since nothing else shows its class. `codes` is None for targets that are no
    classes.
    """
    folds = np.full(n_samples, -1)
    of_class = np.zeros(n_samples, int) if codes is None else codes
    start = 0
    for code in np.unique(of_class):
        rows = generator.permutation(np.flatnonzero(of_class == code))
        if len(rows) > 1:
            folds[rows] = (start + np.arange(len(rows))) % FOLDS
            start += len(rows)
    return folds


def _too_few(folds: np.ndarray) -> str:
    """Return why the samples are too few for a race, "" if they are enough.

    With so many held-out samples, no fold is empty.
    """
    if len(folds) < FEWEST_SAMPLES:
        return f"fewer than {FEWEST_SAMPLES} samples: too few to compare"
    if np.count_nonzero(folds >= 0) < FEWEST_SAMPLES:
        return (
            f"fewer than {FEWEST_SAMPLES} samples of classes with another sample: too few to "
            "compare"
        )
    return ""


def _estimate(
    net: Any, plain: Any, ways: list[Candidate], n_samples: int, is_augmented: bool
) -> None:
    """Estimate the multiply-accumulates of the fits of each candidate.

    Features of frozen layers are kept, unless the samples are other ones in every epoch.
    """
    shape, n_outputs = plain._layout.network_shape, plain.n_outputs_
    for each in ways:
        with parameters_set(net, each.parameters):
            rows = net._trace(shape, n_outputs)
            k = frozen_prefix_length(rows, net.trainable)
            frozen, trained = (total_multiply_accumulates(part) for part in (rows[:k], rows[k:]))
            n_epochs = net._n_epochs(n_samples, shape, is_augmented)
        once, in_epoch = (0, frozen) if is_augmented else (frozen, 0)
        each.macs_once = float(n_samples) * once
        each.macs_of_fit = float(n_samples) * n_epochs * (in_epoch + BACKWARD_FACTOR * trained)


def _bound(ways: list[Candidate], device: str) -> int:
    """Take out candidates that cost too much with the cheaper ones; return the number of folds.

    If no fine-tuning is left, a single fold may still be cheap enough for the cheapest.
    """
    most = MOST_MACS * (1 if device == "cpu" else ACCELERATOR_FACTOR)
    spent = 0.0
    for i, each in enumerate(sorted(ways, key=lambda each: each.macs)):
        spent += each.macs
        if i > 0 and spent > most:
            each.reason = f"not tried: {each.macs:.1e} multiply-accumulates are too many"
    tuned = [each for each in ways if each.name not in (SCRATCH, HEAD)]
    if not tuned or not all(each.reason for each in tuned):
        return FOLDS
    cheapest = min(tuned, key=lambda each: each.macs)
    tried = [each for each in ways if each is cheapest or not each.reason]
    of_fits = [each.macs_of_fit for each in tried]
    once = sum(each.macs_once for each in tried)
    if once + (FITS_OF_ONE_FOLD - 1) * sum(of_fits) + max(of_fits) > most:
        return FOLDS
    cheapest.reason = ""
    for each in tried:
        each.n_fits = FITS_OF_ONE_FOLD
    return 1


class _Race:
    """Fits the candidates to folds.

    Parameters
    ----------
    net : ConvNetClassifier or ConvNetRegressor
        The estimator.
    X, y : array-like
        As given to its `fit`.
    samples : SampleSet
        The distinct samples, with weights.
    validation : mapping
        The validation samples that `fit` was given.
    seed : int
        Random state of all fits.
    """

    def __init__(
        self,
        net: Any,
        X: Any,
        y: Any,
        samples: SampleSet,
        validation: Mapping[str, Any],
        seed: int,
    ) -> None:
        self.net = net
        self.X, self.y = X, y
        self.samples = samples
        self.validation = validation
        self.seed = seed

    def run(self, ways: list[Candidate], train: np.ndarray, held: np.ndarray) -> None:
        """Fit and score the candidates in the race, and take out those that fall behind."""
        for each in ways:
            if each.name == ALL and not each.reason and not each.scores:
                self._ask_for_more(each, ways)
            if not each.reason:
                start = perf_counter()
                self._score(each, train, held)
                each.seconds += perf_counter() - start
        leader = max(running(ways), key=lambda each: float(np.mean(each.scores)))
        for each in running(ways):
            if each is not leader and is_behind(each.gains, leader.gains):
                each.reason = f"clearly behind {leader.name}"

    @staticmethod
    def _ask_for_more(each: Candidate, ways: list[Candidate]) -> None:
        """Leave out training all layers if training the last block is no better than the head."""
        first = {way.name: way.scores[0] for way in ways if way.scores}
        if {HEAD, LAST_BLOCK} <= first.keys() and first[LAST_BLOCK] <= first[HEAD]:
            each.reason = "not tried: last_block is no better than head"

    def _score(self, each: Candidate, train: np.ndarray, held: np.ndarray) -> None:
        quiet = {"callbacks": None, "verbose": 0, "warm_start": False, "random_state": self.seed}
        quiet |= {"checkpoint": None, "max_seconds": None}  # the race has a bound of its own
        if is_classifier(self.net):
            quiet["calibration"] = None  # labels are compared, which stay the same
        model = clone(self.net).set_params(**quiet, **each.parameters)
        model.set_callbacks()
        index, weights = self.samples.index, self.samples.weights
        with _no_warnings():
            model.fit(
                safe_indexing(self.X, index[train]),
                safe_indexing(self.y, index[train]),
                None if weights is None else weights[train],
                **self.validation,
            )
            predicted = model.predict(safe_indexing(originals(self.X), index[held]))
        expected = np.asarray(safe_indexing(self.y, index[held]))
        held_weights = None if weights is None else weights[held]
        score, gain = scored(expected, predicted, is_classifier(model), held_weights)
        each.scores.append(score)
        each.gains.append(gain)


def scored(
    expected: np.ndarray,
    predicted: np.ndarray,
    classifies: bool,
    sample_weight: np.ndarray | None = None,
) -> tuple[float, np.ndarray]:
    """Return accuracy or R2, and how good the prediction of each sample is.

    A prediction is good by 1 if it is right, else by 0; a number by minus its squared error
    as a share of the variance.
    """
    expected = expected.reshape(len(expected), -1)
    predicted = predicted.reshape(len(predicted), -1)
    if classifies:
        right = (expected == predicted).all(axis=1)
        return float(accuracy_score(right, np.ones_like(right), sample_weight=sample_weight)), (
            right.astype(float)
        )
    variance = np.maximum(expected.var(axis=0), np.finfo(float).tiny)
    gain = -((expected - predicted) ** 2 / variance).mean(axis=1)
    return float(r2_score(expected, predicted, sample_weight=sample_weight)), gain


def is_behind(gains: list[np.ndarray], leading: list[np.ndarray]) -> bool:
    """Return whether a candidate's predictions are clearly worse than those of the leader.

    Clearly is by more than two standard errors of the mean difference over all held-out samples.
    """
    n = min(len(gains), len(leading))
    difference = np.concatenate(leading[:n]) - np.concatenate(gains[:n])
    error = difference.std() / np.sqrt(len(difference))
    return bool(difference.mean() > STANDARD_ERRORS * error)


def _table(ways: list[Candidate], chosen: str) -> pd.DataFrame:
    """Return the race as a table, one row a candidate."""
    rows = {}
    for each in ways:
        scores = [*each.scores, *[np.nan] * (FOLDS - len(each.scores))]
        rows[each.name] = {
            "chosen": each.name == chosen,
            "score": float(np.mean(each.scores)) if each.scores else np.nan,
            **{f"score_{i}": score for i, score in enumerate(scores, 1)},
            "seconds": each.seconds,
            "multiply_accumulates": float(each.macs),
            "reason": _reason(each, each.name == chosen),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("candidate")


def _reason(each: Candidate, is_chosen: bool) -> str:
    if is_chosen:
        return each.reason or "best mean score"
    return each.reason or "lower mean score"


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Hide warnings of the race: those about the data come again in the final fit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
