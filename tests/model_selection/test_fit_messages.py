"""Warnings of fits summed up, and errors in a line."""

import traceback

import pytest
from sklearn.exceptions import ConvergenceWarning

from skcnn.model_selection._fit_messages import error_line, merged_warnings


def test_warnings_are_summed_by_category_and_message():
    own = "sklearn.exceptions.ConvergenceWarning"
    first = [(own, "slow", 2), ("builtins.UserWarning", "slow", 1)]
    assert merged_warnings([first, [(own, "slow", 3)], []], "folds") == [
        (ConvergenceWarning, "slow (counted 5 times in 2 of 3 folds)"),
        (UserWarning, "slow (counted 1 times in 1 of 3 folds)"),
    ]


@pytest.mark.parametrize(
    "name", ["nowhere.Warning", "sklearn.Missing", "Warning", "", "builtins.ValueError", "os.path"]
)
def test_unknown_categories_become_user_warnings(name):
    [(category, _)] = merged_warnings([[(name, "text", 1)]], "folds")
    assert category is UserWarning


def traceback_of(message):
    try:
        raise ValueError(message)
    except ValueError:
        return traceback.format_exc()


def test_error_line_is_that_of_the_exception():
    assert error_line(traceback_of("wrong")) == "ValueError: wrong"
    assert error_line(traceback_of("first\nsecond\n  third")) == "ValueError: first"
    assert error_line("The score is NaN.") == "The score is NaN."
    assert error_line("") == ""
