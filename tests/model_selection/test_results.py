"""From trials to cv_results_, the Pareto front, the table of trials and warnings."""

import warnings
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skcnn.model_selection._results import TrialRecord, format_results, pareto_front, trials_table

NAN = float("nan")


def fold(test=0.5, train=None, fit_time=1.0, score_time=0.1):
    return {
        "test_scores": test if isinstance(test, dict) else {"score": test},
        "error": "" if test != {} else "it failed",
        "train_scores": {} if train is None else {"score": train},
        "fit_time": fit_time,
        "score_time": score_time,
    }


def record(number=0, params=None, state="COMPLETE", folds=(), values=None, **more):
    result = {
        "state": state,
        "folds": list(folds),
        "n_epochs": 4,
        "n_parameters": 100,
        "reason": "",
        "warnings": [],
    }
    return TrialRecord(number, params or {}, {**result, **more}, values)


def test_columns_of_complete_trials():
    records = [
        record(3, {"rate": 0.1}, folds=[fold(0.5, 0.75), fold(1.0, 1.0, 3.0, 0.3)]),
        record(5, {"rate": 0.2}, folds=[fold(1.0, 1.0), fold(1.0, 1.0)]),
    ]
    results = format_results(records, 2, NAN, True)
    expected = {
        "mean_fit_time": [2.0, 1.0],
        "std_fit_time": [1.0, 0.0],
        "mean_score_time": [0.2, 0.1],
        "split0_test_score": [0.5, 1.0],
        "split1_test_score": [1.0, 1.0],
        "mean_test_score": [0.75, 1.0],
        "std_test_score": [0.25, 0.0],
        "rank_test_score": [2, 1],
        "split0_train_score": [0.75, 1.0],
        "mean_train_score": [0.875, 1.0],
        "std_train_score": [0.125, 0.0],
        "param_rate": [0.1, 0.2],
        "pruned": [False, False],
        "n_epochs": [4, 4],
        "n_parameters": [100, 100],
        "trial": [3, 5],
    }
    for name, column in expected.items():
        np.testing.assert_allclose(results[name], column, err_msg=name)
    assert results["params"] == [{"rate": 0.1}, {"rate": 0.2}]
    assert results["rank_test_score"].dtype == np.int32
    assert "rank_train_score" not in results


def test_folds_that_were_not_finished_are_nan():
    records = [
        record(0, folds=[fold(0.5), fold(1.0)]),
        record(1, state="PRUNED", folds=[fold(0.75)]),
        record(2, state="FAIL", n_epochs=None, n_parameters=None),
    ]
    results = format_results(records, 2, NAN, False)
    assert_array_equal(results["split0_test_score"], [0.5, 0.75, NAN])
    assert_array_equal(results["split1_test_score"], [1.0, NAN, NAN])
    assert_array_equal(results["mean_test_score"], [0.75, NAN, NAN])
    assert_array_equal(results["std_test_score"], [0.25, NAN, NAN])
    assert_array_equal(results["mean_fit_time"], [1.0, 1.0, NAN])
    assert_array_equal(results["rank_test_score"], [1, 2, 2])
    assert_array_equal(results["pruned"], [False, True, False])
    assert_array_equal(results["n_epochs"].mask, [False, False, True])
    assert results["n_parameters"].dtype == np.int64


@pytest.mark.parametrize(
    ("means", "ranks"),
    [
        ([0.1, 0.3, 0.2], [3, 1, 2]),
        ([0.3, 0.3, 0.2], [1, 1, 3]),
        ([NAN, 0.3, NAN], [2, 1, 2]),
        ([-5.0, NAN, -7.0], [1, 3, 2]),
        ([NAN, NAN], [1, 1]),
        ([np.inf, 0.0, NAN], [1, 2, 3]),
    ],
    ids=str,
)
def test_ranks(means, ranks):
    records = [record(i, folds=[fold(mean)]) for i, mean in enumerate(means)]
    assert_array_equal(format_results(records, 1, NAN, False)["rank_test_score"], ranks)


@pytest.mark.parametrize(("error_score", "shown"), [(NAN, NAN), (-1.0, -1.0), ("raise", NAN)])
def test_folds_that_failed_have_the_error_score(error_score, shown):
    records = [record(0, folds=[fold(0.5), fold({})])]
    results = format_results(records, 2, error_score, False)
    assert_array_equal(results["split1_test_score"], [shown])


def test_metrics_have_columns_each():
    records = [record(0, folds=[fold({"a": 1.0, "b": 2.0})]), record(1, state="FAIL")]
    results = format_results(records, 1, NAN, False)
    assert_array_equal(results["mean_test_a"], [1.0, NAN])
    assert_array_equal(results["rank_test_b"], [1, 2])
    assert "mean_test_score" not in results


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2], np.int64),
        ([1, 0.5], np.float64),
        ([0.5, 0.25], np.float64),
        ([True, False], bool),
        (["a", "b"], object),
        ([1, "b"], object),
        ([None, 1], object),
        ([(4,), (8, 8)], object),
        ([(4, 4), (8, 8)], object),
        ([[1], [2]], object),
        ([np.zeros(2), np.ones(2)], object),
        ([np.float32(0.5), np.float32(1)], np.float32),
        ([True, "auto"], object),
    ],
    ids=str,
)
def test_parameters_keep_their_values_and_dtype(values, dtype):
    records = [record(i, {"p": value}) for i, value in enumerate(values)]
    column = format_results([*records, record(2)], 1, NAN, False)["param_p"]
    assert column.dtype == dtype
    assert column.mask.tolist() == [False, False, True]
    for shown, value in zip(column, values, strict=False):
        if isinstance(value, np.ndarray | list):
            assert_array_equal(np.asarray(shown), value)
        else:
            assert shown == value


def test_results_need_no_trial_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = format_results([], 2, NAN, True)
    assert results["params"] == []
    assert len(results["mean_test_score"]) == 0


# The front


def on_front(costs):
    return [
        i
        for i, a in enumerate(costs)
        if not any(all(x <= y for x, y in zip(b, a, strict=True)) and b != a for b in costs)
    ]


@settings(deadline=None, max_examples=200)
@given(
    costs=st.integers(1, 3).flatmap(
        lambda n: st.lists(st.tuples(*[st.integers(0, 5)] * n), min_size=1, max_size=15)
    ),
    data=st.data(),
)
def test_front_is_what_no_other_beats(costs, data):
    n = len(costs[0])
    minimized = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    names = [f"objective{i}" for i in range(n)]
    values = [
        [float(c if small else -c) for c, small in zip(row, minimized, strict=True)]
        for row in costs
    ]
    records = [record(i, {"p": i}, values=v) for i, v in enumerate(values)]
    front = pareto_front(records, names, minimized)
    assert sorted(front.index) == on_front(costs)
    assert front["p"].tolist() == front.index.tolist()
    for row in front.index:
        assert front.loc[row, names].tolist() == values[row]
    first = front[names[0]]
    assert first.is_monotonic_increasing if minimized[0] else first.is_monotonic_decreasing


def test_front_has_complete_trials_only():
    records = [
        record(0, state="FAIL"),
        record(1, {"a": 1}, values=[0.5]),
        record(2, state="PRUNED"),
    ]
    front = pareto_front(records, ["score"], [False])
    assert front.index.tolist() == [1]
    assert pareto_front(records[:1], ["score"], [False]).empty


# The table


def test_table_of_trials():
    begin = datetime(2026, 1, 1)
    records = [
        record(0, {"p": (4,)}, values=[0.5, 10.0]),
        record(2, {"q": 1}, state="FAIL", reason="why", n_epochs=None, copy_of=0),
    ]
    times = {i: (begin, begin + timedelta(seconds=1.5)) for i in (0, 2)}
    table = trials_table(records, ["score", "cost"], times)
    assert table.index.tolist() == [0, 2]
    assert list(table.columns) == [
        "state", "score", "cost", "n_epochs", "n_parameters", "copy_of", "begin", "seconds",
        "reason", "param_p", "param_q",
    ]  # fmt: skip
    assert_array_equal(table["score"], [0.5, NAN])
    assert table["seconds"].tolist() == [1.5, 1.5]
    assert table["reason"].tolist() == ["", "why"]
    assert table["copy_of"].isna().tolist() == [True, False]
    assert str(table["n_epochs"].dtype) == "Int64"
    assert table.loc[0, "param_p"] == (4,)
    assert pd.isna(table.loc[2, "param_p"])
