"""Whether changed samples keep their targets, by predictions for samples held back."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp
from scipy.stats import binom, rankdata

# Chosen by results on real sets and made ones whose classes a flip swaps; see docs/performance.md.
FEWEST_OF_CLASS = 5  # samples held back
FEWEST_NUMBERS = 30  # targets held back
LEAST_SKILL = 0.2  # of the network, which else cannot tell
STANDARD_ERRORS = 4.0  # that its skill is above none
KEPT_SKILL = 0.6  # share of it on changed samples
LOST_RECALL = 0.5  # of a class
SWAPPED = 0.5  # share of the samples of two classes
CHANCE = 0.01  # that a class loses so many by chance
# Of a class or label, as the Gini coefficient of its scores: 2 AUC - 1 of its samples among all.
LEAST_APART = 0.2  # of the samples as they are
LEAST_ERRORS = 2.5  # the same in standard errors of scores that say nothing
KEPT_APART = 0.6  # share of it on changed samples
MOST_ERROR = 1.2  # of changed samples, in squared errors of the others
KEPT_R2 = 0.8  # share of it on changed samples
UNSEEN = "not decided: the network of the check does not tell a class from the others"
UNDECIDED = "not decided: the network of the check predicts too badly"


@dataclass(frozen=True)
class CheckResult:
    """What the predictions say.

    Attributes
    ----------
    score, changed_score : float
        Mean recall of the classes, or R2.
    keeps : bool
        Whether changed samples keep their targets.
    reason : str
        In words.
    """

    score: float
    changed_score: float
    keeps: bool
    reason: str


def too_few(targets: np.ndarray, n_classes: int | None) -> str:
    """Return why samples held back are too few for a check, "" if they are enough.

    Parameters
    ----------
    targets : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Codes, indicators or numbers.
    n_classes : int or None
        Number of classes, None for numbers.
    """
    if n_classes is None:
        fewest, n, what = FEWEST_NUMBERS, len(targets), "samples"
    elif targets.ndim == 1:
        counts = np.bincount(targets, minlength=n_classes)
        fewest, n, what = FEWEST_OF_CLASS, int(counts.min()), "samples of a class"
    else:
        counts = np.stack([(targets == 0).sum(axis=0), (targets != 0).sum(axis=0)])
        fewest, n, what = FEWEST_OF_CLASS, int(counts.min()), "samples with or without a label"
    return f"not checked: {n} {what} can be held back, not {fewest}" if n < fewest else ""


def of_codes(
    codes: np.ndarray, before: np.ndarray, after: np.ndarray, n_classes: int
) -> CheckResult:
    """Return the result for classes, by the codes predicted before and after the change."""
    chance = 1 / n_classes
    result = _of_recalls(codes, before == codes, after == codes, n_classes, chance)
    if result.keeps and _swaps(codes, before, after, n_classes):
        reason = "changed samples of two classes look like those of the other"
        return CheckResult(result.score, result.changed_score, False, reason)
    return result


def of_labels(labels: np.ndarray, before: np.ndarray, after: np.ndarray) -> CheckResult:
    """Return the result for indicators of labels: that of their presences and absences.

    All are of shape (n_samples, n_labels).
    """
    n_labels = labels.shape[1]
    codes = 2 * np.arange(n_labels) + labels.astype(int)
    right, still = (before == labels).ravel(), (after == labels).ravel()
    return _of_recalls(codes.ravel(), right, still, 2 * n_labels, 0.5)


def _of_recalls(
    codes: np.ndarray, right: np.ndarray, still: np.ndarray, n_classes: int, chance: float
) -> CheckResult:
    """Return the result by which samples were predicted right before and after the change."""
    counts = np.bincount(codes, minlength=n_classes)
    recall = np.bincount(codes, right, n_classes) / counts
    changed = np.bincount(codes, still, n_classes) / counts
    scores = float(recall.mean()), float(changed.mean())
    skill, kept = ((score - chance) / (1 - chance) for score in scores)
    error = np.sqrt(scores[0] * (1 - scores[0]) / len(codes)) / (1 - chance)
    if skill < max(LEAST_SKILL, STANDARD_ERRORS * error):
        return CheckResult(*scores, False, UNDECIDED)
    if kept < KEPT_SKILL * skill:
        return CheckResult(*scores, False, "changed samples are not recognised")
    lost = np.bincount(codes, right & ~still, n_classes)
    won = np.bincount(codes, still & ~right, n_classes)
    by_chance = binom.sf(lost - 1, lost + won, 0.5)
    if np.any((recall - changed > LOST_RECALL) & (by_chance < CHANCE)):
        return CheckResult(*scores, False, "changed samples of a class are not recognised")
    return CheckResult(*scores, True, "changed samples are recognised")


def _swaps(codes: np.ndarray, before: np.ndarray, after: np.ndarray, n_classes: int) -> bool:
    """Return whether the change moves most samples of two classes to the other one."""
    moved = _confusion(codes, after, n_classes) - _confusion(codes, before, n_classes)
    counts = np.bincount(codes, minlength=n_classes)
    both_ways = (moved > 0) & (moved.T > 0)
    np.fill_diagonal(both_ways, False)
    return bool(np.any(both_ways & (moved + moved.T > SWAPPED * (counts + counts[:, None]))))


def _confusion(codes: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    counts = np.bincount(codes * n_classes + predicted, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes)


def if_apart(
    result: CheckResult, members: np.ndarray, before: np.ndarray, after: np.ndarray
) -> CheckResult:
    """Return the result, or another one if changes mix the samples of a class with others.

    Which class has the largest output says nothing of a class that is hardly ever predicted, as a
    rare one. The order of its scores does.

    Parameters
    ----------
    result : CheckResult
        By the predictions.
    members : ndarray of shape (n_samples, n_classes), bool
        Which samples have the class or label.
    before, after : ndarray of shape (n_samples, n_classes)
        Scores of classes or labels.
    """
    if not result.keeps:
        return result
    apart, still = (_gini(members, each) for each in (before, after))
    n = members.sum(axis=0)
    error = np.sqrt((len(members) + 1) / (3 * n * (len(members) - n)))
    if np.any(apart < np.maximum(LEAST_APART, LEAST_ERRORS * error)):
        return replace(result, keeps=False, reason=UNSEEN)
    if np.any(still < KEPT_APART * apart):
        reason = "changed samples of a class look like others"
        return replace(result, keeps=False, reason=reason)
    return result


def _gini(members: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return how far the scores of each class's samples are above those of the others, -1 to 1."""
    n = members.sum(axis=0)
    n_others = len(members) - n
    above = (rankdata(scores, axis=0) * members).sum(axis=0) - n * (n + 1) / 2
    gini: np.ndarray = 2 * above / (n * n_others) - 1
    return gini


def log_odds(logits: np.ndarray) -> np.ndarray:
    """Return the logarithm of p / (1 - p) for each class, of shape (n_samples, n_classes)."""
    n_classes = logits.shape[1]
    rest = [logsumexp(np.delete(logits, k, axis=1), axis=1) for k in range(n_classes)]
    return logits - np.stack(rest, axis=1)


def of_numbers(targets: np.ndarray, before: np.ndarray, after: np.ndarray) -> CheckResult:
    """Return the result for numbers: each output must keep its error.

    All are of shape (n_samples, n_outputs).
    """
    variance = np.maximum(targets.var(axis=0), np.finfo(float).tiny)
    error, changed = (((each - targets) ** 2).mean(axis=0) for each in (before, after))
    r2, changed_r2 = 1 - error / variance, 1 - changed / variance
    scores = float(r2.mean()), float(changed_r2.mean())
    if np.any(r2 < LEAST_SKILL):
        return CheckResult(*scores, False, UNDECIDED)
    if np.any((changed > MOST_ERROR * error) | (changed_r2 < KEPT_R2 * r2)):
        return CheckResult(*scores, False, "changed samples have other targets")
    return CheckResult(*scores, True, "changed samples keep their targets")
