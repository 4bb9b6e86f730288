"""Comparisons as text, Markdown and HTML."""

import html.parser
import re

import pandas as pd
import pytest

from skcnn.comparison import ModelComparison
from tests.helpers.fold_scores import PLAIN, compare, long_table

NASTY = {"<b>|x & y": PLAIN["first"], "a\\b": PLAIN["second"], "": PLAIN["third"]}


def table_lines(comparison):
    return repr(comparison).split("\n\n")[0].split("\n")


@pytest.mark.parametrize("factor", [1.0, 1e-9, 1e9, 200.0])
def test_columns_of_text_are_aligned(factor):
    scores = {name: factor * values for name, values in PLAIN.items()}
    lines = table_lines(compare(scores, rope=0.01 * factor, n_parameters=1234567))
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1  # the last column ends at the right
    assert all(line.endswith("1,234,567") for line in lines[1:])
    shown = float(re.search(r"first +(\S+) \[", lines[1])[1])
    assert shown == pytest.approx(factor * PLAIN["first"].mean(), rel=1e-3)


def test_text_names_the_design_and_the_baseline():
    text = repr(compare(rope={"accuracy": 0.03}))
    assert "10 splits with about 80 samples for training and 20 for testing" in text
    assert "to 'first' (positive is better), equivalent within ±0.03;" in text
    row = compare().table.loc[("accuracy", "third")]
    assert f"{row['mean']:.4f} [{row['ci_low']:.4f}, {row['ci_high']:.4f}]" in text
    assert f"{row['difference']:+.4f} [" in text
    assert "<0.001" in text


def test_missing_cells_are_dashes():
    first, second = table_lines(compare())[1:3]
    assert first.split()[-6:] == ["baseline", "-", "-", "-", "-", "-"]
    assert "nan" not in repr(compare()).lower()
    assert second.split()[-3:] == ["-", "-", "-"]


def test_markdown_is_a_table_whatever_the_names():
    text = compare(NASTY).to_markdown()
    header, rule, *rows = text.split("\n\n")[0].split("\n")
    n_columns = [len(re.findall(r"(?<!\\)\|", line)) for line in (header, rule, *rows)]
    assert n_columns == [9] * 5
    assert rows[0].startswith("| &lt;b>\\|x &amp; y | 0.9")
    assert set(rule) <= set("|:- ")


class Cells(html.parser.HTMLParser):
    """Collects the text of each cell."""

    def __init__(self):
        super().__init__()
        self.cells, self.tags = [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data):
        if self.cells:
            self.cells[-1] += data


def test_html_shows_names_as_they_are():
    parser = Cells()
    parser.feed(compare(NASTY)._repr_html_())
    assert parser.cells[8].strip() == "<b>|x & y"
    assert parser.tags == {"table", "thead", "tbody", "tr", "th", "td", "p"}
    assert len(parser.cells) == 4 * 8


def test_several_metrics_are_several_tables():
    both = ModelComparison(pd.concat([long_table(), long_table(metric="f1")]))
    assert both._repr_html_().count("<table") == 2
    assert "f1 [95 %]" in repr(both)
    assert both.to_markdown().count("| :-- |") == 2
