"""Products of parameters, thinned so that all pairs of values remain."""

from itertools import combinations, product

import pytest


def pairs_of(*factors):
    """Return rows of the product of `factors` in which every pair of two factors' values occurs.

    Each next row is the first of those with most pairs that did not occur yet.
    """
    new = {
        numbers: {*combinations(enumerate(numbers), 2)}
        for numbers in product(*(range(len(factor)) for factor in factors))
    }
    rows = []
    while any(new.values()):
        row = max(new, key=lambda numbers: len(new[numbers]))
        rows.append(row)
        done = new[row]
        new = {numbers: pairs - done for numbers, pairs in new.items() if pairs - done}
    return [tuple(factor[i] for factor, i in zip(factors, row, strict=True)) for row in rows]


def parametrize_pairs(**factors):
    """Parametrize a test by all pairs of values of its `factors`, lists or dicts of named values."""
    named = [
        list(factor.items()) if isinstance(factor, dict) else [(str(v), v) for v in factor]
        for factor in factors.values()
    ]
    rows = [
        pytest.param(*(value for _, value in row), id="-".join(name for name, _ in row))
        for row in pairs_of(*named)
    ]
    return pytest.mark.parametrize(tuple(factors), rows)
