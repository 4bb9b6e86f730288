"""ModelComparison: its table against recomputation, its checks, its texts."""

import copy
import html.parser
import io
import pickle
import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skcnn.comparison import ModelComparison
from skcnn.exceptions import ComparisonWarning

NAN = np.nan
RNG = np.random.default_rng(0)
PLAIN = {
    "first": 0.90 + RNG.normal(0, 0.02, 10),
    "second": 0.92 + RNG.normal(0, 0.02, 10),
    "third": 0.80 + RNG.normal(0, 0.02, 10),
}


def long_table(scores=PLAIN, metric="accuracy", **columns):
    """Return fold scores in long format of arrays by model."""
    wide = pd.DataFrame(scores).rename_axis("split").reset_index()
    long = wide.melt("split", var_name="model", value_name="score")
    return long.assign(metric=metric, n_train=80, n_test=20).assign(**columns)


def compare(scores=PLAIN, rope=0.01, baseline=None, **columns):
    return ModelComparison(long_table(scores, **columns), rope=rope, baseline=baseline)


# The table


@pytest.mark.parametrize("baseline", [None, "second", "third"])
def test_table_is_what_a_loop_computes(baseline):
    table = compare(baseline=baseline).table.loc["accuracy"]
    own = PLAIN[baseline or "first"]
    factor = np.sqrt(1 / 10 + 20 / 80)
    p_values = {}
    for name, scores in PLAIN.items():
        row = table.loc[name]
        reach = stats.t.ppf(0.975, 9) * factor
        assert_allclose(row["mean"], scores.mean())
        assert_allclose(row["ci_high"] - row["mean"], reach * scores.std(ddof=1))
        assert_allclose(row["mean"] - row["ci_low"], reach * scores.std(ddof=1))
        if name == (baseline or "first"):
            assert row[["difference", "p_value", "p_adjusted", "p_better"]].isna().all()
            continue
        differences = scores - own
        error = differences.std(ddof=1) * factor
        p_values[name] = 2 * stats.t.sf(abs(differences.mean()) / error, 9)
        assert_allclose(row["difference"], differences.mean())
        assert_allclose(row["difference_high"] - row["difference"], reach / factor * error)
        assert_allclose(row["p_value"], p_values[name])
        assert_allclose(row["p_better"], stats.t.sf((0.01 - differences.mean()) / error, 9))
        assert_allclose(row[["p_better", "p_equivalent", "p_worse"]].sum(), 1)
    smaller, larger = sorted(p_values, key=p_values.get)
    assert table.loc[smaller, "p_adjusted"] == pytest.approx(2 * p_values[smaller])
    assert table.loc[larger, "p_adjusted"] == pytest.approx(
        max(p_values[larger], 2 * p_values[smaller])
    )


def test_metrics_are_apart():
    both = pd.concat([long_table(), long_table({k: 100 * v for k, v in PLAIN.items()}, "percent")])
    comparison = ModelComparison(both, rope={"percent": 1.0, "accuracy": 0.01})
    assert comparison.metrics == ["accuracy", "percent"]
    one, other = comparison.table.loc["accuracy"], comparison.table.loc["percent"]
    assert_allclose(other["mean"], 100 * one["mean"])
    probabilities = ["p_value", "p_adjusted", "p_better", "p_equivalent", "p_worse"]
    assert_allclose(other[probabilities], one[probabilities])
    assert_allclose(one["p_adjusted"], compare().table["p_adjusted"])


def test_order_of_rows_does_not_matter():
    shuffled = long_table().sample(frac=1, random_state=1)
    table = ModelComparison(shuffled, baseline="first").table.loc["accuracy"]
    pd.testing.assert_frame_equal(table, compare().table.loc["accuracy"].loc[table.index])


def test_against_is_the_comparison_with_another_baseline():
    comparison = compare()
    other = comparison.against("third", rope=0.05)
    pd.testing.assert_frame_equal(other.table, compare(baseline="third", rope=0.05).table)
    assert comparison.baseline == "first"
    assert comparison.against("third").rope == 0.01
    assert_allclose(
        comparison.against("second").table.loc[("accuracy", "first"), "difference"],
        -comparison.table.loc[("accuracy", "second"), "difference"],
    )


def test_a_failed_split_is_never_averaged_away():
    scores = {name: values.copy() for name, values in PLAIN.items()}
    scores["second"][3] = NAN
    errors = long_table(scores)["score"].isna().map({True: "Trace\nValueError: <no>", False: ""})
    comparison = compare(scores, error=errors)
    row = comparison.table.loc[("accuracy", "second")]
    assert row["n_failed"] == 1
    assert row[["mean", "ci_low", "difference", "p_value", "p_adjusted", "p_better"]].isna().all()
    # the family is of the tests that are left
    other = comparison.table.loc[("accuracy", "third")]
    assert other["p_adjusted"] == other["p_value"]
    assert "No score: second on split 3: ValueError: <no>" in repr(comparison)
    assert "failed on 1 split " in repr(comparison)
    assert "ValueError: &lt;no>" in comparison.to_markdown()
    with pytest.warns(ComparisonWarning, match="baseline 'second' has no mean accuracy"):
        against = comparison.against("second").table.loc["accuracy"]
    assert against["difference"].isna().all()
    assert against["mean"].notna().sum() == 2


def test_infinite_scores_are_missing():
    scores = {**PLAIN, "second": np.where(np.arange(10) == 2, -np.inf, PLAIN["second"])}
    comparison = compare(scores)
    assert comparison.table.loc[("accuracy", "second"), "n_failed"] == 1
    assert comparison.table.loc[("accuracy", "second"), ["mean", "p_better"]].isna().all()


def test_identical_models_have_no_test():
    with pytest.warns(ComparisonWarning, match="or not at all: nothing is known"):
        comparison = compare({"a": PLAIN["first"], "b": PLAIN["first"]})
    row = comparison.table.loc[("accuracy", "b")]
    assert row["difference"] == 0
    assert row["difference_low":"p_worse"].isna().all()
    assert "+0.0000 " in repr(comparison)


def test_seconds_are_medians_of_the_splits():
    long = long_table(fit_seconds=1.0, n_parameters=100.0)
    long.loc[long["model"] == "second", "fit_seconds"] = [60.0, *np.arange(9.0)]
    long.loc[long["model"] == "third", "n_parameters"] = NAN
    table = ModelComparison(long).table.loc["accuracy"]
    assert table["fit_seconds"].to_list() == [
        1.0,
        4.5,
        1.0,
    ]  # the first imported what the others found
    assert_allclose(table["n_parameters"], [100, 100, NAN])
    assert table["predict_seconds"].isna().all()


def test_share_is_the_mean_of_unequal_splits():
    long = long_table()
    long["n_test"] = np.tile([10, 30], 15)
    assert ModelComparison(long).test_share == pytest.approx(0.25)


# Warnings of the design


def test_one_split_has_no_test():
    with pytest.warns(ComparisonWarning, match="One split has no variance"):
        comparison = compare({name: values[:1] for name, values in PLAIN.items()})
    row = comparison.table.loc[("accuracy", "second")]
    assert row["difference"] == pytest.approx(PLAIN["second"][0] - PLAIN["first"][0])
    assert row[["ci_low", "p_value", "p_better"]].isna().all()
    assert "1 split with about 80" in repr(comparison)


@pytest.mark.parametrize("n_splits", [2, 4])
def test_few_splits_warn(n_splits):
    with pytest.warns(ComparisonWarning, match=f"leave {n_splits - 1} degrees? of freedom"):
        compare({name: values[:n_splits] for name, values in PLAIN.items()})


def test_constant_differences_warn():
    with pytest.warns(ComparisonWarning, match="'b' differs from that of 'a' by the same number"):
        comparison = compare({"a": PLAIN["first"], "b": PLAIN["first"] + 1e-4})
    assert comparison.table.loc[("accuracy", "b"), "p_value":"p_worse"].isna().all()


def test_ranks_of_splits_are_refused():
    with pytest.raises(ValueError, match="share training samples") as caught:
        compare().rank_test()
    assert "smallest p" not in str(caught.value)
    five = compare({name: values[:5] for name, values in PLAIN.items()})
    with pytest.raises(ValueError, match=r"With 5 splits the smallest p .* is 0\.0625"):
        five.rank_test()


# Checks


@pytest.mark.parametrize("rope", [-0.1, NAN, np.inf, True, "0.1", None, {"accuracy": -1}])
def test_wrong_ropes(rope):
    with pytest.raises(ValueError, match="'rope' parameter must be a number >= 0"):
        compare(rope=rope)


@pytest.mark.parametrize("rope", [0, np.float32(0.5), {"accuracy": 0.0}])
def test_right_ropes(rope):
    comparison = compare(rope=rope)
    expected = rope["accuracy"] if isinstance(rope, dict) else rope
    assert comparison.rope_of("accuracy") == pytest.approx(expected)
    assert_allclose(
        comparison.table[["p_better", "p_equivalent", "p_worse"]].sum(axis=1), [0, 1, 1]
    )


def test_misspelled_baseline():
    with pytest.raises(ValueError, match=r"Got 'secnd' instead\. Did you mean 'second'"):
        compare(baseline="secnd")
    with pytest.raises(ValueError, match="must be one of"):
        compare().against("secnd")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="score"), r"without \['score'\]"),
        (lambda t: t.iloc[:0], "DataFrame with rows"),
        (lambda t: t.to_dict(), "Got dict"),
        (lambda t: t.iloc[1:], "'first', 'accuracy' on some split"),
        (lambda t: pd.concat([t, t.iloc[-1:]]), "'third', 'accuracy' on some split"),
        (lambda t: t.assign(n_train=0), "positive numbers n_train"),
        (lambda t: t.assign(n_test=NAN), "positive numbers n_train"),
        (lambda t: t.assign(model=t["model"].replace("second", None)), "no missing values"),
    ],
    ids=["column", "empty", "dict", "lost row", "double row", "no train", "no test", "no name"],
)
def test_wrong_tables(change, message):
    with pytest.raises(ValueError, match=message):
        ModelComparison(change(long_table()))


def test_given_table_is_not_changed():
    long = long_table()
    before = long.copy()
    comparison = ModelComparison(long)
    comparison.fold_scores["score"] = 0.0
    pd.testing.assert_frame_equal(long, before)


# Stored and copied


@pytest.mark.parametrize("lost", [0, 2])
def test_a_file_gives_the_comparison_again(lost):
    scores = {**PLAIN, "7": PLAIN["first"] + 0.01 * np.arange(10)}  # read back as a number
    scores["second"] = np.where(np.arange(10) < lost, NAN, scores["second"])
    error = long_table(scores)["score"].isna().map({True: 'Trace, "x"\nError: y', False: ""})
    n_parameters = pd.array([1, None] * 20, dtype="Int64")
    comparison = compare(scores, error=error, n_parameters=n_parameters)
    file = io.StringIO(comparison.fold_scores.to_csv(index=False))
    again = ModelComparison(pd.read_csv(file))
    pd.testing.assert_frame_equal(again.table, comparison.table)
    assert repr(again) == repr(comparison)


def test_only_numbers_as_names_come_back():
    comparison = compare({"1": PLAIN["first"], "2": PLAIN["second"]})
    again = ModelComparison(pd.read_csv(io.StringIO(comparison.fold_scores.to_csv(index=False))))
    assert again.models == ["1", "2"]
    assert repr(again) == repr(comparison)


@pytest.mark.parametrize("through", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_copies_are_the_same(through):
    comparison = compare()
    again = through(comparison)
    pd.testing.assert_frame_equal(again.table, comparison.table)
    assert repr(again.against("second")) == repr(comparison.against("second"))


# Texts

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


def test_text_tells_what_it_is_about():
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
    assert parser.cells[8] == "<b>|x & y"
    assert parser.tags == {"table", "thead", "tbody", "tr", "th", "td", "p"}
    assert len(parser.cells) == 4 * 8


def test_several_metrics_are_several_tables():
    both = ModelComparison(pd.concat([long_table(), long_table(metric="f1")]))
    assert both._repr_html_().count("<table>") == 2
    assert "f1 [95 %]" in repr(both)
    assert both.to_markdown().count("| :-- |") == 2


def test_rope_of_an_unknown_metric():
    with pytest.raises(ValueError, match=r"'metric' parameter must be one of \['accuracy'\]"):
        compare().rope_of("acuracy")


@pytest.mark.parametrize("column", ["score", "n_train"])
def test_fold_scores_must_be_numbers(column):
    with pytest.raises(ValueError, match="must have numbers in score, n_train and n_test"):
        ModelComparison(long_table().assign(**{column: "much"}))


def test_regions_of_some_metrics_and_of_none():
    with pytest.warns(ComparisonWarning, match="rope has 'acuracy', which is none of the metrics"):
        assert compare(rope={"acuracy": 0.1}).rope_of("accuracy") == 0.01


def test_the_default_region_says_little_of_large_scores():
    large = {name: 100 * values for name, values in PLAIN.items()}
    with pytest.warns(ComparisonWarning, match=r"Pass the difference .* rope={'accuracy': \.\.\.}"):
        compare(large)
    assert compare(large, rope=1.0).rope_of("accuracy") == 1.0
