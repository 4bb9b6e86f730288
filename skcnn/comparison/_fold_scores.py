"""The long table of scores: its columns, and the check of a table that is passed in."""

from typing import Any

import numpy as np
import pandas as pd

KEYS = ("model", "split", "metric")
NEEDED = (*KEYS, "score", "n_train", "n_test")
COLUMNS = (
    *KEYS,
    "score",
    "fit_seconds",
    "predict_seconds",
    "n_parameters",
    "n_train",
    "n_test",
    "error",
)


def check_fold_scores(fold_scores: Any) -> pd.DataFrame:
    """Return a copy of a table of scores with all columns.

    Raises
    ------
    ValueError
        If columns or values are missing or illegal, or if there is not exactly one row for
        every model, split and metric.
    """
    is_table = isinstance(fold_scores, pd.DataFrame)
    missing = [name for name in NEEDED if name not in getattr(fold_scores, "columns", ())]
    if not is_table or missing or fold_scores.empty:
        raise ValueError(
            f"The 'fold_scores' parameter must be a DataFrame with rows and the columns {NEEDED}. "
            f"Got {type(fold_scores).__name__}" + (f" without {missing}." if is_table else ".")
        )
    if fold_scores[list(KEYS)].isna().any(axis=None):
        raise ValueError(
            f"The 'fold_scores' parameter must have no missing values in {KEYS}. A model named "
            "'NA' is read from a file by read_csv(..., converters={'model': str})."
        )
    table = _with_all_columns(fold_scores)
    _check_sizes(table)
    _check_rows(table)
    return table[list(COLUMNS)].reset_index(drop=True)


def _with_all_columns(fold_scores: pd.DataFrame) -> pd.DataFrame:
    """Return a copy with all columns in their dtypes; infinite scores become NaN."""
    table = fold_scores.copy()
    for name in COLUMNS:
        if name not in table:
            table[name] = "" if name == "error" else np.nan
    try:
        for name in ("score", "n_train", "n_test"):
            table[name] = pd.to_numeric(table[name])
        table = table.astype({"model": str, "metric": str, "score": float, "error": object})
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The 'fold_scores' parameter must have numbers in score, n_train and n_test. {error}"
        ) from None
    table["score"] = table["score"].where(np.isfinite(table["score"]))
    table["error"] = table["error"].fillna("")
    return table


def _check_sizes(table: pd.DataFrame) -> None:
    sizes = table[["n_train", "n_test"]]
    if not (np.isfinite(sizes) & (sizes > 0)).all(axis=None):
        raise ValueError(
            "The 'fold_scores' parameter must have positive numbers n_train and n_test. Got "
            f"{sizes.min().to_dict()}."
        )


def _check_rows(table: pd.DataFrame) -> None:
    counts = table.groupby(list(KEYS)).size().unstack("split")
    if (counts != 1).any(axis=None):
        model, metric = counts.index[(counts != 1).any(axis=1)][0]
        raise ValueError(
            "The 'fold_scores' parameter must have one row for every model, split and metric. "
            f"Got none or several of {model!r}, {metric!r} on some split."
        )
