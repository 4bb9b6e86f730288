"""Targets that scores are computed of."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from skcnn.persistence._targets import n_rows, targets_like
from tests.helpers.small_fits import data, tiny


@pytest.mark.parametrize(
    ("values", "n"),
    [([1, 2], 2), (np.zeros((3, 2)), 3), (csr_array(np.eye(4)), 4), (np.array(1), 0)],
)
def test_rows_are_counted(values, n):
    assert n_rows(values) == n


def test_indicators_are_zero_or_one():
    X, _ = data()
    told = np.tile([[0, 1], [1, 1]], (len(X) // 2, 1))
    model = tiny(max_epochs=1).fit(X, told)
    np.testing.assert_array_equal(targets_like(told.tolist(), told, model, ("X", "y")), told)
    with pytest.raises(ValueError, match=r"y has labels .* not trained on: \[2\]"):
        targets_like(told + 1, told, model, ("X", "y"))
