"""What every candidate is evaluated with, and the result of a fold."""

import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin

from skcnn._convnet.calibrating.rules import AUTO
from skcnn._convnet.classifier import ConvNetClassifier
from skcnn._convnet.pipelines import find_convnet
from skcnn._utils.compat import check_method_params, scorers_of, scores_labels
from skcnn._utils.random_state import set_candidate

Scores = dict[str, float]


class EvaluationError(Exception):
    """A fold could not be fitted or scored; the message is the traceback."""


class FitPrunedError(EvaluationError):
    """A fit or a scorer has raised ``optuna.TrialPruned``: the whole candidate is pruned.

    Parameters
    ----------
    traceback : str
        The message, where pruning has no meaning.
    reason : str
        The message of the ``TrialPruned``.
    """

    def __init__(self, traceback: str, reason: str) -> None:
        super().__init__(traceback)
        self.reason = reason


def is_trial_pruned(error: BaseException) -> bool:
    """Return whether an error is ``optuna.TrialPruned``, without importing Optuna."""
    return isinstance(error, getattr(sys.modules.get("optuna"), "TrialPruned", ()))


@dataclass
class FoldResult:
    """Scores, seconds and epochs of one fold, or the error of a fold without scores."""

    test_scores: Scores
    train_scores: Scores
    fit_time: float
    score_time: float
    predict_time: float = np.nan
    n_epochs: int | None = None
    best_epoch: int | None = None
    error: str = ""


@dataclass(frozen=True)
class CrossValidation:
    """What every candidate of a search is evaluated with.

    Attributes
    ----------
    estimator : estimator
        Cloned for every fold.
    X, y : array-like
        The data of the search.
    splits : list of (train, test)
        Indices, the same for all candidates.
    scorer : callable
        Returns a number, or a dict of numbers.
    main_metric : str or None
        Name of the score by which candidates are ranked; None takes the first.
    objectives : tuple of str
        Names of scores that `scorer` must return.
    own_scorer : bool
        Whether the user wrote the scorer, which may use the steps of a Pipeline.
    fit_params, score_params : dict
        Routed metadata; those with an entry for each sample are split like `X`.
    error_score : float or "raise"
        Score of a fold that failed.
    return_train_score : bool
        Whether training samples are scored too.
    time_predictions : bool
        Whether predicting the test samples is timed by itself.
    seed : int or None
        Seed of the random states of None in the values of candidates.
    """

    estimator: Any
    X: Any
    y: Any
    splits: list[tuple[np.ndarray, np.ndarray]]
    scorer: Callable[..., Any]
    main_metric: str | None = None
    objectives: tuple[str, ...] = ()
    own_scorer: bool = False
    fit_params: Mapping[str, Any] = field(default_factory=dict)
    score_params: Mapping[str, Any] = field(default_factory=dict)
    error_score: Any = np.nan
    return_train_score: bool = False
    time_predictions: bool = False
    seed: int | None = None

    def candidate(self, params: Mapping[str, Any]) -> Any:
        """Return the unfitted estimator with the parameters of a candidate."""
        return set_candidate(self.estimator, params, self.seed)

    @property
    def n_training_samples(self) -> int:
        """The number of training samples of the largest fit."""
        return max(len(train) for train, _ in self.splits)

    def fold_candidate(self, params: Mapping[str, Any]) -> Any:
        """Return a candidate as it is fitted on a fold.

        Where no score needs probabilities, "auto" calibrates none.
        """
        estimator = self.candidate(params)
        net: Any = find_convnet(estimator)
        if getattr(net, "calibration", None) == AUTO and self._scores_labels(net):
            net.calibration = None
        return estimator

    def _scores_labels(self, net: Any) -> bool:
        """Return whether the temperature of a classifier changes none of the scores.

        Scores of ranks are the same for all temperatures.
        """
        predicts_its_own_way = type(net).predict is not ConvNetClassifier.predict
        if predicts_its_own_way or type(net).score is not ClassifierMixin.score:
            return False
        scorers = scorers_of(self.scorer) or {"score": self.scorer}
        return all(map(scores_labels, scorers.values()))

    def score_of(self, fold: FoldResult, objective: str) -> float:
        """Return a fold's value of an objective that is "score" or a score's name."""
        if not fold.test_scores:
            return float(self.error_score)
        if objective == "score":
            return self.main_score(fold.test_scores)
        return fold.test_scores[objective]

    def main_score(self, scores: Scores) -> float:
        """Return the score by which candidates are ranked.

        Raises
        ------
        ValueError
            If the main score, or one that is an objective, is missing.
        """
        missing = [name for name in self.objectives if name not in scores]
        if missing:
            raise ValueError(
                f"The 'objectives' parameter must name scores that scoring returns, which are "
                f"{sorted(scores)}. Got {missing[0]!r}."
            )
        if self.main_metric is None or len(scores) == 1:
            return next(iter(scores.values()))
        if self.main_metric not in scores:
            raise ValueError(
                "For multi-metric scoring, the parameter refit must be set to a scorer key "
                "or a callable to refit an estimator with the best parameter setting on the "
                f"whole data. The scorer returned {sorted(scores)}, {self.main_metric!r} was "
                "passed."
            )
        return scores[self.main_metric]

    def needed(self, scores: Mapping[str, Any]) -> list[str]:
        """Return the names of the scores without which a candidate fails.

        They are the one by which candidates are ranked, and the objectives.
        """
        main = self.main_metric if self.main_metric in scores else next(iter(scores), None)
        return list(dict.fromkeys([*([] if main is None else [main]), *self.objectives]))

    def fails_by_error(self, error: Exception) -> bool:
        """Return whether a fold's error ends the candidate instead of scoring `error_score`."""
        is_failure = isinstance(error, EvaluationError) and not isinstance(error, FitPrunedError)
        return not is_failure or bool(np.isnan(self.error_score))

    def score(self, estimator: Any, X: Any, y: Any, rows: np.ndarray) -> Scores:
        """Return the scores of a fitted estimator on `X`, the samples `rows` of the data."""
        params = check_method_params(self.X, dict(self.score_params), indices=rows)
        scores = (
            self.scorer(estimator, X, **params)
            if y is None
            else self.scorer(estimator, X, y, **params)
        )
        named = dict(scores) if isinstance(scores, dict) else {"score": scores}
        for name, value in named.items():
            if isinstance(value, str) and scorers_of(self.scorer) is not None:  # of a failed scorer
                if name in self.needed(named):
                    raise EvaluationError(value)
                named[name] = self.error_score
                warnings.warn(
                    f"Scoring by {name!r} failed. Its score of this fold is {self.error_score}. "
                    f"Details:\n{value}",
                    UserWarning,
                    stacklevel=2,
                )
                continue
            number = np.asarray(value)
            if number.ndim > 0 or number.dtype.kind not in "iuf":
                raise ValueError(
                    f"scoring must return a number, got {value!r} ({type(value)}) for {name!r}."
                )
        return {name: float(value) for name, value in named.items()}


def failed_fold(error: BaseException | None) -> FoldResult:
    """Return the result of a failed fold where ``error_score`` is a number."""
    return FoldResult({}, {}, 0.0, 0.0, error=str(error))


def check_scores(cv: CrossValidation, fold: int, result: FoldResult) -> float:
    """Return a fold's main score.

    Raises
    ------
    EvaluationError
        If the main score or an objective is NaN; a ValueError with ``error_score="raise"``.
    """
    needed = cv.needed(result.test_scores)
    missing = [name for name in needed if np.isnan(result.test_scores.get(name, 0.0))]
    if missing:
        message = f"The test score {missing[0]!r} of fold {fold} is NaN."
        raise ValueError(message) if cv.error_score == "raise" else EvaluationError(message)
    return cv.score_of(result, "score")
