"""initial_params of all kinds of spaces."""

import re
import warnings

import pytest
import scipy.stats

from tests.helpers.spaces import conditional, search_of


def test_initial_params_of_a_dict_come_first(digits):
    initial = [{"dropout": 0.125, "filters": (8,)}, {"dropout": 0.25}]
    space = {"dropout": (0.0, 0.5), "filters": [(4,), (8,)]}
    search = search_of(space=space, n_trials=4, initial_params=initial).fit(*digits)
    params = search.cv_results_["params"]
    assert params[0] == initial[0]
    assert params[1]["dropout"] == 0.25
    assert params[1]["filters"] in [(4,), (8,)]
    assert params[2]["dropout"] not in (0.125, 0.25)


def test_initial_params_of_the_automatic_space_come_second(digits):
    initial = ({"filters": (4, 8), "kernel_size": 5}, {"dropout": 0.0, "hidden_units": ()})
    search = search_of(n_trials=3, initial_params=initial).fit(*digits)
    params = search.cv_results_["params"]
    assert (params[0]["filters"], params[0]["dropout"]) == ((4,), 0.25)
    assert (params[1]["filters"], params[1]["kernel_size"]) == ((4, 8), 5)
    assert params[1]["dropout"] == 0.25
    assert (params[2]["filters"], params[2]["hidden_units"], params[2]["dropout"]) == ((4,), (), 0)


def test_initial_values_of_a_function_come_first(digits):
    initial = [{"optimizer": "sgd", "momentum": 0.5, "n_blocks": 2}]
    search = search_of(space=conditional, initial_params=initial).fit(*digits)
    expected = {"optimizer": "sgd", "momentum": 0.5, "filters": (4, 8)}
    assert search.cv_results_["params"][0] == expected


BAD_INITIAL = [
    ({"dropout": (0.0, 0.5)}, [{"drop": 0.1}], r"name parameters of param_space.*\['dropout'\].*Got 'drop' in initial_params\[0\]"),
    ({"dropout": (0.0, 0.5)}, [{}, {"filters": 3}], r"Got 'filters' in initial_params\[1\]"),
    ({"dropout": (0.0, 0.5)}, [{"dropout": 0.7}], "must lie in param_space. Got 0.7 for 'dropout'"),
    ({"dropout": (0.0, 0.5)}, [{"dropout": "low"}], "must lie in param_space. Got 'low'"),
    ({"dropout": (0.0, 0.5)}, [{"dropout": None}], "must lie in param_space. Got None"),
    ({"filters": [(4,), (8,)]}, [{"filters": (5,)}], r"must lie in param_space. Got \(5,\)"),
    ({"activation": ["relu", "elu"]}, [{"activation": "tanh"}], "must lie in param_space. Got 'tanh'"),
    ({"batch_size": (8, 32, 8)}, [{"batch_size": 9}], "must lie in param_space. Got 9"),
    ({"dropout": scipy.stats.uniform(0, 0.5)}, [{"dropout": 0.7}], "must lie in param_space. Got 0.7"),
    ({"dropout": (0.0, 0.5)}, [3], "must be a list of dicts. Got 3"),
    ("auto", [{"depth": 0.5}], r"Got 'depth' in initial_params\[0\]"),
    ("auto", ["small"], "must be a list of dicts. Got 'small'"),
    (conditional, [3], "must be a list of dicts. Got 3"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("space", "initial", "message"), BAD_INITIAL, ids=[f"{i}" for i in range(len(BAD_INITIAL))]
)
def test_bad_initial_params_raise(digits, space, initial, message):
    with pytest.raises(ValueError, match=f"The 'initial_params' parameter .*{message}"):
        search_of(space=space, initial_params=initial).fit(*digits)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": "sgd", "momentum": 5.0}, "5.0.* is out of (the )?range"),
        ({"optimizer": "adma"}, "'adma' not in"),
    ],
    ids=["range", "choice"],
)
def test_initial_values_outside_of_a_functions_ranges_warn(digits, values, message):
    search = search_of(space=conditional, initial_params=[values], n_trials=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(*digits)
    assert any(re.search(message, str(warning.message)) for warning in caught)


def test_initial_values_that_a_function_does_not_suggest_raise(digits):
    initial = [{"optimiser": "sgd", "n_blocks": 1}]
    search = search_of(space=conditional, initial_params=initial, n_trials=2)
    with pytest.raises((ValueError, Warning), match="optimiser"):
        search.fit(*digits)
