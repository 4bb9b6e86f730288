"""A comparison's table as text, Markdown and HTML."""

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

from skcnn._utils.text import plural

MISSING = "-"


def report_table(table: pd.DataFrame, metric: str, baseline: str) -> pd.DataFrame:
    """Return the texts of a report, a row per model.

    Parameters
    ----------
    table : DataFrame
        The rows of one metric, indexed by model.
    metric : str
        The name of the metric.
    baseline : str
        The model without a difference.
    """
    scores = table[["mean", "ci_low", "ci_high"]].to_numpy(float)
    differences = table[["difference", "difference_low", "difference_high"]].to_numpy(float)
    shares = table[["p_better", "p_equivalent", "p_worse"]].to_numpy(float)
    decimals = decimals_of(np.concatenate([scores.ravel(), differences.ravel()]))
    cells = {
        f"{metric} [95 %]": [
            f"failed on {plural(n, 'split')}" if n else _interval(values, decimals)
            for n, values in zip(table["n_failed"], scores, strict=True)
        ],
        "difference [95 %]": [
            "baseline" if model == baseline else _interval(values, decimals, sign=True)
            for model, values in zip(table.index, differences, strict=True)
        ],
        "p (Holm)": table["p_adjusted"].map(_p_value),
        "better / equivalent / worse": [_shares(values) for values in shares],
        "fit (s)": table["fit_seconds"].map(_seconds),
        "predict (s)": table["predict_seconds"].map(_seconds),
        "parameters": table["n_parameters"].map(_count),
    }
    return pd.DataFrame(cells, table.index).rename_axis(index=None, columns="model")


def decimals_of(values: np.ndarray) -> int | None:
    """Return the decimals of scores, None if they are too large or small for fixed ones."""
    known = np.abs(values[np.isfinite(values) & (values != 0)])
    if len(known) == 0 or 1e-2 <= known.max() < 100:
        return 4
    return 2 if 100 <= known.max() < 1e5 else None


def number_cell(value: float, decimals: int | None, sign: bool = False) -> str:
    """Return a score as text."""
    if np.isnan(value):
        return MISSING
    mark = "+" if sign else ""
    return f"{value:{mark}.{decimals}f}" if decimals is not None else f"{value:{mark}.4g}"


def _interval(values: np.ndarray, decimals: int | None, sign: bool = False) -> str:
    mean, low, high = (number_cell(value, decimals, sign) for value in values)
    return mean if np.isnan(values[1]) else f"{mean} [{low}, {high}]"


def _p_value(value: float) -> str:
    if np.isnan(value):
        return MISSING
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _shares(values: np.ndarray) -> str:
    return MISSING if np.isnan(values).any() else " / ".join(f"{value:.3f}" for value in values)


def _seconds(value: float) -> str:
    return MISSING if np.isnan(value) else f"{value:.3g}"


def _count(value: float) -> str:
    return MISSING if np.isnan(value) else f"{value:,.0f}"


def as_text(table: pd.DataFrame) -> str:
    """Return a table of texts in a font of fixed width."""
    return table.to_string(header=[f" {name}" for name in table])  # two spaces between columns


def as_html(table: pd.DataFrame) -> str:
    """Return a table of texts in HTML."""
    return table.to_html(border=0)


def as_markdown(table: pd.DataFrame) -> str:
    """Return a table of texts in GitHub's Markdown; `DataFrame.to_markdown` needs tabulate."""
    rule = [":--", *("--:",) * len(table.columns)]
    lines = [[table.columns.name, *table.columns], rule, *table.reset_index().to_numpy()]
    cells = [[markdown_text(cell).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def markdown_text(text: str) -> str:
    """Return a line of text in which Markdown finds no HTML."""
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").split())


def html_notes(notes: Sequence[str]) -> str:
    """Return paragraphs in HTML without empty ones."""
    return "".join(f"<p>{escape(note)}</p>" for note in notes if note)


def paragraphs(blocks: Sequence[str]) -> str:
    """Return texts with an empty line between them, without empty ones."""
    return "\n\n".join(block for block in blocks if block)
