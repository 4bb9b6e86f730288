"""The results of a search: ``cv_results_``, the Pareto front, the table of trials, warnings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.exceptions import FitFailedWarning

from skcnn._utils.validation import warn_caller
from skcnn.model_selection._fit_messages import error_line, merged_warnings

MOST_CAUSES = 3  # listed in a message


@dataclass(frozen=True)
class TrialRecord:
    """A finished trial.

    Attributes
    ----------
    number : int
        Number of the trial in the study.
    params : dict
        Parameters that it set on the estimator.
    result : dict
        Fields of its Outcome.
    values : sequence of float or None
        Values of the objectives; None unless it is complete.
    """

    number: int
    params: dict[str, Any]
    result: dict[str, Any]
    values: Sequence[float] | None

    @property
    def complete(self) -> bool:
        """Return whether all folds are scored."""
        return self.result["state"] == "COMPLETE"

    @property
    def error(self) -> str:
        """Return the error of the trial or of a fold, "" without one."""
        if self.result["state"] == "FAIL":
            return self.result["reason"]
        return next((fold["error"] for fold in self.result["folds"] if fold["error"]), "")

    @property
    def scored(self) -> bool:
        """Return whether all folds are scored, at least one of them without an error."""
        return self.complete and any(not fold["error"] for fold in self.result["folds"])


def format_results(
    records: Sequence[TrialRecord], n_splits: int, error_score: Any, with_train: bool
) -> dict[str, Any]:
    """Return columns with a row for each trial, in the form of GridSearchCV's ``cv_results_``.

    Values that were not computed are NaN.

    Parameters
    ----------
    records : sequence of TrialRecord
        In the order of the rows.
    n_splits : int
        Number of folds.
    error_score : float or "raise"
        Score of a failed fold.
    with_train : bool
        Whether training samples were scored.

    Returns
    -------
    dict of str -> array
        GridSearchCV's columns, and state, pruned, n_epochs, n_parameters and trial.
    """
    results: dict[str, Any] = {}
    for name in ("fit_time", "score_time"):
        times = _by_fold(records, n_splits, lambda fold, name=name: fold[name])
        results[f"mean_{name}"], results[f"std_{name}"] = _mean_and_std(times)
    results |= _masked_params(records)
    results["params"] = [record.params for record in records]
    for metric in _metrics(records):
        for kind in ("test", "train") if with_train else ("test",):
            scores = _by_fold(
                records, n_splits, lambda fold, k=kind, m=metric: _score(fold, k, m, error_score)
            )
            results |= _score_columns(f"{kind}_{metric}", scores, ranked=kind == "test")
    results["state"] = np.array([record.result["state"] for record in records], dtype=object)
    results["pruned"] = results["state"] == "PRUNED"
    for name in ("n_epochs", "n_parameters"):
        counts = [record.result[name] for record in records]
        results[name] = np.ma.MaskedArray(
            [count or 0 for count in counts], [count is None for count in counts], dtype=np.int64
        )
    results["trial"] = np.array([record.number for record in records], dtype=np.int64)
    return results


def _mean_and_std(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and standard deviation of each row's finished folds, NaN without any."""
    n_folds = np.sum(~np.isnan(times), axis=1)
    with np.errstate(invalid="ignore"):
        mean = np.nansum(times, axis=1) / n_folds
        variance = np.nansum((times - mean[:, np.newaxis]) ** 2, axis=1) / n_folds
    return mean, np.sqrt(variance)


def _by_fold(records: Sequence[TrialRecord], n_splits: int, read: Any) -> np.ndarray:
    """Return an array (n_trials, n_splits) of a value of folds, NaN for unfinished ones."""
    table = np.full((len(records), n_splits), np.nan)
    for row, record in zip(table, records, strict=True):
        folds = record.result["folds"]
        row[: len(folds)] = [read(fold) for fold in folds]
    return table


def _metrics(records: Sequence[TrialRecord]) -> list[str]:
    folds = [fold for record in records for fold in record.result["folds"]]
    names = [name for fold in folds for name in fold["test_scores"]]
    return list(dict.fromkeys(names)) or ["score"]


def _score(fold: Mapping[str, Any], kind: str, metric: str, error_score: Any) -> float:
    scores = fold[f"{kind}_scores"]
    if metric in scores or not fold["error"] or error_score == "raise":
        return scores.get(metric, np.nan)
    return error_score


def _score_columns(name: str, scores: np.ndarray, ranked: bool) -> dict[str, np.ndarray]:
    columns = {f"split{i}_{name}": scores[:, i] for i in range(scores.shape[1])}
    columns[f"mean_{name}"] = mean = scores.mean(axis=1)
    with np.errstate(invalid="ignore"):
        columns[f"std_{name}"] = scores.std(axis=1)
    if ranked:
        missing = np.isnan(mean)
        floor = mean[~missing].min() - 1 if not missing.all() else 0.0
        ranks = rankdata(-np.where(missing, floor, mean), method="min")
        columns[f"rank_{name}"] = ranks.astype(np.int32)
    return columns


def _masked_params(records: Sequence[TrialRecord]) -> dict[str, np.ma.MaskedArray]:
    """Return a column for each parameter, masked for trials that did not set it."""
    names = sorted({name for record in records for name in record.params})
    columns = {}
    for name in names:
        given = {i: r.params[name] for i, r in enumerate(records) if name in r.params}
        column = np.ma.MaskedArray(
            np.empty(len(records), dtype=_dtype_of(list(given.values()))), mask=True
        )
        for i, value in given.items():
            column[i] = value
        columns[f"param_{name}"] = column
    return columns


def _dtype_of(values: list[Any]) -> np.dtype:
    """Return the dtype of numbers or bools, object for other values."""
    try:
        array = np.array(values)
    except ValueError:  # tuples of different lengths
        return np.dtype(object)
    return array.dtype if array.ndim == 1 and array.dtype.kind in "biuf" else np.dtype(object)


def pareto_front(
    records: Sequence[TrialRecord], objectives: Sequence[str], minimized: Sequence[bool]
) -> pd.DataFrame:
    """Return the complete trials that no other trial beats in all objectives.

    Returns
    -------
    DataFrame
        Indexed by the row of ``cv_results_``, with a column for each objective and each
        parameter, sorted by the first objective, best first.
    """
    rows = [i for i, record in enumerate(records) if record.complete]
    signs = np.array([1.0 if small else -1.0 for small in minimized])
    costs = np.array([records[i].values for i in rows], dtype=float)
    costs = costs.reshape(len(rows), len(objectives)) * signs
    front = [rows[place] for place in np.flatnonzero(_is_on_front(costs))]
    table = pd.DataFrame(
        [
            {**dict(zip(objectives, records[i].values or (), strict=True)), **records[i].params}
            for i in front
        ],
        index=pd.Index(front, name="index", dtype=int),
        columns=None if front else list(objectives),
    )
    order = table[objectives[0]] * signs[0]
    return table.loc[order.sort_values(kind="stable").index]


def _is_on_front(costs: np.ndarray) -> np.ndarray:
    """Return whether no other row is as small in all columns and smaller in one.

    Of rows in lexicographic order only earlier ones can beat a row. With two columns that are
    those with a smaller minimum so far, so that sorting takes longest. With more, each round
    takes the first row left and drops those that it beats.

    Parameters
    ----------
    costs : ndarray of shape (n_trials, n_objectives)
        Smaller is better.
    """
    distinct, inverse = np.unique(costs, axis=0, return_inverse=True)  # in lexicographic order
    if distinct.shape[1] <= 2:
        last = distinct[:, -1]
        lowest_before = np.minimum.accumulate(np.append(np.inf, last[:-1]))
        on_front = last < lowest_before
        on_front[:1] = True  # also if it is infinite
    else:
        on_front = np.zeros(len(distinct), bool)
        left = np.arange(len(distinct))
        while len(left):
            on_front[left[0]] = True
            left = left[(distinct[left] < distinct[left[0]]).any(axis=1)]
    return on_front[inverse.reshape(-1)]


def trials_table(
    records: Sequence[TrialRecord], objectives: Sequence[str], times: Mapping[int, Any]
) -> pd.DataFrame:
    """Return a row for each trial: state, objectives, costs, times and parameters.

    Parameters
    ----------
    records : sequence of TrialRecord
        In the order of the rows.
    objectives : sequence of str
        Names of the values.
    times : mapping
        The begin and the end of each trial, by its number.
    """
    rows = []
    for record in records:
        values = record.values or [np.nan] * len(objectives)
        begin, end = times[record.number]
        rows.append(
            {
                "trial": record.number,
                "state": record.result["state"],
                **dict(zip(objectives, values, strict=True)),
                "n_epochs": record.result["n_epochs"],
                "n_parameters": record.result["n_parameters"],
                "copy_of": record.result.get("copy_of"),
                "begin": begin,
                "seconds": (end - begin).total_seconds(),
                "reason": error_line(record.error or record.result["reason"]),
                **{f"param_{name}": value for name, value in record.params.items()},
            }
        )
    table = pd.DataFrame(rows).set_index("trial")
    counts = ["n_epochs", "n_parameters", "copy_of"]
    table[counts] = table[counts].astype("Int64")
    return table


def causes(records: Sequence[TrialRecord]) -> str:
    """Return the errors of trials in a line, the most frequent first."""
    counts = Counter(error_line(record.error) for record in records if record.error)
    return "; ".join(
        text if n == 1 else f"{text} ({n} times)" for text, n in counts.most_common(MOST_CAUSES)
    )


def warn_of_failures(records: Sequence[TrialRecord]) -> None:
    """Warn once of each warning of the trials' fits, and of the trials that failed."""
    for category, message in merged_warnings([r.result["warnings"] for r in records], "trials"):
        warn_caller(message, category)
    failed = [record for record in records if record.error]
    if failed:
        warn_caller(
            f"{len(failed)} of {len(records)} trials failed: {causes(failed)}. The first, trial "
            f"{failed[0].number}:\n{failed[0].error}",
            FitFailedWarning,
        )


def explain_missing_scores(records: Sequence[TrialRecord], timeout: float | None) -> str:
    """Return why no trial has a score."""
    failed = [record for record in records if record.error]
    if failed:
        return (
            f"All the {len(records)} trials failed: {causes(failed)}. It is very likely that your "
            "model is misconfigured. You can try to debug the error by setting "
            f"error_score='raise'. The first failure:\n{failed[0].error}"
        )
    infeasible = [record for record in records if record.result["state"] == "INFEASIBLE"]
    if infeasible:
        return (
            f"None of {len(records)} trials satisfies the constraints. The first: "
            f"{infeasible[0].result['reason']}."
        )
    if timeout is not None:
        return f"timeout={timeout} seconds passed before a trial was complete."
    return "No trial was completed."
