"""What fits warned of, summed; errors in a line."""

import pytest
from sklearn.exceptions import ConvergenceWarning

from skcnn._evaluation import last_line, merged_warnings


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


def test_last_line_is_the_error_of_a_traceback():
    assert last_line("Traceback:\n  File x\nValueError: wrong\n") == "ValueError: wrong"
    assert last_line("") == ""
