"""Texts that are the same for equal values."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline

from skcnn.model_selection._hashing import hash_of, key_of


def test_keys_of_different_parameters_differ():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    for first, second in [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": "1"}),
        ({"a": (4,)}, {"a": 4}),
        ({"a": 1}, {"a": True}),
        ({"a": None}, {}),
        ({"a": 0.1}, {"a": 0.1 + 1e-16}),
    ]:
        assert key_of(first) != key_of(second)


def test_keys_of_long_values_differ():
    long = np.zeros(5000)
    other = long.copy()
    other[2500] = 1.0
    assert key_of({"a": long}) != key_of({"a": other})
    many = [PCA(n_components=i, svd_solver="full", whiten=True, tol=0.5) for i in range(40)]
    middle = [*many[:20], PCA(n_components=999, svd_solver="full"), *many[21:]]
    pipes = [Pipeline([(f"step{i}", pca) for i, pca in enumerate(pcas)]) for pcas in (many, middle)]
    assert key_of({"a": pipes[0]}) != key_of({"a": pipes[1]})


# The automatic space


def test_equal_tuples_have_the_same_hash():
    inner = (4, 4)
    assert hash_of((inner, inner)) == hash_of(((4, 4), (*inner,)))
    assert hash_of((4, 4)) != hash_of([4, 4])
    assert hash_of(1) != hash_of(True) != hash_of(1.0)
    assert hash_of(np.float64(0.5)) == hash_of(0.5)
