"""A comparison's table as text, Markdown and HTML.

Formats numbers; computes none.
"""

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

MISSING = "-"
COLUMNS = (
    "{metric} [95 %]",
    "difference [95 %]",
    "p (Holm)",
    "better / equivalent / worse",
    "fit (s)",
    "predict (s)",
    "parameters",
)


def cells_of(table: pd.DataFrame, baseline: str) -> list[list[str]]:
    """Return a row of texts a model, its name first.

    Parameters
    ----------
    table : DataFrame
        The rows of one metric, indexed by model.
    baseline : str
        The model without a difference.
    """
    scores = table[["mean", "ci_low", "ci_high"]].to_numpy(float)
    differences = table[["difference", "difference_low", "difference_high"]].to_numpy(float)
    decimals = decimals_of(np.concatenate([scores.ravel(), differences.ravel()]))
    return [
        [
            name,
            _interval(scores[i], decimals)
            if not row["n_failed"]
            else f"failed on {plural(int(row['n_failed']), 'split')}",
            "baseline" if name == baseline else _interval(differences[i], decimals, sign=True),
            _p_value(row["p_adjusted"]),
            _shares(row[["p_better", "p_equivalent", "p_worse"]].to_numpy(float)),
            _seconds(row["fit_seconds"]),
            _seconds(row["predict_seconds"]),
            MISSING if pd.isna(row["n_parameters"]) else f"{row['n_parameters']:,.0f}",
        ]
        for i, (name, row) in enumerate(table.iterrows())
    ]


def decimals_of(values: np.ndarray) -> int | None:
    """Return the decimals of scores, None where they are too large or small for any."""
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


def _interval(
    values: Sequence[float] | np.ndarray, decimals: int | None, sign: bool = False
) -> str:
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


def header_of(metric: str) -> list[str]:
    """Return the titles of the columns."""
    return ["model", *(column.format(metric=metric) for column in COLUMNS)]


def as_text(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in a font of fixed width: names on the left, figures on the right."""
    widths = [max(len(line[i]) for line in (header, *rows)) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (header, *rows)
    )


def as_markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in GitHub's Markdown."""
    rule = [":--", *("--:",) * (len(header) - 1)]
    lines = [
        [markdown_text(cell).replace("|", "\\|") for cell in line] for line in (header, rule, *rows)
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def markdown_text(text: str) -> str:
    """Return a line of text that Markdown does not take for HTML."""
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").split())


def as_html(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in HTML."""
    titles = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(
        f"<tr><th>{escape(name)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for name, *cells in rows
    )
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def html_notes(notes: Sequence[str]) -> str:
    """Return paragraphs in HTML, but for empty ones."""
    return "".join(f"<p>{escape(note)}</p>" for note in notes if note)


def plural(n: int, name: str) -> str:
    """Return a number of things."""
    return f"{n} {name}" if n == 1 else f"{n} {name}s"


def paragraphs(blocks: Sequence[str]) -> str:
    """Return texts with an empty line between, but for empty ones."""
    return "\n\n".join(block for block in blocks if block)
