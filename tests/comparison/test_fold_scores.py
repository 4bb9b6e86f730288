"""Checks of the long table of scores."""

import numpy as np
import pandas as pd
import pytest

from skcnn.comparison import ModelComparison
from tests.helpers.fold_scores import long_table

NAN = np.nan


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


@pytest.mark.parametrize("column", ["score", "n_train"])
def test_fold_scores_must_be_numbers(column):
    with pytest.raises(ValueError, match="must have numbers in score, n_train and n_test"):
        ModelComparison(long_table().assign(**{column: "much"}))
