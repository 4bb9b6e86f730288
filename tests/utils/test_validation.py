"""Checks of parameters, their hints, and warnings at the caller's line."""

from fractions import Fraction

import numpy as np
import pytest

from skcnn._utils.validation import (
    WholeNumbers,
    check_option,
    did_you_mean,
    is_integer,
    is_number,
    warn_caller,
)

INTEGERS = [0, -3, 10**400, np.int8(3), np.uint64(3)]
OTHER_NUMBERS = [0.5, 2.0, np.float32(0.5), Fraction(1, 3)]
NOT_NUMBERS = [True, False, np.True_, None, "1", [1], 1j, np.array([1])]
NOT_FINITE = [np.nan, np.inf, -np.inf, np.float32("nan")]


@pytest.mark.parametrize("value", INTEGERS, ids=str)
def test_integers_are_integers_and_numbers(value):
    assert is_integer(value)
    assert is_number(value)


def test_whole_numbers_are_a_constraint():
    legal = WholeNumbers({2, 1})
    assert str(legal) == "an int among {1, 2}"
    assert legal.is_satisfied_by(1)
    assert legal.is_satisfied_by(np.int8(2))
    for value in (0, 3, 1.0, True, np.True_, "1", None, [1], np.array(1), np.nan):
        assert not legal.is_satisfied_by(value)


@pytest.mark.parametrize("value", OTHER_NUMBERS, ids=str)
def test_other_finite_numbers_are_numbers_only(value):
    assert not is_integer(value)
    assert is_number(value)


@pytest.mark.parametrize("value", [*NOT_NUMBERS, *NOT_FINITE], ids=str)
def test_booleans_and_other_values_are_neither(value):
    assert not is_integer(value)
    assert not is_number(value)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("rellu", " Did you mean 'relu'?"),
        ("RELU", " Did you mean 'relu'?"),
        ("sigmoid", ""),
        (3, ""),
        (None, ""),
    ],
)
def test_hint_names_the_nearest_option(value, hint):
    assert did_you_mean(value, ["relu", "tanh"]) == hint


@pytest.mark.parametrize("options", [("a", "b"), {"a": 1, "b": 2}, iter(["a", "b"])])
def test_known_option_passes(options):
    check_option("kind", "b", options)


@pytest.mark.parametrize("value", ["c", None, 1, ["a"]])
def test_unknown_option_is_named(value):
    with pytest.raises(
        ValueError, match=r"'kind' parameter must be one of \['a', 'b'\]\. Got .* i"
    ):
        check_option("kind", value, {"a": 1, "b": 2})


def test_unknown_option_gets_a_hint():
    with pytest.raises(ValueError, match=r"Got 'frist' instead\. Did you mean 'first'\?$"):
        check_option("kind", "frist", ["first", "last"])


def test_warning_is_at_the_callers_line():
    with pytest.warns(UserWarning, match="look out") as caught:
        warn_caller("look out", UserWarning)
    assert caught[0].filename == __file__
