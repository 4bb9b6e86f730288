"""The splits and the score of all candidates."""

import pytest
from sklearn.model_selection import KFold

from skcnn.model_selection._cross_validation import CrossValidation
from tests.helpers.pruned_searches import search_of

# Splits


class CountingSplitter:
    """Shuffles again at every call."""

    n_calls = 0

    def split(self, X, y=None, groups=None):
        CountingSplitter.n_calls += 1
        return KFold(2, shuffle=True).split(X, y)

    def get_n_splits(self, X=None, y=None, groups=None):
        return 2


def test_splits_are_made_once(digits):
    CountingSplitter.n_calls = 0
    search_of(cv=CountingSplitter()).fit(*digits)
    assert CountingSplitter.n_calls == 1


def test_random_splits_are_the_same_for_all_trials(digits):
    cv = KFold(2, shuffle=True)  # without a seed
    space = {"verbose": [0, False]}  # two trials of the same network
    results = search_of(space=space, n_trials=2, cv=cv, pruner=None).fit(*digits).cv_results_
    assert results["split0_test_score"][0] == results["split0_test_score"][1]
    assert results["split1_test_score"][0] == results["split1_test_score"][1]


# Evaluation by itself


def test_main_score_is_the_named_or_the_first():
    cv = CrossValidation(None, None, None, [], None, main_metric="b")
    assert cv.main_score({"a": 1.0, "b": 2.0}) == 2.0
    assert cv.main_score({"score": 3.0}) == 3.0
    with pytest.raises(ValueError, match="refit must be set to a scorer key"):
        cv.main_score({"a": 1.0, "c": 2.0})
    assert CrossValidation(None, None, None, [], None).main_score({"a": 1.0, "b": 2.0}) == 1.0
