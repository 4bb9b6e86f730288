"""Sections of sentences and tables as Markdown and as HTML."""

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from skcnn._report import page
from skcnn._utils.text import printable

DIGITS = 4
SPECIAL = "\\`*_[]<>#|~&"  # of Markdown


def _cell(value: Any) -> str:
    if isinstance(value, bool | np.bool_ | Integral):
        return str(value)
    if isinstance(value, Real):
        number = float(value)
        return "-" if np.isnan(number) else f"{number:.{DIGITS}g}"
    return str(value)


def _rows(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return the header and the cells of a table, as texts."""
    header = [str(table.index.name or ""), *map(str, table.columns)]
    columns = [table.index.tolist(), *(table[name].tolist() for name in table.columns)]
    return header, [[_cell(value) for value in row] for row in zip(*columns, strict=True)]


def _plain(text: str) -> str:
    """Return a text that Markdown shows as it is, in one line."""
    return "".join(f"\\{c}" if c in SPECIAL else c for c in printable(text))


def markdown(title: str, sections: Mapping[str, Sequence[Any]]) -> str:
    """Return sections as Markdown. The texts given to them are escaped."""
    lines = [f"# {_plain(title)}", ""]
    for name, blocks in sections.items():
        lines += [f"## {_plain(name)}", ""]
        for block in blocks:
            if isinstance(block, pd.DataFrame):
                header, rows = _rows(block)
                lines.append(_line(header))
                lines.append("|" + "---|" * len(header))
                lines += map(_line, rows)
            else:
                lines += [_plain(part) for part in block.splitlines()]
            lines.append("")
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_plain, cells)) + " |"


def _parts(sections: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return the sections as parts of a page."""
    found = []
    for name, blocks in sections.items():
        body = []
        for block in blocks:
            if isinstance(block, pd.DataFrame):
                header, rows = _rows(block)
                texts = all(block[column].dtype.kind not in "iuf" for column in block.columns)
                body.append(page.table(header, rows, kind="texts" if texts else ""))
            else:
                body += [page.paragraph(part) for part in block.splitlines()]
        found.append(page.section(name, *body))
    return found


def html(title: str, sections: Mapping[str, Sequence[Any]]) -> str:
    """Return sections as a whole page."""
    return page.page(title, _parts(sections))


def fragment(title: str, sections: Mapping[str, Sequence[Any]]) -> str:
    """Return sections as HTML for a notebook, without a style of their own."""
    return f"<div><h1>{page.text(title)}</h1>{''.join(_parts(sections))}</div>"
