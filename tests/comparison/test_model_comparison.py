"""ModelComparison: its table against recomputation, its warnings, copies of it."""

import copy
import io
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skcnn.comparison import ModelComparison
from skcnn.exceptions import ComparisonWarning
from tests.helpers.fold_scores import PLAIN, compare, long_table

NAN = np.nan


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


def test_metrics_are_tested_separately():
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
    # adjusted for the number of tests that are left
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
    with pytest.warns(ComparisonWarning, match="or not at all: its variance is unknown"):
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
    assert table["fit_seconds"].to_list() == [1.0, 4.5, 1.0]
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


def test_rope_of_an_unknown_metric():
    with pytest.raises(ValueError, match=r"'metric' parameter must be one of \['accuracy'\]"):
        compare().rope_of("acuracy")


def test_a_region_of_an_unknown_metric_warns():
    with pytest.warns(
        ComparisonWarning, match="rope has 'acuracy', which is not one of the metrics"
    ):
        assert compare(rope={"acuracy": 0.1}).rope_of("accuracy") == 0.01


def test_the_default_region_is_small_for_large_scores():
    large = {name: 100 * values for name, values in PLAIN.items()}
    with pytest.warns(ComparisonWarning, match=r"Pass the difference .* rope={'accuracy': \.\.\.}"):
        compare(large)
    assert compare(large, rope=1.0).rope_of("accuracy") == 1.0


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
